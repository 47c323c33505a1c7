//! Logs that were changed without the knowledge of the instances.
//!
//! After any change of the keys of a room, the announced log has contiguous seqs, or the feed gets a reset.

use realtime_shared::Epoch;

use super::*;
use crate::broker::contract::submission;
use crate::broker::{Entry, Receipt};

/// The start and the entries of the log since its last reset.
fn current_log(events: &[FeedEvent]) -> (Position, Vec<(Epoch, Entry)>) {
    let mut log = (Position::Start, Vec::new());
    for event in events {
        match event {
            FeedEvent::Reset(_, position, _) => log = (position.clone(), Vec::new()),
            FeedEvent::Entry(_, epoch, entry) => log.1.push((epoch.clone(), entry.clone())),
            _ => {}
        }
    }
    log
}

/// Asserts that the seqs after the last reset are contiguous and of one epoch.
#[track_caller]
fn assert_contiguous(events: &[FeedEvent]) {
    let (mut position, entries) = current_log(events);
    for (epoch, entry) in entries {
        assert_eq!(entry.seq, position.seq().next(), "{events:?}");
        assert!(position.epoch().is_none_or(|before| *before == epoch), "{events:?}");
        position = Position::At { epoch, seq: entry.seq, id: entry.id };
    }
}

/// Two instances that have received five entries of the room `a`.
async fn instances_with_five_entries(redis: &Redis) -> ([Instance; 2], Vec<Receipt>) {
    let instances = instances_in_a::<2>(redis).await;
    let receipts = instances[0].fill("a", 5).await;
    for instance in &instances {
        assert_eq!(texts(&instance.wait_for_text("5").await), ["1", "2", "3", "4", "5"]);
    }
    (instances, receipts)
}

/// Posts a message after the log was changed, and asserts that both instances reset it.
async fn post_after_divergence(instances: &[Instance; 2], before: &[Receipt]) -> Receipt {
    let after = instances[1].post(submission("alice", "a", "after").with_id("after")).await;
    assert!(before.iter().all(|receipt| receipt.epoch != after.epoch && receipt.id != after.id));
    for instance in instances {
        let events = instance.wait_for_text("after").await;
        assert_contiguous(&events);
        assert!(Instance::resets(&events) > 0, "{events:?}");
        let (_, entries) = current_log(&events);
        assert_eq!(entries.last().map(|(epoch, entry)| (epoch, entry.id)), Some((&after.epoch, after.id)));
        let newest = Position::At { epoch: after.epoch.clone(), seq: after.seq, id: after.id };
        assert_eq!(instance.broker.open(&room("a")).await, Ok(newest));
    }
    // History is contiguous too.
    let page = instances[0].broker.history(&room("a"), Range::Newest, 10, usize::MAX).await.expect("a page");
    assert!(page.entries.windows(2).all(|pair| pair[0].seq.next() == pair[1].seq), "{page:?}");
    after
}

#[tokio::test]
async fn the_log_is_reset_after_its_newest_entries_were_deleted() {
    let redis = Redis::start();
    let (instances, before) = instances_with_five_entries(&redis).await;
    let log = keys::log(&channel("a"));
    let taken: u64 = RedisClient::connect(&redis).await.query(&["XDEL", &log, "4-0", "5-0"]).await;
    assert_eq!(taken, 2);
    post_after_divergence(&instances, &before).await;
}

#[tokio::test]
async fn the_log_is_reset_after_all_entries_were_deleted() {
    let redis = Redis::start();
    let (instances, before) = instances_with_five_entries(&redis).await;
    let log = keys::log(&channel("a"));
    let taken: u64 =
        RedisClient::connect(&redis).await.query(&["XDEL", &log, "1-0", "2-0", "3-0", "4-0", "5-0"]).await;
    assert_eq!(taken, 5);
    post_after_divergence(&instances, &before).await;
}

/// The dedup table names a lost entry; a resent message is still stored.
#[tokio::test]
async fn a_lost_message_is_stored_when_it_is_sent_again() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    one.post(submission("alice", "a", "kept").with_id("1")).await;
    let lost = one.post(submission("alice", "a", "lost").with_id("2")).await;
    let log = keys::log(&channel("a"));
    let mut raw = RedisClient::connect(&redis).await;
    let _: u64 = raw.query(&["XDEL", &log, "2-0"]).await;
    one.post(submission("alice", "a", "between")).await;
    let again = other.post(submission("alice", "a", "lost").with_id("2")).await;
    assert!(!again.duplicate && again.id != lost.id, "{again:?}");
    assert_contiguous(&other.wait_for_text("lost").await);
    for key in [keys::known(&channel("a"), 0), keys::known(&channel("a"), 1)] {
        let left: i64 = raw.query(&["TTL", &key]).await;
        assert_ne!(left, -1, "{key} never expires");
    }
}

