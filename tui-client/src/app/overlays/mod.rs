//! Panes over the screen: pickers, lists, the inspector.
//!
//! `overlay` has what each of them holds. A key in one of them returns a [`next_step::NextStep`].

pub(in crate::app) mod fuzzy;
pub(in crate::app) mod inspector;
pub(in crate::app) mod links;
pub(in crate::app) mod members;
pub(in crate::app) mod next_step;
pub(in crate::app) mod overlay;
pub(in crate::app) mod palette;
pub(in crate::app) mod picker;
pub(in crate::app) mod switcher;
pub(in crate::app) mod themes;
