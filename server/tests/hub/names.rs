//! Names and ids: normalization forms of rooms and users, characters of ids, and claims that are null.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{
    SECRET, TestClient, TestServer, admin, error, join_room, message, message_from, message_with_id,
    now_seconds, server, server_with,
};

/// `é` as one character and as two, which look the same.
const COMPOSED: &str = "caf\u{e9}";
const DECOMPOSED: &str = "cafe\u{301}";

/// Asserts the refusal of a new room whose name is not in NFC.
#[track_caller]
fn expect_not_nfc(alice: &mut TestClient) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let refusal = alice.wait_for(error("invalid_room")).await;
        assert_eq!(refusal["room"], DECOMPOSED, "{caller}");
        let text = refusal["message"].as_str().expect("a text");
        assert!(text.contains(&format!("\"{COMPOSED}\"")), "{caller}: {text}");
    }
}

/// A client with a token of these claims, which need not be valid.
async fn connect_with(server: &TestServer, claims: &Value) -> TestClient {
    server.open(&sign(claims)).await
}

/// A token with these claims.
fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

#[tokio::test]
async fn a_new_room_whose_name_is_not_in_nfc_is_refused_with_its_nfc_form() {
    let server = server();
    let mut alice = server.connect("alice").await;
    for frame in [
        join_room(DECOMPOSED),
        message(DECOMPOSED, "hello"),
        message_with_id(DECOMPOSED, "hello", "1"),
        json!({"type": "history", "room": DECOMPOSED}),
        json!({"type": "members", "room": DECOMPOSED}),
        json!({"type": "members", "room": DECOMPOSED, "prefix": "a"}),
    ] {
        alice.send(frame).await;
        expect_not_nfc(&mut alice).await;
    }
    alice.send(json!({"type": "list_rooms"})).await;
    assert_eq!(alice.next().await["rooms"], json!([]), "nothing was founded");

    alice.join(COMPOSED).await;
    alice.post(COMPOSED, "hello").await;
    alice.send(message_with_id(COMPOSED, "hello", "1")).await;
    alice.wait_for(json!({"type": "ack", "duplicate": false})).await;
    // The stored room has another name.
    alice.send(join_room(DECOMPOSED)).await;
    expect_not_nfc(&mut alice).await;
}

#[tokio::test]
async fn both_forms_of_a_sub_are_one_user() {
    let server = server_with(|config| config.limits.max_connections_per_user = 1);
    let sub = |form: &str| json!({"sub": form, "exp": now_seconds() + 3_600});
    let mut first = connect_with(&server, &sub(DECOMPOSED)).await;
    let welcome = first.wait_for(json!({"event": "welcome"})).await;
    assert_eq!(welcome["user_id"], COMPOSED);
    let mut second = server.dial().await;
    second.send_upgrade(&format!("/ws?token={}", sign(&sub(COMPOSED))), "").await;
    assert_eq!(second.head().await.status, 429, "the second connect of one user");

    first.send(join_room("lobby")).await;
    first.wait_for(json!({"event": "joined", "user_id": COMPOSED, "members": [COMPOSED]})).await;
    first.send(message("lobby", "hello")).await;
    first.wait_for(message_from(COMPOSED, "lobby", "hello")).await;

    let mut root = server.connect_as(&admin("root")).await;
    root.send(json!({"type": "notice", "message": "to you", "user_id": DECOMPOSED})).await;
    first.wait_for(json!({"event": "notice", "message": "to you"})).await;
}

#[tokio::test]
async fn ids_with_control_or_bidi_characters_are_refused_and_not_repeated() {
    let server = server();
    let mut alice = server.connect("alice").await;
    alice.join("lobby").await;
    for bad in ["a\u{0}", "a\nb", "\u{1b}[2J", "\u{85}", "a\u{202e}b", "\u{2067}", "\u{200f}", "\u{61c}"] {
        for frame in [
            message_with_id("lobby", "hello", bad),
            json!({"type": "message", "room": "lobby", "text": "hello", "ref": bad}),
            json!({"type": "ping", "nonce": bad}),
            json!({"type": "ping", "ref": bad}),
        ] {
            alice.send(frame.clone()).await;
            let refusal = alice.next().await;
            assert_eq!(refusal["code"], "bad_request", "{frame}: {refusal}");
            assert_eq!((&refusal["client_msg_id"], &refusal["ref"]), (&Value::Null, &Value::Null), "{frame}");
        }
    }
    for good in ["a b", "ü", "🦀", "a\u{200d}b"] {
        alice.send(json!({"type": "ping", "nonce": good, "ref": good})).await;
        alice.wait_for(json!({"type": "pong", "nonce": good, "ref": good})).await;
    }
}

#[tokio::test]
async fn null_claims_count_as_absent_except_rooms() {
    let server = server_with(|config| config.auth_failures_per_minute = 0);
    let with = |name: &str, value: Value| {
        let mut all = json!({"sub": "alice", "exp": now_seconds() + 3_600});
        all[name] = value;
        all
    };
    for absent in ["nbf", "role", "read_only", "iss", "aud", "iat", "jti"] {
        let mut alice = connect_with(&server, &with(absent, Value::Null)).await;
        alice.wait_for(json!({"event": "welcome", "user_id": "alice"})).await;
        alice.send(join_room("lobby")).await;
        alice.send(message("lobby", "hello")).await;
        alice.wait_for(message_from("alice", "lobby", "hello")).await;
        alice.close().await;
    }
    for required in ["rooms", "sub", "exp"] {
        let mut alice = connect_with(&server, &with(required, Value::Null)).await;
        alice.expect_close(4001, "Authentication failed").await;
    }

    let strict = server_with(|config| {
        config.issuer = Some("us".to_owned());
        config.audience = Some("chat".to_owned());
    });
    for (issuer, audience) in [(Value::Null, json!("chat")), (json!("us"), Value::Null)] {
        let claims = json!({"sub": "alice", "exp": now_seconds() + 3_600, "iss": issuer, "aud": audience});
        connect_with(&strict, &claims).await.expect_close(4001, "Authentication failed").await;
    }
}
