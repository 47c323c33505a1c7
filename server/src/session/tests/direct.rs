//! Direct rooms: the store has to state first that a room is one of the user's.

use super::*;

const ROOM: &str = "dm:rbfekiks2o7qjdgakhpy64ek74";

fn refusal(action: &str, rest: &str) -> String {
    let message = format!("your token does not allow you to {action}");
    format!(
        r#"{{"type":"error","code":"forbidden","message":"{message}","temporary":false,"room":"{ROOM}"{rest}}}"#
    )
}

#[test]
fn frames_about_an_unknown_direct_room_wait_for_the_store() {
    for (fields, then, refused_action, rest) in [
        (r#""type":"join_room","ref":"1""#, "join ROOM ref 1", "use that room", r#","ref":"1""#),
        (
            r#""type":"message","text":"hi","client_msg_id":"x""#,
            "post alice: hi in ROOM as x",
            "post in that room",
            r#","client_msg_id":"x""#,
        ),
        (r#""type":"delete","target":3"#, "delete alice: 3 in ROOM", "use that room", ""),
        (r#""type":"history""#, "history ROOM Newest 50", "use that room", ""),
        (r#""type":"members""#, "members ROOM", "use that room", ""),
        (r#""type":"read","seq":3"#, "read ROOM 3", "use that room", ""),
    ] {
        let frame = format!(r#"{{{fields},"room":"{ROOM}"}}"#);
        let then = then.replace("ROOM", ROOM);
        let mut client = SessionClient::user();
        let expected = format!("if {ROOM}: {then} else {}", refusal(refused_action, rest));
        assert_eq!(client.action_of(&frame), expected);
        // Another frame waits too, unless the room is known.
        client.session.forget_room(&RoomName::new(ROOM).expect("a name"));
        assert_eq!(client.action_of(&frame), expected);
        client.session.admit_direct(RoomName::new(ROOM).expect("a name"));
        assert_eq!(client.action_of(&frame), then);
    }
    let mut admin = SessionClient::admin();
    let notice = format!(r#"{{"type":"notice","message":"hi","room":"{ROOM}"}}"#);
    assert!(admin.action_of(&notice).starts_with(&format!("if {ROOM}: signal {ROOM}")));
}

#[test]
fn a_joined_direct_room_is_known() {
    let mut client = SessionClient::user();
    assert!(client.action_of(&format!(r#"{{"type":"join_room","room":"{ROOM}"}}"#)).starts_with("if "));
    let typing = client.action_of(&format!(r#"{{"type":"typing","room":"{ROOM}"}}"#));
    assert!(typing.starts_with(&format!("signal {ROOM}")), "{typing}");
}

#[test]
fn a_session_knows_the_direct_rooms_that_were_used_last() {
    let mut client = SessionClient::user();
    let name = |letter: char| format!("dm:{}", letter.to_string().repeat(26));
    let admit = |client: &mut SessionClient, letter| {
        client.session.admit_direct(RoomName::new(&name(letter)).expect("a name"));
    };
    for letter in ('a'..='z').take(KNOWN_DIRECT) {
        admit(&mut client, letter);
    }
    admit(&mut client, 'a');
    let is_known = |client: &mut SessionClient, letter| {
        !client.action_of(&format!(r#"{{"type":"history","room":"{}"}}"#, name(letter))).starts_with("if ")
    };
    assert!(is_known(&mut client, 'a') && is_known(&mut client, 'b'));
    admit(&mut client, 'z');
    assert!(!is_known(&mut client, 'b') && is_known(&mut client, 'a') && is_known(&mut client, 'z'));
}

#[test]
fn direct_rooms_need_a_glob_of_the_token() {
    let without = Claims { rooms: Some(vec!["a*".to_owned()]), ..claims("alice") };
    let mut client = SessionClient::with(&without, |_| {});
    for frame in [
        r#"{"type":"direct","user_id":"bob"}"#.to_owned(),
        format!(r#"{{"type":"history","room":"{ROOM}"}}"#),
    ] {
        assert_eq!(client.refusal_of(&frame).0.code, ErrorCode::Forbidden, "{frame}");
    }
    let long = "\u{344}".repeat(33);
    let (error, _) = SessionClient::user().refusal_of(&format!(r#"{{"type":"direct","user_id":"{long}"}}"#));
    assert_eq!(error.code, ErrorCode::NotFound, "66 characters in normalization form C");
}

#[test]
fn reserved_names_are_refused_with_the_reason() {
    for name in ["dm:alice", "sys:hooks"] {
        let (error, _) =
            SessionClient::admin().refusal_of(&format!(r#"{{"type":"join_room","room":"{name}"}}"#));
        assert_eq!(error.code, ErrorCode::Forbidden);
        assert!(error.message.contains("reserved"), "{}", error.message);
    }
}
