//! Slash commands: parsing a draft, and the table of commands.
//!
//! To add a command:
//!
//! 1. here: a variant of [`SlashCommand`], an arm in [`parse`], a row in [`COMMANDS`]. The help, the palette and the
//!    completion of names take it from there. In a row, words in small letters are written as they stand, words in
//!    capitals are arguments, and arguments in brackets may be left out;
//! 2. `app/dispatch/commands.rs`: an arm in `submit`;
//! 3. `app/composing/completion/candidates.rs`: an arm in `argument` for a new kind of argument;
//! 4. `app/overlays/palette.rs`: a row of `SAME` if an action does the same;
//! 5. `README.md` of the client: a row in the table of commands. The tests compare it with the help.
//!
//! A command that the program adds is an [`Extension`] instead.

use realtime_shared::RoomName;
use unicode_normalization::UnicodeNormalization;

use super::foreign_command;
use super::query::QUERY_CHARS;
use crate::app::extension::Extension;
use crate::app::theme::Theme;
use crate::net::Token;
use crate::typed_room;

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum SlashCommand {
    /// Join a room, or go to it.
    Join(RoomName),
    /// Leave a room; `None`: the room that is shown.
    Leave(Option<RoomName>),
    /// Open the room switcher with the server's rooms, optionally only those with this prefix.
    Rooms(Option<String>),
    /// Show the members of a room; `None`: the room that is shown.
    Who(Option<RoomName>),
    /// Search in the room; an empty text is typed afterwards.
    Search(String),
    /// Clear the screen.
    Clear,
    /// Send an action of the user.
    Me(String),
    /// Use a new token; `None`: ask for it.
    Token(Option<Token>),
    /// Set the theme; `None`: show the list.
    Theme(Option<Theme>),
    Extension {
        name: &'static str,
        argument: String,
        /// Note for the timeline.
        note: String,
    },
    /// Open the inspector.
    Inspect,
    Help,
    Quit,
}

/// A parsed draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Draft<'a> {
    Text(&'a str),
    Command(SlashCommand),
}

/// All commands with their explanations, as in the help and the README.
pub const COMMANDS: &[(&str, &str)] = &[
    ("/join ROOM", "join a room, or go to it"),
    ("/leave [ROOM]", "leave this room or another one"),
    ("/rooms [PREFIX]", "go to a room by name"),
    ("/who [ROOM]", "members of this room or another one"),
    ("/search [TEXT]", "search in this room, from the screen upwards"),
    ("/clear", "clear the screen; PgUp shows the old messages again"),
    ("/me ACTION", "send an action, shown in italics"),
    ("/theme [THEME]", "set the theme, or choose one from a list"),
    ("/token [TOKEN]", "use a new token; without one, it is asked for unseen"),
    ("/inspect", "inspect frames, round trips, the connection, the token"),
    ("/help", "keys and commands"),
    ("/quit", "quit"),
    ("//text", "send text that begins with a slash"),
];

/// Splits a usage into the fixed words and the arguments: `("/net drop", "[10s]")`.
pub(in crate::app) fn parts(usage: &str) -> (&str, &str) {
    let is_argument = |word: &str| word.starts_with(|first: char| first == '[' || first.is_ascii_uppercase());
    match usage.match_indices(' ').find(|(at, _)| is_argument(&usage[at + 1..])) {
        Some((at, _)) => (&usage[..at], &usage[at + 1..]),
        None => (usage, ""),
    }
}

/// Parses a draft; an error is a sentence for the user. A line with an unknown command is an error, not text.
pub(in crate::app) fn parse<'a>(draft: &'a str, extensions: &[Extension]) -> Result<Draft<'a>, String> {
    let Some(line) = draft.strip_prefix('/') else { return Ok(Draft::Text(draft)) };
    if line.starts_with('/') {
        return Ok(Draft::Text(line));
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let without_argument = |command| match rest {
        "" => Ok(Draft::Command(command)),
        _ => Err(format!("/{name} takes no argument")),
    };
    match foreign_command::own_name(name).as_str() {
        "join" if rest.is_empty() => Err("/join needs a room, for example /join chat-general".to_owned()),
        "join" => Ok(Draft::Command(SlashCommand::Join(room(rest)?))),
        "leave" => Ok(Draft::Command(SlashCommand::Leave(room_or_none(rest)?))),
        "who" => Ok(Draft::Command(SlashCommand::Who(room_or_none(rest)?))),
        "rooms" => {
            let prefix = typed_room::without_sign(rest);
            Ok(Draft::Command(SlashCommand::Rooms((!prefix.is_empty()).then(|| prefix.to_owned()))))
        }
        "search" if rest.chars().count() > QUERY_CHARS => {
            Err(format!("/search takes at most {QUERY_CHARS} characters"))
        }
        "search" => Ok(Draft::Command(SlashCommand::Search(rest.to_owned()))),
        "clear" => without_argument(SlashCommand::Clear),
        "me" if rest.is_empty() => Err("/me needs an action, for example /me waves".to_owned()),
        "me" => Ok(Draft::Command(SlashCommand::Me(rest.to_owned()))),
        "theme" => Ok(Draft::Command(SlashCommand::Theme(theme(rest)?))),
        "token" => Ok(Draft::Command(SlashCommand::Token((!rest.is_empty()).then(|| Token::new(rest))))),
        "inspect" => without_argument(SlashCommand::Inspect),
        "help" => without_argument(SlashCommand::Help),
        "quit" => without_argument(SlashCommand::Quit),
        own_name => {
            let Some(extension) = extensions.iter().find(|extension| extension.name == own_name) else {
                let added = extensions.iter().map(|extension| extension.name);
                let own = COMMANDS.iter().map(|(usage, _)| parts(usage).0.trim_start_matches('/'));
                return Err(foreign_command::explain(name, own.filter(|name| !name.is_empty()).chain(added)));
            };
            let note = (extension.check)(rest)?;
            let argument = rest.to_owned();
            Ok(Draft::Command(SlashCommand::Extension { name: extension.name, argument, note }))
        }
    }
}

