//! Claims of a bearer token.

use serde::{Deserialize, Deserializer, Serialize};

use crate::name::UserId;

/// The claims of a bearer token (a JWT). Other claims are ignored. An optional claim that is `null` counts as absent,
/// except `rooms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user id.
    pub sub: UserId,
    /// Time of expiry, in seconds since the Unix epoch.
    #[serde(deserialize_with = "numeric_date")]
    pub exp: u64,
    #[serde(default, deserialize_with = "absent_if_null")]
    pub role: Role,
    /// Globs of the rooms that the user may use. `None`: every room. An empty list: no room.
    ///
    /// `null` is refused: some programs write it for an empty list, and that must not grant every room.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "list")]
    pub rooms: Option<Vec<String>>,
    /// Globs of the rooms in which the user may not post.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "absent_if_null")]
    pub read_only: Vec<String>,
    /// Globs of the rooms that the user moderates, among those that the user may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "absent_if_null")]
    pub moderate: Vec<String>,
    /// The issuer of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The services that the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
}

/// The role of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May use the rooms that the globs allow.
    #[default]
    User,
    /// May use every room, post in every room and send notices.
    Admin,
}

/// The audience of a token: one name or several (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Reads a list and refuses `null`.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// Reads a value, or the default for `null`.
fn absent_if_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a `NumericDate` (RFC 7519, section 2) and cuts its fraction off.
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if !(0.0..=253_402_300_799.0).contains(&seconds) {
        return Err(serde::de::Error::custom("expected a time between the years 1970 and 9999"));
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
    fn a_token_without_role_and_rooms_is_a_user_of_every_room() {
        let claims = read(r#"{"sub":"alice","exp":1760000000,"iat":5,"scope":"x"}"#).expect("claims");
        assert_eq!(claims.exp, 1_760_000_000);
        assert_eq!((claims.role, claims.rooms, claims.read_only), (Role::User, None, vec![]));
        assert!(claims.moderate.is_empty());
        assert_eq!(read(r#"{"sub":"a","exp":1,"rooms":[]}"#).expect("claims").rooms, Some(vec![]));
        assert_eq!(read(r#"{"sub":"a","exp":1,"role":"admin"}"#).expect("claims").role, Role::Admin);
    }

    #[test]
    fn an_audience_is_one_name_or_several() {
        let aud = |json: &str| read(json).expect("claims").aud;
        assert_eq!(aud(r#"{"sub":"a","exp":1,"aud":"x"}"#), Some(Audience::One("x".into())));
        assert_eq!(aud(r#"{"sub":"a","exp":1,"aud":["x"]}"#), Some(Audience::Many(vec!["x".into()])));
    }

    #[test]
    fn a_fraction_of_a_second_in_exp_is_cut_off() {
        assert_eq!(read(r#"{"sub":"a","exp":1760000000.9}"#).expect("claims").exp, 1_760_000_000);
    }

    #[test]
    fn a_null_claim_counts_as_absent_except_rooms_and_required_ones() {
        let nulls = r#"{"sub":"a","exp":1,"role":null,"read_only":null,"moderate":null,"iss":null,"aud":null,"nbf":null}"#;
        assert_eq!(read(nulls), read(r#"{"sub":"a","exp":1}"#));
        for json in [
            r#"{"sub":"a","exp":1,"rooms":null}"#,
            r#"{"sub":null,"exp":1}"#,
            r#"{"sub":"a","exp":null}"#,
            r#"{"sub":"a","exp":1,"read_only":[null]}"#,
            r#"{"sub":"a","exp":1,"moderate":[null]}"#,
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn invalid_claims_are_refused() {
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
