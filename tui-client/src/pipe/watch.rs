//! Reaction of a command without a screen to connection states.

use jiff::tz::TimeZone;
use realtime_shared::Timestamp;

use crate::app::Stamp;
use crate::net::ConnectionState;
use crate::runtime::{FirstAttempt, Outcome, verdict, wall_clock};
use crate::sanitize;

/// Interprets connection states in order.
#[derive(Debug)]
pub(super) struct Watch {
    url: String,
    /// The wall clock, which judges the token.
    clock: fn() -> Timestamp,
    stage: WatchStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WatchStage {
    /// The first attempt is pending.
    FirstAttempt,
    /// Connected or connecting.
    Up,
    /// Disconnected, and the note has been printed.
    Down,
}

/// Reaction to a state.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Nothing,
    /// Print on standard error.
    Note(String),
    End(Outcome),
}

impl Watch {
    pub(super) const fn new(url: String) -> Self {
        Self { url, clock: wall_clock, stage: WatchStage::FirstAttempt }
    }

    /// True after the first attempt succeeded. From then on a lost connection is retried.
    pub(super) fn is_begun(&self) -> bool {
        self.stage != WatchStage::FirstAttempt
    }

    pub(super) fn interpret(&mut self, state: &ConnectionState) -> Meaning {
        if self.stage == WatchStage::FirstAttempt {
            match self.verdict(state) {
                FirstAttempt::Undecided => return Meaning::Nothing,
                FirstAttempt::End(outcome) => return Meaning::End(outcome),
                FirstAttempt::Go => {}
            }
        }
        let was = self.stage;
        match state {
            ConnectionState::Connecting { .. } => Meaning::Nothing,
            ConnectionState::Connected { .. } => {
                self.stage = WatchStage::Up;
                if was == WatchStage::Down { Meaning::Note("connected".to_owned()) } else { Meaning::Nothing }
            }
            ConnectionState::Waiting { reason, .. } => {
                self.stage = WatchStage::Down;
                let note = sanitize::line(&format!("offline: {reason}; trying again")).to_string();
                if was == WatchStage::Down { Meaning::Nothing } else { Meaning::Note(note) }
            }
            ConnectionState::Stopped { reason, .. } => Meaning::End(match self.verdict(state) {
                FirstAttempt::End(rejected @ Outcome::Rejected(_)) => rejected,
                _ => Outcome::Failed(
                    sanitize::line(&format!("the server ended the connection: {reason}")).to_string(),
                ),
            }),
        }
    }

    fn verdict(&self, state: &ConnectionState) -> FirstAttempt {
        verdict(state, &self.url, (self.clock)(), &TimeZone::system())
    }
}

/// The note about a token that expires soon and is not renewed.
pub(super) fn token_expires(at: Timestamp, reason: &str) -> String {
    let at = Stamp::of(at, &TimeZone::system()).time();
    sanitize::line(&format!("the token expires at {at} and is not renewed ({reason})")).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use realtime_shared::{CloseCode, Limits};

    use super::*;
    use crate::net::Disconnect;

    const CONNECTING: ConnectionState = ConnectionState::Connecting { attempt: 1 };

    fn connected() -> ConnectionState {
        let limits = Limits { text_chars: 1, frame_bytes: 1, rooms: 1, messages_per_second: 1 };
        let user_id = "alice".parse().expect("a name");
        ConnectionState::Connected { user_id, online_count: 1, limits, features: Vec::new() }
    }

    fn closed(code: CloseCode) -> Disconnect {
        Disconnect::Closed { code }
    }

    fn waiting(reason: Disconnect) -> ConnectionState {
        ConnectionState::Waiting { reason, retry_in: Duration::ZERO, attempt: 2 }
    }

    fn watch() -> Watch {
        Watch::new("ws://x".to_owned())
    }

    #[test]
    fn a_failed_first_attempt_ends_the_command() {
        let absent = waiting(Disconnect::Unreachable("nobody".to_owned()));
        assert_eq!(watch().interpret(&CONNECTING), Meaning::Nothing);
        assert!(matches!(watch().interpret(&absent), Meaning::End(Outcome::Unreachable(_))));
        let refused = ConnectionState::Stopped { reason: Disconnect::Refused { status: 401 }, token: None };
        assert!(matches!(watch().interpret(&refused), Meaning::End(Outcome::Rejected(_))));
    }

    #[test]
    fn a_busy_server_is_retried() {
        let mut watch = watch();
        let busy = waiting(Disconnect::Refused { status: 503 });
        assert!(matches!(watch.interpret(&busy), Meaning::Note(_)));
        assert!(watch.is_begun());
    }

    #[test]
    fn a_lost_connection_is_noted_once() {
        let mut watch = watch();
        assert_eq!(watch.interpret(&connected()), Meaning::Nothing);
        let Meaning::Note(note) = watch.interpret(&waiting(closed(CloseCode::Lost))) else {
            panic!("no note")
        };
        assert!(note.starts_with("offline: "), "{note}");
        assert_eq!(watch.interpret(&CONNECTING), Meaning::Nothing);
        assert_eq!(watch.interpret(&waiting(Disconnect::Silent)), Meaning::Nothing);
        assert_eq!(watch.interpret(&connected()), Meaning::Note("connected".to_owned()));
    }

    #[test]
    fn a_later_end_has_its_reason() {
        for (code, is_rejected) in [(CloseCode::TokenExpired, true), (CloseCode::Kicked, false)] {
            let mut watch = watch();
            watch.interpret(&connected());
            let stopped = ConnectionState::Stopped { reason: closed(code), token: None };
            let Meaning::End(end) = watch.interpret(&stopped) else {
                panic!("no end");
            };
            assert_eq!(matches!(end, Outcome::Rejected(_)), is_rejected, "{end:?}");
            assert!(is_rejected || matches!(end, Outcome::Failed(_)), "{end:?}");
        }
    }
}
