//! Outgoing messages: they have no place in the log yet.
//!
//! A message stands at the end from the moment it is sent. When its copy arrives from the room, the copy replaces it.

use realtime_shared::{ClientMsgId, Seq, Text, Timestamp};

use super::item::{Item, ItemKey, Outgoing, Sending, ShownMessage};
use super::storage::Timeline;
use crate::sanitize::{self, Line};

/// Number of outgoing messages whose keys are known after they became rows.
const PLACED: usize = 64;

impl Timeline {
    /// Adds a message that the user has just sent.
    pub fn add_outgoing(&mut self, id: ClientMsgId, ts: Timestamp, text: Text) {
        self.outgoing_added += 1;
        let item = Outgoing {
            key: ItemKey { seq: u64::MAX, after: self.outgoing_added },
            ts,
            text: sanitize::block(text.as_str()),
            state: Sending::Queued,
            id,
            original: text,
        };
        self.hits.added(Item::Outgoing(&item));
        self.outgoing.push_back(item);
    }

    /// Returns the outgoing messages, the oldest first.
    pub fn outgoing(&self) -> impl Iterator<Item = &Outgoing> {
        self.outgoing.iter()
    }

    /// Returns true if a message with this identity is outgoing.
    #[must_use]
    pub fn is_outgoing(&self, id: &ClientMsgId) -> bool {
        self.outgoing.iter().any(|item| item.id == *id)
    }

    /// Sets the state of an outgoing message.
    pub fn set_sending(&mut self, id: &ClientMsgId, state: Sending) {
        if let Some(item) = self.outgoing.iter_mut().find(|item| item.id == *id) {
            item.state = state;
        }
    }

    /// Marks a message as sent. One that was put off stays so: it is sent again and again.
    pub fn set_sent(&mut self, id: &ClientMsgId) {
        if let Some(item) =
            self.outgoing.iter_mut().find(|item| item.id == *id && item.state != Sending::PutOff)
        {
            item.state = Sending::Sent;
        }
    }

    /// Marks a message as stored with `seq`. If entries up to `seq` were seen already, no copy will arrive: the message
    /// moves to its place at once.
    pub fn set_stored(&mut self, id: &ClientMsgId, seq: Seq, nick: &Line) {
        if seq > self.last_seq() {
            self.set_sending(id, Sending::Stored);
        } else if let Some(item) = self.place_outgoing(id, seq) {
            let message = ShownMessage {
                nick: nick.clone(),
                text: item.text,
                is_doubtful: false,
                mention: false,
                ours: true,
                folded: None,
            };
            self.add_message(seq, item.ts, message);
        }
    }

    /// Removes a message that will not be sent.
    pub fn take_outgoing(&mut self, id: &ClientMsgId) -> Option<Outgoing> {
        let item = self.remove_outgoing(id)?;
        self.hits.removed(item.key);
        Some(item)
    }

    /// Removes a message that the caller adds again as the entry with `seq`.
    pub fn place_outgoing(&mut self, id: &ClientMsgId, seq: Seq) -> Option<Outgoing> {
        let item = self.remove_outgoing(id)?;
        self.hits.moved(item.key, ItemKey::message(seq));
        if self.placed.len() >= PLACED {
            self.placed.pop_front();
        }
        self.placed.push_back((item.key, seq));
        Some(item)
    }

    fn remove_outgoing(&mut self, id: &ClientMsgId) -> Option<Outgoing> {
        let index = self.outgoing.iter().position(|item| item.id == *id)?;
        self.outgoing.remove(index)
    }

    /// Returns the oldest message that was refused.
    #[must_use]
    pub fn refused(&self) -> Option<&Outgoing> {
        self.outgoing.iter().find(|item| matches!(item.state, Sending::Refused(_)))
    }
}
