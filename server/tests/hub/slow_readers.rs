//! Slow readers: some pause, others never read again.
//!
//! These readers have a small receive buffer ([`TestServer::connect_narrow`]). A few hundred long messages fill it and
//! the send buffer of the server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    RawClient, TestClient, TestServer, admin, has_fields, join_room, join_since, leave_room, left, masked,
    message, message_from, message_with_id, server, server_with,
};

/// A time so long that a test which waits for it fails.
const NEVER: Duration = Duration::from_hours(1);

/// Two members: one that reads, and one that reads nothing after the confirmation of its join.
async fn reader_and_slow(server: &TestServer) -> (TestClient, RawClient) {
    let mut carol = server.connect("carol").await;
    carol.join("lobby").await;
    let mut slow = server.connect_narrow("slow").await;
    slow.text(&join_room("lobby").to_string()).await;
    slow.json().await;
    carol.next().await;
    (carol, slow)
}

/// Posts `count` long messages, one after the other.
async fn fill(carol: &mut TestClient, count: usize) {
    let text = "x".repeat(2_000);
    for _ in 0..count {
        carol.post("lobby", &text).await;
    }
}

/// Reads until the close with 4008. Returns the number of messages before it, which must be contiguous.
async fn read_until_4008(slow: &mut RawClient) -> u64 {
    let mut last = 0;
    loop {
        let frame = slow.frame().await.expect("a close before the end");
        if frame.opcode == 8 {
            assert_eq!(frame.close(), (4008, "Too slow".to_owned()));
            return last;
        }
        let frame: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        if frame["type"] == "message" {
            last += 1;
            assert_eq!(frame["seq"], last);
        }
    }
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_4008_without_effect_on_others() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.timing.slow_reader_timeout = Duration::from_secs(1);
        config.timing.leave_grace = Duration::ZERO;
    });
    let (mut carol, mut slow) = reader_and_slow(&server).await;
    // On a busy machine the timeout may end before the last message is posted, so the leave may come between messages.
    let text = "x".repeat(2_000);
    let is_leave = |frame: &Value| has_fields(frame, &left("slow", "lobby", "disconnected"));
    let mut has_left = false;
    for _ in 0..300 {
        carol.send(message("lobby", &text)).await;
        let mut frame = carol.next().await;
        if is_leave(&frame) {
            has_left = true;
            frame = carol.next().await;
        }
        assert!(has_fields(&frame, &message_from("carol", "lobby", &text)), "{frame}");
    }
    if !has_left {
        carol.expect(left("slow", "lobby", "disconnected")).await;
    }
    carol.post("lobby", "and on").await;
    // The slow reader reads again and receives the close.
    assert!(read_until_4008(&mut slow).await < 300);
}

#[tokio::test]
async fn a_reader_that_pauses_receives_all_messages() {
    // No timer wakes the connection.
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.timing.slow_reader_timeout = NEVER;
        config.timing.ping_interval = NEVER;
    });
    let (mut carol, mut slow) = reader_and_slow(&server).await;
    fill(&mut carol, 300).await;
    for seq in 1..=300 {
        assert_eq!(slow.json().await["seq"], seq);
    }
}

#[tokio::test]
async fn a_reader_behind_the_ring_receives_all_messages_and_then_the_members() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.ring.bytes_per_room = 256 * 1024;
        config.retain.messages = Some(10_000);
        config.timing.slow_reader_timeout = NEVER;
    });
    let (mut carol, mut slow) = reader_and_slow(&server).await;
    fill(&mut carol, 250).await;
    // Signals are lost on the way.
    let mut dave = server.connect("dave").await;
    dave.join("lobby").await;
    carol.wait_for(json!({"event": "joined", "user_id": "dave"})).await;
    fill(&mut carol, 250).await;
    let members =
        json!({"type": "members", "room": "lobby", "members": ["carol", "dave", "slow"], "member_count": 3});
    let (mut seq, mut lists) = (0, 0);
    while seq < 500 {
        let frame = slow.json().await;
        if frame == members {
            lists += 1;
        } else {
            seq += 1;
            assert_eq!((&frame["type"], &frame["seq"]), (&json!("message"), &json!(seq)), "{frame}");
        }
    }
    assert_eq!(lists, 1, "the members come once, when the ring holds the next message");
    carol.post("lobby", "and on").await;
    assert_eq!(slow.json().await["seq"], 501);
}

