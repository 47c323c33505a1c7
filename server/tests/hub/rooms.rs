//! Who is in a room, and who hears of it.

use std::time::Duration;

use realtime_shared::Claims;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::{
    Client, TestServer, admin, claims, error, globs, join_room, joined, leave_room, left, message, position,
    said, server, server_with, token, tracked,
};

/// A frame with `ref`.
fn with_ref(mut frame: Value, reference: &str) -> Value {
    frame["ref"] = json!(reference);
    frame
}

#[tokio::test]
async fn the_joiner_is_told_more_than_the_others() {
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
    let told = alice.expect(joined("bob", "lobby")).await;
    assert_eq!(told["members"], json!(["alice", "bob"]));
    assert_eq!(told["member_count"], 2);
    assert_eq!(told["message"], "bob joined");
    assert_eq!(told.get("position"), None);
    assert_eq!(told.get("recovery"), None);

    let head = alice.say("lobby", "hi").await;
    let third = server.connect("carol").await.join("lobby").await;
    assert_eq!(third["position"]["seq"], head["seq"]);
    assert_eq!(third["position"]["id"], head["id"]);
    assert!(third["position"]["epoch"].is_string());
}

#[tokio::test]
async fn others_hear_of_fifty_members_and_the_joiner_of_more() {
    let server = server();
    let mut watcher = server.connect("a watcher").await;
    watcher.join("lobby").await;
    let mut members = Vec::new();
    for number in 0..60 {
        let mut member = server.connect(&format!("member {number:02}")).await;
        let joined = member.join("lobby").await;
        assert_eq!(joined["members"].as_array().expect("an array").len(), number + 2);
        let told = watcher.next().await;
        assert_eq!(told["members"].as_array().expect("an array").len(), (number + 2).min(50));
        assert_eq!(told["member_count"], number + 2);
        members.push(member);
    }
}

#[tokio::test]
async fn members_are_users_and_connections_hear() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut first = server.connect("bob").await;
    let mut second = server.connect("bob").await;
    alice.join("lobby").await;
    first.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    // A user's second connection is confirmed to it alone, and hears nothing of what was before.
    assert_eq!(second.join("lobby").await["member_count"], 2);
    alice.say("lobby", "one").await;
    first.expect(said("alice", "lobby", "one")).await;
    second.expect(said("alice", "lobby", "one")).await;

    // The first one leaves: the user stays.
    assert_eq!(first.leave("lobby").await["member_count"], 2);
    alice.say("lobby", "two").await;
    second.expect(said("alice", "lobby", "two")).await;
    first.nothing_else().await;

    assert_eq!(second.leave("lobby").await["member_count"], 1);
    let told = alice.expect(left("bob", "lobby", "left")).await;
    assert_eq!(told["member_count"], 1);
    assert_eq!(told["message"], "bob left");
}

#[tokio::test]
async fn membership_is_a_connections() {
    let server = server();
    let mut first = server.connect("alice").await;
    let mut second = server.connect("alice").await;
    first.join("lobby").await;
    second.send(leave_room("lobby")).await;
    second.expect(error("not_a_member")).await;
    second.send(message("lobby", "from outside")).await;
    first.expect(said("alice", "lobby", "from outside")).await;
    second.nothing_else().await;
}

#[tokio::test]
async fn joining_again_is_answered_to_that_connection_alone() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    let again = bob.join("lobby").await;
    assert_eq!(again["members"], json!(["alice", "bob"]));
    assert_eq!(again["position"]["seq"], 0);
    bob.say("lobby", "once").await;
    alice.expect(said("bob", "lobby", "once")).await;
    alice.nothing_else().await;
    bob.nothing_else().await;
}

#[tokio::test]
async fn who_comes_back_within_the_grace_was_never_gone() {
    // So long a grace that the test would fail if it were waited for.
    let server = server_with(|config| config.timing.leave_grace = Duration::from_hours(1));
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    drop(bob);
    let mut bob = server.connect("bob").await;
    assert_eq!(bob.join("lobby").await["member_count"], 2);
    bob.say("lobby", "back").await;
    alice.expect(said("bob", "lobby", "back")).await;
}

#[tokio::test]
async fn who_does_not_come_back_has_left() {
    let server = server_with(|config| config.timing.leave_grace = Duration::from_millis(100));
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
    drop(bob);
    let told = alice.expect(left("bob", "lobby", "disconnected")).await;
    assert_eq!(told["member_count"], 1);
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.expect(joined("bob", "lobby")).await;
}

