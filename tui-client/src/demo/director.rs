//! Director of the demo: decides on messages, joins and leaves. Pure, with time and randomness as parameters.
//!
//! ```text
//!  Director::step(now) ─▶ cues ─▶ the driver performs them
//!      ▲ rooms: topics, line by line ─┐
//!      │ asides: greetings, answers ──┴▶ a speech: typing, then the message
//!      └─ events of the visitor
//! ```
//!
//! Invariants:
//! - A person types before a message, in one room at a time, and only in a room that they are in.
//! - Nobody leaves in the middle of a conversation.
//! - A conversation is not repeated before the other ones of its room.
//! - Missed time (the machine slept) is not made up for.
//! - After [`Director::step`], [`Director::next_at`] is later than its `now`.

pub(super) mod history;

use std::collections::VecDeque;
use std::time::Duration;

use realtime_shared::Text;

use super::cast::{PEOPLE, ROOMS};
use super::speech::{Speech, millis};
use super::writer::{CastLine, Writer, kind_of_answer};

/// Absence after which a returning visitor is greeted again.
const GREET_AGAIN: Duration = Duration::from_mins(2);
/// Shortest time between two greetings, in all rooms together.
const GREET_PAUSE: Duration = Duration::from_secs(20);

/// An action of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cue {
    /// Index in [`PEOPLE`].
    pub(super) person: usize,
    /// Index in [`ROOMS`].
    pub(super) room: usize,
    pub(super) action: CueAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CueAction {
    Join,
    Leave,
    /// Begin to type, or stop without a message.
    Typing(bool),
    /// Send a message, which ends the typing.
    Send(Text),
}

/// State of the people and rooms. Times count from the start.
#[derive(Debug)]
pub(super) struct Director {
    writer: Writer,
    random: fastrand::Rng,
    people: [Person; PEOPLE.len()],
    rooms: [DemoRoom; ROOMS.len()],
    asides: Vec<Aside>,
    next_departure: Duration,
    next_mention: Duration,
    last_greeting: Option<Duration>,
}

#[derive(Debug)]
struct Person {
    presence: [PersonPresence; ROOMS.len()],
    speech: Option<Speech>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PersonPresence {
    Here,
    /// Sends a last message and leaves.
    Leaving,
    Away {
        until: Duration,
    },
}

#[derive(Debug)]
struct DemoRoom {
    /// Remaining lines of the topic.
    lines: VecDeque<CastLine>,
    /// Time of the next line, or of the next topic.
    next_line: Duration,
    visitor_is_here: bool,
    visitor_greeted: Option<Duration>,
    /// Seq of the visitor's last message.
    last_seq: u64,
}

/// A line beside the topic: a greeting, an answer or a farewell.
#[derive(Debug)]
struct Aside {
    at: Duration,
    person: usize,
    room: usize,
    text: Text,
    is_answer: bool,
}

impl Director {
    /// A director that begins at `now`. The seed determines everything that follows.
    pub(super) fn new(seed: u64, now: Duration) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let people =
            std::array::from_fn(|_| Person { presence: [PersonPresence::Here; ROOMS.len()], speech: None });
        let rooms = std::array::from_fn(|room| DemoRoom {
            lines: VecDeque::new(),
            next_line: now + Duration::from_secs(2) * u32::try_from(room + 1).unwrap_or(1),
            visitor_is_here: false,
            visitor_greeted: None,
            last_seq: 0,
        });
        let mut director = Self {
            writer: Writer::new(&mut random),
            random,
            people,
            rooms,
            asides: Vec::new(),
            next_departure: now + Duration::from_secs(40),
            next_mention: now + Duration::from_secs(15),
            last_greeting: None,
        };
        // One person of each room joins later, so that a join is visible soon.
        let mut late: Vec<_> = (0..PEOPLE.len()).collect();
        director.random.shuffle(&mut late);
        for (room, person) in (0..ROOMS.len()).zip(late) {
            let until = now + millis(&mut director.random, 8_000, 30_000);
            director.people[person].presence[room] = PersonPresence::Away { until };
        }
        director
    }

    /// The people and rooms of the joins at the start.
    pub(super) fn entrances(&self) -> Vec<(usize, usize)> {
        let places = (0..ROOMS.len()).flat_map(|room| (0..PEOPLE.len()).map(move |person| (person, room)));
        places.filter(|&(person, room)| self.people[person].presence[room] == PersonPresence::Here).collect()
    }

    /// Time of the next step.
    pub(super) fn next_at(&self) -> Duration {
        let speeches = self.people.iter().filter_map(|person| person.speech.as_ref().map(Speech::next_at));
        let returns =
            self.people.iter().flat_map(|person| person.presence).filter_map(|presence| match presence {
                PersonPresence::Away { until } => Some(until),
                PersonPresence::Here | PersonPresence::Leaving => None,
            });
        let lines = self.rooms.iter().map(|room| room.next_line);
        let asides = self.asides.iter().map(|aside| aside.at);
        speeches.chain(returns).chain(lines).chain(asides).fold(self.next_departure, Duration::min)
    }

