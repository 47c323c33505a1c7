//! Commands of other chat programs: names that mean a command of this one, and answers for the rest.

/// Names in other programs, and the command that does the same here.
const ALIASES: &[(&str, &str)] = &[
    ("j", "join"),
    ("part", "leave"),
    ("close", "leave"),
    ("names", "who"),
    ("members", "who"),
    ("users", "who"),
    ("list", "rooms"),
    ("channels", "rooms"),
    ("buffer", "rooms"),
    ("switch", "rooms"),
    ("find", "search"),
    ("grep", "search"),
    ("lastlog", "search"),
    ("action", "me"),
    ("emote", "me"),
    ("cls", "clear"),
    ("exit", "quit"),
    ("bye", "quit"),
];

/// Commands of other programs that have no counterpart, and what to do instead.
const ANSWERS: &[(&[&str], &str)] = &[
    (
        &["msg", "query", "q", "dm", "notice", "tell", "whisper", "wallops"],
        "there are no direct messages; write @NAME in a room",
    ),
    (&["say"], "write the text without a command"),
    (&["nick"], "your name is in your token; start with another token for another name"),
    (&["pass", "identify", "login", "auth", "register", "nickserv", "ns"], "your token is your login"),
    (&["topic", "t"], "rooms have no topic"),
    (&["whois", "wi", "whowas"], "/who lists the members of a room"),
    (&["away", "back", "status"], "there is no state for being away"),
    (&["ignore", "unignore", "block"], "users cannot be ignored"),
    (
        &["mute", "unmute", "notify", "beep"],
        "[notify] in config.toml selects what notifies you: mentions, all, nothing",
    ),
    (
        &["edit", "delete", "reply", "thread", "react", "pin"],
        "a stored message cannot be changed or answered to",
    ),
    (&["invite", "knock"], "nobody is invited: tell the name of the room"),
    (
        &["kick", "ban", "unban", "mode", "op", "deop", "voice", "devoice", "oper", "chanserv", "cs"],
        "rooms have no operators",
    ),
    (&["connect", "server", "disconnect"], "the server is set with --url or in config.toml"),
    (&["reconnect"], "Ctrl-R connects now"),
    (&["cycle", "rejoin"], "/leave and /join do it in two steps"),
    (
        &["set", "config", "settings", "bind", "alias", "load", "script"],
        "settings and keys are in config.toml",
    ),
    (&["ping", "lag"], "/inspect shows round trips"),
    (&["raw", "quote", "debug"], "/inspect shows the frames; none can be written by hand"),
    (
        &["ctcp", "version", "time", "finger", "motd", "lusers", "stats"],
        "a server and its users are not asked",
    ),
    (&["dcc", "upload", "send", "file"], "files cannot be sent; write a link"),
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
    let all = known.chain(ALIASES.iter().map(|(alias, _)| *alias));
    let nearest = all.map(|other| (distance(other), other)).min_by_key(|(edits, _)| *edits);
    // A short name is near to everything.
    let most = EDITS.min(small.chars().count() / 2);
    let is_near = |(edits, _): &(usize, &str)| *edits <= most;
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
        let aliases = ALIASES.iter().map(|(alias, _)| alias);
        let foreign: Vec<&str> =
            ANSWERS.iter().flat_map(|(names, _)| *names).chain(aliases).copied().collect();
        for (index, name) in foreign.iter().enumerate() {
            assert!(!known().any(|known| known == *name), "{name} exists");
            assert!(!foreign[..index].contains(name), "{name} is there twice");
        }
        // The commands that users of IRC clients type first.
        for name in [
            "query", "msg", "names", "part", "nick", "whois", "topic", "me", "away", "list", "quit",
            "ignore", "mute", "join", "j", "who", "notice", "invite", "kick", "ban", "mode", "op", "server",
            "connect", "ping", "ctcp", "close", "clear", "help", "raw", "quote", "set", "lastlog", "say",
        ] {
            let is_command = known().any(|known| known == own_name(name));
            assert!(is_command || !explain(name, known()).contains("did you mean"), "{name}");
            assert!(is_command || !explain(name, known()).contains("/help lists all"), "{name}");
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
            ("naems", "did you mean /names?"),
            ("lst", "did you mean /list?"),
            ("usr", "/help lists all"),
            ("", "/help lists all"),
            ("x", "/help lists all"),
        ] {
            let explained = explain(name, known());
            assert!(explained.contains(part), "{name}: {explained}");
        }
    }
}
