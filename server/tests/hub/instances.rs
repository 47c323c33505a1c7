//! Several servers on one Redis, and entries whose announcement is still under way.

use serde_json::json;

use crate::support::{
    Redis, instance, join_room, join_since, joined, leave_room, left, message, message_with_id,
};

const ROOM: &str = "lobby";

/// Appends an entry without announcing it, as if its announcement were still under way.
async fn append(redis: &Redis, seq: u64, id: &str, frame: &serde_json::Value) {
    let client = redis::Client::open(redis.url()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut append = redis::cmd("XADD");
    append.arg(format!("realtime:{{{ROOM}}}:log")).arg(format!("{seq}-0"));
    append.arg("i").arg(id).arg("t").arg(1).arg("f").arg(frame.to_string());
    let _: String = append.query_async(&mut connection).await.expect("appended");
}

#[tokio::test]
async fn a_join_with_a_position_beyond_the_known_head_reads_the_log() {
    let redis = Redis::start();
    let server = instance(&redis);
    // A member stays in the room, so that the room is open here and a join does not read it from Redis.
    let mut member = server.connect("member").await;
    member.join(ROOM).await;
    member.send(message(ROOM, "first")).await;
    let first = member.expect(json!({"type": "message", "text": "first"})).await;
    let epoch = first["epoch"].clone();

    let id = "01KAQJ7Z8N0000000000000002";
    let second = json!({
        "type": "message", "from": "member", "room": ROOM, "text": "second", "seq": 2, "id": id, "ts": first["ts"],
    });
    append(&redis, 2, id, &second).await;
    let since = json!({"epoch": epoch, "seq": 2, "id": id});
    let mut back = server.connect("back").await;
    back.send(join_since(ROOM, &since)).await;
    let entered = back.expect(joined("back", ROOM)).await;
    assert_eq!(entered["recovery"], json!({"status": "complete", "replayed": 0}), "{entered}");
    assert_eq!(entered["position"], since);
    member.wait_for(json!({"type": "message", "text": "second", "seq": 2})).await;
}

/// The last member leaves the room while messages from another server arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_and_leaves_succeed_while_another_server_posts_in_the_room() {
    const ROUNDS: usize = 200;
    let redis = Redis::start();
    let (first, second) = (instance(&redis), instance(&redis));
    let mut talker = second.connect("talker").await;
    talker.join(ROOM).await;
    let posting = async {
        for number in 0_usize.. {
            talker.send(message_with_id(ROOM, "hello", &number.to_string())).await;
            talker.wait_for(json!({"type": "ack", "client_msg_id": number.to_string()})).await;
        }
    };
    let visiting = async {
        let mut visitor = first.connect("visitor").await;
        for _ in 0..ROUNDS {
            visitor.send(join_room(ROOM)).await;
            visitor.wait_for(joined("visitor", ROOM)).await;
            visitor.send(leave_room(ROOM)).await;
            visitor.wait_for(left("visitor", ROOM, "left")).await;
        }
    };
    tokio::select! {
        () = posting => {}
        () = visiting => {}
    }
}
