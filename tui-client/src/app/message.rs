//! What comes in, and what is to be done: all that the pure part has to do with the rest.

use crossterm::event::KeyEvent;
use realtime_shared::RoomName;

use super::attention::Notification;
use super::clock::Now;
use super::keys::Action;
use super::rooms::reading::Mark;
use super::rooms::timeline::Key;
use crate::markup::Target;
use crate::net;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msg {
    /// When.
    pub now: Now,
    /// What.
    pub input: Input,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse's wheel was turned by a notch.
    Wheel {
        /// Back, or on.
        up: bool,
    },
    /// The mouse was pressed on something.
    Click(Hit),
    /// It was moved while pressed.
    Dragged,
    /// This text was selected with it.
    Selected(String),
    /// The editor gave this draft back, or a sentence on why it did not.
    Edited(Result<String, String>),
    /// The window got the focus, or lost it.
    Focus(bool),
    /// The window has another size.
    Resize,
    /// The network says something.
    Net(net::Event),
    /// A screen was drawn.
    Viewed(Viewed),
    /// Something about the program itself that the user should know.
    Warning(String),
    /// Time passed.
    Tick,
}

/// What was under the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// A room, by its index.
    Room(usize),
    /// Something to choose from what lies over the screen, by its index.
    Choice(usize),
    /// A place in the draft, in bytes.
    Cursor(usize),
}

/// What a screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewed {
    /// Of which pane.
    pub pane: u32,
    /// The first item that is visible.
    pub first: Key,
    /// The last one.
    pub last: Key,
    /// Whether they take all of the screen.
    pub is_full: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell the network.
    Net(net::Command),
    /// Keep how far a room is read, for the next start.
    Keep(RoomName, Mark),
    /// Move what lies over the screen, or the timeline.
    Scroll(Scroll),
    /// Move the timeline to what was found, or back.
    See(Sight),
    /// Show what a link leads to, in another program.
    Open(Target),
    /// Tell the user, wherever they look.
    Notify(Notification),
    /// Open this draft in an editor.
    Edit(String),
    /// Have the terminal keep a text for pasting.
    Copy(String),
    /// Hear of the mouse from now on, or leave it to the terminal.
    Mouse(bool),
    /// Run a command that the program added ([`super::Extension`]).
    Extension {
        /// Name of the command.
        name: &'static str,
        /// Its argument, which was checked.
        argument: String,
    },
    /// Draw everything anew.
    Redraw,
    /// Stop, as a job of the shell.
    Suspend,
    /// Leave the program.
    Quit,
}

/// Where a search leads the view of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Nowhere yet: this is the place to come back to.
    Mark,
    /// To where what was found in that item can be seen.
    Hit(Key),
    /// Back to the place that was marked.
    Back,
}

/// How far to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scroll {
    /// A line back.
    LineUp,
    /// A line on.
    LineDown,
    /// Most of a screen back.
    PageUp,
    /// Most of a screen on.
    PageDown,
    /// A notch of the mouse's wheel back.
    WheelUp,
    /// A notch on.
    WheelDown,
    /// To the oldest.
    Top,
    /// To the newest.
    Bottom,
}

impl Scroll {
    /// What a key means for what lies over the screen, where it moves that.
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
