//! Entries that this version cannot read, and frames that are not entries.

use std::fs;
use std::path::Path;

use realtime_shared::codec::{decode_server, entry_of};
use realtime_shared::{EntryKind, EntryRef, ServerEvent};
use serde_json::Value;

const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn event(text: &str) -> ServerEvent {
    decode_server(text).unwrap_or_else(|error| panic!("{text}: {error}")).event
}

/// The fields of a frame that refer to entry 7 of room `a`.
fn entry_fields() -> String {
    format!(r#""room":"a","seq":7,"id":"{ID}""#)
}

fn kinds(messages: &[ServerEvent]) -> Vec<Option<(u64, Option<EntryKind>)>> {
    messages.iter().map(|event| event.entry().map(|entry| (entry.seq.get(), entry.kind))).collect()
}

#[test]
fn an_entry_of_an_unknown_kind_has_its_seq_and_id() {
    let text = format!(r#"{{"type":"x-sticker",{},"of":3,"sticker":"\ud83d"}}"#, entry_fields());
    let EntryRef { room, seq, id, epoch, kind } = event(&text).entry().expect("an entry");
    assert_eq!((room.as_str(), seq.get(), id.to_string().as_str()), ("a", 7, ID));
    assert_eq!((epoch, kind), (None, None));
    assert_eq!(entry_of(&text), event(&text).entry());
    let first = text.replace(r#""of":3"#, r#""epoch":"e1""#);
    assert_eq!(event(&first).entry().and_then(|entry| entry.epoch).expect("an epoch").as_str(), "e1");
    assert_eq!(event(&text.replace("\"id\"", "\"no\"")), ServerEvent::Unknown { entry: None });
    assert_eq!(event(&text.replace("\"seq\":7", "\"seq\":-7")), ServerEvent::Unknown { entry: None });
}

#[test]
fn an_entry_with_invalid_content_has_its_seq_and_no_kind() {
    let bad_text = format!(r#"{{"type":"message","from":"bob","text":"\u0007","ts":1,{}}}"#, entry_fields());
    let entry = event(&bad_text).entry().expect("an entry");
    assert_eq!((entry.seq.get(), entry.kind), (7, None));
}

#[test]
fn an_unknown_system_event_with_seq_and_id_is_an_entry() {
    let text = format!(r#"{{"type":"system","event":"promoted","message":"m",{}}}"#, entry_fields());
    assert_eq!(event(&text).entry().expect("an entry").seq.get(), 7);
}

/// The test gives each golden frame unreadable content, and the room, seq and id of an entry.
#[test]
fn an_unreadable_frame_of_a_known_type_is_an_entry_only_if_its_type_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = 0;
    for file in fs::read_dir(folder).expect("the folder") {
        let path = file.expect("a file").path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("server-")) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("UTF-8");
        let is_entry = event(&text).entry().is_some();
        let mut frame: Value = serde_json::from_str(&text).expect("JSON");
        let fields = frame.as_object_mut().expect("an object");
        fields.retain(|name, _| name == "type" || name == "event");
        fields.insert("room".into(), "a".into());
        fields.insert("seq".into(), 7.into());
        fields.insert("id".into(), ID.into());
        let changed = event(&frame.to_string());
        // A `read` needs no other fields, so it stays readable.
        let is_readable = matches!(changed, ServerEvent::Read(_));
        assert!(is_readable || matches!(changed, ServerEvent::Unknown { .. }), "{path:?}: {changed:?}");
        assert_eq!(changed.entry().is_some(), is_entry, "{path:?}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn unreadable_entries_stay_in_their_page() {
    let entry = |seq: u64, rest: &str| format!(r#"{{"room":"a","seq":{seq},"id":"{ID}",{rest}}}"#);
    let page = [
        entry(1, r#""type":"message","from":"bob","text":"hi","ts":1"#),
        entry(2, r#""type":"x-sticker","sticker":"crab""#),
        entry(3, r#""type":"message","from":"bob","text":"\u0007","ts":1"#),
        entry(4, r#""type":"ack","client_msg_id":"m1""#),
        r#"{"type":"x-hint"}"#.to_owned(),
        "7".to_owned(),
        entry(5, r#""type":"message","from":"bob","text":"ho","ts":1"#),
    ];
    for (epoch, reference) in [(r#""e1""#, r#","ref":"r1""#), ("null", "")] {
        let text = format!(
            r#"{{"type":"history","room":"a","epoch":{epoch},"messages":[{}],"has_more":true{reference}}}"#,
            page.join(",")
        );
        let frame = decode_server(&text).expect("a frame");
        assert_eq!(frame.reference.is_some(), !reference.is_empty());
        let ServerEvent::History(history) = frame.event else { panic!("not a page: {frame:?}") };
        assert!(history.has_more);
        assert_eq!(history.epoch.is_some(), epoch != "null");
        let message = Some(EntryKind::Message);
        assert_eq!(
            kinds(&history.messages),
            [Some((1, message)), Some((2, None)), Some((3, None)), None, None, None, Some((5, message))]
        );
    }
}

#[test]
fn an_invalid_ref_of_a_server_frame_is_dropped() {
    let frame = decode_server(r#"{"type":"pong","ts":1,"ref":7}"#).expect("a frame");
    assert!(matches!(frame.event, ServerEvent::Pong(_)));
    assert_eq!(frame.reference, None);
}

#[test]
fn a_text_without_an_object_with_a_type_is_not_a_server_frame() {
    for bad in ["", "not JSON", "[]", "{}", r#"{"type":7}"#, r#"{"type":"pong""#] {
        assert!(decode_server(bad).is_err(), "{bad}");
    }
}
