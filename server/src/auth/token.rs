//! Verification and minting of bearer tokens.
//!
//! Tokens are JWTs signed with HS256. [`Verifier`] has one algorithm and one key, so that a token cannot choose either.
//! The library checks signature and encoding; this module judges the claims, against a time that is passed in. A
//! [`TokenError`] goes to the log and never contains the token: clients get the same answer for every cause.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::{Mutex, RwLock};
use realtime_shared::{Audience, Claims, Role, Timestamp, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::grants::{GrantError, Grants};
use crate::clock::{Clock, Utc};
use crate::config::Config;
use crate::secret::Secret;

/// Limit on the length of a token: the limit of common proxies for a request line.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Tolerated clock skew between the issuer and this server, for `exp` and `nbf`.
pub const LEEWAY: Duration = Duration::from_secs(5);
/// Users whose `sub` is logged because of its form.
const MAX_LOGGED_USERS: usize = 1_024;

/// Bearer of a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The token's `sub`, in Unicode normalization form C.
    pub user: UserId,
    pub role: Role,
    pub grants: Grants,
    /// The token's `exp`. The token is valid until [`LEEWAY`] after it.
    pub expires_at: Timestamp,
}

/// Reason for refusing a token. Goes to the log only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is empty")]
    Empty,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not three parts of base64url, two of them JSON, or an unknown `alg` (`none` among them).
    #[error("not a JWT, or one with an unknown `alg`")]
    Malformed,
    /// `alg` is known but not HS256.
    #[error("not signed with HS256")]
    Algorithm,
    /// The header has `crit`: a recipient must refuse extensions that it does not know (RFC 7515, section 4.1.11).
    #[error("the header requires extensions (`crit`)")]
    Critical,
    /// Signed with another secret, or changed after signing.
    #[error("the signature does not match this server's secret")]
    Signature,
    /// A claim is missing or malformed.
    #[error("invalid claims: {0}")]
    Claims(String),
    /// `rooms` or `read_only` exceed a limit.
    #[error(transparent)]
    Grants(#[from] GrantError),
    #[error("`iss` is not the required issuer")]
    Issuer,
    #[error("`aud` does not name the required audience")]
    Audience,
    /// `exp` and the leeway are past.
    #[error("expired")]
    Expired,
    /// `nbf` is in the future by more than the leeway.
    #[error("not valid yet (`nbf`)")]
    NotYetValid,
}

/// Verifies tokens. Created once and shared by all connections.
#[derive(Debug)]
pub struct Verifier {
    key: RwLock<DecodingKey>,
    validation: Validation,
    issuer: Option<String>,
    audience: Option<String>,
    unusual_subs: Arc<LoggedUsers>,
    clock: Clock,
}

/// Users that were logged, so that each is logged once.
#[derive(Debug, Default)]
struct LoggedUsers(Mutex<HashSet<UserId>>);

impl LoggedUsers {
    /// True for a user that was not logged yet, unless too many were.
    fn is_new(&self, user: &UserId) -> bool {
        let mut logged = self.0.lock();
        logged.len() < MAX_LOGGED_USERS && logged.insert(user.clone())
    }
}

