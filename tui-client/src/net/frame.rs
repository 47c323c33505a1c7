//! A server's text → what the session works on.

use realtime_shared::{EntryId, Ref, RoomName, Seq, ServerEvent, SystemEvent, codec};
use serde::Deserialize;

/// A server's frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) event: ServerEvent,
    pub(super) reference: Option<Ref>,
    /// Of a frame of a kind that this version does not know: the place in a room's log that it has all the same. The
    /// position moves with it, or the next reconnect would replay it for ever.
    pub(super) unknown_entry: Option<Place>,
}

/// What makes a frame an entry of a room's log.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Place {
    pub(super) room: RoomName,
    pub(super) seq: Seq,
    pub(super) id: EntryId,
}

/// Reads a frame.
pub(super) fn decode(text: &str) -> Result<Incoming, serde_json::Error> {
    let frame = codec::decode_server(text)?;
    let unknown = matches!(frame.event, ServerEvent::Unknown | ServerEvent::System(SystemEvent::Unknown));
    let unknown_entry = unknown.then(|| serde_json::from_str(text).ok()).flatten();
    Ok(Incoming { event: frame.event, reference: frame.reference, unknown_entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_an_unknown_kind_has_its_place() {
        let text = r#"{"type":"poll","room":"a","seq":7,"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","options":["x"]}"#;
        let incoming = decode(text).expect("a frame");
        assert_eq!(incoming.event, ServerEvent::Unknown);
        assert_eq!(incoming.unknown_entry.expect("a place").seq, Seq::new(7));
        assert_eq!(decode(r#"{"type":"hint","room":"a"}"#).expect("a frame").unknown_entry, None);
        assert!(decode("[]").is_err());
    }
}
