//! The list of rooms against a sorted vector, and the limits of searches.

use std::collections::BTreeMap;

use proptest::prelude::*;
use realtime_shared::{EntryId, Epoch, Seq};

use super::search::MAX_TESTED;
use super::*;
use crate::broker::contract::room;
use crate::broker::{NameRange, RangeKind};

type Passes = Box<dyn Fn(&RoomName) -> bool>;

/// A position that differs for each number.
fn position(number: u64) -> Position {
    let id = EntryId::from_u128(number.into());
    Position::At { epoch: Epoch::from_id(id), seq: Seq::new(number), id }
}

fn summary(name: &str, member_count: u64, head: Option<u64>) -> RoomSummary {
    let position = head.map_or(Position::Start, position);
    let last_ts = head.map(Timestamp::from_millis);
    RoomSummary { room: room(name), member_count, position, last_ts, user_id: None }
}

impl RoomList {
    fn set_head(&self, name: &str, number: u64) {
        self.set_heads(std::iter::once((&room(name), position(number), Timestamp::from_millis(number))));
    }
}

fn tested(start: &str, test: impl Fn(&RoomName) -> bool + Send + Sync + 'static) -> RoomFilter {
    let range = NameRange { start: start.to_owned(), kind: RangeKind::Tested };
    RoomFilter::of_ranges(std::iter::once(range), "", test)
}

async fn names(list: &RoomList, filter: RoomFilter, limit: usize) -> (Vec<String>, bool) {
    let (rooms, has_more) = list.list(filter, limit).await.expect("a list");
    (rooms.iter().map(|summary| summary.room.to_string()).collect(), has_more)
}

fn everything() -> RoomFilter {
    RoomFilter::with_prefix(String::new())
}

