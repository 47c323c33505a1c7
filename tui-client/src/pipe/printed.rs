//! Entries that `tail` prints, and their lines.
//!
//! To print another kind of entry, add a variant to [`PrintedEntry`], its arm in [`PrintedEntry::of`] and in the forms
//! of a line, and its [`Event`](crate::net::Event) in `feed`.

use jiff::tz::TimeZone;
use realtime_shared::{EntryEvent, Epoch, Message, ServerEvent, codec};

use super::{json, text};

/// An entry that `tail` prints. It has an epoch wherever one is known, for `--since`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PrintedEntry {
    Message(Message),
}

impl PrintedEntry {
    /// The printed form of an entry of a log with this epoch. `None` if the event has no line.
    pub(super) fn of(event: ServerEvent, epoch: Option<Epoch>) -> Option<Self> {
        match event {
            ServerEvent::Entry(EntryEvent::Message(message)) if !message.text.is_empty() => {
                Some(Self::Message(Message { epoch, ..message }))
            }
            _ => None,
        }
    }

    /// The entry as a line of JSON, without its line break.
    pub(super) fn json(self) -> String {
        let event = match self {
            Self::Message(message) => ServerEvent::from(message),
        };
        json::escape(codec::encode(&event))
    }

    /// The entry as a line of text, without its line break.
    pub(super) fn text(&self, zone: &TimeZone) -> String {
        match self {
            Self::Message(message) => text::line(message, zone),
        }
    }
}