fn theme(name: &str) -> Result<Option<Theme>, String> {
    let names = || Theme::ALL.map(|(theme, _)| theme.name()).join(", ");
    match name {
        "" => Ok(None),
        _ => Theme::named(name)
            .map(Some)
            .ok_or_else(|| format!("there is no theme {name}; the themes are {}", names())),
    }
}

fn room_or_none(name: &str) -> Result<Option<RoomName>, String> {
    if name.is_empty() { Ok(None) } else { room(name).map(Some) }
}

/// Parses the name of a room that can be joined; an error is a sentence for the user.
pub(in crate::app) fn room(name: &str) -> Result<RoomName, String> {
    let name: String = name.nfc().collect();
    typed_room::parse(&name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::EXTENSIONS;

    fn room_name(name: &str) -> RoomName {
        RoomName::new(name).expect("a name")
    }

    #[test]
    fn commands_are_parsed() {
        for (line, command) in [
            ("/join büro 7 ", SlashCommand::Join(room_name("büro 7"))),
            ("/join #dev", SlashCommand::Join(room_name("dev"))),
            ("/join ##dev", SlashCommand::Join(room_name("#dev"))),
            ("/join bu\u{308}ro", SlashCommand::Join(room_name("b\u{fc}ro"))),
            ("/leave #dev", SlashCommand::Leave(Some(room_name("dev")))),
            ("/who #dev", SlashCommand::Who(Some(room_name("dev")))),
            ("/rooms #ch", SlashCommand::Rooms(Some("ch".to_owned()))),
            ("/rooms #", SlashCommand::Rooms(None)),
            ("/leave", SlashCommand::Leave(None)),
            ("/part", SlashCommand::Leave(None)),
            ("/J dev", SlashCommand::Join(room_name("dev"))),
            ("/leave dev", SlashCommand::Leave(Some(room_name("dev")))),
            ("/rooms", SlashCommand::Rooms(None)),
            ("/rooms ch", SlashCommand::Rooms(Some("ch".to_owned()))),
            ("/who\tdev", SlashCommand::Who(Some(room_name("dev")))),
            ("/me waves  at you", SlashCommand::Me("waves  at you".to_owned())),
            ("/search two  words ", SlashCommand::Search("two  words".to_owned())),
            ("/search", SlashCommand::Search(String::new())),
            ("/clear", SlashCommand::Clear),
            ("/theme", SlashCommand::Theme(None)),
            ("/theme 16", SlashCommand::Theme(Some(Theme::Sixteen))),
            ("/token", SlashCommand::Token(None)),
            ("/token a.b.c ", SlashCommand::Token(Some(Token::new("a.b.c")))),
            ("/help", SlashCommand::Help),
            ("/quit", SlashCommand::Quit),
        ] {
            assert_eq!(parse(line, &[]), Ok(Draft::Command(command)), "{line}");
        }
    }

    #[test]
    fn a_command_of_an_extension_is_checked() {
        let run = |line| parse(line, EXTENSIONS);
        let call = SlashCommand::Extension {
            name: "fault",
            argument: "now  here".to_owned(),
            note: "fault: now  here".to_owned(),
        };
        assert_eq!(run("/fault now  here "), Ok(Draft::Command(call)));
        assert_eq!(run("/fault"), Err("/fault what?".to_owned()));
        assert!(parse("/fault now", &[]).is_err_and(|error| error.contains("no command /fault")));
    }

    #[test]
    fn a_usage_is_split_into_words_and_arguments() {
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
    fn two_slashes_begin_text_with_one_slash() {
        assert_eq!(parse("//usr/bin", &[]), Ok(Draft::Text("/usr/bin")));
        assert_eq!(parse("a/b", &[]), Ok(Draft::Text("a/b")));
    }

    #[test]
    fn a_wrong_command_is_explained() {
        for (line, part) in [
            ("/jion dev", "no command /jion"),
            ("/", "no command /"),
            ("/join", "needs a room"),
            ("/me ", "needs an action"),
            ("/join dm:bob", "dm:"),
            ("/quit now", "takes no argument"),
            ("/join a\u{200b}b", "U+200B"),
            (&format!("/join {}", "x".repeat(65)), "longer than 64"),
            (&format!("/search {}", "é".repeat(129)), "at most 128 characters"),
        ] {
            let error = parse(line, &[]).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
