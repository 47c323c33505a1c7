//! Inputs and effects: the interface between the pure app and the runtime.

use jiff::tz::TimeZone;
use realtime_shared::RoomName;

use super::attention::Notification;
use super::clock::Now;
use super::keys::Action;
use super::rooms::reading::ReadMark;
use super::rooms::timeline::ItemKey;
use crate::kept_texts::KeptTexts;
use crate::markup::Target;
use crate::net;
use crate::terminal_input::KeyEvent;

/// An input, with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msg {
    pub now: Now,
    pub input: Input,
}

/// An input of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "an input is moved once, and most are events of the network")]
pub enum Input {
    Key(KeyEvent),
    Paste(String),
    /// The mouse wheel turned by one notch.
    Wheel {
        /// Towards older messages.
        up: bool,
    },
    /// A mouse button was pressed on something.
    Click(Hit),
    /// The mouse moved while a button was pressed.
    Dragged,
    /// The mouse selected this text.
    Selected(String),
    /// The editor returned this draft, or an error as a sentence for the user.
    Edited(Result<String, String>),
    /// The window gained (`true`) or lost the focus.
    Focus(bool),
    /// The size of the window changed.
    Resize,
    /// An event of the connection.
    Net(net::Event),
    /// The network may work again: the process continues after a stop, or the demo ended a fault.
    NetworkUp,
    Viewed(Viewed),
    /// The time zone of the system changed.
    Zone(TimeZone),
    /// A key moves the cursor to this byte offset of the draft, in another row.
    Row(usize),
    /// Texts of earlier runs.
    Restored(KeptTexts),
    /// A problem of the program that the user should know about.
    Warning(String),
    Tick,
}

impl Input {
    /// Returns true if the user touched a key or the mouse.
    #[must_use]
    pub const fn is_touch(&self) -> bool {
        matches!(
            self,
            Self::Key(_)
                | Self::Paste(_)
                | Self::Wheel { .. }
                | Self::Click(_)
                | Self::Dragged
                | Self::Selected(_)
                | Self::Edited(_)
                | Self::Row(_)
        )
    }

    /// Returns true if the input can change the typed texts or the state of messages.
    #[must_use]
    pub const fn may_change_texts(&self) -> bool {
        matches!(
            self,
            Self::Key(_)
                | Self::Paste(_)
                | Self::Click(_)
                | Self::Edited(_)
                | Self::Restored(_)
                | Self::Net(net::Event::Sent { .. })
        )
    }
}

/// The element under the pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hit {
    /// A room, by index.
    Room(usize),
    /// A row of the overlay, by index.
    Choice(usize),
    /// A byte offset in the draft.
    Cursor(usize),
    /// A link in the timeline.
    Link(Target),
    /// A part of the timeline that the view handles.
    Timeline,
}

/// The visible part of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewed {
    /// Identity of the pane.
    pub pane: u32,
    /// First visible item.
    pub first: ItemKey,
    /// Last visible item.
    pub last: ItemKey,
    /// The visible items fill the screen.
    pub is_full: bool,
    /// A visible message is so long that it can be folded.
    pub has_long: bool,
    /// The newest item is visible, and the view moves on with new ones.
    pub follows: bool,
}

/// Work for the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a command to the connection.
    Net(net::Command),
    /// Save the read position of a room for the next start.
    Keep(RoomName, ReadMark),
    /// Save for the next start that the user joined or left a room.
    KeepRoom {
        room: RoomName,
        is_joined: bool,
    },
    /// Scroll the overlay, or the timeline if no overlay is open.
    Scroll(Scroll),
    /// Move the timeline.
    JumpView(ViewJump),
    /// Open a link in another program.
    Open(Target),
    /// Notify the user.
    Notify(Notification),
    Edit(String),
    /// Copy a text to the clipboard of the terminal.
    Copy(String),
    /// Capture the mouse, or release it to the terminal.
    Mouse(bool),
    /// Run a command that the program added ([`super::Extension`]).
    Extension {
        name: &'static str,
        /// The checked argument.
        argument: String,
    },
    /// Redraw the whole screen.
    Redraw,
    /// Suspend the program, as Ctrl-Z does in a shell.
    Suspend,
    Quit,
}

/// A move of the timeline's view other than scrolling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewJump {
    /// Save the current place, to restore it later.
    Save,
    /// Go to the hit in this item.
    Hit(ItemKey),
    /// Go back to the saved place.
    Restore,
    /// Go to the ruler above new messages.
    Ruler,
    /// Open the folded message on the screen, or fold the opened one.
    Fold,
}

/// A scroll step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scroll {
    LineUp,
    LineDown,
    /// Back by most of a screen.
    PageUp,
    /// Forward by most of a screen.
    PageDown,
    /// Back by one notch of the mouse wheel.
    WheelUp,
    /// Forward by one notch.
    WheelDown,
    /// To the oldest item.
    Top,
    /// To the newest item.
    Bottom,
}

impl Scroll {
    /// The scroll step of an action in an overlay; `None` if the action does not scroll.
    pub(super) const fn of(action: Action) -> Option<Self> {
        Some(match action {
            Action::Up => Self::LineUp,
            Action::Down => Self::LineDown,
            Action::PageUp => Self::PageUp,
            Action::PageDown => Self::PageDown,
            Action::Home => Self::Top,
            Action::End => Self::Bottom,
            _ => return None,
        })
    }
}
