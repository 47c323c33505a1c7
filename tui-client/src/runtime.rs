//! The runtime: the terminal and the network around the pure [`crate::app`].
//!
//! `start` makes the first attempt to connect before it takes the terminal: if the server cannot be reached or refuses
//! the token, a line reports it and the terminal is unchanged. `session` is the loop after that.

mod browser;
mod clock;
mod command_queue;
mod editor;
mod extensions;
mod first_attempt;
mod frame_writer;
mod frames;
mod keyboard;
mod mark_saver;
mod notifier;
mod outcome;
mod screen;
mod session;
mod signals;
mod start;
mod text_saver;
mod timer;

pub(crate) use clock::wall_clock;
pub use extensions::{Extensions, Hook};
pub(crate) use first_attempt::{FirstAttempt, verdict};
pub use outcome::{End, Outcome};
pub use start::start;
