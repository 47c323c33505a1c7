//! The draft of a room: text, history of sent texts, completion, commands, and unsent messages.

pub(in crate::app) mod command;
pub(in crate::app) mod completion;
pub(in crate::app) mod composer;
pub(in crate::app) mod draft;
pub(in crate::app) mod emoji;
mod foreign_command;
pub(in crate::app) mod kept;
mod parts;
pub(in crate::app) mod query;
pub(in crate::app) mod unsent;
