//! Commands of other chat programs: names that mean a command of this one, and answers for the rest.

/// Names in IRC clients, and the command that does the same here.
const ALIASES: &[(&str, &str)] = &[
    ("j", "join"),
    ("part", "leave"),
    ("names", "who"),
    ("list", "rooms"),
    ("find", "search"),
    ("action", "me"),
    ("exit", "quit"),
    ("bye", "quit"),
];

/// Commands of IRC clients that have no counterpart, and what to do instead.
const ANSWERS: &[(&[&str], &str)] = &[
    (&["msg", "query", "notice"], "there are no direct messages; write @NAME in a room"),
    (&["nick"], "your name is in your token; start with another token for another name"),
    (&["topic"], "rooms have no topic"),
    (&["whois", "whowas"], "/who lists the members of a room"),
    (&["away", "back"], "there is no state for being away"),
    (&["ignore", "unignore"], "users cannot be ignored"),
    (&["invite"], "nobody is invited: tell the name of the room"),
    (&["kick", "ban", "unban", "mode", "op", "deop", "voice"], "rooms have no operators"),
    (&["connect", "server", "disconnect", "reconnect"], "the server is set with --url or in config.toml"),
];

/// Most edits between a typed name and a suggested one.
const EDITS: usize = 2;

/// Returns the command of this program for a name, in small letters.
pub(super) fn own_name(name: &str) -> String {
    let name = name.to_lowercase();
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, own)| (*own).to_owned())
}

/// Returns a sentence about a name that is no command. `known` are all commands, without their slash.
pub(super) fn explain<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let small = name.to_lowercase();
    if let Some((_, answer)) = ANSWERS.iter().find(|(names, _)| names.contains(&small.as_str())) {
        return format!("there is no command /{name}: {answer}");
    }
    let distance = |other: &str| strsim::damerau_levenshtein(&small, other);
    let nearest = known.map(|other| (distance(other), other)).min();
    // A short name is near to everything.
    let is_near = |(edits, other): &(usize, &str)| *edits <= EDITS && *edits < other.len().min(small.len());
    match nearest.filter(is_near) {
        Some((_, other)) => {
            format!("there is no command /{name}; did you mean /{other}? (//{name} sends it as text)")
        }
        None => format!("there is no command /{name} (/help lists all; //{name} sends it as text)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::composing::command::{COMMANDS, parts};

    fn known() -> impl Iterator<Item = &'static str> {
        COMMANDS.iter().map(|(usage, _)| parts(usage).0.trim_start_matches('/'))
    }

    #[test]
    fn names_of_other_programs_lead_to_commands() {
        for (_, own) in ALIASES {
            assert!(known().any(|known| known == *own), "{own}");
        }
        assert_eq!(
            (own_name("PART"), own_name("Join"), own_name("x")),
            ("leave".into(), "join".into(), "x".into())
        );
        for name in ANSWERS.iter().flat_map(|(names, _)| *names) {
            assert!(!known().any(|known| known == *name), "{name} exists");
        }
    }

    #[test]
    fn an_unknown_command_is_answered_with_the_nearest() {
        for (name, part) in [
            ("jion", "did you mean /join?"),
            ("serach", "did you mean /search?"),
            ("quti", "did you mean /quit?"),
            ("msg", "no direct messages"),
            ("NICK", "token"),
            ("usr", "/help lists all"),
            ("", "/help lists all"),
            ("x", "/help lists all"),
        ] {
            let explained = explain(name, known());
            assert!(explained.contains(part), "{name}: {explained}");
        }
    }
}
