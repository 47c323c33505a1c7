//! Candidates for the word before the cursor, found from the draft and the known names. Pure.
//!
//! An argument of a command is completed according to its placeholder in the usage; a new placeholder needs an arm in
//! [`argument`]. Other words are an emoji name, a room after `#`, or a nick.

use std::ops::Range;

use realtime_shared::RoomName;
use realtime_shared::name::NAME_CHARS;

use crate::app::composing::command;
use crate::app::theme::Theme;
use crate::sanitize::{self, Line};
use crate::typed_room;

/// The names that can complete a word.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownNames {
    /// Usages of all commands.
    pub(super) commands: Vec<&'static str>,
    /// The other members of the room, the last sender first, those that a search found last.
    pub(super) nicks: Vec<Line>,
    pub(super) ours: Vec<RoomName>,
    /// Rooms that the server listed, which may include the user's.
    pub(super) listed: Vec<RoomName>,
}

/// A completion of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Text in the list.
    pub shown: Line,
    /// Text in the draft.
    pub(super) text: String,
}

/// A completion in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Never empty.
    pub candidates: Vec<Candidate>,
    /// Index of the candidate in the draft.
    pub chosen: usize,
    /// Identity of the pane.
    pub(super) pane: u32,
    /// Bytes of the candidate in the draft.
    pub(super) range: Range<usize>,
    /// Text before the completion.
    pub(super) typed: String,
    /// The server may know more: its answer is on its way, or has only a part.
    pub is_part: bool,
}

/// A word before the cursor, with its candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completable {
    /// Byte offset of the word in the draft.
    pub(super) start: usize,
    /// Candidates in the order in which they are taken; may be empty.
    pub(super) candidates: Vec<Candidate>,
    /// The word is the name of a room.
    pub(super) is_room: bool,
    /// The beginning of a member's name, for which the server can be asked.
    pub(super) prefix: Option<String>,
}

/// Finds the word before the cursor; `None` if there is none.
pub(super) fn find(draft: &str, cursor: usize, names: &KnownNames) -> Option<Completable> {
    let before = &draft[..cursor];
    let is_followed = draft[cursor..].starts_with(' ');
    let mut begun = after_slash(before, names).or_else(|| word(before, names))?;
    if is_followed {
        for candidate in &mut begun.candidates {
            candidate.text.truncate(candidate.text.trim_end_matches(' ').len());
        }
    }
    Some(begun)
}

fn after_slash(before: &str, names: &KnownNames) -> Option<Completable> {
    let line = before.strip_prefix('/').filter(|line| !line.starts_with('/'))?;
    let usages = names.commands.iter().map(|usage| command::parts(usage));
    let matching = usages.filter(|(name, _)| !name.starts_with("//") && begins(&name[1..], line));
    let candidates = matching.map(|(name, argument)| Candidate {
        shown: sanitize::line(name),
        text: if argument.is_empty() { name.to_owned() } else { format!("{name} ") },
    });
    let candidates: Vec<Candidate> = candidates.collect();
    let words = line.split_once(char::is_whitespace).filter(|_| candidates.is_empty());
    let Some((name, rest)) = words else {
        return Some(Completable { start: 0, candidates, is_room: false, prefix: None });
    };
    let written = rest.trim_start();
    let candidates = argument(name, written, names)?;
    Some(Completable { start: before.len() - written.len(), candidates, is_room: true, prefix: None })
}

/// Returns the candidates for the argument of a command; `None` if the argument is free text.
fn argument(name: &str, written: &str, names: &KnownNames) -> Option<Vec<Candidate>> {
    let mut usages = names.commands.iter().map(|usage| command::parts(usage));
    match usages.find(|(known, _)| known[1..] == *name)?.1 {
        "ROOM" | "[ROOM]" | "[PREFIX]" if !written.contains('\n') => {
            let is_ours = name == "leave";
            let written = typed_room::without_sign(written);
            Some(rooms(written, names, is_ours).map(|room| Candidate::room(room, "", "")).collect())
        }
        "[THEME]" => {
            let names = Theme::ALL.into_iter().map(|(theme, _)| theme.name());
            let begun = names.filter(|name| name.starts_with(written));
            Some(begun.map(|name| Candidate { shown: sanitize::line(name), text: name.to_owned() }).collect())
        }
        _ => None,
    }
}

fn word(before: &str, names: &KnownNames) -> Option<Completable> {
    let start = before
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
    let word = &before[start..];
    if let Some((at, candidates)) = emoji(word) {
        return Some(Completable { start: start + at, candidates, is_room: false, prefix: None });
    }
    // A name may contain a bracket or a quote, so the longest beginning of one counts.
    let mut best: Option<Completable> = None;
    for at in beginnings(word) {
        let Some(found) = name_at(before, start + at, at > 0, names) else { continue };
        if !found.candidates.is_empty() {
            return Some(found);
        }
        // The server is asked for one that does not begin with a bracket.
        if best
            .as_ref()
            .is_none_or(|best| best.prefix.as_ref().is_some_and(|name| name.starts_with(is_opening)))
        {
            best = Some(found);
        }
    }
    best
}

