#![doc = include_str!("../README.md")]
//!
//! # Structure
//!
//! ```text
//!  Handle ─ Command ─▶ task ─▶ session (pure) ─▶ task ─ Event ─▶ Events
//!                       │ ▲      rooms · outbox · requests · markers · pacer · backoff
//!                       ▼ │
//!                       link (one WebSocket) ◀▶ server
//! ```
//!
//! The session decides and does no I/O. The task owns the socket, the clock and the channels.
//!
//! # Adding a kind of entry
//!
//! An entry of an unknown kind needs no code: it moves the position, and reaches a bot as [`Entry::Unknown`]. A known kind
//! reaches it as [`Entry::Change`], and [`shared::fold`] folds it. Its command is a function of [`Command`].
//!
//! # Folding
//!
//! The session applies the changes that cross a page to that page (`held.rs`). So a page has at least the changes of the
//! entries before it in the stream of events, and [`RoomState`] holds back nothing.

mod backoff;
mod claims;
mod client;
mod command;
mod config;
mod dial;
mod entry;
mod event;
mod held;
mod link;
mod markers;
mod outbox;
mod pacer;
mod renewal;
mod requests;
mod room_state;
mod rooms;
mod session;
mod submission;
mod task;
mod tls;
mod tokens;
mod trace;
mod waiting;

pub use backoff::Backoff;
pub use claims::{TokenClaims, TokenFault, claims};
pub use client::{COMMANDS, EVENTS, Ended, Events, Handle, TrySendError, connect};
pub use command::Command;
pub use config::{Config, PATH, Timing, TokenSource, UrlError};
pub use entry::Entry;
pub use event::{ConnectionState, Disconnect, Event, Health, SendState};
pub use realtime_shared as shared;
pub use room_state::RoomState;
pub use tokens::Token;
pub use trace::{Direction, Frame, TRACED, Totals, Traced};
pub use waiting::Waiting;
