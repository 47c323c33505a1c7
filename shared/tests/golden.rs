//! Golden files: `golden/<direction>-<name>[-<case>].json`, one for each frame, with and without optional fields.
//!
//! A file contains one frame in its exact form on the wire, and a newline. The names come from matches without `_`: a
//! new variant does not compile without a name here, and the tests fail until it has a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use realtime_shared::codec::{decode_client, decode_server, encode, encode_client, encode_frame};
use realtime_shared::{
    Change, ChangeEntry, ClientEvent, Content, EntryEvent, ErrorCode, LeaveReason, Post, Recovery,
    ServerEvent, ServerFrame, SystemEvent, Text,
};

/// Defines a function that names a variant, and the list of all names except those of unknown variants.
macro_rules! names {
    ($function:ident, $all:ident, $of:ty, [$($pattern:pat => $name:literal),* $(,)?] $(, $unknown:pat)?) => {
        const $all: &[&str] = &[$($name),*];

        fn $function(value: &$of) -> &'static str {
            match value {
                $($pattern => $name,)*
                $($unknown => panic!("no golden file has an unknown variant"),)?
            }
        }
    };
}

names!(client_name, CLIENT_NAMES, ClientEvent, [
    ClientEvent::JoinRoom { .. } => "client-join_room",
    ClientEvent::LeaveRoom { .. } => "client-leave_room",
    ClientEvent::Post(Post { content: Content::Message(_), .. }) => "client-message",
    ClientEvent::Post(Post { content: Content::Change(Change::Edit(_)), .. }) => "client-edit",
    ClientEvent::Post(Post { content: Content::Change(Change::Delete(_)), .. }) => "client-delete",
    ClientEvent::Post(Post { content: Content::Change(Change::Reaction(_)), .. }) => "client-reaction",
    ClientEvent::Post(Post { content: Content::Change(Change::Pin(_)), .. }) => "client-pin",
    ClientEvent::Post(Post { content: Content::Change(Change::Room(_)), .. }) => "client-room",
    ClientEvent::Direct { .. } => "client-direct",
    ClientEvent::Read { .. } => "client-read",
    ClientEvent::Inbox { .. } => "client-inbox",
    ClientEvent::Search(_) => "client-search",
    ClientEvent::Typing { .. } => "client-typing",
    ClientEvent::Ping(_) => "client-ping",
    ClientEvent::History(_) => "client-history",
    ClientEvent::Members { .. } => "client-members",
    ClientEvent::ListRooms { .. } => "client-list_rooms",
    ClientEvent::Refresh { .. } => "client-refresh",
    ClientEvent::Notice { .. } => "client-notice",
]);

names!(server_name, SERVER_NAMES, ServerEvent, [
    ServerEvent::System(SystemEvent::Welcome(_)) => "server-system-welcome",
    ServerEvent::System(SystemEvent::Joined(_)) => "server-system-joined",
    ServerEvent::System(SystemEvent::Left(_)) => "server-system-left",
    ServerEvent::System(SystemEvent::Resync(_)) => "server-system-resync",
    ServerEvent::System(SystemEvent::TokenExpiring(_)) => "server-system-token_expiring",
    ServerEvent::System(SystemEvent::Notice(_)) => "server-system-notice",
    ServerEvent::Entry(EntryEvent::Message(_)) => "server-message",
    ServerEvent::Entry(EntryEvent::Change(ChangeEntry { change: Change::Edit(_), .. })) => "server-edit",
    ServerEvent::Entry(EntryEvent::Change(ChangeEntry { change: Change::Delete(_), .. })) => "server-delete",
    ServerEvent::Entry(EntryEvent::Change(ChangeEntry { change: Change::Reaction(_), .. })) => "server-reaction",
    ServerEvent::Entry(EntryEvent::Change(ChangeEntry { change: Change::Pin(_), .. })) => "server-pin",
    ServerEvent::Entry(EntryEvent::Change(ChangeEntry { change: Change::Room(_), .. })) => "server-room",
    ServerEvent::Direct(_) => "server-direct",
    ServerEvent::Read(_) => "server-read",
    ServerEvent::Inbox(_) => "server-inbox",
    ServerEvent::Notify(_) => "server-notify",
    ServerEvent::Found(_) => "server-found",
    ServerEvent::Typing(_) => "server-typing",
    ServerEvent::Pong(_) => "server-pong",
    ServerEvent::Ack(_) => "server-ack",
    ServerEvent::History(_) => "server-history",
    ServerEvent::Members(_) => "server-members",
    ServerEvent::Rooms(_) => "server-rooms",
    ServerEvent::Refreshed { .. } => "server-refreshed",
    ServerEvent::Error(_) => "server-error",
], ServerEvent::Unknown { .. });

