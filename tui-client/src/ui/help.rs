//! The keys, commands and signs, as rows for the overlay.

use crate::app::{GROUPS, Keymap};

/// What the signs of the screen mean; the README has the same list.
pub const SIGNS: &[(&str, &str)] = &[
    ("● 23 ms", "connected, and the time from a ping to its pong"),
    ("◐ connecting", "a connection is being made"),
    ("○ retry 12 s", "no connection; the next try comes then"),
    ("✗ stopped", "no connection, and no try follows by itself"),
    ("↑ 3 queued", "messages that wait to be sent"),
    ("… queued", "your message waits to be sent"),
    ("… waiting", "the server does not take your message now, and why; it goes again by itself"),
    ("…", "your message is sent and not known to be stored"),
    ("✓", "your message is stored"),
    ("✗ not sent", "your message was refused, and why"),
    ("@1 4", "four unread messages, one of them names you"),
    ("+alice −bob", "alice came and bob left, with nothing said between"),
    ("▸", "the room you look at"),
    ("+ ops", "a room that you are not in, where rooms are looked for"),
    ("✎", "is typing"),
    ("↓ 12 newer", "you are scrolled back, and so many items are below"),
];

/// Commands and what they do.
type Commands<'a> = &'a [(&'static str, &'static str)];

/// What something is called, and what it does.
type Row = (String, String);

/// The lists, each with its title: keys as they are given now, commands, signs.
pub(super) fn lists(keymap: &Keymap, commands: Commands<'_>) -> Vec<(&'static str, Vec<Row>)> {
    let keys =
        GROUPS.iter().map(|(title, rows)| (*title, rows.iter().filter_map(|row| keymap.row(row)).collect()));
    let fixed = [("COMMANDS", commands), ("SIGNS", SIGNS)].map(|(title, rows)| {
        (title, rows.iter().map(|(what, does)| ((*what).into(), (*does).into())).collect())
    });
    keys.chain(fixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{COMMANDS, DEMO_COMMANDS};

    /// The rows of the tables in the README: what is in the first two columns.
    fn readme() -> Vec<(String, String)> {
        include_str!("../../README.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
            .map(|(what, does)| (what.to_owned(), does.to_owned()))
            .collect()
    }

    #[test]
    fn the_readme_and_the_help_say_the_same() {
        let readme = readme();
        let commands = [COMMANDS, DEMO_COMMANDS].concat();
        let help: Vec<Row> =
            lists(&Keymap::default(), &commands).into_iter().flat_map(|(_, list)| list).collect();
        for row in &help {
            assert!(readme.contains(row), "not in the README: {row:?}");
        }
        for row in readme.iter().filter(|(what, _)| !what.starts_with("--")) {
            assert!(help.contains(row), "not in the help: {row:?}");
        }
    }
}
