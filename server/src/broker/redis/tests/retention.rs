//! Retention by number and by age, and the list of rooms.

use std::sync::atomic::{AtomicU64, Ordering};

use realtime_shared::Timestamp;

use super::announcements::append_unannounced;
use super::*;
use crate::broker::Receipt;
use crate::broker::contract::{metrics, submission};

/// Seqs of a room's history.
async fn seqs(instance: &Instance, name: &str) -> Vec<u64> {
    let page = instance.broker.history(&room(name), Range::Newest, 10_000, usize::MAX).await.expect("a page");
    page.entries.iter().map(|entry| entry.seq.get()).collect()
}

/// Redis drops whole blocks of a stream, of a hundred entries each.
#[tokio::test]
async fn a_stream_is_trimmed_while_it_grows() {
    const KEPT: u64 = 50;
    const BLOCK: u64 = 100;
    let redis = Redis::start_with(&[]);
    let one = instance_with(&redis, Retain { messages: Some(KEPT), ..Retain::default() });
    settled(&one).await;
    let mut raw = RedisClient::connect(&redis).await;
    one.fill("a", 500).await;
    let stored: u64 = raw.query(&["XLEN", &keys::log(&channel("a"))]).await;
    assert!((KEPT..=KEPT + BLOCK).contains(&stored), "{stored}");
    assert!(seqs(&one, "a").await.into_iter().eq(451..=500), "history is exact");
}

/// Waits until the limits of an instance are settled.
pub(super) async fn settled(instance: &Instance) {
    instance.broker.0.logs.retention.settle().await.expect("answered");
}

/// An instance whose wall clock shows `now`. Its time since boot is the real one.
pub(super) fn at_time(redis: &Redis, now: &Arc<AtomicU64>, retain: Retain) -> Instance {
    at_time_with(redis, now, retain, RoomLimits::none())
}

pub(super) fn at_time_with(
    redis: &Redis,
    now: &Arc<AtomicU64>,
    retain: Retain,
    limits: RoomLimits,
) -> Instance {
    let (now, system) = (now.clone(), Clock::system());
    let clock = Clock::from_fns(
        move || Timestamp::from_millis(now.load(Ordering::Relaxed)),
        move || system.since_boot(),
    );
    EngineFixture::new(|feed| {
        let engine =
            RedisEngine::start(target(&redis.url()), clock, retain, limits, Rules::default(), metrics())
                .expect("a thread");
        (Arc::new(engine.broker(feed)), Box::new(engine))
    })
}

pub(super) fn aged(age: Duration) -> Retain {
    Retain { age: Some(age), confirmed: true, ..Retain::default() }
}

/// The real time, in milliseconds.
pub(super) fn real_now() -> u64 {
    Clock::system().now().millis()
}

/// Number of entries in the stream of a room.
pub(super) async fn stored(raw: &mut RedisClient, name: &str) -> u64 {
    raw.query(&["XLEN", &keys::log(&channel(name))]).await
}

pub(super) const HOUR: u64 = 60 * 60 * 1_000;

/// One room has more old entries than one step drops; others are quiet or empty.
#[tokio::test]
async fn a_sweep_drops_old_entries_but_keeps_the_head() {
    let redis = Redis::start_with(&[]);
    let now = Arc::new(AtomicU64::new(real_now() - 2 * HOUR));
    let age = aged(Duration::from_hours(1));
    let (one, other) = (at_time(&redis, &now, age.clone()), at_time(&redis, &now, age));
    let mut raw = RedisClient::connect(&redis).await;
    one.fill("busy", 450).await;
    one.fill("quiet", 3).await;
    one.broker.enter(&room("empty"), &user("alice"), 0).await.expect("entered");
    one.broker.leave(&room("empty"), &user("alice"), LeaveReason::Left).await.expect("left");
    now.store(real_now(), Ordering::Relaxed);
    other.fill("busy", 2).await;
    assert_eq!(seqs(&one, "busy").await, [451, 452], "history has no old entries");

    settled(&one).await;
    one.broker.0.logs.retention.sweep().await.expect("swept");
    assert_eq!((stored(&mut raw, "busy").await, stored(&mut raw, "quiet").await), (2, 1));
    let listed: Vec<String> = raw.query(&["SMEMBERS", &Keys::new("realtime").rooms()]).await;
    assert!(!listed.contains(&"empty".to_owned()) && listed.len() == 2, "{listed:?}");
    // The seqs continue.
    assert_eq!(one.post(submission("alice", "quiet", "again")).await.seq, Seq::new(4));
}

