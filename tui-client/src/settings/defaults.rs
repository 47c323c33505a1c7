//! All settings, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use realtime_shared::RoomName;

use crate::app::timeline::HeldBytes;
use crate::app::{Keymap, NotifyOn, Theme};

/// Address at which servers listen by default.
pub const DEFAULT_URL: &str = "ws://127.0.0.1:8000";

/// All settings of the file. A key that is not in the file has its default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, as in the file")]
pub struct Settings {
    /// Address of the server. It may be faulty.
    pub url: String,
    /// Rooms to join, without repeats; the first one is shown.
    pub rooms: Vec<RoomName>,
    /// Source of the token.
    pub token: Option<TokenFrom>,
    /// True to keep read positions, joined rooms and unsent texts.
    pub state: bool,
    /// True to join the rooms of the last run at the start.
    pub rejoin: bool,
    pub keymap: Keymap,
    pub theme: Theme,
    /// True to draw rules and signs in ASCII.
    pub ascii: bool,
    /// True if the client uses the mouse, and not the terminal.
    pub mouse: bool,
    /// Wait for the rest of a key's sequence after an ESC.
    pub escape_delay: Duration,
    /// Most memory of the messages of all rooms.
    pub held_bytes: HeldBytes,
    /// True to send typing signals.
    pub typing: bool,
    pub notify: Notify,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: DEFAULT_URL.to_owned(),
            rooms: Vec::new(),
            token: None,
            state: true,
            rejoin: true,
            keymap: Keymap::default(),
            theme: Theme::Auto,
            ascii: false,
            mouse: true,
            escape_delay: Duration::from_millis(100),
            held_bytes: HeldBytes::default(),
            typing: true,
            notify: Notify::default(),
        }
    }
}

/// Source of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFrom {
    /// A file, as written. The path may begin with `~/` or be relative to the directory of the configuration.
    File(PathBuf),
    /// The output of a program.
    Command(TokenCommand),
}

/// A program that prints a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCommand {
    /// Program, searched in `PATH`.
    pub program: String,
    pub arguments: Vec<String>,
}

/// Ways and reasons to notify the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// Rings the terminal's bell.
    pub bell: bool,
    /// Shows a desktop notification, if the terminal supports OSC 9 or OSC 777.
    pub desktop: bool,
    /// Shows the room and a count in the window's title.
    pub title: bool,
    /// Messages that notify.
    pub on: NotifyOn,
}

impl Default for Notify {
    /// All ways, for mentions.
    fn default() -> Self {
        Self { bell: true, desktop: true, title: true, on: NotifyOn::Mentions }
    }
}
