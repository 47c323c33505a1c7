//! What was written here and has no place in the log yet.
//!
//! A message stands at the end from the moment it is sent. When its own copy comes back it takes that copy's place.

use realtime_shared::{ClientMsgId, Seq, Text};

use super::{Item, Key, Said, Stamp, Timeline};
use crate::sanitize::{self, Block, Line};

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its place, after all entries.
    pub key: Key,
    /// When it was written.
    pub stamp: Stamp,
    /// What it says, as it is shown.
    pub text: Block,
    /// How far it is.
    pub state: Sending,
    id: ClientMsgId,
    original: Text,
}

/// How far a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// Waits for a connection, or its turn.
    Queued,
    /// The server did not take it, for now, and why: it goes again by itself.
    PutOff(Line),
    /// Given to the connection.
    Sent,
    /// Stored; its own copy has not come.
    Stored,
    /// Refused, and why.
    Refused(Line),
}

impl Outgoing {
    /// Its identity.
    #[must_use]
    pub const fn id(&self) -> &ClientMsgId {
        &self.id
    }

    /// What it says, as it was written.
    #[must_use]
    pub const fn original(&self) -> &Text {
        &self.original
    }

    /// Whether it goes by itself, later.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, Sending::Queued | Sending::PutOff(_))
    }
}

impl Timeline {
    /// Adds a message that was written just now.
    pub fn write(&mut self, id: ClientMsgId, stamp: Stamp, text: Text) {
        self.written += 1;
        let item = Outgoing {
            key: Key { seq: u64::MAX, after: self.written },
            stamp,
            text: sanitize::block(text.as_str()),
            state: Sending::Queued,
            id,
            original: text,
        };
        self.hits.came(Item::Outgoing(&item));
        self.outgoing.push_back(item);
    }

    /// What is on its way, in the order it was written.
    pub fn outgoing(&self) -> impl Iterator<Item = &Outgoing> {
        self.outgoing.iter()
    }

    /// Whether a message of that identity is on its way.
    #[must_use]
    pub fn is_outgoing(&self, id: &ClientMsgId) -> bool {
        self.outgoing.iter().any(|item| item.id == *id)
    }

    /// Notes how far a message is.
    pub fn set_sending(&mut self, id: &ClientMsgId, state: Sending) {
        if let Some(item) = self.outgoing.iter_mut().find(|item| item.id == *id) {
            item.state = state;
        }
    }

    /// Notes that a message is stored under `seq`. Where the log has been seen beyond `seq` its copy was delivered
    /// before, or never will be: the message goes to its place at once.
    pub fn set_stored(&mut self, id: &ClientMsgId, seq: Seq, nick: &Line) {
        if seq > self.last_seq() {
            self.set_sending(id, Sending::Stored);
        } else if let Some(item) = self.place_outgoing(id, seq) {
            let said = Said { nick: nick.clone(), text: item.text, mention: false, ours: true };
            self.add_message(seq, item.stamp, said);
        }
    }

    /// Takes a message out that is not to be sent.
    pub fn take_outgoing(&mut self, id: &ClientMsgId) -> Option<Outgoing> {
        let item = self.remove_outgoing(id)?;
        self.hits.went(item.key);
        Some(item)
    }

    /// Takes a message out whose place is that of `seq`, where it is added next.
    pub fn place_outgoing(&mut self, id: &ClientMsgId, seq: Seq) -> Option<Outgoing> {
        let item = self.remove_outgoing(id)?;
        self.hits.moves(item.key, Key::message(seq));
        Some(item)
    }

    fn remove_outgoing(&mut self, id: &ClientMsgId) -> Option<Outgoing> {
        let index = self.outgoing.iter().position(|item| item.id == *id)?;
        self.outgoing.remove(index)
    }

    /// The oldest message that was refused.
    #[must_use]
    pub fn refused(&self) -> Option<&Outgoing> {
        self.outgoing.iter().find(|item| matches!(item.state, Sending::Refused(_)))
    }
}