/// The others skip their sweep.
#[tokio::test]
async fn one_instance_at_a_time_sweeps_old_entries() {
    let redis = Redis::start_with(&[]);
    let now = Arc::new(AtomicU64::new(real_now() - HOUR));
    let age = aged(Duration::from_secs(1));
    let (one, other) = (at_time(&redis, &now, age.clone()), at_time(&redis, &now, age));
    let mut raw = RedisClient::connect(&redis).await;
    settled(&other).await;
    one.broker.0.logs.retention.sweep().await.expect("swept");
    one.fill("a", 3).await;
    other.broker.0.logs.retention.sweep().await.expect("skipped");
    assert_eq!(stored(&mut raw, "a").await, 3);
    let _: u64 = raw.query(&["DEL", &Keys::new("realtime").sweep()]).await;
    other.broker.0.logs.retention.sweep().await.expect("swept");
    assert_eq!(stored(&mut raw, "a").await, 1);
}

#[tokio::test]
async fn a_sweep_renews_its_turn_and_stops_when_another_instance_has_it() {
    let redis = Redis::start_with(&[]);
    let now = Arc::new(AtomicU64::new(real_now() - HOUR));
    let one = at_time(&redis, &now, aged(Duration::from_secs(1)));
    settled(&one).await;
    one.fill("a", 3).await;
    let mut raw = RedisClient::connect(&redis).await;
    let turn = Keys::new("realtime").sweep();
    let retention = &one.broker.0.logs.retention;
    let judged = retention.read_clock().await.expect("answered");

    let _: String = raw.query(&["SET", &turn, "two", "EX", "7"]).await;
    retention.sweep_as("one", judged).await.expect("stopped");
    assert_eq!(stored(&mut raw, "a").await, 3);
    let left: u64 = raw.query(&["TTL", &turn]).await;
    assert!(left <= 7, "{left}");
    let holder: String = raw.query(&["GET", &turn]).await;
    assert_eq!(holder, "two");

    retention.sweep_as("two", judged).await.expect("swept");
    assert_eq!(stored(&mut raw, "a").await, 1);
    let left: u64 = raw.query(&["TTL", &turn]).await;
    assert!(left > 40, "{left}");

    // A turn that has ended meanwhile is taken again.
    let _: u64 = raw.query(&["DEL", &turn]).await;
    retention.sweep_as("one", judged).await.expect("swept");
    let holder: String = raw.query(&["GET", &turn]).await;
    assert_eq!(holder, "one");
}

/// Sweeps although another instance may have had the turn.
pub(super) async fn sweep(instance: &Instance, raw: &mut RedisClient) {
    let _: u64 = raw.query(&["DEL", &Keys::new("realtime").sweep()]).await;
    instance.broker.0.logs.retention.sweep().await.expect("swept");
}

