//! The client's state and how it changes: [`Model`] and [`update`], pure.
//!
//! Keys, the terminal, the network and time come in as [`Msg`]; [`Effect`]s go out, and the runtime performs them. There
//! is no clock, no randomness but a seeded generator, and no I/O. Every string from elsewhere is cleaned on the way in.
//!
//! ```text
//!  update ─▶ dispatch      keys, mouse, events of the network; runs commands
//!               │
//!               ├─▶ overlays    pickers, lists, the inspector: they return the next step
//!               ├─▶ composing   the draft: edit, write, send, complete
//!               └─▶ rooms       join, leave, go to, scroll, search
//!                     │
//!                   model       the state, of parts that do not know it
//! ```
//!
//! This file declares and re-exports. Files of the crate import each other by their paths, and never in a circle. To add a
//! key: `keys/action.rs`. To add a command: `composing/command.rs`.

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
mod update;

pub use attention::{Notification, NotifyOn};
pub use clock::{Now, Stamp, human};
pub use composing::command::COMMANDS;
pub use composing::completion::candidates::{Candidate, Completion};
pub use composing::composer::Composer;
pub use composing::query::Query;
pub use editor::{DRAFT_CHARS, Editor};
pub use extension::Extension;
pub use keys::{Action, Binding, BindingRow, Chord, GROUPS, Keymap};
pub use link::Link;
pub use message::{Effect, Hit, Input, Msg, Scroll, ViewJump, Viewed};
pub use model::Model;
pub use overlays::inspector::record::{Inspector, InspectorPart, ShownFrame};
pub use overlays::inspector::{Direction, pretty};
pub use overlays::overlay::Overlay;
pub use overlays::palette::Offer;
pub use overlays::picker::Picker;
pub use overlays::switcher::{RoomChoice, RoomKind};
pub use rooms::reading::{ReadMark, Reading, Ruler};
pub use rooms::room::{Membership, Pane, Room};
pub use rooms::search::state::{Search, SearchResult};
pub use rooms::timeline;
pub use theme::Theme;
pub use update::update;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
