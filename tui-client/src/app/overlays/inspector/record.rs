//! The record of the connection for the inspector: frames, round trips, changes, and the token.
//!
//! Round trips and changes are always recorded. Frames and claims arrive only while the inspector is open
//! ([`crate::net::Command::Trace`]).

use std::collections::VecDeque;
use std::time::Duration;

use realtime_shared::Timestamp;

use crate::app::clock::human;
use crate::net::{Direction, Totals};
use crate::sanitize::{Block, Line};

/// A part of the inspector. A small screen shows one at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InspectorPart {
    #[default]
    Frames,
    /// State and history of the connection.
    Connection,
    /// Claims of the token.
    Token,
}

impl InspectorPart {
    /// All parts in order.
    pub const ALL: [Self; 3] = [Self::Frames, Self::Connection, Self::Token];

    pub(super) fn other(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|part| *part == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

/// A frame in the inspector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFrame {
    /// Number among all frames, from 1.
    pub number: u64,
    /// Time of day with milliseconds.
    pub time: String,
    pub direction: Direction,
    /// The `type` of the frame; empty if it has none.
    pub kind: Line,
    /// Length of the frame.
    pub bytes: usize,
    /// The text, or its beginning.
    pub text: Block,
}

/// A change of the connection's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionChange {
    /// Time of day.
    pub time: String,
    /// The new state.
    pub what: Line,
}

/// The record, and the selection in it.
#[derive(Debug, Default)]
pub struct Inspector {
    pub part: InspectorPart,
    /// The last frames, the newest at the end. Empty while the inspector is closed.
    pub frames: VecDeque<ShownFrame>,
    /// Number of the selected frame; `None` follows the newest frame.
    pub chosen: Option<u64>,
    /// The selected frame is shown in full.
    pub is_opened: bool,
    /// Totals of all frames.
    pub totals: Totals,
    /// The last round-trip times, the newest at the end.
    pub trips: VecDeque<Duration>,
    /// The last changes, the newest at the end.
    pub changes: VecDeque<ConnectionChange>,
    /// Names and values of the token's claims.
    pub claims: Vec<(Line, Line)>,
    pub(super) expires: Option<u64>,
    pub(super) is_token_known: bool,
    pub(super) since: Option<Duration>,
}

impl Inspector {
    /// Returns the index of the selected frame; `None` if there are no frames.
    #[must_use]
    pub fn chosen_index(&self) -> Option<usize> {
        let last = self.frames.len().checked_sub(1)?;
        let oldest = self.frames.front()?.number;
        let at = self.chosen.map(|number| usize::try_from(number.saturating_sub(oldest)).unwrap_or(last));
        Some(at.unwrap_or(last).min(last))
    }

    /// Returns the frame that is shown in full.
    #[must_use]
    pub fn opened(&self) -> Option<&ShownFrame> {
        self.frames.get(self.chosen_index()?).filter(|_| self.is_opened)
    }

    /// Returns the time since the connection was made; `None` without a connection.
    #[must_use]
    pub fn connected_for(&self, now: Duration) -> Option<Duration> {
        self.since.map(|since| now.saturating_sub(since))
    }

    /// Returns a text about the expiry of the token, and true if the token has expired.
    #[must_use]
    pub fn expiry(&self, now: Timestamp) -> (String, bool) {
        let now = now.millis() / 1_000;
        match self.expires {
            _ if !self.is_token_known => ("no token yet".to_owned(), false),
            None if self.claims.is_empty() => ("the token is not a JWT".to_owned(), false),
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
