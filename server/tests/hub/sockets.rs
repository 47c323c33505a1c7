//! WebSocket rules of RFC 6455, peers that break them, timeouts and shutdown.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{
    TestServer, join_room, masked, message, message_from, message_with_id, server, server_with,
};

const TEXT: u8 = 0x81;
const FIRST: u8 = 0x01;
const NEXT: u8 = 0x00;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

/// Sends `bytes` on a new connection and asserts the code and reason of the close.
#[track_caller]
fn closes_with(server: &TestServer, bytes: &[u8], code: u16, reason: &str) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let mut mallory = server.connect_raw("mallory").await;
        mallory.send(bytes).await;
        assert_eq!(mallory.close().await, (code, reason.to_owned()), "{caller}");
    }
}

#[tokio::test]
async fn invalid_frames_are_closed_with_1002() {
    let server = server();
    let mut neighbour = server.connect("alice").await;
    neighbour.join("lobby").await;
    let mut unmasked = masked(TEXT, b"{}");
    unmasked[1] &= 0x7F;
    unmasked.drain(2..6);
    for bytes in [
        unmasked,
        masked(TEXT | 0x40, b"{}"),
        masked(TEXT | 0x10, b"{}"),
        masked(0x83, b""),
        masked(0x8B, b""),
        masked(LAST, b"{}"),
        masked(0x09, b""),
        masked(PING, &[b'x'; 126]),
        masked(CLOSE, b"x"),
        [masked(FIRST, b"{"), masked(TEXT, b"{}")].concat(),
    ] {
        closes_with(&server, &bytes, 1002, "Protocol error").await;
    }
    neighbour.post("lobby", "undisturbed").await;
}

#[tokio::test]
async fn binary_frames_are_closed_with_1003() {
    let server = server();
    closes_with(&server, &masked(0x82, b"{}"), 1003, "Binary frames are not supported").await;
    closes_with(&server, &masked(0x02, b"{}"), 1003, "Binary frames are not supported").await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    let server = server();
    closes_with(&server, &masked(TEXT, b"{\"type\":\"\xff\"}"), 1007, "Not UTF-8").await;
    let surrogate = [masked(FIRST, b"\xed"), masked(LAST, b"\xa0\x80")].concat();
    closes_with(&server, &surrogate, 1007, "Not UTF-8").await;
    // The boundary of fragments may be inside of a character.
    let mut alice = server.connect_raw("alice").await;
    alice.send(&masked(FIRST, b"{\"type\":\"ping\",\"nonce\":\"\xf0\x9f")).await;
    alice.send(&masked(LAST, b"\xa6\x80\"}")).await;
    assert_eq!(alice.json().await["nonce"], "🦀");
}

