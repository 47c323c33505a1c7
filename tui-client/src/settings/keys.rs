//! All keys: what they mean, what they are by default, and what becomes of them.
//!
//! Those of `[keys]` are not here: they are the actions of [`crate::app::GROUPS`].

use realtime_shared::RoomName;
use serde::Deserialize;

use super::defaults::{Settings, TokenCommand, TokenFrom};
use super::value::{Checked, Value, all_good, choice, get, items, text, wrong};
use crate::net;

/// Keys that stand together.
pub(super) struct Table {
    /// Its name; empty for the keys above all tables.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
}

/// A key.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it means, for the example: lines of at most 100 columns.
    pub(super) about: &'static str,
    pub(super) shown: Shown,
    /// Takes a value that was written.
    pub(super) set: fn(&mut Settings, &Value<'_>) -> Checked<()>,
}

/// What the example shows, as it is written in the file.
pub(super) enum Shown {
    /// What holds where nothing is written.
    Default(&'static str),
    /// Something that could be written.
    Example(&'static str),
}

/// The name of the table that gives actions their keys.
pub(super) const ACTIONS: &str = "keys";

/// All tables but that of the actions.
pub(super) const TABLES: &[Table] = &[
    Table { name: "", about: "", keys: TOP },
    Table {
        name: "notify",
        about: "How you are called while the window does not have the focus.",
        keys: NOTIFY,
    },
];

const TOP: &[Key] = &[
    Key {
        name: "url",
        about: "The server, wss:// behind TLS; without a path it is /api/v1/ws. --url and REALTIME_URL go before it.",
        shown: Shown::Default(r#""ws://127.0.0.1:8000""#),
        set: |settings, value| {
            // A value that is no text names no server either.
            settings.url.clear();
            settings.url = text(value)?;
            net::Config::new(&settings.url, "").map(|_| ()).or_else(|error| wrong(value, error.to_string()))
        },
    },
    Key {
        name: "rooms",
        about: "Rooms to be in; the first one is shown. With --room those of the command line count alone.",
        shown: Shown::Example(r#"["chat-general", "dev"]"#),
        set: set_rooms,
    },
    Key {
        name: "token_file",
        about: "A file with your token, which nobody else may read (chmod 600). It is read again for each connection.\n\
            `~/` is your home, and what does not begin with a slash is beside this file. --token, --token-file and\n\
            REALTIME_TOKEN go before it.",
        shown: Shown::Example(r#""~/.config/realtime/token""#),
        set: |settings, value| {
            let path = text(value)?.into();
            set_token(settings, value, TokenFrom::File(path))
        },
    },
    Key {
        name: "token_command",
        about: "In place of token_file: a program that prints your token, with its arguments, or a text for `sh -c`.\n\
            It is run for each connection and may take 10 seconds; it has no terminal to ask questions on.",
        shown: Shown::Example(r#"["pass", "show", "realtime/token"]"#),
        set: |settings, value| {
            let command = token_command(value)?;
            set_token(settings, value, TokenFrom::Command(command))
        },
    },
    Key {
        name: "state",
        about: "Keep on this machine how far each room is read. --no-state goes before it.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.state = is_on),
    },
    Key {
        name: "theme",
        about: "The colours: auto (dark or light, as the terminal is), dark, light, 16 (the terminal's own), none.\n\
            --theme and NO_COLOR go before it; /theme tries them.",
        shown: Shown::Default(r#""auto""#),
        set: |settings, value| choice(value).map(|choice| settings.theme = choice),
    },
    Key {
        name: "ascii",
        about: "Draw rules and signs with ASCII alone. What people write is shown as it is.",
        shown: Shown::Default("false"),
        set: |settings, value| get(value).map(|is_on| settings.ascii = is_on),
    },
    Key {
        name: "mouse",
        about: "Take the mouse: the wheel scrolls, a click chooses. Without it the terminal selects text.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.mouse = is_on),
    },
    Key {
        name: "typing",
        about: "Tell the others in a room that you are typing.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.typing = is_on),
    },
];

const NOTIFY: &[Key] = &[
    Key {
        name: "bell",
        about: "Ring the terminal's bell.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.notify.bell = is_on),
    },
    Key {
        name: "desktop",
        about: "Ask the terminal for a notification of the desktop (OSC 9 and 777).",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.notify.desktop = is_on),
    },
    Key {
        name: "title",
        about: "Show in the window's title the room, and how many messages name you.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.notify.title = is_on),
    },
    Key {
        name: "on",
        about: "For what the bell rings and the desktop tells: mentions (messages that name you), all, nothing.",
        shown: Shown::Default(r#""mentions""#),
        set: |settings, value| choice(value).map(|choice| settings.notify.on = choice),
    },
];

/// Sets the rooms, each once. A fault costs its own room.
fn set_rooms(settings: &mut Settings, value: &Value<'_>) -> Checked<()> {
    let (rooms, faults) = items(value, room)?;
    settings.rooms.clear();
    for room in rooms {
        if !settings.rooms.contains(&room) {
            settings.rooms.push(room);
        }
    }
    all_good(faults)
}

fn room(value: &Value<'_>) -> Checked<RoomName> {
    let name: String = get(value)?;
    match RoomName::new(&name) {
        Ok(room) if room.is_reserved() => {
            wrong(value, format!("`{name}`: names that begin with dm: are reserved"))
        }
        Ok(room) => Ok(room),
        Err(error) => wrong(value, format!("`{name}` {error}")),
    }
}

fn set_token(settings: &mut Settings, value: &Value<'_>, token: TokenFrom) -> Checked<()> {
    if settings.token.is_some() {
        return wrong(value, "token_file and token_command exclude each other, and the one above counts");
    }
    settings.token = Some(token);
    Ok(())
}

/// A command as written.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text for `sh -c`, or a list of texts")]
enum Written {
    Script(String),
    Words(Vec<String>),
}

fn token_command(value: &Value<'_>) -> Checked<TokenCommand> {
    let mut words = match get(value)? {
        Written::Script(script) if script.is_empty() => Vec::new(),
        Written::Script(script) => vec!["sh".to_owned(), "-c".to_owned(), script],
        Written::Words(words) => words,
    };
    if words.first().is_none_or(String::is_empty) {
        return wrong(value, "it names no program");
    }
    let program = words.remove(0);
    Ok(TokenCommand { program, arguments: words })
}
