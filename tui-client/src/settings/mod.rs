//! What the user's `config.toml` says: its text in, [`Settings`] and [`Fault`]s out, pure.
//!
//! `keys` is the one table of all keys, with what they mean and what they are by default. `read` goes through a text
//! with it, `example` prints it, and `value` reads values by serde. [`crate::config`] finds the file, and sets
//! its settings below the command line and the environment.
//!
//! Invariants: no text is refused. What is wrong costs the key it stands at and is told with its line; all others
//! count. What is in [`Settings`] is checked, but for an address: where a wrong one is meant, no other server is asked,
//! and be it the default one.
//!
//! A new key: a field of [`Settings`] with its default, and a row in `keys`. `realtime-tui --print-config` then prints
//! what `config.example.toml` has to be.

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
