//! Direct messages, read markers, mentions, inboxes and notifications over real sockets, with two devices of a user.

use realtime_shared::Claims;
use serde_json::{Value, json};

use crate::support::{
    TestClient, TestServer, admin, claims, error, globs, join_room, leave_room, memory_server, message,
    message_from, message_with_id, server,
};

/// Runs tests on memory and on a file.
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(super::memory_server()).await;
                }
            )*
        }
        mod file {
            $(
                #[tokio::test]
                async fn $test() {
                    // Redis does not have the features yet.
                    if std::env::var_os("REALTIME_TEST_ENGINE").is_none() {
                        super::$test(super::server()).await;
                    }
                }
            )*
        }
    };
}

on_both_stores!(
    a_direct_message_waits_in_the_inbox_of_a_user_who_is_offline,
    what_is_read_on_one_device_is_read_on_the_other,
    a_room_that_was_left_is_in_the_inbox_with_mentions_only,
    a_user_is_notified_on_connections_that_are_not_in_the_room,
    a_token_that_does_not_open_a_room_shows_nothing_of_it,
    a_direct_room_is_invisible_to_everybody_else,
    a_direct_room_has_no_moderator,
    messages_to_an_unused_direct_room_keep_their_order,
);

/// Opens the direct room of the client and another user. Returns its name.
async fn direct(client: &mut TestClient, other: &str) -> String {
    client.send(json!({"type": "direct", "user_id": other, "ref": "d"})).await;
    let answer = client.wait_for(json!({"type": "direct", "user_id": other, "ref": "d"})).await;
    answer["room"].as_str().expect("a name").to_owned()
}

/// The rooms of an inbox.
async fn inbox(client: &mut TestClient) -> Vec<Value> {
    client.send(json!({"type": "inbox", "ref": "i"})).await;
    let inbox = client.wait_for(json!({"type": "inbox", "ref": "i"})).await;
    assert_eq!(inbox["has_more"], false);
    inbox["rooms"].as_array().expect("rooms").clone()
}

/// Posts without being in the room, and waits for the ack.
async fn post(client: &mut TestClient, frame: Value) -> Value {
    let id = fastrand::u64(..).to_string();
    let mut frame = frame;
    frame["client_msg_id"] = json!(id);
    client.send(frame).await;
    client.wait_for(json!({"type": "ack", "client_msg_id": id})).await
}

async fn connect_with_rooms(server: &TestServer, user: &str, rooms: &[&str]) -> TestClient {
    server.connect_as(&Claims { rooms: Some(globs(rooms)), ..claims(user) }).await
}

