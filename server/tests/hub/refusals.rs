//! Refusals of the session: their codes and fields, rate limits, and the limit that closes the connection.

use serde_json::{Value, json};

use crate::support::{admin, error, join_room, leave_room, message, message_with_id, server, server_with};

#[tokio::test]
async fn every_refusal_has_its_code_and_the_fields_of_its_request() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let long = "x".repeat(65);
    for (request, expected) in [
        ("[]".to_owned(), json!({"code": "bad_request", "room": null})),
        ("null".to_owned(), json!({"code": "bad_request"})),
        ("7".to_owned(), json!({"code": "bad_request"})),
        (json!({"room": "lobby"}).to_string(), json!({"code": "bad_request", "room": "lobby"})),
        (json!({"type": 7}).to_string(), json!({"code": "bad_request"})),
        (
            json!({"type": "welcome", "room": "lobby"}).to_string(),
            json!({"code": "unknown_type", "room": "lobby"}),
        ),
        (
            json!({"type": "message", "room": "lobby"}).to_string(),
            json!({"code": "bad_request", "room": "lobby"}),
        ),
        (json!({"type": "message", "text": "hi"}).to_string(), json!({"code": "bad_request", "room": null})),
        (json!({"type": "message", "room": 7, "text": "hi"}).to_string(), json!({"code": "bad_request"})),
        (
            json!({"type": "message", "room": "lobby", "text": "hi", "client_msg_id": ""}).to_string(),
            json!({"code": "bad_request", "room": "lobby", "client_msg_id": null}),
        ),
        (
            json!({"type": "message", "room": "lobby", "text": "", "client_msg_id": "m"}).to_string(),
            json!({"code": "invalid_text", "room": "lobby", "client_msg_id": "m"}),
        ),
        (message("lobby", &"x".repeat(4_001)).to_string(), json!({"code": "invalid_text", "room": "lobby"})),
        (message("lobby", "a\u{1b}[2J").to_string(), json!({"code": "invalid_text", "room": "lobby"})),
        (
            message_with_id("", "hi", "m").to_string(),
            json!({"code": "invalid_room", "room": null, "client_msg_id": "m"}),
        ),
        (join_room(&long).to_string(), json!({"code": "invalid_room"})),
        (join_room("a\u{202e}b").to_string(), json!({"code": "invalid_room"})),
        (
            message_with_id("dm:bob", "hi", "m").to_string(),
            json!({"code": "forbidden", "room": "dm:bob", "client_msg_id": "m"}),
        ),
        (leave_room("lobby").to_string(), json!({"code": "not_a_member", "room": "lobby"})),
        (
            json!({"type": "typing", "room": "lobby"}).to_string(),
            json!({"code": "not_a_member", "room": "lobby"}),
        ),
        (
            json!({"type": "join_room", "room": "lobby", "since": 5}).to_string(),
            json!({"code": "bad_request", "room": "lobby"}),
        ),
        (
            json!({"type": "history", "room": "lobby", "limit": -1}).to_string(),
            json!({"code": "bad_request", "room": "lobby"}),
        ),
        (json!({"type": "ping", "ref": long}).to_string(), json!({"code": "bad_request", "ref": null})),
    ] {
        alice.send_text(&request).await;
        let refusal =
            alice.expect(json!({"type": "error", "temporary": false, "retry_after_ms": null})).await;
        assert!(refusal["message"].as_str().is_some_and(|message| !message.is_empty()));
        for (field, value) in expected.as_object().expect("an object") {
            assert_eq!(refusal.get(field).unwrap_or(&Value::Null), value, "{field} for {request}");
        }
    }
    alice.expect_nothing_else().await;
    // The message has the name of the invalid field.
    alice.send(json!({"type": "history", "room": "lobby", "limit": "many"})).await;
    let refusal = alice.expect(error("bad_request")).await;
    assert!(refusal["message"].as_str().expect("a text").contains("`limit`"), "{refusal}");
}

#[tokio::test]
async fn messages_beyond_the_rate_are_refused_and_accepted_later() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 10;
        config.limits.message_burst = 3;
    });
    let mut alice = server.connect("alice").await;
    alice.send_all((0..5).map(|number| message_with_id("lobby", "hi", &format!("id {number}")))).await;
    let mut refused = Vec::new();
    for _ in 0..5 {
        let answer = alice.next().await;
        if answer["type"] == "error" {
            assert_eq!((&answer["code"], &answer["temporary"]), (&json!("rate_limited"), &json!(true)));
            assert_eq!(answer["room"], "lobby");
            assert!(
                answer["retry_after_ms"].as_u64().is_some_and(|wait| (1..=101).contains(&wait)),
                "{answer}"
            );
            refused.push(answer["client_msg_id"].as_str().expect("an id").to_owned());
        }
    }
    assert_eq!(refused, ["id 3", "id 4"]);
    // The client resends a message after `retry_after_ms`, until it is accepted.
    loop {
        alice.send(message_with_id("lobby", "hi", &refused[0])).await;
        let answer = alice.next().await;
        if answer["type"] == "ack" {
            assert_eq!((&answer["seq"], &answer["duplicate"]), (&json!(4), &json!(false)));
            break;
        }
        let wait = answer["retry_after_ms"].as_u64().expect("a time");
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
    }
}

#[tokio::test]
async fn a_connection_with_a_hundred_refusals_is_closed_with_4009() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.send_all((0..100).map(|_| json!({"type": "dance"}))).await;
    for _ in 0..99 {
        alice.expect(error("unknown_type")).await;
    }
    alice.expect_close(4009, "Too many requests").await;
    bob.post("lobby", "calm").await;
}

#[tokio::test]
async fn requests_have_a_rate_limit_of_their_own() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 1;
        config.limits.message_burst = 5;
    });
    let mut alice = server.connect_as(&admin("alice")).await;
    alice.send_all((0..6).map(|number| json!({"type": "ping", "ref": number.to_string()}))).await;
    for number in 0..5 {
        alice.expect(json!({"type": "pong", "ref": number.to_string()})).await;
    }
    let refusal = alice.expect(json!({"type": "error", "code": "rate_limited", "ref": "5"})).await;
    assert!(refusal["retry_after_ms"].is_u64());
    // Posts have a separate limit.
    alice.send(message_with_id("lobby", "hi", "m")).await;
    alice.expect(json!({"type": "ack", "client_msg_id": "m", "duplicate": false})).await;
}
