//! Actions: their names, default keys and explanations.
//!
//! To add a key:
//!
//! 1. here: a variant of [`Action`], and a [`Binding`] with its name and keys in a row of [`GROUPS`]. The help, the
//!    palette and the configuration file take it from there;
//! 2. `app/dispatch/keys.rs`: an arm in `act`;
//! 3. `app/rooms/search.rs`: an arm in `on_key` if a search waits while the action is done;
//! 4. `app/overlays`: an arm in the `on_key` of each overlay that gives the action another meaning;
//! 5. `README.md` of the client: a row in the table of keys. The tests compare it with the help;
//! 6. `app/overlays/palette.rs`: a row of `SAME` if a command does the same.

use crate::app::editor::Motion;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Write a character.
    Insert(char),
    /// Complete what is begun before the cursor, or go on to the next of what it may become.
    Complete,
    /// The same, from the last one back.
    CompleteBack,
    /// Begin a new line.
    Newline,
    /// Send what is written, or follow it where it is a command.
    Submit,
    /// Move the cursor.
    Move(Motion),
    /// To the start of the line; there already, to the oldest message.
    Home,
    /// To the end of the line; there already, to the newest message.
    End,
    /// A line up, or what was sent before.
    Up,
    /// A line down, or what was sent after.
    Down,
    /// Delete a grapheme.
    Delete(Motion),
    /// Cut.
    Cut(Motion),
    /// Write what was cut.
    PasteCut,
    /// Open the draft in an editor.
    Editor,
    /// Take the last change of the draft back.
    Undo,
    /// Make it again.
    Redo,
    /// Look for a text in the room.
    Search,
    /// A page back.
    PageUp,
    /// A page on.
    PageDown,
    /// The room of that number, from 0.
    Room(usize),
    /// The room above.
    PreviousRoom,
    /// The room below.
    NextRoom,
    /// The next room with something unread.
    NextUnread,
    /// Connect now, or send a refused message again.
    Retry,
    /// Take an unsent message back into the composer.
    TakeBack,
    /// Show or hide the keys and commands.
    Help,
    /// Show or hide what goes over the wire.
    Inspector,
    /// Open or close the search for a room.
    Rooms,
    /// Open or close the palette of commands and actions.
    Palette,
    /// Show or hide the links on the screen.
    Links,
    /// Show or hide who is here.
    Members,
    /// Close what lies over the screen.
    Close,
    /// Hear the mouse, or leave it to the terminal.
    Mouse,
    /// Draw the screen anew.
    Redraw,
    /// Stop, as a job of the shell.
    Suspend,
    /// Leave the program.
    Quit,
}

/// An action that keys can be given to.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// What it is called in the configuration.
    pub name: &'static str,
    /// What it does.
    pub action: Action,
    /// Its keys where nothing else is said; the first one is shown.
    pub keys: &'static [&'static str],
}

/// Actions that are explained together.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What they do.
    pub does: &'static str,
    /// They.
    pub bindings: &'static [Binding],
}

