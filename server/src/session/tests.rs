//! Sessions: the action of each frame. Refusals, rate limits and refreshed tokens have files of their own.

mod direct;
mod rates;
mod refresh;
mod refusals;

use realtime_shared::{Claims, ErrorEvent};

use super::*;
use crate::auth::{Grants, token};
use crate::budget::Budgets;
use crate::config::{Config, Limits};
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
        Self::with_features(claims, Feature::ALL, set)
    }

    fn with_features(claims: &Claims, features: &'static [Feature], set: impl FnOnce(&mut Limits)) -> Self {
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
        let budgets = Budgets::new(&config.limits, false, now.instant);
        let budget = ConnectionBudget::new(budgets.user(&claims.sub));
        let verifier = Arc::new(Verifier::new(&config));
        let session =
            Session::new(identity, verifier, budget, config.limits.max_rooms_per_connection, features);
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
        moderate: vec!["b".to_owned(), "closed".to_owned()],
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
        Action::Submit {
            submission: Submission { from, room, client_msg_id, content, power, .. },
            reference,
            ..
        } => {
            let id = client_msg_id.map_or(String::new(), |id| format!(" as {id}"));
            let target = content.target().map_or(String::new(), |(seq, _)| format!(" {seq}"));
            let text = content.text().map_or(String::new(), |text| format!(" {text}"));
            let power = if power == Power::Moderator { " moderating" } else { "" };
            let kind = if content.kind() == EntryKind::Message { "post" } else { content.kind().as_str() };
            format!("{kind} {from}:{target}{text} in {room}{power}{id}{}", with_ref(reference))
        }
        Action::Signal { room, event, skip } => format!("signal {room} {skip:?} {}", codec::encode(&event)),
        Action::Broadcast { to, event } => format!("broadcast {to:?} {}", codec::encode(&event)),
        Action::History { room, query: PageQuery { range, filter, limit, .. }, reference } => {
            let filter = if filter == PageFilter::All { String::new() } else { format!(" {filter:?}") };
            format!("history {room} {range:?} {limit}{filter}{}", with_ref(reference))
        }
        Action::Members { room, reference } => format!("members {room}{}", with_ref(reference)),
        Action::FindMembers { room, prefix, limit, reference } => {
            let prefix = if prefix == MemberPrefix::new("AL") { "al" } else { "other" };
            format!("find {prefix} in {room} {limit}{}", with_ref(reference))
        }
        Action::Search { query, reference, .. } => {
            format!("search {:?} {}{}", query.query.phrases(), query.limit, with_ref(reference))
        }
        Action::ListRooms { limit, reference, .. } => format!("list {limit}{}", with_ref(reference)),
        Action::Direct { pair, other, is_exempt, reference } => {
            let exempt = if is_exempt { " exempt" } else { "" };
            format!("direct {} with {other}{exempt}{}", pair.room(), with_ref(reference))
        }
        Action::Read { room, seq, is_member, reference } => {
            let member = if is_member { " as member" } else { "" };
            format!("read {room} {seq}{member}{}", with_ref(reference))
        }
        Action::Inbox { query, reference } => format!("inbox {}{}", query.limit, with_ref(reference)),
        Action::IfDirect { room, then, refusal } => {
            format!("if {room}: {} else {}", summary(*then), codec::encode_frame(&refusal.into_frame()))
        }
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
        (r#"{"type":"history","room":"a","around":9}"#, "history a Around(Seq(9)) 50"),
        (
            r#"{"type":"history","room":"a","thread":9,"before":20}"#,
            "history a Before(Seq(20)) 50 Thread(Seq(9))",
        ),
        (r#"{"type":"history","room":"a","pinned":true}"#, "history a Newest 50 Pinned"),
        (r#"{"type":"message","room":"a","text":"hi","reply_to":3}"#, "post alice: hi in a"),
        (
            r#"{"type":"edit","room":"a","target":3,"text":"ho","client_msg_id":"x","ref":"2"}"#,
            "edit alice: 3 ho in a as x ref 2",
        ),
        (r#"{"type":"delete","room":"a","target":3}"#, "delete alice: 3 in a"),
        (r#"{"type":"delete","room":"news-1","target":3}"#, "delete alice: 3 in news-1"),
        (r#"{"type":"delete","room":"b","target":3}"#, "delete alice: 3 in b moderating"),
        (r#"{"type":"reaction","room":"a","target":3,"emoji":"👍"}"#, "reaction alice: 3 in a"),
        (r#"{"type":"pin","room":"b","target":3}"#, "pin alice: 3 in b moderating"),
        (r#"{"type":"room","room":"b","topic":"News"}"#, "room alice: in b moderating"),
        (r#"{"type":"members","room":"chat-7","ref":"5"}"#, "members chat-7 ref 5"),
        (r#"{"type":"read","room":"a","seq":3,"ref":"6"}"#, "read a 3 as member ref 6"),
        (r#"{"type":"read","room":"chat-7","seq":3}"#, "read chat-7 3"),
        (r#"{"type":"inbox"}"#, "inbox 100"),
        (r#"{"type":"inbox","limit":5000,"ref":"7"}"#, "inbox 200 ref 7"),
        (
            r#"{"type":"direct","user_id":"bob","ref":"8"}"#,
            "direct dm:rbfekiks2o7qjdgakhpy64ek74 with bob ref 8",
        ),
        (r#"{"type":"list_rooms"}"#, "list 100"),
        (r#"{"type":"list_rooms","limit":7,"ref":"6"}"#, "list 7 ref 6"),
        (r#"{"type":"list_rooms","limit":99999999999}"#, "list 500"),
        (r#"{"type":"leave_room","room":"a","ref":"7"}"#, "leave a ref 7"),
    ] {
        assert_eq!(client.action_of(frame), action, "{frame}");
    }
}

#[test]
fn members_with_a_prefix_or_a_limit_are_a_search() {
    let mut client = SessionClient::user();
    for (frame, action) in [
        (r#"{"type":"members","room":"a","prefix":"al","limit":9,"ref":"8"}"#, "find al in a 9 ref 8"),
        (r#"{"type":"members","room":"a","prefix":"al"}"#, "find al in a 100"),
        (r#"{"type":"members","room":"a","limit":0}"#, "find other in a 1"),
        (r#"{"type":"members","room":"a","prefix":"","limit":99999999999}"#, "find other in a 500"),
        (r#"{"type":"members","room":"a","prefix":null,"limit":null}"#, "members a"),
    ] {
        assert_eq!(client.action_of(frame), action, "{frame}");
    }
    let (error, _) = client.refusal_of(r#"{"type":"members","room":"closed","prefix":"al"}"#);
    assert_eq!((error.code, error.room), (ErrorCode::Forbidden, RoomName::new("closed").ok()));
}

#[test]
fn an_admin_moderates_every_room() {
    let mut admin = SessionClient::admin();
    let frame = r#"{"type":"pin","room":"closed","target":3}"#;
    assert_eq!(admin.action_of(frame), "pin alice: 3 in closed moderating");
}

#[test]
fn a_frame_of_a_missing_feature_is_unsupported() {
    let frames = [
        (Some(Feature::Reply), r#""type":"message","text":"hi","reply_to":3"#),
        (Some(Feature::Edit), r#""type":"edit","target":3,"text":"ho""#),
        (Some(Feature::Delete), r#""type":"delete","target":3"#),
        (Some(Feature::Reaction), r#""type":"reaction","target":3,"emoji":"👍""#),
        (Some(Feature::Pin), r#""type":"pin","target":3"#),
        (Some(Feature::Room), r#""type":"room","topic":"News""#),
        (Some(Feature::Reply), r#""type":"history","around":3"#),
        (Some(Feature::Reply), r#""type":"history","thread":3"#),
        (Some(Feature::Pin), r#""type":"history","pinned":true"#),
        (None, r#""type":"direct","user_id":"bob""#),
        (Some(Feature::Read), r#""type":"read","seq":3"#),
        (None, r#""type":"inbox""#),
        (None, r#""type":"search","query":"hi""#),
    ];
    for (feature, fields) in frames {
        let frame = format!(r#"{{{fields},"room":"b","client_msg_id":"x","ref":"r"}}"#);
        let mut without = SessionClient::with_features(&claims("alice"), &[], |_| {});
        let (error, reference) = without.refusal_of(&frame);
        assert_eq!(error.code, ErrorCode::Unsupported, "{frame}");
        assert_eq!(reference.expect("present").as_str(), "r", "{frame}");
        if feature.is_some() {
            assert_eq!(error.room, RoomName::new("b").ok(), "{frame}");
            let action = SessionClient::user().action_of(&frame);
            assert!(!action.contains("unsupported"), "{action}");
        }
    }
}

#[test]
fn a_frame_that_is_not_json_closes_the_connection() {
    assert_eq!(SessionClient::user().action_of("hello"), "close 4002");
    assert_eq!(SessionClient::user().action_of(""), "close 4002");
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
        filter.passes(&RoomName::new(room).expect("a room's name"))
    };
    let (all, chats) = (r#"{"type":"list_rooms"}"#, r#"{"type":"list_rooms","prefix":"chat-"}"#);
    assert!(passes(all, "a") && passes(all, "news-1") && passes(all, "chat-1"));
    assert!(!passes(all, "closed") && !passes(all, "dm:bob"));
    assert!(passes(chats, "chat-1") && !passes(chats, "a"));
    assert!(!passes(r#"{"type":"list_rooms","prefix":"clo"}"#, "closed"));
}

#[test]
fn a_search_is_for_a_granted_room_or_for_all_of_them() {
    let mut client = SessionClient::user();
    let mut search = |fields: &str| {
        let Action::Search { query, rooms, .. } = client.send(&format!(r#"{{"type":"search",{fields}}}"#))
        else {
            panic!("a search")
        };
        (query, move |room: &str| rooms.passes(&RoomName::new(room).expect("a room's name")))
    };
    let (query, passes) = search(r#""query":"next fri","from":"bob","before":7,"limit":1000"#);
    assert_eq!((query.query, query.limit), (Query::parse("next fri"), FOUND_MAX as usize));
    assert_eq!((query.from, query.before), (UserId::new("bob").ok(), Some(Timestamp::from_millis(7))));
    assert!(passes("a") && passes("news-1") && !passes("closed") && !passes("dm:bob"));
    let (query, passes) = search(r#""query":"x","room":"a""#);
    assert_eq!((query.room, query.limit), (RoomName::new("a").ok(), FOUND_DEFAULT as usize));
    assert!(passes("a") && !passes("news-1"));
    let (error, _) = client.refusal_of(r#"{"type":"search","query":"x","room":"closed"}"#);
    assert_eq!((error.code, error.room), (ErrorCode::Forbidden, RoomName::new("closed").ok()));
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
