//! `GET /metrics`: each metric changes with its cause, and the text is valid Prometheus format 0.0.4.
//!
//! A scrape is a request on a connection of its own. The server counts an event before or shortly after a client sees
//! it, so [`TestServer::wait_for_samples`] scrapes until the values are right.

mod figures;

use std::collections::BTreeSet;
use std::panic::Location;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use self::figures::Figures;
use crate::support::{
    RawClient, ResponseHead, TEST_TIMEOUT, TestServer, error, join_room, join_since, leave_room, masked,
    message, message_with_id, position, server, server_with,
};

/// The page that must list every metric.
const README: &str = include_str!("../../README.md");

/// Sends a request on an open connection and receives the head of the response.
async fn request(raw: &mut RawClient, method: &str, path: &str) -> ResponseHead {
    raw.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
    raw.head().await
}

async fn scrape_over(raw: &mut RawClient) -> Figures {
    let head = request(raw, "GET", "/metrics").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/plain; version=0.0.4"));
    Figures::parse(&raw.body(&head).await)
}

impl TestServer {
    async fn scrape(&self) -> Figures {
        scrape_over(&mut self.dial_admin().await).await
    }

    /// Waits until these samples have these values.
    #[track_caller]
    pub(crate) fn wait_for_samples<const N: usize>(
        &self,
        expected: [(&str, u64); N],
    ) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let mut seen = Vec::new();
            let all = async {
                loop {
                    let figures = self.scrape().await;
                    seen = expected.map(|(sample, _)| (sample, figures.of(sample))).to_vec();
                    if seen == expected {
                        return;
                    }
                }
            };
            let waited = timeout(TEST_TIMEOUT, all).await;
            assert!(waited.is_ok(), "{caller}: {seen:?} instead of {expected:?}");
        }
    }
}

