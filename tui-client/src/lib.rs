//! Rooms in a terminal.

pub mod net;
pub mod sanitize;
