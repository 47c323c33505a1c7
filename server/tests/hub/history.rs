//! Pages of history: their ranges, the retention, and their bound in bytes.

use realtime_shared::codec::SERVER_FRAME_BYTES;
use serde_json::{Value, json};

use crate::support::{TestClient, TestServer, error, message, server_with};

/// A server without a limit on messages.
fn unlimited() -> TestServer {
    server_with(|config| config.limits.max_messages_per_second = 0)
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
    alice.expect(none).await;
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
