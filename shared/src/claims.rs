//! What a token says of its bearer.

use serde::{Deserialize, Deserializer, Serialize};

use crate::UserId;

/// The claims of a bearer token (a JWT). Others are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who the bearer is.
    pub sub: UserId,
    /// When the token stops being good, in seconds since the Unix epoch.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: u64,
    /// What the bearer is.
    #[serde(default)]
    pub role: Role,
    /// Globs of the rooms that the bearer may use; none given: every room; an empty list: none. A `null` is refused:
    /// some programs write it for an empty list, and that must not open every room.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "list")]
    pub rooms: Option<Vec<String>>,
    /// Globs of the rooms that the bearer may read and not post in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
    /// Who made the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom the token was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
}

/// What a bearer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Uses rooms as the globs allow.
    #[default]
    User,
    /// Uses and posts in every room, and sends notices.
    Admin,
}

/// Whom a token was made for: a name or several (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One name.
    One(String),
    /// Several names.
    Many(Vec<String>),
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// A `NumericDate` (RFC 7519, section 2) may have a fraction, which is cut off.
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if !(0.0..=253_402_300_799.0).contains(&seconds) {
        return Err(serde::de::Error::custom("a time between the years 1970 and 9999"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
    Ok(seconds as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Claims> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn what_is_left_out_is_a_user_of_every_room() {
        let claims = read(r#"{"sub":"alice","exp":1760000000,"iat":5,"scope":"x"}"#).expect("claims");
        assert_eq!(claims.exp, 1_760_000_000);
        assert_eq!((claims.role, claims.rooms, claims.read_only), (Role::User, None, vec![]));
        assert_eq!(read(r#"{"sub":"a","exp":1,"rooms":[]}"#).expect("claims").rooms, Some(vec![]));
        assert_eq!(read(r#"{"sub":"a","exp":1,"role":"admin"}"#).expect("claims").role, Role::Admin);
    }

    #[test]
    fn an_audience_is_a_name_or_several() {
        let aud = |json: &str| read(json).expect("claims").aud;
        assert_eq!(aud(r#"{"sub":"a","exp":1,"aud":"x"}"#), Some(Audience::One("x".into())));
        assert_eq!(aud(r#"{"sub":"a","exp":1,"aud":["x"]}"#), Some(Audience::Many(vec!["x".into()])));
    }

    #[test]
    fn a_fraction_of_a_second_is_cut_off() {
        assert_eq!(read(r#"{"sub":"a","exp":1760000000.9}"#).expect("claims").exp, 1_760_000_000);
    }

    #[test]
    fn these_are_no_claims() {
        for json in [
            r#"{"exp":1}"#,
            r#"{"sub":"a"}"#,
            r#"{"sub":" a","exp":1}"#,
            r#"{"sub":"a\u202e","exp":1}"#,
            r#"{"sub":5,"exp":1}"#,
            r#"{"sub":"a","exp":"1"}"#,
            r#"{"sub":"a","exp":-1}"#,
            r#"{"sub":"a","exp":1e30}"#,
            r#"{"sub":"a","exp":1,"role":"root"}"#,
            r#"{"sub":"a","exp":1,"rooms":"chat-*"}"#,
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