const fn bind(name: &'static str, action: Action, keys: &'static [&'static str]) -> Binding {
    Binding { name, action, keys }
}

/// All that keys do: each group with its title.
pub const GROUPS: &[(&str, &[Row])] = &[
    ("WRITING", WRITING),
    ("READING", READING),
    ("ROOMS", ROOMS),
    ("MESSAGES AND CONNECTION", CONNECTION),
    ("PROGRAM", PROGRAM),
];

const WRITING: &[Row] = &[
    Row { does: "send", bindings: &[bind("send", Action::Submit, &["Enter"])] },
    Row {
        does: "new line",
        bindings: &[bind("newline", Action::Newline, &["Alt-Enter", "Shift-Enter", "Ctrl-J"])],
    },
    Row {
        does: "complete a nick, #room, /command or :emoji:; again, the next one or the one before",
        bindings: &[
            bind("complete", Action::Complete, &["Tab"]),
            bind("complete_back", Action::CompleteBack, &["Shift-Tab"]),
        ],
    },
    Row {
        does: "line up or down; at the first or last one, what you sent before",
        bindings: &[bind("up", Action::Up, &["Up"]), bind("down", Action::Down, &["Down"])],
    },
    Row {
        does: "a character left or right",
        bindings: &[
            bind("left", Action::Move(Motion::Left), &["Left"]),
            bind("right", Action::Move(Motion::Right), &["Right"]),
        ],
    },
    Row {
        does: "a word left or right",
        bindings: &[
            bind("word_left", Action::Move(Motion::WordLeft), &["Ctrl-Left", "Alt-Left", "Alt-B"]),
            bind("word_right", Action::Move(Motion::WordRight), &["Ctrl-Right", "Alt-Right", "Alt-F"]),
        ],
    },
    Row {
        does: "start or end of the line",
        bindings: &[
            bind("line_start", Action::Move(Motion::LineStart), &["Ctrl-A"]),
            bind("line_end", Action::Move(Motion::LineEnd), &["Ctrl-E"]),
        ],
    },
    Row {
        does: "delete the character before or after the cursor",
        bindings: &[
            bind("delete_left", Action::Delete(Motion::Left), &["Backspace", "Ctrl-H"]),
            bind("delete_right", Action::Delete(Motion::Right), &["Delete"]),
        ],
    },
    Row {
        does: "cut the word or the line before the cursor",
        bindings: &[
            bind("cut_word", Action::Cut(Motion::WordLeft), &["Ctrl-W", "Alt-Backspace"]),
            bind("cut_line", Action::Cut(Motion::LineStart), &["Ctrl-U"]),
        ],
    },
    Row { does: "put back what was cut", bindings: &[bind("paste_cut", Action::PasteCut, &["Ctrl-Y"])] },
    Row { does: "the draft in $EDITOR", bindings: &[bind("editor", Action::Editor, &["Ctrl-O"])] },
    Row {
        does: "undo, and make it again",
        // Terminals send one byte for the first three.
        bindings: &[
            bind("undo", Action::Undo, &["Ctrl-/", "Ctrl-_", "Ctrl-7"]),
            bind("redo", Action::Redo, &["Alt-/"]),
        ],
    },
];

const READING: &[Row] = &[
    Row {
        does: "a page back or on; loads older messages",
        bindings: &[
            bind("page_up", Action::PageUp, &["PgUp"]),
            bind("page_down", Action::PageDown, &["PgDn"]),
        ],
    },
    Row {
        does: "start or end of the line; there already, oldest or newest message",
        bindings: &[bind("home", Action::Home, &["Home"]), bind("end", Action::End, &["End"])],
    },
    Row {
        does: "find in this room: Up and Down step, n and N do after Enter, Esc goes back",
        bindings: &[bind("search", Action::Search, &["Ctrl-F"])],
    },
    Row {
        does: "links on the screen; Enter or a digit follows one",
        bindings: &[bind("links", Action::Links, &["Alt-O"])],
    },
    Row { does: "who is here", bindings: &[bind("members", Action::Members, &["F3"])] },
];

const ROOMS: &[Row] = &[
    Row {
        does: "that room",
        bindings: &[
            bind("room_1", Action::Room(0), &["Alt-1"]),
            bind("room_2", Action::Room(1), &["Alt-2"]),
            bind("room_3", Action::Room(2), &["Alt-3"]),
            bind("room_4", Action::Room(3), &["Alt-4"]),
            bind("room_5", Action::Room(4), &["Alt-5"]),
            bind("room_6", Action::Room(5), &["Alt-6"]),
            bind("room_7", Action::Room(6), &["Alt-7"]),
            bind("room_8", Action::Room(7), &["Alt-8"]),
            bind("room_9", Action::Room(8), &["Alt-9"]),
        ],
    },
    Row {
        does: "room above or below",
        bindings: &[
            bind("previous_room", Action::PreviousRoom, &["Alt-Up"]),
            bind("next_room", Action::NextRoom, &["Alt-Down"]),
        ],
    },
    Row {
        does: "next room with something unread",
        bindings: &[bind("next_unread", Action::NextUnread, &["Alt-A"])],
    },
    Row {
        does: "find a room by name and go there",
        bindings: &[bind("rooms", Action::Rooms, &["Ctrl-K", "F2"])],
    },
];

const CONNECTION: &[Row] = &[
    Row {
        does: "connect now; connected, send a refused message again",
        bindings: &[bind("retry", Action::Retry, &["Ctrl-R"])],
    },
    Row {
        does: "take an unsent message back, to edit or drop it",
        bindings: &[bind("take_back", Action::TakeBack, &["Ctrl-X"])],
    },
];

const PROGRAM: &[Row] = &[
    Row {
        does: "find a command or what a key does, and do it",
        bindings: &[bind("palette", Action::Palette, &["Ctrl-P"])],
    },
    Row { does: "this help", bindings: &[bind("help", Action::Help, &["F1"])] },
    Row {
        does: "frames in and out, round trips, the connection, the token",
        bindings: &[bind("inspector", Action::Inspector, &["F12"])],
    },
    Row {
        does: "leave the mouse to the terminal, for its own selection, or take it back",
        bindings: &[bind("mouse", Action::Mouse, &["Alt-M"])],
    },
    Row {
        does: "close what lies over the screen; take a completion back",
        bindings: &[bind("close", Action::Close, &["Esc"])],
    },
    Row { does: "draw the screen anew", bindings: &[bind("redraw", Action::Redraw, &["Ctrl-L"])] },
    Row { does: "suspend", bindings: &[bind("suspend", Action::Suspend, &["Ctrl-Z"])] },
    Row {
        does: "quit; asks again where text would be lost",
        bindings: &[bind("quit", Action::Quit, &["Ctrl-C", "Ctrl-Q"])],
    },
];

/// All that keys can be given to.
pub(super) fn bindings() -> impl Iterator<Item = &'static Binding> {
    GROUPS.iter().flat_map(|(_, rows)| *rows).flat_map(|row| row.bindings)
}
