//! Servers on one Redis, where one of them has not heard yet what another one has acknowledged.

use serde_json::json;

use crate::support::{Redis, instance, join_room, join_since, joined, leave_room, left, message, tracked};

const ROOM: &str = "lobby";

/// Appends an entry as the server that acknowledged it did, whose announcement is still on its way.
async fn append(redis: &Redis, seq: u64, id: &str, frame: &serde_json::Value) {
    let client = redis::Client::open(redis.url()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut append = redis::cmd("XADD");
    append.arg(format!("realtime:{{{ROOM}}}:log")).arg(format!("{seq}-0"));
    append.arg("i").arg(id).arg("t").arg(1).arg("f").arg(frame.to_string());
    let _: String = append.query_async(&mut connection).await.expect("appended");
}

#[tokio::test]
async fn a_position_that_this_server_has_not_heard_of_is_looked_for_in_the_log() {
    let redis = Redis::start();
    let server = instance(&redis);
    // Somebody stays, so that the room is open here and not read from Redis when it is joined.
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

/// Whoever leaves last gives the room up while another server's messages for it arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_is_left_again_and_again_while_it_is_talked_in_elsewhere() {
    const ROUNDS: usize = 200;
    let redis = Redis::start();
    let (here, there) = (instance(&redis), instance(&redis));
    let mut talker = there.connect("talker").await;
    talker.join(ROOM).await;
    let talks = async {
        for number in 0_usize.. {
            talker.send(tracked(ROOM, "hello", &number.to_string())).await;
            talker.wait_for(json!({"type": "ack", "client_msg_id": number.to_string()})).await;
        }
    };
    let comes_and_goes = async {
        let mut visitor = here.connect("visitor").await;
        for _ in 0..ROUNDS {
            visitor.send(join_room(ROOM)).await;
            visitor.wait_for(joined("visitor", ROOM)).await;
            visitor.send(leave_room(ROOM)).await;
            visitor.wait_for(left("visitor", ROOM, "left")).await;
        }
    };
    tokio::select! {
        () = talks => {}
        () = comes_and_goes => {}
    }
}
