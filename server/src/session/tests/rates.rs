//! Rate limits of messages, changes, requests, lists and typing.

use super::*;

#[test]
fn messages_above_their_rate_are_refused() {
    let mut client = SessionClient::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (10, 3);
    });
    let message = r#"{"type":"message","room":"a","text":"hi"}"#;
    for _ in 0..3 {
        assert_eq!(client.action_of(message), "post alice: hi in a");
    }
    let (error, _) = client.refusal_of(message);
    assert_eq!((error.code, error.temporary), (ErrorCode::RateLimited, true));
    let wait = Duration::from_millis(error.retry_after_ms.expect("a wait"));
    // Messages refused for another reason take no token, and requests have a rate of their own.
    assert_eq!(
        client.refusal_of(r#"{"type":"message","room":"closed","text":"hi"}"#).0.code,
        ErrorCode::Forbidden
    );
    assert_eq!(client.action_of(r#"{"type":"members","room":"a"}"#), "members a");
    client.wait(wait);
    assert_eq!(client.action_of(message), "post alice: hi in a");
    assert_eq!(client.refusal_of(message).0.code, ErrorCode::RateLimited);
}

#[test]
fn changes_above_their_rate_are_refused_and_messages_are_not() {
    let mut client = SessionClient::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (10, 20);
        limits.budgets.user_changes_per_second = 1;
    });
    let changes = [
        r#"{"type":"reaction","room":"a","target":1,"emoji":"👍","client_msg_id":"c"}"#,
        r#"{"type":"edit","room":"a","target":1,"text":"hi","client_msg_id":"c"}"#,
        r#"{"type":"delete","room":"a","target":1,"client_msg_id":"c"}"#,
        r#"{"type":"pin","room":"b","target":1,"client_msg_id":"c"}"#,
        r#"{"type":"room","room":"b","topic":"News","client_msg_id":"c"}"#,
    ];
    for change in &changes[..2] {
        assert!(matches!(client.send(change), Action::Submit { .. }), "{change}");
    }
    for change in changes {
        let (error, _) = client.refusal_of(change);
        assert_eq!((error.code, error.temporary), (ErrorCode::RateLimited, true), "{change}");
        assert!(error.retry_after_ms.is_some_and(|wait| (1_000..=1_001).contains(&wait)), "{error:?}");
        assert_eq!(error.client_msg_id.expect("repeated").as_str(), "c");
    }
    // Messages have their whole burst and their whole rate, and take nothing from changes.
    let message = r#"{"type":"message","room":"a","text":"hi"}"#;
    for _ in 0..20 {
        assert_eq!(client.action_of(message), "post alice: hi in a");
    }
    assert_eq!(client.refusal_of(message).0.code, ErrorCode::RateLimited);
    client.wait(Duration::from_secs(1));
    assert!(matches!(client.send(changes[0]), Action::Submit { .. }));
    for _ in 0..10 {
        assert_eq!(client.action_of(message), "post alice: hi in a");
    }
}

