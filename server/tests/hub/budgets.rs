//! Budgets that all connections of a user share, on one and on two servers, and budgets of rooms.

use std::time::Instant;

use realtime_server::config::Limits;
use serde_json::{Value, json};

use crate::support::{
    Redis, TestClient, TestServer, claims, error, instance_with, join_room, leave_room, left,
    memory_server_with, message, message_with_id, server_with, token,
};

/// A server on which these limits are changed.
fn limited(change: impl FnOnce(&mut Limits)) -> TestServer {
    server_with(|config| change(&mut config.limits))
}

/// Posts messages of `letters` letters, and returns the answer to each: an ack, or a refusal.
async fn post(client: &mut TestClient, room: &str, count: usize, letters: usize) -> Vec<Value> {
    let mut answers = Vec::new();
    for _ in 0..count {
        let id = fastrand::u64(..).to_string();
        client.send(message_with_id(room, &"x".repeat(letters), &id)).await;
        // A member may receive its own copy before the ack.
        let answer = loop {
            let frame = client.wait_for(json!({"client_msg_id": id})).await;
            if frame["type"] != "message" {
                break frame;
            }
        };
        answers.push(answer);
    }
    assert!(answers.iter().all(|answer| ["ack", "error"].contains(&kind(answer))), "{answers:?}");
    answers
}

fn kind(answer: &Value) -> &str {
    answer["type"].as_str().expect("a text")
}

fn acks(answers: &[Value]) -> usize {
    answers.iter().filter(|answer| kind(answer) == "ack").count()
}

/// Asserts that a frame is refused until a time not later than `millis` from now.
#[track_caller]
fn assert_refused(answer: &Value, millis: u64) {
    assert_eq!((&answer["code"], &answer["temporary"]), (&json!("rate_limited"), &json!(true)), "{answer}");
    assert!(answer["retry_after_ms"].as_u64().is_some_and(|wait| (1..=millis).contains(&wait)), "{answer}");
}

#[tokio::test]
async fn the_connections_of_a_user_share_a_rate_of_messages() {
    let server = limited(|limits| limits.budgets.user_messages_per_second = 1);
    let (mut one, mut other) = (server.connect("alice").await, server.connect("alice").await);
    let mut bob = server.connect("bob").await;
    let began = Instant::now();
    let mut answers = post(&mut one, "lobby", 2, 1).await;
    assert_eq!(acks(&answers), 2);
    answers.extend(post(&mut other, "another room", 2, 1).await);
    let earned = usize::try_from(began.elapsed().as_secs()).expect("small");
    assert!((2..=2 + earned).contains(&acks(&answers)), "{answers:?}");
    let refused = answers.iter().find(|answer| kind(answer) == "error").expect("a refusal");
    assert_refused(refused, 1_001);
    assert_eq!(refused["room"], "another room");
    assert_eq!(acks(&post(&mut bob, "lobby", 2, 1).await), 2);
}

#[tokio::test]
async fn a_user_at_the_limit_of_reactions_posts_messages_at_its_full_rate() {
    let server = memory_server_with(|config| {
        config.limits.max_messages_per_second = 50;
        config.limits.message_burst = 100;
        config.limits.budgets.user_changes_per_second = 1;
    });
    let mut alice = server.connect("alice").await;
    assert_eq!(acks(&post(&mut alice, "lobby", 1, 1).await), 1);
    let mut answers = Vec::new();
    for number in 0..20 {
        let id = number.to_string();
        let emoji = format!(":number_{number}:");
        alice.send(json!({"type": "reaction", "room": "lobby", "target": 1, "emoji": emoji, "client_msg_id": id})).await;
        answers.push(alice.wait_for(json!({"client_msg_id": id})).await);
    }
    assert!((2..20).contains(&acks(&answers)), "{answers:?}");
    let refused = answers.iter().find(|answer| kind(answer) == "error").expect("a refusal");
    assert_refused(refused, 1_001);
    assert_eq!(refused["room"], "lobby");
    // The whole burst of messages is left.
    assert_eq!(acks(&post(&mut alice, "lobby", 99, 1).await), 99);
}

#[tokio::test]
async fn the_welcome_has_the_lower_rate_of_messages() {
    for (connection, user, welcome) in [(50, 200, 50), (50, 7, 7), (0, 7, 7), (50, 0, 50), (0, 0, 0)] {
        let server = limited(|limits| {
            limits.max_messages_per_second = connection;
            limits.budgets.user_messages_per_second = user;
        });
        let mut alice = server.open(&token(&claims("alice"))).await;
        assert_eq!(alice.expect_welcome().await["limits"]["messages_per_second"], welcome);
    }
}