impl Verifier {
    /// Verifier with the secret of `config`. Requires `iss` and `aud` if `config` names them.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        // The library's checks of claims read the system clock, refuse an `aud` that is not required and accept a missing
        // one. Here it checks only the signature.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self {
            key: RwLock::new(DecodingKey::from_secret(config.secret.as_bytes())),
            validation,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            unusual_subs: Arc::default(),
            clock: config.clock.clone(),
        }
    }

    /// Verifies tokens with `secret` from now on, and refuses those that another secret signed.
    pub fn set_secret(&self, secret: &Secret) {
        *self.key.write() = DecodingKey::from_secret(secret.as_bytes());
    }

    /// Verifies `token` at the time `now`. Logs a refusal that is due to a clock in doubt.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let verdict = self.verify_at(token, now);
        if let Err(cause @ (TokenError::Expired | TokenError::NotYetValid)) = &verdict
            && let Some(other) = self.clock.other_time()
            && self.verify_at(token, other).is_ok()
        {
            tracing::warn!(
                clock = %Utc(now),
                other_clock = %Utc(other),
                %cause,
                "a good token is refused only because of the clock of this server, which is in doubt: set the clock"
            );
        }
        verdict
    }

    fn verify_at(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let body = self.signed_body(token)?;
        let claims = Claims::deserialize(&body).map_err(|fault| invalid_claims(&fault.to_string()))?;
        let grants = Grants::from_claims(&claims)?;
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if self.audience.as_deref().is_some_and(|required| !names_audience(claims.aud.as_ref(), required)) {
            return Err(TokenError::Audience);
        }

        let now = Duration::from_millis(now.millis());
        let expires_at = Duration::from_secs(claims.exp);
        if now >= expires_at + LEEWAY {
            return Err(TokenError::Expired);
        }
        if not_before(&body)?.is_some_and(|not_before| now + LEEWAY < not_before) {
            return Err(TokenError::NotYetValid);
        }
        let user = claims.sub.to_nfc().map_err(|fault| invalid_claims(&format!("`sub` in NFC {fault}")))?;
        if user != claims.sub && self.unusual_subs.is_new(&user) {
            tracing::warn!(%user, "the `sub` of a token is not in Unicode normalization form C; it is compared in that form");
        }
        Ok(Identity {
            user,
            role: claims.role,
            grants,
            expires_at: Timestamp::from_millis(claims.exp * 1_000),
        })
    }

    /// Claims with a verified signature.
    fn signed_body(&self, token: &str) -> Result<Value, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let decoded = jsonwebtoken::decode::<Value>(token, &self.key.read(), &self.validation);
        let data = decoded.map_err(|fault| match fault.kind() {
            ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
            ErrorKind::InvalidSignature => TokenError::Signature,
            _ => TokenError::Malformed,
        })?;
        if data.header.crit.is_some() { Err(TokenError::Critical) } else { Ok(data.claims) }
    }
}

fn names_audience(audience: Option<&Audience>, required: &str) -> bool {
    match audience {
        None => false,
        Some(Audience::One(name)) => name == required,
        Some(Audience::Many(names)) => names.iter().any(|name| name == required),
    }
}

fn not_before(body: &Value) -> Result<Option<Duration>, TokenError> {
    let Some(claim) = body.get("nbf").filter(|claim| !claim.is_null()) else { return Ok(None) };
    let time = claim.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.map(Some).ok_or_else(|| invalid_claims("`nbf` is not a time"))
}

/// The fault may quote a claim; it is truncated for the log.
fn invalid_claims(fault: &str) -> TokenError {
    const LOGGED_CHARS: usize = 160;
    TokenError::Claims(fault.chars().take(LOGGED_CHARS).collect())
}

/// Mints a token with `claims`, signed with `secret`.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "cannot panic: claims are plain JSON, and HMAC takes any key")]
pub fn mint(secret: &Secret, claims: &Claims) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("claims are JSON")
}

#[cfg(test)]
mod tests {
    use realtime_shared::RoomName;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000;
    /// `{"alg":"none"}`, in base64url.
    const NONE: &str = "eyJhbGciOiJub25lIn0";

    fn config() -> Config {
        Config::new(Secret::new(b"a secret that only these tests know").expect("long enough"))
    }

    fn sign(header: &Header, body: &Value) -> String {
        let key = EncodingKey::from_secret(config().secret.as_bytes());
        jsonwebtoken::encode(header, body, &key).expect("a token")
    }

    fn verify_as(config: &Config, body: &Value) -> Result<Identity, TokenError> {
        let token = sign(&Header::default(), body);
        Verifier::new(config).verify(&token, Timestamp::from_millis(NOW * 1_000))
    }

    fn verify_text(token: &str) -> Result<Identity, TokenError> {
        Verifier::new(&config()).verify(token, Timestamp::from_millis(NOW * 1_000))
    }

