//! Terminal client of realtime.
//!
//! - [`net`]: the reconnecting client, a crate of its own that bots use as well.
//! - [`app`]: the state of the user and its updates, pure.
//! - [`ui`]: draws `app`.
//! - [`state`]: files that outlive the process, such as read positions.
//! - [`settings`]: the user's configuration file.
//! - [`terminal_input`]: keys, pastes and reports from the bytes of the terminal, pure.
//! - [`runtime`]: connects the parts with the [`terminal`]. [`pipe`] runs without a screen.
//! - [`sanitize`]: cleans remote text before it is shown. [`markup`] parses it. [`width`] judges its width in cells.
//! - `kept_texts`: typed texts that no server has stored.
//! - `lookalike`: names that look like others.
//! - `typed_room`: names of rooms as users type them.

pub mod app;
pub mod cli;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
mod kept_texts;
mod lookalike;
pub mod markup;
pub mod pipe;
pub mod runtime;
pub mod sanitize;
pub mod settings;
pub mod state;
pub mod terminal;
pub mod terminal_input;
mod typed_room;
pub mod ui;
pub mod width;

pub use realtime_client as net;
