//! Outcome of the first attempt to connect, decided before the terminal is taken.

use realtime_shared::Verdict;

use super::outcome::Outcome;
use crate::net::{ConnectionState, Disconnect};
use crate::sanitize;

/// Outcome of the first attempt to connect: start, or end with a line and an exit code.
pub(crate) enum FirstAttempt {
    Undecided,
    Go,
    End(Outcome),
}

pub(crate) fn verdict(state: &ConnectionState, url: &str) -> FirstAttempt {
    let (reason, is_final) = match state {
        ConnectionState::Connecting { .. } => return FirstAttempt::Undecided,
        ConnectionState::Connected { .. } => return FirstAttempt::Go,
        ConnectionState::Waiting { reason, .. } => (reason, false),
        ConnectionState::Stopped { reason } => (reason, true),
    };
    let rejects = match reason {
        Disconnect::Closed { code } => code.verdict() == Verdict::AnotherToken,
        Disconnect::Refused { status } => Verdict::of_http_status(*status) == Verdict::AnotherToken,
        Disconnect::Unreachable(_) | Disconnect::Silent => false,
    };
    let is_absent = matches!(reason, Disconnect::Unreachable(_) | Disconnect::Silent);
    let line = |advice: &str| sanitize::line(&format!("{url}: {reason}; {advice}")).to_string();
    if rejects {
        FirstAttempt::End(Outcome::Rejected(line(
            "get another token, for example from `realtime-server token --user you`",
        )))
    } else if is_absent && url.starts_with("wss:") {
        FirstAttempt::End(Outcome::Unreachable(line("does a TLS proxy for a realtime server listen there?")))
    } else if is_absent {
        FirstAttempt::End(Outcome::Unreachable(line("is `realtime-server serve` running there?")))
    } else if is_final {
        FirstAttempt::End(Outcome::Unreachable(line("is this the address of a realtime server?")))
    } else {
        FirstAttempt::Go
    }
}