    /// `{"sub": "alice", "exp": in an hour}` with `changes`.
    fn body(changes: &Value) -> Value {
        let mut body = json!({ "sub": "alice", "exp": NOW + 3_600 });
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    }

    fn without(claim: &str) -> Value {
        let mut body = body(&json!({}));
        body.as_object_mut().expect("an object").remove(claim);
        body
    }

    #[track_caller]
    fn accepts(changes: &Value) -> Identity {
        verify_as(&config(), &body(changes)).unwrap_or_else(|fault| panic!("{changes}: {fault}"))
    }

    #[track_caller]
    fn refuses(body: &Value) -> TokenError {
        verify_as(&config(), body).expect_err(&body.to_string())
    }

    #[test]
    fn a_valid_token_gives_the_identity_of_its_bearer() {
        let identity = accepts(&json!({}));
        assert_eq!(identity.user.as_str(), "alice");
        assert_eq!(identity.role, Role::User);
        assert_eq!(identity.expires_at, Timestamp::from_millis((NOW + 3_600) * 1_000));

        let identity = accepts(&json!({ "role": "admin", "rooms": [], "unknown": { "a": [1] } }));
        assert_eq!(identity.role, Role::Admin);
        assert!(identity.grants.may_post(&RoomName::new("chat").expect("a name")));

        let identity = accepts(&json!({ "rooms": ["chat-*"], "read_only": ["*-news"] }));
        let room = |name| RoomName::new(name).expect("a name");
        assert!(identity.grants.may_post(&room("chat-a")));
        assert!(identity.grants.may_use(&room("chat-news")) && !identity.grants.may_post(&room("chat-news")));
        assert!(!identity.grants.may_use(&room("lobby")));
    }

    #[test]
    fn a_minted_token_is_accepted() {
        let claims = Claims {
            sub: UserId::new("büro 7").expect("a user id"),
            exp: NOW + 1,
            role: Role::User,
            rooms: Some(Vec::new()),
            read_only: vec!["a".to_owned()],
            moderate: Vec::new(),
            iss: Some("me".to_owned()),
            aud: Some(Audience::One("you".to_owned())),
        };
        let identity = verify_text(&mint(&config().secret, &claims)).expect("a valid token");
        assert_eq!(identity.user, claims.sub);
        assert_eq!(identity.grants, Grants::from_claims(&claims).expect("valid lists"));
    }

    #[test]
    fn sub_is_a_user_id() {
        for sub in [json!(""), json!(" a"), json!("a\nb"), json!("a\u{202e}b"), json!("x".repeat(65))] {
            assert!(matches!(refuses(&body(&json!({ "sub": sub }))), TokenError::Claims(_)), "{sub}");
        }
        for sub in [json!(7), json!(null), json!(["alice"]), json!({ "id": "alice" })] {
            refuses(&body(&json!({ "sub": sub })));
        }
        assert!(matches!(refuses(&without("sub")), TokenError::Claims(_)));
    }

    #[test]
    fn exp_is_required_and_enforced() {
        assert!(matches!(refuses(&without("exp")), TokenError::Claims(_)));
        for exp in [json!(null), json!("1800000000"), json!(-1), json!(1e300)] {
            assert!(matches!(refuses(&body(&json!({ "exp": exp }))), TokenError::Claims(_)), "{exp}");
        }
        refuses(&body(&json!({ "exp": [NOW + 3_600] })));
        assert_eq!(refuses(&body(&json!({ "exp": 0 }))), TokenError::Expired);
        assert_eq!(refuses(&body(&json!({ "exp": NOW - 5 }))), TokenError::Expired);
        accepts(&json!({ "exp": NOW - 4 }));
        accepts(&json!({ "exp": 253_402_300_798_u64 }));

        let fractional = f64::from(u32::try_from(NOW).expect("before 2106")) + 0.75;
        let identity = accepts(&json!({ "exp": fractional }));
        assert_eq!(identity.expires_at, Timestamp::from_millis(NOW * 1_000));
    }

