//! Entries and records as Redis returns them.

use ::redis::Value;
use realtime_shared::{EntryId, MessageState, RoomSettings, Seq, Timestamp};

use crate::broker::redis::transport::reply;
use crate::broker::{Entry, Unavailable};

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredEntry {
    pub(crate) entry: Entry,
    pub(crate) ts: Timestamp,
}

impl StoredEntry {
    /// Reads `[seq-0, [i, id, t, time, f, frame]]`.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let [number, fields] = reply::items(value) else { return None };
        let [_, id, _, ts, _, frame] = reply::items(fields) else { return None };
        let seq = reply::text(number)?.split_once('-')?.0.parse().ok().map(Seq::new)?;
        let id = reply::text(id)?.parse::<EntryId>().ok()?;
        let entry = Entry { seq, id, json: reply::text(frame)?.into() };
        Some(Self { entry, ts: Timestamp::from_millis(reply::parse(ts)?) })
    }

    /// Reads `seq id time frame`.
    pub(crate) fn parse_moved(value: &Value) -> Option<Self> {
        let (seq, id, ts, frame) = fields(reply::text(value)?)?;
        Some(Self { entry: Entry { seq, id, json: frame.into() }, ts })
    }
}

/// The state of a changed message, and the entry that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateRecord {
    pub(crate) state: MessageState,
    pub(crate) id: EntryId,
    pub(crate) ts: Timestamp,
}

impl StateRecord {
    /// Reads `rev id time edits JSON`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (rev, id, ts, rest) = fields(text)?;
        let state: MessageState = serde_json::from_str(rest.split_once(' ')?.1).ok()?;
        // The number was not known when the state was made.
        Some(Self { state: state.with_rev(rev), id, ts })
    }
}

/// The settings of a room, and the entry that made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsRecord {
    pub(crate) settings: RoomSettings,
    pub(crate) id: EntryId,
    pub(crate) ts: Timestamp,
}

impl SettingsRecord {
    /// Reads `rev id time JSON`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (rev, id, ts, json) = fields(text)?;
        let settings: RoomSettings = serde_json::from_str(json).ok()?;
        Some(Self { settings: RoomSettings { rev, ..settings }, id, ts })
    }

    /// Reads a value that may be empty.
    pub(crate) fn parse_optional(value: &Value) -> Result<Option<Self>, Unavailable> {
        match reply::text(value).ok_or(Unavailable)? {
            "" => Ok(None),
            text => Self::parse(text).map(Some).ok_or(Unavailable),
        }
    }
}

/// The record of a state. `edits` are the seqs of the edits of the message.
pub(crate) fn state_record(state: &MessageState, id: EntryId, ts: Timestamp, edits: &[Seq]) -> String {
    let edits: Vec<_> = edits.iter().map(Seq::to_string).collect();
    let edits = if edits.is_empty() { "-".to_owned() } else { edits.join(",") };
    let json = serde_json::to_string(state).unwrap_or_default();
    format!("{} {id} {} {edits} {json}", state.rev(), ts.millis())
}

/// The record of settings.
pub(crate) fn settings_record(settings: &RoomSettings, id: EntryId, ts: Timestamp) -> String {
    let json = serde_json::to_string(settings).unwrap_or_default();
    format!("{} {id} {} {json}", settings.rev, ts.millis())
}

/// Reads the seq, the id and the time of an entry at the beginning of a text. Returns the rest too.
fn fields(text: &str) -> Option<(Seq, EntryId, Timestamp, &str)> {
    let mut fields = text.splitn(4, ' ');
    let seq = Seq::new(fields.next()?.parse().ok()?);
    let id = fields.next()?.parse::<EntryId>().ok()?;
    let ts = Timestamp::from_millis(fields.next()?.parse().ok()?);
    Some((seq, id, ts, fields.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_record_has_the_number_of_its_entry_and_not_that_of_its_text() {
        let id = EntryId::from_u128(7);
        let record = StateRecord::parse(&format!(r#"12 {id} 34 5,12 {{"pinned":true,"rev":9}}"#));
        let StateRecord { state, id: read, ts } = record.expect("a record");
        assert_eq!((state.rev(), state.is_pinned()), (Seq::new(12), true));
        assert_eq!((read, ts), (id, Timestamp::from_millis(34)));
        let record = SettingsRecord::parse(&format!(r#"12 {id} 34 {{"topic":"a b","rev":9}}"#));
        let settings = record.expect("a record").settings;
        assert_eq!((settings.rev, settings.topic.as_str()), (Seq::new(12), "a b"));
        assert_eq!(SettingsRecord::parse_optional(&value("")), Ok(None));
        assert_eq!(SettingsRecord::parse_optional(&value("12")), Err(Unavailable));
    }

    #[test]
    fn a_moved_entry_may_have_spaces_in_its_frame() {
        let id = EntryId::from_u128(7);
        let moved = StoredEntry::parse_moved(&value(&format!("3 {id} 34 a b")));
        assert_eq!(
            moved.map(|moved| (moved.entry, moved.ts)),
            Some((Entry { seq: Seq::new(3), id, json: "a b".into() }, Timestamp::from_millis(34)))
        );
    }
}
