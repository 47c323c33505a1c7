//! The reconnecting client: a handle that takes [`Command`]s and a stream of [`Event`]s.
//!
//! It knows no terminal. The screen, `--demo`, tests and bots use it alike. What it promises: rooms are joined again
//! after every reconnect, with the position of what was seen last; a message that was handed to it is sent once and
//! in order, however often the connection is lost meanwhile, and is reported as [`SendState`]s until it is stored or
//! refused.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use realtime_tui::net::{self, Command, Config, Event};
//!
//! let config = Config::new("ws://127.0.0.1:8000/api/v1/ws", std::env::var("REALTIME_TOKEN")?)?;
//! let (handle, mut events) = net::connect(config);
//! handle.send(Command::Join { room: "chat-general".parse()?, since: None }).await?;
//! while let Some(event) = events.recv().await {
//!     if let Event::Message { message, .. } = event {
//!         println!("{}: {}", message.from, message.text);
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! # How it is made
//!
//! ```text
//!  Handle ─ Command ─▶ task ─▶ session (pure) ─▶ task ─ Event ─▶ Events
//!                       │ ▲      rooms · outbox · pacer · backoff
//!                       ▼ │
//!                       link (one WebSocket) ◀▶ server
//! ```
//!
//! The session decides, the task does: it owns the socket, the clock and the channels. All queues are bounded, and
//! each says what happens when it is full: [`COMMANDS`], [`EVENTS`], 10,000 messages on their way
//! (`Refused("queue is full")`).

mod backoff;
mod claims;
mod client;
mod config;
mod frame;
mod link;
mod outbox;
mod pacer;
mod rooms;
mod session;
mod task;
mod tls;
mod trace;

pub use backoff::Backoff;
pub use claims::claims;
pub use client::{COMMANDS, EVENTS, Ended, Events, Handle, TrySendError, connect};
pub use config::{Config, PATH, Timing, TokenSource, UrlError};
pub use trace::{Direction, Frame, TRACED, Totals, Traced};

use std::time::Duration;

use realtime_shared::{
    ClientMsgId, CloseCode, Limits, Message, Position, Recovery, RoomName, ServerEvent, Text, UserId,
};

/// What the holder of a handle asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Be in a room, now and after every reconnect.
    Join {
        /// Which.
        room: RoomName,
        /// Where one was the last time: what was missed since is replayed. Without it one is a newcomer, who is told no
        /// history: ask with [`Command::History`] after [`Event::Joined`].
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
    /// Ask for older entries than `before`, or for the newest ones. Answered with [`Event::Server`] `History`, which
    /// moves no position. Like the other questions it is dropped while there is no connection, and its answer is lost
    /// with the connection: ask again once there is one.
    History {
        /// Where.
        room: RoomName,
        /// Entries with a smaller number.
        before: Option<realtime_shared::Seq>,
        /// How many at most.
        limit: u32,
    },
    /// Ask who is in a room. Answered with [`Event::Server`] `Members`.
    Members(RoomName),
    /// Ask for rooms. Answered with [`Event::Server`] `Rooms`.
    ListRooms {
        /// Only names that begin so.
        prefix: Option<String>,
    },
    /// Measure the time to the server and back now. Dropped while there is no connection.
    Ping,
    /// Have frames told as [`Event::Traced`], first the last ones that went by; or not any more.
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
    /// An entry of a room's log, in order: live or replayed.
    Message {
        /// The entry, with its epoch wherever that is known: on the wire only a room's first one has it.
        message: Message,
        /// Whether it was missed and is replayed now.
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
    /// its room's next entries are [`Event::Message`]s again, as many of them `replayed` as its recovery says.
    Server(ServerEvent),
    /// What goes by, where [`Command::Trace`] wants it.
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
    /// There is none, and no try follows: the verdict on the reason says so. `Command::RetryNow` tries all the same.
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
    Stored(realtime_shared::Seq),
    /// Refused for good, for a reason that people can read. [`Command::Resend`] tries again.
    Refused(String),
    /// Not to be sent any more, as [`Command::TakeBack`] wanted.
    TakenBack {
        /// Whether it was sent, and not answered or not known to be stored: it may be there all the same.
        was_sent: bool,
    },
}
