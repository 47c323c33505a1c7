//! Events of a terminal: keys, the mouse, the focus, pastes and reports.

use bitflags::bitflags;

/// An event of a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalEvent {
    Key(KeyEvent),
    Mouse(MouseEvent),
    /// A pasted text. Its line ends are those of the terminal.
    Paste(String),
    /// The window gained (`true`) or lost the focus.
    Focus(bool),
    Report(Report),
    /// The terminal is gone.
    Hangup,
}

/// An answer of the terminal to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The colour of the background, as the terminal wrote it (OSC 11).
    Background(String),
    /// The terminal has the kitty keyboard protocol.
    KeyboardProtocol,
    /// The device attributes (DA1), which nearly all terminals report, and in the order of the queries.
    DeviceAttributes,
}

bitflags! {
    /// Modifiers of a key, with the bits of the protocols. Lock keys are left out.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct KeyModifiers: u8 {
        const SHIFT = 1;
        const ALT = 2;
        const CONTROL = 4;
        const SUPER = 8;
        const HYPER = 16;
        const META = 32;
    }
}

impl KeyModifiers {
    pub const NONE: Self = Self::empty();
    /// Modifiers with which a key has no action and is not text.
    pub const UNUSED: Self = Self::SUPER.union(Self::HYPER).union(Self::META);
}

/// A key, or the character that it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyCode {
    Char(char),
    /// A function key by its number, from 1.
    F(u8),
    Enter,
    Esc,
    Tab,
    Backspace,
    Delete,
    Insert,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
}

/// A pressed or repeated key. A release is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyEvent {
    pub code: KeyCode,
    pub modifiers: KeyModifiers,
    /// Character of the key with Shift, if Shift is pressed and the terminal reports it.
    pub shifted: Option<char>,
    /// Character of the key in the layout of a US keyboard, if the terminal reports it.
    pub base: Option<char>,
    /// `Alt` was an ESC before the sequence of a function key. So the user may have pressed Esc and then the key.
    pub is_prefixed: bool,
}

impl KeyEvent {
    #[must_use]
    pub const fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        Self { code, modifiers, shifted: None, base: None, is_prefixed: false }
    }

    /// Esc, and the key without the Alt that this Esc was taken for.
    #[must_use]
    pub fn split_prefix(self) -> Option<[Self; 2]> {
        let rest = Self { modifiers: self.modifiers - KeyModifiers::ALT, is_prefixed: false, ..self };
        self.is_prefixed.then(|| [Self::new(KeyCode::Esc, KeyModifiers::NONE), rest])
    }
}

/// A mouse event. Columns and rows count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MouseEvent {
    pub kind: MouseEventKind,
    pub column: u16,
    pub row: u16,
    pub modifiers: KeyModifiers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseEventKind {
    Down(MouseButton),
    Up(MouseButton),
    /// Moved while the button is pressed.
    Drag(MouseButton),
    /// Moved without a button.
    Moved,
    ScrollUp,
    ScrollDown,
    ScrollLeft,
    ScrollRight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseButton {
    Left,
    Middle,
    Right,
}
