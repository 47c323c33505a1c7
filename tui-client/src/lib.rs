//! Rooms in a terminal.

pub mod app;
pub mod net;
pub mod sanitize;
pub mod ui;
