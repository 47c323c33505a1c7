//! Changes: edits, deletions, reactions, pins and settings. An engine without one of the features is skipped.

use realtime_shared::rules::Power;
use realtime_shared::{
    Change, Content, Covers, Delete, Edit, Emoji, EntryEvent, ErrorCode, Feature, Message, MessageContent,
    Pin, Position, Post, Posting, Reaction, RoomChange, Seq, SlowMode, Text, codec,
};
use tokio::sync::oneshot;

use super::{EngineFixture, FeedEvent, NotStored, Receipt, Submission, message_of, room, submission, user};
use crate::broker::{MessagePage, PageFilter, PageQuery, PageRange, Range, RoomFilter};

const NEEDED: [Feature; 6] =
    [Feature::Reply, Feature::Edit, Feature::Delete, Feature::Reaction, Feature::Pin, Feature::Room];

fn is_supported(fixture: &EngineFixture) -> bool {
    let features = fixture.broker.features();
    NEEDED.iter().all(|needed| features.contains(needed))
}

fn change(from: &str, change: Change) -> Submission {
    let post = Post { room: room("a"), content: change.into(), client_msg_id: None };
    Submission::new(user(from), post)
}

pub(in crate::broker) fn moderating(submission: Submission) -> Submission {
    Submission { power: Power::Moderator, ..submission }
}

pub(in crate::broker) fn edit(from: &str, target: Seq, text: &str) -> Submission {
    let text = Text::new(text).expect("a text");
    change(from, Change::Edit(Edit { target, target_id: None, text, mentions: None, deleted: false }))
}

pub(in crate::broker) fn delete(from: &str, target: Seq) -> Submission {
    change(from, Change::Delete(Delete { target, target_id: None, reason: None }))
}

pub(in crate::broker) fn react(from: &str, target: Seq, removed: bool) -> Submission {
    let emoji = Emoji::new("👍").expect("an emoji");
    change(from, Change::Reaction(Reaction { target, target_id: None, emoji, removed }))
}

pub(in crate::broker) fn pin(target: Seq) -> Submission {
    moderating(change("mona", Change::Pin(Pin { target, target_id: None, removed: false })))
}

pub(in crate::broker) fn settings(slow_mode: u32, posting: Posting) -> Submission {
    let (topic, slow_mode) = ("News".parse().ok(), SlowMode::new(slow_mode));
    moderating(change("mona", Change::Room(RoomChange { topic, slow_mode, posting: Some(posting) })))
}

pub(in crate::broker) fn reply(from: &str, to: Seq) -> Submission {
    let content = MessageContent { reply_to: Some(to), ..Text::new("yes").expect("a text").into() };
    let post = Post { room: room("a"), content: Content::Message(content), client_msg_id: None };
    Submission::new(user(from), post)
}

async fn outcome(fixture: &EngineFixture, submission: Submission) -> Result<Receipt, NotStored> {
    let (done, outcome) = oneshot::channel();
    fixture.submit(submission, |result| drop(done.send(result)));
    outcome.await.expect("completed")
}

#[track_caller]
fn assert_refused(outcome: Result<Receipt, NotStored>, expected: ErrorCode) -> Option<std::time::Duration> {
    match outcome {
        Err(NotStored::Refused { code, retry_after, .. }) if code == expected => retry_after,
        other => panic!("not refused with {expected:?}: {other:?}"),
    }
}

async fn page(
    fixture: &EngineFixture,
    viewer: &str,
    range: PageRange,
    filter: PageFilter,
    limit: usize,
) -> MessagePage {
    let query = PageQuery { range, filter, limit, bytes: 1 << 20 };
    fixture.broker.messages(&room("a"), query, &user(viewer)).await.expect("a page")
}

fn messages(page: &MessagePage) -> Vec<Message> {
    let decode = |frame: &std::sync::Arc<str>| match codec::decode_entry(frame) {
        Some(EntryEvent::Message(message)) => message,
        other => panic!("not a message: {other:?}"),
    };
    page.messages.iter().map(decode).collect()
}

