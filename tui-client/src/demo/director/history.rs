//! History of the demo's rooms: conversations before the visitor's first look.

use std::cmp::Reverse;
use std::time::Duration;

use realtime_shared::Text;

use super::super::cast::ROOMS;
use super::super::speech::millis;
use super::super::writer::CastLine;
use super::Director;

/// History at the start: days ago, and least number of messages in each room.
pub(super) const HISTORY: [(u32, usize); 3] = [(2, 10), (1, 14), (0, 20)];
pub(super) const DAY: Duration = Duration::from_hours(24);

/// A message of the history.
#[derive(Debug)]
pub(in crate::demo) struct PastMessage {
    /// Time before the start.
    pub(in crate::demo) ago: Duration,
    /// Index of the author in [`PEOPLE`].
    pub(in crate::demo) person: usize,
    /// Index in [`ROOMS`].
    pub(in crate::demo) room: usize,
    pub(in crate::demo) text: Text,
}

impl Director {
    /// Messages of the history, in order.
    pub(in crate::demo) fn history(&mut self) -> Vec<PastMessage> {
        let mut history = Vec::new();
        for (days, enough) in HISTORY {
            for room in 0..ROOMS.len() {
                history.extend(self.conversations(room, enough, DAY * days));
            }
        }
        // Conversations of different rooms overlap in time, so the messages are not ordered room by room.
        history.sort_by_key(|past| Reverse(past.ago));
        history
    }

    /// Conversations of a room, until the time `until` before the start.
    fn conversations(&mut self, room: usize, enough: usize, until: Duration) -> Vec<PastMessage> {
        // The last one was a little while ago; earlier ones precede it.
        let mut ago = until + millis(&mut self.random, 30_000, 90_000);
        let mut said = Vec::new();
        while said.len() < enough {
            let Some(lines) = self.topic(room, false) else { break };
            for CastLine { person, text, .. } in lines.into_iter().rev() {
                said.push(PastMessage { ago, person, room, text });
                ago += millis(&mut self.random, 8_000, 70_000);
            }
            ago += millis(&mut self.random, 5 * 60_000, 25 * 60_000);
        }
        said
    }
}
