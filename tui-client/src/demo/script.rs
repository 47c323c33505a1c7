//! The talk of the demo: the transcripts in `script/`, one for each room, and single lines such as answers.
//!
//! To add a conversation, write it into the transcript of its room. The head of each file describes its format; the
//! tests name the faults of a new line.

use super::cast::{ROOMS, VISITOR};

const LINES: &str = include_str!("script/lines.txt");
/// In the order of [`ROOMS`].
const TRANSCRIPTS: [&str; ROOMS.len()] =
    [include_str!("script/chat-general.txt"), include_str!("script/dev.txt"), include_str!("script/ops.txt")];

/// Letters of the people of a conversation.
const LETTERS: &str = "abcd";

/// All conversations and single lines.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) rooms: [Topics; ROOMS.len()],
    /// Single lines by the name of their list.
    pub(super) lists: Vec<(&'static str, Vec<&'static str>)>,
}

/// The conversations of a room.
#[derive(Debug)]
pub(super) struct Topics {
    /// Conversations for any time.
    pub(super) common: Vec<Topic>,
    /// Conversations that name the visitor.
    pub(super) visitor: Vec<Topic>,
}

/// A conversation from its first line to its last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topic {
    /// Number of people in it, those that are only named included.
    pub(super) parts: usize,
    pub(super) lines: Vec<ScriptLine>,
}

/// A line of a conversation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ScriptLine {
    /// Index of its author among the people of the conversation.
    pub(super) part: usize,
    /// A pause precedes it.
    pub(super) after_pause: bool,
    pub(super) text: &'static str,
}

impl Script {
    /// The script that is part of the program.
    pub(super) fn bundled() -> Self {
        Self::parse(LINES, TRANSCRIPTS).expect("tests parse the bundled script")
    }

    fn parse(lines: &'static str, transcripts: [&'static str; ROOMS.len()]) -> Result<Self, String> {
        let [general, dev, ops] = transcripts.map(Topics::parse);
        Ok(Self { rooms: [general?, dev?, ops?], lists: sections(lines)? })
    }
}

impl Topics {
    fn parse(text: &'static str) -> Result<Self, String> {
        let mention = format!("@{VISITOR}");
        let mut topics = Self { common: Vec::new(), visitor: Vec::new() };
        for (title, lines) in sections(text)? {
            let topic = Topic::parse(&lines).map_err(|fault| format!("{title}: {fault}"))?;
            let for_visitor = lines.iter().any(|line| line.contains(&mention));
            if for_visitor { &mut topics.visitor } else { &mut topics.common }.push(topic);
        }
        Ok(topics)
    }
}

