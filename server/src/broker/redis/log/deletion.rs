//! Deletions in a log: the entries that replace the texts of other entries.

use realtime_shared::{Change, Delete, EntryEvent, Seq, codec};

/// The beginning of the frame of a deletion. Other frames are not decoded.
const START: &str = r#"{"type":"delete","#;

/// The message that an entry deletes; `None` if it is not a deletion.
pub(crate) fn deleted_by(frame: &str) -> Option<Seq> {
    if !frame.starts_with(START) {
        return None;
    }
    match codec::decode_entry(frame)? {
        EntryEvent::Change(entry) => match entry.change {
            Change::Delete(Delete { target, .. }) => Some(target),
            Change::Edit(_) | Change::Reaction(_) | Change::Pin(_) | Change::Room(_) => None,
        },
        EntryEvent::Message(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use realtime_shared::strategies::entry_event;

    use super::*;

    proptest! {
        #[test]
        fn a_deletion_is_known_by_its_frame(event in entry_event()) {
            let deleted = match &event {
                EntryEvent::Change(entry) => match entry.change {
                    Change::Delete(Delete { target, .. }) => Some(target),
                    Change::Edit(_) | Change::Reaction(_) | Change::Pin(_) | Change::Room(_) => None,
                },
                EntryEvent::Message(_) => None,
            };
            prop_assert_eq!(deleted_by(&codec::encode_entry(&event)), deleted);
        }
    }
}
