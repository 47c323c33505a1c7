//! Search of messages over real sockets.

use realtime_server::config::Config;
use realtime_shared::Claims;
use serde_json::{Value, json};

use crate::support::{
    TestClient, TestServer, claims, error, globs, memory_server, memory_server_with, message_with_id, server,
    server_with, token,
};

/// Servers with rooms in memory, and with rooms in a store. Rooms on Redis cannot be searched.
async fn servers() -> Vec<TestServer> {
    let mut servers = vec![memory_server()];
    let server = server();
    if features(&server).await.contains(&json!("search")) {
        servers.push(server);
    }
    servers
}

async fn post(client: &mut TestClient, room: &str, text: &str, id: &str) -> Value {
    client.send(message_with_id(room, text, id)).await;
    client.wait_for(json!({"type": "ack", "client_msg_id": id})).await
}

async fn search(client: &mut TestClient, request: Value) -> Value {
    let mut frame = json!({"type": "search", "ref": "s"});
    let fields = frame.as_object_mut().expect("an object");
    fields.extend(request.as_object().expect("an object").clone());
    client.send(frame).await;
    client.wait_for(json!({"type": "found", "ref": "s", "complete": true})).await
}

fn texts(found: &Value) -> Vec<&str> {
    let messages = found["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["text"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn a_search_finds_acked_messages_of_the_rooms_that_the_token_opens() {
    for server in servers().await {
        search_rooms(&server).await;
    }
}

async fn search_rooms(server: &TestServer) {
    let mut alice = server.connect("alice").await;
    let lobby = post(&mut alice, "lobby", "The Café opens at nine", "1").await;
    post(&mut alice, "secret-1", "the café closes at ten", "2").await;
    assert_eq!(texts(&search(&mut alice, json!({"query": "CAFE the"})).await).len(), 2);
    let found = search(&mut alice, json!({"query": "cafe", "room": "lobby"})).await;
    assert_eq!((texts(&found), &found["has_more"]), (vec!["The Café opens at nine"], &json!(false)));
    assert_eq!(found["messages"][0]["seq"], lobby["seq"]);

    let mut bob =
        server.connect_as(&Claims { rooms: Some(globs(&["lobby", "dev-*"])), ..claims("bob") }).await;
    assert_eq!(texts(&search(&mut bob, json!({"query": "cafe"})).await), ["The Café opens at nine"]);
    bob.send(json!({"type": "search", "query": "cafe", "room": "secret-1"})).await;
    bob.wait_for(error("forbidden")).await;
    assert_eq!(texts(&search(&mut bob, json!({"query": "cafe", "from": "bob"})).await), [""; 0]);

    let change = |fields: Value| {
        let mut frame = json!({"room": "lobby", "target": lobby["seq"], "client_msg_id": "c"});
        frame.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        frame
    };
    alice.send(change(json!({"type": "edit", "text": "The bar opens", "client_msg_id": "3"}))).await;
    alice.wait_for(json!({"type": "ack", "client_msg_id": "3"})).await;
    assert_eq!(texts(&search(&mut bob, json!({"query": "cafe"})).await), [""; 0]);
    let found = search(&mut bob, json!({"query": "bar op"})).await;
    assert_eq!((texts(&found), &found["messages"][0]["rev"]), (vec!["The bar opens"], &json!(2)));
    alice.send(change(json!({"type": "delete", "client_msg_id": "4"}))).await;
    alice.wait_for(json!({"type": "ack", "client_msg_id": "4"})).await;
    assert_eq!(texts(&search(&mut bob, json!({"query": "bar"})).await), [""; 0]);
}

#[tokio::test]
async fn a_page_of_results_is_continued_before_its_oldest_message() {
    for server in servers().await {
        let mut alice = server.connect("alice").await;
        for number in 0..30 {
            post(&mut alice, "lobby", &format!("word {number}"), &number.to_string()).await;
        }
        let (mut all, mut before) = (Vec::new(), Value::Null);
        loop {
            let found = search(&mut alice, json!({"query": "word", "limit": 25, "before": before})).await;
            let page = found["messages"].as_array().expect("messages").clone();
            // Messages of the same millisecond may be on both sides of a page's end.
            all.extend(page.iter().map(|message| message["seq"].as_u64().expect("a seq")));
            before = json!(page.last().expect("a message")["ts"].as_u64().expect("a time") + 1);
            if found["has_more"] == false {
                break;
            }
        }
        all.dedup();
        all.sort_unstable_by(|one, other| other.cmp(one));
        all.dedup();
        assert_eq!(all, (1..=30).rev().collect::<Vec<_>>());
    }
}

async fn features(server: &TestServer) -> Vec<Value> {
    let welcome = server.open(&token(&claims("carol"))).await.expect_welcome().await;
    welcome["features"].as_array().expect("features").clone()
}

#[tokio::test]
async fn searches_have_a_rate_and_a_server_may_have_none() {
    for server in servers().await {
        let mut alice = server.connect("alice").await;
        for _ in 0..40 {
            alice.send(json!({"type": "search", "query": "x"})).await;
        }
        alice.wait_for(error("rate_limited")).await;
    }
    let without = |config: &mut Config| config.search = false;
    for server in [memory_server_with(without), server_with(without)] {
        assert!(!features(&server).await.contains(&json!("search")));
        let mut alice = server.connect("alice").await;
        alice.send(json!({"type": "search", "query": "x"})).await;
        alice.wait_for(error("unsupported")).await;
    }
}
