//! Changes of messages over real sockets: a secret is deleted everywhere, and an old client goes on.

use serde_json::{Value, json};

use crate::support::{
    Redis, TestClient, TestServer, admin, claims, error, globs, instance, join_since, memory_server,
    message_with_id, position, server,
};

/// Servers of one chat.
struct Chat {
    servers: Vec<TestServer>,
    /// Ends after them.
    _redis: Option<Redis>,
}

impl Chat {
    fn first(&self) -> &TestServer {
        &self.servers[0]
    }

    /// The other server, if there are two.
    fn last(&self) -> &TestServer {
        &self.servers[self.servers.len() - 1]
    }
}

/// Chats with rooms in memory, in a store, and on Redis.
fn chats() -> [Chat; 3] {
    let redis = Redis::start();
    let instances = vec![instance(&redis), instance(&redis)];
    let alone = |server| Chat { servers: vec![server], _redis: None };
    [alone(memory_server()), alone(server()), Chat { servers: instances, _redis: Some(redis) }]
}

fn edit(target: &Value, text: &str, id: &str) -> Value {
    json!({"type": "edit", "room": "lobby", "target": target["seq"], "target_id": target["id"], "text": text, "client_msg_id": id})
}

fn change(kind: &str, target: &Value, id: &str) -> Value {
    json!({"type": kind, "room": "lobby", "target": target["seq"], "client_msg_id": id})
}

async fn newest(client: &mut TestClient) -> Value {
    client.send(json!({"type": "history", "room": "lobby"})).await;
    client.wait_for(json!({"type": "history"})).await
}

#[tokio::test]
async fn a_deleted_secret_is_in_no_frame_after_the_ack() {
    for chat in chats() {
        delete_a_secret(&chat).await;
    }
}

async fn delete_a_secret(chat: &Chat) {
    let mut alice = chat.first().connect("alice").await;
    let mut bob = chat.last().connect("bob").await;
    alice.join("lobby").await;
    alice.send(message_with_id("lobby", "a secret", "m")).await;
    let posted = alice.wait_for(json!({"type": "ack", "client_msg_id": "m"})).await;
    alice.send(edit(&posted, "the secret", "e")).await;
    alice.wait_for(json!({"type": "ack", "client_msg_id": "e"})).await;
    // Bob knows the position of the secret.
    bob.join("lobby").await;
    bob.leave("lobby").await;
    alice.send(change("delete", &posted, "d")).await;
    let deleted = alice.wait_for(json!({"type": "ack", "client_msg_id": "d"})).await;
    assert_eq!(deleted["seq"], 3);

    let page = newest(&mut bob).await;
    assert!(!page.to_string().contains("secret"), "{page}");
    assert_eq!(page["messages"][0]["deleted"]["by"], "alice");
    assert_eq!((&page["from_seq"], &page["to_seq"], &page["as_of"]), (&json!(1), &json!(3), &json!(3)));
    // A replay from the ring has the replaced frames.
    for (since, replayed) in [(json!({"epoch": null, "seq": 0, "id": null}), 3), (position(&posted), 2)] {
        bob.send(join_since("lobby", &since)).await;
        let joined = bob.wait_for(json!({"event": "joined", "user_id": "bob"})).await;
        assert_eq!(joined["recovery"], json!({"status": "complete", "replayed": replayed}), "{joined}");
        for _ in 0..replayed {
            let entry = bob.next().await;
            assert!(entry["seq"].is_u64() && !entry.to_string().contains("secret"), "{entry}");
        }
        bob.leave("lobby").await;
    }
    alice.send(message_with_id("lobby", "a secret", "m")).await;
    let again = alice.wait_for(json!({"type": "ack", "client_msg_id": "m"})).await;
    assert_eq!(
        (&again["seq"], &again["id"], &again["duplicate"]),
        (&posted["seq"], &posted["id"], &json!(true))
    );
    bob.send(edit(&posted, "mine", "x")).await;
    bob.wait_for(error("not_found")).await;
}

#[tokio::test]
async fn members_receive_changes_and_pages_have_their_states() {
    for chat in chats() {
        change_messages(&chat).await;
    }
}

async fn change_messages(chat: &Chat) {
    let mut alice = chat.first().connect("alice").await;
    let moderator = realtime_shared::Claims { moderate: globs(&["lob*"]), ..claims("mona") };
    let mut mona = chat.last().connect_as(&moderator).await;
    alice.join("lobby").await;
    let posted = alice.post("lobby", "hello").await;
    mona.send(change("pin", &posted, "p")).await;
    mona.wait_for(json!({"type": "ack", "client_msg_id": "p"})).await;
    alice.expect(json!({"type": "pin", "from": "mona", "target": 1, "seq": 2})).await;
    let mut reaction = change("reaction", &posted, "r");
    reaction["emoji"] = json!("👍");
    for duplicate in [false, true] {
        mona.send(reaction.clone()).await;
        let ack = mona.wait_for(json!({"type": "ack", "client_msg_id": "r"})).await;
        assert_eq!((&ack["seq"], &ack["duplicate"]), (&json!(3), &json!(duplicate)));
    }
    alice.expect(json!({"type": "reaction", "from": "mona", "target": 1, "emoji": "👍", "seq": 3})).await;
    alice.send(json!({"type": "room", "room": "lobby", "topic": "mine"})).await;
    alice.expect(error("forbidden")).await;
    mona.send(json!({"type": "room", "room": "lobby", "topic": "News", "slow_mode": 3_600})).await;
    alice
        .expect(json!({"type": "room", "from": "mona", "topic": "News", "slow_mode": 3_600, "seq": 4}))
        .await;
    alice.post("lobby", "first").await;
    alice.send(message_with_id("lobby", "second", "s")).await;
    let refused = alice.expect(error("rate_limited")).await;
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|wait| wait > 3_500_000), "{refused}");
    assert_eq!(refused["scope"], "room", "{refused}");

    let page = newest(&mut alice).await;
    let state = json!({"count": 1, "emoji": "👍", "mine": false, "users": ["mona"]});
    assert_eq!(page["messages"][0]["reactions"], json!([state]));
    assert_eq!((&page["messages"][0]["pinned"], &page["messages"][0]["rev"]), (&json!(true), &json!(3)));
    assert_eq!(
        page["settings"],
        json!({"topic": "News", "slow_mode": 3_600, "posting": "everyone", "rev": 4})
    );
    assert_eq!(newest(&mut mona).await["messages"][0]["reactions"][0]["mine"], true);
}

/// A client of the base dialect ignores types that it does not know.
#[tokio::test]
async fn a_client_of_the_base_dialect_sees_its_messages_between_changes() {
    for chat in chats() {
        read_as_an_old_client(&chat).await;
    }
}

async fn read_as_an_old_client(chat: &Chat) {
    let mut old = chat.first().connect("old").await;
    let mut root = chat.last().connect_as(&admin("root")).await;
    old.join("lobby").await;
    let posted = old.post("lobby", "hello").await;
    for kind in ["pin", "delete"] {
        root.send(change(kind, &posted, kind)).await;
        root.wait_for(json!({"type": "ack", "client_msg_id": kind})).await;
    }
    let mut seen = Vec::new();
    old.send_text(r#"{"type":"message","room":"lobby","text":"still here"}"#).await;
    while seen.last() != Some(&json!("still here")) {
        let frame = old.next().await;
        if frame["type"] == "message" {
            seen.push(frame["text"].clone());
        }
    }
    assert_eq!(seen, ["still here"]);
}
