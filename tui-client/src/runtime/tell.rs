//! What is told outside of the screen: the bell, a notification of the desktop, the window's title.
//!
//! All texts have been cleaned: there is no control character in them that could end a sequence.

use std::io::{self, Write};

use crate::app::Notification;
use crate::settings::Notify;

/// Characters of a title.
const TITLE_CHARS: usize = 80;
const END: &str = "\x1b\\";

/// How the terminal takes a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Desktop {
    /// OSC 9: one text. iTerm2, kitty, `WezTerm`, Ghostty, Windows Terminal.
    Osc9,
    /// OSC 777: title and text. rxvt-unicode, foot.
    Osc777,
    /// Not at all.
    None,
}

/// Tells, as the configuration and the terminal have it.
#[derive(Debug)]
pub(super) struct Teller {
    notify: Notify,
    desktop: Desktop,
    has_title: bool,
    /// The title that the window has.
    title: String,
}

impl Teller {
    pub(super) fn new(notify: Notify, variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_default();
        let is_plain = term.is_empty()
            || ["dumb", "linux", "vt", "cons", "ansi"].iter().any(|plain| term.starts_with(plain));
        let desktop = match () {
            () if is_plain || !notify.desktop => Desktop::None,
            () if term.starts_with("foot") || term.starts_with("rxvt") => Desktop::Osc777,
            () => Desktop::Osc9,
        };
        Self { has_title: notify.title && !is_plain, notify, desktop, title: String::new() }
    }

    /// Whether the window's title is set, and has to be put back.
    pub(super) const fn has_title(&self) -> bool {
        self.has_title
    }

    pub(super) fn notify(&self, told: &Notification) -> io::Result<()> {
        let (title, text) = (told.title.as_str().replace(';', ","), told.text.as_str());
        let desktop = match self.desktop {
            Desktop::Osc9 => format!("\x1b]9;{title}: {text}{END}"),
            Desktop::Osc777 => format!("\x1b]777;notify;{title};{text}{END}"),
            Desktop::None => String::new(),
        };
        let bell = if self.notify.bell { "\x07" } else { "" };
        write(&format!("{desktop}{bell}"))
    }

    /// Gives the window this title, where it has another one.
    pub(super) fn title(&mut self, title: String) -> io::Result<()> {
        if !self.has_title || title == self.title {
            return Ok(());
        }
        let shown: String = title.chars().take(TITLE_CHARS).collect();
        self.title = title;
        write(&format!("\x1b]2;{shown}{END}"))
    }

    /// The window may have another title meanwhile.
    pub(super) fn forget(&mut self) {
        self.title.clear();
    }
}

fn write(bytes: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes.as_bytes())?;
    out.flush()
}