fn seqs(page: &MessagePage) -> Vec<u64> {
    messages(page).iter().map(|message| message.seq.get()).collect()
}

fn covered(page: &MessagePage) -> (u64, u64, u64) {
    let Covers { from, to, as_of } = page.covers.expect("an engine with changes");
    (from.get(), to.get(), as_of.get())
}

async fn newest(fixture: &EngineFixture, viewer: &str) -> Vec<Message> {
    messages(&page(fixture, viewer, PageRange::Newest, PageFilter::All, 50).await)
}

pub(super) async fn changes_are_numbered_announced_and_deduplicated(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    fixture.broker.open(&room("a")).await.expect("opened");
    let target = fixture.post(submission("alice", "a", "hello")).await.seq;
    let changes = [
        edit("alice", target, "hello again"),
        react("bob", target, false),
        pin(target),
        settings(0, Posting::Everyone),
        delete("alice", target),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let kind = change.content.kind();
        let change = change.with_id(&format!("c{index}"));
        let receipt = fixture.post(change.clone()).await;
        assert_eq!((receipt.seq, receipt.duplicate), (Seq::new(index as u64 + 2), false), "{kind:?}");
        let again = fixture.post(change).await;
        assert_eq!(again, Receipt { duplicate: true, ..receipt.clone() }, "{kind:?}");
        let entry = fixture.recorder.entries().into_iter().find(|entry| entry.seq == receipt.seq);
        let entry = entry.unwrap_or_else(|| panic!("{kind:?} is announced"));
        let event = codec::decode_entry(&entry.json).expect("an entry");
        assert_eq!((event.kind(), event.head().id, entry.id), (kind, receipt.id, receipt.id));
    }
    assert_eq!(fixture.head("a").await.seq(), Seq::new(6));
}

pub(super) async fn a_page_has_messages_with_their_changes(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let target = fixture.post(submission("alice", "a", "hello")).await.seq;
    fixture.post(submission("bob", "a", "other")).await;
    let edited = fixture.post(edit("alice", target, "hello again")).await;
    fixture.post(react("bob", target, false)).await;
    fixture.post(react("carol", target, false)).await;
    fixture.post(pin(target)).await;
    let answer = fixture.post(reply("bob", target)).await;
    fixture.post(reply("carol", target)).await;
    fixture.post(delete("bob", answer.seq)).await;

    let all = page(fixture, "bob", PageRange::Newest, PageFilter::All, 50).await;
    assert_eq!((seqs(&all), covered(&all)), (vec![1, 2, 7, 8], (1, 9, 9)));
    let [first, other, deleted, last] = &messages(&all)[..] else { panic!("four messages") };
    assert_eq!((first.text.as_str(), first.edited_ts), ("hello again", Some(edited.ts)));
    let [reaction] = &first.reactions[..] else { panic!("one reaction: {first:?}") };
    assert_eq!(
        (reaction.count, reaction.mine, &reaction.users[..]),
        (2, true, &[user("bob"), user("carol")][..])
    );
    assert_eq!((first.pinned, first.rev, first.replies), (true, Some(Seq::new(6)), 1));
    assert_eq!((other.rev, other.replies, other.pinned), (None, 0, false));
    assert_eq!((deleted.text.as_str(), deleted.rev, deleted.reply_to), ("", Some(Seq::new(9)), Some(target)));
    assert_eq!(last.reply_to, Some(target));
    assert!(!newest(fixture, "dave").await[0].reactions[0].mine);

    fixture.post(react("bob", target, true)).await;
    let reaction = &newest(fixture, "bob").await[0].reactions[0];
    assert_eq!((reaction.count, reaction.mine), (1, false));
}

