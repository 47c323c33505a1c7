//! Changes of messages on several instances, and what Redis keeps of them.

use realtime_shared::rules::Power;
use realtime_shared::{
    Change, Content, Delete, Edit, Emoji, EntryEvent, ErrorCode, Message, Pin, Post, Reaction, RoomChange,
    SlowMode, Text,
};
use tokio::sync::oneshot;

use super::retention::settled;
use super::*;
use crate::broker::contract::submission;
use crate::broker::redis::log::change_view::{ChangeDecision, Expected};
use crate::broker::redis::log::lanes::{VIEW, kind_of};
use crate::broker::{NotStored, PageFilter, PageQuery, PageRange, Receipt};

fn change(from: &str, change: impl Into<Change>) -> Submission {
    let post = Post { room: room("a"), content: Content::Change(change.into()), client_msg_id: None };
    Submission::new(user(from), post)
}

fn edit(from: &str, target: u64, text: &str) -> Submission {
    let (target, text) = (Seq::new(target), Text::new(text).expect("a text"));
    change(from, Change::Edit(Edit { target, target_id: None, text, mentions: None, deleted: false }))
}

fn delete(from: &str, target: u64) -> Submission {
    change(from, Change::Delete(Delete { target: Seq::new(target), target_id: None, reason: None }))
}

fn react(from: &str, target: u64, removed: bool) -> Submission {
    let (target, emoji) = (Seq::new(target), Emoji::new(":yes:").expect("an emoji"));
    change(from, Change::Reaction(Reaction { target, target_id: None, emoji, removed }))
}

fn pin(target: u64) -> Submission {
    let pin = Change::Pin(Pin { target: Seq::new(target), target_id: None, removed: false });
    Submission { power: Power::Moderator, ..change("mona", pin) }
}

fn slow_mode(seconds: u32) -> Submission {
    let slow_mode = SlowMode::new(seconds);
    let set = Change::Room(RoomChange { topic: None, slow_mode, posting: None });
    Submission { power: Power::Moderator, ..change("mona", set) }
}

fn reply(from: &str, to: u64) -> Submission {
    let mut reply = submission(from, "a", "a reply");
    if let Content::Message(message) = &mut reply.content {
        message.reply_to = Some(Seq::new(to));
    }
    reply
}

async fn outcome(instance: &Instance, submission: Submission) -> Result<Receipt, NotStored> {
    let (done, outcome) = oneshot::channel();
    instance.submit(submission, |result| drop(done.send(result)));
    outcome.await.expect("completed")
}

/// The messages of the newest page.
async fn newest(instance: &Instance) -> Vec<Message> {
    let query = PageQuery { range: PageRange::Newest, filter: PageFilter::All, limit: 100, bytes: 1 << 20 };
    let page = instance.broker.messages(&room("a"), query, &user("viewer")).await.expect("a page");
    let decode = |frame: &Arc<str>| match codec::decode_entry(frame) {
        Some(EntryEvent::Message(message)) => message,
        other => panic!("not a message: {other:?}"),
    };
    page.messages.iter().map(decode).collect()
}

/// The messages of a room, as its raw entries make them.
async fn folded(instance: &Instance) -> Vec<Message> {
    let page = instance.broker.history(&room("a"), Range::After(Seq::ZERO), 10_000, usize::MAX).await;
    let mut messages: Vec<Message> = Vec::new();
    for entry in page.expect("a page").entries {
        match codec::decode_entry(&entry.json).expect("an entry") {
            EntryEvent::Message(message) => messages.push(message),
            EntryEvent::Change(entry) => {
                for message in &mut messages {
                    message.apply(&entry, None);
                }
            }
        }
    }
    messages
}

async fn assert_equal_states(instances: &[Instance]) {
    let expected = folded(&instances[0]).await;
    for instance in instances {
        let messages = newest(instance).await;
        assert_eq!(messages.len(), expected.len());
        for (message, expected) in messages.iter().zip(&expected) {
            assert!(message.has_state_of(expected), "{message:?} is not {expected:?}");
        }
    }
}