#[test]
fn read_markers_above_their_rate_are_refused_and_delay_nothing_else() {
    let mut client = SessionClient::user();
    let read = r#"{"type":"read","room":"a","seq":3,"ref":"r"}"#;
    for _ in 0..128 {
        assert_eq!(client.action_of(read), "read a 3 ref r");
    }
    let (error, reference) = client.refusal_of(read);
    assert_eq!((error.code, reference.expect("present").as_str()), (ErrorCode::RateLimited, "r"));
    assert!(error.retry_after_ms.is_some_and(|wait| (50..=51).contains(&wait)), "{error:?}");
    // Messages, changes and requests have all of their bursts.
    for _ in 0..100 {
        assert_eq!(client.action_of(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
        assert_eq!(client.action_of(r#"{"type":"members","room":"a"}"#), "members a");
        assert!(matches!(client.send(r#"{"type":"delete","room":"a","target":1}"#), Action::Submit { .. }));
    }
    client.wait(Duration::from_secs(1));
    for _ in 0..20 {
        assert_eq!(client.action_of(read), "read a 3 ref r");
    }
    assert_eq!(client.refusal_of(read).0.code, ErrorCode::RateLimited);
}

#[test]
fn requests_above_their_rate_are_refused_and_typing_is_dropped() {
    let mut client = SessionClient::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (10, 3);
    });
    client.join("a");
    assert!(client.action_of(r#"{"type":"ping"}"#).contains("pong"));
    assert_eq!(client.action_of(r#"{"type":"members","room":"a"}"#), "members a");
    let (error, reference) = client.refusal_of(r#"{"type":"ping","ref":"r"}"#);
    assert_eq!((error.code, reference.expect("present").as_str()), (ErrorCode::RateLimited, "r"));
    assert!(error.retry_after_ms.expect("a wait") > 0);
    assert_eq!(
        client.action_of(r#"{"type":"typing","room":"a"}"#),
        "drop TypingRate",
        "typing above the rate is dropped"
    );
    assert_eq!(client.action_of(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
    client.wait(Duration::from_millis(100));
    assert!(
        client.action_of(r#"{"type":"typing","room":"a"}"#).starts_with("signal"),
        "the dropped state does not count as sent"
    );
}

#[test]
fn typing_beyond_the_rate_of_the_user_is_dropped() {
    let mut client =
        SessionClient::with(&claims("alice"), |limits| limits.budgets.user_messages_per_second = 1);
    client.join("a");
    let typing = |is_typing: bool| format!(r#"{{"type":"typing","room":"a","is_typing":{is_typing}}}"#);
    assert!(client.action_of(&typing(true)).starts_with("signal"));
    // A repetition is not sent, so it costs nothing.
    assert_eq!(client.action_of(&typing(true)), "nothing");
    assert!(client.action_of(&typing(false)).starts_with("signal"));
    assert_eq!(client.action_of(&typing(true)), "drop TypingRate");
    assert_eq!(client.action_of(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
    client.wait(Duration::from_secs(1));
    assert!(client.action_of(&typing(true)).starts_with("signal"));
}

#[test]
fn too_many_deliveries_delay_messages_and_drop_typing() {
    let mut client = SessionClient::user();
    client.join("a");
    let (message, typing) =
        (r#"{"type":"message","room":"a","text":"hi"}"#, r#"{"type":"typing","room":"a"}"#);
    // Six seconds' worth, of which five are the burst.
    client.session.spend_deliveries(120_000, client.now.instant);
    let (error, _) = client.refusal_of(message);
    assert_eq!((error.code, error.temporary), (ErrorCode::RateLimited, true));
    assert!(error.retry_after_ms.is_some_and(|wait| (1_000..=1_001).contains(&wait)), "{error:?}");
    assert_eq!(client.action_of(typing), "drop TypingRate");
    client.wait(Duration::from_secs(1));
    assert_eq!(client.action_of(message), "post alice: hi in a");
    assert!(client.action_of(typing).starts_with("signal"));
}

#[test]
fn rate_zero_turns_the_limits_off() {
    let mut client = SessionClient::with(&claims("alice"), |limits| {
        limits.max_messages_per_second = 0;
        limits.budgets = crate::config::BudgetLimits::for_messages_per_second(0);
    });
    for _ in 0..1_000 {
        assert_eq!(client.action_of(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
        assert_eq!(client.action_of(r#"{"type":"members","room":"a"}"#), "members a");
    }
}

#[test]
fn lists_of_rooms_have_a_lower_rate() {
    let mut client = SessionClient::user();
    for _ in 0..5 {
        assert_eq!(client.action_of(r#"{"type":"list_rooms"}"#), "list 100");
    }
    assert_eq!(client.refusal_of(r#"{"type":"list_rooms"}"#).0.code, ErrorCode::RateLimited);
    client.join("a");
    let search = r#"{"type":"members","room":"a","prefix":"al"}"#;
    assert_eq!(client.refusal_of(search).0.code, ErrorCode::RateLimited, "a search counts as a list");
    assert_eq!(client.action_of(r#"{"type":"members","room":"a"}"#), "members a");
    client.wait(Duration::from_secs(1));
    assert_eq!(client.action_of(search), "find al in a 100");
    assert_eq!(client.refusal_of(r#"{"type":"list_rooms"}"#).0.code, ErrorCode::RateLimited);
    client.wait(Duration::from_secs(1));
    assert_eq!(client.action_of(r#"{"type":"list_rooms"}"#), "list 100");
}

#[test]
fn names_that_a_list_tests_are_paid_like_answers() {
    let mut claims = claims("alice");
    claims.rooms = Some(vec!["*-one".to_owned()]);
    let mut client = SessionClient::with(&claims, |limits| limits.budgets.user_bytes_per_second = 1_000);
    let list = r#"{"type":"list_rooms"}"#;
    let Action::ListRooms { filter, .. } = client.send(list) else { panic!("no list") };
    let room = RoomName::new("team-one").expect("a room's name");
    // 64 seconds' worth.
    for _ in 0..=64_000 / 16 {
        assert!(filter.passes(&room));
    }
    assert_eq!(client.action_of(list), "list 100", "the search has not ended");
    drop(filter);
    assert_eq!(client.refusal_of(list).0.code, ErrorCode::RateLimited);
}

#[test]
fn a_flood_of_dropped_frames_closes_the_connection() {
    let mut client = SessionClient::user();
    client.join("a");
    let typing = r#"{"type":"typing","room":"a"}"#;
    let before = (0..10_000).take_while(|_| !matches!(client.send(typing), Action::Close(_))).count();
    assert!((1_000..1_200).contains(&before), "{before}");

    let mut pinging = SessionClient::user();
    let now = pinging.now.instant;
    let mut pings = || summary(pinging.session.on_control(now));
    assert!((0..100).all(|_| pings() == "nothing"), "a burst");
    assert!((0..999).all(|_| pings() == "drop ControlRate"), "above the rate");
    assert_eq!(pings(), "close 4009");
    pinging.wait(Duration::from_secs(11));
    assert_eq!(summary(pinging.session.on_control(pinging.now.instant)), "nothing");
}

#[test]
fn tiny_reads_and_thin_fragments_close_the_connection_at_their_limits() {
    let mut client = SessionClient::user();
    let now = client.now.instant;
    assert!((1..10_000).all(|_| matches!(client.session.on_tiny_read(now), Action::Nothing)));
    assert!(matches!(client.session.on_tiny_read(now), Action::Close(CloseCode::TooManyRequests)));

    let mut client = SessionClient::user();
    assert!(matches!(client.session.on_thin_fragments(999, now), Action::Nothing));
    assert!(matches!(client.session.on_thin_fragments(0, now), Action::Nothing));
    assert!(matches!(client.session.on_thin_fragments(1, now), Action::Close(CloseCode::TooManyRequests)));
}
