//! Dispatch of inputs: keys, mouse, and connection events. Only `update` calls it.

pub(in crate::app) mod commands;
pub(in crate::app) mod events;
pub(in crate::app) mod keys;
pub(in crate::app) mod mouse;
pub(in crate::app) mod network_up;
