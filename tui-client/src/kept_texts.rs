//! Texts that the user typed and that no server has stored: drafts, changed texts of the history, messages.
//!
//! `app` returns them and takes them back; `state` stores them between runs.

use realtime_shared::{ClientMsgId, RoomName, Text};
use serde::{Deserialize, Serialize};

/// The texts of all panes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTexts {
    pub panes: Vec<PaneTexts>,
}

/// The texts of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneTexts {
    /// `None`: the pane outside of rooms.
    pub room: Option<RoomName>,
    pub draft: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangedText>,
    /// Index in `changed` of the text that is in the composer instead of the draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<KeptMessage>,
}

/// A text of the history that was changed and not sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedText {
    /// The text as it was sent; empty if it never was.
    pub sent: String,
    pub text: String,
}

/// A message that is not known to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMessage {
    pub id: ClientMsgId,
    pub text: Text,
    /// Only the user sends it again: the server refused it, or the user quit before it was sent.
    #[serde(default)]
    pub is_held: bool,
}

impl KeptTexts {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// Adds the texts of another run. A message that both have is kept once, and so is a draft.
    pub fn merge(&mut self, other: Self) {
        for pane in other.panes {
            match self.panes.iter_mut().find(|ours| ours.room == pane.room) {
                Some(ours) => ours.merge(pane),
                None => self.panes.push(pane),
            }
        }
    }

    /// Makes each message one that only the user sends again.
    pub fn hold(&mut self) {
        for message in self.panes.iter_mut().flat_map(|pane| &mut pane.messages) {
            message.is_held = true;
        }
    }
}

impl PaneTexts {
    /// Returns true if there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.draft.is_empty() && self.changed.is_empty() && self.messages.is_empty()
    }

    fn merge(&mut self, other: Self) {
        if self.draft.is_empty() {
            self.draft = other.draft;
        } else if !other.draft.is_empty() && other.draft != self.draft {
            self.add_changed(ChangedText { sent: String::new(), text: other.draft });
        }
        for changed in other.changed {
            self.add_changed(changed);
        }
        for message in other.messages {
            if !self.messages.iter().any(|ours| ours.id == message.id) {
                self.messages.push(message);
            }
        }
        // Ids begin with ten letters of their time. Messages of one moment keep their order.
        self.messages.sort_by(|one, other| one.id.as_str().get(..10).cmp(&other.id.as_str().get(..10)));
    }

    fn add_changed(&mut self, changed: ChangedText) {
        if !self.changed.iter().any(|ours| ours.text == changed.text) {
            self.changed.push(changed);
        }
    }
}
