//! Events of a client, and the states of its connection and of its messages.

use std::time::Duration;

use realtime_shared::{
    ClientMsgId, CloseCode, Feature, Limits, Position, Recovery, RoomName, Seq, ServerEvent, Timestamp,
    UserId,
};

use super::claims::TokenClaims;
use super::command::Command;
use super::entry::Entry;
use super::trace::Traced;

/// An event of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The state of the connection changed.
    State(ConnectionState),
    /// A pong arrived.
    RoundTrip {
        /// Time from the ping to the pong.
        time: Duration,
        /// Time of the server when it answered.
        server_time: Timestamp,
    },
    /// The client joined a room, for the first time or again.
    Joined {
        room: RoomName,
        /// At most 1,000 members.
        members: Vec<UserId>,
        /// Number of all members.
        member_count: u64,
        /// The head of the room's log, replayed entries included. `None`: the server did not send it.
        head: Option<Position>,
        /// The replay that follows. `None` without a `since`.
        recovery: Option<Recovery>,
        /// Time without a connection to the room. `None` at the first join.
        offline: Option<Duration>,
        /// The user's read marker. `None`: the server did not send it.
        read_seq: Option<Seq>,
    },
    /// An entry of any kind, live or replayed. The entries of one room arrive in the order of their log.
    Entry {
        entry: Entry,
        /// The position after the entry: the `since` of a later join. `None` if the epoch is unknown, as in a room
        /// that the client has not joined.
        position: Option<Position>,
        /// True if the entry is part of a replay.
        replayed: bool,
    },
    /// The user's read marker in a room moved, by [`Command::Read`](crate::Command::Read) or another client of the user.
    Read {
        room: RoomName,
        /// The newest message that the user has read.
        seq: Seq,
        /// The server has stored the marker.
        is_stored: bool,
    },
    /// The state of one of the client's messages changed.
    Sent { client_msg_id: ClientMsgId, state: SendState },
    /// Any other frame of the server: joins and leaves of others, typing, answers, notices, errors.
    ///
    /// After a `resync` the entries of its room follow as [`Event::Entry`]s. The first ones are `replayed`; its recovery
    /// has their number.
    ///
    /// The messages of a `History` or `Found` have at least the changes of all entries that the program has received before
    /// it. If the program holds a message already, the version with the larger `rev` is the newer one.
    Server(ServerEvent),
    /// The answer to [`Command::FindMembers`](crate::Command::FindMembers).
    MembersFound {
        room: RoomName,
        /// That of the command.
        prefix: String,
        /// In the order of their ids.
        members: Vec<UserId>,
        /// True if there are or may be more of them.
        has_more: bool,
    },
    /// The server refused a request for data, or did not answer it in time. To repeat it, send `request` again.
    RequestFailed {
        /// The command: [`History`](crate::Command::History), [`Members`](crate::Command::Members),
        /// [`FindMembers`](crate::Command::FindMembers),
        /// [`ListRooms`](crate::Command::ListRooms), [`Direct`](crate::Command::Direct),
        /// [`Search`](crate::Command::Search), [`Inbox`](crate::Command::Inbox) or [`Read`](crate::Command::Read).
        request: Command,
        /// The reason for people.
        reason: String,
    },
    /// The server keeps the client waiting, or no longer does. A new state of the connection ends it without this event.
    Health(Health),
    /// The token expires soon, and the client could not renew it. Reported once for each token. The client may succeed
    /// later: `Refreshed` of [`Event::Server`](crate::Event::Server) reports that, as it does after each renewal.
    TokenExpires {
        at: Timestamp,
        /// The reason for people.
        reason: String,
    },
    /// The server refused the token of [`Command::UseToken`](crate::Command::UseToken) for the open connection, which
    /// keeps its token.
    TokenRefused {
        /// The reason for people.
        reason: String,
    },
    /// A frame on the wire, or the token, if [`Command::Trace`](crate::Command::Trace) is on.
    Traced(Box<Traced>),
}

/// The state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// The client connects.
    Connecting {
        /// Number of the attempt since the last stable connection, from 1.
        attempt: u32,
    },
    Connected {
        /// The user of the token.
        user_id: UserId,
        /// Number of all connections to the server.
        online_count: u64,
        limits: Limits,
        /// The features of the server. It refuses other kinds of entries, and so does this client:
        /// [`SendState::Refused`].
        features: Vec<Feature>,
    },
    /// There is no connection. The next attempt follows after `retry_in`.
    Waiting {
        reason: Disconnect,
        /// Time from now to the next attempt.
        retry_in: Duration,
        /// Number of the next attempt.
        attempt: u32,
    },
    /// There is no connection, and no attempt follows, because of the verdict on the reason.
    /// [`Command::RetryNow`](crate::Command::RetryNow) still connects.
    Stopped {
        reason: Disconnect,
        /// The claims of the token, if another token would help and this one is a JWT.
        token: Option<Box<TokenClaims>>,
    },
}

/// The answers of the server on an open connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Health {
    /// The server answers.
    #[default]
    Answering,
    /// A message has no answer after 3 s, or the server is silent for 3 s after a ping.
    Silent,
    /// The server refuses a message or a join for now; contains the reason for people. The client repeats it.
    PuttingOff(String),
}

/// The reason why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disconnect {
    /// The server closed the connection, or it was lost.
    #[error("{} ({})", .code.reason(), .code.to_u16())]
    Closed { code: CloseCode },
    /// The server refused the upgrade with this HTTP status.
    #[error("the server answered HTTP {status}")]
    Refused { status: u16 },
    /// The server cannot be reached; contains the reason.
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    /// A ping or a message got no answer in time.
    #[error("no answer")]
    Silent,
}

/// The state of one of the client's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendState {
    /// The message waits for a connection, or for the messages before it.
    Queued,
    /// The server refused the message for now; contains the reason for people. The client sends it again.
    PutOff(String),
    /// The message is in flight: sent, and not answered yet.
    Sent,
    /// The server stored the message with this seq.
    Stored(Seq),
    /// The server refused the message; contains the reason for people. [`Command::Resend`](crate::Command::Resend)
    /// sends it again.
    Refused(String),
    /// [`Command::TakeBack`](crate::Command::TakeBack) removed the message.
    TakenBack {
        /// True if the message was sent before and may be stored.
        was_sent: bool,
    },
}