#[tokio::test]
async fn an_instance_with_a_clock_far_ahead_drops_and_hides_nothing() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let now = Arc::new(AtomicU64::new(real_now()));
    let one = at_time(&redis, &now, aged(Duration::from_hours(1)));
    settled(&one).await;
    one.fill("a", 3).await;
    let first = one.post(submission("alice", "a", "text").with_id("1")).await;
    now.fetch_add(800 * 24 * HOUR, Ordering::Relaxed);
    sweep(&one, &mut raw).await;
    assert_eq!((stored(&mut raw, "a").await, seqs(&one, "a").await.len()), (4, 4));
    let again = one.post(submission("alice", "a", "text").with_id("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first }, "its clock does not end the dedup window");
}

#[tokio::test]
async fn a_duplicate_of_a_message_with_a_time_long_ago_is_recognized() {
    let redis = Redis::start_with(&[]);
    let now = Arc::new(AtomicU64::new(real_now() - 800 * 24 * HOUR));
    let behind = at_time(&redis, &now, Retain::default());
    let first = behind.post(submission("alice", "a", "text").with_id("1")).await;
    let again = instance(&redis).post(submission("alice", "a", "text").with_id("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first }, "with the time of the message");
}

#[tokio::test]
async fn a_clock_of_redis_that_jumps_drops_nothing_for_an_hour() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let old = Arc::new(AtomicU64::new(real_now() - 2 * HOUR));
    let one = at_time(&redis, &old, aged(Duration::from_hours(1)));
    settled(&one).await;
    one.fill("a", 3).await;
    // The real time, after another one.
    one.broker.0.logs.retention.clock.observe(Timestamp::from_millis(real_now() + 60_000));
    sweep(&one, &mut raw).await;
    assert_eq!((stored(&mut raw, "a").await, seqs(&one, "a").await.len()), (3, 3));
    // An instance that has not seen the jump trusts the clock.
    let other = instance_with(&redis, aged(Duration::from_hours(1)));
    settled(&other).await;
    sweep(&other, &mut raw).await;
    assert_eq!(stored(&mut raw, "a").await, 1);
}

#[tokio::test]
async fn an_instance_that_starts_far_from_the_last_sweep_drops_nothing_for_an_hour() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let old = Arc::new(AtomicU64::new(real_now() - 2 * HOUR));
    at_time(&redis, &old, Retain::default()).fill("a", 3).await;
    for (hours, left) in [(25, 3), (23, 1)] {
        let swept = (real_now() - hours * HOUR).to_string();
        let _: u64 = raw.query(&["HSET", &Keys::new("realtime").swept(), "at", &swept]).await;
        let one = instance_with(&redis, aged(Duration::from_hours(1)));
        settled(&one).await;
        sweep(&one, &mut raw).await;
        assert_eq!(stored(&mut raw, "a").await, left, "{hours} h");
    }
}

#[tokio::test]
async fn an_entry_from_the_future_is_dropped_with_a_later_one() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let now = Arc::new(AtomicU64::new(real_now() + 800 * 24 * HOUR));
    let one = at_time(&redis, &now, aged(Duration::from_hours(1)));
    settled(&one).await;
    // More than one read of the script.
    one.fill("a", 450).await;
    one.fill("b", 2).await;
    now.store(real_now() - 2 * HOUR, Ordering::Relaxed);
    one.fill("a", 2).await;
    sweep(&one, &mut raw).await;
    assert_eq!((stored(&mut raw, "a").await, stored(&mut raw, "b").await), (1, 2));
}

#[tokio::test]
async fn other_limits_that_drop_more_than_half_wait_for_a_confirmation() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let old = Arc::new(AtomicU64::new(real_now() - 2 * HOUR));
    {
        let one = at_time(&redis, &old, Retain { messages: Some(10_000), ..Retain::default() });
        settled(&one).await;
        one.fill("a", 300).await;
    }
    for retain in [
        Retain { messages: Some(100), ..Retain::default() },
        Retain { age: Some(Duration::from_hours(1)), messages: Some(10_000), confirmed: false },
    ] {
        let one = at_time(&redis, &old, retain.clone());
        settled(&one).await;
        sweep(&one, &mut raw).await;
        let before = stored(&mut raw, "a").await;
        one.fill("a", 1).await;
        assert_eq!(stored(&mut raw, "a").await, before + 1, "neither by age nor by number: {retain:?}");
    }
    let one = at_time(&redis, &old, Retain { messages: Some(100), confirmed: true, ..Retain::default() });
    settled(&one).await;
    one.fill("a", 1).await;
    let left = stored(&mut raw, "a").await;
    assert!((100..=200).contains(&left), "{left}");
    // The confirmed limits need no second confirmation.
    let again = at_time(&redis, &old, Retain { messages: Some(100), ..Retain::default() });
    settled(&again).await;
    again.fill("a", 100).await;
    assert!((100..=200).contains(&stored(&mut raw, "a").await));
}

#[tokio::test]
async fn a_run_whose_limits_were_not_confirmed_makes_the_former_ones_a_change() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let old = Arc::new(AtomicU64::new(real_now() - 2 * HOUR));
    let hour = Duration::from_hours(1);
    {
        let one = at_time(&redis, &old, aged(hour));
        settled(&one).await;
        one.fill("a", 300).await;
        let other = at_time(&redis, &old, Retain { messages: Some(10), ..Retain::default() });
        settled(&other).await;
    }
    let one = at_time(&redis, &old, Retain { age: Some(hour), ..Retain::default() });
    settled(&one).await;
    sweep(&one, &mut raw).await;
    assert_eq!(stored(&mut raw, "a").await, 300);
}

