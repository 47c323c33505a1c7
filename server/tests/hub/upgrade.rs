//! Upgrade requests: tokens, origins, limits, and other HTTP requests.

use std::time::Duration;

use realtime_shared::Claims;

use crate::support::{RawClient, ResponseHead, TestServer, claims, now_seconds, server, server_with, token};

/// Sends an upgrade request and receives the head of the response.
async fn request(server: &TestServer, target: &str, headers: &str) -> (RawClient, ResponseHead) {
    let mut raw = server.dial().await;
    raw.send_upgrade(target, headers).await;
    let head = raw.head().await;
    (raw, head)
}

/// Sends an upgrade request and returns the status of the response.
async fn refused(server: &TestServer, target: &str, headers: &str) -> u16 {
    request(server, target, headers).await.1.status
}

/// Sends an upgrade request and asserts that it makes a connection of alice.
#[track_caller]
fn accepted(server: &TestServer, target: &str, headers: &str) -> impl Future<Output = ResponseHead> {
    let caller = std::panic::Location::caller();
    async move {
        let (mut raw, head) = request(server, target, headers).await;
        assert_eq!(head.status, 101, "{caller}");
        assert_eq!(raw.json().await["user_id"], "alice", "{caller}");
        head
    }
}

#[tokio::test]
async fn the_handshake_follows_rfc_6455() {
    let server = server();
    let head = accepted(&server, &format!("/api/v1/ws?token={}", token(&claims("alice"))), "").await;
    // RFC 6455, section 1.3.
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(head.header("sec-websocket-protocol"), None);
    assert_eq!(head.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn a_token_is_accepted_in_query_header_and_subprotocol() {
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
async fn a_repeated_token_is_accepted() {
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
async fn different_tokens_in_one_request_are_refused() {
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
async fn a_token_in_the_subprotocol_requires_realtime_v1() {
    let server = server();
    let offer = format!("Sec-WebSocket-Protocol: bearer.{}\r\n", token(&claims("alice")));
    assert_eq!(refused(&server, "/ws", &offer).await, 400);
}

#[tokio::test]
async fn all_invalid_tokens_are_closed_with_the_same_4001() {
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
        let (mut raw, head) = request(&server, &target, "").await;
        assert_eq!(head.status, 101, "{target}");
        assert_eq!(raw.close().await, (4001, "Authentication failed".to_owned()), "{target}");
    }
}

#[tokio::test]
async fn an_address_with_twenty_failures_gets_429() {
    let server = server();
    let good = format!("/ws?token={}", token(&claims("alice")));
    for _ in 0..20 {
        let (mut raw, head) = request(&server, "/ws?token=bad", "").await;
        assert_eq!(head.status, 101);
        assert_eq!(raw.close().await.0, 4001);
    }
    for target in ["/ws?token=bad", &good] {
        let (_, head) = request(&server, target, "").await;
        assert_eq!(head.status, 429, "{target}");
        let wait: u64 = head.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn a_request_without_an_upgrade_gets_426() {
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
async fn healthz_is_answered_and_unknown_paths_get_404() {
    let server = server();
    let mut raw = server.dial().await;
    // All requests use one connection.
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
async fn only_listed_origins_are_accepted() {
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
async fn all_origins_are_accepted_without_a_list() {
    let server = server();
    let target = format!("/ws?token={}", token(&claims("alice")));
    accepted(&server, &target, "Origin: https://anywhere.example.org\r\n").await;
}

/// Asserts that a second connection gets 503 with `Retry-After`, and is accepted after the first one has closed.
async fn assert_second_gets_503(server: TestServer) {
    let alice = server.connect("alice").await;
    let target = format!("/ws?token={}", token(&claims("alice")));
    let (_, head) = request(&server, &target, "").await;
    assert_eq!(head.status, 503);
    let wait: u64 = head.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!(wait > 0);

    alice.close().await;
    // The server counts the close a moment after the client has seen it.
    while request(&server, &target, "").await.1.status == 503 {}
}

#[tokio::test]
async fn too_many_connections_in_total_get_503() {
    assert_second_gets_503(server_with(|config| config.limits.max_connections = 1)).await;
}

#[tokio::test]
async fn too_many_connections_of_an_address_get_503() {
    assert_second_gets_503(server_with(|config| config.limits.max_connections_per_address = 1)).await;
}

#[tokio::test]
async fn too_many_connections_of_a_user_are_closed_with_4005() {
    let server = server_with(|config| config.limits.max_connections_per_user = 2);
    let first = server.connect("alice").await;
    let mut second = server.connect("alice").await;
    let mut third = server.open(&token(&claims("alice"))).await;
    third.expect_close(4005, "Too many connections").await;
    let mut bob = server.connect("bob").await;
    bob.expect_nothing_else().await;
    second.expect_nothing_else().await;

    first.close().await;
    // The server counts the close a moment after the client has seen it.
    while server.open(&token(&claims("alice"))).await.frame_or_close().await.is_err() {}
}

#[tokio::test]
async fn an_incomplete_request_is_dropped_after_the_header_timeout() {
    let server = server_with(|config| config.timing.header_timeout = Duration::from_millis(100));
    for beginning in ["", "GET /ws HT", "GET /ws HTTP/1.1\r\nHost: test\r\nX-Slow: "] {
        let mut raw = server.dial().await;
        raw.send(beginning.as_bytes()).await;
        raw.end().await;
    }
}

#[tokio::test]
async fn a_request_head_beyond_the_size_limit_gets_431() {
    let server = server();
    let large = format!("X-Large: {}\r\n", "x".repeat(64 * 1024));
    let mut raw = server.dial().await;
    raw.send_upgrade("/ws", &large).await;
    assert_eq!(raw.head().await.status, 431);

    // A long token beside long headers is accepted.
    let many = Claims { rooms: Some(vec!["x".repeat(100); 50]), ..claims("alice") };
    let offer = format!("Sec-WebSocket-Protocol: realtime.v1, bearer.{}\r\n", token(&many));
    let beside = format!("Cookie: {}\r\n", "x".repeat(16 * 1024));
    accepted(&server, "/ws", &(offer + &beside)).await;
}

#[tokio::test]
async fn a_frame_sent_with_the_upgrade_request_is_handled() {
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
    raw.expect_welcome().await;
    assert_eq!(raw.json().await["nonce"], "early");
}
