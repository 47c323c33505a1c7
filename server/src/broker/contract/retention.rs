//! History of a room whose retention is three entries.

use realtime_shared::Seq;

use super::{EngineFixture, room};
use crate::broker::{Page, Range};

async fn page(fixture: &EngineFixture, name: &str, range: Range) -> (Vec<u64>, bool) {
    let page = fixture.broker.history(&room(name), range, 10, usize::MAX).await;
    let Page { entries, has_more, .. } = page.expect("a page");
    (entries.iter().map(|entry| entry.seq.get()).collect(), has_more)
}

pub(super) async fn history_has_only_the_retained_entries(fixture: &EngineFixture) {
    fixture.fill("a", 5).await;
    fixture.fill("b", 2).await;
    assert_eq!(page(fixture, "a", Range::Newest).await, (vec![3, 4, 5], false));
    assert_eq!(page(fixture, "b", Range::Newest).await, (vec![1, 2], false));
    assert_eq!(page(fixture, "a", Range::Before(Seq::new(5))).await, (vec![3, 4], false));
    assert_eq!(page(fixture, "a", Range::Before(Seq::new(3))).await, (vec![], false));
    // A range that starts at a dropped entry begins with the oldest retained one.
    assert_eq!(page(fixture, "a", Range::After(Seq::ZERO)).await, (vec![3, 4, 5], false));
}

pub(super) async fn a_reader_behind_the_retention_sees_a_gap(fixture: &EngineFixture) {
    fixture.fill("a", 5).await;
    let (numbers, _) = page(fixture, "a", Range::After(Seq::new(1))).await;
    assert_eq!(numbers.first(), Some(&3), "a gap: 3 does not follow 1");
}
