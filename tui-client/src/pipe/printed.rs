//! Entries that `tail` prints, and their lines.
//!
//! JSON lines are the entries as on the wire. A line of text has the kind of an entry that is not a message in brackets.

use jiff::tz::TimeZone;
use realtime_shared::{EntryEvent, Epoch, ServerEvent, codec};

use super::{json, text};

/// An entry that `tail` prints. It has an epoch wherever one is known, for `--since`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PrintedEntry(pub(super) EntryEvent);

impl PrintedEntry {
    /// An entry of a log with this epoch.
    pub(super) fn of(mut entry: EntryEvent, epoch: Option<Epoch>) -> Self {
        match &mut entry {
            EntryEvent::Message(message) => message.epoch = epoch,
            EntryEvent::Change(change) => change.epoch = epoch,
        }
        Self(entry)
    }

    /// The entry as a line of JSON, without its line break.
    pub(super) fn json(self) -> String {
        json::escape(codec::encode(&ServerEvent::Entry(self.0)))
    }

    /// The entry as a line of text, without its line break.
    pub(super) fn text(&self, zone: &TimeZone) -> String {
        text::line(&self.0, zone)
    }
}
