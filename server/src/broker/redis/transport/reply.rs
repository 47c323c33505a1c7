//! Readers of Redis values.

use std::str::FromStr;

use ::redis::Value;

/// The text of a string.
pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// The number in a string or an integer.
pub(crate) fn parse<T: FromStr + TryFrom<i64>>(value: &Value) -> Option<T> {
    match value {
        Value::Int(number) => (*number).try_into().ok(),
        other => text(other)?.parse().ok(),
    }
}

/// The members of an array or a set.
pub(crate) fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) | Value::Set(values) => Some(values),
        _ => None,
    }
}

/// The members of an array or a set; none of any other value.
pub(crate) fn items(value: &Value) -> &[Value] {
    list(value).unwrap_or_default()
}

/// True if Redis refused the command.
pub(crate) fn is_refusal(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(_))
}
