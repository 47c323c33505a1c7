//! Made-up histories with read markers.

use super::history_builder::{EPOCH, log, sound};
use super::*;

/// Breaks these rules if Bob sends markers, and then is shown others.
#[track_caller]
fn assert_markers_break(sent: &[u64], shown: &[u64], rules: &[u8]) {
    let mut builder = sound();
    for seq in sent {
        builder.act("bob", Act::Read { room: ROOM.into(), seq: *seq });
    }
    for seq in shown {
        let marked = Act::Marked { room: ROOM.into(), epoch: Some(EPOCH.into()), seq: *seq };
        builder.act("bob", marked);
    }
    builder.served(&log()).breaks(rules);
}

#[test]
fn rule_17_breaks_if_a_marker_goes_back() {
    assert_markers_break(&[3, 2], &[2, 3, 3], &[]);
    assert_markers_break(&[3, 2], &[3, 2], &[17]);
    assert_markers_break(&[3], &[0, 3, 0], &[17]);
}

#[test]
fn rule_17_breaks_if_a_marker_is_beyond_what_was_read() {
    assert_markers_break(&[1], &[1], &[]);
    assert_markers_break(&[1], &[2], &[17]);
}

#[test]
fn the_marker_of_an_earlier_log_breaks_nothing() {
    let mut builder = sound();
    builder.act("bob", Act::Read { room: ROOM.into(), seq: 3 });
    for (epoch, seq) in [("earlier", 3), (EPOCH, 0), (EPOCH, 3)] {
        builder.act("bob", Act::Marked { room: ROOM.into(), epoch: Some(epoch.into()), seq });
    }
    builder.served(&log()).breaks(&[]);
}
