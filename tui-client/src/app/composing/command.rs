//! Drafts that begin with a slash, as commands.
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
//! A command of the program that runs the app is an [`Extension`] instead.

use realtime_shared::RoomName;

use super::query::QUERY_CHARS;
use crate::app::extension::Extension;
use crate::app::theme::Theme;

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum SlashCommand {
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
    /// Run a command that the program added.
    Extension {
        name: &'static str,
        argument: String,
        /// For the timeline.
        note: String,
    },
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
    Command(SlashCommand),
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

/// What is written of a command in any case, and what the user says after that: `("/net drop", "[10s]")`.
pub(in crate::app) fn parts(usage: &str) -> (&str, &str) {
    let is_said = |word: &str| word.starts_with(|first: char| first == '[' || first.is_ascii_uppercase());
    match usage.match_indices(' ').find(|(at, _)| is_said(&usage[at + 1..])) {
        Some((at, _)) => (&usage[..at], &usage[at + 1..]),
        None => (usage, ""),
    }
}

/// Reads a draft; an error is a sentence for the user. A line with an unknown command is never text.
pub(in crate::app) fn parse<'a>(draft: &'a str, extensions: &[Extension]) -> Result<Draft<'a>, String> {
    let Some(line) = draft.strip_prefix('/') else { return Ok(Draft::Text(draft)) };
    if line.starts_with('/') {
        return Ok(Draft::Text(line));
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let bare = |command| match rest {
        "" => Ok(Draft::Command(command)),
        _ => Err(format!("/{name} takes nothing after it")),
    };
    match name {
        "join" if rest.is_empty() => Err("/join which room? For example: /join chat-general".to_owned()),
        "join" => Ok(Draft::Command(SlashCommand::Join(room(rest)?))),
        "leave" => Ok(Draft::Command(SlashCommand::Leave(room_or_none(rest)?))),
        "who" => Ok(Draft::Command(SlashCommand::Who(room_or_none(rest)?))),
        "rooms" => Ok(Draft::Command(SlashCommand::Rooms((!rest.is_empty()).then(|| rest.to_owned())))),
        "search" if rest.chars().count() > QUERY_CHARS => {
            Err(format!("/search takes at most {QUERY_CHARS} characters"))
        }
        "search" => Ok(Draft::Command(SlashCommand::Search(rest.to_owned()))),
        "clear" => bare(SlashCommand::Clear),
        "me" if rest.is_empty() => Err("/me does what? For example: /me waves".to_owned()),
        "me" => Ok(Draft::Command(SlashCommand::Me(rest.to_owned()))),
        "theme" => Ok(Draft::Command(SlashCommand::Theme(theme(rest)?))),
        "inspect" => bare(SlashCommand::Inspect),
        "help" => bare(SlashCommand::Help),
        "quit" => bare(SlashCommand::Quit),
        _ => match extensions.iter().find(|extension| extension.name == name) {
            Some(extension) => {
                let note = (extension.check)(rest)?;
                let argument = rest.to_owned();
                Ok(Draft::Command(SlashCommand::Extension { name: extension.name, argument, note }))
            }
            None => Err(format!("no command /{name} (/help lists them; //{name} sends it as text)")),
        },
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
    use crate::app::testing::EXTENSIONS;

    fn room_name(name: &str) -> RoomName {
        RoomName::new(name).expect("a name")
    }

    #[test]
    fn commands_are_read() {
        for (line, command) in [
            ("/join büro 7 ", SlashCommand::Join(room_name("büro 7"))),
            ("/leave", SlashCommand::Leave(None)),
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
            ("/help", SlashCommand::Help),
            ("/quit", SlashCommand::Quit),
        ] {
            assert_eq!(parse(line, &[]), Ok(Draft::Command(command)), "{line}");
        }
    }

    #[test]
    fn a_command_that_the_program_added_is_checked() {
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
        assert_eq!(parse("//usr/bin", &[]), Ok(Draft::Text("/usr/bin")));
        assert_eq!(parse("a/b", &[]), Ok(Draft::Text("a/b")));
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
            let error = parse(line, &[]).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