pub(super) async fn a_change_that_changes_nothing_is_acked_with_the_entry_that_made_the_state(
    fixture: &EngineFixture,
) {
    if !is_supported(fixture) {
        return;
    }
    let target = fixture.post(submission("alice", "a", "hello")).await;
    let unchanged = fixture.post(react("bob", target.seq, true)).await;
    assert_eq!(unchanged, Receipt { duplicate: true, ..target.clone() }, "the message itself");
    let first = fixture.post(react("bob", target.seq, false)).await;
    let again = fixture.post(react("bob", target.seq, false).with_id("r")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first.clone() });
    let same = fixture.post(edit("alice", target.seq, "hello")).await;
    assert_eq!(same, Receipt { duplicate: true, ..first.clone() });
    let removed = fixture.post(react("bob", target.seq, true).with_id("r")).await;
    assert_eq!((removed.seq, removed.duplicate), (Seq::new(3), false), "the id was not remembered");
    let set = fixture.post(settings(5, Posting::Everyone)).await;
    assert_eq!(fixture.post(settings(5, Posting::Everyone)).await, Receipt { duplicate: true, ..set });
    assert_eq!(fixture.head("a").await.seq(), Seq::new(4));
}

pub(super) async fn deduplication_comes_before_every_rule(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let message = submission("alice", "a", "hello").with_id("m");
    let edit = edit("alice", Seq::new(1), "hello again").with_id("e");
    let (posted, edited) = (fixture.post(message.clone()).await, fixture.post(edit.clone()).await);
    fixture.post(delete("alice", posted.seq)).await;
    fixture.post(settings(3_600, Posting::Moderators)).await;
    assert_eq!(fixture.post(message).await, Receipt { duplicate: true, ..posted });
    assert_eq!(fixture.post(edit).await, Receipt { duplicate: true, ..edited });
}

