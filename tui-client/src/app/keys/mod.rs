//! Keys: chords, actions, and the keymap between them.
//!
//! `action` lists all actions with their default keys and explanations. The configuration can give an action other
//! keys ([`Keymap::remap`]). All texts take the keys that they show from the keymap.

pub(in crate::app) mod action;
pub(in crate::app) mod chord;
pub(in crate::app) mod keymap;

pub use action::{Action, Binding, BindingRow, GROUPS};
pub use chord::Chord;
pub use keymap::Keymap;
