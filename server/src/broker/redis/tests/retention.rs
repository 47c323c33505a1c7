//! What is kept of a room, by number and by age.

use std::sync::atomic::{AtomicU64, Ordering};

use realtime_shared::Timestamp;

use super::announcements::append_unheard;
use super::*;
use crate::broker::contract::{metrics, said};

/// Entries of a page as its numbers.
async fn numbers(instance: &Instance, name: &str) -> Vec<u64> {
    let page = instance.broker.history(&room(name), Range::Newest, 10_000, usize::MAX).await.expect("a page");
    page.entries.iter().map(|entry| entry.seq.get()).collect()
}

/// Redis drops whole blocks of a stream, of a hundred entries each.
#[tokio::test]
async fn a_stream_is_trimmed_while_it_grows() {
    const KEPT: u64 = 50;
    const BLOCK: u64 = 100;
    let redis = Redis::start_with(&[]);
    let one = keeping(&redis, Retain { age: None, messages: Some(KEPT) });
    let mut raw = Raw::to(&redis).await;
    one.fill("a", 500).await;
    let stored: u64 = raw.ask(&["XLEN", &keys::log(&channel("a"))]).await;
    assert!((KEPT..=KEPT + BLOCK).contains(&stored), "{stored}");
    assert!(numbers(&one, "a").await.into_iter().eq(451..=500), "what is shown is exact");
}

/// An instance whose clock says what `now` has.
fn at_time(redis: &Redis, now: &Arc<AtomicU64>, age: Duration) -> Instance {
    let now = now.clone();
    let clock = Clock::from_fn(move || Timestamp::from_millis(now.load(Ordering::Relaxed)));
    let retain = Retain { age: Some(age), messages: None };
    Subject::new(|feed| {
        let engine = Engine::start(target(&redis.url()), clock, retain, metrics()).expect("a thread");
        (Arc::new(engine.broker(feed)), Box::new(engine))
    })
}

/// More than are dropped at once, and rooms of all kinds: busy, quiet, and empty.
#[tokio::test]
async fn what_is_too_old_is_dropped_but_for_the_newest() {
    const AGE: Duration = Duration::from_hours(1);
    let redis = Redis::start_with(&[]);
    let now = Arc::new(AtomicU64::new(Clock::system().now().millis()));
    let (one, other) = (at_time(&redis, &now, AGE), at_time(&redis, &now, AGE));
    let mut raw = Raw::to(&redis).await;
    one.fill("busy", 450).await;
    one.fill("quiet", 3).await;
    one.broker.enter(&room("empty"), &user("alice"), 0).await.expect("entered");
    one.broker.leave(&room("empty"), &user("alice"), LeaveReason::Left).await.expect("left");
    now.fetch_add(60 * 60 * 1_000 + 1, Ordering::Relaxed);
    other.fill("busy", 2).await;
    assert_eq!(numbers(&one, "busy").await, [451, 452], "what is too old is not shown");

    one.broker.0.logs.retention.sweep().await.expect("swept");
    let mut left = async |name| -> u64 { raw.ask(&["XLEN", &keys::log(&channel(name))]).await };
    assert_eq!((left("busy").await, left("quiet").await), (2, 1));
    let listed: Vec<String> = raw.ask(&["SMEMBERS", &Keys::new("realtime").rooms()]).await;
    assert!(!listed.contains(&"empty".to_owned()) && listed.len() == 2, "{listed:?}");
    // Its number is not given again.
    assert_eq!(one.post(said("alice", "quiet", "again")).await.seq, Seq::new(4));
}

/// While one instance has its turn the others leave it to that.
#[tokio::test]
async fn one_instance_drops_what_is_too_old() {
    let redis = Redis::start_with(&[]);
    let now = Arc::new(AtomicU64::new(Clock::system().now().millis()));
    let age = Duration::from_secs(1);
    let (one, other) = (at_time(&redis, &now, age), at_time(&redis, &now, age));
    let mut raw = Raw::to(&redis).await;
    one.broker.0.logs.retention.sweep().await.expect("swept");
    one.fill("a", 3).await;
    now.fetch_add(2_000, Ordering::Relaxed);
    other.broker.0.logs.retention.sweep().await.expect("left to the other");
    let stored: u64 = raw.ask(&["XLEN", &keys::log(&channel("a"))]).await;
    assert_eq!(stored, 3);
    let _: u64 = raw.ask(&["DEL", &Keys::new("realtime").sweep()]).await;
    other.broker.0.logs.retention.sweep().await.expect("swept");
    let stored: u64 = raw.ask(&["XLEN", &keys::log(&channel("a"))]).await;
    assert_eq!(stored, 1);
}

