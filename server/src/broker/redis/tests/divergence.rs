//! A log that is not what it was: nobody is left in the belief that it is.
//!
//! Whatever is done to a room behind its back, its members hear of a log in which numbers have no hole, or that it has
//! become another one.

use realtime_shared::Epoch;

use super::*;
use crate::broker::contract::said;
use crate::broker::{Entry, Receipt};

/// What members are left with: since the log became another one for the last time, or from the beginning.
fn log_of(heard: &[Heard]) -> (Position, Vec<(Epoch, Entry)>) {
    let mut log = (Position::Start, Vec::new());
    for heard in heard {
        match heard {
            Heard::Reset(_, position, _) => log = (position.clone(), Vec::new()),
            Heard::Entry(_, epoch, entry) => log.1.push((epoch.clone(), entry.clone())),
            _ => {}
        }
    }
    log
}

/// Numbers of one log have no hole.
#[track_caller]
fn assert_sound(heard: &[Heard]) {
    let (mut position, entries) = log_of(heard);
    for (epoch, entry) in entries {
        assert_eq!(entry.seq, position.seq().next(), "{heard:?}");
        assert!(position.epoch().is_none_or(|before| *before == epoch), "{heard:?}");
        position = Position::At { epoch, seq: entry.seq, id: entry.id };
    }
}

/// Two instances that are at the fifth entry of the room `a`.
async fn at_five(redis: &Redis) -> ([Instance; 2], Vec<Receipt>) {
    let instances = instances_in_a::<2>(redis).await;
    let receipts = instances[0].fill("a", 5).await;
    for instance in &instances {
        assert_eq!(texts(&instance.hears("5").await), ["1", "2", "3", "4", "5"]);
    }
    (instances, receipts)
}

/// Posts one more after something was done to the log; both instances hear that it became another one.
async fn goes_on(instances: &[Instance; 2], before: &[Receipt]) -> Receipt {
    let after = instances[1].post(said("alice", "a", "after").known_as("after")).await;
    assert!(before.iter().all(|receipt| receipt.epoch != after.epoch && receipt.id != after.id));
    for instance in instances {
        let heard = instance.hears("after").await;
        assert_sound(&heard);
        assert!(Instance::resets(&heard) > 0, "{heard:?}");
        let (_, entries) = log_of(&heard);
        assert_eq!(entries.last().map(|(epoch, entry)| (epoch, entry.id)), Some((&after.epoch, after.id)));
        let newest = Position::At { epoch: after.epoch.clone(), seq: after.seq, id: after.id };
        assert_eq!(instance.broker.open(&room("a")).await, Ok(newest));
    }
    // What is read has no hole either.
    let page = instances[0].broker.history(&room("a"), Range::Newest, 10, usize::MAX).await.expect("a page");
    assert!(page.entries.windows(2).all(|pair| pair[0].seq.next() == pair[1].seq), "{page:?}");
    after
}

#[tokio::test]
async fn entries_are_taken_off_the_end() {
    let redis = Redis::start();
    let (instances, before) = at_five(&redis).await;
    let log = keys::log(&channel("a"));
    let taken: u64 = Raw::to(&redis).await.ask(&["XDEL", &log, "4-0", "5-0"]).await;
    assert_eq!(taken, 2);
    goes_on(&instances, &before).await;
}

#[tokio::test]
async fn all_entries_are_taken() {
    let redis = Redis::start();
    let (instances, before) = at_five(&redis).await;
    let log = keys::log(&channel("a"));
    let taken: u64 = Raw::to(&redis).await.ask(&["XDEL", &log, "1-0", "2-0", "3-0", "4-0", "5-0"]).await;
    assert_eq!(taken, 5);
    goes_on(&instances, &before).await;
}

/// What was lost is not known: it is stored when it comes again.
#[tokio::test]
async fn a_message_that_was_lost_is_no_duplicate() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    one.post(said("alice", "a", "kept").known_as("1")).await;
    let lost = one.post(said("alice", "a", "lost").known_as("2")).await;
    let log = keys::log(&channel("a"));
    let mut raw = Raw::to(&redis).await;
    let _: u64 = raw.ask(&["XDEL", &log, "2-0"]).await;
    one.post(said("alice", "a", "between")).await;
    let again = other.post(said("alice", "a", "lost").known_as("2")).await;
    assert!(!again.duplicate && again.id != lost.id, "{again:?}");
    assert_sound(&other.hears("lost").await);
    for key in [keys::known(&channel("a"), 0), keys::known(&channel("a"), 1)] {
        let left: i64 = raw.ask(&["TTL", &key]).await;
        assert_ne!(left, -1, "{key} is kept for ever");
    }
}

