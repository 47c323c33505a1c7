//! Overlays: pickers, lists, and the inspector, drawn over the screen.
//!
//! `overlay` has the state of each. A key in an overlay returns a [`next_step::NextStep`].

pub(in crate::app) mod fuzzy;
pub(in crate::app) mod help;
pub(in crate::app) mod inspector;
pub(in crate::app) mod links;
pub(in crate::app) mod members;
pub(in crate::app) mod next_step;
pub(in crate::app) mod overlay;
pub(in crate::app) mod palette;
pub(in crate::app) mod picker;
pub(in crate::app) mod switcher;
pub(in crate::app) mod themes;
pub(in crate::app) mod token;
pub(in crate::app) mod token_prompt;
