//! History, heads and the list of rooms.

use realtime_shared::{LeaveReason, Position, RoomSummary, Seq};

use super::{Receipt, Subject, room, said, shown, user};
use crate::broker::{Page, Range};

/// More bytes than any page here has.
const PLENTY: usize = 1 << 20;

pub(super) async fn an_empty_room_has_no_past(subject: &Subject) {
    for range in
        [Range::Newest, Range::Before(Seq::new(5)), Range::After(Seq::ZERO), Range::After(Seq::new(5))]
    {
        let page = subject.broker.history(&room("a"), range, 10, PLENTY).await;
        assert_eq!(page, Ok(Page { epoch: None, entries: Vec::new(), has_more: false }), "{range:?}");
    }
    assert_eq!(subject.head("a").await, Position::Start);
    assert_eq!(subject.broker.open(&room("a")).await, Ok(Position::Start));
    assert_eq!(subject.broker.list(Box::new(|_| true), 10).await, Ok((Vec::new(), false)));
    subject.broker.release(&room("a"));
    assert_eq!(subject.broker.list(Box::new(|_| true), 10).await, Ok((Vec::new(), false)));
}

pub(super) async fn pages_are_what_was_asked_for(subject: &Subject) {
    let receipts = subject.fill("a", 10).await;
    let (before, after) = (|seq| Range::Before(Seq::new(seq)), |seq| Range::After(Seq::new(seq)));
    for (range, limit, expected, has_more) in [
        (Range::Newest, 3, 8..=10, true),
        (Range::Newest, 10, 1..=10, false),
        (Range::Newest, 50, 1..=10, false),
        (before(8), 3, 5..=7, true),
        (before(4), 3, 1..=3, false),
        (before(5), 3, 2..=4, true),
        (before(11), 2, 9..=10, true),
        (before(1_000), 2, 9..=10, true),
        (before(u64::MAX), 2, 9..=10, true),
        (after(0), 3, 1..=3, true),
        (after(7), 3, 8..=10, false),
        (after(6), 3, 7..=9, true),
        (after(9), 50, 10..=10, false),
    ] {
        let page = subject.broker.history(&room("a"), range, limit, PLENTY).await.expect("a page");
        let asked = format!("{range:?}, {limit}");
        assert!(numbers(&page).into_iter().eq(expected), "{asked}: {:?}", numbers(&page));
        assert_eq!(page.has_more, has_more, "{asked}");
        assert_eq!(page.epoch, Some(receipts[0].epoch.clone()), "{asked}");
        for entry in &page.entries {
            let message = shown(entry);
            assert_eq!((entry.seq, entry.id), (message.seq, message.id), "{asked}");
            assert_eq!(message.text.as_str(), entry.seq.to_string(), "{asked}");
        }
    }
    for range in [before(0), before(1), after(10), after(11), after(u64::MAX)] {
        let page = subject.broker.history(&room("a"), range, 5, PLENTY).await.expect("a page");
        assert_eq!((numbers(&page), page.has_more), (Vec::new(), false), "{range:?}");
        assert_eq!(page.epoch, Some(receipts[0].epoch.clone()), "{range:?}");
    }
}

pub(super) async fn a_page_keeps_to_its_bytes_and_has_an_entry(subject: &Subject) {
    for text in ["x", "y", "z"] {
        subject.post(said("alice", "a", &text.repeat(1_000))).await;
    }
    let all = subject.broker.history(&room("a"), Range::Newest, 10, PLENTY).await.expect("a page");
    let two = all.entries[..2].iter().map(|entry| entry.json.len()).sum();
    let newest_two = all.entries[1..].iter().map(|entry| entry.json.len()).sum();
    for (range, bytes, expected) in [
        (Range::After(Seq::ZERO), two, &[1, 2][..]),
        (Range::After(Seq::ZERO), two - 1, &[1]),
        (Range::After(Seq::ZERO), 0, &[1]),
        (Range::Newest, newest_two, &[2, 3]),
        (Range::Newest, newest_two - 1, &[3]),
        (Range::Newest, 0, &[3]),
        (Range::Before(Seq::new(3)), 1, &[2]),
    ] {
        let page = subject.broker.history(&room("a"), range, 10, bytes).await.expect("a page");
        assert_eq!(numbers(&page), expected, "{range:?}, {bytes} bytes");
        assert!(page.has_more, "{range:?}, {bytes} bytes");
    }
}

