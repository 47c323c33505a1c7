//! Values of keys, read with serde.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::fault::FaultAt;

/// A value with its place in the text.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A value that was read, or all its faults.
pub(super) type Checked<T> = Result<T, Vec<FaultAt>>;

/// Reads a value of any type.
pub(super) fn get<T: DeserializeOwned>(value: &Value<'_>) -> Checked<T> {
    T::deserialize(ValueDeserializer::from(value.clone())).map_err(|error| {
        let span = error.span().unwrap_or_else(|| value.span());
        vec![FaultAt::new(span, error.message())]
    })
}

/// Reads a text that must not be empty.
pub(super) fn text(value: &Value<'_>) -> Checked<String> {
    let text: String = get(value)?;
    if text.is_empty() { wrong(value, "it is empty") } else { Ok(text) }
}

/// Reads a choice by its name.
pub(super) fn choice<T: DeserializeOwned>(value: &Value<'_>) -> Checked<T> {
    text(value).and_then(|_| get(value))
}

/// Reads the items of a list. A fault drops only its own item.
pub(super) fn items<T>(
    value: &Value<'_>,
    mut read: impl FnMut(&Value<'_>) -> Checked<T>,
) -> Checked<(Vec<T>, Vec<FaultAt>)> {
    let DeValue::Array(list) = value.get_ref() else {
        return get::<Vec<String>>(value).map(|_| Default::default());
    };
    let (mut good, mut faults) = (Vec::new(), Vec::new());
    for item in list {
        match read(item) {
            Ok(item) => good.push(item),
            Err(fault) => faults.extend(fault),
        }
    }
    Ok((good, faults))
}

/// A fault of a value.
pub(super) fn wrong<T>(value: &Value<'_>, what: impl Into<String>) -> Checked<T> {
    Err(vec![FaultAt::new(value.span(), what)])
}

/// Returns the faults if there are any.
pub(super) fn all_good(faults: Vec<FaultAt>) -> Checked<()> {
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
