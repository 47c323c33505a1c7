//! Accessors that only the other crates call.

use realtime_shared::{EntryId, Epoch, Position, Recovery, Seq, Timestamp};

#[test]
fn a_recovery_has_the_number_of_entries_of_each_status() {
    for recovery in [
        Recovery::Complete { replayed: 7 },
        Recovery::Truncated { replayed: 7 },
        Recovery::Reset { replayed: 7 },
    ] {
        assert_eq!(recovery.replayed(), 7);
    }
}

#[test]
fn a_position_has_an_epoch_unless_it_is_the_start() {
    let epoch = Epoch::new("01ARZ3NDEKTSV4RRFFQ69G5FAV").expect("an epoch");
    let id: EntryId = "01ARZ3NDEKTSV4RRFFQ69G5FAW".parse().expect("an id");
    assert_eq!(Position::At { epoch: epoch.clone(), seq: Seq::new(3), id }.epoch(), Some(&epoch));
    assert_eq!(Position::Start.epoch(), None);
}

#[test]
fn numbers_and_epochs_are_shown_as_on_the_wire() {
    let epoch = Epoch::new("01ARZ3NDEKTSV4RRFFQ69G5FAV").expect("an epoch");
    assert_eq!(epoch.to_string(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_eq!(Seq::new(12).to_string(), "12");
    assert_eq!(Timestamp::from_millis(1_500).millis(), 1_500);
}
