//! Refreshed tokens: new rights, and refusals that change nothing.

use super::*;

#[test]
fn a_refreshed_token_changes_rights_at_once() {
    let mut client = SessionClient::user();
    client.join("a");
    client.join("b");
    client.join("chat-1");
    let newer = Claims { exp: EXPIRES + 600, rooms: Some(vec!["b".to_owned()]), ..claims("alice") };
    let Action::Refreshed { answer, mut leave } = client.refresh(&newer) else { panic!("refreshed") };
    let expires_at = Timestamp::from_millis((EXPIRES + 600) * 1_000);
    assert_eq!(answer.event, ServerEvent::Refreshed { expires_at });
    assert_eq!(answer.reference.expect("present").as_str(), "r");
    leave.sort();
    assert_eq!(leave.iter().map(RoomName::as_str).collect::<Vec<_>>(), ["a", "chat-1"]);
    assert_eq!(client.session.identity().expires_at, expires_at);
    assert_eq!(client.refusal_of(r#"{"type":"leave_room","room":"a"}"#).0.code, ErrorCode::NotAMember);
    assert_eq!(client.refusal_of(r#"{"type":"join_room","room":"a"}"#).0.code, ErrorCode::Forbidden);
    assert_eq!(client.action_of(r#"{"type":"leave_room","room":"b"}"#), "leave b");

    let promoted = Claims { role: Role::Admin, ..newer };
    assert!(summary(client.refresh(&promoted)).ends_with("leave []"));
    client.join("a");
    assert!(client.action_of(r#"{"type":"notice","message":"hi"}"#).starts_with("broadcast Everyone"));
}

#[test]
fn a_refused_refresh_changes_nothing() {
    let mut client = SessionClient::user();
    client.join("a");
    let before = client.session.identity().clone();
    for (cause, claims) in [
        ("another user's", Claims { rooms: Some(Vec::new()), ..claims("bob") }),
        ("expired", Claims { exp: START / 1_000 - 60, ..claims("alice") }),
    ] {
        let Action::Answer(ServerFrame { event: ServerEvent::Error(error), reference }) =
            client.refresh(&claims)
        else {
            panic!("a token that is {cause} was taken");
        };
        assert_eq!(error.code, ErrorCode::Forbidden, "{cause}");
        assert_eq!(reference.expect("present").as_str(), "r", "{cause}");
        assert_eq!(client.session.identity(), &before, "{cause}");
    }
    assert_eq!(client.action_of(r#"{"type":"leave_room","room":"a"}"#), "leave a");
}
