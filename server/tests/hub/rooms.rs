//! Rooms: joins, leaves, leave grace, members and lists.

use std::time::Duration;

use realtime_shared::Claims;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::{
    admin, claims, error, globs, join_room, joined, leave_room, left, message, message_from, message_with_id,
    position, server, server_with, token,
};

/// A frame with `ref`.
fn with_ref(mut frame: Value, reference: &str) -> Value {
    frame["ref"] = json!(reference);
    frame
}

#[tokio::test]
async fn only_the_joiner_receives_position_and_recovery() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    let first = alice.join("lobby").await;
    assert_eq!(first["members"], json!(["alice"]));
    assert_eq!(first["member_count"], 1);
    assert_eq!(first["position"], json!({"epoch": null, "seq": 0, "id": null}));
    assert_eq!(first.get("recovery"), None);

    let second = bob.join("lobby").await;
    assert_eq!(second["members"], json!(["alice", "bob"]));
    assert_eq!(second["member_count"], 2);
    let event = alice.expect(joined("bob", "lobby")).await;
    assert_eq!(event["members"], json!(["alice", "bob"]));
    assert_eq!(event["member_count"], 2);
    assert_eq!(event["message"], "bob joined");
    assert_eq!(event.get("position"), None);
    assert_eq!(event.get("recovery"), None);

    let head = alice.post("lobby", "hi").await;
    let third = server.connect("carol").await.join("lobby").await;
    assert_eq!(third["position"]["seq"], head["seq"]);
    assert_eq!(third["position"]["id"], head["id"]);
    assert!(third["position"]["epoch"].is_string());
}

#[tokio::test]
async fn a_join_names_fifty_members_to_others_and_more_to_the_joiner() {
    let server = server();
    let mut watcher = server.connect("a watcher").await;
    watcher.join("lobby").await;
    let mut members = Vec::new();
    for number in 0..60 {
        let mut member = server.connect(&format!("member {number:02}")).await;
        let joined = member.join("lobby").await;
        assert_eq!(joined["members"].as_array().expect("an array").len(), number + 2);
        let event = watcher.next().await;
        assert_eq!(event["members"].as_array().expect("an array").len(), (number + 2).min(50));
        assert_eq!(event["member_count"], number + 2);
        members.push(member);
    }
}

#[tokio::test]
async fn members_are_users_and_each_connection_receives_messages() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut first = server.connect("bob").await;
    let mut second = server.connect("bob").await;
    alice.join("lobby").await;
    first.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    // Only a user's second connection receives the answer to its join.
    assert_eq!(second.join("lobby").await["member_count"], 2);
    alice.post("lobby", "one").await;
    first.expect(message_from("alice", "lobby", "one")).await;
    second.expect(message_from("alice", "lobby", "one")).await;

    // The first connection leaves: the user stays.
    assert_eq!(first.leave("lobby").await["member_count"], 2);
    alice.post("lobby", "two").await;
    second.expect(message_from("alice", "lobby", "two")).await;
    first.expect_nothing_else().await;

    assert_eq!(second.leave("lobby").await["member_count"], 1);
    let event = alice.expect(left("bob", "lobby", "left")).await;
    assert_eq!(event["member_count"], 1);
    assert_eq!(event["message"], "bob left");
}

#[tokio::test]
async fn each_connection_has_a_membership_of_its_own() {
    let server = server();
    let mut first = server.connect("alice").await;
    let mut second = server.connect("alice").await;
    first.join("lobby").await;
    second.send(leave_room("lobby")).await;
    second.expect(error("not_a_member")).await;
    second.send(message("lobby", "from outside")).await;
    first.expect(message_from("alice", "lobby", "from outside")).await;
    second.expect_nothing_else().await;
}

#[tokio::test]
async fn a_repeated_join_is_answered_to_its_connection_alone() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    let again = bob.join("lobby").await;
    assert_eq!(again["members"], json!(["alice", "bob"]));
    assert_eq!(again["position"]["seq"], 0);
    bob.post("lobby", "once").await;
    alice.expect(message_from("bob", "lobby", "once")).await;
    alice.expect_nothing_else().await;
    bob.expect_nothing_else().await;
}

