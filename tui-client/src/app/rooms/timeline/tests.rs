//! The timeline: order, gaps, pages, presence lines, outgoing messages, and entries without a row.

mod gaps;

use jiff::tz::TimeZone;
use realtime_shared::{ClientMsgId, Seq, Text, Timestamp};

use super::*;
use crate::app::rooms::scrollback::SEARCH_PAGE;
use crate::sanitize;

const fn ts() -> Timestamp {
    Timestamp::from_millis(0)
}

fn message(text: &str) -> ShownMessage {
    ShownMessage {
        nick: sanitize::line("bob"),
        text: sanitize::block(text),
        is_doubtful: false,
        mention: false,
        ours: false,
        folded: None,
    }
}

fn page(seqs: std::ops::RangeInclusive<u64>) -> Vec<LoadedEntry> {
    seqs.map(|seq| LoadedEntry { seq: Seq::new(seq), row: Some((ts(), message(&seq.to_string()))) }).collect()
}

/// A page of entries of an unknown kind.
fn unknown(seqs: std::ops::RangeInclusive<u64>) -> Vec<LoadedEntry> {
    seqs.map(|seq| LoadedEntry { seq: Seq::new(seq), row: None }).collect()
}

fn add(timeline: &mut Timeline, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        timeline.add_message(Seq::new(seq), ts(), message(&seq.to_string()));
    }
}

fn hold(timeline: &mut Timeline, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        timeline.hold(Seq::new(seq));
    }
}

/// The rows as text: messages by their text, `|` for a gap, `*` for a note, `+` for a presence line.
fn shape(timeline: &Timeline) -> String {
    let mut shape: Vec<String> = Vec::new();
    for row in &timeline.rows {
        let piece = match &row.body {
            Body::Message(message) => message.text.to_string(),
            Body::Gap => "|".to_owned(),
            Body::Note { .. } => "*".to_owned(),
            Body::Presence(_) => "+".to_owned(),
        };
        shape.push(piece);
    }
    assert!(timeline.rows.iter().map(|e| e.key).is_sorted_by(|a, b| a < b), "sorted, each once");
    shape.join(" ")
}

fn note(timeline: &mut Timeline) {
    timeline.add_note(ts(), Tone::Info, sanitize::block("n"));
}

#[test]
fn a_join_after_a_clear_begins_a_new_presence_line() {
    let mut timeline = Timeline::default();
    let join = |timeline: &mut Timeline, nick| {
        timeline.add_presence(ts(), &TimeZone::UTC, Presences::Named(&sanitize::line(nick)), true);
    };
    join(&mut timeline, "carol");
    join(&mut timeline, "dave");
    assert_eq!(timeline.len(), 1);
    timeline.clear();
    join(&mut timeline, "erin");
    join(&mut timeline, "frank");
    assert_eq!((timeline.len(), timeline.first_not_cleared()), (2, 1));
}

#[test]
fn the_first_page_goes_before_messages_that_arrived_earlier() {
    let mut timeline = Timeline::default();
    note(&mut timeline);
    add(&mut timeline, 4..=5);
    timeline.add_page(None, page(2..=4), true);
    assert_eq!(shape(&timeline), "2 3 * 4 5", "the note is older than 4");
    assert_eq!(timeline.top(), Top::Older);
}

#[test]
fn an_early_note_stays_before_later_messages() {
    let mut timeline = Timeline::default();
    note(&mut timeline);
    add(&mut timeline, 4..=5);
    timeline.add_page(None, page(2..=3), false);
    assert_eq!(shape(&timeline), "2 3 * 4 5");
    assert_eq!(timeline.top(), Top::Gone, "the server trimmed 1");
}

#[test]
fn missing_seqs_are_a_gap_until_they_are_loaded() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=2);
    note(&mut timeline);
    add(&mut timeline, 9..=10);
    assert_eq!(shape(&timeline), "1 2 * | 9 10");
    let top = ItemKey::message(Seq::new(9));
    assert_eq!(timeline.wanted_near(top), Some(Seq::new(9)));
    timeline.add_page(Some(Seq::new(9)), page(6..=8), true);
    assert_eq!(shape(&timeline), "1 2 * | 6 7 8 9 10");
    assert_eq!(timeline.wanted_near(top), Some(Seq::new(6)));
    timeline.add_page(Some(Seq::new(6)), page(2..=5), true);
    assert_eq!(shape(&timeline), "1 2 * 3 4 5 6 7 8 9 10");
    assert_eq!(timeline.wanted_near(top), None, "the top is not known");
}