pub(super) async fn an_opened_room_is_announced_from_its_head(subject: &Subject) {
    let receipts = subject.fill("a", 2).await;
    let head = subject.broker.open(&room("a")).await.expect("opened");
    assert_eq!(head, position(&receipts[1]));
    let next = subject.post(said("bob", "a", "next")).await;
    subject.heard.at_least(1).await;
    assert_eq!(subject.head("a").await, position(&next));
    assert!(subject.heard.entries().iter().any(|entry| entry.id == next.id));
    subject.broker.release(&room("a"));
    // A room that nobody is in goes on all the same.
    let later = subject.post(said("bob", "a", "later")).await;
    assert_eq!(later.seq, Seq::new(4));
    assert_eq!(subject.broker.open(&room("a")).await, Ok(position(&later)));
}

pub(super) async fn rooms_are_listed_busiest_first(subject: &Subject) {
    let broker = &subject.broker;
    for (name, users) in [("two", &["alice", "bob"][..]), ("one", &["alice"]), ("silent", &["bob"])] {
        for member in users {
            broker.enter(&room(name), &user(member), 0).await.expect("entered");
        }
    }
    let busy = subject.post(said("alice", "one", "hello")).await;
    let lonely = subject.post(said("alice", "none", "hello")).await;
    let summary = |name, member_count, receipt: Option<&Receipt>| RoomSummary {
        room: room(name),
        member_count,
        position: receipt.map_or(Position::Start, position),
        last_ts: receipt.map(|receipt| receipt.ts),
    };
    let all = [
        summary("two", 2, None),
        summary("one", 1, Some(&busy)),
        summary("silent", 1, None),
        summary("none", 0, Some(&lonely)),
    ];
    assert_eq!(broker.list(Box::new(|_| true), 10).await, Ok((all.to_vec(), false)));
    assert_eq!(broker.list(Box::new(|_| true), 4).await, Ok((all.to_vec(), false)));
    assert_eq!(broker.list(Box::new(|_| true), 3).await, Ok((all[..3].to_vec(), true)));

    broker.leave(&room("silent"), &user("bob"), LeaveReason::Left).await.expect("left");
    let without = [all[0].clone(), all[1].clone(), all[3].clone()];
    assert_eq!(broker.list(Box::new(|_| true), 10).await, Ok((without.to_vec(), false)));
}

pub(super) async fn a_list_shows_what_its_filter_lets_through(subject: &Subject) {
    for name in ["chat-a", "chat-b", "other"] {
        subject.fill(name, 1).await;
        subject.broker.enter(&room(name), &user("alice"), 0).await.expect("entered");
    }
    subject.broker.enter(&room("other-b"), &user("alice"), 0).await.expect("entered");
    let chats = || Box::new(|room: &realtime_shared::RoomName| room.as_str().starts_with("chat-"));
    let (rooms, has_more) = subject.broker.list(chats(), 2).await.expect("a list");
    let mut names: Vec<_> = rooms.iter().map(|summary| summary.room.as_str()).collect();
    names.sort_unstable();
    assert_eq!((names, has_more), (vec!["chat-a", "chat-b"], false), "what is hidden is not more");
    assert!(subject.broker.list(chats(), 1).await.expect("a list").1);
}

fn numbers(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.seq.get()).collect()
}

fn position(receipt: &Receipt) -> Position {
    let Receipt { epoch, seq, id, .. } = receipt.clone();
    Position::At { epoch, seq, id }
}