    #[test]
    fn nbf_is_enforced_if_present() {
        accepts(&json!({ "nbf": NOW - 100 }));
        accepts(&json!({ "nbf": NOW + 5 }));
        accepts(&json!({ "nbf": 0.5 }));
        assert_eq!(refuses(&body(&json!({ "nbf": NOW + 6 }))), TokenError::NotYetValid);
        accepts(&json!({ "nbf": null }));
        for nbf in [json!("0"), json!(-1), json!(1e300)] {
            assert!(matches!(refuses(&body(&json!({ "nbf": nbf }))), TokenError::Claims(_)), "{nbf}");
        }
    }

    #[test]
    fn malformed_lists_and_roles_are_refused() {
        for changes in [
            json!({ "rooms": "chat-*" }),
            json!({ "rooms": null }),
            json!({ "rooms": [1] }),
            json!({ "rooms": { "chat": true } }),
            json!({ "read_only": "chat-*" }),
            json!({ "read_only": [null] }),
            json!({ "role": "root" }),
            json!({ "role": ["admin"] }),
        ] {
            assert!(matches!(refuses(&body(&changes)), TokenError::Claims(_)), "{changes}");
        }
        let many = vec!["a"; 257];
        assert_eq!(refuses(&body(&json!({ "rooms": many }))), TokenError::Grants(GrantError::TooMany));
    }

    #[test]
    fn a_null_claim_counts_as_absent_except_rooms() {
        let identity =
            accepts(&json!({ "nbf": null, "role": null, "read_only": null, "iss": null, "aud": null }));
        assert_eq!(identity, accepts(&json!({})));
        refuses(&body(&json!({ "rooms": null })));
        let strict = Config { issuer: Some("me".into()), ..config() };
        assert_eq!(verify_as(&strict, &body(&json!({ "iss": null }))), Err(TokenError::Issuer));
        let strict = Config { audience: Some("chat".into()), ..config() };
        assert_eq!(verify_as(&strict, &body(&json!({ "aud": null }))), Err(TokenError::Audience));
    }

    #[test]
    fn a_sub_is_compared_in_nfc() {
        let composed = accepts(&json!({ "sub": "Am\u{e9}lie" }));
        assert_eq!(accepts(&json!({ "sub": "Ame\u{301}lie" })), composed);
        assert_eq!(composed.user.as_str(), "Am\u{e9}lie");
        let too_long = refuses(&body(&json!({ "sub": "\u{958}".repeat(64) })));
        assert!(matches!(too_long, TokenError::Claims(_)));
    }

    #[test]
    fn a_user_is_logged_once_and_at_most_so_many() {
        let logged = LoggedUsers::default();
        let user = |number: usize| UserId::new(&number.to_string()).expect("a user id");
        assert!((0..MAX_LOGGED_USERS).all(|number| logged.is_new(&user(number))));
        assert!(!logged.is_new(&user(0)) && !logged.is_new(&user(MAX_LOGGED_USERS)));
    }

    #[test]
    fn issuer_and_audience_are_required_only_if_configured() {
        accepts(&json!({ "iss": "anybody", "aud": "somebody" }));
        accepts(&json!({ "aud": ["a", "b"] }));

        let strict = Config { issuer: Some("me".into()), audience: Some("chat".into()), ..config() };
        for (changes, expected) in [
            (json!({ "iss": "me", "aud": "chat" }), None),
            (json!({ "iss": "me", "aud": ["mail", "chat"] }), None),
            (json!({}), Some(TokenError::Issuer)),
            (json!({ "aud": "chat" }), Some(TokenError::Issuer)),
            (json!({ "iss": "Me", "aud": "chat" }), Some(TokenError::Issuer)),
            (json!({ "iss": "me" }), Some(TokenError::Audience)),
            (json!({ "iss": "me", "aud": [] }), Some(TokenError::Audience)),
            (json!({ "iss": "me", "aud": ["chat-2"] }), Some(TokenError::Audience)),
        ] {
            assert_eq!(verify_as(&strict, &body(&changes)).err(), expected, "{changes}");
        }
    }