#[test]
fn the_lowest_visible_gap_is_filled_first() {
    let mut timeline = Timeline::default();
    for seqs in [1..=2, 9..=10, 20..=20] {
        add(&mut timeline, seqs);
    }
    assert_eq!(shape(&timeline), "1 2 | 9 10 | 20");
    let visible = |first: usize, last: usize| [first, last].map(|at| timeline.get(at).expect("one").key());
    let wanted = |first, last| timeline.wanted_in(visible(first, last).into()).map(Seq::get);
    assert_eq!(wanted(0, 6), Some(20), "the lowest");
    assert_eq!(wanted(0, 4), Some(9));
    assert_eq!((wanted(0, 1), wanted(3, 4), wanted(6, 6)), (None, None, None));
    let gaps = [2, 9, 10, 20].map(|seq| timeline.gap_before(Seq::new(seq)));
    assert_eq!(gaps, [None, Some(2), None, Some(5)]);
}

#[test]
fn an_own_message_in_a_gap_leaves_a_gap_on_both_sides() {
    let mut timeline = Timeline::default();
    timeline.add_outgoing(id("a"), ts(), Text::new("mine").expect("a text"));
    for seqs in [1..=2, 9..=9] {
        add(&mut timeline, seqs);
    }
    timeline.set_stored(&id("a"), Seq::new(5), &sanitize::line("me"));
    assert_eq!(shape(&timeline), "1 2 | mine | 9");
    timeline.add_page(Some(Seq::new(9)), page(6..=8), true);
    assert_eq!(shape(&timeline), "1 2 | mine 6 7 8 9");
    timeline.add_page(Some(Seq::new(5)), page(3..=4), true);
    assert_eq!(shape(&timeline), "1 2 3 4 mine 6 7 8 9");
}

#[test]
fn trimmed_history_is_not_the_beginning() {
    let mut timeline = Timeline::default();
    timeline.add_page(None, page(8..=9), true);
    timeline.add_page(Some(Seq::new(8)), page(5..=7), false);
    assert_eq!(timeline.top(), Top::Gone);
    let mut replayed = Timeline::default();
    replayed.add_page(Some(Seq::new(8)), Vec::new(), false);
    assert_eq!(replayed.top(), Top::Gone, "before the replay arrived");
}

#[test]
fn a_gap_that_cannot_be_filled_is_closed() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=1);
    add(&mut timeline, 9..=9);
    timeline.add_page(Some(Seq::new(9)), Vec::new(), false);
    assert_eq!(shape(&timeline), "1 9");
}

#[test]
fn an_empty_page_with_more_entries_is_not_the_beginning() {
    let mut timeline = Timeline::default();
    timeline.add_page(None, Vec::new(), true);
    assert_eq!(timeline.top(), Top::Unknown);
    timeline.add_page(None, page(9..=9), true);
    timeline.add_page(Some(Seq::new(9)), Vec::new(), true);
    assert_eq!(timeline.top(), Top::Older);
    add(&mut timeline, 20..=20);
    timeline.add_page(Some(Seq::new(20)), Vec::new(), true);
    assert_eq!(shape(&timeline), "9 | 20");
}

#[test]
fn older_pages_are_added_at_the_top_until_the_beginning() {
    let mut timeline = Timeline::default();
    timeline.add_page(None, page(5..=6), true);
    let top = timeline.get(0).expect("an item").key();
    assert_eq!(timeline.wanted_near(top), Some(Seq::new(5)));
    timeline.add_page(Some(Seq::new(5)), page(1..=4), false);
    assert_eq!(shape(&timeline), "1 2 3 4 5 6");
    assert_eq!((timeline.top(), timeline.wanted_near(top)), (Top::Beginning, None));
    let mut empty = Timeline::default();
    empty.add_page(None, Vec::new(), false);
    assert_eq!(empty.top(), Top::Beginning);
}

#[test]
fn a_message_is_added_once() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=3);
    add(&mut timeline, 2..=2);
    timeline.add_page(None, page(1..=3), false);
    assert_eq!(shape(&timeline), "1 2 3");
}

#[test]
fn at_most_held_rows_are_kept() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=HELD as u64 + 5);
    assert_eq!(timeline.len(), HELD);
    assert_eq!(timeline.top(), Top::Older);
    assert_eq!(timeline.wanted_near(timeline.get(0).expect("an item").key()), None, "no room for a page");
}

