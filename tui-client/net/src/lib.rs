#![doc = include_str!("../README.md")]
//!
//! # Structure
//!
//! ```text
//!  Handle ─ Command ─▶ task ─▶ session (pure) ─▶ task ─ Event ─▶ Events
//!                       │ ▲      rooms · outbox · pacer · backoff
//!                       ▼ │
//!                       link (one WebSocket) ◀▶ server
//! ```
//!
//! The session decides and does no I/O. The task owns the socket, the clock and the channels.
//!
//! # Adding a kind of entry
//!
//! An entry of an unknown kind needs no code: it moves the position, and reaches a bot as [`Event::Entry`]. To read a
//! new kind, add it in these places. Most of them do not compile after the first two.
//!
//! In `shared`:
//!
//! 1. `src/entry.rs`: a variant of `EntryKind`.
//! 2. `src/event.rs`: a variant of `ServerEvent` with a struct, and its branch in `ServerEvent::entry`.
//! 3. `tests/golden.rs` and `tests/golden/`: its name and a file for each of its cases.
//! 4. `src/strategies/frames.rs`: a strategy, as part of those of `server_event` and `history`.
//! 5. `README.md`: a row in the table of server frames. A test compares the fields.
//!
//! In this crate:
//!
//! 6. `src/event.rs`: a variant of [`Event`] with its content, its position and `replayed`.
//! 7. `src/session/incoming.rs`: a branch of `on_event`, which moves the position with `Rooms::entry`.
//! 8. `src/session/tests/rooms.rs`: a test of its position. `README.md`: the position that a bot stores.
//!
//! In `tui-client`:
//!
//! 9. `src/app/dispatch/events.rs`: a branch of `on_event` and of the rows in `on_history`. `Came::is_news` decides
//!    if it counts as unread. `Timeline::hold` keeps the seq of an entry without a row.
//! 10. `src/app/rooms/timeline.rs`: a variant of `Body` if it has a row, with `timeline/hits.rs` (search) and
//!     `timeline/pages.rs` (gaps); `src/ui/rows.rs` draws it.
//! 11. `src/pipe/feed.rs` and `src/pipe/backlog.rs`, with `text.rs` and `json.rs`: the output of `tail`.

mod backoff;
mod claims;
mod client;
mod command;
mod config;
mod event;
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
pub use command::Command;
pub use config::{Config, PATH, Timing, TokenSource, UrlError};
pub use event::{ConnectionState, Disconnect, Event, SendState};
pub use realtime_shared as shared;
pub use trace::{Direction, Frame, TRACED, Totals, Traced};
