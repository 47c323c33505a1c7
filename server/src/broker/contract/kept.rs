//! What is shown of a room that keeps its newest three entries.

use realtime_shared::Seq;

use super::{Subject, room};
use crate::broker::{Page, Range};

async fn page(subject: &Subject, name: &str, range: Range) -> (Vec<u64>, bool) {
    let page = subject.broker.history(&room(name), range, 10, usize::MAX).await;
    let Page { entries, has_more, .. } = page.expect("a page");
    (entries.iter().map(|entry| entry.seq.get()).collect(), has_more)
}

pub(super) async fn a_room_shows_its_newest_entries(subject: &Subject) {
    subject.fill("a", 5).await;
    subject.fill("b", 2).await;
    assert_eq!(page(subject, "a", Range::Newest).await, (vec![3, 4, 5], false));
    assert_eq!(page(subject, "b", Range::Newest).await, (vec![1, 2], false));
    assert_eq!(page(subject, "a", Range::Before(Seq::new(5))).await, (vec![3, 4], false));
    assert_eq!(page(subject, "a", Range::Before(Seq::new(3))).await, (vec![], false));
    // What is after something that is gone begins with the oldest there is.
    assert_eq!(page(subject, "a", Range::After(Seq::ZERO)).await, (vec![3, 4, 5], false));
}

pub(super) async fn a_reader_that_is_overtaken_sees_the_hole(subject: &Subject) {
    subject.fill("a", 5).await;
    let (numbers, _) = page(subject, "a", Range::After(Seq::new(1))).await;
    assert_eq!(numbers.first(), Some(&3), "2 is not skipped in silence: 3 does not follow 1");
}