#[tokio::test]
async fn a_change_on_one_instance_is_shown_by_the_others() {
    let redis = Redis::start();
    let instances @ [one, other] = &instances_in_a::<2>(&redis).await;
    one.post(submission("alice", "a", "hello")).await;
    other.wait_for_text("hello").await;
    one.post(edit("alice", 1, "hello again")).await;
    other.post(react("bob", 1, false)).await;
    other.post(reply("bob", 1)).await;
    for instance in instances {
        let events = instance.recorder.wait_for_count(4).await;
        let seqs: Vec<_> = instance.recorder.entries().iter().map(|entry| entry.seq.get()).collect();
        assert_eq!(seqs, [1, 2, 3, 4], "{events:?}");
    }
    assert_equal_states(instances).await;
    assert_eq!(newest(one).await[0].replies, 1);

    one.recorder.take();
    other.recorder.take();
    one.post(delete("alice", 1)).await;
    for instance in instances {
        let events = instance.recorder.wait_for_count(2).await;
        let [FeedEvent::Replaced(_, replaced), FeedEvent::Entry(.., entry)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!((replaced.len(), entry.seq), (2, Seq::new(5)));
        assert!(replaced.iter().all(|entry| !entry.json.contains("hello")), "{replaced:?}");
    }
    assert_equal_states(instances).await;
}

/// Each of the two decides many times on a view that the other has changed.
#[tokio::test]
async fn instances_that_change_one_message_at_the_same_time_decide_on_current_views() {
    let redis = Redis::start();
    let instances = instances_in_a::<2>(&redis).await;
    instances[0].post(submission("alice", "a", "hello")).await;
    let mut waiting = Vec::new();
    for number in 0..30 {
        for (instance, user) in instances.iter().zip(["alice", "bob"]) {
            let changes =
                [edit("alice", 1, &format!("{user} {number}")), react(user, 1, number % 2 == 1), pin(1)];
            for change in changes {
                let (done, outcome) = oneshot::channel();
                instance.submit(change, |result| drop(done.send(result)));
                waiting.push(outcome);
            }
        }
    }
    for outcome in waiting {
        outcome.await.expect("completed").expect("stored");
    }
    assert_equal_states(&instances).await;
    let [message] = &newest(&instances[0]).await[..] else { panic!("one message") };
    assert!(message.reactions.is_empty() && message.pinned, "{message:?}");
    let head = instances[0].head("a").await.seq();
    assert_eq!(head, Seq::new(1 + 60 + 60 + 1), "edits, reactions and one pin");
}

/// After a lost second, another entry may have the number of the entry that made the state.
#[tokio::test]
async fn a_decision_on_the_state_of_another_entry_with_the_same_number_is_made_again() {
    let redis = Redis::start();
    let one = instance(&redis);
    one.post(submission("alice", "a", "hello")).await;
    one.post(react("bob", 1, false)).await;
    let publisher = &one.broker.0.logs.publisher;
    let submission = edit("alice", 1, "hello again");
    let Content::Change(change) = &submission.content else { panic!("a change") };
    let prepared = publisher.prepare_change(&submission, change);
    let answer = publisher.try_change(&submission, &prepared, Expected::none()).await.expect("a view");
    let Ok(ChangeDecision::Append(expected)) = publisher.review(&submission, &prepared, &answer) else {
        panic!("{answer:?}");
    };
    let (mut raw, states) = (RedisClient::connect(&redis).await, format!("{}:states", channel("a")));
    let record: String = raw.query(&["HGET", &states, "1"]).await;
    let id = record.split(' ').nth(1).expect("an id");
    let other = record.replace(id, &EntryId::from_u128(7).to_string());
    let _: u64 = raw.query(&["HSET", &states, "1", &other]).await;
    let answer = publisher.try_change(&submission, &prepared, expected).await.expect("an answer");
    assert_eq!(kind_of(&answer), Some(VIEW), "{answer:?}");
    assert_eq!(one.head("a").await.seq(), Seq::new(2));
}

#[tokio::test]
async fn entries_of_one_sender_keep_their_order_across_kinds_and_new_settings() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    one.post(submission("alice", "a", "hello")).await;
    let mut waiting = Vec::new();
    for number in 0..60_u64 {
        let next = match number % 3 {
            0 => submission("alice", "a", &number.to_string()),
            1 => edit("alice", 1, &number.to_string()),
            _ => Submission { power: Power::Moderator, ..submission("alice", "a", &number.to_string()) },
        };
        let (done, outcome) = oneshot::channel();
        one.submit(next, |result| drop(done.send(result)));
        waiting.push(outcome);
        if number % 10 == 0 {
            let topic = format!("topic {number}").parse().ok();
            let set = Change::Room(RoomChange { topic, slow_mode: None, posting: None });
            other.post(Submission { power: Power::Moderator, ..change("mona", set) }).await;
        }
    }
    let mut seqs = Vec::new();
    for outcome in waiting {
        seqs.push(outcome.await.expect("completed").expect("stored").seq);
    }
    assert!(seqs.is_sorted(), "{seqs:?}");
    assert_eq!(one.head("a").await.seq(), Seq::new(1 + 60 + 6));
}