#[tokio::test]
async fn a_return_within_the_leave_grace_is_not_announced() {
    // A test that waits for this grace fails.
    let server = server_with(|config| config.timing.leave_grace = Duration::from_hours(1));
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    drop(bob);
    let mut bob = server.connect("bob").await;
    assert_eq!(bob.join("lobby").await["member_count"], 2);
    bob.post("lobby", "back").await;
    alice.expect(message_from("bob", "lobby", "back")).await;
}

#[tokio::test]
async fn a_lost_user_leaves_after_the_grace() {
    let server = server_with(|config| config.timing.leave_grace = Duration::from_millis(100));
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    drop(bob);
    let event = alice.expect(left("bob", "lobby", "disconnected")).await;
    assert_eq!(event["member_count"], 1);
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
}

#[tokio::test]
async fn a_close_with_1000_leaves_without_a_grace() {
    let server = server_with(|config| config.timing.leave_grace = Duration::from_hours(1));
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    bob.close().await;
    alice.expect(left("bob", "lobby", "left")).await;
}

#[tokio::test]
async fn a_close_with_another_code_has_the_leave_grace() {
    let server = server_with(|config| config.timing.leave_grace = Duration::from_millis(100));
    let mut alice = server.connect("alice").await;
    alice.join("lobby").await;
    for code in [1001, 4000] {
        let mut bob = server.connect("bob").await;
        bob.join("lobby").await;
        alice.expect(joined("bob", "lobby")).await;
        let close = CloseFrame { code: code.into(), reason: "".into() };
        bob.send_message(Message::Close(Some(close))).await;
        alice.expect(left("bob", "lobby", "disconnected")).await;
    }
}

#[tokio::test]
async fn a_leave_of_the_last_connection_ends_the_grace_of_a_lost_one() {
    let server = server_with(|config| config.timing.leave_grace = Duration::from_hours(1));
    let mut alice = server.connect("alice").await;
    let mut lost = server.connect("bob").await;
    let mut other = server.connect("bob").await;
    alice.join("lobby").await;
    lost.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    other.join("lobby").await;
    drop(lost);
    other.leave("lobby").await;
    // The leave is announced once in either order of the two: the remaining connection was the last one, or the lost
    // one has a grace that the next join ends.
    let mut back = server.connect("bob").await;
    back.join("lobby").await;
    back.leave("lobby").await;
    alice.expect(left("bob", "lobby", "left")).await;
}

#[tokio::test]
async fn every_answer_has_the_ref_of_its_request() {
    let server = server();
    let mut alice = server.connect_as(&admin("alice")).await;
    let fresh = token(&claims("alice"));
    for (request, answer) in [
        (join_room("lobby"), json!({"type": "system", "event": "joined"})),
        (join_room("lobby"), json!({"type": "system", "event": "joined"})),
        (json!({"type": "ping"}), json!({"type": "pong"})),
        (json!({"type": "members", "room": "lobby"}), json!({"type": "members"})),
        (json!({"type": "history", "room": "lobby"}), json!({"type": "history"})),
        (json!({"type": "list_rooms"}), json!({"type": "rooms"})),
        (leave_room("lobby"), json!({"type": "system", "event": "left"})),
        (message_with_id("lobby", "hi", "one"), json!({"type": "ack"})),
        (message_with_id("lobby", "hi", "one"), json!({"type": "ack", "duplicate": true})),
        (json!({"type": "refresh", "token": fresh}), json!({"type": "refreshed"})),
    ] {
        let reference = fastrand::u64(..).to_string();
        alice.send(with_ref(request, &reference)).await;
        alice.expect(with_ref(answer, &reference)).await;
        alice.expect_nothing_else().await;
    }
}

#[tokio::test]
async fn every_error_has_the_ref_of_its_request_and_others_do_not_see_it() {
    let server = server();
    let mut alice =
        server.connect_as(&Claims { rooms: Some(globs(&["lobby", "news"])), ..claims("alice") }).await;
    for (request, code) in [
        (json!({"type": "join_room"}), "bad_request"),
        (json!({"type": "dance"}), "unknown_type"),
        (json!({}), "bad_request"),
        (join_room(" lobby"), "invalid_room"),
        (message("lobby", ""), "invalid_text"),
        (join_room("kitchen"), "forbidden"),
        (leave_room("lobby"), "not_a_member"),
        (json!({"type": "typing", "room": "lobby"}), "not_a_member"),
        (json!({"type": "refresh", "token": "garbage"}), "forbidden"),
        (json!({"type": "notice", "message": "hear"}), "forbidden"),
    ] {
        let reference = fastrand::u64(..).to_string();
        alice.send(with_ref(request, &reference)).await;
        alice.expect(with_ref(error(code), &reference)).await;
    }
    // Others get the message without the ref.
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.send(with_ref(message("lobby", "hi"), "mine")).await;
    assert_eq!(bob.expect(message_from("alice", "lobby", "hi")).await.get("ref"), None);
}

