//! Retention by number and by age, and the list of rooms.

use std::sync::atomic::{AtomicU64, Ordering};

use realtime_shared::Timestamp;

use super::announcements::append_unannounced;
use super::*;
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
    let one = instance_with(&redis, Retain { age: None, messages: Some(KEPT) });
    let mut raw = RedisClient::connect(&redis).await;
    one.fill("a", 500).await;
    let stored: u64 = raw.query(&["XLEN", &keys::log(&channel("a"))]).await;
    assert!((KEPT..=KEPT + BLOCK).contains(&stored), "{stored}");
    assert!(seqs(&one, "a").await.into_iter().eq(451..=500), "history is exact");
}

/// An instance whose clock shows `now`.
fn at_time(redis: &Redis, now: &Arc<AtomicU64>, age: Duration) -> Instance {
    let now = now.clone();
    let clock = Clock::from_fn(move || Timestamp::from_millis(now.load(Ordering::Relaxed)));
    let retain = Retain { age: Some(age), messages: None };
    EngineFixture::new(|feed| {
        let engine = RedisEngine::start(target(&redis.url()), clock, retain, metrics()).expect("a thread");
        (Arc::new(engine.broker(feed)), Box::new(engine))
    })
}

/// One room has more old entries than one step drops; others are quiet or empty.
#[tokio::test]
async fn a_sweep_drops_old_entries_but_keeps_the_head() {
    const AGE: Duration = Duration::from_hours(1);
    let redis = Redis::start_with(&[]);
    let now = Arc::new(AtomicU64::new(Clock::system().now().millis()));
    let (one, other) = (at_time(&redis, &now, AGE), at_time(&redis, &now, AGE));
    let mut raw = RedisClient::connect(&redis).await;
    one.fill("busy", 450).await;
    one.fill("quiet", 3).await;
    one.broker.enter(&room("empty"), &user("alice"), 0).await.expect("entered");
    one.broker.leave(&room("empty"), &user("alice"), LeaveReason::Left).await.expect("left");
    now.fetch_add(60 * 60 * 1_000 + 1, Ordering::Relaxed);
    other.fill("busy", 2).await;
    assert_eq!(seqs(&one, "busy").await, [451, 452], "history has no old entries");

    one.broker.0.logs.retention.sweep().await.expect("swept");
    let mut left = async |name| -> u64 { raw.query(&["XLEN", &keys::log(&channel(name))]).await };
    assert_eq!((left("busy").await, left("quiet").await), (2, 1));
    let listed: Vec<String> = raw.query(&["SMEMBERS", &Keys::new("realtime").rooms()]).await;
    assert!(!listed.contains(&"empty".to_owned()) && listed.len() == 2, "{listed:?}");
    // The seqs continue.
    assert_eq!(one.post(submission("alice", "quiet", "again")).await.seq, Seq::new(4));
}

/// The others skip their sweep.
#[tokio::test]
async fn one_instance_at_a_time_sweeps_old_entries() {
    let redis = Redis::start_with(&[]);
    let now = Arc::new(AtomicU64::new(Clock::system().now().millis()));
    let age = Duration::from_secs(1);
    let (one, other) = (at_time(&redis, &now, age), at_time(&redis, &now, age));
    let mut raw = RedisClient::connect(&redis).await;
    one.broker.0.logs.retention.sweep().await.expect("swept");
    one.fill("a", 3).await;
    now.fetch_add(2_000, Ordering::Relaxed);
    other.broker.0.logs.retention.sweep().await.expect("skipped");
    let stored: u64 = raw.query(&["XLEN", &keys::log(&channel("a"))]).await;
    assert_eq!(stored, 3);
    let _: u64 = raw.query(&["DEL", &Keys::new("realtime").sweep()]).await;
    other.broker.0.logs.retention.sweep().await.expect("swept");
    let stored: u64 = raw.query(&["XLEN", &keys::log(&channel("a"))]).await;
    assert_eq!(stored, 1);
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
    let one = instance_with(&redis, Retain { age: Some(Duration::from_hours(1)), messages: None });
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
    let one = instance_with(&redis, Retain { age: Some(Duration::from_hours(1)), messages: None });
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
        let (rooms, _) = one.broker.list(Box::new(|_| true), 10).await.expect("a list");
        assert_eq!(rooms.iter().map(|summary| summary.room.as_str()).collect::<Vec<_>>(), ["said"]);
    }
    let statistics: String = raw.query(&["INFO", "commandstats"]).await;
    let calls = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    let calls: usize = calls.and_then(|rest| rest.split(',').next()?.parse().ok()).expect("a number");
    assert!(calls < 2 * ROOMS, "{calls}");
}
