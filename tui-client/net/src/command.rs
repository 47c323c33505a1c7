//! Commands of a program to its client, sent through a [`Handle`](crate::Handle).

use realtime_shared::{ClientMsgId, Position, RoomName, Seq, Text};

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
    /// Reports that the user types, or has stopped. Dropped without a connection.
    Typing { room: RoomName, is_typing: bool },
    /// Requests the entries before `before`, or the newest ones. The answer is the `History` of
    /// [`Event::Server`](crate::Event::Server), which moves no position.
    ///
    /// Like the other requests it is dropped without a connection, and a lost connection loses the answer: send it
    /// again after the reconnect. Requests are paced with the joins and messages, and repeated after a temporary refusal.
    /// One that is refused, or not answered within 20 s, is reported as
    /// [`Event::RequestFailed`](crate::Event::RequestFailed).
    History {
        room: RoomName,
        before: Option<Seq>,
        /// Most entries in the answer.
        limit: u32,
    },
    /// Requests the members of a room. The answer is the `Members` of [`Event::Server`](crate::Event::Server).
    Members(RoomName),
    /// Requests the list of rooms. The answer is the `Rooms` of [`Event::Server`](crate::Event::Server).
    ListRooms {
        /// Selects the rooms whose names begin with it.
        prefix: Option<String>,
    },
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
