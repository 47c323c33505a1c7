//! Rooms: members, timelines, read positions and the search; joining, leaving and showing rooms.

pub(in crate::app) mod absence;
pub(in crate::app) mod doubtful;
pub(in crate::app) mod effects;
mod found_members;
pub(in crate::app) mod looking;
pub(in crate::app) mod memory;
pub(in crate::app) mod missed;
pub(in crate::app) mod navigation;
pub(in crate::app) mod notify;
pub(in crate::app) mod reading;
pub(in crate::app) mod rejoin;
pub(in crate::app) mod room;
pub(in crate::app) mod scrollback;
pub(in crate::app) mod search;
pub mod timeline;
pub(in crate::app) mod unseen;
