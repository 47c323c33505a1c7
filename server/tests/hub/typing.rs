//! Typing: repetitions, and typing above its rate.

use serde_json::{Value, json};

use crate::support::{TestClient, TestServer, message, server};

/// Sends these values of `is_typing`, followed by a message. Returns the values that another member receives.
async fn deliver_typing(server: &TestServer, sent: &[bool]) -> Vec<Value> {
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.join("lobby").await;
    let typing =
        sent.iter().map(|is_typing| json!({"type": "typing", "room": "lobby", "is_typing": is_typing}));
    alice.send_all(typing.chain([message("lobby", "done")])).await;
    typing_until_message(&mut bob).await
}

/// The values of `is_typing` before the next message.
async fn typing_until_message(bob: &mut TestClient) -> Vec<Value> {
    let mut received = Vec::new();
    loop {
        let frame = bob.next().await;
        match frame["type"].as_str() {
            Some("typing") => received.push(frame["is_typing"].clone()),
            Some("message") => return received,
            _ => {}
        }
    }
}

#[tokio::test]
async fn repeated_typing_is_delivered_once() {
    let sent = [true, true, true, false, false, true];
    assert_eq!(deliver_typing(&server(), &sent).await, [true, false, true]);
}

#[tokio::test]
async fn typing_after_a_message_is_delivered_again() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.join("lobby").await;
    let typing = json!({"type": "typing", "room": "lobby"});
    for text in ["one", "two"] {
        alice.send(typing.clone()).await;
        // Entries and signals have no common order, so the next typing is sent after this message has arrived.
        alice.post("lobby", text).await;
        assert_eq!(typing_until_message(&mut bob).await, [true]);
    }
}

#[tokio::test]
async fn excess_typing_is_dropped_without_an_error() {
    let server = server();
    let sent: Vec<_> = (0..500).map(|number| number % 2 == 0).collect();
    let received = deliver_typing(&server, &sent).await;
    assert!((1..400).contains(&received.len()), "{}", received.len());
}
