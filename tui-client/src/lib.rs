//! Rooms in a terminal: the client of realtime, and the parts that it is made of.
//!
//! [`net`] is the reconnecting client, a crate of its own for bots as well. [`app`] is what the user has and
//! does, pure. [`ui`] draws it. [`state`] keeps some of it for the next start. [`settings`] are what the user's file
//! says. [`runtime`] connects them with the [`terminal`]; [`pipe`] does without. Whatever others wrote goes through
//! [`sanitize`] before it is shown, and [`markup`] says what it means.

pub mod app;
pub mod cli;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod markup;
pub mod pipe;
pub mod runtime;
pub mod sanitize;
pub mod settings;
pub mod state;
pub mod terminal;
pub mod ui;

pub use realtime_client as net;
