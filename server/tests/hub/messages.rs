//! Messages: posts, acks, deduplication, order, history and refusals.

use std::collections::HashSet;

use realtime_shared::codec::SERVER_FRAME_BYTES;
use serde_json::{Value, json};

use crate::support::{
    TestClient, TestServer, admin, error, join_room, leave_room, masked, message, message_from,
    message_with_id, position, server, server_with,
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

/// Fills the room with `count` entries. Returns a client that is not in it.
async fn room_of(server: &TestServer, count: usize) -> TestClient {
    let mut alice = server.connect("alice").await;
    alice.join("lobby").await;
    alice.send_all((1..=count).map(|number| message("lobby", &number.to_string()))).await;
    for _ in 0..count {
        alice.expect(json!({"type": "message"})).await;
    }
    alice.leave("lobby").await;
    alice
}

/// Requests a page. Returns its seqs and `has_more`.
async fn page(client: &mut TestClient, range: Value) -> (Vec<u64>, bool) {
    let mut request = json!({"type": "history", "room": "lobby"});
    for (field, value) in range.as_object().expect("an object") {
        request[field] = value.clone();
    }
    client.send(request).await;
    let page = client.expect(json!({"type": "history", "room": "lobby"})).await;
    let messages = page["messages"].as_array().expect("an array");
    for entry in messages {
        assert_eq!(entry["type"], "message");
        assert_eq!(entry["text"], entry["seq"].to_string());
    }
    let numbers = messages.iter().map(|entry| entry["seq"].as_u64().expect("a seq")).collect();
    (numbers, page["has_more"].as_bool().expect("a bool"))
}

#[tokio::test]
async fn history_is_paged_in_both_directions() {
    let server = unlimited();
    let mut alice = room_of(&server, 300).await;
    let range = |from: u64, to: u64| (from..=to).collect::<Vec<_>>();
    for (range, expected) in [
        (json!({}), (range(251, 300), true)),
        (json!({"limit": 3}), (range(298, 300), true)),
        (json!({"before": 251}), (range(201, 250), true)),
        (json!({"before": 11, "limit": 10}), (range(1, 10), false)),
        (json!({"before": 12, "limit": 10}), (range(2, 11), true)),
        (json!({"before": 1}), (vec![], false)),
        (json!({"before": 1_000, "limit": 2}), (range(299, 300), true)),
        (json!({"after": 0, "limit": 2}), (range(1, 2), true)),
        (json!({"after": 250}), (range(251, 300), false)),
        (json!({"after": 249}), (range(250, 299), true)),
        (json!({"after": 300}), (vec![], false)),
        (json!({"after": u64::MAX}), (vec![], false)),
        // A limit above 200 counts as 200, and 0 as 1.
        (json!({"limit": 201}), (range(101, 300), true)),
        (json!({"after": 0, "limit": u64::MAX}), (range(1, 200), true)),
        (json!({"limit": 0}), (range(300, 300), true)),
    ] {
        assert_eq!(page(&mut alice, range.clone()).await, expected, "{range}");
    }
    alice.send(json!({"type": "history", "room": "lobby", "before": 5, "after": 1})).await;
    let refusal = alice.expect(error("bad_request")).await;
    assert_eq!(refusal["room"], "lobby");
    alice.send(json!({"type": "history", "room": "nowhere"})).await;
    let none =
        json!({"type": "history", "room": "nowhere", "epoch": null, "messages": [], "has_more": false});
    assert_eq!(alice.next().await, none);
}

#[tokio::test]
async fn history_has_no_entries_beyond_the_retention() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.retain.messages = Some(10);
    });
    let mut alice = room_of(&server, 25).await;
    assert_eq!(page(&mut alice, json!({})).await, ((16..=25).collect(), false));
    assert_eq!(page(&mut alice, json!({"before": 18})).await, (vec![16, 17], false));
    assert_eq!(page(&mut alice, json!({"before": 16})).await, (vec![], false));
    assert_eq!(page(&mut alice, json!({"after": 3, "limit": 2})).await, (vec![16, 17], true));
}

#[tokio::test]
async fn a_page_of_long_messages_is_limited_in_bytes_and_the_next_one_continues() {
    let server = unlimited();
    let mut alice = server.connect("alice").await;
    let text = "🦀".repeat(4_000);
    alice.join("lobby").await;
    for _ in 0..100 {
        alice.post("lobby", &text).await;
    }
    alice.leave("lobby").await;
    let mut seen = Vec::new();
    let mut pages = 0;
    let mut range = json!({"type": "history", "room": "lobby", "limit": 200});
    loop {
        alice.send(range.clone()).await;
        let page = alice.expect(json!({"type": "history"})).await;
        assert!(page.to_string().len() <= SERVER_FRAME_BYTES);
        pages += 1;
        let numbers = page["messages"].as_array().expect("an array").iter();
        let mut numbers: Vec<_> = numbers.map(|entry| entry["seq"].as_u64().expect("a seq")).collect();
        range["before"] = json!(numbers[0]);
        numbers.extend(seen);
        seen = numbers;
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    assert!((2..=50).contains(&pages), "{pages}");
    alice.send(json!({"type": "history", "room": "lobby", "after": 0, "limit": 200})).await;
    let page = alice.expect(json!({"type": "history", "has_more": true})).await;
    assert_eq!(page["messages"][0]["seq"], 1);
}

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
    alice.expect(ack("lobby", "m", false)).await;
}
