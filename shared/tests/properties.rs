//! Properties of the codec for every frame and every text, and tests of `encode_history`.

use std::collections::BTreeMap;
use std::str::FromStr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use realtime_shared::codec::{
    CLIENT_FRAME_BYTES, EncodedPage, Refusal, SERVER_FRAME_BYTES, decode_client, decode_entry, decode_server,
    encode, encode_around_seq, encode_client, encode_entry, encode_found, encode_frame, encode_history,
    encode_with_members, entry_of,
};
use realtime_shared::{
    ClientEvent, DecodeError, EntryEvent, Epoch, ErrorCode, Fault, Found, History, Members, Ref, RoomName,
    Seq, ServerEvent, ServerFrame, SystemEvent, Text, strategies,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Parts of JSON, which the tests combine at random into valid and invalid texts.
const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "null",
    "true",
    "0",
    "-",
    "1e999",
    "0.5",
    "\\u",
    "d800",
    "\\uD83D",
    "\\uDE00",
    "\\\\",
    "\"type\"",
    "\"message\"",
    "\"room\"",
    "\"text\"",
    "\"a\"",
    "ü",
    "\u{1}",
    "{\"type\":",
    "\"join_room\"",
    "\"ref\":",
];

/// The beginning of every encoded frame.
const TYPE_FIRST: &str = r#"{"type":""#;

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The refusal of `text`, if it is JSON and not a client's frame.
fn refusal(text: &str) -> Option<Refusal> {
    match decode_client(text) {
        Err(DecodeError::Refused(refusal)) => Some(*refusal),
        Err(DecodeError::NotJson) | Ok(_) => None,
    }
}

