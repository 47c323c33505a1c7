//! Places of connections: those without a valid token keep nobody out, and metrics have listeners and limits of their own.

use std::time::{Duration, Instant};

use crate::support::{RawClient, TestServer, claims, server, server_at, server_with, token};

const HEALTHZ: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
/// Connections that were closed because others took their places.
const EVICTED: &str = r#"realtime_drops_total{reason="connection_limit"}"#;

/// A connection that was answered and stays open.
async fn idle(server: &TestServer) -> RawClient {
    let mut raw = server.dial().await;
    raw.send(HEALTHZ).await;
    let head = raw.head().await;
    assert_eq!(head.status, 200);
    raw.body(&head).await;
    raw
}

/// A server with places for three users and eight others.
fn small_server() -> TestServer {
    server_with(|config| {
        config.limits.max_connections = 3;
        config.limits.max_anonymous_connections = Some(8);
        config.limits.max_connections_per_address = 0;
        config.auth_failures_per_minute = 0;
    })
}

#[tokio::test]
async fn idle_connections_do_not_keep_users_out() {
    let server = small_server();
    let mut first = idle(&server).await;
    let mut flood = Vec::new();
    for _ in 0..20 {
        flood.push(idle(&server).await);
    }
    first.end().await;
    // Each user's request finds the pool full.
    let mut users = Vec::new();
    for user in ["alice", "bob", "carol"] {
        users.push(server.connect(user).await);
        flood.push(idle(&server).await);
    }
    let mut dave = server.dial().await;
    dave.send_upgrade(&format!("/ws?token={}", token(&claims("dave"))), "").await;
    assert_eq!(dave.head().await.status, 503, "all places of users are taken");
    for user in &mut users {
        user.expect_nothing_else().await;
    }
    server.wait_for_samples([("realtime_connections", 3), (EVICTED, 21 - 8 + 3 + 1)]).await;
}

#[tokio::test]
async fn unfinished_requests_do_not_keep_users_out() {
    let server = small_server();
    let mut flood = Vec::new();
    for _ in 0..20 {
        let mut raw = server.dial().await;
        raw.send(b"GET /ws?token=").await;
        flood.push(raw);
    }
    let mut alice = server.connect("alice").await;
    for raw in &mut flood[..12] {
        raw.end().await;
    }
    alice.expect_nothing_else().await;
}

#[tokio::test]
async fn refused_tokens_do_not_keep_users_out() {
    let server = small_server();
    let mut flood = Vec::new();
    for _ in 0..20 {
        let mut raw = server.dial().await;
        raw.send_upgrade("/ws?token=bad", "").await;
        assert_eq!(raw.head().await.status, 101);
        // It gets its close frame and does not close.
        flood.push(raw);
    }
    let mut alice = server.connect("alice").await;
    alice.expect_nothing_else().await;
    let (code, _) = flood[0].close().await;
    assert_eq!(code, 4001);
}

#[tokio::test]
async fn a_refused_connection_of_one_user_takes_no_place_of_another() {
    let server = server_with(|config| {
        config.limits.max_connections = 2;
        config.limits.max_connections_per_user = 1;
    });
    let mut alice = server.connect("alice").await;
    let target = format!("/ws?token={}", token(&claims("alice")));
    let mut again = server.dial().await;
    again.send_upgrade(&target, "").await;
    // A user connects once a second.
    while again.head().await.status == 429 {
        again = server.dial().await;
        again.send_upgrade(&target, "").await;
    }
    let close = again.frame().await.expect("a close").close();
    assert_eq!(close.0, 4005);
    // This client does not end the connection.
    let mut bob = server.connect("bob").await;
    bob.expect_nothing_else().await;
    alice.expect_nothing_else().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_keep_alive_time() {
    let server = server_with(|config| config.timing.keep_alive = Duration::from_millis(50));
    idle(&server).await.end().await;
    // An upgraded connection is not idle.
    let mut alice = server.connect("alice").await;
    idle(&server).await.end().await;
    alice.expect_nothing_else().await;
}

#[tokio::test]
async fn an_answer_renews_the_place_of_a_connection() {
    let server = small_server();
    let mut active = idle(&server).await;
    for _ in 0..20 {
        idle(&server).await;
        active.send(HEALTHZ).await;
        let head = active.head().await;
        assert_eq!(head.status, 200);
        active.body(&head).await;
    }
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_at_a_limited_rate() {
    let server = server();
    for (mut raw, earliest) in [(server.dial().await, 400), (server.dial_admin().await, 0)] {
        let begun = Instant::now();
        raw.send(&HEALTHZ.repeat(12)).await;
        for _ in 0..12 {
            let head = raw.head().await;
            assert_eq!((head.status, &*raw.body(&head).await), (200, "ok\n"));
        }
        assert!(begun.elapsed() >= Duration::from_millis(earliest), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn admin_listeners_serve_metrics_and_health_only() {
    let server = server();
    server.ready().await;
    for (path, public, admin) in
        [("/healthz", 200, 200), ("/readyz", 200, 200), ("/metrics", 404, 200), ("/ws", 426, 404)]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        for (mut raw, status) in [(server.dial().await, public), (server.dial_admin().await, admin)] {
            raw.send(request.as_bytes()).await;
            let head = raw.head().await;
            assert_eq!(
                (head.status, head.header("referrer-policy")),
                (status, Some("no-referrer")),
                "{path}"
            );
        }
    }
    let mut raw = server.dial_admin().await;
    raw.send_upgrade(&format!("/ws?token={}", token(&claims("alice"))), "").await;
    assert_eq!(raw.head().await.status, 404);
}

#[tokio::test]
async fn public_connections_take_no_place_of_an_admin_listener() {
    let server = small_server();
    let mut prometheus = server.dial_admin().await;
    let mut flood = Vec::new();
    for _ in 0..300 {
        flood.push(idle(&server).await);
    }
    prometheus.send(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(prometheus.head().await.status, 200);
}

#[tokio::test]
async fn public_requests_for_metrics_are_limited() {
    let server = server_at("127.0.0.1:0", |_| ());
    let mut raw = server.dial().await;
    let request = b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut statuses = Vec::new();
    // Ten a second are answered, so one of these is refused unless they take twenty seconds.
    while !statuses.contains(&429) && statuses.len() < 200 {
        raw.send(request).await;
        let head = raw.head().await;
        let body = raw.body(&head).await;
        assert_eq!(head.status == 200, body.contains("realtime_connections"), "{body}");
        assert_eq!(head.header("retry-after"), (head.status == 429).then_some("1"));
        statuses.push(head.status);
    }
    assert_eq!((statuses[0], statuses.last()), (200, Some(&429)), "{statuses:?}");
    raw.send(HEALTHZ).await;
    assert_eq!(raw.head().await.status, 200, "health is not limited");
}
