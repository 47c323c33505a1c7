//! Names of rooms as a user types them.
//!
//! The client shows a room as `#dev`, so a user may type it so: one `#` at the start is dropped. A room whose name begins
//! with `#` is typed with two, as it is shown.

use realtime_shared::{NameError, RoomName};

/// Sign before the name of a room, on the screen and in typed names.
pub(crate) const SIGN: char = '#';

/// Error of a typed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TypedRoomError {
    #[error("names that begin with dm: or sys: are reserved")]
    Reserved,
    #[error("not a room name: it {0}")]
    Invalid(NameError),
}

/// Parses the name of a room that can be joined.
pub(crate) fn parse(typed: &str) -> Result<RoomName, TypedRoomError> {
    let room = RoomName::new(without_sign(typed)).map_err(TypedRoomError::Invalid)?;
    if room.is_reserved() { Err(TypedRoomError::Reserved) } else { Ok(room) }
}

/// The typed name, or the start of one, without the sign.
pub(crate) fn without_sign(typed: &str) -> &str {
    typed.strip_prefix(SIGN).unwrap_or(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sign_before_the_name_is_dropped() {
        for (typed, name) in
            [("dev", "dev"), ("#dev", "dev"), ("##dev", "#dev"), ("a#b", "a#b"), ("# b", " b")]
        {
            let parsed = parse(typed).map(|room| room.as_str().to_owned());
            assert_eq!(parsed.ok(), RoomName::new(name).ok().map(|room| room.as_str().to_owned()), "{typed}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_joined_is_explained() {
        for typed in ["dm:bob", "#dm:bob"] {
            assert_eq!(parse(typed), Err(TypedRoomError::Reserved));
        }
        for typed in ["", "#", "#a\u{200b}b"] {
            assert!(matches!(parse(typed), Err(TypedRoomError::Invalid(_))), "{typed}");
        }
    }
}