pub(super) async fn a_deleted_text_is_in_no_answer(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    fixture.broker.open(&room("a")).await.expect("opened");
    let target = fixture.post(submission("alice", "a", "a secret").with_id("m")).await;
    let edited = fixture.post(edit("alice", target.seq, "the secret")).await;
    let reaction = fixture.post(react("bob", target.seq, false)).await;
    fixture.recorder.wait_for_count(3).await;
    fixture.recorder.take();
    let deletion = fixture.post(moderating(delete("mona", target.seq))).await;

    let log = fixture.broker.history(&room("a"), Range::Newest, 10, 1 << 20).await.expect("a page");
    assert!(log.entries.iter().all(|entry| !entry.json.contains("secret")), "{log:?}");
    let ids: Vec<_> = log.entries.iter().map(|entry| (entry.seq, entry.id)).collect();
    let receipts = [&target, &edited, &reaction, &deletion];
    assert_eq!(ids, receipts.map(|receipt| (receipt.seq, receipt.id)), "all entries keep their places");
    let tombstone = message_of(&log.entries[0]);
    assert_eq!(
        (&tombstone.from, tombstone.ts, tombstone.client_msg_id.is_some()),
        (&user("alice"), target.ts, true)
    );
    let deleted = tombstone.deleted.expect("deleted");
    assert_eq!((deleted.by, deleted.ts), (user("mona"), deletion.ts));
    let page = page(fixture, "alice", PageRange::Newest, PageFilter::All, 10).await;
    assert!(page.messages.iter().all(|frame| !frame.contains("secret")), "{page:?}");
    assert_eq!(messages(&page)[0].rev, Some(deletion.seq));

    // The frames are replaced before the entry that deletes them is shown.
    let events = fixture.recorder.wait_for_count(2).await;
    let [FeedEvent::Replaced(_, replaced), FeedEvent::Entry(.., entry)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(replaced, &log.entries[..2]);
    assert_eq!(entry.seq, deletion.seq);
    for change in [
        edit("alice", target.seq, "again"),
        react("bob", target.seq, true),
        pin(target.seq),
        delete("alice", target.seq),
    ] {
        assert_refused(outcome(fixture, change).await, ErrorCode::NotFound);
    }
}

pub(super) async fn a_refused_change_leaves_nothing_behind(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    for change in [
        edit("alice", Seq::new(1), "x"),
        delete("alice", Seq::new(1)),
        react("alice", Seq::new(1), false),
        pin(Seq::new(1)),
        reply("alice", Seq::new(1)),
    ] {
        assert_refused(outcome(fixture, change.with_id("1")).await, ErrorCode::NotFound);
    }
    let member = Submission { power: Power::Member, ..settings(5, Posting::Everyone) };
    assert_refused(outcome(fixture, member).await, ErrorCode::Forbidden);
    assert_eq!(fixture.head("a").await, Position::Start);
    let rooms = fixture.broker.list(RoomFilter::with_prefix(String::new()), 10).await.expect("a list");
    assert_eq!(rooms, (Vec::new(), false));

    let target = fixture.post(submission("alice", "a", "hello").with_id("1")).await;
    assert!(!target.duplicate);
    let reaction = fixture.post(react("bob", target.seq, false)).await;
    assert_refused(outcome(fixture, edit("alice", reaction.seq, "x")).await, ErrorCode::NotFound);
    assert_refused(outcome(fixture, edit("bob", target.seq, "x")).await, ErrorCode::Forbidden);
    assert_refused(outcome(fixture, delete("bob", target.seq)).await, ErrorCode::Forbidden);
    let member = Submission { power: Power::Member, ..pin(target.seq) };
    assert_refused(outcome(fixture, member).await, ErrorCode::Forbidden);
    assert_refused(outcome(fixture, reply("alice", Seq::new(3))).await, ErrorCode::NotFound);
    assert_eq!(fixture.head("a").await.seq(), Seq::new(2));
}

pub(super) async fn settings_restrict_members_and_are_in_pages(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    fixture.post(submission("alice", "a", "before")).await;
    assert_eq!(page(fixture, "alice", PageRange::Newest, PageFilter::All, 10).await.settings, None);
    fixture.post(settings(3_600, Posting::Everyone)).await;
    fixture.post(submission("alice", "a", "first")).await;
    let wait =
        assert_refused(outcome(fixture, submission("alice", "a", "second")).await, ErrorCode::RateLimited);
    assert!((3_500..=3_600).contains(&wait.expect("a time").as_secs()), "{wait:?}");
    fixture.post(submission("bob", "a", "another user")).await;
    fixture.post(moderating(submission("alice", "a", "a moderator"))).await;
    let set = fixture.post(settings(0, Posting::Moderators)).await;
    assert_refused(outcome(fixture, submission("alice", "a", "third")).await, ErrorCode::Forbidden);
    fixture.post(moderating(submission("alice", "a", "a moderator"))).await;
    let known =
        page(fixture, "alice", PageRange::Newest, PageFilter::All, 10).await.settings.expect("settings");
    assert_eq!(
        (known.topic.as_str(), known.slow_mode, known.posting),
        ("News", SlowMode::OFF, Posting::Moderators)
    );
    assert_eq!(known.rev, set.seq);
}

pub(super) async fn pages_cover_the_entries_between_their_messages(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    // Messages 1, 2 and 9; reactions 3 to 8 and 10 to 12.
    fixture.fill("a", 2).await;
    for removed in [false, true, false, true, false, true] {
        fixture.post(react("bob", Seq::new(1), removed)).await;
    }
    fixture.post(submission("alice", "a", "9")).await;
    for removed in [false, true, false] {
        fixture.post(react("bob", Seq::new(2), removed)).await;
    }
    let before = |seq| PageRange::Before(Seq::new(seq));
    let after = |seq| PageRange::After(Seq::new(seq));
    let around = |seq| PageRange::Around(Seq::new(seq));
    for (range, limit, expected, covers, more) in [
        (PageRange::Newest, 1, &[9][..], (9, 12, 12), (true, false)),
        (PageRange::Newest, 3, &[1, 2, 9], (1, 12, 12), (false, false)),
        (before(9), 1, &[2], (2, 8, 12), (true, false)),
        (before(2), 5, &[1], (1, 1, 12), (false, false)),
        (before(1), 5, &[], (1, 0, 12), (false, false)),
        (after(0), 2, &[1, 2], (1, 2, 12), (true, false)),
        (after(2), 2, &[9], (3, 12, 12), (false, false)),
        (after(9), 2, &[], (10, 12, 12), (false, false)),
        (after(12), 2, &[], (13, 12, 12), (false, false)),
        (around(2), 2, &[2, 9], (2, 12, 12), (true, false)),
        (around(1), 2, &[1, 2], (1, 2, 12), (false, true)),
        (around(6), 50, &[1, 2, 9], (1, 12, 12), (false, false)),
        (around(100), 2, &[9], (9, 12, 12), (true, false)),
    ] {
        let page = page(fixture, "bob", range, PageFilter::All, limit).await;
        let found = (seqs(&page), covered(&page), (page.has_more, page.has_newer));
        assert_eq!(found, (expected.to_vec(), covers, more), "{range:?}, {limit}");
    }
}

pub(super) async fn threads_and_pinned_messages_are_paged(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    fixture.fill("a", 2).await;
    for _ in 0..3 {
        fixture.post(reply("bob", Seq::new(1))).await;
        fixture.post(submission("alice", "a", "between")).await;
    }
    fixture.post(pin(Seq::new(4))).await;
    fixture.post(pin(Seq::new(2))).await;
    let thread = |seq| PageFilter::Thread(Seq::new(seq));
    let before = |seq| PageRange::Before(Seq::new(seq));
    let after = |seq| PageRange::After(Seq::new(seq));
    for (range, filter, limit, expected, has_more) in [
        (PageRange::Newest, thread(1), 50, &[1, 3, 5, 7][..], false),
        (PageRange::Newest, thread(1), 2, &[5, 7], true),
        (before(5), thread(1), 2, &[1, 3], false),
        (after(1), thread(1), 2, &[3, 5], true),
        (PageRange::Newest, thread(2), 50, &[2], false),
        (PageRange::Newest, thread(9), 50, &[], false),
        (PageRange::Newest, thread(99), 50, &[], false),
        (PageRange::Newest, PageFilter::Pinned, 50, &[2, 4], false),
        (PageRange::Newest, PageFilter::Pinned, 1, &[4], true),
    ] {
        let page = page(fixture, "bob", range, filter, limit).await;
        assert_eq!(
            (seqs(&page), page.has_more),
            (expected.to_vec(), has_more),
            "{range:?} {filter:?}, {limit}"
        );
    }
    fixture.post(moderating(delete("mona", Seq::new(4)))).await;
    let pinned = page(fixture, "bob", PageRange::Newest, PageFilter::Pinned, 50).await;
    assert_eq!(seqs(&pinned), [2], "a deleted message is not pinned");
}

/// Runs with a retention of three messages.
pub(super) async fn retention_counts_messages_and_bounds_entries(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    fixture.fill("a", 5).await;
    for number in 0..9 {
        fixture.post(react("bob", Seq::new(5), number % 2 == 1)).await;
    }
    let all = page(fixture, "bob", PageRange::Newest, PageFilter::All, 50).await;
    assert_eq!((seqs(&all), covered(&all)), (vec![3, 4, 5], (3, 14, 14)));
    assert!(messages(&all)[2].reactions[0].mine);
    fixture.post(react("bob", Seq::new(5), true)).await;
    // Now 13 entries: the oldest one is dropped.
    let all = page(fixture, "bob", PageRange::Newest, PageFilter::All, 50).await;
    assert_eq!((seqs(&all), covered(&all)), (vec![4, 5], (4, 15, 15)));
    assert_refused(outcome(fixture, react("bob", Seq::new(3), false)).await, ErrorCode::NotFound);
    fixture.fill("a", 2).await;
    let all = page(fixture, "bob", PageRange::Newest, PageFilter::All, 50).await;
    assert_eq!(seqs(&all), [16, 17], "the change of a dropped message stays, and changes nothing");
}
