//! Record of the connection for the inspector: frames, round trips, changes, the token.
//!
//! Round trips and changes are recorded always. Frames and claims arrive while the inspector is open only
//! ([`crate::net::Command::Trace`]).

use std::collections::VecDeque;
use std::time::Duration;

use realtime_shared::Timestamp;

use crate::app::clock::human;
use crate::net::{Direction, Totals};
use crate::sanitize::{Block, Line};

/// What is shown where not all of it has room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InspectorPart {
    /// Frames in and out.
    #[default]
    Frames,
    /// How the connection is and was.
    Connection,
    /// What the token says.
    Token,
}

impl InspectorPart {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Frames, Self::Connection, Self::Token];

    pub(super) fn other(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|part| *part == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

/// A frame as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFrame {
    /// Counts all frames, from 1.
    pub number: u64,
    /// When it went by: hours, minutes, seconds and their thousandths.
    pub time: String,
    /// Which way.
    pub direction: Direction,
    /// Its `type`, where it has one.
    pub kind: Line,
    /// How long it is, in bytes.
    pub bytes: usize,
    /// Its text, or the beginning of it.
    pub text: Block,
}

/// A change of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionChange {
    /// When.
    pub time: String,
    /// What it is since.
    pub what: Line,
}

/// What is known of the connection.
#[derive(Debug, Default)]
pub struct Inspector {
    /// The part that is shown.
    pub part: InspectorPart,
    /// The last frames, the newest in the end. None while the inspector is closed.
    pub frames: VecDeque<ShownFrame>,
    /// The number of the chosen frame; `None`: the newest one, whichever that is.
    pub chosen: Option<u64>,
    /// Whether the chosen one is shown in full.
    pub is_opened: bool,
    /// What went by in all.
    pub totals: Totals,
    /// The last times from a ping to its pong, the newest in the end.
    pub trips: VecDeque<Duration>,
    /// The last changes, the newest in the end.
    pub changes: VecDeque<ConnectionChange>,
    /// The token's claims, and what is in them.
    pub claims: Vec<(Line, Line)>,
    pub(super) expires: Option<u64>,
    pub(super) is_token_known: bool,
    pub(super) since: Option<Duration>,
}

impl Inspector {
    /// Where the chosen frame is; `None` where there are no frames.
    #[must_use]
    pub fn chosen_index(&self) -> Option<usize> {
        let last = self.frames.len().checked_sub(1)?;
        let oldest = self.frames.front()?.number;
        let at = self.chosen.map(|number| usize::try_from(number.saturating_sub(oldest)).unwrap_or(last));
        Some(at.unwrap_or(last).min(last))
    }

    /// The frame that is shown in full.
    #[must_use]
    pub fn opened(&self) -> Option<&ShownFrame> {
        self.frames.get(self.chosen_index()?).filter(|_| self.is_opened)
    }

    /// How long there has been a connection, where there is one.
    #[must_use]
    pub fn connected_for(&self, now: Duration) -> Option<Duration> {
        self.since.map(|since| now.saturating_sub(since))
    }

    /// What is to be said of the token's time, and whether that is over.
    #[must_use]
    pub fn expiry(&self, now: Timestamp) -> (String, bool) {
        let now = now.millis() / 1_000;
        match self.expires {
            _ if !self.is_token_known => ("no token yet".to_owned(), false),
            None if self.claims.is_empty() => ("the token is no JWT".to_owned(), false),
            None => ("does not expire".to_owned(), false),
            Some(at) if at > now => (format!("expires in {}", human(Duration::from_secs(at - now))), false),
            Some(at) => (format!("expired {} ago", human(Duration::from_secs(now - at))), true),
        }
    }

    pub(super) fn choose(&mut self, index: usize) {
        let last = self.frames.len().saturating_sub(1);
        self.chosen = if index >= last { None } else { self.frames.get(index).map(|frame| frame.number) };
    }

    pub(super) fn close(&mut self) {
        self.frames = VecDeque::new();
        (self.chosen, self.is_opened) = (None, false);
        self.claims = Vec::new();
        self.is_token_known = false;
    }
}
