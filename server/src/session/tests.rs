//! What each frame asks for, and what is refused with which words.

use realtime_shared::{Claims, ErrorEvent};

use super::*;
use crate::auth::{Grants, token};
use crate::broker::{Body, NotStored, Unavailable};
use crate::config::Config;
use crate::secret::Secret;

/// In milliseconds since the Unix epoch.
const START: u64 = 1_700_000_000_000;
/// A minute later, in seconds.
const EXPIRES: u64 = START / 1_000 + 60;

/// A session, and what time it is for it.
struct Client {
    session: Session,
    secret: Secret,
    now: Now,
}

impl Client {
    /// A user who may use and post in every room but `closed-…`, `news-…` (to read), and those with reserved names.
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

    fn says(&mut self, json: &str) -> Command {
        self.session.on_text(json, self.now)
    }

    /// What a frame asks for, in short.
    fn asks(&mut self, json: &str) -> String {
        in_short(self.says(json))
    }

    #[track_caller]
    fn is_refused(&mut self, json: &str) -> (ErrorEvent, Option<Ref>) {
        let Command::Answer(ServerFrame { event: ServerEvent::Error(error), reference }) = self.says(json)
        else {
            panic!("{json} was not refused");
        };
        (error, reference)
    }

    /// Joins a room; [`Command::Join`] is asked for.
    #[track_caller]
    fn joins(&mut self, room: &str) {
        assert_eq!(self.asks(&format!(r#"{{"type":"join_room","room":"{room}"}}"#)), format!("join {room}"));
    }

    fn refreshes(&mut self, claims: &Claims) -> Command {
        let token = token::mint(&self.secret, claims);
        self.says(&format!(r#"{{"type":"refresh","token":"{token}","ref":"r"}}"#))
    }
}

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

fn in_short(command: Command) -> String {
    let answering = |reference: Option<Ref>| reference.map_or(String::new(), |it| format!(" ref {it}"));
    match command {
        Command::Nothing => "nothing".to_owned(),
        Command::Drop(reason) => format!("drop {reason:?}"),
        Command::Answer(frame) => codec::encode_frame(&frame),
        Command::Close(code) => format!("close {}", code.to_u16()),
        Command::Join { room, since, reference } => {
            let since = since.map_or(String::new(), |since| format!(" since {}", since.seq()));
            format!("join {room}{since}{}", answering(reference))
        }
        Command::Leave { room, reference } => format!("leave {room}{}", answering(reference)),
        Command::Submit { submission: Submission { from, room, client_msg_id, body }, reference } => {
            let id = client_msg_id.map_or(String::new(), |id| format!(" as {id}"));
            let Body::Message { text } = body;
            format!("post {from}: {text} in {room}{id}{}", answering(reference))
        }
        Command::Signal { room, event, skip } => format!("signal {room} {skip:?} {}", codec::encode(&event)),
        Command::Tell { to, event } => format!("tell {to:?} {}", codec::encode(&event)),
        Command::History { room, range, limit, reference } => {
            format!("history {room} {range:?} {limit}{}", answering(reference))
        }
        Command::Members { room, reference } => format!("members {room}{}", answering(reference)),
        Command::ListRooms { limit, reference, .. } => format!("list {limit}{}", answering(reference)),
        Command::Refreshed { answer, leave } => format!("{} leave {leave:?}", codec::encode_frame(&answer)),
    }
}

#[test]
fn each_frame_asks_for_what_it_says() {
    let mut client = Client::user();
    for (frame, asks) in [
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
        assert_eq!(client.asks(frame), asks, "{frame}");
    }
}

#[test]
fn what_is_not_json_ends_the_connection() {
    assert_eq!(Client::user().asks("hello"), "close 4002");
    assert_eq!(Client::user().asks(""), "close 4002");
}

#[test]
fn a_refusal_says_what_it_is_of() {
    use ErrorCode::{BadRequest, Forbidden, InvalidRoom, InvalidText, NotAMember, UnknownType};
    let mut client = Client::user();
    client.joins("news-1");
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
        let (error, answering) = client.is_refused(frame);
        assert_eq!(error.code, code, "{frame}");
        assert_eq!(error.room.as_ref().map(RoomName::as_str), room, "{frame}");
        assert_eq!(answering.as_ref().map(Ref::as_str), reference, "{frame}");
        assert_eq!((error.temporary, error.retry_after_ms), (false, None), "{frame}");
        assert!(!error.message.is_empty(), "{frame}");
    }
}

#[test]
fn a_refused_message_is_known_by_its_senders_id() {
    let mut client = Client::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (1, 1);
    });
    let refused = |client: &mut Client, room, text| {
        let frame =
            format!(r#"{{"type":"message","room":"{room}","text":"{text}","client_msg_id":"x","ref":"r"}}"#);
        let (error, reference) = client.is_refused(&frame);
        assert_eq!(error.client_msg_id.expect("given").as_str(), "x");
        assert_eq!((error.room.expect("given").as_str(), reference.expect("given").as_str()), (room, "r"));
        error.code
    };
    assert_eq!(refused(&mut client, "closed", "hi"), ErrorCode::Forbidden);
    assert_eq!(refused(&mut client, "a", r"\u0007"), ErrorCode::InvalidText);
    assert_eq!(client.asks(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
    assert_eq!(refused(&mut client, "a", "hi"), ErrorCode::RateLimited);
}

#[test]
fn messages_have_a_burst_and_then_a_rate() {
    let mut client = Client::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (10, 3);
    });
    let message = r#"{"type":"message","room":"a","text":"hi"}"#;
    for _ in 0..3 {
        assert_eq!(client.asks(message), "post alice: hi in a");
    }
    let (error, _) = client.is_refused(message);
    assert_eq!((error.code, error.temporary), (ErrorCode::RateLimited, true));
    let wait = Duration::from_millis(error.retry_after_ms.expect("told"));
    // What is refused for another reason takes none of it, and requests have a bound of their own.
    assert_eq!(
        client.is_refused(r#"{"type":"message","room":"closed","text":"hi"}"#).0.code,
        ErrorCode::Forbidden
    );
    assert_eq!(client.asks(r#"{"type":"members","room":"a"}"#), "members a");
    client.wait(wait);
    assert_eq!(client.asks(message), "post alice: hi in a");
    assert_eq!(client.is_refused(message).0.code, ErrorCode::RateLimited);
}

#[test]
fn requests_have_the_same_rate_for_themselves() {
    let mut client = Client::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (10, 3);
    });
    client.joins("a");
    assert!(client.asks(r#"{"type":"ping"}"#).contains("pong"));
    assert_eq!(client.asks(r#"{"type":"members","room":"a"}"#), "members a");
    let (error, reference) = client.is_refused(r#"{"type":"ping","ref":"r"}"#);
    assert_eq!((error.code, reference.expect("given").as_str()), (ErrorCode::RateLimited, "r"));
    assert!(error.retry_after_ms.expect("told") > 0);
    assert_eq!(
        client.asks(r#"{"type":"typing","room":"a"}"#),
        "drop TypingRate",
        "too much typing is dropped, and that is counted"
    );
    assert_eq!(client.asks(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
    client.wait(Duration::from_millis(100));
    assert!(client.asks(r#"{"type":"typing","room":"a"}"#).starts_with("signal"), "and not taken for told");
}

#[test]
fn without_a_rate_nothing_is_too_much() {
    let mut client = Client::with(&claims("alice"), |limits| limits.max_messages_per_second = 0);
    for _ in 0..1_000 {
        assert_eq!(client.asks(r#"{"type":"message","room":"a","text":"hi"}"#), "post alice: hi in a");
        assert_eq!(client.asks(r#"{"type":"members","room":"a"}"#), "members a");
    }
}

#[test]
fn typing_is_told_when_it_changes_and_again_after_a_while() {
    let mut client = Client::user();
    client.joins("a");
    client.joins("b");
    let told = |client: &mut Client, room, is_typing| {
        let frame = format!(r#"{{"type":"typing","room":"{room}","is_typing":{is_typing}}}"#);
        let asks = client.asks(&frame);
        assert!(asks == "nothing" || asks.starts_with(&format!("signal {room}")), "{asks}");
        asks != "nothing"
    };
    assert!(told(&mut client, "a", true));
    assert!(!told(&mut client, "a", true));
    assert!(told(&mut client, "b", true), "another room");
    assert!(told(&mut client, "a", false));
    assert!(!told(&mut client, "a", false));
    assert!(told(&mut client, "a", true));
    client.wait(TYPING_REPEAT.saturating_sub(Duration::from_millis(1)));
    assert!(!told(&mut client, "a", true));
    client.wait(Duration::from_millis(1));
    assert!(told(&mut client, "a", true));
    client.asks(r#"{"type":"message","room":"a","text":"hi"}"#);
    assert!(told(&mut client, "a", true), "who has posted begins anew");
    client.asks(r#"{"type":"leave_room","room":"a"}"#);
    client.joins("a");
    assert!(told(&mut client, "a", true), "and who has come back");
}

#[test]
fn a_connection_is_in_a_bounded_number_of_rooms() {
    let mut client = Client::with(&claims("alice"), |limits| limits.max_rooms_per_connection = 2);
    client.joins("a1");
    client.joins("a2");
    client.joins("a1");
    let (error, reference) = client.is_refused(r#"{"type":"join_room","room":"a3","ref":"r"}"#);
    assert_eq!((error.code, error.room), (ErrorCode::TooManyRooms, RoomName::new("a3").ok()));
    assert_eq!(reference.expect("given").as_str(), "r");
    assert_eq!(client.asks(r#"{"type":"leave_room","room":"a1"}"#), "leave a1");
    client.joins("a3");
    client.session.not_joined(&RoomName::new("a3").expect("a room's name"));
    client.joins("a4");
    assert_eq!(client.is_refused(r#"{"type":"leave_room","room":"a3"}"#).0.code, ErrorCode::NotAMember);
}

#[test]
fn a_list_has_the_rooms_that_may_be_used_and_begin_so() {
    let mut client = Client::user();
    let mut passes = |frame: &str, room: &str| {
        client.wait(Duration::from_secs(1));
        let Command::ListRooms { filter, .. } = client.says(frame) else { panic!("a list") };
        filter(&RoomName::new(room).expect("a room's name"))
    };
    let (all, chats) = (r#"{"type":"list_rooms"}"#, r#"{"type":"list_rooms","prefix":"chat-"}"#);
    assert!(passes(all, "a") && passes(all, "news-1") && passes(all, "chat-1"));
    assert!(!passes(all, "closed") && !passes(all, "dm:bob"));
    assert!(passes(chats, "chat-1") && !passes(chats, "a"));
    assert!(!passes(r#"{"type":"list_rooms","prefix":"clo"}"#, "closed"));
}

#[test]
fn a_newer_token_counts_at_once() {
    let mut client = Client::user();
    client.joins("a");
    client.joins("b");
    client.joins("chat-1");
    let newer = Claims { exp: EXPIRES + 600, rooms: Some(vec!["b".to_owned()]), ..claims("alice") };
    let Command::Refreshed { answer, mut leave } = client.refreshes(&newer) else { panic!("refreshed") };
    let expires_at = Timestamp::from_millis((EXPIRES + 600) * 1_000);
    assert_eq!(answer.event, ServerEvent::Refreshed { expires_at });
    assert_eq!(answer.reference.expect("given").as_str(), "r");
    leave.sort();
    assert_eq!(leave.iter().map(RoomName::as_str).collect::<Vec<_>>(), ["a", "chat-1"]);
    assert_eq!(client.session.identity().expires_at, expires_at);
    assert_eq!(client.is_refused(r#"{"type":"leave_room","room":"a"}"#).0.code, ErrorCode::NotAMember);
    assert_eq!(client.is_refused(r#"{"type":"join_room","room":"a"}"#).0.code, ErrorCode::Forbidden);
    assert_eq!(client.asks(r#"{"type":"leave_room","room":"b"}"#), "leave b");

    let promoted = Claims { role: Role::Admin, ..newer };
    assert!(in_short(client.refreshes(&promoted)).ends_with("leave []"));
    client.joins("a");
    assert!(client.asks(r#"{"type":"notice","message":"hi"}"#).starts_with("tell Everyone"));
}

#[test]
fn a_token_that_is_not_good_changes_nothing() {
    let mut client = Client::user();
    client.joins("a");
    let before = client.session.identity().clone();
    for (cause, claims) in [
        ("another user's", Claims { rooms: Some(Vec::new()), ..claims("bob") }),
        ("expired", Claims { exp: START / 1_000 - 60, ..claims("alice") }),
    ] {
        let Command::Answer(ServerFrame { event: ServerEvent::Error(error), reference }) =
            client.refreshes(&claims)
        else {
            panic!("a token that is {cause} was taken");
        };
        assert_eq!(error.code, ErrorCode::Forbidden, "{cause}");
        assert_eq!(reference.expect("given").as_str(), "r", "{cause}");
        assert_eq!(client.session.identity(), &before, "{cause}");
    }
    assert_eq!(client.asks(r#"{"type":"leave_room","room":"a"}"#), "leave a");
}

#[test]
fn notices_go_to_a_room_a_user_or_everyone() {
    let mut admin = Client::admin();
    let notice = r#"{"type":"system","event":"notice","message":"hi","from":"alice""#;
    for (frame, asks) in [
        (
            r#"{"type":"notice","message":"hi","room":"closed"}"#,
            format!(r#"signal closed Nobody {notice},"room":"closed"}}"#),
        ),
        (r#"{"type":"notice","message":"hi","user_id":"bob"}"#, format!(r#"tell User("bob") {notice}}}"#)),
        (r#"{"type":"notice","message":"hi"}"#, format!("tell Everyone {notice}}}")),
    ] {
        assert_eq!(admin.asks(frame), asks, "{frame}");
    }
    let (error, _) = admin.is_refused(r#"{"type":"notice","message":"hi","room":"dm:bob"}"#);
    assert_eq!((error.code, error.room), (ErrorCode::Forbidden, RoomName::new("dm:bob").ok()));
}

#[test]
fn a_hundred_refusals_in_ten_seconds_are_the_end() {
    let mut client = Client::user();
    for _ in 0..99 {
        assert_eq!(client.is_refused("{}").0.code, ErrorCode::BadRequest);
    }
    assert_eq!(client.asks("{}"), "close 4009");

    let mut flood = Client::with(&claims("alice"), |limits| {
        (limits.max_messages_per_second, limits.message_burst) = (1, 1);
    });
    let message = r#"{"type":"message","room":"a","text":"hi"}"#;
    flood.asks(message);
    for _ in 0..99 {
        assert_eq!(flood.is_refused(message).0.code, ErrorCode::RateLimited);
    }
    assert_eq!(flood.asks(message), "close 4009");

    let mut patient = Client::user();
    for _ in 0..300 {
        patient.is_refused("{}");
        patient.wait(Duration::from_millis(150));
    }
}

#[test]
fn refusals_of_the_store_count_like_those_of_the_session() {
    let mut client = Client::user();
    let refused_edit = || {
        let cause =
            NotStored::Refused { code: ErrorCode::Forbidden, message: "only its author edits it".to_owned() };
        Error::not_stored(cause).in_room(&RoomName::new("a").expect("a room's name"))
    };
    for _ in 0..98 {
        let answer = in_short(client.session.refuse(refused_edit(), client.now.instant));
        assert_eq!(
            answer,
            r#"{"type":"error","code":"forbidden","message":"only its author edits it","temporary":false,"room":"a"}"#
        );
    }
    assert_eq!(client.is_refused("{}").0.code, ErrorCode::BadRequest);
    assert_eq!(in_short(client.session.refuse(refused_edit(), client.now.instant)), "close 4009");
}

#[test]
fn an_unavailable_store_does_not_end_the_connection() {
    let mut client = Client::user();
    for _ in 0..1_000 {
        let error = Error::not_stored(NotStored::from(Unavailable));
        let answer = in_short(client.session.refuse(error, client.now.instant));
        assert!(answer.contains(r#""code":"unavailable""#), "{answer}");
    }
    assert_eq!(client.is_refused("{}").0.code, ErrorCode::BadRequest);
}

#[test]
fn lists_of_rooms_have_a_slower_rate() {
    let mut client = Client::user();
    for _ in 0..LISTS_BURST {
        assert_eq!(client.asks(r#"{"type":"list_rooms"}"#), "list 100");
    }
    assert_eq!(client.is_refused(r#"{"type":"list_rooms"}"#).0.code, ErrorCode::RateLimited);
    client.joins("a");
    client.wait(Duration::from_secs(1));
    assert_eq!(client.asks(r#"{"type":"list_rooms"}"#), "list 100");
}

#[test]
fn a_flood_that_is_passed_over_ends_at_last() {
    let mut client = Client::user();
    client.joins("a");
    let typing = r#"{"type":"typing","room":"a"}"#;
    let before = (0..10_000).take_while(|_| !matches!(client.says(typing), Command::Close(_))).count();
    assert!((1_000..1_200).contains(&before), "{before}");

    let mut pinging = Client::user();
    let now = pinging.now.instant;
    let mut pings = || in_short(pinging.session.on_control(now));
    assert!((0..100).all(|_| pings() == "nothing"), "a burst");
    assert!((0..999).all(|_| pings() == "drop ControlRate"), "what is borne beyond it");
    assert_eq!(pings(), "close 4009");
    pinging.wait(Duration::from_secs(11));
    assert_eq!(in_short(pinging.session.on_control(pinging.now.instant)), "nothing");
}