async fn a_direct_message_waits_in_the_inbox_of_a_user_who_is_offline(server: TestServer) {
    let mut alice = server.connect("alice").await;
    let room = direct(&mut alice, "bob").await;
    assert_eq!(room, direct_name("alice", "bob"));
    let joined = alice.join(&room).await;
    assert_eq!(joined["read_seq"], Value::Null, "the room has no entry");
    alice.post(&room, "are you there?").await;

    let mut bob = server.connect("bob").await;
    let rooms = inbox(&mut bob).await;
    let [listed] = &rooms[..] else { panic!("{rooms:?}") };
    assert_eq!((&listed["room"], &listed["user_id"]), (&json!(room), &json!("alice")));
    assert_eq!((&listed["unread"], &listed["read_seq"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&listed["last"]["from"], &listed["last"]["text"]),
        (&json!("alice"), &json!("are you there?"))
    );
    bob.send(json!({"type": "list_rooms"})).await;
    let list = bob.wait_for(json!({"type": "rooms"})).await;
    assert_eq!((&list["rooms"][0]["room"], &list["rooms"][0]["user_id"]), (&json!(room), &json!("alice")));
    assert_eq!(bob.join(&room).await["read_seq"], 0);
    alice.expect(json!({"event": "joined", "user_id": "bob"})).await;
    bob.post(&room, "yes").await;
    alice.expect(message_from("bob", &room, "yes")).await;
    assert_eq!(direct(&mut bob, "alice").await, room);
    let notes = direct(&mut bob, "bob").await;
    bob.join(&notes).await;
    bob.post(&notes, "to do").await;
}

fn direct_name(one: &str, other: &str) -> String {
    let user = |id| realtime_shared::UserId::new(id).expect("a user id");
    realtime_shared::DirectPair::new(&user(one), &user(other)).expect("short ids").room().to_string()
}

async fn what_is_read_on_one_device_is_read_on_the_other(server: TestServer) {
    let mut alice = server.connect("alice").await;
    let mut phone = server.connect("bob").await;
    let mut laptop = server.connect("bob").await;
    post(&mut alice, message("lobby", "hello")).await;
    assert_eq!(phone.join("lobby").await["read_seq"], 1);
    phone.leave("lobby").await;
    phone.join("lobby").await;
    let posted = post(&mut alice, message("lobby", "news")).await;
    phone.expect(message_from("alice", "lobby", "news")).await;
    assert_eq!(inbox(&mut laptop).await[0]["unread"], 1);

    phone.send(json!({"type": "read", "room": "lobby", "seq": posted["seq"], "ref": "r"})).await;
    phone.expect(json!({"type": "read", "room": "lobby", "seq": 2, "ref": "r"})).await;
    laptop.expect(json!({"type": "read", "room": "lobby", "seq": 2, "ref": null})).await;
    assert_eq!(inbox(&mut laptop).await[0]["unread"], 0);
    // It never goes back, and the other device gets nothing about that.
    laptop.send(json!({"type": "read", "room": "lobby", "seq": 1})).await;
    laptop.expect(json!({"type": "read", "room": "lobby", "seq": 2})).await;
    phone.expect_nothing_else().await;
    assert_eq!(laptop.join("lobby").await["read_seq"], 2);
}

async fn a_room_that_was_left_is_in_the_inbox_with_mentions_only(server: TestServer) {
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    let mut other = server.connect("bob").await;
    post(&mut alice, message("lobby", "hello")).await;
    bob.join("lobby").await;
    other.join("lobby").await;
    other.leave("lobby").await;
    assert_eq!(inbox(&mut other).await.len(), 1, "the other connection is still there");
    bob.send(leave_room("lobby")).await;
    bob.wait_for(json!({"event": "left"})).await;
    post(&mut alice, message("lobby", "news")).await;
    assert_eq!(inbox(&mut bob).await, Vec::<Value>::new());
    post(&mut alice, message("lobby", "come back, @bob")).await;
    let listed = inbox(&mut bob).await.remove(0);
    assert_eq!(
        (&listed["unread"], &listed["mentions"], &listed["first_mention_seq"]),
        (&json!(2), &json!(1), &json!(3))
    );
    // A lost connection does not leave.
    bob.send(join_room("lobby")).await;
    bob.wait_for(json!({"event": "joined", "read_seq": 1})).await;
    bob.close().await;
    post(&mut alice, message("lobby", "more")).await;
    assert_eq!(inbox(&mut other).await[0]["unread"], 3);
}

async fn a_user_is_notified_on_connections_that_are_not_in_the_room(server: TestServer) {
    let mut alice = server.connect("alice").await;
    let mut inside = server.connect("bob").await;
    let mut outside = server.connect("bob").await;
    post(&mut alice, message("lobby", "hello")).await;
    inside.join("lobby").await;
    post(&mut alice, message("lobby", "@bob: look")).await;
    let notify = json!({"type": "notify", "room": "lobby", "seq": 2, "from": "alice", "text": "@bob: look", "reason": "mention"});
    outside.expect(notify).await;
    inside.expect(message_from("alice", "lobby", "@bob: look")).await;
    inside.expect_nothing_else().await;

    let room = direct(&mut alice, "bob").await;
    post(&mut alice, message(&room, "psst")).await;
    let notify = json!({"type": "notify", "room": room, "seq": 1, "from": "alice", "text": "psst", "reason": "direct"});
    outside.expect(notify.clone()).await;
    inside.expect(notify).await;
    alice.expect_nothing_else().await;
}

/// The connection of a token that does not open the room of a message learns nothing of it.
async fn a_token_that_does_not_open_a_room_shows_nothing_of_it(server: TestServer) {
    let mut alice = server.connect("alice").await;
    let mut whole = server.connect("bob").await;
    let mut narrow = connect_with_rooms(&server, "bob", &["chat-*"]).await;
    post(&mut alice, message("secret", "hello")).await;
    whole.join("secret").await;
    let mut posted = message("secret", "hello bob");
    posted["mentions"] = json!(["bob"]);
    let room = direct(&mut alice, "bob").await;
    for frame in [posted, message(&room, "psst")] {
        post(&mut alice, frame).await;
    }
    whole.send(json!({"type": "read", "room": "secret", "seq": 2})).await;
    whole.wait_for(json!({"type": "read", "room": "secret", "seq": 2})).await;
    // Neither the two notifications nor the marker.
    narrow.expect_nothing_else().await;
    assert_eq!(inbox(&mut narrow).await, Vec::<Value>::new());
    assert_eq!(inbox(&mut whole).await.len(), 2);
    narrow.send(json!({"type": "list_rooms"})).await;
    narrow.expect(json!({"type": "rooms", "rooms": []})).await;
    for request in [
        json!({"type": "read", "room": "secret", "seq": 1}),
        json!({"type": "direct", "user_id": "alice"}),
        join_room(&room),
    ] {
        narrow.send(request).await;
        narrow.expect(error("forbidden")).await;
    }
    // A glob that matches the names of direct rooms opens them.
    let mut with_direct = connect_with_rooms(&server, "bob", &["chat-*", "dm:*"]).await;
    assert_eq!(inbox(&mut with_direct).await.len(), 1);
    assert_eq!(with_direct.join(&room).await["read_seq"], 0);
}

/// The errors about a direct room of others are those about a room that the token does not open.
async fn a_direct_room_is_invisible_to_everybody_else(server: TestServer) {
    let mut alice = server.connect("alice").await;
    let room = direct(&mut alice, "bob").await;
    alice.join(&room).await;
    let posted = alice.post(&room, "psst").await;
    let unused = direct_name("carol", "dave");
    let moderator = Claims { moderate: globs(&["*"]), ..claims("mona") };
    for claims in [claims("carol"), moderator, admin("root")] {
        let is_admin = claims.role == realtime_shared::Role::Admin;
        let mut other = server.connect_as(&claims).await;
        let closed_to =
            Claims { rooms: Some(globs(&["chat-*"])), role: realtime_shared::Role::User, ..claims };
        let mut closed = server.connect_as(&closed_to).await;
        let frames = |room: &str| {
            let target = json!({"room": room, "target": posted["seq"]});
            let with = |kind: &str, more: Value| {
                let mut frame = target.clone();
                frame["type"] = json!(kind);
                more.as_object()
                    .expect("fields")
                    .iter()
                    .for_each(|(name, value)| frame[name] = value.clone());
                frame
            };
            [
                join_room(room),
                message_with_id(room, "hello", "m"),
                with("edit", json!({"text": "mine"})),
                with("delete", json!({})),
                with("reaction", json!({"emoji": "👍"})),
                with("pin", json!({})),
                json!({"type": "room", "room": room, "topic": "mine"}),
                json!({"type": "history", "room": room}),
                json!({"type": "history", "room": room, "around": 1}),
                json!({"type": "members", "room": room}),
                json!({"type": "members", "room": room, "prefix": "a"}),
                json!({"type": "search", "room": room, "query": "psst"}),
                json!({"type": "read", "room": room, "seq": 1}),
                json!({"type": "typing", "room": room}),
                leave_room(room),
            ]
        };
        for (direct, closed_room) in frames(&room).into_iter().zip(frames("secret")) {
            other.send(direct.clone()).await;
            let mut refusal = other.next().await;
            closed.send(closed_room).await;
            let expected = closed.next().await;
            if expected["room"].is_string() {
                refusal["room"] = expected["room"].clone();
            }
            assert_eq!(refusal, expected, "{direct}");
        }
        // A room that nobody has opened looks the same.
        for name in [&room, &unused] {
            other.send(join_room(name)).await;
            other.expect(error("forbidden")).await;
        }
        if is_admin {
            other.send(json!({"type": "notice", "message": "psst", "room": room})).await;
            other.expect(error("forbidden")).await;
        }
        other.send(json!({"type": "list_rooms"})).await;
        other.expect(json!({"type": "rooms", "rooms": [], "has_more": false})).await;
        assert_eq!(inbox(&mut other).await, Vec::<Value>::new());
        assert_ne!(search(&mut other, json!({"query": "psst"})).await, Some(1));
    }
    alice.expect_nothing_else().await;
    for query in [json!({"query": "psst"}), json!({"query": "psst", "room": room})] {
        assert_ne!(search(&mut alice, query).await, Some(0));
    }
}

/// Number of messages that a search finds; `None` if the server does not search.
async fn search(client: &mut TestClient, mut query: Value) -> Option<usize> {
    query["type"] = json!("search");
    query["ref"] = json!("s");
    client.send(query).await;
    let answer = client.wait_for(json!({"ref": "s"})).await;
    if answer["code"] == "unsupported" {
        return None;
    }
    assert_eq!(answer["complete"], true, "{answer}");
    answer["messages"].as_array().map(Vec::len)
}

async fn a_direct_room_has_no_moderator(server: TestServer) {
    let mut admin_client = server.connect_as(&admin("root")).await;
    let mut bob = server.connect("bob").await;
    let room = direct(&mut admin_client, "bob").await;
    let posted = post(&mut bob, message(&room, "mine")).await;
    for kind in ["delete", "pin"] {
        admin_client.send(json!({"type": kind, "room": room, "target": posted["seq"]})).await;
        admin_client.wait_for(error("forbidden")).await;
    }
}

/// A post and its retry to a direct room that the connection has not used yet keep their order.
async fn messages_to_an_unused_direct_room_keep_their_order(server: TestServer) {
    let mut alice = server.connect("alice").await;
    let room = direct(&mut alice, "bob").await;
    let mut bob = server.connect("bob").await;
    let texts: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    bob.send_all(texts.iter().map(|text| message_with_id(&room, text, text))).await;
    for (number, text) in texts.iter().enumerate() {
        bob.expect(json!({"type": "ack", "client_msg_id": text, "seq": number + 1})).await;
    }
}
