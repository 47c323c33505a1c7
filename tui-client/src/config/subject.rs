//! Subject of a token, read without verification. It only names the user's own files.

use realtime_shared::UserId;

use crate::net;

/// Subject of `token`.
pub(super) fn subject(token: &str) -> Option<UserId> {
    UserId::new(net::claims(token)?.get("sub")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_read_from_the_payload() {
        // {"sub":"alice","exp":1}
        let found = subject("e30.eyJzdWIiOiJhbGljZSIsImV4cCI6MX0.c2ln");
        assert_eq!(found.as_ref().map(UserId::as_str), Some("alice"));
        for token in ["a.b.c", "", "e30.e30.x", "x.eyJzdWIiOiIifQ.x"] {
            assert_eq!(subject(token), None, "{token}");
        }
    }
}