names!(code_name, CODE_NAMES, ErrorCode, [
    ErrorCode::BadRequest => "server-error-bad_request",
    ErrorCode::UnknownType => "server-error-unknown_type",
    ErrorCode::InvalidRoom => "server-error-invalid_room",
    ErrorCode::InvalidText => "server-error-invalid_text",
    ErrorCode::Forbidden => "server-error-forbidden",
    ErrorCode::NotAMember => "server-error-not_a_member",
    ErrorCode::RateLimited => "server-error-rate_limited",
    ErrorCode::TooManyRooms => "server-error-too_many_rooms",
    ErrorCode::NotFound => "server-error-not_found",
    ErrorCode::LimitReached => "server-error-limit_reached",
    ErrorCode::Unsupported => "server-error-unsupported",
    ErrorCode::Unavailable => "server-error-unavailable",
], ErrorCode::Unknown);

names!(reason_name, REASON_NAMES, LeaveReason, [
    LeaveReason::Left => "server-system-left-left",
    LeaveReason::Disconnected => "server-system-left-disconnected",
    LeaveReason::Kicked => "server-system-left-kicked",
], LeaveReason::Unknown);

names!(recovery_name, RECOVERY_NAMES, Recovery, [
    Recovery::Complete { .. } => "server-system-joined-complete",
    Recovery::Truncated { .. } => "server-system-joined-truncated",
    Recovery::Reset { .. } => "server-system-joined-reset",
]);

/// The content of the files by name, without `.json` and without the final newline.
fn files() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").path());
    files
        .map(|path| {
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
            let text = fs::read_to_string(&path).expect("UTF-8");
            let line = text.strip_suffix('\n').unwrap_or_else(|| panic!("{name} ends with a newline"));
            (name, line.to_owned())
        })
        .collect()
}

/// Returns true if `file` is `name`, or a case of it.
fn is_case(file: &str, name: &str) -> bool {
    file.strip_prefix(name).is_some_and(|case| case.is_empty() || case.starts_with('-'))
}