#[tokio::test]
async fn a_reader_behind_the_retention_receives_a_truncated_resync() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.retain.messages = Some(300);
        config.ring.bytes_per_room = 64 * 1024;
        config.timing.slow_reader_timeout = NEVER;
    });
    // The room is cold: the replayed entries are only in the store.
    let mut carol = server.connect("carol").await;
    let long = |number: usize| message_with_id("lobby", &"x".repeat(2_000), &number.to_string());
    for number in 0..300 {
        carol.send(long(number)).await;
        carol.expect(json!({"type": "ack"})).await;
    }
    let mut slow = server.connect_narrow("slow").await;
    let start = json!({"epoch": null, "seq": 0, "id": null});
    slow.text(&join_since("lobby", &start).to_string()).await;
    let joined = slow.json().await;
    assert_eq!(joined["recovery"], json!({"status": "complete", "replayed": 300}));
    for number in 300..700 {
        carol.send(long(number)).await;
        carol.expect(json!({"type": "ack"})).await;
    }
    let (mut seq, mut resyncs) = (0, 0);
    while seq < 700 {
        let frame = slow.json().await;
        if frame["event"] == "resync" {
            assert_eq!(
                (&frame["room"], &frame["recovery"]["status"]),
                (&json!("lobby"), &json!("truncated"))
            );
            let from = |field: &Value| field.as_u64().expect("a number");
            let first = from(&frame["position"]["seq"]) - from(&frame["recovery"]["replayed"]);
            assert!(first > seq, "entries were lost");
            seq = first;
            resyncs += 1;
        } else if frame["type"] == "message" {
            seq += 1;
            assert_eq!(frame["seq"], seq);
        }
    }
    assert!(resyncs > 0, "retention dropped entries of the replay");
}

#[tokio::test]
async fn a_leave_and_a_join_are_answered_after_earlier_messages() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.timing.slow_reader_timeout = NEVER;
    });
    let (mut carol, mut slow) = reader_and_slow(&server).await;
    fill(&mut carol, 300).await;
    let again = [leave_room("lobby"), join_room("lobby")];
    let bytes: Vec<_> = again.iter().flat_map(|frame| masked(0x81, frame.to_string().as_bytes())).collect();
    slow.send(&bytes).await;
    for seq in 1..=300 {
        assert_eq!(slow.json().await["seq"], seq);
    }
    let event = slow.json().await;
    assert_eq!((&event["event"], &event["reason"]), (&json!("left"), &json!("left")));
    let event = slow.json().await;
    assert_eq!((&event["event"], &event["position"]["seq"]), (&json!("joined"), &json!(300)));
    carol.wait_for(json!({"event": "joined", "user_id": "slow"})).await;
    carol.post("lobby", "welcome back").await;
    assert_eq!(slow.json().await["seq"], 301);
}

#[tokio::test]
async fn unread_answers_stop_the_handling_of_further_requests() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.timing.slow_reader_timeout = Duration::from_millis(300);
        config.timing.leave_grace = Duration::ZERO;
    });
    let (mut carol, mut slow) = reader_and_slow(&server).await;
    let ping = json!({"type": "ping", "nonce": "x".repeat(4_000)}).to_string();
    let mut bytes = masked(0x81, ping.as_bytes()).repeat(200);
    bytes.extend(masked(0x81, message("lobby", "never handled").to_string().as_bytes()));
    let sending = tokio::spawn(async move {
        slow.send_or_end(&bytes).await;
        slow
    });
    carol.expect(left("slow", "lobby", "disconnected")).await;
    carol.post("lobby", "alone").await;
    sending.await.expect("sent, or ended").end().await;
}

/// The notices are more than the buffers of the sockets hold.
#[tokio::test]
async fn a_client_that_pauses_receives_all_notices() {
    let server = server();
    let mut root = server.connect_as(&admin("root")).await;
    let mut readers = Vec::new();
    for number in 0..20 {
        readers.push(server.connect_narrow(&format!("reader {number}")).await);
    }
    let text = "🦀".repeat(4_000);
    let notice = |number| json!({"type": "notice", "message": format!("{number:02}{}", &text[8..])});
    for number in 0..60 {
        root.send(notice(number)).await;
    }
    for number in 0..60 {
        root.wait_for(json!({"event": "notice", "message": notice(number)["message"]})).await;
    }
    for reader in &mut readers {
        for number in 0..60 {
            let received = reader.json().await;
            assert_eq!(
                (&received["event"], &received["message"]),
                (&json!("notice"), &notice(number)["message"])
            );
        }
    }
}