#[tokio::test]
async fn members_are_visible_to_users_with_rights_to_the_room() {
    let server = server();
    let mut alice = server.connect_as(&Claims { rooms: Some(globs(&["lobby"])), ..claims("alice") }).await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.send(json!({"type": "members", "room": "lobby"})).await;
    let members = json!({"type": "members", "room": "lobby", "members": ["bob"], "member_count": 1});
    assert_eq!(alice.next().await, members);
    alice.send(json!({"type": "members", "room": "kitchen"})).await;
    let refusal = alice.expect(error("forbidden")).await;
    assert_eq!(refusal["room"], "kitchen");
    bob.send(json!({"type": "members", "room": "nowhere"})).await;
    assert_eq!(
        bob.next().await,
        json!({"type": "members", "room": "nowhere", "members": [], "member_count": 0})
    );
}

#[tokio::test]
async fn members_are_requested_by_a_prefix() {
    let server = server();
    let mut alice = server.connect("Alice").await;
    let mut others = Vec::new();
    for id in ["alex", "bob", "ALF"] {
        let mut other = server.connect(id).await;
        other.join("lobby").await;
        others.push(other);
    }
    let answer = |members: &[&str], has_more: bool| json!({"type": "members", "room": "lobby", "members": members, "member_count": 3, "has_more": has_more});
    alice.send(with_ref(json!({"type": "members", "room": "lobby", "prefix": "Al"}), "1")).await;
    assert_eq!(alice.next().await, with_ref(answer(&["ALF", "alex"], false), "1"));
    alice.send(json!({"type": "members", "room": "lobby", "prefix": "al", "limit": 1})).await;
    assert_eq!(alice.next().await, answer(&["ALF"], true));
    alice.send(json!({"type": "members", "room": "lobby", "limit": 3})).await;
    assert_eq!(alice.next().await, answer(&["ALF", "alex", "bob"], false));
    alice.send(json!({"type": "members", "room": "lobby", "prefix": "zoe"})).await;
    assert_eq!(alice.next().await, answer(&[], false));
    alice.send(json!({"type": "members", "room": "nowhere", "prefix": "a"})).await;
    let nobody =
        json!({"type": "members", "room": "nowhere", "members": [], "member_count": 0, "has_more": false});
    assert_eq!(alice.next().await, nobody);
    let mut newest = others.pop().expect("a member");
    newest.expect_nothing_else().await;
}

