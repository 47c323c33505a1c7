//! The draft of a room: its text and history, completion, commands, and messages that are not sent.

pub(in crate::app) mod command;
pub(in crate::app) mod completion;
pub(in crate::app) mod composer;
pub(in crate::app) mod draft;
pub(in crate::app) mod query;
pub(in crate::app) mod unsent;
