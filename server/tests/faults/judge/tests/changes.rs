//! Made-up histories with changes of messages.

use super::history_builder::{
    HistoryBuilder, change, entry, page, plain, position, sound, target, text_of, tombstone,
};
use super::*;
use crate::history::{Folded, Kind, Page, Paging, ReactionCount, ServedPages, Target};

/// A sound history: Alice posts `a`, Bob reacts to it, Alice edits and deletes it, and posts `b`. Both receive all.
struct Changed {
    builder: HistoryBuilder,
    /// The log as it was delivered.
    delivered: [Entry; 5],
    /// The log after the deletion.
    log: [Entry; 5],
}

fn edit(of: u64, text: &str) -> Content {
    Content::Edit { target: target(of), text: text.into() }
}

fn reaction(of: u64, removed: bool) -> Content {
    Content::Reaction { target: target(of), emoji: "👍".into(), removed }
}

fn deletion(of: u64) -> Content {
    Content::Delete { target: target(of) }
}

fn message(key: &str) -> Content {
    Content::Message { text: text_of(key) }
}

fn changed() -> Changed {
    let steps = [
        ("alice", "a", message("a")),
        ("bob", "r", reaction(1, false)),
        ("alice", "e", edit(1, "better")),
        ("alice", "d", deletion(1)),
        ("alice", "b", message("b")),
    ];
    let mut builder = HistoryBuilder::default();
    builder.joins("alice").joins("bob");
    let mut seq = 0;
    let delivered = steps.map(|(from, key, content)| {
        seq += 1;
        let entry = change(seq, from, key, &content);
        builder.sends_content(from, key, content).delivered("alice", &entry).delivered("bob", &entry);
        builder.acked(from, key, seq);
        entry
    });
    let mut log = delivered.clone();
    for covered in [0, 2] {
        log[covered] = tombstone(&log[covered]);
    }
    Changed { builder, delivered, log }
}

/// The message `a` after its reaction, and after its edit.
fn states_of_a(a: &Entry) -> [Folded; 2] {
    let reactions = vec![ReactionCount { emoji: "👍".into(), count: 1 }];
    let reacted = Folded { reactions, rev: Some(2), ..plain(a) };
    let mut edited = Folded { edited_ts: Some(1_003), rev: Some(3), ..reacted.clone() };
    edited.message.text = "better".into();
    [reacted, edited]
}

#[test]
fn a_sound_history_with_changes_breaks_nothing() {
    let Changed { mut builder, delivered: [a, .., b], log } = changed();
    let [reacted, edited] = states_of_a(&a);
    let deleted = Folded { rev: Some(4), ..plain(&tombstone(&a)) };
    // Pages that were requested before the deletion, one with a later change than its `as_of`.
    builder.paged("bob", &page(1, vec![plain(&a)]), 5, 1).paged("bob", &page(2, vec![reacted.clone()]), 8, 2);
    builder.paged("bob", &page(3, vec![edited.clone()]), 12, 3).paged("bob", &page(2, vec![edited]), 8, 2);
    let last = page(5, vec![deleted, plain(&b)]);
    let asked = builder.next_event();
    builder.paged("alice", &last, asked, 5);
    // Changes that change nothing, and one of a deleted message.
    builder.sends_content("bob", "again", reaction(1, false)).acked_as_duplicate("bob", "again", 2);
    builder.sends_content("bob", "late", reaction(1, true)).act("bob", Act::Rejected { key: "late".into() });
    // A join after the deletion.
    builder.rejoins("bob", 0, 5, Status::Reset, 5);
    for entry in &log {
        builder.delivered("bob", entry);
    }
    builder.served(&log);
    builder.history.phases[0].allows.insert(Status::Reset);
    let (instance, room) = (Instance(0), ROOM.into());
    let pages = vec![last];
    builder.history.pages.push(ServedPages { instance, room, paging: Paging::Forward, pages });
    builder.breaks(&[]);
}

/// Breaks these rules if a page arrives that was requested before the deletion.
#[track_caller]
fn assert_page_breaks(page: &Page, held: u64, rules: &[u8]) {
    let Changed { mut builder, log, .. } = changed();
    builder.paged("bob", page, 0, held).served(&log).breaks(rules);
}

#[test]
fn rule_14_breaks_if_a_page_lacks_a_change_before_its_head() {
    let Changed { delivered: [a, ..], .. } = changed();
    let [reacted, edited] = states_of_a(&a);
    assert_page_breaks(&page(2, vec![reacted.clone()]), 2, &[]);
    assert_page_breaks(&page(3, vec![reacted]), 2, &[14]);
    assert_page_breaks(&page(4, vec![edited.clone()]), 2, &[14]);
    assert_page_breaks(&page(2, vec![edited]), 2, &[]);
}

