//! Settings of a room: the result of all its `room` entries.

use serde::{Deserialize, Serialize};

use crate::content::RoomChange;
use crate::field::{Posting, SlowMode};
use crate::name::Line;
use crate::position::Seq;

/// The settings of a room.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoomSettings {
    /// Empty: the room has no topic.
    #[serde(default)]
    pub topic: Line,
    #[serde(default)]
    pub slow_mode: SlowMode,
    #[serde(default)]
    pub posting: Posting,
    /// The newest entry that changed them; 0 if none did.
    #[serde(default)]
    pub rev: Seq,
}

impl RoomSettings {
    /// Applies the `room` entry with this seq. Does nothing, and returns false, if the settings are as new as that entry.
    pub fn apply(&mut self, change: &RoomChange, seq: Seq) -> bool {
        if seq <= self.rev {
            return false;
        }
        let RoomChange { topic, slow_mode, posting } = change.clone();
        self.topic = topic.unwrap_or_else(|| self.topic.clone());
        self.slow_mode = slow_mode.unwrap_or(self.slow_mode);
        self.posting = posting.unwrap_or(self.posting);
        self.rev = seq;
        true
    }

    /// Returns true if the change sets what is set already.
    #[must_use]
    pub fn have(&self, change: &RoomChange) -> bool {
        let RoomChange { topic, slow_mode, posting } = change;
        topic.as_ref().is_none_or(|topic| *topic == self.topic)
            && slow_mode.is_none_or(|slow_mode| slow_mode == self.slow_mode)
            && posting.is_none_or(|posting| posting == self.posting)
    }
}
