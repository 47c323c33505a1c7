//! Gaps compared with the seqs that are held.

use proptest::prelude::*;
use realtime_shared::Seq;

use super::super::*;
use super::{add, hold, note, page, shape, ts};

/// Entries of a log, a removal of its end, and notes.
#[derive(Debug, Clone)]
enum Step {
    Message(u64),
    Unknown(u64),
    Page { before: Option<u64>, count: u64 },
    RemoveAfter(u64),
    Note,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..30_u64).prop_map(Step::Message),
        2 => (1..30_u64).prop_map(Step::Unknown),
        2 => (prop::option::of(2..30_u64), 1..6_u64).prop_map(|(before, count)| Step::Page { before, count }),
        1 => (0..30_u64).prop_map(Step::RemoveAfter),
        1 => Just(Step::Note),
    ]
}

proptest! {
    /// Between two entries there is one gap if an entry between them is missing, and none otherwise.
    #[test]
    fn gaps_are_where_entries_are_missing(steps in prop::collection::vec(step(), 0..25)) {
        let mut timeline = Timeline::default();
        for step in steps {
            match step {
                Step::Message(seq) => add(&mut timeline, seq..=seq),
                Step::Unknown(seq) => hold(&mut timeline, seq..=seq),
                Step::Page { before, count } => {
                    let end = before.unwrap_or(30);
                    let first = end.saturating_sub(count).max(1);
                    timeline.add_page(before.map(Seq::new), page(first..=end - 1), first > 1);
                }
                Step::RemoveAfter(seq) => { timeline.remove_after(Seq::new(seq)); }
                Step::Note => note(&mut timeline),
            }
            let shape = shape(&timeline);
            let mut gaps = 0;
            let mut before = None;
            let newest = timeline.held.last().unwrap_or_default();
            let end = LogRow { key: ItemKey::message(Seq::new(newest + 1)), ts: ts(), body: Body::Gap };
            let rows = timeline.rows.iter().map(|row| (row.is_entry(), row)).chain([(true, &end)]);
            for (is_entry, row) in rows {
                if is_entry {
                    let missing = before.is_some_and(|before| !timeline.held.covers(before + 1, row.key.seq - 1));
                    prop_assert_eq!(gaps, usize::from(missing), "before {} in {}", row.key.seq, shape);
                    (gaps, before) = (0, Some(row.key.seq));
                } else if row.body == Body::Gap {
                    gaps += 1;
                }
            }
        }
    }
}
