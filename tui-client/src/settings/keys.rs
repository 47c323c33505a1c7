//! The table of all configuration keys: documentation, defaults and parsers.
//!
//! The keys of `[keys]` are not here; they are the actions of [`crate::app::GROUPS`].

use std::time::Duration;

use realtime_shared::RoomName;
use serde::Deserialize;

use super::defaults::{Settings, TokenCommand, TokenFrom};
use super::value::{Checked, Value, all_good, choice, get, items, text, wrong};
use crate::app::timeline::HeldBytes;
use crate::net;
use crate::typed_room;

/// A table of the file with its keys.
pub(super) struct ConfigTable {
    /// Name; empty for the keys above all tables.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) keys: &'static [ConfigKey],
}

pub(super) struct ConfigKey {
    pub(super) name: &'static str,
    /// Documentation for the example, in lines of at most 110 columns.
    pub(super) about: &'static str,
    pub(super) shown: Shown,
    /// Parses a value and sets it.
    pub(super) set: fn(&mut Settings, &Value<'_>) -> Checked<()>,
}

/// Value in the example, as written in the file.
pub(super) enum Shown {
    /// The default.
    Default(&'static str),
    /// An example of a value; the default is none.
    Example(&'static str),
}

/// Name of the table that assigns keys to actions.
pub(super) const ACTIONS: &str = "keys";

/// All tables except that of the actions.
pub(super) const TABLES: &[ConfigTable] = &[
    ConfigTable { name: "", about: "", keys: TOP },
    ConfigTable {
        name: "notify",
        about: "Notifications while the window does not have the focus.",
        keys: NOTIFY,
    },
];

const TOP: &[ConfigKey] = &[
    ConfigKey {
        name: "url",
        about: "The server, wss:// behind TLS; the default path is /api/v1/ws. --url and REALTIME_URL override it.",
        shown: Shown::Default(r#""ws://127.0.0.1:8000""#),
        set: |settings, value| {
            // A value of another type must not leave the default server in place.
            settings.url.clear();
            settings.url = text(value)?;
            net::Config::new(&settings.url, "").map(|_| ()).or_else(|error| wrong(value, error.to_string()))
        },
    },
    ConfigKey {
        name: "rooms",
        about: "Rooms to join; the first one is shown. --room overrides them all.",
        shown: Shown::Example(r#"["chat-general", "dev"]"#),
        set: set_rooms,
    },
    ConfigKey {
        name: "token_file",
        about: "A file with your token; only you may have access to it (chmod 600). It is read for each connection.\n\
            `~/` is your home; a relative path starts at this file's directory. --token, --token-file and\n\
            REALTIME_TOKEN override it.",
        shown: Shown::Example(r#""~/.config/realtime/token""#),
        set: |settings, value| {
            let path = text(value)?.into();
            set_token(settings, value, TokenFrom::File(path))
        },
    },
    ConfigKey {
        name: "token_command",
        about: "Instead of token_file: a program that prints your token, with its arguments, or a script for `sh -c`.\n\
            It runs for each connection, may take 10 seconds, and has no terminal for questions.",
        shown: Shown::Example(r#"["pass", "show", "realtime/token"]"#),
        set: |settings, value| {
            let command = token_command(value)?;
            set_token(settings, value, TokenFrom::Command(command))
        },
    },
    ConfigKey {
        name: "state",
        about: "Keep read positions, joined rooms and unsent texts on this machine. --no-state overrides it.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.state = is_on),
    },
    ConfigKey {
        name: "rejoin",
        about: "Join the rooms of the last run at the start, until you /leave them. --no-rejoin overrides it.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.rejoin = is_on),
    },
    ConfigKey {
        name: "theme",
        about: "The colours: auto (dark or light, like the terminal), dark, light, 16 (the terminal's own), none.\n\
            --theme and NO_COLOR override it; /theme previews themes.",
        shown: Shown::Default(r#""auto""#),
        set: |settings, value| choice(value).map(|choice| settings.theme = choice),
    },
    ConfigKey {
        name: "ascii",
        about: "Draw rules and signs in ASCII. Text of others is not changed.",
        shown: Shown::Default("false"),
        set: |settings, value| get(value).map(|is_on| settings.ascii = is_on),
    },
    ConfigKey {
        name: "mouse",
        about: "Use the mouse: the wheel scrolls, a click chooses, a drag copies. If it is off, the terminal selects text.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.mouse = is_on),
    },
    ConfigKey {
        name: "escape_delay_ms",
        about: "Wait in milliseconds, 25 to 1000, that tells the Esc key from keys that begin with its byte. Raise it on a\n\
            connection that splits them, so that arrows write letters; lower it if Esc is slow.",
        shown: Shown::Default("100"),
        set: set_escape_delay,
    },
    ConfigKey {
        name: "history_mib",
        about: "Memory for the messages of all rooms in MiB, 8 to 4096. Beyond it the oldest ones of hidden rooms are\n\
            dropped; they are loaded again when you scroll up. A room holds 10,000 messages at most.",
        shown: Shown::Default("64"),
        set: set_history,
    },
    ConfigKey {
        name: "typing",
        about: "Show other members that you are typing.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.typing = is_on),
    },
];

const NOTIFY: &[ConfigKey] = &[
    ConfigKey {
        name: "bell",
        about: "Ring the bell of the terminal.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.notify.bell = is_on),
    },
    ConfigKey {
        name: "desktop",
        about: "Show desktop notifications through the terminal (OSC 9 and 777).",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.notify.desktop = is_on),
    },
    ConfigKey {
        name: "title",
        about: "Show the room and the number of your mentions in the window's title.",
        shown: Shown::Default("true"),
        set: |settings, value| get(value).map(|is_on| settings.notify.title = is_on),
    },
    ConfigKey {
        name: "on",
        about: "Messages that notify you: mentions (messages that name you), all, nothing.",
        shown: Shown::Default(r#""mentions""#),
        set: |settings, value| choice(value).map(|choice| settings.notify.on = choice),
    },
];

/// Sets the rooms without repeats. A fault drops only its own room.
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
    typed_room::parse(&name).or_else(|error| wrong(value, format!("`{name}`: {error}")))
}

fn set_token(settings: &mut Settings, value: &Value<'_>, token: TokenFrom) -> Checked<()> {
    if settings.token.is_some() {
        return wrong(value, "token_file and token_command exclude each other; the first one applies");
    }
    settings.token = Some(token);
    Ok(())
}

/// A token command as written.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a script for `sh -c`, or a list of words")]
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
        return wrong(value, "it contains no program");
    }
    let program = words.remove(0);
    Ok(TokenCommand { program, arguments: words })
}

fn set_history(settings: &mut Settings, value: &Value<'_>) -> Checked<()> {
    match get::<i64>(value)?.try_into() {
        Ok(mib @ 8_usize..=4_096) => {
            settings.held_bytes = HeldBytes(mib << 20);
            Ok(())
        }
        _ => wrong(value, "it must be 8 to 4096 MiB"),
    }
}

fn set_escape_delay(settings: &mut Settings, value: &Value<'_>) -> Checked<()> {
    match get::<i64>(value)? {
        millis @ 25..=1_000 => {
            settings.escape_delay = Duration::from_millis(millis.unsigned_abs());
            Ok(())
        }
        _ => wrong(value, "it must be 25 to 1000 milliseconds"),
    }
}