/// Otherwise it would be stored before the change, which the sender submits again.
#[tokio::test]
async fn what_waits_for_a_change_without_an_answer_is_refused_with_it() {
    let redis = Redis::start();
    let [one, _] = instances_in_a::<2>(&redis).await;
    one.post(submission("alice", "a", "hello")).await;
    redis.stop();
    let outcomes = [react("alice", 1, false), submission("alice", "a", "after it"), edit("alice", 1, "last")];
    let [change, after, last] = outcomes.map(|submission| {
        let (done, outcome) = oneshot::channel();
        one.submit(submission, |result| drop(done.send(result)));
        outcome
    });
    assert_eq!(change.await.expect("completed"), Err(Unavailable.into()));
    redis.cont();
    assert_eq!(after.await.expect("completed"), Err(Unavailable.into()));
    assert_eq!(last.await.expect("completed"), Err(Unavailable.into()));
    one.post(submission("alice", "a", "later")).await;
    let texts: Vec<_> = newest(&one).await.iter().map(|message| message.text.to_string()).collect();
    assert_eq!(texts, ["hello", "later"]);
}

#[tokio::test]
async fn slow_mode_counts_the_messages_of_all_instances() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    one.post(submission("alice", "a", "before")).await;
    other.post(slow_mode(3_600)).await;
    one.post(submission("alice", "a", "first").with_id("1")).await;
    let second = outcome(&other, submission("alice", "a", "second")).await;
    assert!(matches!(&second, Err(NotStored::Refused { code: ErrorCode::RateLimited, .. })), "{second:?}");
    let again = one.post(submission("alice", "a", "first").with_id("1")).await;
    assert!(again.duplicate, "a message that was stored is acknowledged");
    for text in ["one", "two"] {
        other.post(Submission { power: Power::Moderator, ..submission("alice", "a", text) }).await;
    }
    one.post(slow_mode(0)).await;
    other.post(submission("alice", "a", "third")).await;
}

