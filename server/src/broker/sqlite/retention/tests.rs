//! Tests of sweeps: clocks that are wrong, and limits that change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use realtime_shared::{EntryId, Epoch, RoomName};
use tempfile::TempDir;

use super::*;
use crate::broker::local_presence::LocalPresence;
use crate::broker::room_list::RoomList;
use crate::broker::sqlite::failure::EngineFailure;
use crate::broker::sqlite::founding_rule::FoundingRule;
use crate::broker::sqlite::open_rooms::OpenRooms;
use crate::broker::sqlite::tail_cache::TailCache;
use crate::broker::sqlite::write_queue::WriteQueue;
use crate::config::RoomLimits;
use crate::store::{Row, Store};

mod removal;

const HOUR: u64 = 60 * 60 * 1_000;
const DAY: u64 = 24 * HOUR;
const YEAR: Duration = Duration::from_hours(365 * 24);
/// Steps that are enough for a measure and a sweep of a small store.
const STEPS: usize = 8;

/// A store, a sweep of it, and the clocks of the machine.
struct SweepFixture {
    _directory: TempDir,
    store: StoreWriter,
    sweep: Sweep,
    tails: TailCache,
    list: RoomList,
    open_rooms: OpenRooms,
    presence: LocalPresence,
    founding: FoundingRule,
    clock: Clock,
    wall: Arc<AtomicU64>,
    since_boot: Arc<AtomicU64>,
}

impl SweepFixture {
    fn new(retain: Retain) -> Self {
        let directory = TempDir::new().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let (queue, list) = (Arc::<WriteQueue>::default(), RoomList::default());
        let failure = EngineFailure::new(queue.clone());
        let tails = TailCache::start(&store, queue, &failure).expect("a thread");
        let store = store.into_writer().expect("a writer");
        let (wall, since_boot) = (Arc::new(AtomicU64::new(1_000 * DAY)), Arc::default());
        let clock = clock(&wall, &since_boot);
        let mut fixture = Self {
            _directory: directory,
            store,
            sweep: Sweep::new(retain),
            tails,
            presence: LocalPresence::new(list.clone()),
            list,
            open_rooms: OpenRooms::default(),
            founding: FoundingRule::new(RoomLimits::none()),
            clock,
            wall,
            since_boot,
        };
        // The first sweep stores its time and its limits.
        fixture.sweep();
        fixture
    }

    /// The same store after a restart of the server.
    fn restart(&mut self, retain: Retain) {
        self.sweep = Sweep::new(retain);
        self.clock = clock(&self.wall, &self.since_boot);
    }

