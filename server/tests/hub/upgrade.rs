//! From a request to a WebSocket, or to one of the ways not to become one.

use std::time::Duration;

use realtime_shared::Claims;

use crate::support::{Head, Raw, TestServer, claims, now_seconds, server, server_with, token};

/// Sends an upgrade and takes the head of the answer.
async fn ask(server: &TestServer, target: &str, headers: &str) -> (Raw, Head) {
    let mut raw = server.dial().await;
    raw.ask_to_upgrade(target, headers).await;
    let head = raw.head().await;
    (raw, head)
}

/// Sends an upgrade that is refused, and takes the status.
async fn refused(server: &TestServer, target: &str, headers: &str) -> u16 {
    ask(server, target, headers).await.1.status
}

/// Sends an upgrade that makes a connection of alice's.
#[track_caller]
fn accepted(server: &TestServer, target: &str, headers: &str) -> impl Future<Output = Head> {
    let caller = std::panic::Location::caller();
    async move {
        let (mut raw, head) = ask(server, target, headers).await;
        assert_eq!(head.status, 101, "{caller}");
        assert_eq!(raw.json().await["user_id"], "alice", "{caller}");
        head
    }
}

#[tokio::test]
async fn the_handshake_is_the_rfcs() {
    let server = server();
    let head = accepted(&server, &format!("/api/v1/ws?token={}", token(&claims("alice"))), "").await;
    // RFC 6455, section 1.3.
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(head.header("sec-websocket-protocol"), None);
    assert_eq!(head.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn a_token_is_given_in_one_of_three_ways() {
    let server = server();
    let token = token(&claims("alice"));
    for path in ["/api/v1/ws", "/ws"] {
        let head = accepted(&server, &format!("{path}?token={token}"), "").await;
        assert_eq!(head.header("sec-websocket-protocol"), None);
        let head = accepted(&server, path, &format!("Authorization: Bearer {token}\r\n")).await;
        assert_eq!(head.header("sec-websocket-protocol"), None);
        let offer = format!("Sec-WebSocket-Protocol: realtime.v1, bearer.{token}\r\n");
        let head = accepted(&server, path, &offer).await;
        assert_eq!(head.header("sec-websocket-protocol"), Some("realtime.v1"), "never the token");
    }
}

#[tokio::test]
async fn the_same_token_twice_is_one() {
    let server = server();
    let token = token(&claims("alice"));
    let headers = format!(
        "Authorization: Bearer {token}\r\nSec-WebSocket-Protocol: bearer.{token}\r\n\
         Sec-WebSocket-Protocol: realtime.v1\r\n"
    );
    let head = accepted(&server, &format!("/ws?token={token}"), &headers).await;
    assert_eq!(head.header("sec-websocket-protocol"), Some("realtime.v1"));
}

#[tokio::test]
async fn two_tokens_that_differ_are_refused() {
    let server = server();
    let (alice, bob) = (token(&claims("alice")), token(&claims("bob")));
    let in_query = format!("/ws?token={alice}");
    assert_eq!(refused(&server, &format!("{in_query}&token={bob}"), "").await, 400);
    assert_eq!(refused(&server, &in_query, &format!("Authorization: Bearer {bob}\r\n")).await, 400);
    let offer = format!("Sec-WebSocket-Protocol: realtime.v1, bearer.{bob}\r\n");
    assert_eq!(refused(&server, &in_query, &offer).await, 400);
    let both = format!("Authorization: Bearer {alice}\r\n{offer}");
    assert_eq!(refused(&server, "/ws", &both).await, 400);
}

#[tokio::test]
async fn a_bearer_needs_its_subprotocol() {
    let server = server();
    let offer = format!("Sec-WebSocket-Protocol: bearer.{}\r\n", token(&claims("alice")));
    assert_eq!(refused(&server, "/ws", &offer).await, 400);
}

#[tokio::test]
async fn every_bad_token_has_the_same_answer() {
    let server = server_with(|config| {
        config.auth_failures_per_minute = 0;
        config.issuer = Some("us".to_owned());
    });
    let good = Claims { iss: Some("us".to_owned()), ..claims("alice") };
    accepted(&server, &format!("/ws?token={}", token(&good)), "").await;
    let expired = Claims { exp: now_seconds() - 60, ..good.clone() };
    let changed = {
        let signed = token(&good);
        let (body, signature) = signed.rsplit_once('.').expect("a signature");
        format!("{body}.{}", signature.chars().rev().collect::<String>())
    };
    // {"alg":"none","typ":"JWT"} . {"sub":"alice","exp":99999999999,"iss":"us"}
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.\
                    eyJzdWIiOiJhbGljZSIsImV4cCI6OTk5OTk5OTk5OTksImlzcyI6InVzIn0.";
    for target in [
        "/ws".to_owned(),
        "/ws?token=".to_owned(),
        "/ws?token=garbage".to_owned(),
        format!("/ws?token={}", token(&expired)),
        format!("/ws?token={}", token(&claims("alice"))),
        format!("/ws?token={changed}"),
        format!("/ws?token={unsigned}"),
    ] {
        let (mut raw, head) = ask(&server, &target, "").await;
        assert_eq!(head.status, 101, "{target}");
        assert_eq!(raw.close().await, (4001, "Authentication failed".to_owned()), "{target}");
    }
}

#[tokio::test]
async fn an_address_that_failed_twenty_times_is_not_upgraded() {
    let server = server();
    let good = format!("/ws?token={}", token(&claims("alice")));
    for _ in 0..20 {
        let (mut raw, head) = ask(&server, "/ws?token=bad", "").await;
        assert_eq!(head.status, 101);
        assert_eq!(raw.close().await.0, 4001);
    }
    for target in ["/ws?token=bad", &good] {
        let (_, head) = ask(&server, target, "").await;
        assert_eq!(head.status, 429, "{target}");
        let wait: u64 = head.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn what_is_no_upgrade_is_told_so() {
    let server = server();
    for request in [
        "GET /api/v1/ws HTTP/1.1\r\nHost: test\r\n\r\n",
        "POST /ws HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ] {
        let mut raw = server.dial().await;
        raw.send(request.as_bytes()).await;
        let head = raw.head().await;
        assert_eq!(head.status, 426, "{request}");
        assert_eq!(head.header("sec-websocket-version"), Some("13"));
    }
}

#[tokio::test]
async fn other_paths_are_not_found_and_health_is_told() {
    let server = server();
    let mut raw = server.dial().await;
    // One connection, kept alive.
    for (path, status, body) in
        [("/healthz", 200, Some("ok\n")), ("/", 404, None), ("/api/v1/wss", 404, None)]
    {
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).await;
        let head = raw.head().await;
        assert_eq!(head.status, status, "{path}");
        let text = raw.body(&head).await;
        assert!(body.is_none_or(|body| body == text), "{path}: {text}");
    }
    assert_eq!(refused(&server, "/elsewhere", "").await, 404);
}

#[tokio::test]
async fn with_a_list_only_its_origins_may_come() {
    let server = server_with(|config| config.allowed_origins = vec!["https://chat.example.org".to_owned()]);
    let target = format!("/ws?token={}", token(&claims("alice")));
    accepted(&server, &target, "").await;
    accepted(&server, &target, "Origin: https://chat.example.org\r\n").await;
    for origin in
        ["https://evil.example.org", "http://chat.example.org", "null", "https://chat.example.org.evil"]
    {
        assert_eq!(refused(&server, &target, &format!("Origin: {origin}\r\n")).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn without_a_list_every_origin_may_come() {
    let server = server();
    let target = format!("/ws?token={}", token(&claims("alice")));
    accepted(&server, &target, "Origin: https://anywhere.example.org\r\n").await;
}

/// With one place taken the next one is told to wait, and comes in when the place is free.
async fn the_second_waits(server: TestServer) {
    let alice = server.connect("alice").await;
    let target = format!("/ws?token={}", token(&claims("alice")));
    let (_, head) = ask(&server, &target, "").await;
    assert_eq!(head.status, 503);
    let wait: u64 = head.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!(wait > 0);

    alice.close().await;
    // The place is free a moment after the close was seen.
    while ask(&server, &target, "").await.1.status == 503 {}
}

#[tokio::test]
async fn too_many_connections_in_all_are_told_to_wait() {
    the_second_waits(server_with(|config| config.limits.max_connections = 1)).await;
}

#[tokio::test]
async fn too_many_connections_of_an_address_are_told_to_wait() {
    the_second_waits(server_with(|config| config.limits.max_connections_per_address = 1)).await;
}

#[tokio::test]
async fn too_many_connections_of_a_user_are_closed() {
    let server = server_with(|config| config.limits.max_connections_per_user = 2);
    let first = server.connect("alice").await;
    let mut second = server.connect("alice").await;
    let mut third = server.open(&token(&claims("alice"))).await;
    third.expect_close(4005, "Too many connections").await;
    let mut bob = server.connect("bob").await;
    bob.nothing_else().await;
    second.nothing_else().await;

    first.close().await;
    // The place is free a moment after the close was seen.
    while server.open(&token(&claims("alice"))).await.frame_or_close().await.is_err() {}
}

#[tokio::test]
async fn half_a_request_is_not_waited_for() {
    let server = server_with(|config| config.timing.header_timeout = Duration::from_millis(100));
    for beginning in ["", "GET /ws HT", "GET /ws HTTP/1.1\r\nHost: test\r\nX-Slow: "] {
        let mut raw = server.dial().await;
        raw.send(beginning.as_bytes()).await;
        raw.end().await;
    }
}

#[tokio::test]
async fn a_head_has_a_size() {
    let server = server();
    let large = format!("X-Large: {}\r\n", "x".repeat(64 * 1024));
    let mut raw = server.dial().await;
    raw.ask_to_upgrade("/ws", &large).await;
    assert_eq!(raw.head().await.status, 431);

    // A long token with much beside it is fine.
    let many = Claims { rooms: Some(vec!["x".repeat(100); 50]), ..claims("alice") };
    let offer = format!("Sec-WebSocket-Protocol: realtime.v1, bearer.{}\r\n", token(&many));
    let beside = format!("Cookie: {}\r\n", "x".repeat(16 * 1024));
    accepted(&server, "/ws", &(offer + &beside)).await;
}

#[tokio::test]
async fn what_comes_with_the_request_is_not_lost() {
    let server = server();
    let mut raw = server.dial().await;
    let mut bytes = format!(
        "GET /ws?token={} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        token(&claims("alice"))
    )
    .into_bytes();
    bytes.extend(crate::support::masked(0x81, br#"{"type":"ping","nonce":"early"}"#));
    raw.send(&bytes).await;
    assert_eq!(raw.head().await.status, 101);
    raw.welcomed().await;
    assert_eq!(raw.json().await["nonce"], "early");
}
