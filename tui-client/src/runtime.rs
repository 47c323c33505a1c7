//! The runtime: the terminal and the network around the pure [`crate::app`].
//!
//! `start` makes the first attempt to connect before it takes the terminal: if the server is not there, or does not take
//! the token, a line reports it and the terminal has not changed. `session` is the loop after that.

mod asking;
mod browser;
mod clock;
mod editor;
mod extensions;
mod first;
mod input;
mod keeper;
mod outcome;
mod queue;
mod screen;
mod session;
mod signals;
mod start;
mod tell;

pub use extensions::{Extensions, Hook};
pub(crate) use first::{First, verdict};
pub use outcome::{End, Outcome};
pub use start::start;
