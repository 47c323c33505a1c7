//! The next step after a key press in an overlay.
//!
//! An overlay changes its own state and returns the next step; the dispatch performs it.

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
    /// Handle this action below the overlay, which is closed.
    Act(Action),
    /// Run or begin the command with this usage.
    Command(&'static str),
    /// Go to this room; join it if necessary.
    Join(RoomName),
}

impl NextStep {
    /// The overlay handled the key, and nothing follows.
    pub(in crate::app) const fn nothing() -> Self {
        Self::Done(Vec::new())
    }
}

/// Closes a picker after an action without a meaning in it. The action goes to the screen below, unless it is Close
/// or the picker's own toggle.
pub(in crate::app) fn leave(overlay: &mut Option<Overlay>, action: Action, toggle: Action) -> NextStep {
    if matches!(action, Action::Redraw | Action::Suspend) {
        return NextStep::Pass;
    }
    *overlay = None;
    if action == Action::Close || action == toggle { NextStep::nothing() } else { NextStep::Pass }
}
