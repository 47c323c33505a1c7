//! Lines that begin with a slash.
//!
//! A new command: a variant of [`Command`], an arm in [`parse`], a row in [`COMMANDS`] and in the README. In a row, words
//! in small letters are written as they stand; what is in capitals is said by the user, and in brackets need not be.

use realtime_shared::RoomName;

use crate::app::composing::query::QUERY_CHARS;
use crate::app::{Theme, Weather};

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Command {
    /// Enter a room, or go there.
    Join(RoomName),
    /// Leave a room; none named: the one that is shown.
    Leave(Option<RoomName>),
    /// Find a room; the server lists those whose names begin so.
    Rooms(Option<String>),
    /// Show who is in a room; none named: the one that is shown.
    Who(Option<RoomName>),
    /// Look for a text in the room; nothing: it is typed then.
    Search(String),
    /// Put what is shown out of sight.
    Clear,
    /// Say what the user does.
    Me(String),
    /// Look so; none named: show the list.
    Theme(Option<Theme>),
    /// Do something to the demo's network.
    Net(Weather),
    /// Show what goes over the wire.
    Inspect,
    /// Show keys and commands.
    Help,
    /// Leave the program.
    Quit,
}

/// What a draft is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Draft<'a> {
    /// To be sent.
    Text(&'a str),
    /// To be followed.
    Command(Command),
}

/// Commands and what they do, as the overlay and the README have them.
pub const COMMANDS: &[(&str, &str)] = &[
    ("/join ROOM", "enter a room, or go there"),
    ("/leave [ROOM]", "leave this room, or that one"),
    ("/rooms [PREFIX]", "find a room by name and go there"),
    ("/who [ROOM]", "who is here, or there"),
    ("/search [TEXT]", "find in this room, back from what is shown"),
    ("/clear", "clear the screen: what is there is above its top, and PgUp brings it back"),
    ("/me ACTION", "say what you do, in italics"),
    ("/theme [THEME]", "look so, or try all of them"),
    ("/inspect", "frames in and out, round trips, the connection, the token"),
    ("/help", "keys and commands"),
    ("/quit", "leave the program"),
    ("//text", "send text that begins with a slash"),
];

/// Those that only a demo has.
pub const DEMO_COMMANDS: &[(&str, &str)] = &[
    ("/net drop [10s]", "demo: cut the connection for so long"),
    ("/net lag [500ms]", "demo: let each answer take so much longer"),
    ("/net flap", "demo: let the connection come and go"),
    ("/net ok", "demo: leave the network alone again"),
];

/// What is written of a command in any case, and what the user says after that: `("/net drop", "[10s]")`.
pub(in crate::app) fn parts(usage: &str) -> (&str, &str) {
    let is_said = |word: &str| word.starts_with(|first: char| first == '[' || first.is_ascii_uppercase());
    match usage.match_indices(' ').find(|(at, _)| is_said(&usage[at + 1..])) {
        Some((at, _)) => (&usage[..at], &usage[at + 1..]),
        None => (usage, ""),
    }
}

/// Reads a draft; an error is a sentence for the user. A line with an unknown command is never text.
pub(in crate::app) fn parse(draft: &str) -> Result<Draft<'_>, String> {
    let Some(line) = draft.strip_prefix('/') else { return Ok(Draft::Text(draft)) };
    if line.starts_with('/') {
        return Ok(Draft::Text(line));
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let none = |command| match rest {
        "" => Ok(Draft::Command(command)),
        _ => Err(format!("/{name} takes nothing after it")),
    };
    match name {
        "join" if rest.is_empty() => Err("/join which room? For example: /join chat-general".to_owned()),
        "join" => Ok(Draft::Command(Command::Join(room(rest)?))),
        "leave" => Ok(Draft::Command(Command::Leave(room_or_none(rest)?))),
        "who" => Ok(Draft::Command(Command::Who(room_or_none(rest)?))),
        "rooms" => Ok(Draft::Command(Command::Rooms((!rest.is_empty()).then(|| rest.to_owned())))),
        "search" if rest.chars().count() > QUERY_CHARS => {
            Err(format!("/search takes at most {QUERY_CHARS} characters"))
        }
        "search" => Ok(Draft::Command(Command::Search(rest.to_owned()))),
        "clear" => none(Command::Clear),
        "me" if rest.is_empty() => Err("/me does what? For example: /me waves".to_owned()),
        "me" => Ok(Draft::Command(Command::Me(rest.to_owned()))),
        "theme" => Ok(Draft::Command(Command::Theme(theme(rest)?))),
        "net" => Weather::parse(rest).map(|weather| Draft::Command(Command::Net(weather))),
        "inspect" => none(Command::Inspect),
        "help" => none(Command::Help),
        "quit" => none(Command::Quit),
        _ => Err(format!("no command /{name} (/help lists them; //{name} sends it as text)")),
    }
}