    /// Cues for `now`.
    pub(super) fn step(&mut self, now: Duration) -> Vec<Cue> {
        let mut cues = Vec::new();
        for person in 0..PEOPLE.len() {
            self.go_on(person, now, &mut cues);
        }
        self.come_back(now, &mut cues);
        self.depart(now, &mut cues);
        self.begin_asides(now, &mut cues);
        for room in 0..ROOMS.len() {
            self.begin_line(room, now, &mut cues);
        }
        cues
    }

    /// Records that the visitor joined a room.
    pub(super) fn visitor_joined(&mut self, room: usize, now: Duration) {
        self.rooms[room].visitor_is_here = true;
        let is_due = |last: Option<Duration>, pause| last.is_none_or(|last| last + pause <= now);
        if is_due(self.last_greeting, GREET_PAUSE)
            && is_due(self.rooms[room].visitor_greeted, GREET_AGAIN)
            && let Some(person) = self.somebody(room)
            && self.reply(room, person, None, "greeting", now)
        {
            self.last_greeting = Some(now);
            self.rooms[room].visitor_greeted = Some(now);
        }
    }

    /// Records that the visitor left a room.
    pub(super) fn visitor_left(&mut self, room: usize) {
        self.rooms[room].visitor_is_here = false;
    }

    /// Records the visitor's message, which is entry `seq` of the room. Repeated calls have no effect.
    pub(super) fn visitor_said(&mut self, room: usize, seq: u64, text: &str, now: Duration) {
        if seq <= self.rooms[room].last_seq {
            return;
        }
        self.rooms[room].last_seq = seq;
        if self.asides.iter().any(|aside| aside.room == room && aside.is_answer) {
            return;
        }
        let text = text.to_lowercase();
        let named = (0..PEOPLE.len()).find(|&person| text.contains(PEOPLE[person]));
        let away = named.filter(|&person| self.people[person].presence[room] != PersonPresence::Here);
        let answers = named.filter(|_| away.is_none());
        let Some(person) = answers.or_else(|| self.somebody(room)) else { return };
        let kind = kind_of_answer(&text, answers.is_some(), away.is_some());
        if kind != "answer" || self.random.u32(..100) < 80 {
            self.reply(room, person, away, kind, now);
        }
    }

    /// Plans a line of a list for soon, and delays the conversation until after it.
    fn reply(
        &mut self,
        room: usize,
        person: usize,
        other: Option<usize>,
        list: &'static str,
        now: Duration,
    ) -> bool {
        let cast = [PEOPLE[person], other.map_or("", |other| PEOPLE[other])];
        let Some(text) = self.writer.single_line(list, &cast) else { return false };
        let at = now + millis(&mut self.random, 1_200, 2_800);
        self.asides.push(Aside { at, person, room, text, is_answer: true });
        let room = &mut self.rooms[room];
        room.next_line = room.next_line.max(at + Duration::from_secs(4));
        true
    }

    /// Continues a person's speech.
    fn go_on(&mut self, person: usize, now: Duration, cues: &mut Vec<Cue>) {
        let Some(speech) = &mut self.people[person].speech else { return };
        let room = speech.room;
        if let Some(is_typing) = speech.signal(now) {
            cues.push(Cue { person, room, action: CueAction::Typing(is_typing) });
        }
        if speech.is_done(now)
            && let Some(speech) = self.people[person].speech.take()
        {
            cues.push(Cue { person, room, action: CueAction::Send(speech.text) });
            if self.people[person].presence[room] == PersonPresence::Leaving {
                self.leave(person, room, now, cues);
            }
        }
    }

    fn come_back(&mut self, now: Duration, cues: &mut Vec<Cue>) {
        for (person, room) in places() {
            if !matches!(self.people[person].presence[room], PersonPresence::Away { until } if until <= now) {
                continue;
            }
            self.people[person].presence[room] = PersonPresence::Here;
            cues.push(Cue { person, room, action: CueAction::Join });
            if self.random.bool()
                && let Some(text) = self.writer.single_line("return", &[])
            {
                let at = now + millis(&mut self.random, 1_500, 5_000);
                self.asides.push(Aside { at, person, room, text, is_answer: false });
            }
        }
    }

    /// Lets an idle person leave now and then. At least two people stay in the room.
    fn depart(&mut self, now: Duration, cues: &mut Vec<Cue>) {
        if now < self.next_departure {
            return;
        }
        self.next_departure = now + millis(&mut self.random, 25_000, 50_000);
        let mut free: Vec<_> = places().filter(|&(person, room)| self.is_idle(person, room)).collect();
        free.retain(|&(_, room)| self.present(room).len() > 2);
        let Some((person, room)) = self.random.choice(free) else { return };
        match self.writer.single_line("farewell", &[]) {
            Some(text) if self.random.u32(..100) < 60 => {
                self.people[person].presence[room] = PersonPresence::Leaving;
                self.asides.push(Aside { at: now, person, room, text, is_answer: false });
            }
            _ => self.leave(person, room, now, cues),
        }
    }

