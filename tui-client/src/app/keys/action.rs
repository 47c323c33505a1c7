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

/// An action that a key can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Insert(char),
    /// Complete the word before the cursor, or take the next candidate.
    Complete,
    /// Complete with the last candidate, or take the previous one.
    CompleteBack,
    Newline,
    /// Send the draft, or run it as a command.
    Submit,
    Move(Motion),
    /// Go to the start of the line; if the cursor is there, to the oldest message.
    Home,
    /// Go to the end of the line; if the cursor is there, to the newest message.
    End,
    /// Go one row up; from the first row, to the previous sent text.
    Up,
    /// Go one row down; from the last row, to the next sent text.
    Down,
    Delete(Motion),
    Cut(Motion),
    /// Insert the text that was cut last.
    PasteCut,
    ClearDraft,
    /// Send the draft in as many messages as it needs.
    SendParts,
    /// Open the draft in `$EDITOR`.
    Editor,
    Undo,
    Redo,
    /// Search in the room.
    Search,
    PageUp,
    PageDown,
    /// Go to the ruler above new messages.
    FirstNew,
    /// Go to the newest message.
    Newest,
    /// Open the folded message on the screen, or fold the opened one.
    Fold,
    /// Go to the room with this index.
    Room(usize),
    PreviousRoom,
    NextRoom,
    /// Go to the next room with unread messages.
    NextUnread,
    Retry,
    TakeBack,
    Help,
    Inspector,
    /// Open or close the room switcher.
    Rooms,
    Palette,
    Links,
    Members,
    /// Close the overlay, or undo a completion.
    Close,
    /// Capture the mouse, or release it to the terminal.
    Mouse,
    Redraw,
    /// Suspend the program, as Ctrl-Z does in a shell.
    Suspend,
    Quit,
}

/// An action with a name and default keys.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Name in the configuration.
    pub name: &'static str,
    pub action: Action,
    /// Default keys; the first one is shown.
    pub keys: &'static [&'static str],
}

/// Actions that share a row of the help.
#[derive(Debug, Clone, Copy)]
pub struct BindingRow {
    /// Explanation of the row.
    pub does: &'static str,
    pub bindings: &'static [Binding],
}

