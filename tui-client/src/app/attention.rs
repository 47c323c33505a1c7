//! The attention of the user: one answer to the question if the user looks at a row now. Read positions, unread counts,
//! notifications and the title follow from it.
//!
//! The user looks at the screen while the window has the focus. A terminal that does not report the focus (a detached GNU
//! screen, a console, mosh) and a window without it count for [`ATTENDS`] after a key or a click: someone types there. The
//! user looks at a row if, besides, the row is on the screen, and no overlay or editor covers it. No timer is needed: time
//! alone reads nothing, so the answer is taken when something arrives.

use std::time::Duration;

use serde::Deserialize;

use crate::app::rooms::timeline::ItemKey;
use crate::sanitize::Line;

/// Time after a key or a click during which the user looks at a window that may have no focus.
const ATTENDS: Duration = Duration::from_secs(30);

/// Messages that cause a notification while the user looks elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyOn {
    /// Messages that name the user.
    #[default]
    Mentions,
    /// Every message of another user.
    All,
    Nothing,
}

/// A notification outside of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The sender and the room.
    pub title: Line,
    /// The beginning of the message.
    pub text: Line,
}

/// The rows of a room that are on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::app) enum Sight {
    /// The room was not drawn since it was shown, or since its view moved.
    #[default]
    Unknown,
    /// The newest row, and those that follow.
    End,
    /// Rows up to this one. Later ones are below the screen.
    UpTo(ItemKey),
}

/// Signs of the user's attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) struct Attention {
    /// The window has the focus; `None` if the terminal has not reported it.
    focus: Option<bool>,
    /// Time of the last key or click, or of the start. `None`: before the window lost the focus.
    touched: Option<Duration>,
    /// The editor has the terminal.
    is_in_editor: bool,
    /// Identity of the pane that the user looked at after the last input.
    pane: Option<u32>,
    /// Time of the last notification.
    pub(in crate::app) notified: Option<Duration>,
}

impl Attention {
    /// The attention of a user who started the program at `now`.
    pub(in crate::app) const fn new(now: Duration) -> Self {
        Self { focus: None, touched: Some(now), is_in_editor: false, pane: None, notified: None }
    }

    /// Handles a key or a click.
    pub(in crate::app) const fn touch(&mut self, now: Duration) {
        self.touched = Some(now);
    }

    /// Handles a report of the focus.
    pub(in crate::app) const fn set_focus(&mut self, has_focus: bool) {
        self.focus = Some(has_focus);
        if !has_focus {
            self.touched = None;
        }
    }

    pub(in crate::app) const fn set_in_editor(&mut self, is_in_editor: bool) {
        self.is_in_editor = is_in_editor;
    }

    /// Returns true if the user looks at the screen.
    pub(in crate::app) fn is_here(&self, now: Duration) -> bool {
        let is_recent = |at: Duration| now.saturating_sub(at) < ATTENDS;
        self.focus == Some(true) || self.touched.is_some_and(is_recent)
    }

    /// Handles an input after which this pane is shown, and nothing covers it. `None`: it is covered. Returns the pane that
    /// the user looks at, and true if the user begins with it.
    pub(in crate::app) fn look(&mut self, uncovered: Option<u32>, now: Duration) -> (Option<u32>, bool) {
        let pane = uncovered.filter(|_| self.is_here(now) && !self.is_in_editor);
        let begins = pane.is_some() && pane != self.pane;
        self.pane = pane;
        (pane, begins)
    }

    /// Returns true if the user looked at the pane after the last input.
    pub(in crate::app) fn is_on(&self, pane: u32) -> bool {
        self.pane == Some(pane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_key_counts_for_thirty_seconds_without_reports_of_the_focus() {
        let mut attention = Attention::new(at(100));
        assert!(attention.is_here(at(129)), "the user has just started the program");
        assert!(!attention.is_here(at(130)));
        attention.touch(at(200));
        assert!(attention.is_here(at(229)) && !attention.is_here(at(230)));
    }

    #[test]
    fn the_focus_counts_as_long_as_it_lasts() {
        let mut attention = Attention::new(at(0));
        attention.set_focus(true);
        assert!(attention.is_here(at(100_000)));
        attention.touch(at(100_000));
        attention.set_focus(false);
        assert!(!attention.is_here(at(100_000)), "a key before that does not count");
    }

    #[test]
    fn a_window_without_the_focus_in_which_someone_types_is_looked_at() {
        let mut attention = Attention::new(at(0));
        attention.set_focus(false);
        attention.touch(at(5));
        assert!(attention.is_here(at(34)) && !attention.is_here(at(35)));
    }

    #[test]
    fn the_user_begins_to_look_at_a_pane_that_appears() {
        let mut attention = Attention::new(at(0));
        assert_eq!(attention.look(Some(1), at(0)), (Some(1), true));
        assert_eq!(attention.look(Some(1), at(20)), (Some(1), false));
        assert_eq!(attention.look(None, at(21)), (None, false), "an overlay covers it");
        assert_eq!(attention.look(Some(1), at(22)), (Some(1), true));
        assert_eq!(attention.look(Some(2), at(23)), (Some(2), true));
        attention.set_in_editor(true);
        assert_eq!(attention.look(Some(2), at(24)), (None, false));
        attention.set_in_editor(false);
        assert_eq!(attention.look(Some(2), at(30)), (None, false), "no key for 30 s");
    }
}
