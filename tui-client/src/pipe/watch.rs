//! What a state of the connection means to a command without a screen.

use crate::net::ConnectionState;
use crate::runtime::{First, Outcome, verdict};
use crate::sanitize;

/// Looks at each state as it comes.
#[derive(Debug)]
pub(super) struct Watch {
    url: String,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first try is not decided.
    First,
    /// There is a connection, or one is being made anew.
    Up,
    /// There is none, and that was said.
    Down,
}

/// What a state means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing to tell.
    Nothing,
    /// Something to say on standard error.
    Note(String),
    /// The end.
    End(Outcome),
}

impl Watch {
    pub(super) const fn new(url: String) -> Self {
        Self { url, stage: Stage::First }
    }

    /// Whether the first try was not in vain: from then on a lost connection is waited for.
    pub(super) fn is_begun(&self) -> bool {
        self.stage != Stage::First
    }

    pub(super) fn look(&mut self, state: &ConnectionState) -> Meaning {
        if self.stage == Stage::First {
            match verdict(state, &self.url) {
                First::Undecided => return Meaning::Nothing,
                First::End(outcome) => return Meaning::End(outcome),
                First::Go => {}
            }
        }
        let was = self.stage;
        match state {
            ConnectionState::Connecting { .. } => Meaning::Nothing,
            ConnectionState::Connected { .. } => {
                self.stage = Stage::Up;
                if was == Stage::Down { Meaning::Note("connected".to_owned()) } else { Meaning::Nothing }
            }
            ConnectionState::Waiting { reason, .. } => {
                self.stage = Stage::Down;
                let note = sanitize::line(&format!("offline: {reason}; trying again")).to_string();
                if was == Stage::Down { Meaning::Nothing } else { Meaning::Note(note) }
            }
            ConnectionState::Stopped { reason } => Meaning::End(match verdict(state, &self.url) {
                First::End(rejected @ Outcome::Rejected(_)) => rejected,
                _ => Outcome::Failed(sanitize::line(&format!("the server ended it: {reason}")).to_string()),
            }),
        }
    }
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
        ConnectionState::Connected { user_id, online_count: 1, limits }
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
    fn a_first_try_in_vain_is_the_end() {
        let absent = waiting(Disconnect::Unreachable("nobody".to_owned()));
        assert_eq!(watch().look(&CONNECTING), Meaning::Nothing);
        assert!(matches!(watch().look(&absent), Meaning::End(Outcome::Unreachable(_))));
        let refused = ConnectionState::Stopped { reason: Disconnect::Refused { status: 401 } };
        assert!(matches!(watch().look(&refused), Meaning::End(Outcome::Rejected(_))));
    }

    #[test]
    fn a_server_that_is_busy_is_waited_for() {
        let mut watch = watch();
        let busy = waiting(Disconnect::Refused { status: 503 });
        assert!(matches!(watch.look(&busy), Meaning::Note(_)));
        assert!(watch.is_begun());
    }

    #[test]
    fn a_loss_is_said_once() {
        let mut watch = watch();
        assert_eq!(watch.look(&connected()), Meaning::Nothing);
        let Meaning::Note(note) = watch.look(&waiting(closed(CloseCode::Lost))) else { panic!("no note") };
        assert!(note.starts_with("offline: "), "{note}");
        assert_eq!(watch.look(&CONNECTING), Meaning::Nothing);
        assert_eq!(watch.look(&waiting(Disconnect::Silent)), Meaning::Nothing);
        assert_eq!(watch.look(&connected()), Meaning::Note("connected".to_owned()));
    }

    #[test]
    fn an_end_later_on_says_why() {
        for (code, is_rejected) in [(CloseCode::TokenExpired, true), (CloseCode::Kicked, false)] {
            let mut watch = watch();
            watch.look(&connected());
            let Meaning::End(end) = watch.look(&ConnectionState::Stopped { reason: closed(code) }) else {
                panic!("no end");
            };
            assert_eq!(matches!(end, Outcome::Rejected(_)), is_rejected, "{end:?}");
            assert!(is_rejected || matches!(end, Outcome::Failed(_)), "{end:?}");
        }
    }
}