#[test]
fn joins_and_leaves_fold_into_one_line() {
    let mut timeline = Timeline::default();
    let nick = |n: &str| sanitize::line(n);
    for (who, came) in [("carol", true), ("bob", false), ("erin", true), ("erin", false), ("dave", true)] {
        timeline.add_presence(ts(), &TimeZone::UTC, Presences::Named(&nick(who)), came);
    }
    timeline.add_presence(ts(), &TimeZone::UTC, Presences::Named(&nick("bob")), true);
    let Some(Item::Row(LogRow { body: Body::Presence(presence), .. })) = timeline.get(0) else {
        panic!("presence")
    };
    assert_eq!(
        presence.text("−", "≈", "…", |_| true),
        "+carol +dave (1 came and went, 1 left and came back)"
    );
    note(&mut timeline);
    timeline.add_presence(ts(), &TimeZone::UTC, Presences::Named(&nick("bob")), true);
    assert_eq!(shape(&timeline), "+ * +");
    timeline.add_presence(ts(), &TimeZone::UTC, Presences::Unnamed(40), true);
    let Some(Item::Row(LogRow { body: Body::Presence(presence), .. })) = timeline.get(2) else {
        panic!("presence")
    };
    assert_eq!(presence.text("−", "≈", "…", |_| true), "+bob … (41 joined)");
}

fn id(text: &str) -> ClientMsgId {
    ClientMsgId::new(text).expect("an id")
}

#[test]
fn an_outgoing_message_stands_at_the_end_until_it_is_stored() {
    let mut timeline = Timeline::default();
    timeline.add_outgoing(id("a"), ts(), Text::new("hi").expect("a text"));
    add(&mut timeline, 1..=3);
    assert!(matches!(timeline.get(3), Some(Item::Outgoing(_))));
    let key = timeline.get(3).expect("an item").key();
    assert_eq!(timeline.index_of(key), 3);
    timeline.set_stored(&id("a"), Seq::new(4), &sanitize::line("me"));
    assert_eq!(timeline.outgoing().next().map(|o| o.state.clone()), Some(Sending::Stored));
    timeline.set_stored(&id("a"), Seq::new(3), &sanitize::line("me"));
    assert_eq!((shape(&timeline).as_str(), timeline.len()), ("1 2 3", 3), "3 was delivered before");
}

#[test]
fn a_reset_removes_the_rows_of_the_old_log() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=5);
    note(&mut timeline);
    timeline.remove_after(Seq::new(3));
    assert_eq!(shape(&timeline), "1 2 3");
    timeline.reset();
    assert_eq!((timeline.len(), timeline.top()), (0, Top::Older));
}

#[test]
fn the_first_seq_is_the_beginning() {
    let mut timeline = Timeline::default();
    timeline.reset();
    assert_eq!(timeline.top(), Top::Older);
    add(&mut timeline, 1..=1);
    assert_eq!(timeline.top(), Top::Beginning);
}

#[test]
fn an_unknown_entry_between_two_messages_shows_no_gap() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=2);
    hold(&mut timeline, 3..=4);
    add(&mut timeline, 5..=5);
    assert_eq!(shape(&timeline), "1 2 5");
    hold(&mut timeline, 6..=6);
    add(&mut timeline, 8..=8);
    assert_eq!(shape(&timeline), "1 2 5 | 8", "7 is missing");
    hold(&mut timeline, 7..=7);
    assert_eq!(shape(&timeline), "1 2 5 8");
}

#[test]
fn a_gap_before_an_unknown_entry_is_shown_and_filled() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=2);
    hold(&mut timeline, 9..=10);
    assert_eq!(shape(&timeline), "1 2 |", "there is no later message");
    let wanted = |timeline: &Timeline| timeline.wanted_before(ItemKey::END).map(Seq::get);
    assert_eq!(wanted(&timeline), Some(9));
    add(&mut timeline, 11..=11);
    assert_eq!(shape(&timeline), "1 2 | 11");
    assert_eq!(wanted(&timeline), Some(9), "9 and 10 are held");
    assert_eq!(timeline.gap_before(Seq::new(9)), Some(2));
    timeline.add_page(Some(Seq::new(9)), unknown(6..=8), true);
    assert_eq!((shape(&timeline).as_str(), wanted(&timeline)), ("1 2 | 11", Some(6)));
    timeline.add_page(Some(Seq::new(6)), page(3..=5), true);
    assert_eq!(shape(&timeline), "1 2 3 4 5 11");
}

