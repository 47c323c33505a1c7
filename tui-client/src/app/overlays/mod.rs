//! Panes over the screen: pickers, lists, the inspector.

pub(in crate::app) mod fuzzy;
pub(in crate::app) mod inspector;
pub(in crate::app) mod links;
pub(in crate::app) mod overlay;
pub(in crate::app) mod palette;
pub(in crate::app) mod picker;
pub(in crate::app) mod switcher;
pub(in crate::app) mod theme;
