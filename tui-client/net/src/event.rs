//! The events that a client reports, and the states of its connection and of its messages.

use std::time::Duration;

use realtime_shared::{
    ClientMsgId, CloseCode, Limits, Message, Position, Recovery, RoomName, Seq, ServerEvent, UserId,
};

use super::trace::Traced;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The connection's state changed.
    State(ConnectionState),
    /// The time from a ping to its pong.
    RoundTrip(Duration),
    /// A room is entered, for the first time or again after `offline`.
    Joined {
        /// Which.
        room: RoomName,
        /// Who is there, at most 1,000.
        members: Vec<UserId>,
        /// How many are there.
        member_count: u64,
        /// After the newest entry, of those that are replayed too. `None`: the server did not say.
        head: Option<Position>,
        /// What is replayed next; none for a newcomer.
        recovery: Option<Recovery>,
        /// How long the room was not heard, where it had been entered before.
        offline: Option<Duration>,
    },
    /// A message, live or replayed. Entries of one room come in the order of their log.
    Message {
        /// The message as it is on the wire.
        message: Message,
        /// The position after the message: the `since` of a later join. `None` if the epoch is not known, as in a room
        /// that was not joined.
        position: Option<Position>,
        /// Whether it was missed, and is replayed after a join.
        replayed: bool,
    },
    /// An entry that this version cannot read: its kind is unknown, or its content is not what its kind requires. A
    /// stored position has to move with it.
    Entry {
        /// The room whose log has the entry.
        room: RoomName,
        /// The position after the entry.
        position: Position,
        /// Whether it was missed, and is replayed after a join.
        replayed: bool,
    },
    /// How far a message of ours is.
    Sent {
        /// Which.
        client_msg_id: ClientMsgId,
        /// How far.
        state: SendState,
    },
    /// Everything else the server says: others joining and leaving, typing, answers, notices, errors. After a `resync`
    /// its room's next entries are [`Event::Message`]s and [`Event::Entry`]s again, as many of them `replayed` as its
    /// recovery says.
    Server(ServerEvent),
    /// What goes by, where [`Command::Trace`](crate::Command::Trace) wants it.
    Traced(Box<Traced>),
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// A connection is being made; the how-manieth try since the last connection that lasted, from 1.
    Connecting {
        /// From 1.
        attempt: u32,
    },
    /// There is one.
    Connected {
        /// Who we are.
        user_id: UserId,
        /// Connections of everybody.
        online_count: u64,
        /// What the server takes.
        limits: Limits,
    },
    /// There is none, and a try follows after `retry_in`.
    Waiting {
        /// Why there is none.
        reason: Disconnect,
        /// How long, from now.
        retry_in: Duration,
        /// The next try's number, from 1.
        attempt: u32,
    },
    /// There is none, and no try follows: the verdict on the reason says so. [`Command::RetryNow`](crate::Command::RetryNow) tries all the same.
    Stopped {
        /// Why.
        reason: Disconnect,
    },
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disconnect {
    /// The server ended it, or it was lost.
    #[error("{} ({})", .code.reason(), .code.to_u16())]
    Closed {
        /// With this code.
        code: CloseCode,
    },
    /// The upgrade was refused.
    #[error("the server answered HTTP {status}")]
    Refused {
        /// With this status.
        status: u16,
    },
    /// There was nobody to talk to, for the system's reason.
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    /// Nothing was heard after a ping, or a message was neither acknowledged nor refused, for too long.
    #[error("no answer")]
    Silent,
}

/// How far a message of ours is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendState {
    /// Waits for a connection, or its turn.
    Queued,
    /// The server did not take it, for now and for a reason that people can read: it goes again by itself.
    PutOff(String),
    /// Given to the connection, and not known to be stored.
    Sent,
    /// Stored, with this number.
    Stored(Seq),
    /// Refused for good, for a reason that people can read. [`Command::Resend`](crate::Command::Resend) tries again.
    Refused(String),
    /// Not to be sent any more, as [`Command::TakeBack`](crate::Command::TakeBack) wanted.
    TakenBack {
        /// Whether it was sent, and not answered or not known to be stored: it may be there all the same.
        was_sent: bool,
    },
}
