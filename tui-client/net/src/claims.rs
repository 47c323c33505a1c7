//! Claims in the middle part of a JWT, without a check of its signature.
//!
//! Only the server has the secret for that check. The claims are good enough to find the user's own files, to show them
//! to the user, and to explain a refusal. They do not prove an identity.

use std::time::Duration;

use realtime_shared::{Claims, Timestamp};
use serde_json::{Map, Value};

/// Longest middle part, in characters.
const PART_CHARS: usize = 16 * 1024;
/// Longest token that a server accepts, in bytes.
const TOKEN_BYTES: usize = 8 * 1024;
/// Most entries of `rooms` and `read_only` together that a server accepts.
const ROOM_GLOBS: usize = 256;
/// Clock skew that a server tolerates.
const LEEWAY: Duration = Duration::from_secs(5);

/// Reads the claims of `token` by name; `None` if it is not a JWT.
#[must_use]
pub fn claims(token: &str) -> Option<Map<String, Value>> {
    let part = token.trim().split('.').nth(1).filter(|part| part.len() <= PART_CHARS)?;
    serde_json::from_slice(&base64url(part)?).ok()
}

/// The claims of a token that decide if a server accepts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClaims {
    user: Option<String>,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    /// The reason why no server accepts the token at any time.
    invalid: Option<String>,
}

/// The reason why no server accepts a token now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    Expired {
        at: Timestamp,
    },
    NotYetValid {
        /// Time from which the token is valid.
        from: Timestamp,
    },
    /// The token is invalid at any time; contains the reason for people, which may quote a claim.
    Invalid(String),
}

impl TokenClaims {
    /// Reads the claims of `token`; `None` if it is not a JWT.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        let all = claims(token)?;
        let user = all.get("sub").and_then(Value::as_str).map(str::to_owned);
        let (expires_at, not_before) = (all.get("exp").and_then(time), all.get("nbf").and_then(time));
        let invalid = invalid(token.trim(), all);
        Some(Self { user, expires_at, not_before, invalid })
    }

    /// The user that the token names. The server compares names in another form.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The reason why no server accepts the token at this time. `None`: the claims do not show one.
    #[must_use]
    pub fn fault(&self, now: Timestamp) -> Option<TokenFault> {
        let leeway = u64::try_from(LEEWAY.as_millis()).unwrap_or_default();
        let now = now.millis();
        if let Some(why) = &self.invalid {
            return Some(TokenFault::Invalid(why.clone()));
        }
        if let Some(at) = self.expires_at.filter(|at| at.millis().saturating_add(leeway) <= now) {
            return Some(TokenFault::Expired { at });
        }
        let from = self.not_before.filter(|from| from.millis() > now.saturating_add(leeway))?;
        Some(TokenFault::NotYetValid { from })
    }
}

/// The reason why a server refuses a token with these claims at any time.
fn invalid(token: &str, all: Map<String, Value>) -> Option<String> {
    if token.len() > TOKEN_BYTES {
        return Some(format!("it is longer than {TOKEN_BYTES} bytes"));
    }
    let header = token.split('.').next().and_then(base64url);
    let header: Option<Map<String, Value>> = header.and_then(|header| serde_json::from_slice(&header).ok());
    let algorithm = header.as_ref().and_then(|header| header.get("alg")).and_then(Value::as_str);
    if let Some(algorithm) = algorithm.filter(|algorithm| *algorithm != "HS256") {
        return Some(format!("it is signed with {algorithm}, not with HS256"));
    }
    match serde_json::from_value::<Claims>(Value::Object(all)) {
        Ok(claims) if claims.rooms.as_ref().map_or(0, Vec::len) + claims.read_only.len() > ROOM_GLOBS => {
            Some(format!("`rooms` and `read_only` have more than {ROOM_GLOBS} entries"))
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// A time in seconds, as claims have it.
fn time(claim: &Value) -> Option<Timestamp> {
    let time = Duration::try_from_secs_f64(claim.as_f64()?).ok()?;
    Some(Timestamp::from_millis(u64::try_from(time.as_millis()).ok()?))
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

    /// A token with this header and these claims.
    fn token(header: &str, body: &str) -> String {
        format!("{}.{}.c2ln", encoded(header), encoded(body))
    }

    fn encoded(text: &str) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let digits = text.as_bytes().chunks(3).flat_map(|chunk| {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            (0..=chunk.len()).map(move |digit| DIGITS[(bits >> (18 - 6 * digit) & 63) as usize] as char)
        });
        digits.collect()
    }

    fn fault(body: &str, second: u64) -> Option<TokenFault> {
        let claims = TokenClaims::of(&token(r#"{"alg":"HS256"}"#, body)).expect("a token");
        claims.fault(Timestamp::from_millis(second * 1_000))
    }

    #[test]
    fn the_times_of_a_token_explain_a_refusal() {
        let at = |second: u64| Timestamp::from_millis(second * 1_000);
        let body = r#"{"sub":"alice","exp":100,"nbf":50}"#;
        assert_eq!(fault(body, 44), Some(TokenFault::NotYetValid { from: at(50) }));
        assert_eq!(fault(body, 45), None, "the server tolerates 5 s");
        assert_eq!(fault(body, 104), None);
        assert_eq!(fault(body, 105), Some(TokenFault::Expired { at: at(100) }));
    }

    #[test]
    fn invalid_claims_are_named() {
        let many = format!(r#"{{"sub":"a","exp":9,"rooms":[{}"x"]}}"#, r#""x","#.repeat(256));
        for (body, part) in [
            (r#"{"exp":9}"#, "missing field `sub`"),
            (r#"{"sub":"a"}"#, "missing field `exp`"),
            (r#"{"sub":"a","exp":18446744073709551615}"#, "9999"),
            (r#"{"sub":"","exp":9}"#, ""),
            (r#"{"sub":"a","exp":9,"rooms":null}"#, "null"),
            (r#"{"sub":"a","exp":9,"rooms":"dev"}"#, "dev"),
            (r#"{"sub":"a","exp":9,"role":"root"}"#, "root"),
            (&many, "more than 256"),
        ] {
            let Some(TokenFault::Invalid(why)) = fault(body, 1) else { panic!("{body}") };
            assert!(why.contains(part), "{body}: {why}");
        }
        let of = |header: &str| TokenClaims::of(&token(header, r#"{"sub":"a","exp":9}"#)).expect("a token");
        let now = Timestamp::from_millis(1);
        assert!(
            matches!(of(r#"{"alg":"RS256"}"#).fault(now), Some(TokenFault::Invalid(why)) if why.contains("RS256"))
        );
        assert_eq!(of(r#"{"alg":"HS256"}"#).fault(now), None);
        let long = format!(r#"{{"sub":"a","exp":9,"x":"{}"}}"#, "x".repeat(8_000));
        assert!(matches!(fault(&long, 1), Some(TokenFault::Invalid(why)) if why.contains("8192")));
    }
}
