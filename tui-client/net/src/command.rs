//! The commands that the holder of a [`Handle`](crate::Handle) gives.

use realtime_shared::{ClientMsgId, Position, RoomName, Seq, Text};

/// What the holder of a handle asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Be in a room, now and after every reconnect.
    Join {
        /// Which.
        room: RoomName,
        /// Where one was the last time: what was missed since is replayed. Without it one is a newcomer, who is told no
        /// history: ask with [`Command::History`] after [`Event::Joined`](crate::Event::Joined).
        since: Option<Position>,
    },
    /// Be in it no more. Where one was is forgotten: a later join is a newcomer's.
    Leave(RoomName),
    /// Post a message. It is queued while there is no connection.
    Send {
        /// Where.
        room: RoomName,
        /// What.
        text: Text,
        /// Its identity, fresh for each message: states are reported under it. One that waits already is that
        /// message, and is not queued twice.
        client_msg_id: ClientMsgId,
    },
    /// Tell others whether one is typing. Dropped while there is no connection.
    Typing {
        /// Where.
        room: RoomName,
        /// Whether.
        is_typing: bool,
    },
    /// Ask for older entries than `before`, or for the newest ones. Answered with [`Event::Server`](crate::Event::Server) `History`, which
    /// moves no position. Like the other questions it is dropped while there is no connection, and its answer is lost
    /// with the connection: ask again once there is one.
    History {
        /// Where.
        room: RoomName,
        /// Entries with a smaller number.
        before: Option<Seq>,
        /// How many at most.
        limit: u32,
    },
    /// Ask who is in a room. Answered with [`Event::Server`](crate::Event::Server) `Members`.
    Members(RoomName),
    /// Ask for rooms. Answered with [`Event::Server`](crate::Event::Server) `Rooms`.
    ListRooms {
        /// Only names that begin so.
        prefix: Option<String>,
    },
    /// Measure the time to the server and back now. Dropped while there is no connection.
    Ping,
    /// Have frames told as [`Event::Traced`](crate::Event::Traced), first the last ones that went by; or not any more.
    Trace(bool),
    /// Try to connect now, instead of after the countdown or where nothing was to be tried any more.
    RetryNow,
    /// Send a refused message again (same identity), at the end of the queue.
    Resend(ClientMsgId),
    /// Do not send a message that waits. One that is in flight, or answered, is beyond that: nothing happens.
    TakeBack(ClientMsgId),
    /// Leave for good: close with 1000 and end the stream. Messages that are not reported stored may not be.
    Close,
}
