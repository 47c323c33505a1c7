//! Values of the kinds that keys have.

use toml::Spanned;
use toml::de::DeValue;

use super::fault::{Wrong, did_you_mean};

/// A value, and where it stands.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// What is made of a value, or all that is wrong with it.
pub(super) type Checked<T> = Result<T, Vec<Wrong>>;

/// One thing that is wrong with `value`.
pub(super) fn wrong<T>(value: &Value<'_>, what: impl Into<String>) -> Checked<T> {
    Err(vec![Wrong::new(value.span(), what)])
}

/// A value of another kind than `wanted`.
pub(super) fn not<T>(value: &Value<'_>, wanted: &str) -> Checked<T> {
    wrong(value, format!("{wanted} is wanted, not {}", kind(value.get_ref())))
}

/// `true` or `false`.
pub(super) fn switch(value: &Value<'_>) -> Checked<bool> {
    match value.get_ref() {
        DeValue::Boolean(on) => Ok(*on),
        _ => not(value, "true or false"),
    }
}

/// A text that is not empty.
pub(super) fn text<'a>(value: &'a Value<'_>) -> Checked<&'a str> {
    match value.get_ref() {
        DeValue::String(text) if text.is_empty() => wrong(value, "it is empty"),
        DeValue::String(text) => Ok(text),
        _ => not(value, "a text in quotes"),
    }
}

/// A list.
pub(super) fn list<'a, 'text>(value: &'a Value<'text>) -> Checked<Vec<&'a Value<'text>>> {
    match value.get_ref() {
        DeValue::Array(items) => Ok(items.iter().collect()),
        _ => not(value, "a list in brackets"),
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &Value<'_>, known: &[(&str, T)]) -> Checked<T> {
    let word = text(value)?;
    if let Some((_, meaning)) = known.iter().find(|(known, _)| *known == word) {
        return Ok(*meaning);
    }
    let words = || known.iter().map(|(word, _)| *word);
    let all = words().collect::<Vec<_>>().join(", ");
    wrong(value, format!("`{word}` is none of {all}{}", did_you_mean(word, words())))
}

/// What a value is, as people say it.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
