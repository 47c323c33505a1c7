//! All settings, with their defaults.

use std::path::PathBuf;

use realtime_shared::RoomName;

use crate::app::{Keymap, NotifyOn, Theme};

/// Where the server listens by default.
pub const DEFAULT_URL: &str = "ws://127.0.0.1:8000";

/// All that the file can say; where it says nothing, the default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, as in the file")]
pub struct Settings {
    /// The server's address, which may be none.
    pub url: String,
    /// Rooms to be in, each once; the first one is shown.
    pub rooms: Vec<RoomName>,
    /// Where the token comes from.
    pub token: Option<TokenFrom>,
    /// Whether it is kept how far rooms are read.
    pub state: bool,
    /// What keys mean.
    pub keymap: Keymap,
    /// The colours.
    pub theme: Theme,
    /// Whether everything that the client draws itself is ASCII.
    pub ascii: bool,
    /// Whether the mouse is the client's, and not the terminal's.
    pub mouse: bool,
    /// Whether others are told that the user types.
    pub typing: bool,
    /// How the user is called.
    pub notify: Notify,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: DEFAULT_URL.to_owned(),
            rooms: Vec::new(),
            token: None,
            state: true,
            keymap: Keymap::default(),
            theme: Theme::Auto,
            ascii: false,
            mouse: true,
            typing: true,
            notify: Notify::default(),
        }
    }
}

/// Where a token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFrom {
    /// A file, as written: it may begin with `~/`, or at the directory of the configuration.
    File(PathBuf),
    /// What a program prints.
    Command(TokenCommand),
}

/// A program that prints a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCommand {
    /// The program, looked for in `PATH`.
    pub program: String,
    /// What it is given.
    pub arguments: Vec<String>,
}

/// How the user is called, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// With the terminal's bell.
    pub bell: bool,
    /// With a notification of the desktop, where the terminal makes one (OSC 9, OSC 777).
    pub desktop: bool,
    /// With the window's title, which has the room and a count.
    pub title: bool,
    /// For what.
    pub on: NotifyOn,
}

impl Default for Notify {
    /// All of it, for mentions.
    fn default() -> Self {
        Self { bell: true, desktop: true, title: true, on: NotifyOn::Mentions }
    }
}