    /// Lets time pass.
    fn advance(&self, millis: u64) {
        self.wall.fetch_add(millis, Ordering::SeqCst);
        self.since_boot.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the wall clock.
    fn jump(&self, days: i64) {
        // Wraps around for a negative number.
        self.wall.fetch_add((days * DAY.cast_signed()).cast_unsigned(), Ordering::SeqCst);
    }

    /// Adds messages to a room, with the current time.
    fn post(&self, name: &str, count: u64) {
        self.post_at(name, count, self.clock.now());
    }

    fn post_at(&self, name: &str, count: u64, ts: Timestamp) {
        let name = RoomName::new(name).expect("a room's name");
        let mut batch = self.store.begin().expect("a batch");
        let epoch = Epoch::new("epoch").expect("an epoch");
        let found = batch.view().room(&name).expect("readable");
        let (id, head) = match found {
            Some((row, head)) => (row.id, head.seq),
            None => (batch.add_room(&name, &epoch, Seq::new(1)).expect("added").expect("a room"), Seq::ZERO),
        };
        for number in head.next().get()..=head.get() + count {
            let row = Row {
                key: id.key(Seq::new(number)),
                id: EntryId::from_u128(number.into()),
                ts,
                dedup_digest: None,
                frame: Some("a frame"),
            };
            batch.add(&row).expect("added");
        }
        batch.commit().expect("committed");
    }

    /// Runs the sweep as after its interval.
    fn sweep(&mut self) {
        for _ in 0..STEPS {
            self.step();
        }
    }

    /// Runs a step at once. Returns the rest after it.
    fn step(&mut self) -> Option<Duration> {
        self.sweep.make_due();
        let mut removal = RoomRemoval {
            search: None,
            open_rooms: &self.open_rooms,
            presence: &self.presence,
            tails: &mut self.tails,
            list: &self.list,
            founding: &mut self.founding,
        };
        self.sweep.step(&self.store, &self.clock, &mut removal).expect("no error")
    }

    /// True if the store has the room.
    fn has(&self, name: &str) -> bool {
        let name = RoomName::new(name).expect("a room's name");
        self.store.view().room(&name).expect("readable").is_some()
    }

    /// Seqs of the messages that can be read.
    fn left(&self, name: &str) -> Vec<u64> {
        let view = self.store.view();
        let found = view.room(&RoomName::new(name).expect("a room's name")).expect("readable");
        let Some((row, _)) = found else { return Vec::new() };
        let mut seqs = Vec::new();
        let take = |seq: Seq, _, _: &str| {
            seqs.push(seq.get());
            true
        };
        view.entries((row.id.start(), row.id.end()), false, take).expect("readable");
        seqs
    }

    /// Time of the last sweep, as stored.
    fn swept_at(&self) -> u64 {
        let stored = self.store.view().setting(Setting::SweptAt).expect("readable").expect("stored");
        stored.parse().expect("a number")
    }
}

fn clock(wall: &Arc<AtomicU64>, since_boot: &Arc<AtomicU64>) -> Clock {
    let (wall, since_boot) = (wall.clone(), since_boot.clone());
    Clock::from_fns(
        move || Timestamp::from_millis(wall.load(Ordering::SeqCst)),
        move || Duration::from_millis(since_boot.load(Ordering::SeqCst)),
    )
}

fn for_a_year() -> Retain {
    Retain { age: Some(YEAR), ..Retain::default() }
}

#[test]
fn a_sweep_drops_old_messages_and_stores_its_time() {
    let mut fixture = SweepFixture::new(for_a_year());
    fixture.post("a", 2);
    for _ in 0..366 {
        fixture.advance(DAY);
        fixture.sweep();
    }
    assert!(fixture.left("a").is_empty());
    assert_eq!(fixture.swept_at(), fixture.clock.now().millis());
}

#[test]
fn a_clock_that_jumps_ahead_drops_nothing_until_it_agrees_for_an_hour() {
    let mut fixture = SweepFixture::new(for_a_year());
    fixture.post("a", 3);
    fixture.jump(800);
    fixture.sweep();
    fixture.advance(HOUR - 1);
    fixture.sweep();
    assert_eq!(fixture.left("a"), [1, 2, 3]);
    fixture.advance(1);
    fixture.sweep();
    assert!(fixture.left("a").is_empty());
}

#[test]
fn a_clock_that_is_ahead_for_a_minute_drops_nothing() {
    let mut fixture = SweepFixture::new(for_a_year());
    fixture.post("a", 3);
    fixture.jump(800);
    fixture.sweep();
    fixture.advance(60_000);
    fixture.jump(-800);
    for _ in 0..3 {
        fixture.sweep();
        fixture.advance(2 * HOUR);
    }
    assert_eq!(fixture.left("a"), [1, 2, 3]);
}

#[test]
fn a_start_with_a_clock_far_ahead_drops_nothing_for_an_hour() {
    let mut fixture = SweepFixture::new(for_a_year());
    fixture.post("a", 3);
    fixture.jump(800);
    // A second start begins the hour again: the stored time is still the former one.
    for _ in 0..2 {
        fixture.restart(for_a_year());
        fixture.sweep();
        fixture.advance(HOUR - 1);
        fixture.sweep();
        assert_eq!(fixture.left("a"), [1, 2, 3]);
    }
    fixture.advance(1);
    fixture.sweep();
    assert!(fixture.left("a").is_empty());
}

#[test]
fn a_message_from_the_future_is_dropped_with_a_later_one() {
    let mut fixture = SweepFixture::new(for_a_year());
    fixture.post("a", 1);
    fixture.jump(800);
    fixture.post("a", 600);
    fixture.jump(-800);
    fixture.advance(1);
    fixture.post("a", 1);
    fixture.advance(2 * HOUR);
    fixture.post("a", 1);
    let age = Some(Duration::from_hours(1));
    fixture.restart(Retain { age, confirmed: true, ..Retain::default() });
    fixture.sweep();
    assert_eq!(fixture.left("a"), [603]);
}

#[test]
fn messages_from_the_future_at_the_end_of_a_room_stay() {
    let mut fixture = SweepFixture::new(for_a_year());
    fixture.post("a", 2);
    fixture.advance(2 * HOUR);
    fixture.jump(800);
    fixture.post("a", 2);
    fixture.jump(-800);
    let age = Some(Duration::from_hours(1));
    fixture.restart(Retain { age, confirmed: true, ..Retain::default() });
    fixture.sweep();
    assert_eq!(fixture.left("a"), [3, 4]);
}

#[test]
fn a_sweep_with_other_limits_waits_for_a_confirmation_if_it_drops_more_than_half() {
    let keep = |messages, age, confirmed| Retain { age, messages: Some(messages), confirmed };
    let mut fixture = SweepFixture::new(keep(100, None, false));
    fixture.post("a", 9);
    fixture.post("b", 1);
    fixture.advance(HOUR);
    for (retain, left) in [
        (keep(3, None, false), 9),
        (keep(100, Some(Duration::from_mins(1)), false), 9),
        // Five of ten are not more than half.
        (keep(4, None, false), 4),
        // Without a change nothing is measured.
        (keep(4, None, false), 4),
        (keep(1, None, false), 4),
        (keep(1, None, true), 1),
    ] {
        fixture.restart(retain.clone());
        fixture.sweep();
        assert_eq!(fixture.left("a").len(), left, "{retain:?}");
    }
    // Confirmed limits stay confirmed.
    fixture.post("a", 9);
    fixture.restart(keep(1, None, false));
    fixture.sweep();
    assert_eq!(fixture.left("a").len(), 1);
}

#[test]
fn a_store_of_a_former_version_has_no_limits_yet() {
    let mut fixture = SweepFixture::new(Retain::default());
    fixture.post("a", 10);
    fixture.advance(HOUR);
    fixture.restart(Retain { age: Some(Duration::from_mins(1)), ..Retain::default() });
    fixture.sweep();
    assert_eq!(fixture.left("a").len(), 10, "a first sweep is one with other limits");
}

#[test]
fn a_run_with_other_limits_or_none_makes_the_former_ones_a_change() {
    let for_a_minute = || Retain { age: Some(Duration::from_mins(1)), ..Retain::default() };
    let refused = Retain { age: Some(Duration::from_secs(1)), ..Retain::default() };
    for other in [Retain::default(), refused] {
        let mut fixture = SweepFixture::new(for_a_minute());
        fixture.post("a", 1);
        fixture.restart(for_a_minute());
        fixture.sweep();
        // Two starts have the same effect as one.
        for _ in 0..2 {
            fixture.post("a", 5);
            fixture.advance(30_000);
            fixture.restart(other.clone());
            fixture.sweep();
            assert_eq!(fixture.sweep.next(), None, "{other:?}");
        }
        fixture.advance(HOUR);
        fixture.restart(for_a_minute());
        fixture.sweep();
        assert_eq!(fixture.left("a").len(), 11, "{other:?}");
        fixture.restart(Retain { confirmed: true, ..for_a_minute() });
        fixture.sweep();
        assert!(fixture.left("a").is_empty(), "{other:?}");
    }
}

#[test]
fn limits_whose_first_sweep_drops_nothing_are_stored_with_it() {
    let mut fixture = SweepFixture::new(Retain::default());
    let keep = |messages| Retain { messages: Some(messages), ..Retain::default() };
    for limit in [100, 50] {
        fixture.restart(keep(limit));
        fixture.sweep();
        let stored = fixture.store.view().setting(Setting::Retain).expect("readable");
        assert_eq!(stored, Some(keep(limit).limits()));
    }
}

#[test]
fn a_sweep_rests_between_steps() {
    let keep = |messages| Retain { messages: Some(messages), ..Retain::default() };
    let mut fixture = SweepFixture::new(keep(1));
    for number in 0..130 {
        // Only the rooms of the second step have something to drop.
        fixture.post(&format!("room {number}"), if number < 64 { 1 } else { 2 });
    }
    for durations in [REST_UNCHANGED, REST] {
        let begun = Instant::now();
        let rest = fixture.step().expect("more rooms");
        assert!(rest > Duration::ZERO && rest <= begun.elapsed() * durations);
        assert!(fixture.sweep.next().is_some_and(|next| next >= begun + rest));
    }
    assert_eq!(fixture.step(), None, "the last rooms");
    assert!(fixture.sweep.next().is_some_and(|next| next > Instant::now() + INTERVAL / 2));
}

#[test]
fn a_measure_of_many_rooms_takes_several_steps() {
    let keep = |messages| Retain { messages: Some(messages), ..Retain::default() };
    let mut fixture = SweepFixture::new(keep(100));
    for number in 0..200 {
        fixture.post(&format!("room {number}"), 1);
    }
    fixture.post("a", 199);
    fixture.restart(keep(1));
    fixture.sweep();
    // 198 of 399.
    assert_eq!(fixture.left("a"), [199]);
}