fn names(rooms: &Value) -> Vec<&str> {
    let rooms = rooms["rooms"].as_array().expect("an array");
    rooms.iter().map(|room| room["room"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn rooms_are_listed_busiest_first() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("chat-two").await;
    bob.join("chat-two").await;
    alice.expect(joined("bob", "chat-two")).await;
    alice.join("chat-one").await;
    // A room with an entry and no members, and a room with neither.
    alice.send(message_with_id("chat-none", "hi", "one")).await;
    let entry = alice.expect(json!({"type": "ack"})).await;
    alice.join("left").await;
    alice.leave("left").await;

    alice.send(json!({"type": "list_rooms"})).await;
    let all = alice.expect(json!({"type": "rooms", "has_more": false})).await;
    assert_eq!(names(&all), ["chat-two", "chat-one", "chat-none"]);
    let start = json!({"epoch": null, "seq": 0, "id": null});
    let expected = json!({"room": "chat-two", "member_count": 2, "position": start, "last_ts": null});
    assert_eq!(without_nulls(&all["rooms"][0]), without_nulls(&expected));
    let expected =
        json!({"room": "chat-none", "member_count": 0, "position": position(&entry), "last_ts": entry["ts"]});
    assert_eq!(all["rooms"][2], expected);

    alice.send(json!({"type": "list_rooms", "limit": 2})).await;
    let some = alice.expect(json!({"type": "rooms", "has_more": true})).await;
    assert_eq!(names(&some), ["chat-two", "chat-one"]);
    alice.send(json!({"type": "list_rooms", "prefix": "chat-n"})).await;
    let some = alice.expect(json!({"type": "rooms", "has_more": false})).await;
    assert_eq!(names(&some), ["chat-none"]);

    let mut carol =
        server.connect_as(&Claims { rooms: Some(globs(&["*-one", "*-none"])), ..claims("carol") }).await;
    carol.send(json!({"type": "list_rooms"})).await;
    assert_eq!(names(&carol.expect(json!({"type": "rooms"})).await), ["chat-one", "chat-none"]);
}

fn without_nulls(value: &Value) -> Value {
    let fields = value.as_object().expect("an object").iter().filter(|(_, value)| !value.is_null());
    fields.map(|(field, value)| (field.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn the_rooms_of_a_connection_are_limited() {
    let server = server_with(|config| config.limits.max_rooms_per_connection = 2);
    let mut alice = server.connect("alice").await;
    alice.join("one").await;
    alice.join("two").await;
    alice.send(join_room("three")).await;
    let refusal = alice.expect(error("too_many_rooms")).await;
    assert_eq!((&refusal["room"], &refusal["temporary"]), (&json!("three"), &json!(false)));
    // A repeated join does not count again.
    alice.join("one").await;
    alice.leave("one").await;
    alice.join("three").await;
    // Another connection has a limit of its own.
    server.connect("alice").await.join("one").await;
}

/// A join founds no room, and the limits do not concern admins.
#[tokio::test]
async fn a_message_that_would_found_too_many_rooms_is_refused_for_good() {
    let server = server_with(|config| config.limits.rooms.new_per_user = 1);
    let mut alice = server.connect("alice").await;
    alice.join("two").await;
    alice.send(message_with_id("one", "hi", "1")).await;
    alice.expect(json!({"type": "ack", "client_msg_id": "1"})).await;
    alice.send(message_with_id("two", "hi", "2")).await;
    let refusal = alice.expect(error("too_many_rooms")).await;
    assert_eq!(
        (&refusal["room"], &refusal["client_msg_id"], &refusal["temporary"]),
        (&json!("two"), &json!("2"), &json!(false))
    );
    let mut root = server.connect_as(&admin("root")).await;
    for name in ["three", "four"] {
        root.send(message_with_id(name, "hi", name)).await;
        root.expect(json!({"type": "ack", "client_msg_id": name})).await;
    }
    alice.send(message_with_id("three", "hi", "3")).await;
    alice.expect(json!({"type": "ack", "client_msg_id": "3"})).await;
}

#[tokio::test]
async fn no_message_follows_the_confirmation_of_a_leave() {
    let server = server_with(|config| config.limits.max_messages_per_second = 0);
    let mut bob = server.connect("bob").await;
    let mut alice = server.connect("alice").await;
    let writer = tokio::spawn(async move {
        for number in 0..100 {
            bob.send_all((0..5).map(|part| message_with_id("lobby", "hi", &format!("{number} {part}"))))
                .await;
            for _ in 0..5 {
                bob.expect(json!({"type": "ack"})).await;
            }
        }
    });
    let mut rounds = 0;
    while rounds < 5 || !writer.is_finished() {
        rounds += 1;
        let start = alice.join("lobby").await["position"]["seq"].as_u64().expect("a seq");
        // All frames are sent together, so the server handles the leave while messages are delivered.
        alice.send_all([json!({"type": "ping"}), leave_room("lobby"), json!({"type": "ping"})]).await;
        let (mut pongs, mut has_left, mut last) = (0, false, start);
        while pongs < 2 {
            let frame = alice.next().await;
            match frame["type"].as_str() {
                Some("pong") => pongs += 1,
                Some("message") => {
                    assert!(!has_left, "{frame} after `left`");
                    last += 1;
                    assert_eq!(frame["seq"], last);
                }
                _ => {
                    assert_eq!(frame["event"], "left");
                    assert_eq!(frame["reason"], "left");
                    has_left = true;
                }
            }
        }
        assert!(has_left);
        alice.expect_nothing_else().await;
    }
    writer.await.expect("all was acked");
}
