//! Rights and lifetime of tokens, and notices of admins.

use std::time::Duration;

use realtime_server::config::OnExpiry;
use realtime_shared::Claims;
use serde_json::{Value, json};

use crate::support::{
    admin, claims, error, globs, join_room, joined, left, message, message_from, now_seconds, server,
    server_with, token,
};

/// Frame of a notice with the fields of `to`.
fn notice(text: &str, to: &Value) -> Value {
    let mut frame = json!({"type": "notice", "message": text});
    for (field, value) in to.as_object().expect("an object") {
        frame[field] = value.clone();
    }
    frame
}

#[tokio::test]
async fn a_refresh_requires_a_valid_token_of_the_same_user() {
    let server = server();
    let mut alice = server.connect_as(&Claims { rooms: Some(globs(&["lobby"])), ..claims("alice") }).await;
    alice.join("lobby").await;
    for bad in [token(&claims("bob")), token(&Claims { exp: 1, ..claims("alice") }), "garbage".to_owned()] {
        alice.send(json!({"type": "refresh", "token": bad})).await;
        alice.expect(error("forbidden")).await;
    }
    // The old token stays valid with its rights.
    alice.post("lobby", "still here").await;
    alice.send(join_room("kitchen")).await;
    alice.expect(error("forbidden")).await;

    let wider = Claims { exp: now_seconds() + 7_200, ..claims("alice") };
    alice.send(json!({"type": "refresh", "token": token(&wider)})).await;
    alice.expect(json!({"type": "refreshed", "expires_at": wider.exp * 1_000})).await;
    alice.join("kitchen").await;
    alice.post("lobby", "and there").await;
}

#[tokio::test]
async fn a_refresh_with_fewer_rights_removes_the_user_from_rooms() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    for room in ["lobby", "kitchen", "cellar"] {
        bob.join(room).await;
        alice.join(room).await;
        bob.expect(joined("alice", room)).await;
    }
    let narrower = Claims { rooms: Some(globs(&["lobby"])), ..claims("alice") };
    alice.send(json!({"type": "refresh", "token": token(&narrower)})).await;
    alice.expect(json!({"type": "refreshed"})).await;
    let mut lost = Vec::new();
    for _ in 0..2 {
        let event = alice.expect(json!({"type": "system", "event": "left", "reason": "kicked"})).await;
        lost.push(event["room"].as_str().expect("a room").to_owned());
        bob.expect(json!({"type": "system", "event": "left", "user_id": "alice", "reason": "kicked"})).await;
    }
    lost.sort_unstable();
    assert_eq!(lost, ["cellar", "kitchen"]);
    bob.post("kitchen", "who hears me?").await;
    alice.post("lobby", "not I").await;
    bob.expect(message_from("alice", "lobby", "not I")).await;
    alice.send(join_room("kitchen")).await;
    alice.expect(error("forbidden")).await;
}

/// Claims that expire within two seconds, since the server's leeway is five.
fn nearly_expired(user: &str) -> Claims {
    Claims { exp: now_seconds() - 3, ..claims(user) }
}

#[tokio::test]
async fn a_connection_with_an_expired_token_is_closed_with_4003() {
    let server = server_with(|config| config.timing.leave_grace = Duration::ZERO);
    let ignoring = server_with(|config| config.on_expiry = OnExpiry::Ignore);
    let short = nearly_expired("alice");
    let mut kept = ignoring.connect_as(&short).await;
    let mut refreshed = server.connect_as(&short).await;
    let mut closed = server.connect_as(&short).await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    for client in [&mut closed, &mut refreshed] {
        let warning = json!({"type": "system", "event": "token_expiring", "expires_at": short.exp * 1_000});
        assert!(client.expect(warning).await["message"].is_string());
    }
    refreshed.send(json!({"type": "refresh", "token": token(&claims("alice"))})).await;
    refreshed.expect(json!({"type": "refreshed"})).await;
    closed.join("lobby").await;
    bob.expect(joined("alice", "lobby")).await;

    closed.expect_close(4003, "Token expired").await;
    bob.expect(left("alice", "lobby", "disconnected")).await;
    // The token is refused for new connections too.
    server.open(&token(&short)).await.expect_close(4001, "Authentication failed").await;
    kept.expect_nothing_else().await;
    refreshed.expect_nothing_else().await;
}

