//! The next step after a key press in an overlay.
//!
//! An overlay changes itself and returns what follows; the dispatch does it.

use realtime_shared::RoomName;

use super::overlay::Overlay;
use crate::app::keys::Action;
use crate::app::message::Effect;

/// The next step after a key press in an overlay.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::app) enum NextStep {
    /// The overlay handled the key.
    Done(Vec<Effect>),
    /// The key is for what lies below the overlay.
    Pass,
    /// Do this action below the overlay, which is closed.
    Act(Action),
    /// Run or begin the command with this row.
    Command(&'static str),
    /// Go to this room, and join it where the user is not in it.
    Join(RoomName),
}

impl NextStep {
    /// The overlay handled the key, and nothing follows.
    pub(in crate::app) const fn nothing() -> Self {
        Self::Done(Vec::new())
    }
}

/// Closes a picker for a key without a meaning in it. The key goes to what lies below, unless it closes or toggles.
pub(in crate::app) fn leave(overlay: &mut Option<Overlay>, action: Action, toggle: Action) -> NextStep {
    if matches!(action, Action::Redraw | Action::Suspend) {
        return NextStep::Pass;
    }
    *overlay = None;
    if action == Action::Close || action == toggle { NextStep::nothing() } else { NextStep::Pass }
}