#[test]
fn rule_14_breaks_if_a_message_of_a_page_has_another_state() {
    let Changed { delivered: [a, ..], .. } = changed();
    let [reacted, edited] = states_of_a(&a);
    let two = vec![ReactionCount { emoji: "👍".into(), count: 2 }];
    for wrong in [
        Folded { reactions: two, ..edited.clone() },
        Folded { reactions: Vec::new(), ..edited.clone() },
        Folded { edited_ts: None, ..edited.clone() },
        Folded { edited_ts: Some(1_004), ..edited.clone() },
        Folded { message: a.clone(), ..edited.clone() },
        Folded { rev: Some(5), ..edited },
        Folded { rev: Some(3), ..reacted },
        Folded { message: Entry { ts: 7, ..a.clone() }, ..plain(&a) },
    ] {
        assert_page_breaks(&page(1, vec![wrong]), 1, &[14]);
    }
}

#[test]
fn rule_14_breaks_if_a_page_lacks_a_message_or_is_older_than_what_its_reader_holds() {
    let Changed { delivered: [a, .., b], .. } = changed();
    assert_page_breaks(&page(1, vec![plain(&a)]), 2, &[14]);
    assert_page_breaks(&page(1, Vec::new()), 1, &[14]);
    assert_page_breaks(&page(6, vec![plain(&tombstone(&a)), plain(&b)]), 1, &[14]);
    assert_page_breaks(&Page { epoch: None, ..page(1, vec![plain(&a)]) }, 1, &[14]);
    assert_page_breaks(&Page { as_of: None, ..page(1, vec![plain(&a)]) }, 1, &[14]);
}

#[test]
fn rule_14_breaks_if_the_pages_of_an_instance_are_not_the_state_of_the_log() {
    let Changed { mut builder, log, .. } = changed();
    let [a, .., b] = &log;
    let deleted = Folded { rev: Some(4), ..plain(a) };
    builder.served(&log);
    let served =
        |pages| ServedPages { instance: Instance(0), room: ROOM.into(), paging: Paging::Backward, pages };
    let part = |covers, messages| Page { covers, ..page(5, messages) };
    for (pages, rules) in [
        (vec![page(5, vec![deleted.clone(), plain(b)])], &[][..]),
        (vec![part(5..=5, vec![plain(b)]), part(1..=4, vec![deleted.clone()])], &[]),
        // The first page is missing.
        (vec![part(5..=5, vec![plain(b)])], &[14]),
        // The pages are older than the log.
        (vec![page(4, vec![deleted])], &[14]),
    ] {
        builder.history.pages = vec![served(pages)];
        builder.breaks(rules);
    }
}

#[test]
fn rule_15_breaks_if_a_page_after_the_ack_has_a_deleted_text() {
    let Changed { mut builder, delivered: [a, ..], log } = changed();
    let [_, edited] = states_of_a(&a);
    // A page as of the edit that was requested before the ack of the deletion, and after it.
    let (before, after) = (builder.next_event() - 8, builder.next_event());
    builder.paged("bob", &page(3, vec![edited.clone()]), before, 3).served(&log).breaks(&[]);
    let mut late = changed().builder;
    late.paged("bob", &page(3, vec![edited]), after, 3).served(&log).breaks(&[15]);
}

#[test]
fn rule_15_breaks_if_a_replay_after_the_ack_has_a_deleted_text() {
    let Changed { log, delivered, .. } = changed();
    // The message, or the edit that it covers.
    for shown in [0, 2] {
        let mut builder = changed().builder;
        builder.joins("carol");
        for (index, entry) in log.iter().enumerate() {
            builder.delivered("carol", if index == shown { &delivered[index] } else { entry });
        }
        builder.served(&log).breaks(&[15]);
    }
}

#[test]
fn rule_15_breaks_if_an_instance_shows_a_text_whose_deletion_it_has_delivered() {
    let mut builder = HistoryBuilder::default();
    let Changed { delivered: [a, .., d, _], .. } = changed();
    let d = Entry { seq: 2, id: "id-2".into(), ..d };
    builder.joins("alice").sends("alice", "a").delivered("alice", &a).acked("alice", "a", 1);
    builder.sends_content("alice", "d", deletion(1)).delivered("alice", &d);
    let log = [tombstone(&a), d.clone()];
    // The deletion has no ack yet.
    let mut other = HistoryBuilder { history: builder.history.clone(), at: builder.at };
    builder.joins("bob").delivered("bob", &a).delivered("bob", &d).served(&log).breaks(&[15]);
    other.joins("bob");
    other.history.events.iter_mut().rev().take(2).for_each(|event| event.instance = Instance(1));
    other.delivered("bob", &a).delivered("bob", &d);
    other.history.events.iter_mut().rev().take(2).for_each(|event| event.instance = Instance(1));
    other.served(&log).breaks(&[]);
}

#[test]
fn rule_15_breaks_if_the_log_keeps_a_deleted_text() {
    let Changed { mut builder, delivered, .. } = changed();
    builder.served(&delivered).breaks(&[15]);
}

