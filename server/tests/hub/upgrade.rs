//! Upgrade requests: tokens, origins, limits, and other HTTP requests.

use std::time::Duration;

use realtime_shared::Claims;

use crate::support::{
    RawClient, ResponseHead, TestServer, claims, now_seconds, server, server_at, server_with, token,
};

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
async fn an_address_with_twenty_failures_gets_429_for_failing_tokens_only() {
    let server = server();
    let good = format!("/ws?token={}", token(&claims("alice")));
    for _ in 0..20 {
        let (mut raw, head) = request(&server, "/ws?token=bad", "").await;
        assert_eq!(head.status, 101);
        assert_eq!(raw.close().await.0, 4001);
    }
    for target in ["/ws?token=bad", "/ws", "/ws?token="] {
        let (_, head) = request(&server, target, "").await;
        assert_eq!(head.status, 429, "{target}");
        let wait: u64 = head.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
        accepted(&server, &good, "").await;
    }
}

#[tokio::test]
async fn connects_of_an_address_are_limited_only_without_a_valid_token() {
    let server = server_with(|config| {
        config.auth_failures_per_minute = 3;
        config.limits.max_anonymous_connections = Some(8);
    });
    for _ in 0..3 {
        let (mut raw, head) = request(&server, "/ws?token=bad", "").await;
        assert_eq!((head.status, raw.close().await.0), (101, 4001));
    }
    let mut users = Vec::new();
    for number in 0..50 {
        assert_eq!(refused(&server, "/ws?token=bad", "").await, 429, "before user {number}");
        users.push(server.connect(&format!("user {number}")).await);
    }
    // An address holds two of the eight places without a token, beside those of its users.
    let [mut first, mut second, _third] = [server.dial().await, server.dial().await, server.dial().await];
    first.end().await;
    second.send(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(second.head().await.status, 200);
    for user in &mut users {
        user.expect_nothing_else().await;
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
async fn list_headers_of_an_upgrade_may_have_several_lines_and_elements() {
    let server = server();
    let token = token(&claims("alice"));
    for lists in [
        // Tcllib's client.
        "Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\n",
        "Connection: keep-alive,upgrade\r\nUpgrade: h2c\r\nUpgrade: WebSocket\r\n",
    ] {
        let mut raw = server.dial().await;
        let request = format!(
            "GET /ws?token={token} HTTP/1.1\r\nHost: test\r\n{lists}Sec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        raw.send(request.as_bytes()).await;
        let head = raw.head().await;
        assert_eq!(head.status, 101, "{lists}");
        assert_eq!(head.header("upgrade"), Some("websocket"), "{lists}");
        raw.expect_welcome().await;
    }
}

#[tokio::test]
async fn every_answer_forbids_a_referrer() {
    let server = server_at("127.0.0.1:0", |_| ());
    server.ready().await;
    let good = format!("/ws?token={}", token(&claims("alice")));
    for (target, headers, status) in [
        (&*good, "", 101),
        ("/ws?token=bad", "", 101),
        ("/ws?token=a&token=b", "", 400),
        (&*good, "Origin: https://evil.example.org\r\n", 403),
        ("/elsewhere", "", 404),
        ("/healthz", "", 200),
        ("/readyz", "", 200),
        ("/metrics", "", 200),
    ] {
        let (_, head) = request(&server, target, headers).await;
        assert_eq!((head.status, head.header("referrer-policy")), (status, Some("no-referrer")), "{target}");
    }
    let mut raw = server.dial().await;
    raw.send(b"POST /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n").await;
    let head = raw.head().await;
    assert_eq!((head.status, head.header("referrer-policy")), (405, Some("no-referrer")));
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

/// Asserts the status of an upgrade request with this `Origin` and `Host`.
#[track_caller]
fn origin_gets(server: &TestServer, origin: &str, host: &str, status: u16) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let mut raw = server.dial().await;
        let request = format!(
            "GET /ws?token={} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            token(&claims("alice"))
        );
        raw.send(request.as_bytes()).await;
        assert_eq!(raw.head().await.status, status, "{caller}: {origin} at {host}");
    }
}

#[tokio::test]
async fn a_loopback_listener_accepts_pages_on_loopback_hosts_only() {
    let server = server();
    accepted(&server, &format!("/ws?token={}", token(&claims("alice"))), "").await;
    for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080", "https://app.localhost"]
    {
        origin_gets(&server, origin, "chat.example.org", 101).await;
    }
    for origin in ["https://evil.example.org", "http://localhost.evil.example", "null", "file://", "nonsense"]
    {
        origin_gets(&server, origin, "127.0.0.1:8000", 403).await;
    }
    // The name of another site can resolve to a loopback address.
    origin_gets(&server, "http://evil.example.org:8000", "evil.example.org:8000", 403).await;
}

#[tokio::test]
async fn a_public_listener_also_accepts_pages_on_its_own_host() {
    let server = server_at("0.0.0.0:0", |_| ());
    origin_gets(&server, "http://chat.example.org:8000", "chat.example.org:8000", 101).await;
    origin_gets(&server, "https://Chat.example.org:443", "chat.example.org", 101).await;
    origin_gets(&server, "http://localhost:3000", "chat.example.org", 101).await;
    for origin in ["https://evil.example.org", "http://chat.example.org:8001", "https://example.org", "null"]
    {
        origin_gets(&server, origin, "chat.example.org:8000", 403).await;
    }
}

#[tokio::test]
async fn listed_origins_are_accepted_in_every_form() {
    let listed = ["https://chat.example.org", "https://bücher.example", "null", "file://"];
    let server = server_with(|config| {
        config.allowed_origins = listed.map(|origin| origin.parse().expect("an origin")).into();
    });
    for origin in listed.iter().chain(&[
        "HTTPS://Chat.Example.ORG:443",
        "https://xn--bcher-kva.example",
        "http://localhost",
    ]) {
        origin_gets(&server, origin, "chat", 101).await;
    }
    for origin in
        ["http://chat.example.org", "https://chat.example.org:8443", "https://chat.example.org.evil"]
    {
        origin_gets(&server, origin, "chat", 403).await;
    }
}

#[tokio::test]
async fn a_star_accepts_all_origins() {
    let server = server_with(|config| config.allowed_origins = vec!["*".parse().expect("a star")]);
    for origin in ["https://anywhere.example.org", "null", "nonsense"] {
        origin_gets(&server, origin, "chat", 101).await;
    }
}

#[tokio::test]
async fn a_refused_page_does_not_count_as_a_failed_authentication() {
    let server = server_with(|config| config.auth_failures_per_minute = 1);
    for _ in 0..3 {
        let from_a_page = "Origin: https://evil.example.org\r\n";
        assert_eq!(refused(&server, "/ws?token=bad", from_a_page).await, 403);
    }
    let (mut raw, head) = request(&server, "/ws?token=bad", "").await;
    assert_eq!(head.status, 101);
    assert_eq!(raw.close().await.0, 4001);
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
    let mut third = reconnect(&server, "alice").await;
    assert_eq!(third.close().await, (4005, "Too many connections".to_owned()));
    let mut bob = server.connect("bob").await;
    bob.expect_nothing_else().await;
    second.expect_nothing_else().await;

    first.close().await;
    // The server counts the close a moment after the client has seen it.
    while reconnect(&server, "alice").await.frame().await.is_none_or(|frame| frame.opcode != 1) {}
}

/// An upgraded connection of a user whose connects are refused at first, because they come too often.
async fn reconnect(server: &TestServer, user: &str) -> RawClient {
    let target = format!("/ws?token={}", token(&claims(user)));
    loop {
        let (raw, head) = request(server, &target, "").await;
        if head.status == 101 {
            return raw;
        }
        assert_eq!(head.status, 429);
    }
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