const fn bind(name: &'static str, action: Action, keys: &'static [&'static str]) -> Binding {
    Binding { name, action, keys }
}

/// All rows in groups, each group with its title.
pub const GROUPS: &[(&str, &[BindingRow])] = &[
    ("WRITING", WRITING),
    ("READING", READING),
    ("ROOMS", ROOMS),
    ("MESSAGES AND CONNECTION", CONNECTION),
    ("PROGRAM", PROGRAM),
];

const WRITING: &[BindingRow] = &[
    BindingRow { does: "send", bindings: &[bind("send", Action::Submit, &["Enter"])] },
    BindingRow {
        does: "send a text that is too long in parts",
        bindings: &[bind("send_parts", Action::SendParts, &["Alt-S"])],
    },
    BindingRow {
        does: "new line",
        bindings: &[bind("newline", Action::Newline, &["Alt-Enter", "Shift-Enter", "Ctrl-J"])],
    },
    BindingRow {
        does: "complete a nick, #room, /command or :emoji:; again for the next or previous one",
        bindings: &[
            bind("complete", Action::Complete, &["Tab"]),
            bind("complete_back", Action::CompleteBack, &["Shift-Tab"]),
        ],
    },
    BindingRow {
        does: "a row up or down; from the first or last row, through sent texts",
        bindings: &[bind("up", Action::Up, &["Up"]), bind("down", Action::Down, &["Down"])],
    },
    BindingRow {
        does: "a character left or right",
        bindings: &[
            bind("left", Action::Move(Motion::Left), &["Left"]),
            bind("right", Action::Move(Motion::Right), &["Right"]),
        ],
    },
    BindingRow {
        does: "a word left or right",
        bindings: &[
            bind("word_left", Action::Move(Motion::WordLeft), &["Ctrl-Left", "Alt-Left", "Alt-B"]),
            bind("word_right", Action::Move(Motion::WordRight), &["Ctrl-Right", "Alt-Right", "Alt-F"]),
        ],
    },
    BindingRow {
        does: "start or end of the line",
        bindings: &[
            bind("line_start", Action::Move(Motion::LineStart), &["Ctrl-A"]),
            bind("line_end", Action::Move(Motion::LineEnd), &["Ctrl-E"]),
        ],
    },
    BindingRow {
        does: "delete the character before or after the cursor",
        bindings: &[
            bind("delete_left", Action::Delete(Motion::Left), &["Backspace", "Ctrl-H"]),
            bind("delete_right", Action::Delete(Motion::Right), &["Delete"]),
        ],
    },
    BindingRow {
        does: "cut the word or the line before the cursor",
        bindings: &[
            bind("cut_word", Action::Cut(Motion::WordLeft), &["Ctrl-W", "Alt-Backspace"]),
            bind("cut_line", Action::Cut(Motion::LineStart), &["Ctrl-U"]),
        ],
    },
    BindingRow {
        does: "clear the draft; undo brings it back",
        bindings: &[bind("clear", Action::ClearDraft, &["Ctrl-G"])],
    },
    BindingRow { does: "paste the last cut", bindings: &[bind("paste_cut", Action::PasteCut, &["Ctrl-Y"])] },
    BindingRow {
        does: "edit the draft in $EDITOR",
        bindings: &[bind("editor", Action::Editor, &["Ctrl-O"])],
    },
    BindingRow {
        does: "undo, redo",
        // Terminals send the same byte for the keys of `undo`.
        bindings: &[
            bind("undo", Action::Undo, &["Ctrl-/", "Ctrl-_", "Ctrl-7"]),
            bind("redo", Action::Redo, &["Alt-/"]),
        ],
    },
];

const READING: &[BindingRow] = &[
    BindingRow {
        does: "a page up or down; loads older messages",
        bindings: &[
            bind("page_up", Action::PageUp, &["PgUp"]),
            bind("page_down", Action::PageDown, &["PgDn"]),
        ],
    },
    BindingRow {
        does: "start or end of the line; again for the oldest or newest message",
        bindings: &[bind("home", Action::Home, &["Home"]), bind("end", Action::End, &["End"])],
    },
    BindingRow {
        does: "to the first new message; to the newest message",
        bindings: &[
            bind("first_new", Action::FirstNew, &["Alt-U"]),
            bind("newest", Action::Newest, &["Alt-End", "Ctrl-End"]),
        ],
    },
    BindingRow {
        does: "open a long message that is folded, or fold it",
        bindings: &[bind("fold", Action::Fold, &["Alt-L"])],
    },
    BindingRow {
        does: "search in this room: Up and Down step, after Enter n and N; Esc goes back",
        bindings: &[bind("search", Action::Search, &["Ctrl-F"])],
    },
    BindingRow {
        does: "links on the screen; Enter or a digit opens one",
        bindings: &[bind("links", Action::Links, &["Alt-O"])],
    },
    BindingRow { does: "members of this room", bindings: &[bind("members", Action::Members, &["F3"])] },
];

const ROOMS: &[BindingRow] = &[
    BindingRow {
        does: "go to the room with that number",
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
    BindingRow {
        does: "room above or below",
        bindings: &[
            bind("previous_room", Action::PreviousRoom, &["Alt-Up"]),
            bind("next_room", Action::NextRoom, &["Alt-Down"]),
        ],
    },
    BindingRow {
        does: "next room with unread messages",
        bindings: &[bind("next_unread", Action::NextUnread, &["Alt-A"])],
    },
    BindingRow { does: "go to a room by name", bindings: &[bind("rooms", Action::Rooms, &["Ctrl-K", "F2"])] },
];

const CONNECTION: &[BindingRow] = &[
    BindingRow {
        does: "connect now; if connected, send a refused message again",
        bindings: &[bind("retry", Action::Retry, &["Ctrl-R"])],
    },
    BindingRow {
        does: "take back an unsent message to edit or drop it",
        bindings: &[bind("take_back", Action::TakeBack, &["Ctrl-X"])],
    },
];

const PROGRAM: &[BindingRow] = &[
    BindingRow {
        does: "find a command or an action, and run it",
        bindings: &[bind("palette", Action::Palette, &["Ctrl-P"])],
    },
    BindingRow { does: "this help; type to search it", bindings: &[bind("help", Action::Help, &["F1"])] },
    BindingRow {
        does: "inspect frames, round trips, the connection, the token",
        bindings: &[bind("inspector", Action::Inspector, &["F12"])],
    },
    BindingRow {
        does: "release the mouse to the terminal to select text, or capture it",
        bindings: &[bind("mouse", Action::Mouse, &["Alt-M"])],
    },
    BindingRow {
        does: "close the overlay; undo a completion",
        bindings: &[bind("close", Action::Close, &["Esc"])],
    },
    BindingRow { does: "redraw the screen", bindings: &[bind("redraw", Action::Redraw, &["Ctrl-L"])] },
    BindingRow { does: "suspend", bindings: &[bind("suspend", Action::Suspend, &["Ctrl-Z"])] },
    BindingRow {
        does: "quit; asks again if text would be lost",
        bindings: &[bind("quit", Action::Quit, &["Ctrl-C", "Ctrl-Q"])],
    },
];

/// Returns all bindings.
pub(super) fn bindings() -> impl Iterator<Item = &'static Binding> {
    GROUPS.iter().flat_map(|(_, rows)| *rows).flat_map(|row| row.bindings)
}
