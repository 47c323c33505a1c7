//! What the users of the demo say: the files in `script/`, read into topics and words.
//!
//! To add a topic, write it into its room's file; to add a word or a single line, into `words.txt`. The forms are
//! explained at the top of these files, and the tests say what is wrong with a new line.

use super::cast::{ROOMS, VISITOR};
use super::template::{self, Template};

const WORDS: &str = include_str!("script/words.txt");
/// In the order of [`ROOMS`].
const TOPICS: [&str; ROOMS.len()] =
    [include_str!("script/chat-general.txt"), include_str!("script/dev.txt"), include_str!("script/ops.txt")];

/// Everything that may be said.
#[derive(Debug)]
pub(super) struct Script {
    /// For each room what is talked about there.
    pub(super) rooms: [Topics; ROOMS.len()],
    /// Lists of words and of single lines; templates refer to them by index.
    pub(super) lists: Vec<Vec<Template>>,
    names: Vec<&'static str>,
}

/// What is talked about in a room.
#[derive(Debug)]
pub(super) struct Topics {
    /// At any time.
    pub(super) common: Vec<Topic>,
    /// While the visitor is there.
    pub(super) visitor: Vec<Topic>,
}

/// A conversation from its first line to its last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topic {
    /// How many people it needs. Optional lines may be of more.
    pub(super) parts: usize,
    /// What they say, in order.
    pub(super) lines: Vec<Line>,
}

/// A line of a topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Whose, by the index of the part.
    pub(super) part: usize,
    /// Whether it may be left out.
    pub(super) optional: bool,
    /// Whether something has to be done before it.
    pub(super) after_pause: bool,
    /// The words.
    pub(super) text: Template,
}

impl Script {
    /// The script that is part of the program.
    pub(super) fn bundled() -> Self {
        Self::parse(WORDS, TOPICS).expect("the tests read the script that is part of the program")
    }

    /// The index of the list with that name.
    pub(super) fn list(&self, name: &str) -> usize {
        self.names.iter().position(|known| *known == name).expect("a list that is in words.txt")
    }

    fn parse(words: &'static str, topics: [&'static str; ROOMS.len()]) -> Result<Self, String> {
        let sections = sections(words)?;
        let names: Vec<_> = sections.iter().map(|(name, _)| *name).collect();
        let lists = sections
            .iter()
            .map(|(name, lines)| {
                let values = lines.iter().map(|line| Template::parse(line, &names));
                values.collect::<Result<Vec<_>, _>>().map_err(|fault| format!("{name}: {fault}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let [general, dev, ops] = topics.map(|text| Topics::parse(text, &names));
        Ok(Self { rooms: [general?, dev?, ops?], lists, names })
    }
}

impl Topics {
    fn parse(text: &str, names: &[&str]) -> Result<Self, String> {
        let mention = format!("@{VISITOR}");
        let mut topics = Self { common: Vec::new(), visitor: Vec::new() };
        for (title, lines) in sections(text)? {
            let topic = Topic::parse(&lines, names).map_err(|fault| format!("{title}: {fault}"))?;
            let for_visitor = lines.iter().any(|line| line.contains(&mention));
            if for_visitor { &mut topics.visitor } else { &mut topics.common }.push(topic);
        }
        Ok(topics)
    }
}

impl Topic {
    fn parse(written: &[&str], names: &[&str]) -> Result<Self, String> {
        let mut lines = Vec::new();
        let mut after_pause = false;
        for line in written {
            if *line == "..." {
                after_pause = true;
                continue;
            }
            let (head, text) = line.split_once(": ").ok_or_else(|| format!("who says `{line}`?"))?;
            let letter = head.trim_start_matches('?');
            let part = letter
                .parse()
                .ok()
                .and_then(template::part)
                .ok_or_else(|| format!("`{letter}` is nobody's part"))?;
            let optional = letter.len() < head.len();
            lines.push(Line { part, optional, after_pause, text: Template::parse(text, names)? });
            after_pause = false;
        }
        let needed = lines.iter().filter(|line| !line.optional).map(Line::parts);
        Ok(Self { parts: needed.max().ok_or("is empty")?, lines })
    }
}

impl Line {
    /// How many people have to be there for it.
    pub(super) fn parts(&self) -> usize {
        self.text.parts().max(self.part + 1)
    }
}

/// Titles, and the lines below each.
fn sections(text: &str) -> Result<Vec<(&str, Vec<&str>)>, String> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("= "), sections.last_mut()) {
            (Some(title), _) => sections.push((title, Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => return Err(format!("`{line}` stands above the first title")),
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use realtime_shared::Text;

    use super::*;
    use crate::demo::template::Context;

    fn parse(topics: &'static str) -> Result<Script, String> {
        Script::parse("= tool\nsaw\naxe\n", [topics, "", ""])
    }

    /// Everything in the bundled script, said in many ways.
    fn everything_said() -> impl Iterator<Item = String> {
        let script = Script::bundled();
        (0..150).flat_map(move |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut said = Vec::new();
            for topic in script.rooms.iter().flat_map(|room| room.common.iter().chain(&room.visitor)) {
                let mut context = Context::new(&["ann", "bob", "cid", "dee"]);
                said.extend(
                    topic.lines.iter().map(|line| line.text.say(&script.lists, &mut context, &mut random)),
                );
            }
            for list in &script.lists {
                said.extend(
                    list.iter()
                        .map(|line| line.say(&script.lists, &mut Context::new(&["ann", "bob"]), &mut random)),
                );
            }
            said
        })
    }

    #[test]
    fn a_topic_is_read() {
        let script = parse("# why\n= sharpening\na: a {tool}\n\n?b: [mine, @c|no]\n...\na: @b done\n")
            .expect("a topic");
        let [topic] = &script.rooms[0].common[..] else { panic!("one topic") };
        assert_eq!((topic.parts, topic.lines[1].parts()), (2, 3));
        let lines: Vec<_> =
            topic.lines.iter().map(|line| (line.part, line.optional, line.after_pause)).collect();
        assert_eq!(lines, [(0, false, false), (1, true, false), (0, false, true)]);
    }

    #[test]
    fn topics_for_the_visitor_are_kept_apart() {
        let script = parse("= one\na: hi\n= two\na: hi\nb: hi @you\n").expect("topics");
        assert_eq!((script.rooms[0].common.len(), script.rooms[0].visitor.len()), (1, 1));
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("a: hi\n", "`a: hi` stands above the first title"),
            ("= t\nhi\n", "t: who says `hi`?"),
            ("= t\ne: hi\n", "t: `e` is nobody's part"),
            ("= t\na: {saw}\n", "t: no words for {saw}"),
            ("= t\n", "t: is empty"),
        ] {
            assert_eq!(parse(text).err().as_deref(), Some(fault));
        }
    }

    #[test]
    fn all_that_is_said_is_well_written() {
        for said in everything_said() {
            assert!(Text::new(&said).is_ok(), "{said:?}");
            let prose = said.split('`').step_by(2).collect::<Vec<_>>().join("`");
            for slip in ["  ", " ,", " .", " ?", " !", "..", "?.", "!.", ",.", "@a ", "@b ", "{", "["] {
                assert!(!prose.contains(slip), "{slip:?} in {said:?}");
            }
            assert_eq!(said.trim(), said, "{said:?}");
        }
    }

    #[test]
    fn the_visitor_is_named_on_purpose_only() {
        for said in everything_said() {
            let words = said.split(|c: char| !c.is_alphanumeric() && c != '@');
            assert!(words.into_iter().all(|word| word.to_lowercase() != VISITOR), "{said:?}");
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
