//! Sessions: the action of each frame, refusals and rate limits.

use realtime_shared::{Claims, ErrorEvent};

use super::*;
use crate::auth::{Grants, token};
use crate::broker::{Body, NotStored, Unavailable};
use crate::config::Config;
use crate::secret::Secret;

/// Time at the start of a test, in milliseconds since the Unix epoch.
const START: u64 = 1_700_000_000_000;
/// Expiry of the first token: a minute later, in seconds.
const EXPIRES: u64 = START / 1_000 + 60;

/// A session and its current time.
struct SessionClient {
    session: Session,
    secret: Secret,
    now: Now,
}

impl SessionClient {
    /// A user with the grants of [`claims`].
    fn user() -> Self {
        Self::with(&claims("alice"), |_| {})
    }

    fn admin() -> Self {
        Self::with(&Claims { role: Role::Admin, ..claims("alice") }, |_| {})
    }

    fn with(claims: &Claims, set: impl FnOnce(&mut Limits)) -> Self {
        let secret = Secret::new(b"a secret that only these tests know").expect("long enough");
        let mut config = Config::new(secret.clone());
        set(&mut config.limits);
        let identity = Identity {
            user: claims.sub.clone(),
            role: claims.role,
            grants: Grants::from_claims(claims).expect("sound lists"),
            expires_at: Timestamp::from_millis(claims.exp * 1_000),
        };
        let now = Now { instant: Instant::now(), wall: Timestamp::from_millis(START) };
        let session = Session::new(identity, Arc::new(Verifier::new(&config)), &config.limits, now.instant);
        Self { session, secret, now }
    }

    fn wait(&mut self, time: Duration) {
        self.now.instant += time;
        let millis = u64::try_from(time.as_millis()).expect("not that long");
        self.now.wall = Timestamp::from_millis(self.now.wall.millis() + millis);
    }

    fn send(&mut self, json: &str) -> Action {
        self.session.on_text(json, self.now)
    }

    /// The action of a frame, as a short text.
    fn action_of(&mut self, json: &str) -> String {
        summary(self.send(json))
    }

    #[track_caller]
    fn refusal_of(&mut self, json: &str) -> (ErrorEvent, Option<Ref>) {
        let Action::Answer(ServerFrame { event: ServerEvent::Error(error), reference }) = self.send(json)
        else {
            panic!("{json} was not refused");
        };
        (error, reference)
    }