    fn leave(&mut self, person: usize, room: usize, now: Duration, cues: &mut Vec<Cue>) {
        let until = now + millis(&mut self.random, 40_000, 120_000);
        self.people[person].presence[room] = PersonPresence::Away { until };
        cues.push(Cue { person, room, action: CueAction::Leave });
    }

    fn begin_asides(&mut self, now: Duration, cues: &mut Vec<Cue>) {
        let (due, later) = std::mem::take(&mut self.asides).into_iter().partition(|aside| aside.at <= now);
        self.asides = later;
        for aside in Vec::from_iter::<Vec<Aside>>(due) {
            let Aside { person, room, .. } = aside;
            match self.people[person].speech.as_ref().map(Speech::done_at) {
                Some(done_at) => self.asides.push(Aside { at: after(now, done_at), ..aside }),
                None => _ = self.speak(person, room, aside.text, now, cues),
            }
        }
    }

    /// Begins a room's next line if it is due; a new topic precedes its first line.
    fn begin_line(&mut self, room: usize, now: Duration, cues: &mut Vec<Cue>) {
        if now < self.rooms[room].next_line {
            return;
        }
        if self.rooms[room].lines.is_empty() {
            let for_visitor = self.rooms[room].visitor_is_here && self.next_mention <= now;
            if for_visitor {
                self.next_mention = now + millis(&mut self.random, 70_000, 160_000);
            }
            self.rooms[room].lines = self.topic(room, for_visitor).unwrap_or_default().into();
        }
        let Some(line) = self.rooms[room].lines.front() else {
            self.rooms[room].next_line = now + Duration::from_secs(5);
            return;
        };
        let person = line.person;
        if let Some(speech) = &self.people[person].speech {
            self.rooms[room].next_line = after(now, speech.done_at());
            return;
        }
        let Some(line) = self.rooms[room].lines.pop_front() else { return };
        let letters = line.text.as_str().chars().count();
        let done_at = self.speak(person, room, line.text, now, cues);
        self.rooms[room].next_line = done_at + self.gap(room, person, letters);
    }

    /// Time from the end of a line to the start of the next one.
    fn gap(&mut self, room: usize, person: usize, letters: usize) -> Duration {
        let random = &mut self.random;
        match self.rooms[room].lines.front() {
            None if random.u32(..100) < 75 => millis(random, 3_000, 9_000),
            None => millis(random, 10_000, 22_000),
            Some(next) if next.after_pause => millis(random, 7_000, 16_000),
            Some(next) if next.person == person => millis(random, 500, 1_500),
            Some(_) => {
                let to_read = Duration::from_millis(u64::try_from(letters).unwrap_or(0) * 15);
                millis(random, 600, 3_000) + to_read
            }
        }
    }

    fn speak(
        &mut self,
        person: usize,
        room: usize,
        text: Text,
        now: Duration,
        cues: &mut Vec<Cue>,
    ) -> Duration {
        let speech = Speech::new(room, text, now, &mut self.random);
        let done_at = speech.done_at();
        self.people[person].speech = Some(speech);
        cues.push(Cue { person, room, action: CueAction::Typing(true) });
        done_at
    }

    /// A topic for the people in the room.
    fn topic(&mut self, room: usize, for_visitor: bool) -> Option<Vec<CastLine>> {
        let mut people = self.present(room);
        self.random.shuffle(&mut people);
        self.writer.topic(room, for_visitor, &people)
    }

    fn present(&self, room: usize) -> Vec<usize> {
        (0..PEOPLE.len())
            .filter(|&person| self.people[person].presence[room] == PersonPresence::Here)
            .collect()
    }

    /// A person to answer: preferably one who is not about to send a message.
    fn somebody(&mut self, room: usize) -> Option<usize> {
        let here = self.present(room);
        let free: Vec<_> = here.iter().copied().filter(|&p| self.people[p].speech.is_none()).collect();
        self.random.choice(if free.is_empty() { here } else { free })
    }

    /// True if a person is in a room and not needed there.
    fn is_idle(&self, person: usize, room: usize) -> bool {
        let who = &self.people[person];
        who.presence[room] == PersonPresence::Here
            && who.speech.as_ref().is_none_or(|speech| speech.room != room)
            && self.rooms[room].lines.iter().all(|line| line.person != person)
            && !self.asides.iter().any(|aside| (aside.person, aside.room) == (person, room))
    }
}

/// All pairs of a person and a room.
fn places() -> impl Iterator<Item = (usize, usize)> {
    (0..PEOPLE.len()).flat_map(|person| (0..ROOMS.len()).map(move |room| (person, room)))
}

/// A moment after `done_at` and after `now`.
fn after(now: Duration, done_at: Duration) -> Duration {
    done_at.max(now) + Duration::from_millis(400)
}

#[cfg(test)]
mod tests;
