//! What the first try to connect means: to go on, or a line and an exit code before the terminal is taken.

use realtime_shared::Verdict;

use super::outcome::Outcome;
use crate::net::{ConnectionState, Disconnect};
use crate::sanitize;

/// What the first try to connect means.
pub(crate) enum First {
    Undecided,
    Go,
    End(Outcome),
}

pub(crate) fn verdict(state: &ConnectionState, url: &str) -> First {
    let (reason, is_final) = match state {
        ConnectionState::Connecting { .. } => return First::Undecided,
        ConnectionState::Connected { .. } => return First::Go,
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
        First::End(Outcome::Rejected(line(
            "get another token, for example from `realtime-server token --user you`",
        )))
    } else if is_absent && url.starts_with("wss:") {
        First::End(Outcome::Unreachable(line("is a proxy that speaks TLS there, before a realtime server?")))
    } else if is_absent {
        First::End(Outcome::Unreachable(line("is `realtime-server serve` running there?")))
    } else if is_final {
        First::End(Outcome::Unreachable(line("is this the address of a realtime server?")))
    } else {
        First::Go
    }
}
