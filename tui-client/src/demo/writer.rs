//! Fresh words for the people: topics with their parts given out, and single lines.
//!
//! What was said is not said again while it is among the last [`REMEMBERED`] messages of all rooms.

use std::collections::VecDeque;

use realtime_shared::Text;

use super::cast::{PEOPLE, ROOMS};
use super::script::Script;
use super::template::{Context, Template};

/// Messages that are not said again while they are among the last ones.
pub(super) const REMEMBERED: usize = 240;
/// How often another text is tried for one that was said already.
const TRIES: usize = 12;

/// Knows the script, and what was said.
#[derive(Debug)]
pub(super) struct Writer {
    script: Script,
    common: [Deck; ROOMS.len()],
    visitor: [Deck; ROOMS.len()],
    said: VecDeque<Text>,
}

/// A line that is to be said.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// By whom.
    pub(super) person: usize,
    /// Whether something has to be done before it.
    pub(super) after_pause: bool,
    /// What.
    pub(super) text: Text,
}

/// Topics by index, those that came up longest ago first.
#[derive(Debug)]
struct Deck(VecDeque<usize>);

impl Deck {
    fn shuffled(topics: usize, random: &mut fastrand::Rng) -> Self {
        let mut order: Vec<_> = (0..topics).collect();
        random.shuffle(&mut order);
        Self(order.into())
    }

    /// Draws one that is `wanted`, out of the third that did not come up for longest where it can.
    fn draw(&mut self, random: &mut fastrand::Rng, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let fresh = self.0.len().div_ceil(3);
        let places: Vec<_> = (0..self.0.len()).filter(|&place| wanted(self.0[place])).collect();
        let (first, later): (Vec<_>, Vec<_>) = places.into_iter().partition(|&place| place < fresh);
        let place = random.choice(first).or_else(|| later.first().copied())?;
        let topic = self.0.remove(place)?;
        self.0.push_back(topic);
        Some(topic)
    }
}

impl Writer {
    /// A writer who has said nothing yet.
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        let script = Script::bundled();
        let mut decks = |topics: [usize; ROOMS.len()]| topics.map(|count| Deck::shuffled(count, random));
        let common = decks(script.rooms.each_ref().map(|room| room.common.len()));
        let visitor = decks(script.rooms.each_ref().map(|room| room.visitor.len()));
        Self { script, common, visitor, said: VecDeque::new() }
    }

    /// A topic of a room with all its lines, whose parts go to `people` in order; one that addresses the visitor, or
    /// one that does not.
    pub(super) fn topic(
        &mut self,
        room: usize,
        for_visitor: bool,
        people: &[usize],
        random: &mut fastrand::Rng,
    ) -> Option<Vec<Line>> {
        let topics = &self.script.rooms[room];
        let (topics, deck) = if for_visitor {
            (&topics.visitor, &mut self.visitor[room])
        } else {
            (&topics.common, &mut self.common[room])
        };
        let cast: Vec<_> = people.iter().map(|&person| PEOPLE[person]).collect();
        for _ in 0..TRIES {
            let index = deck.draw(random, |topic| topics[topic].parts <= people.len())?;
            let mut context = Context::new(&cast);
            let mut lines = Vec::new();
            let mut is_whole = true;
            for line in &topics[index].lines {
                if line.optional && (line.parts() > people.len() || random.bool()) {
                    continue;
                }
                let Some(text) = fresh(&line.text, &self.script.lists, &self.said, &mut context, random)
                else {
                    is_whole &= line.optional;
                    continue;
                };
                lines.push(Line { person: people[line.part], after_pause: line.after_pause, text });
            }
            if is_whole {
                for line in &lines {
                    remember(&mut self.said, &line.text);
                }
                return Some(lines);
            }
        }
        None
    }

    /// A line of that list, with those people for its parts.
    pub(super) fn single_line(
        &mut self,
        list: &str,
        cast: &[&str],
        random: &mut fastrand::Rng,
    ) -> Option<Text> {
        let list = self.script.list(list);
        for _ in 0..TRIES {
            let template = random.choice(&self.script.lists[list])?;
            let context = &mut Context::new(cast);
            if let Some(text) = fresh(template, &self.script.lists, &self.said, context, random) {
                remember(&mut self.said, &text);
                return Some(text);
            }
        }
        None
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

/// A way to say it that was not used lately.
fn fresh(
    template: &Template,
    lists: &[Vec<Template>],
    said: &VecDeque<Text>,
    context: &mut Context<'_>,
    random: &mut fastrand::Rng,
) -> Option<Text> {
    (0..TRIES).find_map(|_| {
        let text = Text::new(&template.say(lists, context, random)).ok()?;
        (!said.contains(&text)).then_some(text)
    })
}

fn remember(said: &mut VecDeque<Text>, text: &Text) {
    said.push_back(text.clone());
    if said.len() > REMEMBERED {
        said.pop_front();
    }
}