fn theme(name: &str) -> Result<Option<Theme>, String> {
    let names = || Theme::ALL.map(|(theme, _)| theme.name()).join(", ");
    match name {
        "" => Ok(None),
        _ => Theme::named(name).map(Some).ok_or_else(|| format!("no theme {name}: there are {}", names())),
    }
}

fn room_or_none(name: &str) -> Result<Option<RoomName>, String> {
    if name.is_empty() { Ok(None) } else { room(name).map(Some) }
}

/// Reads the name of a room that can be entered; an error is a sentence for the user.
pub(in crate::app) fn room(name: &str) -> Result<RoomName, String> {
    match RoomName::new(name) {
        Ok(room) if room.is_reserved() => Err("names that begin with dm: are kept for later".to_owned()),
        Ok(room) => Ok(room),
        Err(error) => Err(format!("not a room's name: it {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room_name(name: &str) -> RoomName {
        RoomName::new(name).expect("a name")
    }

    #[test]
    fn commands_are_read() {
        for (line, command) in [
            ("/join büro 7 ", Command::Join(room_name("büro 7"))),
            ("/leave", Command::Leave(None)),
            ("/leave dev", Command::Leave(Some(room_name("dev")))),
            ("/rooms", Command::Rooms(None)),
            ("/rooms ch", Command::Rooms(Some("ch".to_owned()))),
            ("/who\tdev", Command::Who(Some(room_name("dev")))),
            ("/me waves  at you", Command::Me("waves  at you".to_owned())),
            ("/search two  words ", Command::Search("two  words".to_owned())),
            ("/search", Command::Search(String::new())),
            ("/clear", Command::Clear),
            ("/theme", Command::Theme(None)),
            ("/theme 16", Command::Theme(Some(Theme::Sixteen))),
            ("/net ok", Command::Net(Weather::Fine)),
            ("/help", Command::Help),
            ("/quit", Command::Quit),
        ] {
            assert_eq!(parse(line), Ok(Draft::Command(command)), "{line}");
        }
    }

    #[test]
    fn what_is_written_in_any_case_is_told_from_what_is_said() {
        for (usage, both) in [
            ("/join ROOM", ("/join", "ROOM")),
            ("/leave [ROOM]", ("/leave", "[ROOM]")),
            ("/net drop [10s]", ("/net drop", "[10s]")),
            ("/net ok", ("/net ok", "")),
            ("/quit", ("/quit", "")),
        ] {
            assert_eq!(parts(usage), both);
        }
    }

    #[test]
    fn two_slashes_are_one() {
        assert_eq!(parse("//usr/bin"), Ok(Draft::Text("/usr/bin")));
        assert_eq!(parse("a/b"), Ok(Draft::Text("a/b")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, part) in [
            ("/jion dev", "no command /jion"),
            ("/", "no command /"),
            ("/join", "which room"),
            ("/me ", "does what"),
            ("/join dm:bob", "dm:"),
            ("/quit now", "takes nothing"),
            ("/join a\u{200b}b", "U+200B"),
            (&format!("/join {}", "x".repeat(65)), "longer than 64"),
            (&format!("/search {}", "é".repeat(129)), "at most 128 characters"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