#[tokio::test]
async fn the_frames_of_a_user_pay_in_bytes() {
    // So little that the machine's speed does not matter: the first message is worth 40 s.
    let server = limited(|limits| limits.budgets.user_bytes_per_second = 100);
    let (mut one, mut other) = (server.connect("alice").await, server.connect("alice").await);
    one.join("lobby").await;
    let answers = post(&mut one, "lobby", 2, 4_000).await;
    assert_eq!(acks(&answers), 1, "{answers:?}");
    assert_refused(&answers[1], 60_001);
    for frame in [
        json!({"type": "ping", "nonce": "x".repeat(100)}),
        json!({"type": "history", "room": "lobby"}),
        json!({"type": "dance"}),
    ] {
        other.send(frame.clone()).await;
        let expected = if frame["type"] == "dance" { "unknown_type" } else { "rate_limited" };
        other.expect(error(expected)).await;
    }
    // A user may always leave.
    one.send(leave_room("lobby")).await;
    one.wait_for(left("alice", "lobby", "left")).await;
    assert_eq!(acks(&post(&mut server.connect("bob").await, "lobby", 1, 4_000).await), 1);
}

#[tokio::test]
async fn requests_for_data_pay_for_their_answers() {
    let server = limited(|limits| limits.budgets.user_bytes_per_second = 1_000);
    for number in 0..6 {
        let mut poster = server.connect(&format!("poster {number}")).await;
        assert_eq!(acks(&post(&mut poster, "lobby", 4, 4_000).await), 4);
    }
    let (mut alice, mut other) = (server.connect("alice").await, server.connect("alice").await);
    let history = json!({"type": "history", "room": "lobby", "ref": "page"});
    alice.send(history.clone()).await;
    let page = alice.expect(json!({"type": "history", "ref": "page"})).await;
    assert!(page.to_string().len() > 90_000);
    let requests = [
        history,
        json!({"type": "members", "room": "lobby", "ref": "page"}),
        json!({"type": "members", "room": "lobby", "prefix": "a", "ref": "page"}),
        json!({"type": "list_rooms", "ref": "page"}),
        json!({"type": "join_room", "room": "lobby", "ref": "page"}),
    ];
    for request in requests {
        other.send(request).await;
        let refused = other.expect(json!({"type": "error", "ref": "page"})).await;
        assert_refused(&refused, 60_001);
    }
    // What a user reads does not keep it from posting.
    assert_eq!(acks(&post(&mut alice, "lobby", 1, 100).await), 1);
}

#[tokio::test]
async fn a_replay_pays_in_bytes() {
    // The ring of an open room has all the entries, that of a closed one none.
    for is_open in [false, true] {
        let server = limited(|limits| limits.budgets.user_bytes_per_second = 1_000);
        let mut member = server.connect("member").await;
        if is_open {
            member.join("lobby").await;
        }
        for number in 0..6 {
            let mut poster = server.connect(&format!("poster {number}")).await;
            assert_eq!(acks(&post(&mut poster, "lobby", 4, 4_000).await), 4);
        }
        let mut alice = server.connect("alice").await;
        let start = json!({"epoch": null, "seq": 0, "id": null});
        alice.send(json!({"type": "join_room", "room": "lobby", "since": start})).await;
        alice.wait_for(json!({"type": "message", "seq": 24})).await;
        alice.send(json!({"type": "join_room", "room": "lobby", "since": start})).await;
        assert_refused(&alice.expect(error("rate_limited")).await, 60_001);
        // Live frames cost nothing.
        member.send(json!({"type": "members", "room": "lobby"})).await;
        member.wait_for(json!({"type": "members"})).await;
    }
}

#[tokio::test]
async fn typing_beyond_the_bytes_of_a_user_is_dropped() {
    let server = limited(|limits| limits.budgets.user_bytes_per_second = 100);
    let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
    alice.join("lobby").await;
    bob.join("lobby").await;
    alice.next().await;
    assert_eq!(acks(&post(&mut alice, "lobby", 2, 4_000).await), 1);
    bob.expect(json!({"type": "message", "from": "alice"})).await;
    alice.send(json!({"type": "typing", "room": "lobby"})).await;
    alice.send(leave_room("lobby")).await;
    alice.wait_for(left("alice", "lobby", "left")).await;
    bob.expect(left("alice", "lobby", "left")).await;
}

#[tokio::test]
async fn posts_to_a_room_are_limited_for_those_who_post_much() {
    for is_open in [true, false] {
        let server = limited(|limits| limits.budgets.room_bytes_per_second = 1_000);
        let (mut alice, mut bob) = (server.connect("alice").await, server.connect("bob").await);
        if is_open {
            bob.join("lobby").await;
        }
        // Two of them are worth almost 4 s, and those who post much may be 2 s ahead.
        let answers = post(&mut alice, "lobby", 2, 1_700).await;
        assert_eq!(acks(&answers), 2, "{answers:?}");
        if is_open {
            // The entries are spent when they are announced, on Redis after the acks.
            for seq in [1, 2] {
                bob.expect(json!({"type": "message", "seq": seq})).await;
            }
        }
        let refused = post(&mut alice, "lobby", 1, 1_700).await;
        assert_refused(&refused[0], 2_001);
        assert_eq!(refused[0]["message"], "too much is posted to that room");
        // The last part of the budget is for users who post little, and other rooms are not concerned.
        assert_eq!(acks(&post(&mut bob, "lobby", 1, 100).await), 1);
        assert_eq!(acks(&post(&mut alice, "another room", 1, 100).await), 1);
    }
}