#[test]
fn a_page_of_unknown_entries_does_not_end_the_history() {
    let mut timeline = Timeline::default();
    timeline.add_page(None, unknown(61..=70), true);
    let wanted = |timeline: &Timeline| timeline.wanted_before(ItemKey::END).map(Seq::get);
    assert_eq!((timeline.top(), wanted(&timeline)), (Top::Older, Some(61)));
    timeline.add_page(Some(Seq::new(61)), page(51..=60), true);
    timeline.add_page(Some(Seq::new(51)), unknown(41..=50), true);
    assert_eq!((timeline.top(), wanted(&timeline)), (Top::Older, Some(41)));
    timeline.add_page(Some(Seq::new(41)), unknown(31..=40), false);
    assert_eq!((timeline.top(), wanted(&timeline)), (Top::Gone, None));
    let mut timeline = Timeline::default();
    timeline.add_page(None, unknown(1..=2), false);
    assert_eq!(timeline.top(), Top::Beginning);
    add(&mut timeline, 3..=3);
    assert_eq!((shape(&timeline).as_str(), timeline.top()), ("3", Top::Beginning));
}

#[test]
fn an_unknown_first_entry_is_the_beginning() {
    let mut timeline = Timeline::default();
    timeline.reset();
    hold(&mut timeline, 1..=1);
    assert_eq!(timeline.top(), Top::Beginning);
    timeline.add_page(None, page(2..=3), true);
    assert_eq!((shape(&timeline).as_str(), timeline.top()), ("2 3", Top::Beginning));
}

#[test]
fn a_changed_log_holds_no_seqs_of_the_old_one() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=2);
    hold(&mut timeline, 3..=5);
    timeline.remove_after(Seq::new(3));
    add(&mut timeline, 6..=6);
    assert_eq!(shape(&timeline), "1 2 | 6");
    timeline.reset();
    add(&mut timeline, 5..=5);
    add(&mut timeline, 7..=7);
    hold(&mut timeline, 9..=9);
    assert_eq!(shape(&timeline), "5 | 7 |", "6 was in the old log only");
}

/// Otherwise the message would wait for its copy forever.
#[test]
fn an_own_message_before_an_unknown_entry_moves_to_its_place() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=1);
    timeline.add_outgoing(id("a"), ts(), Text::new("mine").expect("a text"));
    hold(&mut timeline, 2..=3);
    timeline.set_stored(&id("a"), Seq::new(2), &sanitize::line("me"));
    assert_eq!(shape(&timeline), "1 mine");
}

#[test]
fn an_item_is_found_by_its_key() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=2);
    for text in ["one", "two"] {
        timeline.add_outgoing(id(text), ts(), Text::new(text).expect("a text"));
    }
    for index in 0..4 {
        let key = timeline.get(index).expect("an item").key();
        assert_eq!(timeline.index_of(key), index);
    }
    assert_eq!(timeline.index_of(ItemKey::END), 4);
    assert!(timeline.is_outgoing(&id("two")) && !timeline.is_outgoing(&id("three")));
}

#[test]
fn a_gap_that_is_the_last_visible_item_is_filled() {
    let mut timeline = Timeline::default();
    add(&mut timeline, 1..=1);
    add(&mut timeline, 5..=5);
    assert_eq!(shape(&timeline), "1 | 5");
    let key = |index| timeline.get(index).expect("an item").key();
    assert_eq!(timeline.wanted_in((key(0), key(1))), Some(Seq::new(5)));
    assert_eq!(timeline.wanted_in((key(0), key(0))), None);
}

#[test]
fn a_timeline_without_space_for_a_page_wants_none() {
    let mut timeline = Timeline::default();
    let first = 1_000;
    timeline.add_page(None, page(first..=first), true);
    let last = first + HELD as u64 - u64::from(SEARCH_PAGE) - 1;
    add(&mut timeline, first + 1..=last);
    assert_eq!(timeline.wanted_before(ItemKey::END), Some(Seq::new(first)));
    add(&mut timeline, last + 1..=last + 1);
    assert!(timeline.is_full());
    assert_eq!(timeline.wanted_before(ItemKey::END), None);
    let top = timeline.get(0).expect("an item").key();
    assert_eq!(timeline.wanted_near(top), None);
}

#[test]
fn an_empty_page_above_unknown_entries_changes_nothing() {
    let mut timeline = Timeline::default();
    timeline.add_page(None, page(5..=6), true);
    assert_eq!(timeline.top(), Top::Older);
    timeline.add_page(Some(Seq::new(3)), Vec::new(), false);
    assert_eq!(timeline.top(), Top::Older);
    let mut timeline = Timeline::default();
    add(&mut timeline, 7..=7);
    let top = timeline.top();
    timeline.add_page(None, Vec::new(), false);
    assert_eq!(timeline.top(), top, "the page is older than the message");
}
