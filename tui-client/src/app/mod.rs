//! The state of the client and its changes: [`Model`] and [`update`]. Pure.
//!
//! Input from keys, the terminal, the network and the clock arrives as [`Msg`]. The runtime performs the [`Effect`]s
//! that are returned. The app has no clock, no I/O, and no randomness except a seeded generator. Strings from other
//! users and from the server are cleaned when they arrive.
//!
//! ```text
//!  update ─▶ dispatch      keys, mouse, connection events; runs commands
//!               │
//!               ├─▶ overlays    pickers, lists, the inspector: they return the next step
//!               ├─▶ composing   the draft: edit, write, send, complete
//!               └─▶ rooms       join, leave, show, scroll, search
//!                     │
//!                   model       the state; its parts do not import it
//! ```
//!
//! This file only declares and re-exports. Files import each other by their paths, and never in a circle. To add a
//! key, see `keys/action.rs`; to add a command, see `composing/command.rs`.

mod attention;
mod clock;
mod composing;
mod dispatch;
mod editor;
mod extension;
mod keys;
mod link;
mod message;
mod model;
mod overlays;
mod rooms;
mod theme;
mod token;
mod update;

pub use attention::{Notification, NotifyOn};
pub use clock::{Now, Stamp, human};
pub use composing::command::COMMANDS;
pub use composing::completion::candidates::{Candidate, Completion};
pub use composing::composer::Composer;
pub use composing::query::Query;
pub use dispatch::mouse::COPIED_BYTES;
pub use editor::{DRAFT_CHARS, Editor};
pub use extension::Extension;
pub use keys::{Action, Binding, BindingRow, Chord, GROUPS, Keymap};
pub use link::{Health, Link, needs_token};
pub use message::{Effect, Hit, Input, Msg, Scroll, ViewJump, Viewed};
pub use model::Model;
pub use overlays::fuzzy::{FuzzyMatch, find_words};
pub use overlays::inspector::record::{Inspector, InspectorPart, ShownFrame};
pub use overlays::inspector::{Direction, pretty};
pub use overlays::overlay::{ListedMember, Overlay};
pub use overlays::palette::Offer;
pub use overlays::picker::Picker;
pub use overlays::switcher::{RoomChoice, RoomKind};
pub use overlays::token_prompt::TokenPrompt;
pub use rooms::reading::{ReadMark, Reading, Ruler};
pub use rooms::room::{Membership, Pane, Room};
pub use rooms::search::state::{Search, SearchResult};
pub use rooms::timeline;
pub use theme::Theme;
pub use token::{explain_refusal, is_token_command, token_command};
pub use update::update;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