#[tokio::test]
async fn refusals_for_a_busy_room_do_not_close_the_connection() {
    let server = limited(|limits| {
        limits.budgets.room_bytes_per_second = 1;
        limits.max_messages_per_second = 1_000;
        limits.message_burst = 1_000;
    });
    let mut alice = server.connect("alice").await;
    let answers = post(&mut alice, "lobby", 150, 100).await;
    assert!(acks(&answers) < 5, "{answers:?}");
    alice.expect_nothing_else().await;
}

/// A burst is worth more than a second, so it is published at once. Nothing announces that the other instance has
/// received it, so several users try.
#[tokio::test]
async fn instances_exchange_what_a_user_spends() {
    let redis = Redis::start();
    let server = || instance_with(&redis, |config| config.limits.budgets.user_messages_per_second = 1);
    let (first, second) = (server(), server());
    for number in 0.. {
        let user = format!("user {number}");
        let (mut one, mut other) = (first.connect(&user).await, second.connect(&user).await);
        assert_eq!(acks(&post(&mut one, "lobby", 2, 1).await), 2);
        let answers = post(&mut other, "lobby", 1, 1).await;
        if acks(&answers) == 0 {
            assert_refused(&answers[0], 1_001);
            break;
        }
    }
    assert_eq!(acks(&post(&mut second.connect("bob").await, "lobby", 2, 1).await), 2);
}

#[tokio::test]
async fn the_log_of_a_room_is_spent_on_every_instance() {
    let redis = Redis::start();
    let server = || instance_with(&redis, |config| config.limits.budgets.room_bytes_per_second = 100);
    let (first, second) = (server(), server());
    let (mut alice, mut bob) = (first.connect("alice").await, second.connect("bob").await);
    bob.send(join_room("lobby")).await;
    bob.wait_for(json!({"event": "joined", "user_id": "bob"})).await;
    assert_eq!(acks(&post(&mut alice, "lobby", 1, 1_200).await), 1);
    bob.expect(json!({"type": "message", "seq": 1})).await;
    let mut carol = second.connect("carol").await;
    // Carol posts much elsewhere.
    assert_eq!(acks(&post(&mut carol, "another room", 1, 1_200).await), 1);
    let answers = post(&mut carol, "lobby", 1, 1).await;
    assert_refused(&answers[0], 60_001);
    carol.send(message("a third room", "and on")).await;
    carol.expect_nothing_else().await;
}

#[tokio::test]
async fn publications_on_the_relay_channel_are_spent_from_an_open_room_and_not_refused() {
    let redis = Redis::start();
    let server = instance_with(&redis, |config| config.limits.budgets.room_bytes_per_second = 100);
    server.ready().await;
    let mut bob = server.connect("bob").await;
    bob.join("lobby").await;
    let publication = json!({"room": "lobby", "text": "x".repeat(1_200)}).to_string().replace('"', r#"\""#);
    for seq in [1, 2] {
        redis.execute(&format!(r#"PUBLISH ws:broadcast "{publication}""#));
        bob.expect(json!({"type": "message", "from": "system", "seq": seq})).await;
    }
    // Bob posts much elsewhere.
    assert_eq!(acks(&post(&mut bob, "another room", 1, 1_200).await), 1);
    assert_refused(&post(&mut bob, "lobby", 1, 1).await[0], 60_001);
}

/// Status of an upgrade request of a user, and its `Retry-After`.
async fn upgrade(server: &TestServer, user: &str) -> (u16, Option<String>) {
    let mut raw = server.dial().await;
    raw.send_upgrade(&format!("/ws?token={}", token(&claims(user))), "").await;
    let head = raw.head().await;
    (head.status, head.header("retry-after").map(str::to_owned))
}

#[tokio::test]
async fn connects_of_a_user_beyond_a_burst_get_429() {
    let server = limited(|limits| limits.max_connections_per_user = 2);
    for _ in 0..2 {
        assert_eq!(upgrade(&server, "alice").await, (101, None));
    }
    assert_eq!(upgrade(&server, "alice").await, (429, Some("1".to_owned())));
    assert_eq!(upgrade(&server, "bob").await, (101, None));
    let unlimited = limited(|limits| limits.max_connections_per_user = 0);
    for _ in 0..40 {
        assert_eq!(upgrade(&unlimited, "alice").await, (101, None));
    }
}

#[tokio::test]
async fn a_user_whose_connection_was_closed_with_4009_gets_429() {
    let server = server_with(|_| ());
    let mut alice = server.connect("alice").await;
    alice.send_all((0..100).map(|_| json!({"type": "dance"}))).await;
    assert_eq!(alice.end().await.0, 4009);
    assert_eq!(upgrade(&server, "alice").await, (429, Some("1".to_owned())));
    assert_eq!(upgrade(&server, "bob").await, (101, None));
}