/// The offsets in a word at which a name may begin: its start, and behind each bracket or quote.
fn beginnings(word: &str) -> impl Iterator<Item = usize> {
    let openings = word.char_indices().filter(|(_, c)| is_opening(*c));
    [0].into_iter().chain(openings.map(|(at, c)| at + c.len_utf8()))
}

/// Returns true for brackets and quotes before a name. Some languages open with the closing quote of others.
const fn is_opening(c: char) -> bool {
    matches!(
        c,
        '(' | '[' | '{' | '<' | '"' | '\'' | '¡' | '¿' | '«' | '»'
            | '\u{2018}'..='\u{201f}' | '‹' | '›' | '⟨' | '⟪' | '⟦' | '⦅' | '〈' | '《' | '「' | '『' | '【'
            | '〔' | '〖' | '〘' | '〚' | '〝'..='〟' | '﹁' | '﹃' | '（' | '［' | '｛' | '｟' | '｢' | '＂' | '＇' | '＜'
    )
}

/// Completes a name that begins at `start`; `is_behind` a bracket or a quote no space follows it.
fn name_at(before: &str, start: usize, is_behind: bool, names: &KnownNames) -> Option<Completable> {
    let word = &before[start..];
    let space = if is_behind { "" } else { " " };
    if let Some(name) = word.strip_prefix(typed_room::SIGN) {
        let candidates = rooms(name, names, false).map(|room| Candidate::room(room, "#", space)).collect();
        return Some(Completable { start, candidates, is_room: true, prefix: None });
    }
    if word.is_empty() {
        return None;
    }
    let (sign, name) = word.strip_prefix('@').map_or(("", word), |name| ("@", name));
    let is_first = (start == 0 || before[..start].ends_with('\n')) && sign.is_empty();
    let end = if is_first { ": " } else { space };
    let nicks = names.nicks.iter().filter(|nick| begins(nick.as_str(), name));
    let candidates = nicks.map(|nick| Candidate { shown: nick.clone(), text: format!("{sign}{nick}{end}") });
    let is_name = !name.chars().all(is_opening) && name.chars().count() <= NAME_CHARS;
    let prefix = is_name.then(|| name.to_owned());
    Some(Completable { start, candidates: candidates.collect(), is_room: false, prefix })
}

/// Finds emoji by the beginning of a name (`:smi`) or by the whole name (`:smile:`), with the offset of the colon in
/// `word`. A time of day is not a name.
fn emoji(word: &str) -> Option<(usize, Vec<Candidate>)> {
    let open = word.trim_end_matches(':');
    let at = open.rfind(':')?;
    let (name, is_whole) = (&open[at + 1..], open.len() < word.len());
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_+-".contains(c);
    if name.is_empty() || !name.chars().all(is_name) || open[..at].ends_with(char::is_alphanumeric) {
        return None;
    }
    let matches = |code: &str| if is_whole { code == name } else { code.starts_with(name) };
    let mut found: Vec<(&str, &str)> = emojis::iter()
        .flat_map(|emoji| emoji.shortcodes().map(|code| (code, emoji.as_str())))
        .filter(|(code, _)| matches(code))
        .collect();
    found.sort_unstable();
    found.dedup_by_key(|(_, emoji)| *emoji);
    let candidates = found.into_iter().map(|(code, emoji)| Candidate {
        shown: sanitize::line(&format!("{emoji} {code}")),
        text: emoji.to_owned(),
    });
    Some((at, candidates.collect()))
}

/// Returns rooms with this prefix: the user's rooms, then the listed ones unless `is_ours`.
fn rooms<'a>(written: &'a str, names: &'a KnownNames, is_ours: bool) -> impl Iterator<Item = &'a RoomName> {
    let others = names.listed.iter().filter(move |room| !is_ours && !names.ours.contains(room));
    names.ours.iter().chain(others).filter(move |room| begins(room.as_str(), written))
}

/// Returns true if `name` begins with `written`, ignoring case.
fn begins(name: &str, written: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    written.chars().flat_map(char::to_lowercase).all(|c| letters.next() == Some(c))
}

