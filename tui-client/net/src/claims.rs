//! Claims in the middle part of a JWT, without a check of its signature.
//!
//! Only the server has the secret for that check. The claims are good enough to find the user's own files and to show
//! them to the user. They do not prove an identity.

use serde_json::{Map, Value};

/// Longest middle part, in characters.
const PART_CHARS: usize = 16 * 1024;

/// Reads the claims of `token` by name; `None` if it is not a JWT.
#[must_use]
pub fn claims(token: &str) -> Option<Map<String, Value>> {
    let part = token.trim().split('.').nth(1).filter(|part| part.len() <= PART_CHARS)?;
    serde_json::from_slice(&base64url(part)?).ok()
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
    fn claims_are_read_from_a_jwt_and_from_nothing_else() {
        // {"sub":"alice","exp":1} and {"sub":"böb?>~"}
        for (payload, user) in
            [("eyJzdWIiOiJhbGljZSIsImV4cCI6MX0", "alice"), ("eyJzdWIiOiJiw7ZiPz5-In0", "böb?>~")]
        {
            let claims = claims(&format!("e30.{payload}.c2ln\n")).expect("a token");
            assert_eq!(claims.get("sub").and_then(Value::as_str), Some(user));
        }
        for token in ["a.b.c", "", "e30", "x.eyJzd=.x", "x.W10.x"] {
            assert_eq!(claims(token), None, "{token}");
        }
        assert_eq!(claims(&format!("x.{}.x", "A".repeat(PART_CHARS + 1))), None);
    }
}
