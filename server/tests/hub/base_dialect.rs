//! Compatibility with clients of the base dialect: literal JSON, no additional fields, the token in the query.
//!
//! Clients like these exist and cannot be changed, so the frames here never change.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    TestClient, TestServer, admin, claims, join_since, memory_server, position, server, server_with, token,
};

/// Opens a connection and checks the welcome.
async fn connect(server: &TestServer, user: &str, online: u64) -> TestClient {
    let mut client = server.open(&token(&claims(user))).await;
    let welcome = client.expect_welcome().await;
    assert_eq!(welcome["message"], "Connected successfully");
    assert_eq!(welcome["user_id"], user);
    assert_eq!(welcome["online_count"], online);
    assert_eq!(welcome["server"], json!({"name": "realtime-server", "version": env!("CARGO_PKG_VERSION")}));
    assert_eq!(welcome["role"], "user");
    let features = welcome["features"].as_array().expect("an array");
    assert!(features.contains(&json!("member_prefix")), "{welcome}");
    client
}

/// Joins a room and checks the confirmation.
async fn join(client: &mut TestClient, user: &str, room: &str, members: &[&str]) {
    client.send_text(&format!(r#"{{"type":"join_room","room":"{room}"}}"#)).await;
    let joined = client.next().await;
    assert_eq!(joined["type"], "system");
    assert_eq!(joined["event"], "joined");
    assert_eq!(joined["message"], format!("{user} joined"));
    assert_eq!(joined["room"], room);
    assert_eq!(names(&joined["members"]), members);
}

fn names(members: &Value) -> Vec<&str> {
    let mut names: Vec<_> =
        members.as_array().expect("an array").iter().map(|name| name.as_str().expect("a name")).collect();
    names.sort_unstable();
    names
}

/// The fields of a frame that belong to the base dialect.
fn base(frame: &Value, fields: &[&str]) -> Value {
    fields
        .iter()
        .map(|&field| (field.to_owned(), frame[field].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn welcome_has_the_user_and_the_number_of_connections() {
    let server = server();
    let _alice = connect(&server, "alice", 1).await;
    let _bob = connect(&server, "bob", 2).await;
    let _alice_again = connect(&server, "alice", 3).await;
}

#[tokio::test]
async fn all_members_receive_a_join_with_the_members() {
    let server = server();
    let mut alice = connect(&server, "alice", 1).await;
    let mut bob = connect(&server, "bob", 2).await;
    join(&mut alice, "alice", "lobby", &["alice"]).await;
    join(&mut bob, "bob", "lobby", &["alice", "bob"]).await;
    let seen = alice.next().await;
    assert_eq!(
        base(&seen, &["type", "event", "message", "room"]),
        json!({"type": "system", "event": "joined", "message": "bob joined", "room": "lobby"})
    );
    assert_eq!(names(&seen["members"]), ["alice", "bob"]);
}

#[tokio::test]
async fn a_message_reaches_all_members_and_the_sender() {
    let server = server();
    let mut alice = connect(&server, "alice", 1).await;
    let mut bob = connect(&server, "bob", 2).await;
    let mut carol = connect(&server, "carol", 3).await;
    join(&mut alice, "alice", "lobby", &["alice"]).await;
    join(&mut bob, "bob", "lobby", &["alice", "bob"]).await;
    join(&mut carol, "carol", "kitchen", &["carol"]).await;
    alice.next().await;

    alice.send_text(r#"{"type":"message","room":"lobby","text":"hello 🦀"}"#).await;
    for client in [&mut alice, &mut bob] {
        let message = client.next().await;
        assert_eq!(
            base(&message, &["type", "room", "from", "text"]),
            json!({"type": "message", "room": "lobby", "from": "alice", "text": "hello 🦀"})
        );
    }
    // Another room receives nothing.
    carol.send_text(r#"{"type":"message","room":"kitchen","text":"tea"}"#).await;
    assert_eq!(carol.next().await["text"], "tea");
}

#[tokio::test]
async fn typing_reaches_all_but_the_connections_of_the_sender() {
    let server = server();
    let mut alice = connect(&server, "alice", 1).await;
    let mut alice_again = connect(&server, "alice", 2).await;
    let mut bob = connect(&server, "bob", 3).await;
    join(&mut alice, "alice", "lobby", &["alice"]).await;
    join(&mut alice_again, "alice", "lobby", &["alice"]).await;
    join(&mut bob, "bob", "lobby", &["alice", "bob"]).await;
    for client in [&mut alice, &mut alice_again] {
        assert_eq!(client.next().await["message"], "bob joined");
    }

    alice.send_text(r#"{"type":"typing","room":"lobby"}"#).await;
    alice.send_text(r#"{"type":"typing","room":"lobby","is_typing":false}"#).await;
    for is_typing in [true, false] {
        assert_eq!(
            bob.next().await,
            json!({"type": "typing", "room": "lobby", "user_id": "alice", "is_typing": is_typing})
        );
    }
    // A message would come after the typing of the same room.
    alice.send_text(r#"{"type":"message","room":"lobby","text":"done"}"#).await;
    for client in [&mut alice, &mut alice_again, &mut bob] {
        assert_eq!(client.next().await["text"], "done");
    }
}

#[tokio::test]
async fn a_leave_is_confirmed_and_announced() {
    let server = server();
    let mut alice = connect(&server, "alice", 1).await;
    let mut bob = connect(&server, "bob", 2).await;
    join(&mut alice, "alice", "lobby", &["alice"]).await;
    join(&mut bob, "bob", "lobby", &["alice", "bob"]).await;
    alice.next().await;

    bob.send_text(r#"{"type":"leave_room","room":"lobby"}"#).await;
    for client in [&mut alice, &mut bob] {
        let left = client.next().await;
        assert_eq!(
            base(&left, &["type", "event", "message", "room", "user_id"]),
            json!({"type": "system", "event": "left", "message": "bob left", "room": "lobby", "user_id": "bob"})
        );
    }
    alice.send_text(r#"{"type":"message","room":"lobby","text":"alone"}"#).await;
    assert_eq!(alice.next().await["text"], "alone");
    bob.send_text(r#"{"type":"ping"}"#).await;
    assert_eq!(bob.next().await["type"], "pong");
}

#[tokio::test]
async fn a_ping_is_answered_with_a_pong() {
    let server = server();
    let mut alice = connect(&server, "alice", 1).await;
    alice.send_text(r#"{"type":"ping"}"#).await;
    let pong = alice.next().await;
    assert_eq!(pong["type"], "pong");
    assert!(pong["ts"].is_u64());
    assert!(pong.get("nonce").is_none());
}

#[tokio::test]
async fn a_bad_token_is_closed_with_4001() {
    let server = server();
    let good = token(&claims("alice"));
    for bad in ["", "garbage", "a.b.c", &good[..good.len() - 2]] {
        server.open(bad).await.expect_close(4001, "Authentication failed").await;
    }
}

#[tokio::test]
async fn text_that_is_not_json_is_closed_with_4002_without_effect_on_others() {
    let server = server_with(|config| config.timing.leave_grace = Duration::ZERO);
    let mut alice = connect(&server, "alice", 1).await;
    let mut bob = connect(&server, "bob", 2).await;
    let mut mallory = connect(&server, "mallory", 3).await;
    join(&mut alice, "alice", "lobby", &["alice"]).await;
    join(&mut bob, "bob", "lobby", &["alice", "bob"]).await;
    join(&mut mallory, "mallory", "lobby", &["alice", "bob", "mallory"]).await;
    assert_eq!(alice.next().await["message"], "bob joined");
    assert_eq!(alice.next().await["message"], "mallory joined");
    assert_eq!(bob.next().await["message"], "mallory joined");

    mallory.send_text("{not json").await;
    mallory.expect_close(4002, "Invalid JSON").await;
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.next().await["message"], "mallory left");
    }
    alice.send_text(r#"{"type":"message","room":"lobby","text":"who was that?"}"#).await;
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.next().await["text"], "who was that?");
    }
}

#[tokio::test]
async fn a_user_leaves_all_rooms_after_the_last_connection_was_lost() {
    let server = server_with(|config| config.timing.leave_grace = Duration::from_millis(100));
    let mut alice = connect(&server, "alice", 1).await;
    let mut first = connect(&server, "bob", 2).await;
    let mut second = connect(&server, "bob", 3).await;
    for (room, members) in [("lobby", ["alice", "bob"]), ("kitchen", ["alice", "bob"])] {
        join(&mut alice, "alice", room, &["alice"]).await;
        join(&mut first, "bob", room, &members).await;
        assert_eq!(alice.next().await["message"], "bob joined");
        // The user is a member already: the others receive nothing.
        join(&mut second, "bob", room, &members).await;
    }

    // One connection of two is lost: bob stays, and the other one still receives messages.
    drop(first);
    alice.send_text(r#"{"type":"message","room":"lobby","text":"still there?"}"#).await;
    for client in [&mut alice, &mut second] {
        assert_eq!(client.next().await["text"], "still there?");
    }

    drop(second);
    let mut rooms = Vec::new();
    for _ in 0..2 {
        let left = alice.next().await;
        assert_eq!(left["message"], "bob left");
        rooms.push(left["room"].as_str().expect("a room").to_owned());
    }
    rooms.sort_unstable();
    assert_eq!(rooms, ["kitchen", "lobby"]);
    let mut carol = connect(&server, "carol", 2).await;
    join(&mut carol, "carol", "lobby", &["alice", "carol"]).await;
}

/// Types of frames that a client of the base dialect knows. It ignores every other type.
const KNOWN: [&str; 4] = ["system", "message", "typing", "pong"];

/// Reads a frame as a client of the base dialect: a message becomes its text. Panics if it is not the frame that the
/// client knows.
fn text_of(frame: &Value) -> Option<String> {
    let kind = frame["type"].as_str().expect("a type");
    if !KNOWN.contains(&kind) {
        assert!(["edit", "delete", "reaction", "pin", "room"].contains(&kind), "{frame}");
        return None;
    }
    if kind == "system" {
        assert!(frame["event"].is_string() && frame["message"].is_string(), "{frame}");
    }
    (kind == "message").then(|| {
        assert!(frame["room"].is_string() && frame["from"].is_string(), "{frame}");
        frame["text"].as_str().expect("a text").to_owned()
    })
}

/// Texts of the messages that arrive up to the one with the text `last`.
async fn texts_up_to(client: &mut TestClient, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != last) {
        texts.extend(text_of(&client.next().await));
    }
    texts
}

/// Entries of all kinds for the lobby. The ninth deletes the message before it.
fn all_kinds() -> [Value; 10] {
    [
        json!({"type": "message", "text": "one"}),
        json!({"type": "message", "text": "two", "reply_to": 1, "mentions": ["old"]}),
        json!({"type": "edit", "target": 1, "text": "one, corrected"}),
        json!({"type": "reaction", "target": 1, "emoji": "👍"}),
        json!({"type": "pin", "target": 2}),
        json!({"type": "room", "topic": "News"}),
        json!({"type": "message", "text": "three"}),
        json!({"type": "edit", "target": 7, "text": "three, corrected"}),
        json!({"type": "delete", "target": 7}),
        json!({"type": "message", "text": "four"}),
    ]
}

/// Posts entries to the lobby. Returns their acks.
async fn post(poster: &mut TestClient, entries: &[Value]) -> Vec<Value> {
    let mut acks = Vec::new();
    for entry in entries {
        let mut entry = entry.clone();
        (entry["room"], entry["client_msg_id"]) = (json!("lobby"), json!(fastrand::u64(..).to_string()));
        poster.send(entry).await;
        acks.push(poster.wait_for(json!({"type": "ack"})).await);
    }
    acks
}

#[tokio::test]
async fn a_client_reads_messages_between_entries_of_all_kinds() {
    for server in [memory_server(), server()] {
        let mut old = connect(&server, "old", 1).await;
        join(&mut old, "old", "lobby", &["old"]).await;
        let mut root = server.connect_as(&admin("root")).await;
        let mut acks = post(&mut root, &all_kinds()[..8]).await;
        // After the deletion the text is shown to nobody.
        assert_eq!(texts_up_to(&mut old, "three").await, ["one", "two", "three"]);
        acks.extend(post(&mut root, &all_kinds()[8..]).await);
        assert_eq!(texts_up_to(&mut old, "four").await, ["four"]);
        // It is in the room and posts, as before.
        old.send_text(r#"{"type":"message","room":"lobby","text":"five"}"#).await;
        assert_eq!(texts_up_to(&mut old, "five").await, ["five"]);
        old.send_text(r#"{"type":"leave_room","room":"lobby"}"#).await;
        assert_eq!(old.next().await["event"], "left");

        // A later client with positions, which knows messages only: from the start, and from each entry.
        let all = ["one", "two", "", "four", "five"];
        let start = json!({"epoch": null, "seq": 0, "id": null});
        let places = [&start].into_iter().chain(&acks);
        for (seq, place) in places.enumerate() {
            old.send(join_since("lobby", &position(place))).await;
            let joined = old.next().await;
            assert_eq!(joined["recovery"], json!({"status": "complete", "replayed": 11 - seq}), "{joined}");
            let seen = [1, 2, 7, 10, 11].partition_point(|message| *message <= seq);
            assert_eq!(texts_up_to(&mut old, "five").await, all[seen..], "after {seq}");
            old.leave("lobby").await;
        }
    }
}

#[tokio::test]
async fn a_client_reads_pages_of_rooms_with_entries_of_all_kinds() {
    for server in [memory_server(), server()] {
        post(&mut server.connect_as(&admin("root")).await, &all_kinds()).await;
        let mut old = server.connect("old").await;
        let all = ["one, corrected", "two", "", "four"];
        for (fields, texts) in [
            (json!({}), &all[..]),
            (json!({"limit": 2}), &all[2..]),
            (json!({"before": 7, "limit": 1}), &all[1..2]),
            (json!({"before": 2}), &all[..1]),
            (json!({"after": 0, "limit": 3}), &all[..3]),
            (json!({"after": 7}), &all[3..]),
        ] {
            let mut request = json!({"type": "history", "room": "lobby"});
            for (field, value) in fields.as_object().expect("an object") {
                request[field] = value.clone();
            }
            old.send(request).await;
            let page = old.next().await;
            let messages = page["messages"].as_array().expect("messages");
            let read: Vec<_> = messages.iter().filter_map(text_of).collect();
            assert_eq!(read, texts, "{fields}: {page}");
            assert!(messages.iter().all(|message| message["type"] == "message"), "{page}");
        }
    }
}
