//! A server's text → what the session works on.
//!
//! A frame that cannot be read as its `type` says is taken for one of an unknown kind: a later version may allow what
//! this one does not, and one such entry must not keep a client out of its room for ever.

use realtime_shared::{EntryId, Epoch, Ref, RoomName, Seq, ServerEvent, SystemEvent, codec};
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
    pub(super) epoch: Option<Epoch>,
}

/// Reads a frame. An error: it is no JSON object with a `type`.
pub(super) fn decode(text: &str) -> Result<Incoming, serde_json::Error> {
    #[derive(Deserialize)]
    struct Tagged {
        #[serde(rename = "type")]
        _kind: String,
    }
    let frame = codec::decode_server(text)
        .or_else(|_| serde_json::from_str(text).map(|Tagged { .. }| ServerEvent::Unknown.into()))?;
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
    }

    #[test]
    fn what_a_later_version_may_allow_is_of_an_unknown_kind() {
        let text = r#"{"type":"message","room":"a","from":"bob","text":"","seq":7,
            "id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","ts":1}"#;
        let incoming = decode(text).expect("a frame");
        assert_eq!(incoming.event, ServerEvent::Unknown);
        assert_eq!(incoming.unknown_entry.expect("a place").seq, Seq::new(7));
        for bad in ["", "not JSON", "[]", "{}", r#"{"type":7}"#, r#"{"type":"pong""#] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