#[tokio::test]
async fn a_frame_longer_than_64_kib_is_closed_with_1009() {
    let server = server();
    let fixed = r#"{"type":"ping","nonce":""}"#.len();
    let nonce = "x".repeat(64 * 1024 - fixed);
    let longest = json!({"type": "ping", "nonce": nonce}).to_string();
    assert_eq!(longest.len(), 64 * 1024);
    let mut alice = server.connect_raw("alice").await;
    alice.text(&longest).await;
    assert_eq!(alice.json().await["nonce"], nonce);

    let longer = longest + " ";
    closes_with(&server, &masked(TEXT, longer.as_bytes()), 1009, "Frame too large").await;
    // The header is enough.
    closes_with(&server, &masked(TEXT, longer.as_bytes())[..14], 1009, "Frame too large").await;
    let huge = [TEXT, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
    closes_with(&server, &huge, 1009, "Frame too large").await;
    let half = vec![b' '; 40 * 1024];
    let fragments = [masked(FIRST, &half), masked(LAST, &half)].concat();
    closes_with(&server, &fragments, 1009, "Frame too large").await;
}

#[tokio::test]
async fn an_unfinished_message_is_closed_with_4006() {
    let server = server_with(|config| {
        config.timing.unfinished_frame_timeout = Duration::from_millis(100);
        config.limits.max_messages_per_second = 0;
    });
    let frame = masked(TEXT, br#"{"type":"ping"}"#);
    for beginning in [&frame[..1], &frame[..6], &frame[..frame.len() - 1], &masked(FIRST, b"{")[..]] {
        closes_with(&server, beginning, 4006, "Ping timeout").await;
    }
    // Control frames in between do not extend the time limit.
    let mut alice = server.connect_raw("alice").await;
    alice.send(&masked(FIRST, b"{")).await;
    assert_eq!(alice.flood(&masked(PING, b"")).await, (4006, "Ping timeout".to_owned()));
}

#[tokio::test]
async fn a_thousand_thin_fragments_are_closed_with_4009() {
    let server = server_with(|config| {
        config.workers = 1;
        config.timing.unfinished_frame_timeout = Duration::from_hours(1);
    });
    let mut neighbour = server.connect("alice").await;
    for (user, payload) in [("mallory", &b""[..]), ("marvin", b"{"), ("maud", b"                ")] {
        let is_thin = payload.len() < 16;
        let mut raw = server.connect_raw(user).await;
        raw.send(&masked(FIRST, payload)).await;
        raw.send(&masked(NEXT, payload).repeat(998)).await;
        raw.send(&masked(PING, b"after 999")).await;
        assert_eq!(raw.frame().await.expect("a pong").opcode, 10, "{user}");
        raw.send(&[masked(NEXT, payload), masked(PING, b"after 1000")].concat()).await;
        if is_thin {
            assert_eq!(raw.close().await, (4009, "Too many requests".to_owned()), "{user}");
        } else {
            assert_eq!(raw.frame().await.expect("a pong").opcode, 10, "{user}");
        }
    }
    // The fragments of all messages count together.
    let mut mary = server.connect_raw("mary").await;
    let last = masked(LAST, br#""type":"ping"}"#);
    let ping = [masked(FIRST, b"{"), masked(NEXT, b"").repeat(198), last].concat();
    for _ in 0..5 {
        mary.send(&ping).await;
        assert_eq!(mary.json().await["type"], "pong");
    }
    mary.send(&ping).await;
    assert_eq!(mary.close().await, (4009, "Too many requests".to_owned()));
    neighbour.expect_nothing_else().await;
}

#[tokio::test]
async fn a_header_that_breaks_a_rule_is_closed_without_the_rest_of_its_frame() {
    let server = server();
    let text = [[TEXT, 0x7E], [TEXT, 0x7F], [TEXT, 0x05], [PING, 0x05], [PING, 0xFE]];
    for header in text.iter().map(|header| &header[..]).chain([&[LAST][..], &[0x8B]]) {
        closes_with(&server, header, 1002, "Protocol error").await;
    }
    closes_with(&server, &[0x82], 1003, "Binary frames are not supported").await;
    let half = vec![b' '; 40 * 1024];
    let header = [masked(FIRST, &half).as_slice(), &masked(LAST, &half)[..8]].concat();
    closes_with(&server, &header, 1009, "Frame too large").await;
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_closed_with_4006() {
    let server = server_with(|config| {
        config.timing.ping_interval = Duration::from_millis(100);
        config.timing.ping_timeout = Duration::from_millis(100);
    });
    let mut alice = server.connect_raw("alice").await;
    let ping = alice.frame().await.expect("a ping");
    assert_eq!(ping.opcode, 9);
    assert_eq!(alice.close().await, (4006, "Ping timeout".to_owned()));
}

#[tokio::test]
async fn a_peer_that_answers_pings_stays_connected() {
    let server = server_with(|config| config.timing.ping_interval = Duration::from_millis(100));
    let mut alice = server.connect_raw("alice").await;
    for _ in 0..3 {
        let ping = alice.frame().await.expect("a ping");
        assert_eq!(ping.opcode, 9);
        alice.send(&masked(0x8A, &ping.payload)).await;
    }
    alice.text(r#"{"type":"ping","nonce":"here"}"#).await;
    loop {
        let frame = alice.frame().await.expect("a frame");
        if frame.opcode == 1 {
            assert!(String::from_utf8(frame.payload).expect("UTF-8").contains("here"));
            return;
        }
    }
}

#[tokio::test]
async fn a_ping_frame_is_answered_with_a_pong_frame_of_the_same_payload() {
    let server = server();
    let mut alice = server.connect_raw("alice").await;
    for payload in [&b""[..], b"\x00\xff", &[7; 125]] {
        alice.send(&masked(PING, payload)).await;
        let pong = alice.frame().await.expect("a pong");
        assert_eq!((pong.opcode, &pong.payload[..]), (10, payload));
    }
    // A ping within a fragmented message is answered too, and an unrequested pong is ignored.
    alice.send(&masked(FIRST, br#"{"type":"#)).await;
    alice.send(&masked(PING, b"between")).await;
    alice.send(&masked(0x8A, b"unasked")).await;
    alice.send(&masked(NEXT, b"")).await;
    alice.send(&masked(LAST, br#""ping"}"#)).await;
    let pong = alice.frame().await.expect("a pong");
    assert_eq!((pong.opcode, &pong.payload[..]), (10, &b"between"[..]));
    assert_eq!(alice.json().await["type"], "pong");
}

#[tokio::test]
async fn a_close_is_echoed_and_the_socket_ends() {
    let server = server();
    for (payload, expected) in [
        (&b"\x03\xe8bye"[..], (1000, "bye")),
        (b"\x03\xe9", (1001, "")),
        (b"\x0f\xa0mine", (4000, "mine")),
        (b"", (1005, "")),
    ] {
        let mut alice = server.connect_raw("alice").await;
        // Frames after a close are ignored.
        alice.send(&[masked(CLOSE, payload), masked(TEXT, b"not json")].concat()).await;
        let (code, reason) = alice.close().await;
        assert_eq!((code, reason.as_str()), expected);
    }
    // 1005 must not be sent.
    let mut alice = server.connect_raw("alice").await;
    alice.send(&masked(CLOSE, b"\x03\xed")).await;
    assert_eq!(alice.close().await.0, 1002);
}

#[tokio::test]
async fn thousands_of_frames_in_one_write_are_answered_in_order() {
    let server = server_with(|config| config.limits.max_messages_per_second = 0);
    let mut alice = server.connect_raw("alice").await;
    let bytes: Vec<_> = (0..5_000)
        .flat_map(|number| {
            let ping = json!({"type": "ping", "nonce": number.to_string()}).to_string();
            [masked(TEXT, ping.as_bytes()), masked(PING, b"")].concat()
        })
        .collect();
    let frames = alice.exchange(&bytes, 10_000).await;
    for (number, pair) in frames.chunks(2).enumerate() {
        let pong: serde_json::Value = serde_json::from_slice(&pair[0].payload).expect("JSON");
        assert_eq!(pong["nonce"], number.to_string());
        assert_eq!(pair[1].opcode, 10);
    }
}

#[tokio::test]
async fn a_message_that_arrives_byte_by_byte_is_accepted() {
    let server = server();
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    let mut alice = server.connect_raw("alice").await;
    let frame = message_with_id("lobby", "slowly 🦀", "m").to_string();
    let (first, last) = frame.as_bytes().split_at(40);
    let bytes = [masked(FIRST, first), masked(PING, b"p"), masked(LAST, last)].concat();
    for byte in bytes {
        alice.send(&[byte]).await;
    }
    bob.expect(message_from("alice", "lobby", "slowly 🦀")).await;
    assert_eq!(alice.frame().await.expect("a pong").opcode, 10);
    assert_eq!(alice.json().await["type"], "ack");
}

#[tokio::test]
async fn shutdown_closes_all_connections_with_1012() {
    let server = server_with(|config| config.timing.shutdown_deadline = Duration::from_hours(1));
    let address = server.address;
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut client = server.connect(&format!("user {number}")).await;
        if number % 2 == 0 {
            client.send(join_room("lobby")).await;
            client.send(message("lobby", "hi")).await;
            client.wait_for(json!({"type": "message", "from": client.user})).await;
        }
        clients.push(client);
    }
    let closes = async {
        for mut client in clients {
            assert_eq!(client.end().await, (1012, "Restarting".to_owned()));
        }
    };
    // Shutdown returns when the last socket is closed, long before its deadline.
    tokio::join!(server.shutdown(), closes);
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_idle_http_connections() {
    let server = server_with(|config| {
        config.timing.header_timeout = Duration::from_hours(1);
        config.timing.shutdown_deadline = Duration::from_hours(1);
    });
    let mut kept_alive = server.dial().await;
    kept_alive.send(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let head = kept_alive.head().await;
    assert_eq!(kept_alive.body(&head).await, "ok\n");
    let mut silent = server.dial().await;
    // The server has accepted it: connections are accepted in order.
    server.connect("alice").await.close().await;
    server.shutdown().await;
    kept_alive.end().await;
    silent.end().await;
}

#[tokio::test]
async fn shutdown_drops_remaining_connections_at_the_deadline() {
    let server = server_with(|config| {
        config.limits.max_messages_per_second = 0;
        config.timing.shutdown_deadline = Duration::from_millis(200);
        config.timing.header_timeout = Duration::from_hours(1);
    });
    let mut half = server.dial().await;
    half.send(b"GET /ws HTTP/1.1\r\n").await;
    let mut deaf = server.connect_narrow("deaf").await;
    deaf.text(&join_room("lobby").to_string()).await;
    let mut alice = server.connect("alice").await;
    for _ in 0..200 {
        alice.send(message_with_id("lobby", &"x".repeat(2_000), &fastrand::u64(..).to_string())).await;
        alice.wait_for(json!({"type": "ack"})).await;
    }
    drop(alice);
    server.shutdown().await;
    half.end().await;
    deaf.end().await;
}