#[tokio::test]
async fn who_closes_in_order_has_left_at_once() {
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
async fn any_other_close_has_the_grace() {
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
async fn leaving_in_order_ends_a_grace() {
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
    // Either order of the two is told once: the connection that stayed was the last one, or the lost one has a grace
    // that the next one in ends.
    let mut back = server.connect("bob").await;
    back.join("lobby").await;
    back.leave("lobby").await;
    alice.expect(left("bob", "lobby", "left")).await;
}

#[tokio::test]
async fn a_ref_comes_back_in_every_answer() {
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
        (tracked("lobby", "hi", "one"), json!({"type": "ack"})),
        (tracked("lobby", "hi", "one"), json!({"type": "ack", "duplicate": true})),
        (json!({"type": "refresh", "token": fresh}), json!({"type": "refreshed"})),
    ] {
        let reference = fastrand::u64(..).to_string();
        alice.send(with_ref(request, &reference)).await;
        alice.expect(with_ref(answer, &reference)).await;
        alice.nothing_else().await;
    }
}

#[tokio::test]
async fn a_ref_comes_back_in_every_error_and_to_nobody_else() {
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
    // Others get the message, and not what it was known by.
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.send(with_ref(message("lobby", "hi"), "mine")).await;
    assert_eq!(bob.expect(said("alice", "lobby", "hi")).await.get("ref"), None);
}

#[tokio::test]
async fn members_are_told_to_who_may_use_the_room() {
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
    // A room that nobody is in, with an entry; and one that has neither.
    alice.send(tracked("chat-none", "hi", "one")).await;
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
async fn a_connection_is_in_so_many_rooms_and_no_more() {
    let server = server_with(|config| config.limits.max_rooms_per_connection = 2);
    let mut alice = server.connect("alice").await;
    alice.join("one").await;
    alice.join("two").await;
    alice.send(join_room("three")).await;
    let refusal = alice.expect(error("too_many_rooms")).await;
    assert_eq!((&refusal["room"], &refusal["temporary"]), (&json!("three"), &json!(false)));
    // To be there again is not one more.
    alice.join("one").await;
    alice.leave("one").await;
    alice.join("three").await;
    // Another connection has its own.
    server.connect("alice").await.join("one").await;
}

#[tokio::test]
async fn ones_own_left_is_the_rooms_last_frame_until_the_next_join() {
    let server = server_with(|config| config.limits.max_messages_per_second = 0);
    let mut bob = server.connect("bob").await;
    let mut alice = server.connect("alice").await;
    let writer = tokio::spawn(async move {
        for number in 0..100 {
            bob.send_all((0..5).map(|part| tracked("lobby", "hi", &format!("{number} {part}")))).await;
            for _ in 0..5 {
                bob.expect(json!({"type": "ack"})).await;
            }
        }
    });
    let mut rounds = 0;
    while rounds < 5 || !writer.is_finished() {
        rounds += 1;
        let start = alice.join("lobby").await["position"]["seq"].as_u64().expect("a seq");
        // All in one: what the server does with the second does not wait for us to have seen the first.
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
        alice.nothing_else().await;
    }
    writer.await.expect("all was acked");
}

/// Says what `typing` alice sends, and what bob gets of it: told before the message that ends it.
async fn typing_heard(server: &TestServer, says: &[bool]) -> Vec<Value> {
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.join("lobby").await;
    let says = says.iter().map(|says| json!({"type": "typing", "room": "lobby", "is_typing": says}));
    alice.send_all(says.chain([message("lobby", "done")])).await;
    heard_until_said(&mut bob).await
}

async fn heard_until_said(bob: &mut Client) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let frame = bob.next().await;
        match frame["type"].as_str() {
            Some("typing") => heard.push(frame["is_typing"].clone()),
            Some("message") => return heard,
            _ => {}
        }
    }
}

#[tokio::test]
async fn typing_the_same_again_is_told_once() {
    let says = [true, true, true, false, false, true];
    assert_eq!(typing_heard(&server(), &says).await, [true, false, true]);
}

#[tokio::test]
async fn typing_after_a_message_is_told_again() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.join("lobby").await;
    let typing = json!({"type": "typing", "room": "lobby"});
    for text in ["one", "two"] {
        alice.send(typing.clone()).await;
        // What is stored and what is not come in no order of each other: the next is sent when this was said.
        alice.say("lobby", text).await;
        assert_eq!(heard_until_said(&mut bob).await, [true]);
    }
}

#[tokio::test]
async fn a_flood_of_typing_is_no_error() {
    let server = server();
    let says: Vec<_> = (0..500).map(|number| number % 2 == 0).collect();
    let heard = typing_heard(&server, &says).await;
    assert!((1..400).contains(&heard.len()), "{}", heard.len());
}
