//! Settings of the user's `config.toml`: from its text to [`Settings`] and [`Fault`]s, pure.
//!
//! `defaults` has the settings, and `keys` is the one table of all keys. `read` parses a text by that table, `example`
//! prints it, and `value` reads values with serde. [`crate::config`] finds the file and gives the command line and the
//! environment precedence over it.
//!
//! Invariants: every text is read. A fault drops its own key and is reported with its line; all other keys apply.
//! [`Settings`] are checked. A faulty address stays faulty, so that the client never connects to a server that the user
//! did not choose, not even the default one.
//!
//! To add a key: add a field of [`Settings`] with its default, and a row in `keys`. Then write the output of
//! `realtime-tui --print-config` to `config.example.toml`.

mod defaults;
mod example;
mod fault;
mod keys;
mod read;
#[cfg(test)]
mod tests;
mod value;

pub use defaults::{DEFAULT_URL, Notify, Settings, TokenCommand, TokenFrom};
pub use example::example;
pub use fault::Fault;
pub use read::read;
