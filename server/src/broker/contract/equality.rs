//! Equality of engines: the same random entries have the same outcomes, and leave the same log and the same pages.

use std::time::Duration;

use proptest::prelude::*;
use realtime_shared::rules::Power;
use realtime_shared::{
    Change, Content, Delete, Edit, Emoji, MessageContent, Pin, Post, Posting, Reaction, RoomChange, Seq,
    SlowMode, Text,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{EngineFixture, NotStored, Retain, RoomLimits, memory, redis, room, sqlite, user};
use crate::broker::{PageFilter, PageQuery, PageRange, Range, Submission};

/// Most entries of a case.
const ENTRIES: usize = 60;
const USERS: [&str; 3] = ["alice", "bob", "carol"];
const EMOJI: [&str; 3] = ["👍", "❤", "❤\u{FE0F}"];
const TEXTS: [&str; 3] = ["hello", "other", "third"];

fn content() -> impl Strategy<Value = Content> {
    let seq = || (0..=30_u64).prop_map(Seq::new);
    let text = || prop::sample::select(&TEXTS[..]).prop_map(|text| Text::new(text).expect("a text"));
    let message = (text(), prop::option::weighted(0.3, seq()))
        .prop_map(|(text, reply_to)| Content::Message(MessageContent { reply_to, ..text.into() }));
    let edit = (seq(), text()).prop_map(|(target, text)| Edit {
        target,
        target_id: None,
        text,
        mentions: None,
        deleted: false,
    });
    let delete = seq().prop_map(|target| Delete { target, target_id: None, reason: None });
    let emoji = prop::sample::select(&EMOJI[..]).prop_map(|emoji| Emoji::new(emoji).expect("an emoji"));
    let reaction = (seq(), emoji, any::<bool>()).prop_map(|(target, emoji, removed)| Reaction {
        target,
        target_id: None,
        emoji,
        removed,
    });
    let pin = (seq(), any::<bool>()).prop_map(|(target, removed)| Pin { target, target_id: None, removed });
    let slow_mode = prop::option::of(prop::sample::select(vec![0, 3_600]));
    let posting = prop::option::of(prop::sample::select(vec![Posting::Everyone, Posting::Moderators]));
    let settings = (slow_mode, posting).prop_map(|(slow_mode, posting)| RoomChange {
        topic: "News".parse().ok(),
        slow_mode: slow_mode.and_then(SlowMode::new),
        posting,
    });
    prop_oneof![
        8 => message,
        3 => edit.prop_map(|edit| Change::Edit(edit).into()),
        2 => delete.prop_map(|delete| Change::Delete(delete).into()),
        4 => reaction.prop_map(|reaction| Change::Reaction(reaction).into()),
        2 => pin.prop_map(|pin| Change::Pin(pin).into()),
        1 => settings.prop_map(|settings| Change::Room(settings).into()),
    ]
}

fn entry() -> impl Strategy<Value = Submission> {
    let from = prop::sample::select(&USERS[..]);
    let id = prop::option::weighted(0.3, 0..8_u8);
    (content(), from, any::<bool>(), id).prop_map(|(content, from, moderates, id)| {
        let post = Post { room: room("a"), content, client_msg_id: None };
        let power = if moderates { Power::Moderator } else { Power::Member };
        let submission = Submission { power, ..Submission::new(user(from), post) };
        match id {
            Some(id) => submission.with_id(&id.to_string()),
            None => submission,
        }
    })
}

/// Submits entries one after the other. Returns the seqs and errors.
async fn outcomes(fixture: &EngineFixture, entries: &[Submission]) -> Vec<String> {
    let mut described = Vec::new();
    for submission in entries {
        let (done, outcome) = oneshot::channel();
        fixture.submit(submission.clone(), |result| drop(done.send(result)));
        described.push(match outcome.await.expect("completed") {
            Ok(receipt) => format!("{} {}", receipt.seq, receipt.duplicate),
            Err(NotStored::Refused { code, retry_after, .. }) => {
                // The rest of an hour; the clock runs.
                let wait = retry_after.map(|wait| wait > Duration::from_mins(50));
                format!("{code:?} {wait:?}")
            }
            Err(other) => panic!("{other:?}"),
        });
    }
    described
}

/// A frame without what differs between two logs: identity and times.
fn comparable(frame: &str) -> Value {
    let mut frame: Value = serde_json::from_str(frame).expect("JSON");
    let fields = frame.as_object_mut().expect("an object");
    for differing in ["id", "epoch", "ts", "edited_ts"] {
        if let Some(value) = fields.get_mut(differing) {
            *value = json!("…");
        }
    }
    if let Some(deleted) = fields.get_mut("deleted").and_then(Value::as_object_mut) {
        deleted.remove("ts");
    }
    frame
}

/// Pages of all ranges and filters, and the log.
async fn pages(fixture: &EngineFixture, (seq, limit): (u64, usize)) -> Vec<Value> {
    let mut pages = Vec::new();
    let seq = Seq::new(seq);
    for filter in [PageFilter::All, PageFilter::Pinned, PageFilter::Thread(seq)] {
        for range in
            [PageRange::Newest, PageRange::Before(seq), PageRange::After(seq), PageRange::Around(seq)]
        {
            let query = PageQuery { range, filter, limit, bytes: 1 << 20 };
            let page = fixture.broker.messages(&room("a"), query, &user("bob")).await.expect("a page");
            let messages: Vec<_> = page.messages.iter().map(|frame| comparable(frame)).collect();
            let covers = format!("{:?} {:?}", page.covers, page.settings);
            pages.push(json!([
                format!("{query:?}"),
                messages,
                page.has_more,
                page.has_newer,
                covers,
                page.epoch.is_some()
            ]));
        }
    }
    for range in [Range::Newest, Range::After(seq)] {
        let page = fixture.broker.history(&room("a"), range, 100, 1 << 20).await.expect("a page");
        let entries: Vec<_> = page.entries.iter().map(|entry| comparable(&entry.json)).collect();
        pages.push(json!([format!("{range:?}"), entries, page.has_more]));
    }
    pages
}

async fn assert_equal(
    engines: &[EngineFixture; 2],
    entries: &[Submission],
    pages_at: &[(u64, usize)],
) -> Result<(), TestCaseError> {
    let parts = entries.len().div_ceil(pages_at.len()).max(1);
    for (part, at) in entries.chunks(parts).zip(pages_at) {
        let [one, other] = [outcomes(&engines[0], part).await, outcomes(&engines[1], part).await];
        prop_assert_eq!(one, other);
        for (one, other) in pages(&engines[0], *at).await.into_iter().zip(pages(&engines[1], *at).await) {
            prop_assert_eq!(one, other);
        }
    }
    Ok(())
}

/// Submits the same entries to two engines.
fn compare(
    engines: impl FnOnce(Retain) -> [EngineFixture; 2],
    entries: &[Submission],
    pages_at: &[(u64, usize)],
    messages: Option<u64>,
) -> Result<(), TestCaseError> {
    let retain = Retain { messages, ..Retain::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { assert_equal(&engines(retain), entries, pages_at).await })
}

fn entries() -> impl Strategy<Value = Vec<Submission>> {
    prop::collection::vec(entry(), 1..ENTRIES)
}

fn places() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((0..=40_u64, 1..8_usize), 4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_file_agree_under_random_entries(
        entries in entries(),
        pages_at in places(),
        messages in prop::option::of(1..12_u64),
    ) {
        let engines = |retain: Retain| [
            EngineFixture::new(|feed| memory(feed, retain.clone(), RoomLimits::none())),
            EngineFixture::new(|feed| sqlite(feed, retain, RoomLimits::none())),
        ];
        compare(engines, &entries, &pages_at, messages)?;
    }

    #[test]
    fn memory_and_redis_agree_under_random_entries(
        entries in entries(),
        pages_at in places(),
        messages in prop::option::of(1..12_u64),
    ) {
        let engines = |retain: Retain| [
            EngineFixture::new(|feed| memory(feed, retain.clone(), RoomLimits::none())),
            EngineFixture::new(|feed| redis(feed, retain, RoomLimits::none())),
        ];
        compare(engines, &entries, &pages_at, messages)?;
    }
}
