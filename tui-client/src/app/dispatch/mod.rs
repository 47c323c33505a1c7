//! Inputs and the changes that they make: keys and mouse, and events of the network.

pub(in crate::app) mod actions;
pub(in crate::app) mod events;
pub(in crate::app) mod mouse;
