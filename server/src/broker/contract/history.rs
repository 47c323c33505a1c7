//! History, heads and the list of rooms.

use realtime_shared::{LeaveReason, Position, RoomSummary, Seq};

use super::{EngineFixture, Receipt, message_of, room, submission, user};
use crate::broker::{Page, Range, RoomFilter};

/// Limit larger than any page in these tests, in bytes.
const PLENTY: usize = 1 << 20;

pub(super) async fn an_empty_room_has_no_history(fixture: &EngineFixture) {
    for range in
        [Range::Newest, Range::Before(Seq::new(5)), Range::After(Seq::ZERO), Range::After(Seq::new(5))]
    {
        let page = fixture.broker.history(&room("a"), range, 10, PLENTY).await;
        assert_eq!(page, Ok(Page { epoch: None, entries: Vec::new(), has_more: false }), "{range:?}");
    }
    assert_eq!(fixture.head("a").await, Position::Start);
    assert_eq!(fixture.broker.open(&room("a")).await, Ok(Position::Start));
    assert_eq!(
        fixture.broker.list(RoomFilter::with_prefix(String::new()), 10).await,
        Ok((Vec::new(), false))
    );
    fixture.broker.release(&room("a"));
    assert_eq!(
        fixture.broker.list(RoomFilter::with_prefix(String::new()), 10).await,
        Ok((Vec::new(), false))
    );
}

pub(super) async fn pages_have_the_entries_of_their_range(fixture: &EngineFixture) {
    let receipts = fixture.fill("a", 10).await;
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
        let page = fixture.broker.history(&room("a"), range, limit, PLENTY).await.expect("a page");
        let request = format!("{range:?}, {limit}");
        assert!(numbers(&page).into_iter().eq(expected), "{request}: {:?}", numbers(&page));
        assert_eq!(page.has_more, has_more, "{request}");
        assert_eq!(page.epoch, Some(receipts[0].epoch.clone()), "{request}");
        for entry in &page.entries {
            let message = message_of(entry);
            assert_eq!((entry.seq, entry.id), (message.seq, message.id), "{request}");
            assert_eq!(message.text.as_str(), entry.seq.to_string(), "{request}");
        }
    }
    for range in [before(0), before(1), after(10), after(11), after(u64::MAX)] {
        let page = fixture.broker.history(&room("a"), range, 5, PLENTY).await.expect("a page");
        assert_eq!((numbers(&page), page.has_more), (Vec::new(), false), "{range:?}");
        assert_eq!(page.epoch, Some(receipts[0].epoch.clone()), "{range:?}");
    }
}

pub(super) async fn a_page_stays_within_its_bytes_but_has_an_entry(fixture: &EngineFixture) {
    for text in ["x", "y", "z"] {
        fixture.post(submission("alice", "a", &text.repeat(1_000))).await;
    }
    let all = fixture.broker.history(&room("a"), Range::Newest, 10, PLENTY).await.expect("a page");
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
        let page = fixture.broker.history(&room("a"), range, 10, bytes).await.expect("a page");
        assert_eq!(numbers(&page), expected, "{range:?}, {bytes} bytes");
        assert!(page.has_more, "{range:?}, {bytes} bytes");
    }
}

pub(super) async fn an_opened_room_is_announced_from_its_head(fixture: &EngineFixture) {
    let receipts = fixture.fill("a", 2).await;
    let head = fixture.broker.open(&room("a")).await.expect("opened");
    assert_eq!(head, position(&receipts[1]));
    let next = fixture.post(submission("bob", "a", "next")).await;
    fixture.recorder.wait_for_count(1).await;
    assert_eq!(fixture.head("a").await, position(&next));
    assert!(fixture.recorder.entries().iter().any(|entry| entry.id == next.id));
    fixture.broker.release(&room("a"));
    // A room without members goes on.
    let later = fixture.post(submission("bob", "a", "later")).await;
    assert_eq!(later.seq, Seq::new(4));
    assert_eq!(fixture.broker.open(&room("a")).await, Ok(position(&later)));
}

pub(super) async fn rooms_are_listed_busiest_first(fixture: &EngineFixture) {
    let broker = &fixture.broker;
    for (name, users) in [("two", &["alice", "bob"][..]), ("one", &["alice"]), ("silent", &["bob"])] {
        for member in users {
            broker.enter(&room(name), &user(member), 0).await.expect("entered");
        }
    }
    let busy = fixture.post(submission("alice", "one", "hello")).await;
    let lonely = fixture.post(submission("alice", "none", "hello")).await;
    let summary = |name, member_count, receipt: Option<&Receipt>| RoomSummary {
        room: room(name),
        member_count,
        position: receipt.map_or(Position::Start, position),
        last_ts: receipt.map(|receipt| receipt.ts),
        user_id: None,
    };
    let all = [
        summary("two", 2, None),
        summary("one", 1, Some(&busy)),
        summary("silent", 1, None),
        summary("none", 0, Some(&lonely)),
    ];
    assert_eq!(broker.list(RoomFilter::with_prefix(String::new()), 10).await, Ok((all.to_vec(), false)));
    assert_eq!(broker.list(RoomFilter::with_prefix(String::new()), 4).await, Ok((all.to_vec(), false)));
    assert_eq!(broker.list(RoomFilter::with_prefix(String::new()), 3).await, Ok((all[..3].to_vec(), true)));

    broker.leave(&room("silent"), &user("bob"), LeaveReason::Left).await.expect("left");
    let without = [all[0].clone(), all[1].clone(), all[3].clone()];
    assert_eq!(broker.list(RoomFilter::with_prefix(String::new()), 10).await, Ok((without.to_vec(), false)));
}

pub(super) async fn a_list_contains_only_rooms_that_pass_the_filter(fixture: &EngineFixture) {
    for name in ["chat-a", "chat-b", "other"] {
        fixture.fill(name, 1).await;
        fixture.broker.enter(&room(name), &user("alice"), 0).await.expect("entered");
    }
    fixture.broker.enter(&room("other-b"), &user("alice"), 0).await.expect("entered");
    let chats = || RoomFilter::with_prefix("chat-".to_owned());
    let (rooms, has_more) = fixture.broker.list(chats(), 2).await.expect("a list");
    let mut names: Vec<_> = rooms.iter().map(|summary| summary.room.as_str()).collect();
    names.sort_unstable();
    assert_eq!((names, has_more), (vec!["chat-a", "chat-b"], false), "hidden rooms do not count as more");
    assert!(fixture.broker.list(chats(), 1).await.expect("a list").1);
}

fn numbers(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.seq.get()).collect()
}

fn position(receipt: &Receipt) -> Position {
    let Receipt { epoch, seq, id, .. } = receipt.clone();
    Position::At { epoch, seq, id }
}