impl Candidate {
    fn room(name: &RoomName, sign: &str, end: &str) -> Self {
        let shown = sanitize::line(name.as_str());
        Self { shown, text: format!("{sign}{name}{end}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::COMMANDS;
    use crate::app::testing::EXTENSIONS;

    fn names() -> KnownNames {
        let room = |name: &str| RoomName::new(name).expect("a name");
        KnownNames {
            commands: COMMANDS.iter().chain(EXTENSIONS[0].rows).map(|(usage, _)| *usage).collect(),
            nicks: ["bob", "alice", "Alexandra", "Ärzte 7", "アリス", "O'Brien"].map(sanitize::line).to_vec(),
            ours: ["dev", "chat"].map(room).to_vec(),
            listed: ["chess", "dev", "büro 7"].map(room).to_vec(),
        }
    }

    /// The completed drafts of `draft`, in which `|` is the cursor.
    fn completed(draft: &str) -> Vec<String> {
        let cursor = draft.find('|').expect("a cursor");
        let (before, after) = (&draft[..cursor], &draft[cursor + 1..]);
        let found = find(&format!("{before}{after}"), cursor, &names());
        let Some(word) = found else { return vec!["no word".to_owned()] };
        word.candidates
            .iter()
            .map(|candidate| format!("{}{}{after}", &before[..word.start], candidate.text))
            .collect()
    }

    #[test]
    fn nicks_are_completed() {
        assert_eq!(completed("al|"), ["alice: ", "Alexandra: "]);
        assert_eq!(completed("AL|"), ["alice: ", "Alexandra: "]);
        assert_eq!(completed("one\nbo|"), ["one\nbob: "]);
        assert_eq!(completed("ask bo|"), ["ask bob "]);
        assert_eq!(completed("ask bo| or so"), ["ask bob or so"]);
        assert_eq!(completed("@bo|"), ["@bob "]);
        assert_eq!(completed("@|").len(), 6);
        assert_eq!(completed("är|"), ["Ärzte 7: "]);
        assert_eq!(completed("zoe|"), [""; 0]);
        assert_eq!(completed("/me greets bo|"), ["/me greets bob "]);
        assert_eq!(completed("日本\u{3000}bo|"), ["日本\u{3000}bob "]);
        assert_eq!(completed("O'B|"), ["O'Brien: "]);
    }

    #[test]
    fn names_are_completed_behind_a_bracket_or_a_quote() {
        assert_eq!(completed("(al|"), ["(alice", "(Alexandra"]);
        assert_eq!(completed("see \"al|"), ["see \"alice", "see \"Alexandra"]);
        for open in ["„", "“", "”", "«", "»", "‹", "‘", "‚", "'", "[", "{", "<", "『", "（", "【", "《", "(("]
        {
            assert_eq!(completed(&format!("so {open}bo|")), [format!("so {open}bob")]);
        }
        assert_eq!(completed("「ア|"), ["「アリス"]);
        assert_eq!(completed("日本「ア|」"), ["日本「アリス」"]);
        assert_eq!(completed("(@bo|)"), ["(@bob)"]);
        assert_eq!(completed("(#ch|"), ["(#chat", "(#chess"]);
        assert_eq!(completed("(|"), [""; 0]);
    }

    /// The beginning of a name for which the server can be asked.
    fn asked(draft: &str) -> Option<String> {
        find(draft, draft.len(), &names()).and_then(|word| word.prefix)
    }

    #[test]
    fn the_server_can_be_asked_for_a_name_and_for_nothing_else() {
        for (draft, prefix) in [
            ("zo", "zo"),
            ("al", "al"),
            ("ask @zo", "zo"),
            ("(zo", "zo"),
            ("((\"zo", "zo"),
            ("O'Nei", "O'Nei"),
            ("/me greets zo", "zo"),
        ] {
            assert_eq!(asked(draft).as_deref(), Some(prefix), "{draft}");
        }
        for draft in ["", "a ", "@", "#zo", "/zo", "/join zo", ":zo"] {
            assert_eq!(asked(draft), None, "{draft}");
        }
    }

    #[test]
    fn commands_and_their_arguments_are_completed() {
        assert_eq!(completed("/jo|"), ["/join "]);
        assert_eq!(completed("/JO|"), ["/join "]);
        assert_eq!(completed("/he|"), ["/help"]);
        assert_eq!(completed("/|").len(), COMMANDS.len() + EXTENSIONS[0].rows.len() - 1, "all but `//text`");
        assert_eq!(completed("/fault |"), ["/fault now ", "/fault later"]);
        assert_eq!(completed("/fault n|"), ["/fault now "]);
        assert_eq!(completed("/fault now |"), ["no word"]);
        assert_eq!(completed("/join |"), ["/join dev", "/join chat", "/join chess", "/join büro 7"]);
        assert_eq!(completed("/who CH|"), ["/who chat", "/who chess"]);
        assert_eq!(completed("/join #ch|"), ["/join chat", "/join chess"]);
        assert_eq!(completed("/join büro |"), ["/join büro 7"]);
        assert_eq!(completed("/theme d|"), ["/theme dark"]);
        assert_eq!(completed("/leave |"), ["/leave dev", "/leave chat"]);
        assert_eq!(completed("/help |"), ["no word"]);
        assert_eq!(completed("//jo|"), [""; 0]);
    }

    #[test]
    fn rooms_are_completed_after_a_hash() {
        assert_eq!(completed("see #ch|"), ["see #chat ", "see #chess "]);
    }

    #[test]
    fn emoji_are_completed_by_name() {
        assert_eq!(completed("hi :rocket|"), ["hi 🚀"]);
        assert_eq!(completed("hi :rocket:|"), ["hi 🚀"]);
        assert_eq!(completed("(:+1|")[0], "(👍");
        assert!(completed(":smil|").len() > 3);
        assert_eq!(completed(":smile:|").len(), 1);
        assert_eq!(completed("at 12:10|"), [""; 0]);
        assert_eq!(completed("https:|"), [""; 0]);
    }

    #[test]
    fn without_a_word_nothing_is_completed() {
        assert_eq!(completed("|"), ["no word"]);
        assert_eq!(completed("a |b"), ["no word"]);
    }
}
