//! The user's token in words: the reason of a refusal, from its claims.

use std::time::Duration;

use jiff::tz::TimeZone;
use realtime_shared::{CloseCode, Timestamp};

use super::clock::{Stamp, human};
use crate::net::{Disconnect, TokenClaims, TokenFault};

/// Most characters of a reason that quotes the token.
const QUOTED_CHARS: usize = 160;

/// Returns true if a text contains a token, or may contain one: it begins as the command `/token`, or has the beginning
/// of a JWT in it. Such a text is not stored and not sent.
pub(super) fn is_secret(text: &str) -> bool {
    is_token_command(text) || text.split_whitespace().any(|word| word.starts_with("eyJ") && word.len() > 32)
}

/// Returns true if a draft runs the command `/token`, or would if it were complete.
#[must_use]
pub fn is_token_command(draft: &str) -> bool {
    const NAME: &str = "/token";
    let draft = draft.trim_start();
    let is_name = draft.get(..NAME.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAME));
    is_name && draft[NAME.len()..].chars().next().is_none_or(char::is_whitespace)
}

/// Explains the refusal of a token with these claims, without advice. The result may quote a claim, and is not safe to
/// show.
#[must_use]
pub fn explain_refusal(
    reason: &Disconnect,
    claims: Option<&TokenClaims>,
    now: Timestamp,
    zone: &TimeZone,
) -> String {
    let Some(claims) = claims else { return reason.to_string() };
    let is_expired = *reason == Disconnect::Closed { code: CloseCode::TokenExpired };
    match (explain_fault(claims, now, zone), claims.expires_at()) {
        (Some(fault), _) => fault,
        (None, Some(at)) if is_expired => format!("the token expired at {}", moment(at, now, zone)),
        (None, _) if is_expired => reason.to_string(),
        (None, _) => format!(
            "{reason}; by its claims the token is valid, so it is signed with another secret or for another server"
        ),
    }
}

/// Explains why no server accepts a token with these claims; `None` if the claims show no reason.
pub(super) fn explain_fault(claims: &TokenClaims, now: Timestamp, zone: &TimeZone) -> Option<String> {
    let between = |a: Timestamp, b: Timestamp| human(Duration::from_millis(a.millis().abs_diff(b.millis())));
    Some(match claims.fault(now)? {
        TokenFault::Expired { at } => {
            format!("the token expired {} ago (at {})", between(at, now), moment(at, now, zone))
        }
        TokenFault::NotYetValid { from } => format!(
            "the token is not valid before {} (in {}): check the clock of this computer",
            moment(from, now, zone),
            between(from, now)
        ),
        TokenFault::Invalid(why) => {
            format!("the token is invalid: {}", why.chars().take(QUOTED_CHARS).collect::<String>())
        }
    })
}

/// Formats a time of day, with the date if that is another day than now: `14:02`, `2026-11-27 14:02`.
pub(super) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, today) = (Stamp::of(at, zone), Stamp::of(now, zone).day);
    if at.day == today { at.time() } else { format!("{} {}", at.day, at.time()) }
}

/// Returns the command that prints a token for the same user.
#[must_use]
pub fn token_command(claims: Option<&TokenClaims>) -> String {
    let is_plain = |user: &&str| user.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let user = claims.and_then(TokenClaims::user).filter(is_plain).filter(|user| !user.is_empty());
    format!("realtime-server token --user {}", user.unwrap_or("you"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::{START, token};

    const HOUR: u64 = 3_600;

    /// The explanation of a refusal with 401 at [`START`], 20:18.
    fn explained(body: &str) -> String {
        let reason = Disconnect::Refused { status: 401 };
        let claims = TokenClaims::of(&token(body));
        explain_refusal(&reason, claims.as_ref(), Timestamp::from_millis(START), &TimeZone::UTC)
    }

    #[test]
    fn the_claims_explain_a_refusal() {
        let now = START / 1_000;
        for (claims, text) in [
            (format!(r#""exp":{}"#, now - 3 * HOUR), "the token expired 3 h ago (at 17:18)"),
            (format!(r#""exp":{}"#, now - 72 * HOUR), "the token expired 3 d ago (at 2026-11-19 20:18)"),
            (
                format!(r#""exp":{},"nbf":{}"#, now + 9 * HOUR, now + 2 * HOUR),
                "the token is not valid before 22:18 (in 2 h): check the clock of this computer",
            ),
            (
                format!(r#""exp":{},"rooms":null"#, now + HOUR),
                "the token is invalid: invalid type: null, expected a sequence",
            ),
            (
                format!(r#""exp":{}"#, now + HOUR),
                "the server answered HTTP 401; by its claims the token is valid, so it is signed with another secret or for another server",
            ),
        ] {
            assert_eq!(explained(&format!(r#"{{"sub":"alice",{claims}}}"#)), text);
        }
        assert_eq!(explained("no claims"), "the server answered HTTP 401");
    }

    #[test]
    fn an_expired_token_is_called_so_by_a_slow_clock_too() {
        let claims = TokenClaims::of(&token(&format!(r#"{{"sub":"a","exp":{}}}"#, START / 1_000 + 60)));
        let reason = Disconnect::Closed { code: CloseCode::TokenExpired };
        let now = Timestamp::from_millis(START);
        let explained = explain_refusal(&reason, claims.as_ref(), now, &TimeZone::UTC);
        assert_eq!(explained, "the token expired at 20:19");
    }

    #[test]
    fn texts_with_a_token_are_secret() {
        let jwt = token(r#"{"sub":"alice","exp":99}"#);
        for text in ["/token", " /TOKEN x", "/token\tx", &format!("/tokne {jwt}"), &jwt] {
            assert!(is_secret(text), "{text}");
        }
        for text in ["/tokens", "/toke", "the /token command", "eyJ", ""] {
            assert!(!is_secret(text), "{text}");
        }
    }

    #[test]
    fn the_advice_names_the_user_if_the_name_is_plain() {
        let command = |body: &str| token_command(TokenClaims::of(&token(body)).as_ref());
        assert_eq!(command(r#"{"sub":"al-ice"}"#), "realtime-server token --user al-ice");
        assert_eq!(command(r#"{"sub":"a; rm x"}"#), "realtime-server token --user you");
        assert_eq!(token_command(None), "realtime-server token --user you");
    }
}