impl Topic {
    fn parse(written: &[&'static str]) -> Result<Self, String> {
        let (mut lines, mut after_pause) = (Vec::new(), false);
        for line in written {
            if *line == "..." {
                after_pause = true;
                continue;
            }
            let (author, text) =
                line.split_once(": ").ok_or_else(|| format!("`{line}` begins with no author"))?;
            let part = LETTERS.find(author).filter(|_| author.len() == 1);
            let part = part.ok_or_else(|| format!("`{author}` is not one of a, b, c and d"))?;
            lines.push(ScriptLine { part, after_pause, text });
            after_pause = false;
        }
        let parts = lines.iter().map(|line| parts(line.text).max(line.part + 1)).max();
        Ok(Self { parts: parts.ok_or("is empty")?, lines })
    }
}

/// Text of a line with `people` in place of the letters.
pub(super) fn cast(text: &str, people: &[&str]) -> String {
    let mut words = text.split('@');
    let mut said = words.next().unwrap_or_default().to_owned();
    for word in words {
        let person = mentioned(word).and_then(|part| people.get(part));
        said.push('@');
        said.push_str(person.copied().unwrap_or_default());
        said.push_str(if person.is_some() { &word[1..] } else { word });
    }
    said.replace("\\n", "\n")
}

/// Number of people that a text needs: 0 where it names none.
fn parts(text: &str) -> usize {
    text.split('@').skip(1).filter_map(mentioned).map(|part| part + 1).max().unwrap_or(0)
}

/// The person whom a text behind an `@` names by letter.
fn mentioned(word: &str) -> Option<usize> {
    let mut letters = word.chars();
    let part = LETTERS.find(letters.next()?)?;
    (!letters.next().is_some_and(char::is_alphanumeric)).then_some(part)
}

/// Titles, and the lines below each.
fn sections(text: &str) -> Result<Vec<(&str, Vec<&str>)>, String> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("= "), sections.last_mut()) {
            (Some(title), _) => sections.push((title, Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => return Err(format!("`{line}` precedes the first title")),
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use realtime_shared::Text;

    use super::*;

    fn parse(transcript: &'static str) -> Result<Script, String> {
        Script::parse("= tool\nsaw\naxe\n", [transcript, "", ""])
    }

    /// All lines of the bundled script, as people write them.
    fn all_lines() -> Vec<String> {
        let script = Script::bundled();
        let topics = script.rooms.iter().flat_map(|room| room.common.iter().chain(&room.visitor));
        let lines = topics.flat_map(|topic| topic.lines.iter().map(|line| line.text));
        let singles = script.lists.iter().flat_map(|(_, lines)| lines.iter().copied());
        lines.chain(singles).map(|text| cast(text, &["ann", "bob", "cid", "dee"])).collect()
    }

    #[test]
    fn a_conversation_is_read() {
        let script =
            parse("# head\n= sharpening\na: a saw\n\nb: mine, @c\n...\na: @b done\n").expect("sound");
        let [topic] = &script.rooms[0].common[..] else { panic!("one topic") };
        assert_eq!(topic.parts, 3);
        let lines: Vec<_> = topic.lines.iter().map(|line| (line.part, line.after_pause)).collect();
        assert_eq!(lines, [(0, false), (1, false), (0, true)]);
        assert_eq!(script.lists, [("tool", vec!["saw", "axe"])]);
    }

    #[test]
    fn people_take_the_place_of_letters() {
        let people = ["ann", "bob"];
        assert_eq!(cast("@b: `x`\\n@a, @you and @all", &people), "@bob: `x`\n@ann, @you and @all");
        assert_eq!(cast("a@b.example", &people), "a@bob.example");
        assert_eq!(cast("@c", &people), "@c");
    }

    #[test]
    fn conversations_that_name_the_visitor_are_kept_apart() {
        let script = parse("= one\na: hi\n= two\na: hi\nb: hi @you\n").expect("sound");
        assert_eq!((script.rooms[0].common.len(), script.rooms[0].visitor.len()), (1, 1));
    }

    #[test]
    fn faults_name_their_conversation() {
        for (text, fault) in [
            ("a: hi\n", "`a: hi` precedes the first title"),
            ("= t\nhi\n", "t: `hi` begins with no author"),
            ("= t\ne: hi\n", "t: `e` is not one of a, b, c and d"),
            ("= t\nab: hi\n", "t: `ab` is not one of a, b, c and d"),
            ("= t\n", "t: is empty"),
        ] {
            assert_eq!(parse(text).err().as_deref(), Some(fault));
        }
    }

    #[test]
    fn all_lines_are_well_written_and_differ() {
        let mut seen = BTreeSet::new();
        for line in all_lines() {
            assert!(Text::new(&line).is_ok(), "{line:?}");
            let prose = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            for slip in ["  ", " ,", " .", " ?", " !", "..", "?.", "!.", ",.", "@a ", "@b ", "{", "[", "|"] {
                assert!(!prose.contains(slip), "{slip:?} in {line:?}");
            }
            assert_eq!(line.trim(), line, "{line:?}");
            assert!(seen.insert(line.clone()), "twice: {line:?}");
        }
    }

    /// Any other mention would call the user.
    #[test]
    fn the_visitor_is_named_behind_an_at_sign_only() {
        for line in all_lines() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '@');
            assert!(words.into_iter().all(|word| word.to_lowercase() != VISITOR), "{line:?}");
        }
    }

    #[test]
    fn every_room_has_talk_for_two_and_for_the_visitor() {
        for room in Script::bundled().rooms {
            assert!(room.common.iter().filter(|topic| topic.parts <= 2).count() >= 4);
            assert!(room.visitor.iter().any(|topic| topic.parts <= 2));
        }
    }
}