/// The serialized values of all keys, with what is left in them beside what commands return.
async fn dump(raw: &mut RedisClient) -> Vec<u8> {
    let keys: Vec<String> = raw.query(&["KEYS", "*"]).await;
    let mut all = Vec::new();
    for key in keys {
        let value: Option<Vec<u8>> = raw.query(&["DUMP", &key]).await;
        all.extend(value.unwrap_or_default());
    }
    all
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_deleted_text_is_in_no_value_of_redis() {
    let redis = Redis::start_with(&["--rdbcompression", "no"]);
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    one.fill("a", 40).await;
    let target = one.post(submission("alice", "a", "the-secret-text")).await.seq.get();
    one.post(edit("alice", target, "the-secret-edit")).await;
    one.fill("a", 40).await;
    one.post(edit("alice", target, "the-secret-text")).await;
    let newest = one.post(submission("bob", "a", "the-secret-head")).await.seq.get();
    assert!(contains(&dump(&mut raw).await, "the-secret-"));
    one.post(delete("alice", target)).await;
    one.post(delete("bob", newest)).await;
    let left = dump(&mut raw).await;
    assert!(contains(&left, "alice") && !contains(&left, "the-secret-"), "the text is still in Redis");
    // All entries are at their places.
    let log =
        one.broker.history(&room("a"), Range::After(Seq::ZERO), 1_000, usize::MAX).await.expect("a page");
    assert!(log.entries.iter().map(|entry| entry.seq.get()).eq(1..=86), "{:?}", log.entries);
    assert_equal_states(&[one]).await;
    let fields: Vec<(String, Vec<String>)> =
        raw.query(&["XRANGE", &keys::log(&channel("a")), "-", "+"]).await;
    for (_, fields) in fields {
        assert_eq!([&*fields[0], &*fields[2], &*fields[4]], ["i", "t", "f"], "the form of earlier versions");
        assert_eq!(fields.len(), 6);
    }
}

/// A hole in the stream is neither a gap nor another log.
#[tokio::test]
async fn a_replica_at_a_deleted_entry_goes_on_without_a_reset() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    one.fill("a", 3).await;
    other.wait_for_text("3").await;
    let mut raw = RedisClient::connect(&redis).await;
    raw.kill("realtime-subscriber").await;
    one.post(delete("alice", 3)).await;
    one.post(submission("alice", "a", "later")).await;
    other.broker.catch_up(&room("a")).await.expect("answered");
    let is_there = |event: &FeedEvent| matches!(event, FeedEvent::Entry(.., entry) if entry.seq.get() == 5);
    let events = other.recorder.wait_until(|events| events.iter().any(is_there)).await;
    assert_eq!(Instance::resets(&events), 0, "{events:?}");
    let seqs: Vec<_> = other.recorder.entries().iter().map(|entry| entry.seq.get()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn retention_removes_what_belongs_to_dropped_entries() {
    let redis = Redis::start();
    let one = instance_with(&redis, Retain { messages: Some(20), ..Retain::default() });
    settled(&one).await;
    for number in 0..10 {
        one.post(submission("alice", "a", "hello")).await;
        let target = number * 5 + 1;
        one.post(react("bob", target, false)).await;
        one.post(pin(target)).await;
        one.post(reply("bob", target)).await;
        one.post(delete("bob", target + 3)).await;
    }
    one.fill("a", 1_000).await;
    let mut raw = RedisClient::connect(&redis).await;
    let keys: Vec<String> = raw.query(&["KEYS", &format!("{}*", channel("a"))]).await;
    let mut names: Vec<_> = keys.iter().map(|key| &key[channel("a").len() + 1..]).collect();
    names.sort_unstable();
    assert_eq!(names, ["known:0", "log", "meta"], "the keys of a room without changes");
    assert_eq!(newest(&one).await.len(), 20);
}

#[tokio::test]
async fn a_room_that_is_founded_anew_has_no_changes() {
    let redis = Redis::start();
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    one.post(submission("alice", "a", "hello")).await;
    one.post(react("bob", 1, false)).await;
    one.post(slow_mode(3_600)).await;
    let _: u64 = raw.query(&["DEL", &keys::log(&channel("a"))]).await;
    for text in ["one", "two"] {
        one.post(submission("alice", "a", text)).await;
    }
    let messages = newest(&one).await;
    assert!(messages.iter().all(|message| message.reactions.is_empty()), "{messages:?}");
    assert_eq!(messages.len(), 2);
}

/// An instance of the last version has a counter, but no version.
#[tokio::test]
async fn deletions_and_settings_wait_for_the_end_of_instances_without_a_version() {
    let redis = Redis::start();
    let one = instance(&redis);
    one.post(submission("alice", "a", "hello")).await;
    let mut raw = RedisClient::connect(&redis).await;
    let (keys, peers) = (Keys::new("realtime"), &one.broker.0.transport.peers);
    assert!(peers.have_versions());
    let _: u64 = raw.query(&["HSET", &keys.beats(), "earlier", "1"]).await;
    eventually("the instance is noticed", async || !peers.have_versions()).await;
    for change in [delete("alice", 1), slow_mode(1)] {
        let refused = outcome(&one, change).await;
        assert!(matches!(refused, Err(NotStored::Unavailable(_))), "{refused:?}");
    }
    one.post(edit("alice", 1, "hello again")).await;
    one.post(react("bob", 1, false)).await;
    let _: u64 = raw.query(&["HDEL", &keys.beats(), "earlier"]).await;
    eventually("the instance has ended", async || peers.have_versions()).await;
    one.post(slow_mode(1)).await;
    one.post(delete("alice", 1)).await;
}
