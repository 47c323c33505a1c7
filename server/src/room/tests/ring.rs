//! Rings compared with a naive model: a list of all frames, each with the user that it skips.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use realtime_shared::{EntryId, Epoch, Position, Seq};

use super::user;
use crate::broker::{Entry, Signal, Skip};
use crate::framing;
use crate::room::ring::{Arrival, Overtaken, Reader, RingAppend, RingOffset, RoomRing};

const KEEP: Duration = Duration::from_secs(30);

/// An operation on a ring.
#[derive(Debug, Clone)]
enum Step {
    Append {
        len: usize,
    },
    Signal {
        len: usize,
        skip: u8,
    },
    /// Replaces the nth entry, in a circle.
    Replace {
        nth: usize,
        len: usize,
    },
    Trim {
        bytes: usize,
    },
    Wait {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![8 => 0..200_usize, 1 => 900..1_200_usize, 1 => 60_000..70_000_usize];
    prop_oneof![
        6 => len.clone().prop_map(|len| Step::Append { len }),
        2 => (0..60_usize, len.clone()).prop_map(|(nth, len)| Step::Replace { nth, len }),
        3 => (len, 0..4_u8).prop_map(|(len, skip)| Step::Signal { len, skip }),
        1 => prop_oneof![Just(0), Just(usize::MAX), 0..200_000_usize].prop_map(|bytes| Step::Trim { bytes }),
        1 => (0..40_000_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// A frame that was appended. The ring may have trimmed it.
struct ModelFrame {
    start: RingOffset,
    end: RingOffset,
    bytes: Vec<u8>,
    kind: Kind,
}

enum Kind {
    Entry,
    Signal(Skip),
}

/// A ring, and all frames that were appended to it.
struct RingModel {
    ring: RoomRing,
    frames: Vec<ModelFrame>,
    /// The id of each entry, and the end of its frame.
    entries: Vec<(EntryId, RingOffset)>,
    now: Instant,
    /// The head at the beginning.
    base: Seq,
}

fn epoch() -> Epoch {
    Epoch::new("epoch").expect("an epoch")
}

fn id(number: u64) -> EntryId {
    EntryId::from_u128(u128::from(number) + 1_000)
}

fn skip_of(number: u8) -> Skip {
    match number {
        0 => Skip::Nobody,
        1 => Skip::User(user("alice")),
        _ => Skip::User(user("bob")),
    }
}

impl RingModel {
    fn new(base: u64) -> Self {
        let head = match base {
            0 => Position::Start,
            seq => Position::At { epoch: epoch(), seq: Seq::new(seq), id: id(seq) },
        };
        Self {
            ring: RoomRing::new(head),
            frames: Vec::new(),
            entries: Vec::new(),
            now: Instant::now(),
            base: Seq::new(base),
        }
    }

    fn apply(&mut self, step: &Step) {
        let start = self.ring.end();
        match *step {
            Step::Append { len } => {
                let entry = self.next_entry(len);
                assert_eq!(self.ring.append(&epoch(), &entry, self.now), RingAppend::Appended);
                self.entries.push((entry.id, self.ring.end()));
                self.record(start, &entry.json, Kind::Entry);
            }
            Step::Signal { len, skip: user } => {
                let signal = Signal::new(format!("s{start}{}", "-".repeat(len)).into(), skip_of(user));
                self.ring.signal(&signal, self.now);
                self.record(start, &signal.json, Kind::Signal(signal.skip));
            }
            Step::Replace { nth, len } => {
                let Some(index) = nth.checked_rem(self.entries.len()) else { return };
                let ((id, end), seq) = (self.entries[index], self.base.get() + index as u64 + 1);
                let json = format!("r{seq}{}", "#".repeat(len)).into();
                let entry = Entry { seq: Seq::new(seq), id, json };
                self.ring.replace(&entry);
                let replaced =
                    self.frames.iter_mut().find(|frame| frame.end == end).expect("the entry's frame");
                replaced.bytes.clear();
                framing::text(&mut replaced.bytes, &entry.json);
            }
            Step::Trim { bytes } => self.ring.trim(bytes, KEEP, self.now),
            Step::Wait { millis } => {
                self.now += Duration::from_millis(millis);
                self.ring.trim(usize::MAX, KEEP, self.now);
            }
        }
    }

    fn next_entry(&self, len: usize) -> Entry {
        let seq = self.ring.head().seq().next();
        Entry { seq, id: id(seq.get()), json: format!("e{seq}{}", "=".repeat(len)).into() }
    }

    fn record(&mut self, start: RingOffset, json: &str, kind: Kind) {
        let mut bytes = Vec::new();
        framing::text(&mut bytes, json);
        let end = self.ring.end();
        assert_eq!(end, start + bytes.len() as u64);
        self.frames.push(ModelFrame { start, end, bytes, kind });
    }

    /// The offsets between the frames that the ring holds, its end included.
    fn offsets(&self) -> Vec<RingOffset> {
        let starts = self.frames.iter().map(|frame| frame.start);
        starts.chain([self.ring.end()]).filter(|offset| self.ring.holds(*offset)).collect()
    }

    /// The frames that a reader receives between two offsets.
    fn due<'a>(
        &'a self,
        from: RingOffset,
        until: RingOffset,
        reader: &'a Reader<'_>,
    ) -> impl Iterator<Item = &'a ModelFrame> {
        self.frames.iter().filter(move |frame| frame.start >= from && frame.end <= until).filter(|frame| {
            match &frame.kind {
                Kind::Signal(_) if frame.start < reader.arrival.offset => false,
                Kind::Entry | Kind::Signal(Skip::Nobody) => true,
                Kind::Signal(Skip::User(user)) => user != reader.user,
            }
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_receives_the_frames_of_the_model(
        base in prop_oneof![Just(0), 1..1_000_u64],
        steps in prop::collection::vec(step(), 0..60),
        readers in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(),
             prop_oneof![Just(1), 1..500_usize, 1_000..100_000_usize, Just(usize::MAX / 2)], any::<bool>()),
            1..8,
        ),
    ) {
        let mut model = RingModel::new(base);
        for step in &steps {
            model.apply(step);
        }
        let offsets = model.offsets();
        let users = [user("alice"), user("bob")];
        for (from, until, live, limit, is_alice) in readers {
            let (from, until, offset) = (*from.get(&offsets), *until.get(&offsets), *live.get(&offsets));
            let reader = Reader { user: &users[usize::from(!is_alice)], arrival: Arrival { offset, presence_version: 0 } };
            let expected: Vec<u8> = model.due(from, until, &reader).flat_map(|frame| &frame.bytes).copied().collect();

            let (mut at, mut all) = (from, Vec::new());
            while at < until {
                let mut out = Vec::new();
                let next = model.ring.copy(at, until, &reader, &mut out, limit);
                let next = next.expect("the offset is held");
                prop_assert!(next > at, "no progress at {at}");
                prop_assert!(offsets.contains(&next), "{next} is within a frame");
                // Stops as soon as the limit is reached, and not before.
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
    fn a_ring_finds_its_entries(
        base in prop_oneof![Just(0), 1..1_000_u64],
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut model = RingModel::new(base);
        for step in &steps {
            model.apply(step);
        }
        let RingModel { ring, frames, entries, base, .. } = &model;
        let head = base.get() + entries.len() as u64;
        prop_assert_eq!(ring.head().seq().get(), head);
        let start = frames.iter().map(|frame| frame.start).find(|offset| ring.holds(*offset)).unwrap_or(ring.end());

        for (index, (id, end)) in entries.iter().enumerate() {
            let seq = Seq::new(base.get() + index as u64 + 1);
            let is_held = *end > start;
            prop_assert_eq!(ring.id_at(seq), (is_held || seq.get() == head).then_some(*id), "{}", seq);
            let next_is_held = is_held || entries.get(index + 1).is_none_or(|(_, end)| *end > start);
            let offset = if is_held { *end } else { start };
            prop_assert_eq!(ring.offset_after(seq), next_is_held.then_some(offset), "{}", seq);
        }
        let all_held = entries.first().is_none_or(|(_, end)| *end > start);
        prop_assert_eq!(ring.offset_after(*base), all_held.then_some(start));
        for beyond in [head + 1, head + 2, u64::MAX] {
            prop_assert_eq!((ring.id_at(Seq::new(beyond)), ring.offset_after(Seq::new(beyond))), (None, None));
        }

        let offsets = model.offsets();
        for (nth, &from) in offsets.iter().enumerate() {
            for &to in &offsets[nth..] {
                let between = entries.iter().filter(|(_, end)| (from + 1..=to).contains(end)).count();
                prop_assert_eq!(ring.entries_between(from, to), between as u64, "from {} to {}", from, to);
            }
        }

        // A reader before the start is overtaken. A reader at the start is not.
        let (alice, mut out) = (user("alice"), Vec::new());
        let reader = Reader { user: &alice, arrival: Arrival { offset: 0, presence_version: 0 } };
        prop_assert!(ring.copy(start, ring.end(), &reader, &mut out, usize::MAX / 2).is_ok());
        if start > 0 {
            prop_assert_eq!(ring.copy(start - 1, ring.end(), &reader, &mut out, 1), Err(Overtaken));
        }
    }
}

#[test]
fn the_bytes_of_a_replaced_entry_are_zeroed_and_another_id_replaces_nothing() {
    let mut model = RingModel::new(0);
    let entry = |seq: u64, id: EntryId, json: &str| Entry { seq: Seq::new(seq), id, json: json.into() };
    for (seq, json) in [(1, "first"), (2, "a secret"), (3, "last")] {
        model.ring.append(&epoch(), &entry(seq, id(seq), json), model.now);
    }
    let (end, bytes) = (model.ring.end(), model.ring.bytes());
    for other in [entry(2, id(9), "gone"), entry(4, id(4), "gone")] {
        model.ring.replace(&other);
        assert!(model.ring.has_bytes(b"a secret"));
    }
    for json in ["gone", "gone again"] {
        model.ring.replace(&entry(2, id(2), json));
        assert!(!model.ring.has_bytes(b"secret") && model.ring.has_bytes(json.as_bytes()));
        assert_eq!((model.ring.end(), model.ring.bytes()), (end, bytes + framing::framed_len(json.len())));
    }
    let (alice, mut out) = (user("alice"), Vec::new());
    let reader = Reader { user: &alice, arrival: Arrival { offset: 0, presence_version: 0 } };
    assert_eq!(model.ring.copy(0, end, &reader, &mut out, usize::MAX / 2), Ok(end));
    let mut expected = Vec::new();
    for json in ["first", "gone again", "last"] {
        framing::text(&mut expected, json);
    }
    assert_eq!(out, expected);
    model.ring.trim(0, Duration::ZERO, model.now + KEEP);
    assert_eq!(model.ring.bytes(), 0, "the replacement is gone with its segment");
}

#[test]
fn only_the_next_entry_is_appended() {
    let mut model = RingModel::new(7);
    for _ in 0..3 {
        model.apply(&Step::Append { len: 1 });
    }
    let end = model.ring.end();
    let entry = |seq: u64, id: EntryId| Entry { seq: Seq::new(seq), id, json: "e".into() };
    let other_epoch = Epoch::new("other").expect("an epoch");
    for (epoch, entry, outcome) in [
        (epoch(), entry(10, id(10)), RingAppend::Duplicate),
        (epoch(), entry(8, id(8)), RingAppend::Duplicate),
        (epoch(), entry(7, id(7)), RingAppend::Duplicate),
        (epoch(), entry(3, id(99)), RingAppend::Duplicate),
        (epoch(), entry(10, id(99)), RingAppend::Rejected),
        (epoch(), entry(8, id(99)), RingAppend::Rejected),
        (epoch(), entry(12, id(12)), RingAppend::Rejected),
        (other_epoch.clone(), entry(11, id(11)), RingAppend::Rejected),
        (other_epoch.clone(), entry(8, id(8)), RingAppend::Rejected),
    ] {
        assert_eq!(model.ring.append(&epoch, &entry, model.now), outcome, "{epoch} {entry:?}");
    }
    assert_eq!((model.ring.end(), model.ring.head().seq()), (end, Seq::new(10)));
    assert_eq!(model.ring.append(&epoch(), &entry(11, id(11)), model.now), RingAppend::Appended);

    let mut empty = RoomRing::new(Position::Start);
    assert_eq!(empty.append(&other_epoch, &entry(2, id(2)), model.now), RingAppend::Rejected);
    assert_eq!(empty.append(&other_epoch, &entry(1, id(1)), model.now), RingAppend::Appended);
    assert_eq!(empty.head().epoch(), Some(&other_epoch));
}

#[test]
fn a_copy_ends_with_the_frame_that_reaches_the_limit() {
    let mut model = RingModel::new(0);
    for _ in 0..3 {
        model.apply(&Step::Append { len: 50 });
    }
    let alice = user("alice");
    let reader = Reader { user: &alice, arrival: Arrival { offset: 0, presence_version: 0 } };
    let ends: Vec<_> = model.frames.iter().map(|frame| frame.end).collect();
    let one = model.frames[0].bytes.len();
    for (limit, end) in [(one - 1, ends[0]), (one, ends[0]), (one + 1, ends[1]), (2 * one, ends[1])] {
        let mut out = Vec::new();
        let next = model.ring.copy(0, ends[2], &reader, &mut out, limit);
        assert_eq!((next, out.len() as u64), (Ok(end), end), "limit {limit}");
    }
}

#[test]
fn old_frames_are_trimmed_and_an_empty_ring_has_no_bytes() {
    let mut model = RingModel::new(0);
    for _ in 0..100 {
        model.apply(&Step::Append { len: 100 });
        model.apply(&Step::Signal { len: 10, skip: 0 });
    }
    assert!(model.ring.bytes() >= 100 * 100);
    model.ring.trim(usize::MAX, KEEP, model.now + KEEP);
    assert_eq!(model.ring.offset_after(Seq::ZERO), Some(0), "not older than the limit");
    model.ring.trim(usize::MAX, KEEP, model.now + KEEP + Duration::from_millis(1));
    assert_eq!((model.ring.bytes(), model.offsets().len()), (0, 1));
    assert_eq!(model.ring.id_at(Seq::new(100)), Some(id(100)), "the head stays known");
    assert_eq!(model.ring.id_at(Seq::new(99)), None);
    assert_eq!(model.ring.offset_after(Seq::new(100)), Some(model.ring.end()));
}

#[test]
fn the_age_of_a_segment_is_the_age_of_its_last_frame() {
    let mut model = RingModel::new(0);
    for _ in 0..3 {
        model.apply(&Step::Append { len: 1 });
        model.apply(&Step::Wait { millis: 20_000 });
    }
    assert_eq!(model.ring.offset_after(Seq::ZERO), Some(0));
}

#[test]
fn a_small_ring_shares_its_payloads() {
    let mut ring = RoomRing::new(Position::Start);
    let payload: std::sync::Arc<str> = "=".repeat(96).into();
    let append = |ring: &mut RoomRing, seq: u64| {
        let entry = Entry { seq: Seq::new(seq), id: id(seq), json: payload.clone() };
        assert_eq!(ring.append(&epoch(), &entry, Instant::now()), RingAppend::Appended);
    };
    // 41 frames of 98 bytes fit into 4 KiB.
    for count in 1..=41 {
        append(&mut ring, count as u64);
        assert_eq!((ring.bytes(), std::sync::Arc::strong_count(&payload)), (count * 98, count + 1));
    }
    for count in 42..100 {
        append(&mut ring, count);
        assert_eq!(std::sync::Arc::strong_count(&payload), 42);
    }
}

#[test]
fn a_ring_above_its_byte_limit_keeps_its_newest_segment() {
    let mut model = RingModel::new(0);
    for _ in 0..2_000 {
        model.apply(&Step::Append { len: 100 });
        model.ring.trim(32 * 1024, KEEP, model.now);
    }
    assert!(model.ring.bytes() <= 32 * 1024 + 64 * 1024, "{}", model.ring.bytes());
    assert!(model.ring.id_at(Seq::new(1_990)).is_some());
    model.apply(&Step::Append { len: 70_000 });
    let bytes = model.ring.bytes();
    model.ring.trim(bytes, KEEP, model.now);
    assert_eq!(model.ring.bytes(), bytes, "a ring at its limit is not trimmed");
    model.ring.trim(0, KEEP, model.now);
    assert!(model.ring.bytes() > 0 && model.ring.id_at(Seq::new(2_001)).is_some());
}

#[test]
fn a_ring_at_the_largest_seq_rejects_another_entry() {
    let head = Position::At { epoch: epoch(), seq: Seq::new(u64::MAX), id: id(1) };
    let mut ring = RoomRing::new(head);
    let entry = Entry { seq: Seq::new(u64::MAX), id: id(2), json: "e".into() };
    assert_eq!(ring.append(&epoch(), &entry, Instant::now()), RingAppend::Rejected);
    assert_eq!(ring.offset_after(Seq::new(u64::MAX)), Some(0));
    assert_eq!((ring.id_at(Seq::new(u64::MAX)), ring.id_at(Seq::new(7))), (Some(id(1)), None));
    let reader = user("alice");
    let reader = Reader { user: &reader, arrival: Arrival { offset: 0, presence_version: 0 } };
    ring.signal(&Signal::new("s".into(), Skip::Nobody), Instant::now());
    let mut out = Vec::new();
    assert_eq!(ring.copy(0, RingOffset::MAX, &reader, &mut out, usize::MAX), Ok(ring.end()));
}