#[tokio::test]
async fn a_token_that_expires_soon_causes_one_warning() {
    let server = server();
    let mut alice = server.connect_as(&Claims { exp: now_seconds() + 50, ..claims("alice") }).await;
    alice.expect(json!({"type": "system", "event": "token_expiring"})).await;
    alice.expect_nothing_else().await;
    let mut bob = server.connect_as(&Claims { exp: now_seconds() + 600, ..claims("bob") }).await;
    bob.expect_nothing_else().await;
}

#[tokio::test]
async fn admins_send_notices_to_a_room() {
    let server = server();
    let mut root = server.connect_as(&admin("root")).await;
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("lobby").await;
    bob.join("kitchen").await;
    root.send(notice("fire drill", &json!({"room": "lobby"}))).await;
    assert_eq!(
        alice.next().await,
        json!({"type": "system", "event": "notice", "message": "fire drill", "from": "root", "room": "lobby"})
    );
    bob.expect_nothing_else().await;
    // A notice is no entry.
    assert_eq!(server.connect("carol").await.join("lobby").await["position"]["seq"], 0);
}

#[tokio::test]
async fn admins_send_notices_to_a_user_and_to_everyone() {
    let server = server();
    let mut root = server.connect_as(&admin("root")).await;
    let mut alice = server.connect("alice").await;
    let mut alice_again = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    let received = |text: &str| json!({"type": "system", "event": "notice", "message": text, "from": "root"});
    root.send(notice("only you", &json!({"user_id": "alice"}))).await;
    assert_eq!(alice.next().await, received("only you"));
    assert_eq!(alice_again.next().await, received("only you"));
    root.send(notice("all of you", &json!({}))).await;
    for client in [&mut root, &mut alice, &mut alice_again, &mut bob] {
        assert_eq!(client.next().await, received("all of you"));
    }
    for to in [json!({}), json!({"room": "lobby"}), json!({"user_id": "bob"})] {
        alice.send(notice("I too", &to)).await;
        alice.expect(error("forbidden")).await;
    }
    bob.expect_nothing_else().await;
    root.send(notice("to both", &json!({"room": "lobby", "user_id": "bob"}))).await;
    root.expect(error("bad_request")).await;
}

#[tokio::test]
async fn grants_limit_rooms_and_posts() {
    let server = server();
    let limited =
        Claims { rooms: Some(globs(&["chat-*", "news"])), read_only: globs(&["news"]), ..claims("alice") };
    let mut alice = server.connect_as(&limited).await;
    for request in [
        join_room("lobby"),
        message("lobby", "hi"),
        json!({"type": "history", "room": "lobby"}),
        json!({"type": "members", "room": "lobby"}),
        json!({"type": "members", "room": "lobby", "prefix": "a"}),
    ] {
        alice.send(request).await;
        let refusal = alice.expect(error("forbidden")).await;
        assert_eq!(refusal["room"], "lobby");
        assert_eq!(refusal["temporary"], false);
    }
    alice.join("chat-one").await;
    alice.post("chat-one", "hi").await;
    alice.join("news").await;
    for request in [message("news", "mine"), json!({"type": "typing", "room": "news"})] {
        alice.send(request).await;
        alice.expect(error("forbidden")).await;
    }
    let mut root = server
        .connect_as(&Claims { rooms: Some(globs(&[])), read_only: globs(&["*"]), ..admin("root") })
        .await;
    root.join("news").await;
    alice.expect(joined("root", "news")).await;
    root.post("news", "extra").await;
    alice.expect(message_from("root", "news", "extra")).await;

    let mut without_rooms =
        server.connect_as(&Claims { rooms: Some(globs(&[])), ..claims("without rooms") }).await;
    without_rooms.send(join_room("lobby")).await;
    without_rooms.expect(error("forbidden")).await;
}

#[tokio::test]
async fn reserved_room_names_are_forbidden_for_admins_too() {
    let server = server();
    let mut root = server.connect_as(&admin("root")).await;
    for request in [
        join_room("dm:alice"),
        message("dm:alice", "psst"),
        json!({"type": "history", "room": "dm:alice"}),
        json!({"type": "members", "room": "dm:alice"}),
        json!({"type": "members", "room": "dm:alice", "prefix": "a"}),
        notice("psst", &json!({"room": "dm:alice"})),
    ] {
        root.send(request).await;
        root.expect(error("forbidden")).await;
    }
    root.join("dm").await;
}