#[tokio::test]
async fn the_log_is_reset_after_its_stream_was_deleted() {
    let redis = Redis::start();
    let (instances, before) = instances_with_five_entries(&redis).await;
    let deleted: u64 = RedisClient::connect(&redis).await.query(&["DEL", &keys::log(&channel("a"))]).await;
    assert_eq!(deleted, 1);
    let after = post_after_divergence(&instances, &before).await;
    assert_eq!(after.seq, Seq::new(1));
}

#[tokio::test]
async fn a_deleted_stream_is_detected_without_a_post() {
    let redis = Redis::start();
    let ([one, other], _) = instances_with_five_entries(&redis).await;
    let _: u64 = RedisClient::connect(&redis).await.query(&["DEL", &keys::log(&channel("a"))]).await;
    for instance in [one, other] {
        let events = instance.recorder.wait_until(|events| Instance::resets(events) > 0).await;
        assert_eq!(current_log(&events), (Position::Start, Vec::new()));
    }
}

#[tokio::test]
async fn the_log_is_reset_after_its_epoch_was_lost() {
    let redis = Redis::start();
    let (instances, before) = instances_with_five_entries(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    let _: u64 = raw.query(&["DEL", &keys::meta(&channel("a"))]).await;
    let after = post_after_divergence(&instances, &before).await;
    assert_eq!(after.seq, Seq::new(6), "no entry was lost");
    // A duplicate while the log has no epoch is answered with the epoch that history shows.
    let _: u64 = raw.query(&["DEL", &keys::meta(&channel("a"))]).await;
    let again = instances[0].post(submission("alice", "a", "after").with_id("after")).await;
    assert!(again.duplicate);
    let page = instances[0].broker.history(&room("a"), Range::Newest, 1, usize::MAX).await.expect("a page");
    assert_eq!(page.epoch, Some(again.epoch));
}

#[tokio::test]
async fn the_log_is_reset_after_its_epoch_changed() {
    let redis = Redis::start();
    let (instances, before) = instances_with_five_entries(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    let _: u64 = raw.query(&["HSET", &keys::meta(&channel("a")), "epoch", "another"]).await;
    let after = post_after_divergence(&instances, &before).await;
    assert_eq!(after.epoch.as_str(), "another");
}

/// A Redis that lost its newest entries and gave their seqs to others: epoch and seqs are the same, ids differ.
#[tokio::test]
async fn the_log_is_reset_if_other_entries_have_the_same_seqs() {
    let redis = Redis::start();
    let ([one, other], _) = instances_with_five_entries(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    let log = keys::log(&channel("a"));
    let page = one.broker.history(&room("a"), Range::Newest, 5, usize::MAX).await.expect("a page");
    let _: u64 = raw.query(&["DEL", &log]).await;
    for entry in &page.entries {
        let id = EntryId::from_u128(entry.id.to_u128() + 1).to_string();
        let number = format!("{}-0", entry.seq);
        let _: String = raw.query(&["XADD", &log, &number, "i", &id, "t", "1", "f", &entry.json]).await;
    }
    for instance in [one, other] {
        let events = instance.recorder.wait_until(|events| texts(events).len() >= 10);
        let events = events.await;
        let reset = FeedEvent::Reset(room("a"), Position::Start, 5);
        assert_eq!(events.iter().filter(|event| **event == reset).count(), 1);
        assert_contiguous(&events);
        let ids: Vec<_> = current_log(&events).1.iter().map(|(_, entry)| entry.id.to_u128() - 1).collect();
        assert!(page.entries.iter().map(|entry| entry.id.to_u128()).eq(ids));
    }
}

#[tokio::test]
async fn a_reset_starts_after_an_entry_that_was_deleted_from_the_middle() {
    let redis = Redis::start();
    let (instances, _) = instances_with_five_entries(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    let _: u64 = raw.query(&["XDEL", &keys::log(&channel("a")), "3-0"]).await;
    let _: u64 = raw.query(&["HSET", &keys::meta(&channel("a")), "epoch", "another"]).await;
    instances[1].post(submission("alice", "a", "after")).await;
    for instance in &instances {
        let events = instance.wait_for_text("after").await;
        assert_contiguous(&events);
        let (position, entries) = current_log(&events);
        assert_eq!((position.seq(), entries.len()), (Seq::new(4), 2), "{events:?}");
    }
}

#[tokio::test]
async fn the_log_is_reset_after_redis_lost_all_keys() {
    let redis = Redis::start();
    let (instances, before) = instances_with_five_entries(&redis).await;
    let _: String = RedisClient::connect(&redis).await.query(&["FLUSHALL"]).await;
    post_after_divergence(&instances, &before).await;
}