/// Rooms without entries and members are removed without a maximal age too.
#[tokio::test]
async fn a_sweep_removes_empty_rooms_from_the_list() {
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    one.broker.enter(&room("empty"), &user("alice"), 0).await.expect("entered");
    one.broker.leave(&room("empty"), &user("alice"), LeaveReason::Left).await.expect("left");
    one.broker.enter(&room("here"), &user("alice"), 0).await.expect("entered");
    one.fill("said", 1).await;
    one.broker.0.logs.retention.sweep().await.expect("swept");
    let mut listed: Vec<String> = raw.query(&["SMEMBERS", &Keys::new("realtime").rooms()]).await;
    listed.sort();
    assert_eq!(listed, ["here", "said"]);
    let kept: u64 =
        raw.query(&["EXISTS", &keys::meta(&channel("empty")), &keys::meta(&channel("here"))]).await;
    assert_eq!(kept, 1, "the metadata of the empty room is deleted");
}

/// Comparisons read old entries too.
#[tokio::test]
async fn a_room_with_only_old_entries_is_not_reset() {
    let redis = Redis::start_with(&[]);
    let one = instance_with(&redis, Retain { age: Some(Duration::from_hours(1)), ..Retain::default() });
    one.broker.open(&room("a")).await.expect("opened");
    one.post(submission("alice", "a", "first")).await;
    one.wait_for_text("first").await;
    // The time of this entry is long ago.
    append_unannounced(&one, &redis, "first").await;
    one.broker.catch_up(&room("a")).await.expect("answered");
    let events = one.recorder.wait_until(|_| true).await;
    assert_eq!(
        (texts(&events), Instance::resets(&events)),
        (["first", "unannounced"].map(Into::into).into(), 0)
    );
}

#[tokio::test]
async fn a_reset_replays_only_entries_within_the_retention() {
    let redis = Redis::start_with(&[]);
    let one = instance_with(&redis, Retain { age: Some(Duration::from_hours(1)), ..Retain::default() });
    let (mut raw, log) = (RedisClient::connect(&redis).await, keys::log(&channel("a")));
    one.fill("a", 3).await;
    one.broker.open(&room("a")).await.expect("opened");
    let page = one.broker.history(&room("a"), Range::Newest, 3, usize::MAX).await.expect("a page");
    let _: u64 = raw.query(&["DEL", &log]).await;
    let now = Clock::system().now().millis();
    for (entry, ts) in page.entries.iter().zip([1, 1, now]) {
        let id = EntryId::from_u128(entry.id.to_u128() + 1).to_string();
        let (number, ts) = (format!("{}-0", entry.seq), ts.to_string());
        let _: String = raw.query(&["XADD", &log, &number, "i", &id, "t", &ts, "f", &entry.json]).await;
    }
    one.broker.catch_up(&room("a")).await.expect("answered");
    let events = one.recorder.wait_until(|_| true).await;
    let before = Position::At {
        epoch: page.epoch.expect("a name"),
        seq: Seq::new(2),
        id: EntryId::from_u128(page.entries[1].id.to_u128() + 1),
    };
    let reset = events.iter().position(|event| *event == FeedEvent::Reset(room("a"), before.clone(), 1));
    let replay = &events[reset.expect("a reset")..];
    assert_eq!(replay.len(), 2, "{replay:?}");
}

/// Redis reads 40,000 rooms for the first request, and not for the second.
#[tokio::test]
async fn a_long_list_is_computed_once_for_several_requests() {
    const ROOMS: usize = 40_000;
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    one.fill("said", 1).await;
    let names: Vec<String> = (0..ROOMS).map(|number| format!("room-{number}")).collect();
    let listed = Keys::new("realtime").rooms();
    let words: Vec<&str> = ["SADD", &listed].into_iter().chain(names.iter().map(String::as_str)).collect();
    let _: u64 = raw.query(&words).await;
    for _ in 0..2 {
        let (rooms, _) = one.broker.list(RoomFilter::with_prefix(String::new()), 10).await.expect("a list");
        assert_eq!(rooms.iter().map(|summary| summary.room.as_str()).collect::<Vec<_>>(), ["said"]);
    }
    let statistics: String = raw.query(&["INFO", "commandstats"]).await;
    let calls = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    let calls: usize = calls.and_then(|rest| rest.split(',').next()?.parse().ok()).expect("a number");
    assert!(calls < 2 * ROOMS, "{calls}");
}