    #[test]
    fn only_our_key_with_hs256_is_accepted() {
        let body = body(&json!({}));
        let valid = sign(&Header::default(), &body);
        let (message, signature) = valid.rsplit_once('.').expect("three parts");
        let (header, payload) = message.split_once('.').expect("three parts");
        verify_text(&valid).expect("the token that the others are made of");

        let other_key = EncodingKey::from_secret(b"another secret, which is as long as ours");
        let foreign = jsonwebtoken::encode(&Header::default(), &body, &other_key).expect("a token");
        let (_, foreign_signature) = foreign.rsplit_once('.').expect("three parts");
        let other_payload = sign(&Header::default(), &json!({ "sub": "mallory", "exp": NOW + 3_600 }));
        let other_payload = other_payload.split('.').nth(1).expect("three parts");

        for (token, cause) in [
            (foreign.clone(), TokenError::Signature),
            (format!("{message}.{foreign_signature}"), TokenError::Signature),
            (format!("{header}.{other_payload}.{signature}"), TokenError::Signature),
            (format!("{message}."), TokenError::Signature),
            (format!("{message}.{}", &signature[..40]), TokenError::Signature),
            (format!("{NONE}.{payload}."), TokenError::Malformed),
            (format!("{NONE}.{payload}.{signature}"), TokenError::Malformed),
            (sign(&Header::new(Algorithm::HS512), &body), TokenError::Algorithm),
            (sign(&Header::new(Algorithm::HS384), &body), TokenError::Algorithm),
            (
                sign(&Header { crit: Some(vec!["b64".into()]), ..Header::default() }, &body),
                TokenError::Critical,
            ),
        ] {
            assert_eq!(verify_text(&token), Err(cause), "{token}");
        }
    }

    #[test]
    fn a_new_secret_replaces_the_old_one() {
        let now = Timestamp::from_millis(NOW * 1_000);
        let old = sign(&Header::default(), &body(&json!({})));
        let secret = Secret::new(b"another secret, which is as long as ours").expect("long enough");
        let key = EncodingKey::from_secret(secret.as_bytes());
        let new = jsonwebtoken::encode(&Header::default(), &body(&json!({})), &key).expect("a token");

        let verifier = Verifier::new(&config());
        verifier.verify(&old, now).expect("a valid token");
        verifier.set_secret(&secret);
        assert_eq!(verifier.verify(&old, now), Err(TokenError::Signature));
        verifier.verify(&new, now).expect("a valid token");
    }

    #[test]
    fn a_malformed_token_is_refused() {
        let valid = sign(&Header::default(), &body(&json!({})));
        assert_eq!(verify_text(""), Err(TokenError::Empty));
        for garbage in [".", "..", "...", "a", "a.b", "a.b.c", "{}.{}.{}", "\u{0}", "ü.ü.ü"] {
            assert_eq!(verify_text(garbage), Err(TokenError::Malformed), "{garbage:?}");
        }
        for dressed in [format!(" {valid}"), format!("{valid} "), format!("{valid}="), format!("{valid}.x")] {
            assert_eq!(verify_text(&dressed), Err(TokenError::Malformed), "{dressed:?}");
        }
        let longest = format!("{}.a.a", "a".repeat(MAX_TOKEN_BYTES - 4));
        assert_eq!(verify_text(&longest), Err(TokenError::Malformed));
        assert_eq!(verify_text(&format!("a{longest}")), Err(TokenError::TooLong));
        for not_an_object in [json!(null), json!([]), json!("alice"), json!(7)] {
            assert!(verify_as(&config(), &not_an_object).is_err(), "{not_an_object}");
        }
    }

    #[test]
    fn causes_are_short_and_omit_the_token() {
        let long = "x".repeat(4_000);
        let token = sign(&Header::default(), &body(&json!({ "role": long })));
        let cause = verify_text(&token).expect_err("not a role").to_string();
        assert!(cause.len() < 250 && !cause.contains(&token), "{cause}");
    }
}