#[tokio::test]
async fn the_stream_is_deleted() {
    let redis = Redis::start();
    let (instances, before) = at_five(&redis).await;
    let deleted: u64 = Raw::to(&redis).await.ask(&["DEL", &keys::log(&channel("a"))]).await;
    assert_eq!(deleted, 1);
    let after = goes_on(&instances, &before).await;
    assert_eq!(after.seq, Seq::new(1));
}

/// Nothing is posted: it is found all the same.
#[tokio::test]
async fn a_stream_that_is_gone_is_missed_without_a_message() {
    let redis = Redis::start();
    let ([one, other], _) = at_five(&redis).await;
    let _: u64 = Raw::to(&redis).await.ask(&["DEL", &keys::log(&channel("a"))]).await;
    for instance in [one, other] {
        let heard = instance.heard.until(|heard| Instance::resets(heard) > 0).await;
        assert_eq!(log_of(&heard), (Position::Start, Vec::new()));
    }
}

#[tokio::test]
async fn the_name_of_the_log_is_lost() {
    let redis = Redis::start();
    let (instances, before) = at_five(&redis).await;
    let mut raw = Raw::to(&redis).await;
    let _: u64 = raw.ask(&["DEL", &keys::meta(&channel("a"))]).await;
    let after = goes_on(&instances, &before).await;
    assert_eq!(after.seq, Seq::new(6), "no entry was lost");
    // A message that comes again while the log has no name is answered, under the name that is shown.
    let _: u64 = raw.ask(&["DEL", &keys::meta(&channel("a"))]).await;
    let again = instances[0].post(said("alice", "a", "after").known_as("after")).await;
    assert!(again.duplicate);
    let page = instances[0].broker.history(&room("a"), Range::Newest, 1, usize::MAX).await.expect("a page");
    assert_eq!(page.epoch, Some(again.epoch));
}

#[tokio::test]
async fn the_log_has_another_name() {
    let redis = Redis::start();
    let (instances, before) = at_five(&redis).await;
    let mut raw = Raw::to(&redis).await;
    let _: u64 = raw.ask(&["HSET", &keys::meta(&channel("a")), "epoch", "another"]).await;
    let after = goes_on(&instances, &before).await;
    assert_eq!(after.epoch.as_str(), "another");
}

/// A Redis that lost its newest entries and has given their numbers again: name and numbers are the same.
#[tokio::test]
async fn other_entries_have_the_same_numbers() {
    let redis = Redis::start();
    let ([one, other], _) = at_five(&redis).await;
    let mut raw = Raw::to(&redis).await;
    let log = keys::log(&channel("a"));
    let page = one.broker.history(&room("a"), Range::Newest, 5, usize::MAX).await.expect("a page");
    let _: u64 = raw.ask(&["DEL", &log]).await;
    for entry in &page.entries {
        let id = EntryId::from_u128(entry.id.to_u128() + 1).to_string();
        let number = format!("{}-0", entry.seq);
        let _: String = raw.ask(&["XADD", &log, &number, "i", &id, "t", "1", "f", &entry.json]).await;
    }
    for instance in [one, other] {
        let heard = instance.heard.until(|heard| texts(heard).len() >= 10);
        let heard = heard.await;
        let reset = Heard::Reset(room("a"), Position::Start, 5);
        assert_eq!(heard.iter().filter(|heard| **heard == reset).count(), 1);
        assert_sound(&heard);
        let ids: Vec<_> = log_of(&heard).1.iter().map(|(_, entry)| entry.id.to_u128() - 1).collect();
        assert!(page.entries.iter().map(|entry| entry.id.to_u128()).eq(ids));
    }
}

/// An entry is taken out of the middle, and a member that has to begin anew is shown what comes after the hole.
#[tokio::test]
async fn an_entry_is_taken_out_of_the_middle() {
    let redis = Redis::start();
    let (instances, _) = at_five(&redis).await;
    let mut raw = Raw::to(&redis).await;
    let _: u64 = raw.ask(&["XDEL", &keys::log(&channel("a")), "3-0"]).await;
    let _: u64 = raw.ask(&["HSET", &keys::meta(&channel("a")), "epoch", "another"]).await;
    instances[1].post(said("alice", "a", "after")).await;
    for instance in &instances {
        let heard = instance.hears("after").await;
        assert_sound(&heard);
        let (position, entries) = log_of(&heard);
        assert_eq!((position.seq(), entries.len()), (Seq::new(4), 2), "{heard:?}");
    }
}

/// A Redis that lost everything, and not only rooms.
#[tokio::test]
async fn everything_is_lost() {
    let redis = Redis::start();
    let (instances, before) = at_five(&redis).await;
    let _: String = Raw::to(&redis).await.ask(&["FLUSHALL"]).await;
    goes_on(&instances, &before).await;
}
