//! Outcome of the first attempt to connect, decided before the terminal is taken.

use jiff::tz::TimeZone;
use realtime_shared::Timestamp;

use super::outcome::Outcome;
use crate::app::{explain_refusal, needs_token, token_command};
use crate::net::{ConnectionState, Disconnect};
use crate::sanitize;

/// Outcome of the first attempt to connect: start, or end with a line and an exit code.
pub(crate) enum FirstAttempt {
    Undecided,
    Go,
    End(Outcome),
}

/// The outcome of an attempt that ended with `state`, at the time `now`.
pub(crate) fn verdict(state: &ConnectionState, url: &str, now: Timestamp, zone: &TimeZone) -> FirstAttempt {
    let (reason, is_final) = match state {
        ConnectionState::Connecting { .. } => return FirstAttempt::Undecided,
        ConnectionState::Connected { .. } => return FirstAttempt::Go,
        ConnectionState::Waiting { reason, .. } => (reason, false),
        ConnectionState::Stopped { reason, token } if needs_token(reason) => {
            let why = explain_refusal(reason, token.as_deref(), now, zone);
            let command = token_command(token.as_deref());
            let line = format!("{url}: {why}; get another token, for example from `{command}`");
            return FirstAttempt::End(Outcome::Rejected(sanitize::line(&line).to_string()));
        }
        ConnectionState::Stopped { reason, .. } => (reason, true),
    };
    let is_absent = matches!(reason, Disconnect::Unreachable(_) | Disconnect::Silent);
    let line = |advice: &str| sanitize::line(&format!("{url}: {reason}; {advice}")).to_string();
    if is_absent && url.starts_with("wss:") {
        FirstAttempt::End(Outcome::Unreachable(line("does a TLS proxy for a realtime server listen there?")))
    } else if is_absent {
        FirstAttempt::End(Outcome::Unreachable(line("is `realtime-server serve` running there?")))
    } else if is_final {
        FirstAttempt::End(Outcome::Unreachable(line("is this the address of a realtime server?")))
    } else {
        FirstAttempt::Go
    }
}