/// Without an age as well: a room that somebody only looked into is in no list for ever.
#[tokio::test]
async fn what_is_empty_is_taken_out_of_the_list() {
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = Raw::to(&redis).await;
    one.broker.enter(&room("empty"), &user("alice"), 0).await.expect("entered");
    one.broker.leave(&room("empty"), &user("alice"), LeaveReason::Left).await.expect("left");
    one.broker.enter(&room("here"), &user("alice"), 0).await.expect("entered");
    one.fill("said", 1).await;
    one.broker.0.logs.retention.sweep().await.expect("swept");
    let mut listed: Vec<String> = raw.ask(&["SMEMBERS", &Keys::new("realtime").rooms()]).await;
    listed.sort();
    assert_eq!(listed, ["here", "said"]);
    let kept: u64 = raw.ask(&["EXISTS", &keys::meta(&channel("empty")), &keys::meta(&channel("here"))]).await;
    assert_eq!(kept, 1, "nothing is left of a room that nobody is in and nothing was said in");
}

/// What it is to be compared with is not hidden, however old it is.
#[tokio::test]
async fn a_room_whose_entries_are_all_past_is_followed_and_not_reset() {
    let redis = Redis::start_with(&[]);
    let one = keeping(&redis, Retain { age: Some(Duration::from_hours(1)), messages: None });
    one.broker.open(&room("a")).await.expect("opened");
    one.post(said("alice", "a", "first")).await;
    one.hears("first").await;
    // Its time is long ago.
    append_unheard(&one, &redis, "first").await;
    one.broker.catch_up(&room("a")).await.expect("answered");
    let heard = one.heard.until(|_| true).await;
    assert_eq!((texts(&heard), Instance::resets(&heard)), (["first", "unheard"].map(Into::into).into(), 0));
}

/// The only entry that is not past is shown, when the log became another one.
#[tokio::test]
async fn who_goes_on_with_another_log_is_shown_what_is_not_past() {
    let redis = Redis::start_with(&[]);
    let one = keeping(&redis, Retain { age: Some(Duration::from_hours(1)), messages: None });
    let (mut raw, log) = (Raw::to(&redis).await, keys::log(&channel("a")));
    one.fill("a", 3).await;
    one.broker.open(&room("a")).await.expect("opened");
    let page = one.broker.history(&room("a"), Range::Newest, 3, usize::MAX).await.expect("a page");
    let _: u64 = raw.ask(&["DEL", &log]).await;
    let now = Clock::system().now().millis();
    for (entry, ts) in page.entries.iter().zip([1, 1, now]) {
        let id = EntryId::from_u128(entry.id.to_u128() + 1).to_string();
        let (number, ts) = (format!("{}-0", entry.seq), ts.to_string());
        let _: String = raw.ask(&["XADD", &log, &number, "i", &id, "t", &ts, "f", &entry.json]).await;
    }
    one.broker.catch_up(&room("a")).await.expect("answered");
    let heard = one.heard.until(|_| true).await;
    let before = Position::At {
        epoch: page.epoch.expect("a name"),
        seq: Seq::new(2),
        id: EntryId::from_u128(page.entries[1].id.to_u128() + 1),
    };
    let reset = heard.iter().position(|heard| *heard == Heard::Reset(room("a"), before.clone(), 1));
    let shown = &heard[reset.expect("it became another one")..];
    assert_eq!(shown.len(), 2, "{shown:?}");
}

/// Redis looks at 40,000 rooms for the first of them, and not for the second.
#[tokio::test]
async fn a_long_list_is_made_once_for_those_who_ask_for_it() {
    const ROOMS: usize = 40_000;
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = Raw::to(&redis).await;
    one.fill("said", 1).await;
    let names: Vec<String> = (0..ROOMS).map(|number| format!("room-{number}")).collect();
    let listed = Keys::new("realtime").rooms();
    let words: Vec<&str> = ["SADD", &listed].into_iter().chain(names.iter().map(String::as_str)).collect();
    let _: u64 = raw.ask(&words).await;
    for _ in 0..2 {
        let (rooms, _) = one.broker.list(Box::new(|_| true), 10).await.expect("a list");
        assert_eq!(rooms.iter().map(|summary| summary.room.as_str()).collect::<Vec<_>>(), ["said"]);
    }
    let statistics: String = raw.ask(&["INFO", "commandstats"]).await;
    let calls = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    let calls: usize = calls.and_then(|rest| rest.split(',').next()?.parse().ok()).expect("a number");
    assert!(calls < 2 * ROOMS, "{calls}");
}
