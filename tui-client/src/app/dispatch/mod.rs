//! Inputs: keys, mouse, and events of the network. Nothing in the app calls it but `update`.

pub(in crate::app) mod commands;
pub(in crate::app) mod events;
pub(in crate::app) mod keys;
pub(in crate::app) mod mouse;
