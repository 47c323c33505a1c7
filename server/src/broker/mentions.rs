//! Users whom an entry concerns although they may be elsewhere: those that it mentions, and the other one of a direct room.

use std::borrow::Cow;
use std::sync::Arc;

use realtime_shared::{
    Change, DirectPair, Edit, EntryEvent, Notify, NotifyReason, RoomName, Seq, ServerEvent, Text, UserId,
    codec, mention,
};

use super::{Concerned, Recipients, SkipConnections};

/// The users that the text of an entry may mention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mentioned<'a> {
    users: Cow<'a, [UserId]>,
    /// The users are words of the text: only those with a read marker in the room are mentioned.
    pub(super) needs_marker: bool,
}

impl<'a> Mentioned<'a> {
    /// `None` if the entry is neither a message nor the edit of one. An edit replaces the mentions of its message.
    pub(super) fn of(event: &'a EntryEvent) -> Option<Self> {
        let (text, mentions) = match event {
            EntryEvent::Message(message) => (&message.text, &message.mentions),
            EntryEvent::Change(entry) => match &entry.change {
                Change::Edit(Edit { text, mentions, .. }) => (text, mentions),
                Change::Delete(_) | Change::Reaction(_) | Change::Pin(_) | Change::Room(_) => return None,
            },
        };
        Some(match mentions {
            Some(mentions) => Self { users: Cow::Borrowed(mentions.users()), needs_marker: false },
            None => Self { users: Cow::Owned(mention::named_users(text.as_str())), needs_marker: true },
        })
    }

    /// The users without the author. In a direct room only its users count.
    pub(super) fn users(&self, author: &UserId, pair: Option<&DirectPair>) -> Vec<UserId> {
        let counts =
            |user: &&UserId| *user != author && pair.is_none_or(|pair| pair.other_of(user).is_some());
        self.users.iter().filter(counts).cloned().collect()
    }
}

/// A `notify` frame, and the connections that get it.
pub(super) type Notification = (Recipients, Arc<str>);

/// The notifications about a message or an edit that mentions these users, who were not mentioned by the message before.
pub(super) fn notifications(
    event: &EntryEvent,
    pair: Option<&DirectPair>,
    mentioned: &[UserId],
) -> Vec<Notification> {
    let (seq, text, other) = match event {
        EntryEvent::Message(message) => {
            let other = pair.and_then(|pair| pair.other_of(&message.from));
            (message.seq, &message.text, other.filter(|other| **other != message.from))
        }
        EntryEvent::Change(entry) => match &entry.change {
            Change::Edit(Edit { target, text, .. }) => (*target, text, None),
            Change::Delete(_) | Change::Reaction(_) | Change::Pin(_) | Change::Room(_) => return Vec::new(),
        },
    };
    if other.is_none() && mentioned.is_empty() {
        return Vec::new();
    }
    let head = event.head();
    let encode = |reason| notify_frame(head.room, seq, head.from, text, reason);
    let to = |user: &UserId| {
        let (user, room) = (user.clone(), head.room.clone());
        Recipients::Concerned(Concerned { user, room, skip: SkipConnections::InRoom })
    };
    if let Some(other) = other {
        // The other one is the only user whom a message of a direct room may mention.
        return vec![(to(other), encode(NotifyReason::Direct))];
    }
    let json = encode(NotifyReason::Mention);
    mentioned.iter().map(|user| (to(user), json.clone())).collect()
}

fn notify_frame(room: &RoomName, seq: Seq, from: &UserId, text: &Text, reason: NotifyReason) -> Arc<str> {
    let notify = Notify { room: room.clone(), seq, from: from.clone(), text: text.clone(), reason };
    codec::encode(&ServerEvent::Notify(notify)).into()
}
