//! The command line, as written.
//!
//! Without a command the program draws its screen. To add a command, add a variant to [`Command`] and put its arguments
//! in a module here.

mod args;
mod connection;
mod pipe;
mod shell;
mod word_order;

pub use args::{Answer, Args, Command, ConfigAction, Looks};
pub use connection::Connection;
pub use pipe::{RoomArgs, SendArgs, TailArgs};
pub use shell::ManArgs;
