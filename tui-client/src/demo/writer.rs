//! Draws conversations and single lines from the script, those that came up longest ago first.

use std::collections::VecDeque;

use realtime_shared::Text;

use super::cast::{PEOPLE, ROOMS};
use super::script::{Script, cast};

/// The script, and the order in which its parts came up.
#[derive(Debug)]
pub(super) struct Writer {
    script: Script,
    common: [Deck; ROOMS.len()],
    visitor: [Deck; ROOMS.len()],
    /// In the order of [`Script::lists`].
    lists: Vec<Deck>,
}

/// A line that a person is to write.
#[derive(Debug, Clone)]
pub(super) struct CastLine {
    /// Index of its author in [`PEOPLE`].
    pub(super) person: usize,
    /// A pause precedes it.
    pub(super) after_pause: bool,
    pub(super) text: Text,
}

/// Indexes, those that came up longest ago first.
#[derive(Debug)]
struct Deck(VecDeque<usize>);

impl Deck {
    fn shuffled(count: usize, random: &mut fastrand::Rng) -> Self {
        let mut order: Vec<_> = (0..count).collect();
        random.shuffle(&mut order);
        Self(order.into())
    }

    /// Draws the first one that is `wanted`, and puts it behind the others.
    fn draw(&mut self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let place = self.0.iter().position(|&index| wanted(index))?;
        let index = self.0.remove(place)?;
        self.0.push_back(index);
        Some(index)
    }
}

impl Writer {
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        let script = Script::bundled();
        let mut deck = |count| Deck::shuffled(count, random);
        let common = script.rooms.each_ref().map(|room| deck(room.common.len()));
        let visitor = script.rooms.each_ref().map(|room| deck(room.visitor.len()));
        let lists = script.lists.iter().map(|(_, lines)| deck(lines.len())).collect();
        Self { script, common, visitor, lists }
    }

    /// A conversation of a room for `people`, who take its parts in order: one that names the visitor, or another.
    pub(super) fn topic(
        &mut self,
        room: usize,
        for_visitor: bool,
        people: &[usize],
    ) -> Option<Vec<CastLine>> {
        let topics = &self.script.rooms[room];
        let (topics, deck) = if for_visitor {
            (&topics.visitor, &mut self.visitor[room])
        } else {
            (&topics.common, &mut self.common[room])
        };
        let names: Vec<_> = people.iter().map(|&person| PEOPLE[person]).collect();
        let topic = &topics[deck.draw(|index| topics[index].parts <= people.len())?];
        let lines = topic.lines.iter().map(|line| {
            let text = Text::new(&cast(line.text, &names)).ok()?;
            Some(CastLine { person: people[line.part], after_pause: line.after_pause, text })
        });
        lines.collect()
    }

    /// A line of the list `name`, with `people` in place of its letters.
    pub(super) fn single_line(&mut self, name: &str, people: &[&str]) -> Option<Text> {
        let list = self.script.lists.iter().position(|(list, _)| *list == name)?;
        let index = self.lists[list].draw(|_| true)?;
        Text::new(&cast(self.script.lists[list].1[index], people)).ok()
    }
}

/// The list that has an answer to `text`, which is in lower case.
pub(super) fn kind_of_answer(text: &str, names_who_is_here: bool, names_who_is_away: bool) -> &'static str {
    let begins_with = |words: &[&str]| {
        let first = text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        words.contains(&first)
    };
    if names_who_is_away {
        "answer-away"
    } else if begins_with(&["hi", "hello", "hey", "moin", "hallo", "morning", "good"]) {
        "answer-greeting"
    } else if begins_with(&["thanks", "thank", "thx", "danke", "merci", "cheers"]) {
        "answer-thanks"
    } else if text.contains('?') {
        "answer-question"
    } else if names_who_is_here {
        "answer-name"
    } else if text.contains('`') {
        "answer-code"
    } else {
        "answer"
    }
}
