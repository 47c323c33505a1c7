//! Rows of the help: keys, commands and signs.

use super::look::Glyphs;
use crate::app::{GROUPS, Keymap};

/// Commands with their descriptions.
type Commands<'a> = &'a [(&'static str, &'static str)];

/// A key, command or sign, and its description.
type HelpRow = (String, String);

/// Meaning of the signs. The README has the same list.
fn signs(glyph: &Glyphs) -> Vec<HelpRow> {
    let Glyphs { online, connecting, waiting, failed, up, down, queued, sent, stored, .. } = glyph;
    [
        (format!("{online} 23 ms"), "connected, and the time from a ping to its pong"),
        (format!("{connecting} connecting"), "a connection is being made"),
        (format!("{waiting} retry 12 s"), "no connection; time until the next attempt"),
        (format!("{failed} stopped"), "no connection, and no automatic attempt"),
        (format!("{up} 3 queued"), "messages that wait to be sent"),
        (format!("{queued} queued"), "your message waits to be sent"),
        (format!("{queued} waiting"), "your message was refused for now, with the reason; it is sent again"),
        ((*sent).to_owned(), "your message is sent, but not acknowledged yet"),
        ((*stored).to_owned(), "your message is stored"),
        (format!("{failed} not sent"), "your message was refused, with the reason"),
        ("@1 4".to_owned(), "four unread messages, one of which mentions you"),
        (format!("+alice {}bob", glyph.minus), "alice joined and bob left, with no message between"),
        (glyph.here.to_owned(), "the room that is shown"),
        ("+ ops".to_owned(), "in the list of rooms: a room that you are not in"),
        (glyph.typing.to_owned(), "members who are typing"),
        (
            format!("{down} @1"),
            "mentions in rooms below the edge of the list; 3 new are messages, 12 more rooms",
        ),
        (format!("{down} 12 newer"), "you are scrolled back, with 12 newer items below"),
    ]
    .map(|(sign, means)| (sign, means.to_owned()))
    .into()
}

/// The lists with their titles: the current keys, commands, signs.
pub(super) fn lists(
    keymap: &Keymap,
    commands: Commands<'_>,
    glyph: &Glyphs,
) -> Vec<(&'static str, Vec<HelpRow>)> {
    let key = |row| keymap.row(row).map(|(keys, does)| (glyph.own(&keys).into_owned(), does));
    let keys = GROUPS.iter().map(|(title, rows)| (*title, rows.iter().filter_map(key).collect()));
    let commands = commands.iter().map(|(what, does)| ((*what).into(), (*does).into())).collect();
    keys.chain([("COMMANDS", commands), ("SIGNS", signs(glyph))]).collect()
}

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use super::*;
    use crate::app::{COMMANDS, Theme};
    use crate::ui::look::Look;
    use crate::ui::tests::TERMINAL;

    /// First two columns of the tables in the README.
    fn readme() -> Vec<(String, String)> {
        include_str!("../../README.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
            .map(|(what, does)| (what.to_owned(), does.to_owned()))
            .collect()
    }

    #[test]
    fn the_readme_and_the_help_have_the_same_rows() {
        let readme = readme();
        let commands = [COMMANDS, crate::demo::EXTENSIONS[0].rows].concat();
        let look = Look::new(Theme::Auto, TERMINAL);
        let help: Vec<HelpRow> = lists(&Keymap::default(), &commands, look.glyph())
            .into_iter()
            .flat_map(|(_, list)| list)
            .collect();
        for row in &help {
            assert!(readme.contains(row), "not in the README: {row:?}");
        }
        for row in readme.iter().filter(|(what, _)| !what.starts_with("--")) {
            assert!(help.contains(row), "not in the help: {row:?}");
        }
    }
}
