#![doc = include_str!("../README.md")]
//!
//! # Structure
//!
//! ```text
//!  Handle ─ Command ─▶ task ─▶ session (pure) ─▶ task ─ Event ─▶ Events
//!                       │ ▲      rooms · outbox · requests · pacer · backoff
//!                       ▼ │
//!                       link (one WebSocket) ◀▶ server
//! ```
//!
//! The session decides and does no I/O. The task owns the socket, the clock and the channels.
//!
//! # Adding a kind of entry
//!
//! An entry of an unknown kind needs no code: it moves the position, and reaches a bot as [`Event::Entry`]. To read or
//! send a new kind, follow the recipe in [`shared::entry`].

mod backoff;
mod claims;
mod client;
mod command;
mod config;
mod dial;
mod event;
mod link;
mod outbox;
mod pacer;
mod renewal;
mod requests;
mod rooms;
mod session;
mod submission;
mod task;
mod tls;
mod tokens;
mod trace;

pub use backoff::Backoff;
pub use claims::{TokenClaims, TokenFault, claims};
pub use client::{COMMANDS, EVENTS, Ended, Events, Handle, TrySendError, connect};
pub use command::Command;
pub use config::{Config, PATH, Timing, TokenSource, UrlError};
pub use event::{ConnectionState, Disconnect, Event, Health, SendState};
pub use realtime_shared as shared;
pub use tokens::Token;
pub use trace::{Direction, Frame, TRACED, Totals, Traced};
