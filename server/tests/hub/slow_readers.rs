//! Readers that pause, and readers that do not come back.
//!
//! Such a reader has a kernel that keeps little of what it does not read ([`TestServer::connect_narrow`]); a few
//! hundred long messages are more than that and what the server's kernel keeps.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Client, Raw, TestServer, agrees, join_room, join_since, leave_room, left, masked, message, said,
    server_with, tracked,
};

/// So long that a test fails if it is waited for.
const NEVER: Duration = Duration::from_hours(1);

/// A member that reads, and one that does not, and has taken the confirmation of its join.
async fn reader_and_slow(server: &TestServer) -> (Client, Raw) {
    let mut carol = server.connect("carol").await;
    carol.join("lobby").await;
    let mut slow = server.connect_narrow("slow").await;
    slow.text(&join_room("lobby").to_string()).await;
    slow.json().await;
    carol.next().await;
    (carol, slow)
}

/// Posts `count` long messages, one after the other.
async fn fill(carol: &mut Client, count: usize) {
    let text = "x".repeat(2_000);
    for _ in 0..count {
        carol.say("lobby", &text).await;
    }
}

/// Reads to the close, which is that of a reader which is too slow; how many messages came before it, without a hole.
async fn run_to_too_slow(slow: &mut Raw) -> u64 {
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
async fn a_reader_that_does_not_read_is_closed_and_others_go_on() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.timing.slow_reader_timeout = Duration::from_secs(1);
        config.timing.leave_grace = Duration::ZERO;
    });
    let (mut carol, mut slow) = reader_and_slow(&server).await;
    // On a busy machine the timeout may end before the last message is posted, so the leave may come between messages.
    let text = "x".repeat(2_000);
    let is_leave = |frame: &Value| agrees(frame, &left("slow", "lobby", "disconnected"));
    let mut has_left = false;
    for _ in 0..300 {
        carol.send(message("lobby", &text)).await;
        let mut frame = carol.next().await;
        if is_leave(&frame) {
            has_left = true;
            frame = carol.next().await;
        }
        assert!(agrees(&frame, &said("carol", "lobby", &text)), "{frame}");
    }
    if !has_left {
        carol.expect(left("slow", "lobby", "disconnected")).await;
    }
    carol.say("lobby", "and on").await;
    // Now it reads again, and sees why.
    assert!(run_to_too_slow(&mut slow).await < 300);
}

#[tokio::test]
async fn a_reader_that_pauses_gets_all_of_it() {
    // No timer comes to its help.
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
async fn a_reader_that_the_ring_has_left_behind_is_closed() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.ring.bytes_per_room = 256 * 1024;
        config.timing.slow_reader_timeout = NEVER;
    });
    let (mut carol, mut slow) = reader_and_slow(&server).await;
    fill(&mut carol, 500).await;
    assert!(run_to_too_slow(&mut slow).await < 500);
    carol.say("lobby", "and on").await;
}

#[tokio::test]
async fn a_replay_that_the_store_has_left_behind_is_closed() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.retain.messages = Some(300);
        config.ring.bytes_per_room = 64 * 1024;
        config.timing.slow_reader_timeout = NEVER;
    });
    // The room is cold: what is replayed is in the store alone.
    let mut carol = server.connect("carol").await;
    let long = |number: usize| tracked("lobby", &"x".repeat(2_000), &number.to_string());
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
    // It was promised more, and does not get a part of it: it comes back.
    assert!(run_to_too_slow(&mut slow).await < 300);
}

#[tokio::test]
async fn leaving_and_joining_again_waits_for_what_was_there() {
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
    let told = slow.json().await;
    assert_eq!((&told["event"], &told["reason"]), (&json!("left"), &json!("left")));
    let told = slow.json().await;
    assert_eq!((&told["event"], &told["position"]["seq"]), (&json!("joined"), &json!(300)));
    carol.wait_for(json!({"event": "joined", "user_id": "slow"})).await;
    carol.say("lobby", "welcome back").await;
    assert_eq!(slow.json().await["seq"], 301);
}

#[tokio::test]
async fn answers_that_are_not_read_hold_back_what_asks_for_more() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.timing.slow_reader_timeout = Duration::from_millis(300);
        config.timing.leave_grace = Duration::ZERO;
    });
    let (mut carol, mut slow) = reader_and_slow(&server).await;
    let ask = json!({"type": "ping", "nonce": "x".repeat(4_000)}).to_string();
    let mut bytes = masked(0x81, ask.as_bytes()).repeat(200);
    bytes.extend(masked(0x81, message("lobby", "never looked at").to_string().as_bytes()));
    let sending = tokio::spawn(async move {
        slow.send_or_end(&bytes).await;
        slow
    });
    carol.expect(left("slow", "lobby", "disconnected")).await;
    carol.say("lobby", "alone").await;
    sending.await.expect("sent, or ended").end().await;
}
