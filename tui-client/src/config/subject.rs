//! Whom a token says it is for: the `sub` in the middle part of a JWT.
//!
//! The signature is not checked, which takes the server's secret. What is read here is good for finding this user's own
//! files, and for nothing that asks who somebody is: that the server says.

use realtime_shared::UserId;
use serde::Deserialize;

/// Whom `token` says it is for.
pub(super) fn subject(token: &str) -> Option<UserId> {
    #[derive(Deserialize)]
    struct Subject {
        sub: UserId,
    }
    let payload = base64url(token.split('.').nth(1)?)?;
    serde_json::from_slice::<Subject>(&payload).ok().map(|claims| claims.sub)
}

/// Decodes base64 in the alphabet for URLs, without padding (RFC 4648, section 5).
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_names_the_user() {
        // {"sub":"alice","exp":1} and {"sub":"böb?>~"}
        for (payload, user) in
            [("eyJzdWIiOiJhbGljZSIsImV4cCI6MX0", "alice"), ("eyJzdWIiOiJiw7ZiPz5-In0", "böb?>~")]
        {
            let found = subject(&format!("e30.{payload}.c2ln"));
            assert_eq!(found.as_ref().map(UserId::as_str), Some(user));
        }
        for token in ["a.b.c", "", "e30.e30.x", "x.eyJzdWIiOiIifQ.x", "x.eyJzd=.x"] {
            assert_eq!(subject(token), None, "{token}");
        }
    }
}
