//! Messages: posts, acks, deduplication and order.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{
    TestClient, TestServer, masked, message, message_from, message_with_id, position, server, server_with,
};

/// A server without a limit on messages.
fn unlimited() -> TestServer {
    server_with(|config| config.limits.max_messages_per_second = 0)
}

fn ack(room: &str, id: &str, duplicate: bool) -> Value {
    json!({"type": "ack", "room": room, "client_msg_id": id, "duplicate": duplicate})
}

/// Receives an ack and the sender's own copy, which come in either order.
async fn ack_and_copy(client: &mut TestClient) -> (Value, Value) {
    let first = client.next().await;
    let second = client.next().await;
    if first["type"] == "ack" { (first, second) } else { (second, first) }
}

#[tokio::test]
async fn an_ack_has_the_position_of_the_delivered_entry() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.join("lobby").await;
    bob.next().await;
    alice.send(message_with_id("lobby", "hi", "mine")).await;
    let (ack, copy) = ack_and_copy(&mut alice).await;
    assert_eq!(ack["type"], "ack");
    assert_eq!((&ack["room"], &ack["client_msg_id"]), (&json!("lobby"), &json!("mine")));
    assert_eq!((&ack["seq"], &ack["duplicate"]), (&json!(1), &json!(false)));
    assert!(ack["epoch"].is_string() && ack["id"].is_string() && ack["ts"].is_u64());
    let expected = json!({
        "type": "message", "room": "lobby", "from": "alice", "text": "hi", "client_msg_id": "mine",
        "seq": 1, "id": ack["id"], "ts": ack["ts"], "epoch": ack["epoch"],
    });
    assert_eq!(copy, expected);
    assert_eq!(bob.next().await, expected);
    // Only the first entry has the epoch. Later joiners get it with `joined`.
    assert_eq!(alice.post("lobby", "more").await.get("epoch"), None);
    alice.send(message_with_id("lobby", "last", "another")).await;
    let (ack, _) = ack_and_copy(&mut alice).await;
    let head = server.connect("carol").await.join("lobby").await;
    assert_eq!(head["position"], position(&ack));
}

#[tokio::test]
async fn a_message_without_an_id_gets_no_ack() {
    let server = server();
    let mut alice = server.connect("alice").await;
    alice.join("lobby").await;
    let copy = alice.post("lobby", "hi").await;
    assert_eq!(copy.get("client_msg_id"), None);
    alice.post("lobby", "hi").await;
    alice.expect_nothing_else().await;
}

#[tokio::test]
async fn a_resent_id_of_the_user_in_the_room_is_a_duplicate() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut again = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.send(message_with_id("lobby", "hi", "mine")).await;
    let first = alice.expect(ack("lobby", "mine", false)).await;
    // The text and the connection do not matter.
    for client in [&mut alice, &mut again] {
        client.send(message_with_id("lobby", "another text", "mine")).await;
        let second = client.expect(ack("lobby", "mine", true)).await;
        assert_eq!((position(&second), &second["ts"]), (position(&first), &first["ts"]));
    }
    // The same id in another room or of another user is another message.
    alice.send(message_with_id("kitchen", "hi", "mine")).await;
    alice.expect(ack("kitchen", "mine", false)).await;
    bob.expect(message_from("alice", "lobby", "hi")).await;
    bob.send(message_with_id("lobby", "mine, too", "mine")).await;
    let (other, copy) = ack_and_copy(&mut bob).await;
    assert_eq!((&other["duplicate"], &other["seq"]), (&json!(false), &json!(2)));
    assert_eq!(copy["text"], "mine, too");
    bob.expect_nothing_else().await;
}

#[tokio::test]
async fn ids_sent_concurrently_on_several_connections_are_stored_once() {
    let server = unlimited();
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    let mut senders = Vec::new();
    for _ in 0..4 {
        let mut alice = server.connect("alice").await;
        senders.push(tokio::spawn(async move {
            alice
                .send_all((0..50).map(|number| message_with_id("lobby", "hi", &format!("id {number}"))))
                .await;
            let mut fresh = 0;
            for _ in 0..50 {
                let ack = alice.expect(json!({"type": "ack"})).await;
                fresh += usize::from(ack["duplicate"] == false);
            }
            fresh
        }));
    }
    let mut fresh = 0;
    for sender in senders {
        fresh += sender.await.expect("50 acks");
    }
    assert_eq!(fresh, 50);
    let mut ids = HashSet::new();
    for seq in 1..=50 {
        let copy = bob.expect(json!({"type": "message", "seq": seq})).await;
        ids.insert(copy["client_msg_id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(ids.len(), 50);
    bob.expect_nothing_else().await;
}

#[tokio::test]
async fn posting_does_not_need_membership() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.send(message("lobby", "from outside")).await;
    bob.expect(message_from("alice", "lobby", "from outside")).await;
    alice.expect_nothing_else().await;
}

#[tokio::test]
async fn text_is_delivered_unchanged() {
    let server = server();
    let mut alice = server.connect("alice").await;
    alice.join("lobby").await;
    for text in [" not trimmed\n\t", "\"quotes\\\" </script>", "日本 🦀 e\u{301}", &"ü".repeat(4_000)] {
        alice.post("lobby", text).await;
    }
    alice.send_text(r#"{"type":"message","room":"lobby","text":"half \ud800 a pair"}"#).await;
    alice.expect(message_from("alice", "lobby", "half \u{FFFD} a pair")).await;
}

#[tokio::test]
async fn a_thousand_messages_in_one_write_keep_their_order() {
    let server = unlimited();
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    let mut alice = server.connect_raw("alice").await;
    let mut bytes = Vec::new();
    for number in 0..1_000 {
        let id = format!("id {number}");
        bytes.extend(masked(0x81, message_with_id("lobby", &number.to_string(), &id).to_string().as_bytes()));
    }
    alice.send(&bytes).await;
    for number in 0..1_000 {
        let expected = json!({"type": "message", "text": number.to_string(), "seq": number + 1});
        bob.expect(expected).await;
        let ack = alice.json().await;
        assert_eq!(
            (&ack["client_msg_id"], &ack["seq"]),
            (&json!(format!("id {number}")), &json!(number + 1))
        );
    }
}
