//! Texts of errors of Redis, for the operator. None contains an argument of a command, which may be a password.

use ::redis::{RedisError, ServerError};

/// The code and the text of an error answer.
pub(crate) fn refusal_text(error: &ServerError) -> String {
    text(error.code(), error.details().unwrap_or_default())
}

/// The text of an error of a connection.
pub(crate) fn error_text(error: &RedisError) -> String {
    match error.code() {
        Some(code) => text(code, error.detail().unwrap_or_default()),
        None => one_line(&error.to_string()),
    }
}

fn text(code: &str, details: &str) -> String {
    // Redis repeats the arguments of a command that it does not know.
    let details = details.split(", with args beginning").next().unwrap_or_default();
    one_line(&format!("{code} {details}"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_unknown_command_has_no_arguments() {
        let details = "unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'hunter2' ";
        assert_eq!(text("ERR", details), "ERR unknown command 'HELLO'");
        assert_eq!(text("MOVED", "1 10.0.0.1:7000"), "MOVED 1 10.0.0.1:7000");
        assert_eq!(text("OOM", ""), "OOM");
    }
}
