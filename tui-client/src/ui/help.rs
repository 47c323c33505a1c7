//! Rows of the help: keys, commands and signs, all of them or those that match a query.

use unicode_segmentation::UnicodeSegmentation;

use super::look::Glyphs;
use crate::app::{GROUPS, Keymap, find_words};

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
        (format!("{connecting} no answer"), "a message, a join or a ping has no answer after 3 s"),
        (
            format!("{connecting} waiting"),
            "the server refuses a message or a join for now; the header has the reason",
        ),
        (format!("{waiting} retry 12 s"), "no connection; time until the next attempt"),
        (format!("{failed} stopped"), "no connection, and no automatic attempt"),
        (format!("{up} 3 queued"), "messages that wait to be sent"),
        (format!("{queued} queued"), "your message waits to be sent"),
        (format!("{queued} waiting"), "your message was refused for now; it is sent again"),
        ((*sent).to_owned(), "your message is sent, but not acknowledged yet"),
        ((*stored).to_owned(), "your message is stored"),
        (format!("{failed} not sent"), "your message was refused, with the reason"),
        ("@1 4".to_owned(), "four unread messages, one of which mentions you"),
        (format!("+alice {}bob", glyph.minus), "alice joined and bob left, with no message between"),
        (glyph.here.to_owned(), "the room that is shown"),
        ("+ ops".to_owned(), "in the list of rooms: a room that you are not in"),
        (glyph.typing.to_owned(), "members who are typing"),
        (
            format!("alice{}", glyph.doubt),
            "a user or room whose name mixes scripts or looks like another one; /who has the reason for users",
        ),
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

/// A row that matches the query.
pub(super) struct FoundRow {
    pub(super) what: String,
    pub(super) does: String,
    /// Indexes of the graphemes of `what` and of `does` that match, ascending.
    pub(super) in_what: Vec<u32>,
    pub(super) in_does: Vec<u32>,
}

/// A list with the rows that match the query.
pub(super) struct FoundList {
    pub(super) title: &'static str,
    /// Indexes of the letters of the title that match, ascending.
    pub(super) in_title: Vec<u32>,
    pub(super) rows: Vec<FoundRow>,
}

/// Selects the rows that contain the words of the query, together with the title of their list. Lists without a row are
/// left out.
pub(super) fn find(lists: Vec<(&'static str, Vec<HelpRow>)>, query: &str) -> Vec<FoundList> {
    let rows = lists.iter().flat_map(|(title, rows)| rows.iter().map(move |row| (*title, row)));
    let texts: Vec<String> = rows.map(|(title, (what, does))| format!("{title} {what} {does}")).collect();
    let mut matches = find_words(query.trim(), texts.iter().map(String::as_str)).into_iter().peekable();
    let mut index = 0;
    let mut found = Vec::new();
    for (title, rows) in lists {
        let mut list = FoundList { title, in_title: Vec::new(), rows: Vec::new() };
        for (what, does) in rows {
            if let Some(matched) = matches.next_if(|found| found.index == index) {
                let [in_title, in_what, in_does] = split(&matched.matched, [title, &what, &does]);
                list.in_title.extend(in_title);
                list.rows.push(FoundRow { what, does, in_what, in_does });
            }
            index += 1;
        }
        if !list.rows.is_empty() {
            list.in_title.sort_unstable();
            found.push(list);
        }
    }
    found
}

/// Splits indexes of graphemes in texts that are joined with spaces.
fn split<const N: usize>(matched: &[u32], texts: [&str; N]) -> [Vec<u32>; N] {
    let mut start = 0;
    texts.map(|text| {
        let count = u32::try_from(text.graphemes(true).count()).unwrap_or(u32::MAX);
        let own = matched.iter().filter_map(|at| at.checked_sub(start)).filter(|at| *at < count).collect();
        start += count + 1;
        own
    })
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

    fn all() -> Vec<(&'static str, Vec<HelpRow>)> {
        lists(&Keymap::default(), COMMANDS, Look::new(Theme::Auto, TERMINAL).glyph())
    }

    #[test]
    fn a_query_selects_rows_by_key_explanation_and_title() {
        let rows = |query: &str| -> Vec<String> {
            find(all(), query).into_iter().flat_map(|list| list.rows).map(|row| row.what).collect()
        };
        assert_eq!(rows("").len(), all().iter().map(|(_, rows)| rows.len()).sum::<usize>());
        assert_eq!(rows("alt-a"), ["Alt-A"]);
        assert_eq!(rows("redraw SCREEN"), ["Ctrl-L"]);
        assert_eq!(rows("/who members"), ["/who [ROOM]"]);
        assert_eq!(rows("commands").len(), COMMANDS.len(), "the whole list");
        assert_eq!(rows("qiut asks"), ["Ctrl-C, Ctrl-Q"], "misspelled");
        for nothing in ["zebra", "banana", "hte"] {
            assert_eq!(rows(nothing), [""; 0], "{nothing}");
        }
        assert!(rows("xyzzy").is_empty());
    }

    #[test]
    fn the_matched_letters_of_each_part_are_marked() {
        let found = find(vec![("SIGNS", vec![("● 23 ms".to_owned(), "a ping".to_owned())])], "ing ms sig");
        let [FoundList { in_title, rows, .. }] = found.as_slice() else { panic!("one list") };
        assert_eq!((in_title.as_slice(), rows[0].in_what.as_slice()), (&[0, 1, 2][..], &[5, 6][..]));
        assert_eq!(rows[0].in_does, [3, 4, 5]);
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
