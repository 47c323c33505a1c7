//! Rooms: their members, their timelines, what is read of them, and the search in them.

pub(in crate::app) mod notify;
pub(in crate::app) mod reading;
pub(in crate::app) mod room;
pub(in crate::app) mod scrollback;
pub(in crate::app) mod search;
pub mod timeline;