    /// Sends a `join_room`, and checks that it becomes [`Action::Join`].
    #[track_caller]
    fn join(&mut self, room: &str) {
        assert_eq!(
            self.action_of(&format!(r#"{{"type":"join_room","room":"{room}"}}"#)),
            format!("join {room}")
        );
    }

    fn refresh(&mut self, claims: &Claims) -> Action {
        let token = token::mint(&self.secret, claims);
        self.send(&format!(r#"{{"type":"refresh","token":"{token}","ref":"r"}}"#))
    }
}

/// Claims with a few rooms and prefixes. The `news-` rooms are read-only.
fn claims(user: &str) -> Claims {
    Claims {
        sub: UserId::new(user).expect("a user id"),
        exp: EXPIRES,
        role: Role::User,
        rooms: Some(["a*", "b", "chat-*", "news-*", "dm:*"].map(str::to_owned).to_vec()),
        read_only: vec!["news-*".to_owned()],
        iss: None,
        aud: None,
    }
}

fn summary(action: Action) -> String {
    let with_ref = |reference: Option<Ref>| reference.map_or(String::new(), |it| format!(" ref {it}"));
    match action {
        Action::Nothing => "nothing".to_owned(),
        Action::Drop(reason) => format!("drop {reason:?}"),
        Action::Answer(frame) => codec::encode_frame(&frame),
        Action::Close(code) => format!("close {}", code.to_u16()),
        Action::Join { room, since, reference } => {
            let since = since.map_or(String::new(), |since| format!(" since {}", since.seq()));
            format!("join {room}{since}{}", with_ref(reference))
        }
        Action::Leave { room, reference } => format!("leave {room}{}", with_ref(reference)),
        Action::Submit { submission: Submission { from, room, client_msg_id, body }, reference } => {
            let id = client_msg_id.map_or(String::new(), |id| format!(" as {id}"));
            let Body::Message { text } = body;
            format!("post {from}: {text} in {room}{id}{}", with_ref(reference))
        }
        Action::Signal { room, event, skip } => format!("signal {room} {skip:?} {}", codec::encode(&event)),
        Action::Broadcast { to, event } => format!("broadcast {to:?} {}", codec::encode(&event)),
        Action::History { room, range, limit, reference } => {
            format!("history {room} {range:?} {limit}{}", with_ref(reference))
        }
        Action::Members { room, reference } => format!("members {room}{}", with_ref(reference)),
        Action::ListRooms { limit, reference, .. } => format!("list {limit}{}", with_ref(reference)),
        Action::Refreshed { answer, leave } => format!("{} leave {leave:?}", codec::encode_frame(&answer)),
    }
}

#[test]
fn each_frame_becomes_its_action() {
    let mut client = SessionClient::user();
    for (frame, action) in [
        (r#"{"type":"join_room","room":"a","ref":"1"}"#, "join a ref 1"),
        (r#"{"type":"join_room","room":"a"}"#, "join a"),
        (r#"{"type":"join_room","room":"b","since":{"epoch":null,"seq":0,"id":null}}"#, "join b since 0"),
        (
            r#"{"type":"join_room","room":"b","since":{"epoch":"e","seq":7,"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}}"#,
            "join b since 7",
        ),
        (r#"{"type":"message","room":"a","text":"hi"}"#, "post alice: hi in a"),
        (
            r#"{"type":"message","room":"chat-7","text":"hi","client_msg_id":"x","ref":"2"}"#,
            "post alice: hi in chat-7 as x ref 2",
        ),
        (
            r#"{"type":"typing","room":"a"}"#,
            r#"signal a User("alice") {"type":"typing","room":"a","user_id":"alice","is_typing":true}"#,
        ),
        (
            r#"{"type":"typing","room":"b","is_typing":false}"#,
            r#"signal b User("alice") {"type":"typing","room":"b","user_id":"alice","is_typing":false}"#,
        ),
        (r#"{"type":"ping"}"#, r#"{"type":"pong","ts":1700000000000}"#),
        (
            r#"{"type":"ping","nonce":"n","ref":"3"}"#,
            r#"{"type":"pong","nonce":"n","ts":1700000000000,"ref":"3"}"#,
        ),
        (r#"{"type":"history","room":"a"}"#, "history a Newest 50"),
        (r#"{"type":"history","room":"a","before":9,"limit":3}"#, "history a Before(Seq(9)) 3"),
        (r#"{"type":"history","room":"a","after":9,"limit":200}"#, "history a After(Seq(9)) 200"),
        (r#"{"type":"history","room":"news-1","limit":1000,"ref":"4"}"#, "history news-1 Newest 200 ref 4"),
        (r#"{"type":"members","room":"chat-7","ref":"5"}"#, "members chat-7 ref 5"),
        (r#"{"type":"list_rooms"}"#, "list 100"),
        (r#"{"type":"list_rooms","limit":7,"ref":"6"}"#, "list 7 ref 6"),
        (r#"{"type":"list_rooms","limit":99999999999}"#, "list 500"),
        (r#"{"type":"leave_room","room":"a","ref":"7"}"#, "leave a ref 7"),
    ] {
        assert_eq!(client.action_of(frame), action, "{frame}");
    }
}

#[test]
fn a_frame_that_is_not_json_closes_the_connection() {
    assert_eq!(SessionClient::user().action_of("hello"), "close 4002");
    assert_eq!(SessionClient::user().action_of(""), "close 4002");
}

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
fn rate_zero_turns_the_limits_off() {
    let mut client = SessionClient::with(&claims("alice"), |limits| limits.max_messages_per_second = 0);
    for _ in 0..1_000 {
        assert_eq!(client.action_of(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
        assert_eq!(client.action_of(r#"{"type":"members","room":"a"}"#), "members a");
    }
}

#[test]
fn typing_is_sent_when_it_changes_or_after_a_second() {
    let mut client = SessionClient::user();
    client.join("a");
    client.join("b");
    let is_sent = |client: &mut SessionClient, room, is_typing| {
        let frame = format!(r#"{{"type":"typing","room":"{room}","is_typing":{is_typing}}}"#);
        let action = client.action_of(&frame);
        assert!(action == "nothing" || action.starts_with(&format!("signal {room}")), "{action}");
        action != "nothing"
    };
    assert!(is_sent(&mut client, "a", true));
    assert!(!is_sent(&mut client, "a", true));
    assert!(is_sent(&mut client, "b", true), "another room");
    assert!(is_sent(&mut client, "a", false));
    assert!(!is_sent(&mut client, "a", false));
    assert!(is_sent(&mut client, "a", true));
    client.wait(TYPING_REPEAT.saturating_sub(Duration::from_millis(1)));
    assert!(!is_sent(&mut client, "a", true));
    client.wait(Duration::from_millis(1));
    assert!(is_sent(&mut client, "a", true));
    client.action_of(r#"{"type":"message","room":"a","text":"hi"}"#);
    assert!(is_sent(&mut client, "a", true), "a message ends the typing");
    client.action_of(r#"{"type":"leave_room","room":"a"}"#);
    client.join("a");
    assert!(is_sent(&mut client, "a", true), "joined again");
}

#[test]
fn a_join_above_the_limit_of_rooms_is_refused() {
    let mut client = SessionClient::with(&claims("alice"), |limits| limits.max_rooms_per_connection = 2);
    client.join("a1");
    client.join("a2");
    client.join("a1");
    let (error, reference) = client.refusal_of(r#"{"type":"join_room","room":"a3","ref":"r"}"#);
    assert_eq!((error.code, error.room), (ErrorCode::TooManyRooms, RoomName::new("a3").ok()));
    assert_eq!(reference.expect("present").as_str(), "r");
    assert_eq!(client.action_of(r#"{"type":"leave_room","room":"a1"}"#), "leave a1");
    client.join("a3");
    client.session.forget_room(&RoomName::new("a3").expect("a room's name"));
    client.join("a4");
    assert_eq!(client.refusal_of(r#"{"type":"leave_room","room":"a3"}"#).0.code, ErrorCode::NotAMember);
}

#[test]
fn a_list_contains_granted_rooms_with_the_prefix() {
    let mut client = SessionClient::user();
    let mut passes = |frame: &str, room: &str| {
        client.wait(Duration::from_secs(1));
        let Action::ListRooms { filter, .. } = client.send(frame) else { panic!("a list") };
        filter(&RoomName::new(room).expect("a room's name"))
    };
    let (all, chats) = (r#"{"type":"list_rooms"}"#, r#"{"type":"list_rooms","prefix":"chat-"}"#);
    assert!(passes(all, "a") && passes(all, "news-1") && passes(all, "chat-1"));
    assert!(!passes(all, "closed") && !passes(all, "dm:bob"));
    assert!(passes(chats, "chat-1") && !passes(chats, "a"));
    assert!(!passes(r#"{"type":"list_rooms","prefix":"clo"}"#, "closed"));
}

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

#[test]
fn notices_are_for_a_room_a_user_or_everyone() {
    let mut admin = SessionClient::admin();
    let notice = r#"{"type":"system","event":"notice","message":"hi","from":"alice""#;
    for (frame, action) in [
        (
            r#"{"type":"notice","message":"hi","room":"closed"}"#,
            format!(r#"signal closed Nobody {notice},"room":"closed"}}"#),
        ),
        (
            r#"{"type":"notice","message":"hi","user_id":"bob"}"#,
            format!(r#"broadcast User("bob") {notice}}}"#),
        ),
        (r#"{"type":"notice","message":"hi"}"#, format!("broadcast Everyone {notice}}}")),
    ] {
        assert_eq!(admin.action_of(frame), action, "{frame}");
    }
    let (error, _) = admin.refusal_of(r#"{"type":"notice","message":"hi","room":"dm:bob"}"#);
    assert_eq!((error.code, error.room), (ErrorCode::Forbidden, RoomName::new("dm:bob").ok()));
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
        let cause =
            NotStored::Refused { code: ErrorCode::Forbidden, message: "only its author edits it".to_owned() };
        Error::not_stored(cause).in_room(&RoomName::new("a").expect("a room's name"))
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
        let error = Error::not_stored(NotStored::from(Unavailable));
        let answer = summary(client.session.refuse(error, client.now.instant));
        assert!(answer.contains(r#""code":"unavailable""#), "{answer}");
    }
    assert_eq!(client.refusal_of("{}").0.code, ErrorCode::BadRequest);
}

#[test]
fn lists_of_rooms_have_a_lower_rate() {
    let mut client = SessionClient::user();
    for _ in 0..LISTS_BURST {
        assert_eq!(client.action_of(r#"{"type":"list_rooms"}"#), "list 100");
    }
    assert_eq!(client.refusal_of(r#"{"type":"list_rooms"}"#).0.code, ErrorCode::RateLimited);
    client.join("a");
    client.wait(Duration::from_secs(1));
    assert_eq!(client.action_of(r#"{"type":"list_rooms"}"#), "list 100");
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