#[derive(Debug, Clone)]
enum Step {
    Head(String, u64),
    Members(String, u64),
    Remove(String),
    Replace(String, u64, Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || "[ab]{1,3}";
    let step = prop_oneof![
        (name(), 1_u64..5).prop_map(|(name, number)| Step::Head(name, number)),
        (name(), 0_u64..3).prop_map(|(name, count)| Step::Members(name, count)),
        name().prop_map(Step::Remove),
        (name(), 0_u64..3, prop::option::of(1_u64..5))
            .prop_map(|(name, count, head)| Step::Replace(name, count, head)),
    ];
    prop::collection::vec(step, 0..150)
}

proptest! {
    #[test]
    fn a_list_has_the_first_rooms_that_pass_in_order(steps in steps(), prefix in "[ab]{0,2}", limit in 1_usize..8) {
        let list = RoomList::default();
        let mut model = BTreeMap::<String, (u64, Option<u64>)>::new();
        for step in steps {
            match step {
                Step::Head(name, number) => {
                    list.set_head(&name, number);
                    model.entry(name).or_default().1 = Some(number);
                }
                Step::Members(name, count) => {
                    list.set_member_count(&room(&name), count);
                    model.entry(name).or_default().0 = count;
                }
                Step::Remove(name) => {
                    list.remove_log(&room(&name));
                    model.entry(name).or_default().1 = None;
                }
                Step::Replace(name, count, head) => {
                    list.replace(&[summary(&name, count, head)]);
                    model.insert(name, (count, head));
                }
            }
        }
        let mut all: Vec<_> = model
            .iter()
            .filter(|(_, standing)| **standing != (0, None))
            .map(|(name, (count, head))| summary(name, *count, *head))
            .collect();
        // The names are in order already.
        all.sort_by_key(|summary| std::cmp::Reverse((summary.member_count, summary.last_ts)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let ends_with_a = |room: &RoomName| room.as_str().ends_with('a');
        let start = prefix.clone();
        let filters: [(RoomFilter, Passes); 3] = [
            (everything(), Box::new(|_| true)),
            (RoomFilter::with_prefix(prefix.clone()), Box::new(move |room| room.as_str().starts_with(&start))),
            (tested(&prefix.clone(), ends_with_a), Box::new(move |room| room.as_str().starts_with(&prefix) && ends_with_a(room))),
        ];
        for (filter, passes) in filters {
            let mut expected: Vec<_> = all.iter().filter(|summary| passes(&summary.room)).cloned().collect();
            let has_more = expected.len() > limit;
            expected.truncate(limit);
            let answer = runtime.block_on(list.list(filter, limit)).expect("a list");
            prop_assert_eq!(answer, (expected, has_more));
        }
    }
}

/// Rooms `busy-…` with more members than the rooms `quiet-…`.
fn large_list(busy: usize, quiet: usize) -> RoomList {
    let list = RoomList::default();
    for number in 0..busy {
        list.set_member_count(&room(&format!("busy-{number:06}")), 2);
    }
    for number in 0..quiet {
        list.set_member_count(&room(&format!("quiet-{number:06}")), 1);
    }
    list
}

#[tokio::test]
async fn a_prefix_finds_rooms_behind_any_number_of_busier_ones() {
    let list = large_list(MAX_TESTED * 2, 3);
    let quiet = || RoomFilter::with_prefix("quiet-".to_owned());
    let expected = ["quiet-000000", "quiet-000001", "quiet-000002"].map(str::to_owned);
    assert_eq!(names(&list, quiet(), 3).await, (expected.to_vec(), false));
    assert_eq!(names(&list, quiet(), 2).await, (expected[..2].to_vec(), true));
    let (rooms, has_more) = names(&list, RoomFilter::with_prefix("busy-".to_owned()), 500).await;
    assert_eq!((rooms.len(), rooms[499].as_str(), has_more), (500, "busy-000499", true));
}

#[tokio::test]
async fn a_search_with_a_test_looks_at_a_limited_number_of_names() {
    let list = large_list(MAX_TESTED * 2, 3);
    let tests = Arc::<std::sync::atomic::AtomicUsize>::default();
    let counted = tests.clone();
    let filter = tested("", move |room| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        room.as_str().ends_with("-000002")
    });
    let (rooms, has_more) = names(&list, filter, 10).await;
    assert_eq!((rooms, has_more), (vec!["busy-000002".to_owned()], true), "the rest is not looked at");
    let tests = tests.load(std::sync::atomic::Ordering::Relaxed);
    assert!((MAX_TESTED..MAX_TESTED + 300).contains(&tests), "{tests}");
}

/// The names of a token are found although a pattern of it stops the search early.
#[tokio::test]
async fn names_and_prefixes_are_found_beside_a_test() {
    let list = large_list(MAX_TESTED * 2, 3);
    let ranges = [("quiet-000001", RangeKind::Exact), ("", RangeKind::Tested)];
    let ranges = ranges.map(|(start, kind)| NameRange { start: start.to_owned(), kind });
    let filter = RoomFilter::of_ranges(ranges.into_iter(), "", |room| room.as_str() == "busy-000007");
    let expected = ["busy-000007", "quiet-000001"].map(str::to_owned).to_vec();
    assert_eq!(names(&list, filter, 10).await, (expected, true));
}

/// The rooms of the range are the last ones in the order of the list, and ascend in it by their names.
#[tokio::test]
async fn a_prefix_of_many_quiet_rooms_has_the_busiest_of_them() {
    const QUIET: usize = 300_000;
    let list = large_list(QUIET, 0);
    for number in 0..QUIET as u64 {
        list.set_head(&format!("quiet-{number:06}"), number + 1);
    }
    let quiet = RoomFilter::with_prefix("quiet-".to_owned());
    let expected: Vec<_> = (QUIET - 500..QUIET).rev().map(|number| format!("quiet-{number:06}")).collect();
    assert_eq!(names(&list, quiet, 500).await, (expected, true));
}

/// Rooms of many blocks of the index, with activities in no order.
#[tokio::test]
async fn ranges_of_many_rooms_have_the_busiest_of_them() {
    const ROOMS: u64 = 5_000;
    let list = RoomList::default();
    let mut all = Vec::new();
    for (number, group) in (0..ROOMS).zip(["a", "b", "c"].into_iter().cycle()) {
        let name = format!("{group}-{number:04}");
        // Many rooms have the same activity.
        let activity = number * 7_919 % ROOMS / 4 + 1;
        list.set_head(&name, activity);
        all.push((std::cmp::Reverse(activity), name));
    }
    all.sort_unstable();
    let range = |start: &str, kind| NameRange { start: start.to_owned(), kind };
    for ranges in [
        vec![range("a", RangeKind::Prefix)],
        vec![
            range("b-1", RangeKind::Prefix),
            range("a-0", RangeKind::Prefix),
            range("c-0002", RangeKind::Exact),
        ],
        vec![range("b-1", RangeKind::Prefix), range("c", RangeKind::Tested)],
    ] {
        for limit in [1, 7, 100, 500] {
            let filter =
                RoomFilter::of_ranges(ranges.iter().cloned(), "", |room| room.as_str().ends_with('1'));
            let passing = all.iter().map(|(_, name)| name).filter(|name| filter.passes(&room(name)));
            let expected: Vec<_> = passing.take(limit).cloned().collect();
            assert_eq!(names(&list, filter, limit).await, (expected, true), "{ranges:?}");
        }
    }
}

#[tokio::test]
async fn names_at_the_ends_of_a_prefix_are_found() {
    let list = RoomList::default();
    let end = '\u{10fffd}';
    for name in ["a", "ab", "ab\u{d7ff}", &format!("ab{end}"), &format!("ab{end}{end}"), "ac", "b"] {
        list.set_head(name, 1);
    }
    let found =
        async |prefix: &str| names(&list, RoomFilter::with_prefix(prefix.to_owned()), 9).await.0.len();
    assert_eq!(found("ab").await, 4);
    assert_eq!(found(&format!("ab{end}")).await, 2);
    assert_eq!(found("ab\u{d7ff}").await, 1);
    assert_eq!(found("a").await, 6);
    assert_eq!(found(&format!("ab{}", char::MAX)).await, 0);
    assert_eq!(found(&char::MAX.to_string()).await, 0);
}

#[tokio::test]
async fn a_list_that_is_loaded_keeps_newer_entries() {
    let list = RoomList::loading();
    list.set_head("a", 7);
    list.set_member_count(&room("b"), 1);
    let all = list.list(everything(), 10);
    list.add_stored(&[summary("a", 0, Some(5)), summary("b", 0, Some(4)), summary("dm:c", 0, Some(9))]);
    list.finish_loading();
    let expected = vec![summary("b", 1, Some(4)), summary("a", 0, Some(7))];
    assert_eq!(all.await, Ok((expected, false)), "the request waits for the rest");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_loads_for_long_answers_with_a_part() {
    let list = RoomList::loading();
    list.add_stored(&[summary("a", 0, Some(5))]);
    assert_eq!(list.list(everything(), 10).await, Ok((vec![summary("a", 0, Some(5))], true)));
    list.finish_loading();
    assert_eq!(list.list(everything(), 10).await, Ok((vec![summary("a", 0, Some(5))], false)));
}

#[tokio::test]
async fn a_room_with_a_reserved_name_is_not_listed() {
    let list = RoomList::default();
    list.set_head("dm:a", 1);
    list.set_member_count(&room("dm:b"), 1);
    assert_eq!(list.list(everything(), 10).await, Ok((Vec::new(), false)));
}

/// Two entries of a millisecond have the same place in the list.
#[tokio::test]
async fn a_new_head_with_the_same_time_is_listed() {
    let list = RoomList::default();
    let (before, after) =
        (summary("a", 1, Some(7)), RoomSummary { position: position(8), ..summary("a", 1, Some(7)) });
    for expected in [before, after] {
        list.replace(std::slice::from_ref(&expected));
        for filter in [everything(), RoomFilter::with_prefix("a".to_owned())] {
            assert_eq!(list.list(filter, 1).await, Ok((vec![expected.clone()], false)));
        }
    }
}

/// The state that a scan has read is newer than the changes before it.
#[tokio::test]
async fn a_replaced_state_is_not_changed_by_earlier_changes() {
    let list = RoomList::default();
    list.set_head("a", 1);
    list.set_member_count(&room("a"), 5);
    let read = summary("a", 2, Some(3));
    list.replace(std::slice::from_ref(&read));
    assert_eq!(list.list(everything(), 1).await, Ok((vec![read], false)));
}
