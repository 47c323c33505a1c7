//! Connections to Redis: commands, subscriptions, scripts, keys, and the formats of answers and announcements.

pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod reply;
pub(crate) mod scripts;
pub(crate) mod subscriptions;
pub(crate) mod wire;
