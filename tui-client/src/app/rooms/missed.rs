//! Messages in a gap that cause a notification: one for all of them, when the replays of all rooms have ended.

use std::time::Duration;

use realtime_shared::RoomName;

use crate::sanitize::Line;

/// Longest wait for the replays.
const WAIT: Duration = Duration::from_secs(5);
/// Names of senders that are kept of a room.
const NAMES: usize = 8;

/// Replayed messages that the user should know about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) struct MissedMessages {
    until: Duration,
    rooms: Vec<MissedInRoom>,
}

/// The messages of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MissedInRoom {
    pub(super) room: RoomName,
    pub(super) count: u64,
    /// The senders, each once.
    pub(super) from: Vec<Line>,
    /// The last text.
    pub(super) text: String,
}

impl MissedMessages {
    /// No messages. The first one arrived at `now`.
    pub(super) fn since(now: Duration) -> Self {
        Self { until: now.saturating_add(WAIT), rooms: Vec::new() }
    }

    /// The time at which the notification is due at the latest.
    pub(in crate::app) const fn until(&self) -> Duration {
        self.until
    }

    pub(super) fn add(&mut self, room: &RoomName, from: &Line, text: &str) {
        let index = self.rooms.iter().position(|missed| missed.room == *room).unwrap_or_else(|| {
            let (from, text) = (Vec::new(), String::new());
            self.rooms.push(MissedInRoom { room: room.clone(), count: 0, from, text });
            self.rooms.len() - 1
        });
        let missed = &mut self.rooms[index];
        missed.count += 1;
        text.clone_into(&mut missed.text);
        if !missed.from.contains(from) && missed.from.len() < NAMES {
            missed.from.push(from.clone());
        }
    }

    pub(super) fn into_rooms(self) -> Vec<MissedInRoom> {
        self.rooms
    }
}
