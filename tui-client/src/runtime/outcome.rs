//! Outcome of a run, and the texts that were not sent.

use super::signals;
use crate::sanitize::Block;

/// Outcome of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The user quit. Without a screen: the command is done.
    Quit,
    /// A failure at run time, in a line.
    Failed(String),
    /// The server rejects the token.
    Rejected(String),
    /// No realtime server answers at the address.
    Unreachable(String),
    /// Without a screen: some messages are not known to be stored.
    NotStored,
    /// Number of the signal that ended it.
    Signal(u8),
    /// A bug; the panic has been printed.
    Panicked,
}

impl Outcome {
    /// The terminal is gone: as if its signal had reported that.
    pub(super) const HANGUP: Self = Self::Signal(signals::HANGUP);

    /// True if a signal reported that the terminal is gone.
    #[must_use]
    pub fn is_hangup(&self) -> bool {
        matches!(self, Self::Signal(number) if signals::is_hangup(*number))
    }
}

/// End of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub outcome: Outcome,
    /// Texts that are not known to be stored, with their rooms.
    pub unsent: Vec<Block>,
    /// These texts are kept for the next start, except one in an editor.
    pub is_kept: bool,
}

impl From<Outcome> for End {
    /// An end before the user wrote anything.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, unsent: Vec::new(), is_kept: false }
    }
}
