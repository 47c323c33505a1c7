//! Commands of a program to its client, sent through a [`Handle`](crate::Handle).

use realtime_shared::{
    Change, ClientMsgId, Content, Delete, Edit, Emoji, HistoryRequest, Line, Message, MessageContent, Pin,
    Position, Reaction, RoomChange, RoomName, SearchRequest, Seq, Text, UserId,
};

use super::tokens::Token;

/// A command to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Joins a room, now and after each reconnect. Has no effect on a room of an earlier `Join`.
    Join {
        room: RoomName,
        /// The last position in the room: the server replays the entries after it. Without a position there is no
        /// replay; request old entries with [`Command::History`] after [`Event::Joined`](crate::Event::Joined).
        since: Option<Position>,
    },
    /// Leaves a room and forgets the position in it.
    Leave(RoomName),
    /// Posts a message. Without a connection it is queued.
    Send {
        room: RoomName,
        text: Text,
        /// The identity of the message, new for each one. A second message with the id of a queued one is ignored.
        client_msg_id: ClientMsgId,
    },
    /// Submits an entry of any kind, like [`Command::Send`]. [`Command::reply`] and the like make the usual ones.
    ///
    /// If the open connection's server does not have the kind, the entry is [refused](crate::SendState::Refused).
    Submit {
        room: RoomName,
        content: Content,
        /// The identity of the entry, new for each one.
        client_msg_id: ClientMsgId,
    },
    /// Reports that the user types, or has stopped. Dropped without a connection.
    Typing { room: RoomName, is_typing: bool },
    /// Requests a page of old messages. The answer is the `History` of
    /// [`Event::Server`](crate::Event::Server), which moves no position.
    ///
    /// Like the other requests it is dropped without a connection, and a lost connection loses the answer: send it
    /// again after the reconnect. Requests are paced with the joins and messages, and repeated after a temporary refusal.
    /// One that is refused, not answered within 20 s, or needs a feature that the server does not have, is reported as
    /// [`Event::RequestFailed`](crate::Event::RequestFailed).
    History(HistoryRequest),
    /// Requests the members of a room. The answer is the `Members` of [`Event::Server`](crate::Event::Server).
    Members(RoomName),
    /// Requests the members of a room whose ids begin with `prefix`, in upper or lower case: at most 100. The answer is
    /// [`Event::MembersFound`](crate::Event::MembersFound). Fails if the server does not have the feature. The server allows
    /// it as often as a list of rooms: five at once, then one a second.
    FindMembers { room: RoomName, prefix: String },
    /// Requests the list of rooms. The answer is the `Rooms` of [`Event::Server`](crate::Event::Server).
    ListRooms {
        /// Selects the rooms whose names begin with it.
        prefix: Option<String>,
    },
    /// Requests the room of the user and another one. The answer is the `Direct` of [`Event::Server`](crate::Event::Server).
    /// Join the room like any other.
    Direct(UserId),
    /// Searches messages. The answer is the `Found` of [`Event::Server`](crate::Event::Server).
    Search(SearchRequest),
    /// Requests the inbox: the rooms with a read marker or a mention. The answer is the `Inbox` of
    /// [`Event::Server`](crate::Event::Server). It is requested once the markers of earlier [`Command::Read`]s are stored,
    /// and has at least these.
    Inbox {
        /// Most rooms in the answer.
        limit: Option<u32>,
        /// Requests it again after each reconnect, up to the next `Inbox` command.
        keep: bool,
    },
    /// Moves the user's read marker in a room forward: to the newest message that the user has seen, the user's own
    /// included. Never moves it back.
    ///
    /// [`Event::Read`](crate::Event::Read) reports the marker. Without a connection it is sent later: the newest of each
    /// room, unless the room has another log by then.
    Read { room: RoomName, seq: Seq },
    /// Measures the round trip to the server now. Dropped without a connection.
    Ping,
    /// Starts or stops the report of frames as [`Event::Traced`](crate::Event::Traced). It starts with the last frames.
    Trace(bool),
    /// Connects now, even if the next attempt is later or none follows.
    RetryNow,
    /// Uses this token from now on, in place of that of the source: for the open connection, or for a new one at once. If the
    /// open connection refuses it, [`Event::TokenRefused`](crate::Event::TokenRefused) follows. The source is asked again
    /// after the server has refused the token.
    UseToken(Token),
    /// Asks the source for a token if the client has stopped because of its token, and connects if there is another one.
    /// Asks at most once a second; a command that is too early is carried out later. Has no effect on a source that is not
    /// [cheap](crate::TokenSource::cheap).
    CheckToken,
    /// Sends a refused message again with the same id, at the end of the queue.
    Resend(ClientMsgId),
    /// Removes a queued message. Has no effect on a message that is in flight or answered.
    TakeBack(ClientMsgId),
    /// Closes the connection with 1000 and ends the events. A message that is not reported as stored may be lost.
    Close,
}

impl Command {
    fn submit(room: &RoomName, content: impl Into<Content>, client_msg_id: ClientMsgId) -> Self {
        Self::Submit { room: room.clone(), content: content.into(), client_msg_id }
    }

    /// Posts a message that answers another one.
    #[must_use]
    pub fn reply(to: &Message, text: Text, client_msg_id: ClientMsgId) -> Self {
        let content = MessageContent { reply_to: Some(to.seq), ..text.into() };
        Self::submit(&to.room, content, client_msg_id)
    }

    /// Replaces the text of a message. `text` must not be empty.
    ///
    /// This change and the next ones have the message's id. If they wait for a connection and then meet another log, the
    /// server refuses them.
    #[must_use]
    pub fn edit(message: &Message, text: Text, client_msg_id: ClientMsgId) -> Self {
        let (target, target_id) = (message.seq, Some(message.id));
        let edit = Edit { target, target_id, text, mentions: None, deleted: false };
        Self::submit(&message.room, Change::Edit(edit), client_msg_id)
    }

    /// Deletes a message.
    #[must_use]
    pub fn delete(message: &Message, reason: Option<Line>, client_msg_id: ClientMsgId) -> Self {
        let delete = Delete { target: message.seq, target_id: Some(message.id), reason };
        Self::submit(&message.room, Change::Delete(delete), client_msg_id)
    }

    /// Reacts to a message, or removes the reaction.
    #[must_use]
    pub fn react(message: &Message, emoji: Emoji, removed: bool, client_msg_id: ClientMsgId) -> Self {
        let reaction = Reaction { target: message.seq, target_id: Some(message.id), emoji, removed };
        Self::submit(&message.room, Change::Reaction(reaction), client_msg_id)
    }

    /// Pins a message to its room, or removes the pin.
    #[must_use]
    pub fn pin(message: &Message, removed: bool, client_msg_id: ClientMsgId) -> Self {
        let pin = Pin { target: message.seq, target_id: Some(message.id), removed };
        Self::submit(&message.room, Change::Pin(pin), client_msg_id)
    }

    /// Changes the settings of a room.
    #[must_use]
    pub fn configure(room: &RoomName, change: RoomChange, client_msg_id: ClientMsgId) -> Self {
        Self::submit(room, Change::Room(change), client_msg_id)
    }
}
