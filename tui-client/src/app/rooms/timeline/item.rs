//! Items of a timeline: rows with a place in the log, and outgoing messages.

use realtime_shared::{Change, ChangeEntry, ClientMsgId, EntryFields, Message, Seq, Text, Timestamp, UserId};

use super::presence::PresenceLine;
use crate::sanitize::{self, Block, Line};

/// The identity and the order of an item. It does not change when other items are added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ItemKey {
    /// Seq of the last message at or before the item; `u64::MAX` for outgoing messages.
    pub(super) seq: u64,
    /// Counts the items after that message.
    pub(super) after: u32,
}

impl ItemKey {
    /// After all items.
    pub(in crate::app) const END: Self = Self { seq: u64::MAX, after: u32::MAX };

    pub(in crate::app) const fn message(seq: Seq) -> Self {
        Self { seq: seq.get(), after: 0 }
    }

    /// After the message and all items that follow it, before the next message.
    pub(in crate::app) const fn end_of(seq: Seq) -> Self {
        Self { seq: seq.get(), after: u32::MAX }
    }

    pub(super) const fn next(self) -> Self {
        Self { seq: self.seq, after: self.after.saturating_add(1) }
    }
}

/// A row of the timeline with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    pub key: ItemKey,
    pub ts: Timestamp,
    pub body: Body,
}

impl LogRow {
    /// Returns true if the row is an entry of the log, so that the seq of its key is its own.
    pub(super) const fn is_entry(&self) -> bool {
        match self.body {
            Body::Message(_) => true,
            Body::Presence(_) | Body::Note { .. } | Body::Gap => false,
        }
    }

    /// Returns true if the row is a message: it is searched, and counted when it is removed.
    pub(super) const fn is_message(&self) -> bool {
        match self.body {
            Body::Message(_) => true,
            Body::Presence(_) | Body::Note { .. } | Body::Gap => false,
        }
    }
}

impl LogRow {
    /// Returns the memory that the row needs, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let text = match &self.body {
            Body::Message(message) => {
                let folded = if message.folded.is_some() { size_of::<Message>() } else { 0 };
                message.nick.as_str().len() + message.text.bytes() + folded
            }
            Body::Note { text, .. } => text.bytes(),
            Body::Presence(_) => 0,
            // Gaps come and go with the entries around them.
            Body::Gap => return 0,
        };
        size_of::<Self>() + text
    }
}

/// Content of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Message(ShownMessage),
    /// Joins and leaves without a message between them.
    Presence(PresenceLine),
    /// A note of the client or the server.
    Note {
        tone: Tone,
        text: Block,
    },
    /// Entries are missing here and can be loaded.
    Gap,
}

/// A stored message as the timeline shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownMessage {
    /// Name of the sender.
    pub nick: Line,
    pub text: Block,
    /// The sender's name mixes scripts or looks like another one.
    pub is_doubtful: bool,
    /// The message names the user.
    pub mention: bool,
    /// This client sent the message and has seen it stored.
    pub ours: bool,
    /// The message with its changes, without a text. `None`: it has no changes and answers no message. The text of a deleted
    /// message is empty.
    pub folded: Option<Box<Message>>,
}

impl ShownMessage {
    /// The newest entry that changed the message; 0 if none did.
    pub(super) fn rev(&self) -> Seq {
        self.folded.as_ref().and_then(|folded| folded.rev).unwrap_or(Seq::new(0))
    }

    /// Applies a change of the message. `mention`: the text of an edit names the user. Returns false if it has no effect.
    pub(in crate::app) fn apply(
        &mut self,
        change: &ChangeEntry,
        user: Option<&UserId>,
        mention: bool,
    ) -> bool {
        let mut folded = match &self.folded {
            Some(folded) => folded.clone(),
            None => Box::new(bare(change)),
        };
        if !folded.apply(change, user) {
            return false;
        }
        if folded.deleted.is_some() {
            (self.text, self.mention) = (sanitize::block(""), false);
        } else if let Change::Edit(edit) = &change.change {
            (self.text, self.mention) = (sanitize::block(edit.text.as_str()), mention);
        }
        folded.text = Text::deleted();
        self.folded = Some(folded);
        true
    }

    /// Facts about the message for the rows below its text: a deletion, what it answers, an edit, a pin, reactions.
    #[must_use]
    pub fn facts(&self) -> Option<String> {
        let folded = self.folded.as_ref()?;
        if let Some(deleted) = &folded.deleted {
            return Some(format!("deleted by {}", sanitize::line(deleted.by.as_str())));
        }
        let mut facts = Vec::new();
        facts.extend(folded.reply_to.map(|seq| format!("reply to {seq}")));
        facts.extend(folded.edited_ts.map(|_| "edited".to_owned()));
        facts.extend(folded.pinned.then(|| "pinned".to_owned()));
        facts.extend(folded.reactions.iter().map(|reaction| {
            let mine = if reaction.mine { " (you)" } else { "" };
            format!("{} {}{mine}", sanitize::line(reaction.emoji.as_str()), reaction.count)
        }));
        (!facts.is_empty()).then(|| facts.join(", "))
    }
}

/// The target of a change before all changes, with the fields that the fold reads.
fn bare(change: &ChangeEntry) -> Message {
    let ChangeEntry { room, from, id, ts, seq, .. } = change.clone();
    let seq = change.change.target().map_or(seq, |(target, _)| target);
    let fields = EntryFields { room, from, seq, id, ts, client_msg_id: None, epoch: None };
    Message::new(Text::deleted().into(), fields)
}

/// Importance of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Info,
    /// From an admin.
    Notice,
    /// A refusal or a failure.
    Error,
}

/// One item of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    Row(&'a LogRow),
    Outgoing(&'a Outgoing),
}

impl Item<'_> {
    /// Returns the item's identity and order.
    #[must_use]
    pub const fn key(&self) -> ItemKey {
        match self {
            Self::Row(row) => row.key,
            Self::Outgoing(outgoing) => outgoing.key,
        }
    }

    /// Returns the item's time.
    #[must_use]
    pub const fn ts(&self) -> Timestamp {
        match self {
            Self::Row(row) => row.ts,
            Self::Outgoing(outgoing) => outgoing.ts,
        }
    }
}

/// State of the history before the first row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Top {
    /// Not known yet.
    #[default]
    Unknown,
    /// Older entries exist and can be loaded.
    Older,
    /// Older entries existed; the server has trimmed them.
    Gone,
    /// The log begins here.
    Beginning,
}

/// A message of the user that has no place in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// After all rows.
    pub key: ItemKey,
    /// Time of writing.
    pub ts: Timestamp,
    /// The text, safe to show.
    pub text: Block,
    pub state: Sending,
    pub(super) id: ClientMsgId,
    pub(super) original: Text,
}

/// State of an outgoing message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// Waits for a connection or for its turn.
    Queued,
    /// Refused for now. The client sends it again by itself, and shows this state until the server has stored it.
    PutOff,
    /// Handed to the connection.
    Sent,
    /// Stored; its copy from the room has not arrived.
    Stored,
    /// Refused permanently, with the reason.
    Refused(Line),
}

impl Outgoing {
    /// Returns the message's identity.
    #[must_use]
    pub const fn id(&self) -> &ClientMsgId {
        &self.id
    }

    /// Returns the text as the user wrote it.
    #[must_use]
    pub const fn original(&self) -> &Text {
        &self.original
    }

    /// Returns true if the client will send the message later by itself.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, Sending::Queued | Sending::PutOff)
    }
}
