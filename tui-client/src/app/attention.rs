//! Notifications, and the attention of the user, which decides if one is needed.

use std::time::Duration;

use serde::Deserialize;

use crate::sanitize::Line;

/// Time after a key or a click during which the user counts as attentive, if the terminal does not report the focus.
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

/// Signs of the user's attention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::app) struct Attention {
    /// The window has the focus; `None` if the terminal does not report it.
    pub(in crate::app) focus: Option<bool>,
    /// Time of the last key or click.
    pub(in crate::app) key: Option<Duration>,
    /// Time of the last notification.
    pub(super) notified: Option<Duration>,
}

impl Attention {
    pub(super) fn is_here(self, now: Duration) -> bool {
        let is_recent = |at: Duration| now.saturating_sub(at) < ATTENDS;
        self.focus.unwrap_or_else(|| self.key.is_some_and(is_recent))
    }
}
