//! Notifications outside of the screen: the bell, desktop notifications, the window's title.
//!
//! All texts are sanitized: no control character in them can end an escape sequence.

use std::io;

use crate::app::Notification;
use crate::settings::Notify;
use crate::terminal::{self, output};

/// Longest title, in characters.
const TITLE_CHARS: usize = 80;
const END: &str = "\x1b\\";

/// Protocol of desktop notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Desktop {
    /// OSC 9, one text: iTerm2, kitty, `WezTerm`, Ghostty, Windows Terminal.
    Osc9,
    /// OSC 777, title and text: rxvt-unicode, foot.
    Osc777,
    /// The terminal has none.
    None,
}

/// Sends notifications as the configuration and the terminal allow.
#[derive(Debug)]
pub(super) struct Notifier {
    notify: Notify,
    desktop: Desktop,
    has_title: bool,
    /// The window's current title.
    title: String,
}

impl Notifier {
    pub(super) fn new(notify: Notify, variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_default();
        let is_plain = terminal::is_plain(&term);
        let desktop = match () {
            () if is_plain || !notify.desktop => Desktop::None,
            () if term.starts_with("foot") || term.starts_with("rxvt") => Desktop::Osc777,
            () => Desktop::Osc9,
        };
        Self { has_title: notify.title && !is_plain, notify, desktop, title: String::new() }
    }

    /// True if the window's title is set and has to be restored.
    pub(super) const fn has_title(&self) -> bool {
        self.has_title
    }

    pub(super) fn notify(&self, notification: &Notification) -> io::Result<()> {
        let Notification { title, text } = notification;
        let title = title.as_str().replace(';', ",");
        let desktop = match self.desktop {
            Desktop::Osc9 => format!("\x1b]9;{title}: {text}{END}"),
            Desktop::Osc777 => format!("\x1b]777;notify;{title};{text}{END}"),
            Desktop::None => String::new(),
        };
        let bell = if self.notify.bell { "\x07" } else { "" };
        output()?.offer(format!("{desktop}{bell}").as_bytes())
    }

    /// Sets the window's title if it differs.
    pub(super) fn title(&mut self, title: String) -> io::Result<()> {
        if !self.has_title || title == self.title {
            return Ok(());
        }
        let shown: String = title.chars().take(TITLE_CHARS).collect();
        self.title = title;
        output()?.send(format!("\x1b]2;{shown}{END}").as_bytes())
    }

    /// Sets the title again next time, because the window's title is unknown.
    pub(super) fn forget(&mut self) {
        self.title.clear();
    }
}
