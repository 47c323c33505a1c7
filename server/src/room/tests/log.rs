//! The ring against a naive model: a list of frames with whom each skips.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use realtime_shared::{EntryId, Epoch, Position, Seq};

use super::user;
use crate::broker::{Entry, Signal, Skip};
use crate::framing;
use crate::room::log::{Appended, Arrival, Overtaken, Place, Reader, RoomLog};

const KEEP: Duration = Duration::from_secs(30);

/// What is done to a log.
#[derive(Debug, Clone)]
enum Step {
    Append { len: usize },
    Signal { len: usize, skip: u8 },
    Trim { bytes: usize },
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![8 => 0..200_usize, 1 => 900..1_200_usize, 1 => 60_000..70_000_usize];
    prop_oneof![
        6 => len.clone().prop_map(|len| Step::Append { len }),
        3 => (len, 0..4_u8).prop_map(|(len, skip)| Step::Signal { len, skip }),
        1 => prop_oneof![Just(0), Just(usize::MAX), 0..200_000_usize].prop_map(|bytes| Step::Trim { bytes }),
        1 => (0..40_000_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// A frame that was appended, whether it is still in the log or not.
struct Shown {
    start: Place,
    end: Place,
    bytes: Vec<u8>,
    kind: Kind,
}

enum Kind {
    Entry,
    Special(Skip),
}

/// A log, and all that was ever appended to it.
struct Model {
    log: RoomLog,
    frames: Vec<Shown>,
    /// For each entry its id and where it ended.
    entries: Vec<(EntryId, Place)>,
    now: Instant,
    base: Seq,
}

fn epoch() -> Epoch {
    Epoch::new("epoch").expect("an epoch")
}

fn id(number: u64) -> EntryId {
    EntryId::from_u128(u128::from(number) + 1_000)
}

fn skip(number: u8) -> Skip {
    match number {
        0 => Skip::Nobody,
        1 => Skip::User(user("alice")),
        _ => Skip::User(user("bob")),
    }
}

impl Model {
    fn new(base: u64) -> Self {
        let head = match base {
            0 => Position::Start,
            seq => Position::At { epoch: epoch(), seq: Seq::new(seq), id: id(seq) },
        };
        Self {
            log: RoomLog::new(head),
            frames: Vec::new(),
            entries: Vec::new(),
            now: Instant::now(),
            base: Seq::new(base),
        }
    }

    fn take(&mut self, step: &Step) {
        let start = self.log.end();
        match *step {
            Step::Append { len } => {
                let entry = self.next_entry(len);
                assert_eq!(self.log.append(&epoch(), &entry, self.now), Appended::Next);
                self.entries.push((entry.id, self.log.end()));
                self.shown(start, &entry.json, Kind::Entry);
            }
            Step::Signal { len, skip: whom } => {
                let signal = Signal {
                    json: format!("s{start}{}", "-".repeat(len)).into(),
                    skip: skip(whom),
                    presence_version: 0,
                };
                self.log.signal(&signal, self.now);
                self.shown(start, &signal.json, Kind::Special(signal.skip));
            }
            Step::Trim { bytes } => self.log.trim(bytes, KEEP, self.now),
            Step::Wait { millis } => {
                self.now += Duration::from_millis(millis);
                self.log.trim(usize::MAX, KEEP, self.now);
            }
        }
    }

    fn next_entry(&self, len: usize) -> Entry {
        let seq = self.log.head().seq().next();
        Entry { seq, id: id(seq.get()), json: format!("e{seq}{}", "=".repeat(len)).into() }
    }

    fn shown(&mut self, start: Place, json: &str, kind: Kind) {
        let mut bytes = Vec::new();
        framing::text(&mut bytes, json);
        let end = self.log.end();
        assert_eq!(end, start + bytes.len() as u64);
        self.frames.push(Shown { start, end, bytes, kind });
    }

    /// The places between frames that are still in the log, its end among them.
    fn places(&self) -> Vec<Place> {
        let starts = self.frames.iter().map(|frame| frame.start);
        starts.chain([self.log.end()]).filter(|place| self.log.holds(*place)).collect()
    }

    /// What a reader gets between two places.
    fn due<'a>(
        &'a self,
        from: Place,
        until: Place,
        reader: &'a Reader<'_>,
    ) -> impl Iterator<Item = &'a Shown> {
        self.frames.iter().filter(move |frame| frame.start >= from && frame.end <= until).filter(|frame| {
            match &frame.kind {
                Kind::Special(_) if frame.start < reader.arrival.place => false,
                Kind::Entry | Kind::Special(Skip::Nobody) => true,
                Kind::Special(Skip::User(user)) => user != reader.user,
            }
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_gets_what_the_model_says(
        base in prop_oneof![Just(0), 1..1_000_u64],
        steps in prop::collection::vec(step(), 0..60),
        readers in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(),
             prop_oneof![Just(1), 1..500_usize, 1_000..100_000_usize, Just(usize::MAX / 2)], any::<bool>()),
            1..8,
        ),
    ) {
        let mut model = Model::new(base);
        for step in &steps {
            model.take(step);
        }
        let places = model.places();
        let users = [user("alice"), user("bob")];
        for (from, until, live, limit, is_alice) in readers {
            let (from, until, place) = (*from.get(&places), *until.get(&places), *live.get(&places));
            let reader = Reader { user: &users[usize::from(!is_alice)], arrival: Arrival { place, presence_version: 0 } };
            let expected: Vec<u8> = model.due(from, until, &reader).flat_map(|frame| &frame.bytes).copied().collect();

            let (mut at, mut all) = (from, Vec::new());
            while at < until {
                let mut out = Vec::new();
                let next = model.log.copy(at, until, &reader, &mut out, limit);
                let next = next.expect("what was here is here");
                prop_assert!(next > at, "no progress at {at}");
                prop_assert!(places.contains(&next), "{next} is within a frame");
                // Stops where there is enough: without its last frame there was not.
                let last = model.due(at, next, &reader).last().map_or(0, |frame| frame.bytes.len());
                prop_assert!(out.len() - last < limit);
                prop_assert!(next == until || out.len() >= limit, "stopped early at {next}");
                all.extend(out);
                at = next;
            }
            prop_assert_eq!(at, until.max(from));
            prop_assert!(all == expected);
        }
    }

    #[test]
    fn a_log_knows_its_entries(
        base in prop_oneof![Just(0), 1..1_000_u64],
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut model = Model::new(base);
        for step in &steps {
            model.take(step);
        }
        let Model { log, frames, entries, base, .. } = &model;
        let head = base.get() + entries.len() as u64;
        prop_assert_eq!(log.head().seq().get(), head);
        let start = frames.iter().map(|frame| frame.start).find(|place| log.holds(*place)).unwrap_or(log.end());

        for (index, (id, end)) in entries.iter().enumerate() {
            let seq = Seq::new(base.get() + index as u64 + 1);
            let here = *end > start;
            prop_assert_eq!(log.id_at(seq), (here || seq.get() == head).then_some(*id), "{}", seq);
            let next_is_here = here || entries.get(index + 1).is_none_or(|(_, end)| *end > start);
            let place = if here { *end } else { start };
            prop_assert_eq!(log.place_after(seq), next_is_here.then_some(place), "{}", seq);
        }
        let all_here = entries.first().is_none_or(|(_, end)| *end > start);
        prop_assert_eq!(log.place_after(*base), all_here.then_some(start));
        for beyond in [head + 1, head + 2, u64::MAX] {
            prop_assert_eq!((log.id_at(Seq::new(beyond)), log.place_after(Seq::new(beyond))), (None, None));
        }

        let places = model.places();
        for (nth, &from) in places.iter().enumerate() {
            for &to in &places[nth..] {
                let between = entries.iter().filter(|(_, end)| (from + 1..=to).contains(end)).count();
                prop_assert_eq!(log.entries_between(from, to), between as u64, "from {} to {}", from, to);
            }
        }

        // A reader before the start was overtaken; one at it was not.
        let (alice, mut out) = (user("alice"), Vec::new());
        let reader = Reader { user: &alice, arrival: Arrival { place: 0, presence_version: 0 } };
        prop_assert!(log.copy(start, log.end(), &reader, &mut out, usize::MAX / 2).is_ok());
        if start > 0 {
            prop_assert_eq!(log.copy(start - 1, log.end(), &reader, &mut out, 1), Err(Overtaken));
        }
    }
}

#[test]
fn only_the_next_entry_is_appended() {
    let mut model = Model::new(7);
    for _ in 0..3 {
        model.take(&Step::Append { len: 1 });
    }
    let end = model.log.end();
    let entry = |seq: u64, id: EntryId| Entry { seq: Seq::new(seq), id, json: "e".into() };
    let other_log = Epoch::new("other").expect("an epoch");
    for (epoch, entry, outcome) in [
        (epoch(), entry(10, id(10)), Appended::Known),
        (epoch(), entry(8, id(8)), Appended::Known),
        (epoch(), entry(7, id(7)), Appended::Known),
        (epoch(), entry(3, id(99)), Appended::Known),
        (epoch(), entry(10, id(99)), Appended::Broken),
        (epoch(), entry(8, id(99)), Appended::Broken),
        (epoch(), entry(12, id(12)), Appended::Broken),
        (other_log.clone(), entry(11, id(11)), Appended::Broken),
        (other_log.clone(), entry(8, id(8)), Appended::Broken),
    ] {
        assert_eq!(model.log.append(&epoch, &entry, model.now), outcome, "{epoch} {entry:?}");
    }
    assert_eq!((model.log.end(), model.log.head().seq()), (end, Seq::new(10)));
    assert_eq!(model.log.append(&epoch(), &entry(11, id(11)), model.now), Appended::Next);

    let mut empty = RoomLog::new(Position::Start);
    assert_eq!(empty.append(&other_log, &entry(2, id(2)), model.now), Appended::Broken);
    assert_eq!(empty.append(&other_log, &entry(1, id(1)), model.now), Appended::Next);
    assert_eq!(empty.head().epoch(), Some(&other_log));
}

#[test]
fn old_frames_go_and_an_empty_log_has_no_bytes() {
    let mut model = Model::new(0);
    for _ in 0..100 {
        model.take(&Step::Append { len: 100 });
        model.take(&Step::Signal { len: 10, skip: 0 });
    }
    assert!(model.log.bytes() >= 100 * 100);
    model.log.trim(usize::MAX, KEEP, model.now + KEEP);
    assert_eq!(model.log.place_after(Seq::ZERO), Some(0), "just in time");
    model.log.trim(usize::MAX, KEEP, model.now + KEEP + Duration::from_millis(1));
    assert_eq!((model.log.bytes(), model.places().len()), (0, 1));
    assert_eq!(model.log.id_at(Seq::new(100)), Some(id(100)), "the head stays known");
    assert_eq!(model.log.id_at(Seq::new(99)), None);
    assert_eq!(model.log.place_after(Seq::new(100)), Some(model.log.end()));
}

#[test]
fn a_segment_is_as_young_as_its_last_frame() {
    let mut model = Model::new(0);
    for _ in 0..3 {
        model.take(&Step::Append { len: 1 });
        model.take(&Step::Wait { millis: 20_000 });
    }
    assert_eq!(model.log.place_after(Seq::ZERO), Some(0));
}

#[test]
fn over_its_bytes_a_log_keeps_its_newest_segment() {
    let mut model = Model::new(0);
    for _ in 0..2_000 {
        model.take(&Step::Append { len: 100 });
        model.log.trim(32 * 1024, KEEP, model.now);
    }
    assert!(model.log.bytes() <= 32 * 1024 + 64 * 1024, "{}", model.log.bytes());
    assert!(model.log.id_at(Seq::new(1_990)).is_some());
    model.log.trim(0, KEEP, model.now);
    assert!(model.log.bytes() > 0 && model.log.id_at(Seq::new(2_000)).is_some());
}

#[test]
fn a_log_at_the_largest_number_takes_no_other_entry() {
    let head = Position::At { epoch: epoch(), seq: Seq::new(u64::MAX), id: id(1) };
    let mut log = RoomLog::new(head);
    let entry = Entry { seq: Seq::new(u64::MAX), id: id(2), json: "e".into() };
    assert_eq!(log.append(&epoch(), &entry, Instant::now()), Appended::Broken);
    assert_eq!(log.place_after(Seq::new(u64::MAX)), Some(0));
    assert_eq!((log.id_at(Seq::new(u64::MAX)), log.id_at(Seq::new(7))), (Some(id(1)), None));
    let reader = user("alice");
    let reader = Reader { user: &reader, arrival: Arrival { place: 0, presence_version: 0 } };
    log.signal(&Signal { json: "s".into(), skip: Skip::Nobody, presence_version: 0 }, Instant::now());
    let mut out = Vec::new();
    assert_eq!(log.copy(0, Place::MAX, &reader, &mut out, usize::MAX), Ok(log.end()));
}