#[test]
fn rule_4_breaks_if_a_text_was_deleted_that_nobody_deleted() {
    let Changed { mut builder, log, .. } = changed();
    let [first, second, third, fourth, b] = log;
    let gone = tombstone(&b);
    builder.joins("carol");
    for entry in [&first, &second, &third, &fourth, &gone] {
        builder.delivered("carol", entry);
    }
    builder.served(&[first, second, third, fourth, b]).breaks(&[4]);
}

/// Breaks these rules if the log has one more change.
#[track_caller]
fn assert_change_breaks(from: &str, content: Content, rules: &[u8]) {
    let log = [entry(1, "alice", "a"), entry(2, "alice", "b"), entry(3, "alice", "c")];
    let four = change(4, from, "x", &content);
    let mut builder = sound();
    builder.sends_content(from, "x", content).delivered("alice", &four).delivered("bob", &four);
    let [one, two, three] = log;
    builder.served(&[one, two, three, four]).breaks(rules);
}

#[test]
fn rule_16_breaks_if_a_change_is_not_of_an_earlier_message_of_its_author() {
    assert_change_breaks("alice", edit(3, "better"), &[]);
    assert_change_breaks("bob", reaction(3, false), &[]);
    // Of an entry that does not exist, of itself, of somebody else, and of another message at that seq.
    assert_change_breaks("alice", edit(9, "better"), &[16]);
    assert_change_breaks("alice", reaction(4, false), &[16]);
    assert_change_breaks("bob", edit(3, "better"), &[16]);
    assert_change_breaks("bob", reaction(3, true), &[16]);
    let another = Target { id: "lost".into(), ..target(3) };
    assert_change_breaks("alice", Content::Edit { target: another, text: "better".into() }, &[16]);
}

#[test]
fn rule_16_breaks_if_a_change_is_stored_that_changes_nothing_or_is_of_a_deleted_message() {
    for (content, fault) in [
        (reaction(1, false), "its message was deleted before"),
        (edit(3, "better"), "its target is not a message"),
    ] {
        let Changed { mut builder, log, .. } = changed();
        let six = change(6, "alice", "x", &content);
        builder.sends_content("alice", "x", content).delivered("alice", &six).delivered("bob", &six);
        let six = if six.kind == Kind::Edit { tombstone(&six) } else { six };
        let all: Vec<_> = log.into_iter().chain([six]).collect();
        let verdict = builder.served(&all).breaks(&[16]);
        assert!(verdict.to_string().contains(fault), "{verdict}");
    }
}

#[test]
fn rule_16_breaks_if_a_change_is_refused_although_its_message_is_not_deleted() {
    let log = [entry(1, "alice", "a"), entry(2, "alice", "b"), entry(3, "alice", "c")];
    let mut builder = sound();
    builder.sends_content("bob", "x", reaction(3, false)).act("bob", Act::Rejected { key: "x".into() });
    builder.served(&log).breaks(&[16]);
    // Stored, although it was refused.
    let Changed { mut builder, delivered, log } = changed();
    builder.act("bob", Act::Rejected { key: "r".into() }).served(&log);
    builder.breaks(&[16]);
    assert_eq!(delivered[1], log[1]);
}

#[test]
fn rule_1_breaks_if_a_change_without_effect_is_acked_with_a_position_of_another_message() {
    for (seq, rules) in [(1, &[][..]), (4, &[]), (5, &[1]), (9, &[1])] {
        let Changed { mut builder, log, .. } = changed();
        builder.sends_content("bob", "again", reaction(1, false)).acked_as_duplicate("bob", "again", seq);
        builder.served(&log).breaks(rules);
    }
    // The position has another id.
    let Changed { mut builder, log, .. } = changed();
    builder.sends_content("bob", "again", reaction(1, false));
    let position = Position { id: Some("another".into()), ..position(1) };
    let acked = Act::Acked { room: ROOM.into(), key: "again".into(), position, duplicate: true };
    builder.act("bob", acked).served(&log).breaks(&[1]);
    // A message is never acked like this.
    let Changed { mut builder, log, .. } = changed();
    builder.sends("bob", "c").acked_as_duplicate("bob", "c", 1).served(&log).breaks(&[1]);
}

#[test]
fn rule_9_does_not_wait_for_a_change_that_was_refused_for_good() {
    let Changed { mut builder, log, .. } = changed();
    builder.sends_content("bob", "late", reaction(1, true)).act("bob", Act::Rejected { key: "late".into() });
    builder.lifted().served(&log).breaks(&[]);
    let Changed { mut builder, log, .. } = changed();
    builder.sends_content("bob", "late", reaction(1, true)).lifted().later(11);
    builder.act("bob", Act::Rejected { key: "late".into() }).served(&log).breaks(&[9]);
}
