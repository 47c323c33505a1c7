//! Notifications, and the attention of the user: whether a notification is wanted now.

use std::time::Duration;

use serde::Deserialize;

use crate::sanitize::Line;

/// Without reports of the focus: time after a key or a click during which the user is taken to look at the screen.
const ATTENDS: Duration = Duration::from_secs(30);

/// What the user is told of while they look elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyOn {
    /// Messages that name the user.
    #[default]
    Mentions,
    /// Every message of another.
    All,
    /// Nothing.
    Nothing,
}

/// What the user is told, wherever they look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Who said it, and where.
    pub title: Line,
    /// What was said.
    pub text: Line,
}

/// What is known of where the user looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::app) struct Attention {
    /// Whether the window has the focus; `None` where the terminal never told.
    pub(in crate::app) focus: Option<bool>,
    /// When a key or the mouse was pressed last.
    pub(in crate::app) key: Option<Duration>,
    /// When a notification was made last.
    pub(super) notified: Option<Duration>,
}

impl Attention {
    pub(super) fn is_here(self, now: Duration) -> bool {
        let is_recent = |at: Duration| now.saturating_sub(at) < ATTENDS;
        self.focus.unwrap_or_else(|| self.key.is_some_and(is_recent))
    }
}
