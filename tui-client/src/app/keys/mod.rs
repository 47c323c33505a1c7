//! Keys: chords, actions, and the keymap between them.
//!
//! `action` lists all actions, with their default keys and their explanations. The configuration gives an action other
//! keys ([`Keymap::remap`]); everything that shows a key asks the keymap for it.

pub(in crate::app) mod action;
pub(in crate::app) mod chord;
pub(in crate::app) mod keymap;

pub use action::{Action, Binding, GROUPS, Row};
pub use chord::Chord;
pub use keymap::Keymap;