/// Decodes any text, and checks that the decoder distinguishes JSON from other texts.
fn check_any(text: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(matches!(decode_client(text), Err(DecodeError::NotJson)), !is_json(text), "{:?}", text);
    if decode_server(text).is_ok() {
        prop_assert!(is_json(text));
    }
    if entry_of(text).is_some() {
        prop_assert!(is_json(text));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_failure_persistence(FileFailurePersistence::WithSource("regressions")))]

    #[test]
    fn a_client_frame_survives_encoding_and_decoding(frame in strategies::client_frame()) {
        let text = encode_client(&frame);
        prop_assert!(text.starts_with(TYPE_FIRST), "{}", text);
        prop_assert_eq!(decode_client(&text), Ok(frame));
    }

    #[test]
    fn a_client_frame_is_decoded_from_any_layout((frame, text) in strategies::written_client_frame()) {
        prop_assert!(text.len() < CLIENT_FRAME_BYTES);
        prop_assert_eq!(decode_client(&text), Ok(frame), "{}", text);
    }

    #[test]
    fn a_server_frame_survives_encoding_and_decoding(frame in strategies::server_frame()) {
        let text = encode_frame(&frame);
        prop_assert!(text.starts_with(TYPE_FIRST), "{}", text);
        prop_assert!(text.len() <= SERVER_FRAME_BYTES);
        prop_assert_eq!(decode_server(&text).expect("a frame"), frame.clone());
        let alone = encode(&frame.event);
        prop_assert_eq!(decode_server(&alone).expect("a frame"), ServerFrame::from(frame.event));
        prop_assert_eq!(frame.reference.is_none(), text == alone);
    }

    #[test]
    fn a_frame_encoded_around_its_members_is_the_same_frame(frame in strategies::server_frame()) {
        let mut without = frame.clone();
        let members = match &mut without.event {
            ServerEvent::System(SystemEvent::Joined(joined)) => std::mem::take(&mut joined.members),
            ServerEvent::Members(members) => std::mem::take(&mut members.members),
            _ => return Ok(()),
        };
        let members = serde_json::to_string(&members).expect("names");
        prop_assert_eq!(encode_with_members(&without, &members), encode_frame(&frame));
    }

    #[test]
    fn a_text_that_is_not_json_is_not_json_to_the_decoder(text in strategies::not_json()) {
        prop_assert!(text.len() < CLIENT_FRAME_BYTES);
        prop_assert_eq!(decode_client(&text), Err(DecodeError::NotJson), "{}", text);
        check_any(&text)?;
    }

    #[test]
    fn a_refused_text_has_the_error_code_of_its_defect((text, code) in strategies::refused_client_text()) {
        prop_assert!(text.len() < CLIENT_FRAME_BYTES);
        let fault = refusal(&text).map(|refusal| refusal.fault);
        prop_assert_eq!(fault.as_ref().map(Fault::code), Some(code), "{}", text);
        check_any(&text)?;
    }

    #[test]
    fn invalid_texts_are_no_frames(text in strategies::invalid_client_text()) {
        prop_assert!(decode_client(&text).is_err(), "{}", text);
    }

    /// The test reads the fields independently: a map keeps the last of equal keys.
    #[test]
    fn a_refusal_has_the_readable_ref_room_and_id_of_the_frame((text, _) in strategies::refused_client_text()) {
        let Ok(fields) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(&text) else {
            return Ok(());
        };
        let refusal = refusal(&text).expect("refused");
        prop_assert!(is_read(&fields, "ref", refusal.reference.as_ref()), "{}", text);
        prop_assert!(is_read(&fields, "room", refusal.room.as_ref()), "{}", text);
        prop_assert!(is_read(&fields, "client_msg_id", refusal.client_msg_id.as_ref()), "{}", text);
    }

    #[test]
    fn any_text_can_be_decoded_without_a_panic(text in any::<String>()) {
        check_any(&text)?;
    }

    #[test]
    fn any_bytes_can_be_decoded_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        check_any(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_sequence_of_json_parts_can_be_decoded_without_a_panic(parts in vec(select(PARTS), 0..24)) {
        check_any(&parts.concat())?;
    }

    #[test]
    fn a_damaged_frame_can_be_decoded_without_a_panic(
        text in strategies::valid_client_text(),
        at in any::<prop::sample::Index>(),
        part in select(PARTS),
    ) {
        let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
        let at = *at.get(&places);
        check_any(&format!("{}{part}{}", &text[..at], &text[at..]))?;
    }

    /// The text is any UTF-16, partly escaped.
    #[test]
    fn each_lone_surrogate_is_read_as_u_fffd(units in vec((utf16_unit(), any::<bool>()), 0..40)) {
        let written: String = units.iter().map(|&(unit, raw)| match char::from_u32(unit.into()) {
            Some(c) if raw && c >= ' ' && c != '"' && c != '\\' => c.to_string(),
            _ => format!("\\u{unit:04x}"),
        }).collect();
        let units: Vec<_> = units.into_iter().map(|(unit, _)| unit).collect();
        let expected = String::from_utf16_lossy(&units);

        let text = format!(r#"{{"type":"list_rooms","prefix":"{written}"}}"#);
        let decoded = decode_client(&text).map(|frame| frame.event);
        prop_assert_eq!(decoded, Ok(ClientEvent::ListRooms { prefix: Some(expected.clone()), limit: None }));

        let text = format!(r#"{{"type":"error","code":"forbidden","temporary":false,"message":"{written}"}}"#);
        let frame = decode_server(&text).expect("an error");
        prop_assert!(matches!(frame.event, ServerEvent::Error(error) if error.message == expected));
    }

    #[test]
    fn a_message_frame_is_valid_exactly_if_its_text_is(text in any::<String>()) {
        let frame = format!(r#"{{"type":"message","room":"a","text":{}}}"#, serde_json::Value::from(&*text));
        match (decode_client(&frame), Text::new(&text)) {
            (Ok(frame), Ok(text)) => {
                let is_post = matches!(&frame.event, ClientEvent::Post(post) if post.content.text() == Some(&text));
                prop_assert!(is_post, "{:?}", frame);
            }
            (Err(DecodeError::Refused(refusal)), Err(error)) => {
                prop_assert_eq!(refusal.fault, Fault::Text("text", error));
            }
            (decoded, text) => prop_assert!(false, "{decoded:?} {text:?}"),
        }
    }

    /// Some of the texts look like the field itself.
    #[test]
    fn an_entry_is_encoded_as_its_event_whole_or_around_any_seq(
        entry in strategies::entry_event(),
        text in select(vec![None, Some(r#"","seq":0,"#), Some(r#"\","seq":0"#), Some(r#""seq":0"#)]),
        number: u64,
    ) {
        let mut entry = entry;
        if let (Some(text), EntryEvent::Message(message)) = (text, &mut entry) {
            message.text = Text::new(text).expect("a text");
        }
        prop_assert_eq!(encode_entry(&entry), encode(&entry.clone().into()));
        let (before, after) = encode_around_seq(&entry);
        match &mut entry {
            EntryEvent::Message(message) => message.seq = Seq::new(number),
            EntryEvent::Change(entry) => entry.seq = Seq::new(number),
        }
        prop_assert_eq!(format!("{before}{number}{after}"), encode(&entry.into()));
    }

    #[test]
    fn encode_found_equals_the_encoded_found_event(
        messages in vec(strategies::server_event(), 0..5),
        has_more in any::<bool>(),
        complete in any::<bool>(),
        reference in prop::option::of(strategies::reference()),
    ) {
        let encoded: Vec<_> = messages.iter().map(encode).collect();
        let text = encode_found(&encoded, has_more, complete, reference.as_ref());
        let event = ServerEvent::Found(Found { messages, has_more, complete });
        prop_assert_eq!(text, encode_frame(&ServerFrame { event, reference }));
    }

    #[test]
    fn encode_history_equals_the_encoded_history_event(
        history in strategies::history(),
        newest_first in any::<bool>(),
        reference in prop::option::of(strategies::reference()),
    ) {
        let entries: Vec<_> = history.messages.iter().map(encode).collect();
        let History { room, epoch, messages: _, has_more, has_newer, covers, settings } = &history;
        let page = EncodedPage {
            room,
            epoch: epoch.as_ref(),
            entries: &entries,
            has_more: *has_more,
            has_newer: *has_newer,
            covers: *covers,
            settings: settings.as_ref(),
        };
        let text = encode_history(&page, newest_first, reference.as_ref());
        let frame = ServerFrame { event: ServerEvent::History(history), reference };
        prop_assert_eq!(text, encode_frame(&frame));
    }

    #[test]
    fn an_entry_is_decoded_from_its_frame_alone(frame in strategies::server_frame()) {
        let decoded = decode_entry(&encode(&frame.event));
        match frame.event {
            ServerEvent::Entry(event) => {
                prop_assert_eq!(encode_entry(&event), encode(&event.clone().into()));
                prop_assert_eq!(decoded, Some(event));
            }
            other => prop_assert_eq!(decoded, None, "{:?}", other),
        }
    }

    #[test]
    fn entry_of_finds_exactly_the_entries(frame in strategies::server_frame()) {
        let entry = entry_of(&encode_frame(&frame));
        match frame.event {
            ServerEvent::Entry(event) => {
                let (entry, head) = (entry.expect("an entry"), event.head());
                prop_assert_eq!((&entry.room, entry.seq, entry.id), (head.room, head.seq, head.id));
                prop_assert_eq!(entry.kind, Some(event.kind()));
            }
            other => prop_assert_eq!(entry, None, "{:?}", other),
        }
    }
}

/// Returns true if `value` is the value of the field `key`, or both are missing.
///
/// Ignores strings with a lone surrogate, which serde cannot read.
fn is_read<T>(fields: &BTreeMap<String, Box<RawValue>>, key: &str, value: Option<&T>) -> bool
where
    T: FromStr + PartialEq,
{
    let Some(raw) = fields.get(key).map(|raw| raw.get()) else {
        return value.is_none();
    };
    let unreadable = raw.starts_with('"') && serde_json::from_str::<String>(raw).is_err();
    let read = serde_json::from_str::<String>(raw).ok().and_then(|text| text.parse().ok());
    unreadable || read.as_ref() == value
}

/// A code unit, mostly a surrogate or next to the surrogates.
fn utf16_unit() -> impl Strategy<Value = u16> {
    prop_oneof![
        2 => select(&[0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000]),
        2 => 0xD800..0xDC00_u16,
        2 => 0xDC00..0xE000_u16,
        1 => Just(u16::from(b'\\')),
        1 => Just(u16::from(b'u')),
        2 => any::<u16>(),
    ]
}

#[test]
fn the_last_of_two_equal_fields_counts() {
    let text = r#"{"type":"ping","type":"leave_room","room":5,"room":"a","r\u006fom":"b"}"#;
    let room = RoomName::new("b").expect("a name");
    assert_eq!(decode_client(text).map(|frame| frame.event), Ok(ClientEvent::LeaveRoom { room }));

    let refused =
        refusal(r#"{"type":"leave_room","room":"a","room":5,"ref":"x","ref":"y"}"#).expect("refused");
    assert_eq!(refused.fault, Fault::Wrong("room", "a string"));
    assert_eq!(refused.room, None);
    assert_eq!(refused.reference.expect("a ref").as_str(), "y");
}

#[test]
fn a_refusal_names_the_field_and_has_its_error_code() {
    for (text, message, code) in [
        ("[]", "a frame is a JSON object", ErrorCode::BadRequest),
        ("1e999", "a frame is a JSON object", ErrorCode::BadRequest),
        ("{}", "`type` is missing", ErrorCode::BadRequest),
        (r#"{"type":"dance"}"#, "unknown type", ErrorCode::UnknownType),
        (r#"{"type":"join_room"}"#, "`room` is missing", ErrorCode::BadRequest),
        (r#"{"type":"join_room","room":""}"#, "`room` is empty", ErrorCode::InvalidRoom),
        (
            r#"{"type":"message","room":"a","text":"\u001b"}"#,
            "`text` has the control character U+001B; only newline and tab are text",
            ErrorCode::InvalidText,
        ),
        (
            r#"{"type":"history","room":"a","before":1,"after":2}"#,
            "`before` and `after` exclude each other",
            ErrorCode::BadRequest,
        ),
    ] {
        let fault = refusal(text).expect(text).fault;
        assert_eq!((fault.to_string().as_str(), fault.code()), (message, code), "{text}");
    }
}

#[test]
fn a_limit_above_the_range_is_the_largest_limit() {
    for (number, expected) in [("0", 0), ("4294967295", u32::MAX), ("18446744073709551615", u32::MAX)] {
        let text = format!(r#"{{"type":"list_rooms","limit":{number}}}"#);
        let event = decode_client(&text).expect("a frame").event;
        assert_eq!(event, ClientEvent::ListRooms { prefix: None, limit: Some(expected) });
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    has_more: bool,
    #[serde(rename = "ref")]
    reference: Option<Ref>,
}

/// Small entries fill a page to the byte. Large entries show which end of the page leaves entries out.
#[test]
fn an_encoded_result_stays_within_the_frame_limit() {
    let message = "1".repeat(SERVER_FRAME_BYTES / 3);
    let text = encode_found(&[&message, &message, &message], false, true, None);
    assert!(text.len() <= SERVER_FRAME_BYTES && text.contains(r#""has_more":true"#));
    assert_eq!(text.matches(&message).count(), 2);
}

#[test]
fn an_encoded_page_stays_within_the_frame_limit() {
    let room = RoomName::new(&"\"".repeat(64)).expect("a name");
    let epoch = Epoch::new(&"\\".repeat(64)).expect("an epoch");
    let reference = Ref::new(&"\"".repeat(64)).expect("a ref");
    let many: Vec<_> = (0..200_000).map(|number| format!("{:06}", number + 100_000)).collect();
    let large: Vec<_> = (1..=200).map(|number| format!("\"{}{number}\"", "🦀".repeat(4_000))).collect();

    for (entries, slack) in [(&many, 64), (&large, 17_000)] {
        for newest_first in [true, false] {
            for reference in [None, Some(&reference)] {
                let page = EncodedPage { entries, ..empty_page(&room, Some(&epoch), false) };
                let text = encode_history(&page, newest_first, reference);
                assert!(text.len() <= SERVER_FRAME_BYTES, "{}", text.len());
                assert!(text.len() > SERVER_FRAME_BYTES - slack, "{}", text.len());
                let page: Page<'_> = serde_json::from_str(&text).expect("JSON");
                let taken: Vec<_> = page.messages.iter().map(|entry| entry.get()).collect();
                let left_out = entries.len() - taken.len();
                let kept = if newest_first { &entries[left_out..] } else { &entries[..taken.len()] };
                assert!(taken == kept, "a contiguous run from the requested end");
                assert!(page.has_more);
                assert_eq!(page.reference.as_ref(), reference);
            }
        }
    }
}

fn empty_page<'a>(room: &'a RoomName, epoch: Option<&'a Epoch>, has_more: bool) -> EncodedPage<'a, String> {
    EncodedPage { room, epoch, entries: &[], has_more, has_newer: false, covers: None, settings: None }
}

#[test]
fn an_encoded_page_that_fits_keeps_has_more() {
    let room = RoomName::new("a").expect("a name");
    for has_more in [true, false] {
        let text = encode_history(&empty_page(&room, None, has_more), true, None);
        let rest = format!(r#""epoch":null,"messages":[],"has_more":{has_more}}}"#);
        assert_eq!(text, format!(r#"{{"type":"history","room":"a",{rest}"#));
    }
}

#[test]
fn members_replace_the_field_and_no_text_that_looks_like_it() {
    let room = RoomName::new(r#""members":[]"#).expect("a name");
    let event = Members { room, members: Vec::new(), member_count: 1, has_more: None };
    let frame =
        ServerFrame { event: ServerEvent::Members(event), reference: Ref::new(r#""members":[]"#).ok() };
    let text = encode_with_members(&frame, r#"["alice"]"#);
    let expected = r#"{"type":"members","room":"\"members\":[]","members":["alice"],"member_count":1,"ref":"\"members\":[]"}"#;
    assert_eq!(text, expected);
}
