//! Refusals: their fields, and the limit that closes the connection.

use super::*;
use crate::broker::{NotStored, Unavailable};

#[test]
fn a_refusal_names_its_room_and_ref() {
    use ErrorCode::{BadRequest, Forbidden, InvalidRoom, InvalidText, NotAMember, UnknownType};
    let mut client = SessionClient::user();
    client.join("news-1");
    for (frame, code, room, reference) in [
        ("[]", BadRequest, None, None),
        ("{}", BadRequest, None, None),
        (r#"{"type":"dance","room":"a","ref":"r"}"#, UnknownType, Some("a"), Some("r")),
        (r#"{"type":"join_room","ref":"r"}"#, BadRequest, None, Some("r")),
        (r#"{"type":"join_room","room":" "}"#, InvalidRoom, None, None),
        (r#"{"type":"message","room":"a","text":""}"#, InvalidText, Some("a"), None),
        (r#"{"type":"join_room","room":"closed","ref":"r"}"#, Forbidden, Some("closed"), Some("r")),
        (r#"{"type":"join_room","room":"dm:bob"}"#, Forbidden, Some("dm:bob"), None),
        (r#"{"type":"leave_room","room":"a","ref":"r"}"#, NotAMember, Some("a"), Some("r")),
        (r#"{"type":"typing","room":"a","ref":"r"}"#, NotAMember, Some("a"), Some("r")),
        (r#"{"type":"typing","room":"news-1"}"#, Forbidden, Some("news-1"), None),
        (r#"{"type":"message","room":"news-1","text":"hi"}"#, Forbidden, Some("news-1"), None),
        (r#"{"type":"message","room":"closed","text":"hi","ref":"r"}"#, Forbidden, Some("closed"), Some("r")),
        (r#"{"type":"edit","room":"news-1","target":3,"text":"ho"}"#, Forbidden, Some("news-1"), None),
        (r#"{"type":"reaction","room":"news-1","target":3,"emoji":"👍"}"#, Forbidden, Some("news-1"), None),
        (r#"{"type":"delete","room":"closed","target":3,"ref":"r"}"#, Forbidden, Some("closed"), Some("r")),
        (r#"{"type":"pin","room":"closed","target":3}"#, Forbidden, Some("closed"), None),
        (r#"{"type":"room","room":"closed","topic":"x"}"#, Forbidden, Some("closed"), None),
        (r#"{"type":"edit","room":"dm:bob","target":3,"text":"ho"}"#, Forbidden, Some("dm:bob"), None),
        (r#"{"type":"history","room":"closed"}"#, Forbidden, Some("closed"), None),
        (r#"{"type":"history","room":"a","before":1,"after":2}"#, BadRequest, Some("a"), None),
        (r#"{"type":"members","room":"closed"}"#, Forbidden, Some("closed"), None),
        (r#"{"type":"refresh","token":"x","ref":"r"}"#, Forbidden, None, Some("r")),
        (r#"{"type":"notice","message":"hi","ref":"r"}"#, Forbidden, None, Some("r")),
        (r#"{"type":"notice","message":"hi","room":"a"}"#, Forbidden, None, None),
    ] {
        let (error, answered) = client.refusal_of(frame);
        assert_eq!(error.code, code, "{frame}");
        assert_eq!(error.room.as_ref().map(RoomName::as_str), room, "{frame}");
        assert_eq!(answered.as_ref().map(Ref::as_str), reference, "{frame}");
        assert_eq!((error.temporary, error.retry_after_ms), (false, None), "{frame}");
        assert!(!error.message.is_empty(), "{frame}");
    }
}

#[test]
fn a_refusal_of_a_message_names_its_client_msg_id() {
    let mut client = SessionClient::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (1, 1);
    });
    let refused = |client: &mut SessionClient, room, text| {
        let frame =
            format!(r#"{{"type":"message","room":"{room}","text":"{text}","client_msg_id":"x","ref":"r"}}"#);
        let (error, reference) = client.refusal_of(&frame);
        assert_eq!(error.client_msg_id.expect("present").as_str(), "x");
        assert_eq!(
            (error.room.expect("present").as_str(), reference.expect("present").as_str()),
            (room, "r")
        );
        error.code
    };
    assert_eq!(refused(&mut client, "closed", "hi"), ErrorCode::Forbidden);
    assert_eq!(refused(&mut client, "a", r"\u0007"), ErrorCode::InvalidText);
    assert_eq!(client.action_of(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
    assert_eq!(refused(&mut client, "a", "hi"), ErrorCode::RateLimited);
}

#[test]
fn a_hundred_refusals_within_ten_seconds_close_the_connection() {
    let mut client = SessionClient::user();
    for _ in 0..99 {
        assert_eq!(client.refusal_of("{}").0.code, ErrorCode::BadRequest);
    }
    assert_eq!(client.action_of("{}"), "close 4009");

    let mut flood = SessionClient::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (1, 1);
    });
    let message = r#"{"type":"message","room":"a","text":"hi"}"#;
    flood.action_of(message);
    for _ in 0..99 {
        assert_eq!(flood.refusal_of(message).0.code, ErrorCode::RateLimited);
    }
    assert_eq!(flood.action_of(message), "close 4009");

    let mut patient = SessionClient::user();
    for _ in 0..300 {
        patient.refusal_of("{}");
        patient.wait(Duration::from_millis(150));
    }
}

#[test]
fn refusals_of_the_broker_count_like_those_of_the_session() {
    let mut client = SessionClient::user();
    let refused_edit = || {
        let cause = NotStored::Refused {
            code: ErrorCode::Forbidden,
            message: "only its author edits it".to_owned(),
            retry_after: None,
        };
        Error::not_stored(cause, &RoomName::new("a").expect("a room's name"))
    };
    for _ in 0..98 {
        let answer = summary(client.session.refuse(refused_edit(), client.now.instant));
        assert_eq!(
            answer,
            r#"{"type":"error","code":"forbidden","message":"only its author edits it","temporary":false,"room":"a"}"#
        );
    }
    assert_eq!(client.refusal_of("{}").0.code, ErrorCode::BadRequest);
    assert_eq!(summary(client.session.refuse(refused_edit(), client.now.instant)), "close 4009");
}

#[test]
fn unavailable_is_not_counted_as_a_refusal() {
    let mut client = SessionClient::user();
    for _ in 0..1_000 {
        let error =
            Error::not_stored(NotStored::from(Unavailable), &RoomName::new("a").expect("a room's name"));
        let answer = summary(client.session.refuse(error, client.now.instant));
        assert!(answer.contains(r#""code":"unavailable""#), "{answer}");
    }
    assert_eq!(client.refusal_of("{}").0.code, ErrorCode::BadRequest);
}