fn server_frame(file: &str, text: &str) -> ServerFrame {
    decode_server(text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn client_frames_are_decoded_and_encoded_as_in_their_files() {
    let mut named = BTreeSet::new();
    for (file, text) in files().iter().filter(|(file, _)| file.starts_with("client-")) {
        let frame = decode_client(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(encode_client(&frame), *text, "{file}");
        let name = client_name(&frame.event);
        assert!(is_case(file, name), "{file} is a {name}");
        named.insert(name);
    }
    assert_eq!(named, CLIENT_NAMES.iter().copied().collect());
}

#[test]
fn server_frames_are_decoded_and_encoded_as_in_their_files() {
    let mut named = BTreeSet::new();
    for (file, text) in files().iter().filter(|(file, _)| !file.starts_with("client-")) {
        let frame = server_frame(file, text);
        assert_eq!(encode_frame(&frame), *text, "{file}");
        if frame.reference.is_none() {
            assert_eq!(encode(&frame.event), *text, "{file}");
        }
        let name = server_name(&frame.event);
        assert!(is_case(file, name), "{file} is a {name}");
        named.insert(name);
    }
    assert_eq!(named, SERVER_NAMES.iter().copied().collect());
}

#[test]
fn every_code_reason_and_recovery_has_a_file() {
    let mut named = BTreeSet::new();
    for (file, text) in files().iter().filter(|(file, _)| file.starts_with("server-")) {
        match server_frame(file, text).event {
            ServerEvent::Error(error) => {
                assert_eq!(error.temporary, error.code.is_temporary(), "{file}");
                assert_eq!(error.retry_after_ms.is_some(), error.code == ErrorCode::RateLimited, "{file}");
                named.insert(code_name(&error.code));
            }
            ServerEvent::System(SystemEvent::Left(left)) => {
                named.insert(reason_name(&left.reason));
            }
            ServerEvent::System(SystemEvent::Joined(joined)) => {
                named.extend(joined.recovery.as_ref().map(recovery_name));
            }
            _ => {}
        }
    }
    let all = [CODE_NAMES, REASON_NAMES, RECOVERY_NAMES].concat();
    assert_eq!(named, all.iter().copied().collect());
    let files = files();
    assert!(all.iter().all(|name| files.contains_key(*name)));
}

/// A client of the base dialect reads these texts.
#[test]
fn server_frames_have_the_texts_and_fields_of_the_base_dialect() {
    let files = files();
    for (file, parts) in [
        (
            "server-system-welcome",
            &["\"message\":\"Connected successfully\"", "\"user_id\":", "\"online_count\":"][..],
        ),
        ("server-system-joined", &["\"message\":\"bob joined\"", "\"room\":", "\"members\":["]),
        ("server-system-left-left", &["\"message\":\"bob left\"", "\"room\":"]),
        ("server-message", &["\"room\":", "\"from\":", "\"text\":"]),
        ("server-typing", &["\"room\":", "\"user_id\":", "\"is_typing\":true"]),
        ("server-pong", &["{\"type\":\"pong\""]),
    ] {
        for part in parts {
            assert!(files[file].contains(part), "{file} has {part}");
        }
    }
}

/// Clients of the base dialect leave these fields out.
#[test]
fn missing_and_null_fields_have_their_defaults() {
    for (text, expected) in [
        (r#"{"type":"typing","room":"a"}"#, r#"{"type":"typing","room":"a","is_typing":true}"#),
        (
            r#"{"type":"typing","room":"a","is_typing":null}"#,
            r#"{"type":"typing","room":"a","is_typing":true}"#,
        ),
        (r#"{"room":"a","since":null,"type":"join_room"}"#, r#"{"type":"join_room","room":"a"}"#),
        (r#"{"type":"ping","timestamp":5,"ref":null}"#, r#"{"type":"ping"}"#),
    ] {
        assert_eq!(encode_client(&decode_client(text).expect(text)), expected);
    }
}

#[test]
fn a_client_reads_unknown_types_events_codes_reasons_and_fields() {
    let event = |text: &str| decode_server(text).unwrap_or_else(|error| panic!("{text}: {error}")).event;
    let unknown = ServerEvent::Unknown { entry: None };
    assert_eq!(event(r#"{"type":"x-sticker","room":"a","sticker":{"a":[1]}}"#), unknown);
    assert_eq!(event(r#"{"type":"system","event":"promoted","message":"m"}"#), unknown);
    let files = files();
    let ServerEvent::Error(error) = event(&files["server-error-forbidden"].replace("forbidden", "banned"))
    else {
        panic!("an error");
    };
    assert_eq!(error.code, ErrorCode::Unknown);
    let left = files["server-system-left-kicked"].replace("kicked", "vanished");
    let ServerEvent::System(SystemEvent::Left(left)) = event(&left) else {
        panic!("a left");
    };
    assert_eq!(left.reason, LeaveReason::Unknown);
    let ServerEvent::System(SystemEvent::Notice(notice)) =
        event(r#"{"new":{},"from":"root","message":"m","type":"system","event":"notice","more":[1]}"#)
    else {
        panic!("a notice");
    };
    assert_eq!(notice.message, Text::new("m").expect("a text"));
}