#[tokio::test]
async fn the_readme_lists_exactly_the_metrics_of_the_server() {
    let section = README.split("\n## ").find(|section| section.starts_with("Metrics\n")).expect("a section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<_> =
        rows.map(|(family, _)| family).filter(|family| family.starts_with("realtime_")).collect();
    let figures = server().scrape().await;
    assert_eq!(figures.families(), listed);
}

#[tokio::test]
async fn the_readme_lists_every_reason_of_a_drop() {
    let figures = server().scrape().await;
    let reasons: Vec<_> = figures.labels("realtime_drops_total", "reason").collect();
    assert!(reasons.len() > 3);
    for reason in reasons {
        assert!(README.contains(&format!("\n| `{reason}` | ")), "{reason}");
    }
}

#[tokio::test]
async fn metrics_accept_the_same_methods_as_the_health_check() {
    let server = server();
    for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 405), ("DELETE", 405)] {
        for path in ["/healthz", "/metrics"] {
            assert_eq!(
                request(&mut server.dial_admin().await, method, path).await.status,
                status,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn gauges_follow_connections_and_rooms() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("kitchen").await;
    server.wait_for_samples([("realtime_connections", 2), ("realtime_rooms", 2)]).await;
    bob.leave("kitchen").await;
    server.wait_for_samples([("realtime_connections", 2), ("realtime_rooms", 1)]).await;
    alice.close().await;
    server.wait_for_samples([("realtime_connections", 1), ("realtime_rooms", 0)]).await;
}

#[tokio::test]
async fn a_message_is_accepted_once_and_delivered_to_each_member() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.wait_for(json!({"event": "joined", "user_id": "bob"})).await;
    // Typing is not counted.
    alice.send(json!({"type": "typing", "room": "lobby"})).await;
    for duplicate in [false, true, true] {
        alice.send(message_with_id("lobby", "hello", "one")).await;
        alice.wait_for(json!({"type": "ack", "duplicate": duplicate})).await;
    }
    alice.post("lobby", "without an id").await;
    bob.wait_for(json!({"text": "without an id"})).await;
    server
        .wait_for_samples([
            ("realtime_messages_accepted_total", 2),
            ("realtime_dedup_hits_total", 2),
            ("realtime_deliveries_total", 4),
            ("realtime_replayed_entries_total", 0),
            ("realtime_commit_entries_count", 2),
            ("realtime_commit_entries_sum", 2),
            ("realtime_commit_seconds_count", 2),
        ])
        .await;
}

/// Joins a room of five messages with positions of each kind and asserts the metrics of replays. The limit of replays is
/// three. If `present`, another member is in the room.
async fn check_replay_metrics(present: bool) {
    let server = server_with(|config| config.replay_limit = 3);
    let mut alice = server.connect("alice").await;
    if present {
        alice.join("lobby").await;
    }
    let mut positions = Vec::new();
    for number in 1..=5 {
        alice.send(message_with_id("lobby", "hello", &number.to_string())).await;
        // Ack and own copy come in either order.
        let (mut acked, mut received) = (false, !present);
        while !(acked && received) {
            let frame = alice.next().await;
            received |= frame["type"] == "message";
            if frame["type"] == "ack" {
                acked = true;
                positions.push(position(&frame));
            }
        }
    }
    let foreign = json!({"epoch": "another", "seq": 2, "id": positions[1]["id"]});
    let start = json!({"epoch": null, "seq": 0, "id": null});
    let joins = [(&positions[2], "complete", 2), (&start, "truncated", 3), (&foreign, "reset", 3)];
    for (since, status, replayed) in joins {
        let mut bob = server.connect("bob").await;
        bob.send(join_since("lobby", since)).await;
        bob.expect(json!({"recovery": {"status": status, "replayed": replayed}})).await;
        for _ in 0..replayed {
            bob.expect(json!({"type": "message"})).await;
        }
        bob.leave("lobby").await;
        // A join without a position replays nothing.
        bob.join("lobby").await;
        bob.leave("lobby").await;
    }
    server
        .wait_for_samples([
            (r#"realtime_replays_total{status="complete"}"#, 1),
            (r#"realtime_replays_total{status="truncated"}"#, 1),
            (r#"realtime_replays_total{status="reset"}"#, 1),
            ("realtime_replayed_entries_total", 8),
            ("realtime_deliveries_total", if present { 8 + 5 } else { 8 }),
        ])
        .await;
}

#[tokio::test]
async fn a_replay_from_the_ring_is_counted() {
    check_replay_metrics(true).await;
}

#[tokio::test]
async fn a_replay_from_the_store_is_counted() {
    check_replay_metrics(false).await;
}

#[tokio::test]
async fn closes_are_counted_by_code_with_one_label_for_unusual_codes() {
    let server = server();
    let before = server.scrape().await;
    for code in [1000, 1001, 4321, 3000] {
        let mut client = server.connect("alice").await;
        let close = CloseFrame { code: code.into(), reason: "".into() };
        client.send_message(Message::Close(Some(close))).await;
        assert_eq!(client.end().await.0, code);
    }
    let mut wordless = server.connect("alice").await;
    wordless.send_message(Message::Close(None)).await;
    wordless.end().await;
    drop(server.connect("alice").await);
    let mut babbling = server.connect("alice").await;
    babbling.send_text("not JSON").await;
    assert_eq!(babbling.end().await.0, 4002);
    let mut stranger = server.open("garbage").await;
    assert_eq!(stranger.end().await.0, 4001);

    let code = |code: &str| format!("realtime_closes_total{{code=\"{code}\"}}");
    server
        .wait_for_samples([
            (&code("1000"), 1),
            (&code("1001"), 1),
            (&code("1005"), 1),
            (&code("1006"), 1),
            (&code("4001"), 1),
            (&code("4002"), 1),
            (&code("other"), 2),
            ("realtime_connections", 0),
        ])
        .await;
    let after = server.scrape().await;
    assert_eq!(after.sum("realtime_closes_total"), 8);
    assert!(after.samples().eq(before.samples()), "the set of samples is fixed");
}

#[tokio::test]
async fn refused_upgrades_are_counted_by_status() {
    let server = server_with(|config| config.auth_failures_per_minute = 1);
    for (target, headers, status) in [
        ("/ws?token=bad", "", 101),
        ("/ws?token=bad", "", 429),
        ("/ws?token=a&token=b", "", 400),
        ("/ws", "Origin: https://evil.example.org\r\n", 403),
        ("/elsewhere", "", 404),
        ("/api/v1/ws/", "", 404),
    ] {
        let mut raw = server.dial().await;
        raw.send_upgrade(target, headers).await;
        assert_eq!(raw.head().await.status, status, "{target}");
    }
    assert_eq!(request(&mut server.dial().await, "GET", "/ws").await.status, 426);
    assert_eq!(request(&mut server.dial().await, "GET", "/favicon.ico").await.status, 404, "not an upgrade");
    let status = |status: u16| format!("realtime_refused_upgrades_total{{status=\"{status}\"}}");
    server
        .wait_for_samples([
            (&status(400), 1),
            (&status(403), 1),
            (&status(404), 2),
            (&status(426), 1),
            (&status(429), 1),
            (&status(503), 0),
        ])
        .await;
}

#[tokio::test]
async fn refusals_are_counted_by_code() {
    let server = server();
    let mut alice = server.connect("alice").await;
    for _ in 0..2 {
        alice.send(leave_room("lobby")).await;
        alice.expect(error("not_a_member")).await;
    }
    alice.send(json!({"type": "nonsense"})).await;
    alice.expect(error("unknown_type")).await;
    server
        .wait_for_samples([
            (r#"realtime_refusals_total{code="not_a_member"}"#, 2),
            (r#"realtime_refusals_total{code="unknown_type"}"#, 1),
            (r#"realtime_refusals_total{code="rate_limited"}"#, 0),
        ])
        .await;
}

/// A server that accepts a burst of five requests, and one a second.
fn slow_server() -> TestServer {
    server_with(|config| {
        config.limits.max_messages_per_second = 1;
        config.limits.message_burst = 5;
    })
}

#[tokio::test]
async fn typing_is_delivered_or_counted_as_dropped() {
    const TYPED: u64 = 50;
    let server = slow_server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    alice.join("lobby").await;
    let typing = |number| json!({"type": "typing", "room": "lobby", "is_typing": number % 2 == 0});
    alice.send_all((0..TYPED).map(typing).chain([message("lobby", "done")])).await;
    let mut received = 0;
    while bob.next().await["type"] != "message" {
        received += 1;
    }
    // The first frame is the join of alice.
    let dropped = TYPED - (received - 1);
    assert!(dropped > 0);
    server.wait_for_samples([(r#"realtime_drops_total{reason="typing_rate"}"#, dropped)]).await;
}

#[tokio::test]
async fn pings_beyond_the_rate_are_answered_and_counted() {
    const PINGS: usize = 50;
    let server = slow_server();
    let mut raw = server.connect_raw("alice").await;
    let pongs = raw.exchange(&masked(0x89, b"").repeat(PINGS), PINGS).await;
    assert!(pongs.iter().all(|pong| pong.opcode == 10), "all are answered");
    let figures = server.scrape().await;
    let dropped = figures.of(r#"realtime_drops_total{reason="control_rate"}"#);
    assert!((1..PINGS as u64).contains(&dropped), "{dropped}");
}

#[tokio::test]
async fn connections_dropped_without_a_response_are_counted() {
    let server = server_with(|config| {
        config.limits.max_anonymous_connections = Some(8);
        config.limits.max_connections_per_address = 0;
        config.timing.header_timeout = Duration::from_hours(1);
    });
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(server.dial().await);
    }
    for raw in &mut silent[..2] {
        raw.end().await;
    }
    server.wait_for_samples([(r#"realtime_drops_total{reason="connection_limit"}"#, 2)]).await;
}

#[tokio::test]
async fn each_server_has_metrics_of_its_own() {
    let (one, other) = (server(), server());
    let mut alice = one.connect("alice").await;
    alice.send(join_room("lobby")).await;
    alice.next().await;
    one.wait_for_samples([("realtime_connections", 1)]).await;
    other.wait_for_samples([("realtime_connections", 0), ("realtime_rooms", 0)]).await;
    let version = format!("realtime_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    one.wait_for_samples([(&version, 1)]).await;
    let started: Value = one.scrape().await.of("realtime_start_time_seconds").into();
    assert!(
        started.as_u64() <= Some(crate::support::now_seconds()) && started.as_u64() > Some(1_700_000_000)
    );
}
