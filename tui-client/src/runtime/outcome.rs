//! Outcome of a run, and what the user wrote and did not send.

use super::signals;
use crate::sanitize::Block;

/// How the program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The user quit; without a screen: it is done.
    Quit,
    /// Something failed while it ran: what, in a line.
    Failed(String),
    /// The server does not take the token.
    Rejected(String),
    /// The server is not there, or is none.
    Unreachable(String),
    /// Without a screen: not all that was to be sent is known to be stored.
    NotStored,
    /// A signal of that number ended it.
    Signal(u8),
    /// A defect of the program, which has been printed.
    Panicked,
}

impl Outcome {
    /// Whether the terminal went away, as far as the program was told.
    #[must_use]
    pub fn is_hangup(&self) -> bool {
        matches!(self, Self::Signal(number) if signals::is_hangup(*number))
    }
}

/// The end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How it came.
    pub outcome: Outcome,
    /// What the user wrote and is not known to be stored, with where it is.
    pub unsent: Vec<Block>,
}

impl From<Outcome> for End {
    /// An end before anything was written.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, unsent: Vec::new() }
    }
}
