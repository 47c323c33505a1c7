//! Rights in one table: the answer to each frame, for each role and kind of room, on each engine.

use std::collections::HashMap;

use realtime_shared::{Claims, DirectPair, UserId};
use serde_json::{Value, json};

use crate::support::{
    TestClient, TestServer, admin, claims, globs, memory_server_with, message_with_id, server_with,
};

/// The answer to a frame: `ok`, or the code of the error.
///
/// Each target is a message of `author`, and for `muted` one of its own. A `muted` user wrote it before its token became
/// read-only; a `reader` has always had a token of that kind. The token of an `outsider` does not open the room. A frame
/// `…-gone` has a target that does not exist. In a `moderated` room only moderators post. The `direct` room is that of
/// `author` and `member`; it answers all others as a room does that does not exist.
const TABLE: &str = "
room       frame          author     muted      reader     member     moderator  admin      outsider

ordinary   join_room      ok         ok         ok         ok         ok         ok         forbidden
ordinary   history        ok         ok         ok         ok         ok         ok         forbidden
ordinary   members        ok         ok         ok         ok         ok         ok         forbidden
ordinary   typing         ok         forbidden  forbidden  ok         ok         ok         not_a_member
ordinary   message        ok         forbidden  forbidden  ok         ok         ok         forbidden
ordinary   reply          ok         forbidden  forbidden  ok         ok         ok         forbidden
ordinary   edit           ok         forbidden  forbidden  forbidden  forbidden  forbidden  forbidden
ordinary   delete         ok         ok         forbidden  forbidden  ok         ok         forbidden
ordinary   reaction       ok         forbidden  forbidden  ok         ok         ok         forbidden
ordinary   pin            forbidden  forbidden  forbidden  forbidden  ok         ok         forbidden
ordinary   room           forbidden  forbidden  forbidden  forbidden  ok         ok         forbidden
ordinary   reply-gone     not_found  forbidden  forbidden  not_found  not_found  not_found  forbidden
ordinary   edit-gone      not_found  forbidden  forbidden  not_found  not_found  not_found  forbidden
ordinary   delete-gone    not_found  not_found  not_found  not_found  not_found  not_found  forbidden
ordinary   reaction-gone  not_found  forbidden  forbidden  not_found  not_found  not_found  forbidden
ordinary   pin-gone       not_found  not_found  not_found  not_found  not_found  not_found  forbidden
ordinary   read           ok         ok         ok         ok         ok         ok         forbidden
ordinary   search         ok         ok         ok         ok         ok         ok         forbidden

moderated  join_room      ok         ok         ok         ok         ok         ok         forbidden
moderated  history        ok         ok         ok         ok         ok         ok         forbidden
moderated  members        ok         ok         ok         ok         ok         ok         forbidden
moderated  typing         ok         forbidden  forbidden  ok         ok         ok         not_a_member
moderated  message        forbidden  forbidden  forbidden  forbidden  ok         ok         forbidden
moderated  reply          forbidden  forbidden  forbidden  forbidden  ok         ok         forbidden
moderated  edit           ok         forbidden  forbidden  forbidden  forbidden  forbidden  forbidden
moderated  delete         ok         ok         forbidden  forbidden  ok         ok         forbidden
moderated  reaction       forbidden  forbidden  forbidden  forbidden  ok         ok         forbidden
moderated  pin            forbidden  forbidden  forbidden  forbidden  ok         ok         forbidden
moderated  room           forbidden  forbidden  forbidden  forbidden  ok         ok         forbidden
moderated  reply-gone     forbidden  forbidden  forbidden  forbidden  not_found  not_found  forbidden
moderated  edit-gone      not_found  forbidden  forbidden  not_found  not_found  not_found  forbidden
moderated  delete-gone    not_found  not_found  not_found  not_found  not_found  not_found  forbidden
moderated  reaction-gone  not_found  forbidden  forbidden  not_found  not_found  not_found  forbidden
moderated  pin-gone       not_found  not_found  not_found  not_found  not_found  not_found  forbidden
moderated  read           ok         ok         ok         ok         ok         ok         forbidden
moderated  search         ok         ok         ok         ok         ok         ok         forbidden

direct     join_room      ok         forbidden  forbidden  ok         forbidden  forbidden  forbidden
direct     history        ok         forbidden  forbidden  ok         forbidden  forbidden  forbidden
direct     members        ok         forbidden  forbidden  ok         forbidden  forbidden  forbidden
direct     typing         ok         not_a_member not_a_member ok     not_a_member not_a_member not_a_member
direct     message        ok         forbidden  forbidden  ok         forbidden  forbidden  forbidden
direct     reply          ok         forbidden  forbidden  ok         forbidden  forbidden  forbidden
direct     edit           ok         forbidden  forbidden  forbidden  forbidden  forbidden  forbidden
direct     delete         ok         forbidden  forbidden  forbidden  forbidden  forbidden  forbidden
direct     reaction       ok         forbidden  forbidden  ok         forbidden  forbidden  forbidden
direct     pin            forbidden  forbidden  forbidden  forbidden  forbidden  forbidden  forbidden
direct     room           forbidden  forbidden  forbidden  forbidden  forbidden  forbidden  forbidden
direct     reply-gone     not_found  forbidden  forbidden  not_found  forbidden  forbidden  forbidden
direct     edit-gone      not_found  forbidden  forbidden  not_found  forbidden  forbidden  forbidden
direct     delete-gone    not_found  forbidden  forbidden  not_found  forbidden  forbidden  forbidden
direct     reaction-gone  not_found  forbidden  forbidden  not_found  forbidden  forbidden  forbidden
direct     pin-gone       not_found  forbidden  forbidden  not_found  forbidden  forbidden  forbidden
direct     read           ok         forbidden  forbidden  ok         forbidden  forbidden  forbidden
direct     search         ok         forbidden  forbidden  ok         forbidden  forbidden  forbidden
";

/// A line of the table.
struct Row {
    room: &'static str,
    frame: &'static str,
    /// The expected answer of each role.
    answers: Vec<(&'static str, &'static str)>,
}

fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut lines = lines.by_ref().filter(|words| !words.is_empty());
    let head = lines.next().expect("a head");
    let row = |words: Vec<&'static str>| {
        assert_eq!(words.len(), head.len(), "{words:?}");
        let answers = head[2..].iter().copied().zip(words[2..].iter().copied()).collect();
        Row { room: words[0], frame: words[1], answers }
    };
    lines.map(row).collect()
}

/// The feature that a room needs, if any.
fn room_feature(row: &Row) -> Option<&'static str> {
    match row.room {
        "moderated" => Some("room"),
        "direct" => Some("direct"),
        _ => None,
    }
}

/// The feature that a frame needs, if any.
fn feature(row: &Row) -> Option<&'static str> {
    match row.frame.trim_end_matches("-gone") {
        "join_room" | "history" | "members" | "typing" | "message" => None,
        frame => Some(frame),
    }
}

/// A client of a role. It has not joined a room.
async fn client_of(server: &TestServer, role: &str) -> TestClient {
    let claims = match role {
        "muted" | "reader" => Claims { read_only: globs(&["*"]), ..claims(role) },
        "moderator" => Claims { moderate: globs(&["*"]), ..claims(role) },
        "admin" => admin(role),
        "outsider" => Claims { rooms: Some(globs(&["elsewhere"])), ..claims(role) },
        _ => claims(role),
    };
    server.connect_as(&claims).await
}

/// The name of the room of a row.
fn name_of(row: &Row) -> String {
    let user = |id| UserId::new(id).expect("a user id");
    match row.room {
        "direct" => DirectPair::new(&user("author"), &user("member")).expect("short ids").room().to_string(),
        room => room.to_owned(),
    }
}

/// The frame of a row. `target` is the seq of the role's target.
fn frame(row: &Row, target: &Value) -> Value {
    let kind = row.frame.trim_end_matches("-gone");
    let mut frame = json!({"type": kind, "room": name_of(row), "ref": "r"});
    let fields = match kind {
        "message" => json!({"text": "hi", "client_msg_id": row.frame}),
        "reply" => json!({"type": "message", "text": "hi", "reply_to": target, "client_msg_id": row.frame}),
        "edit" => json!({"target": target, "text": "better", "client_msg_id": row.frame}),
        "delete" | "pin" => json!({"target": target, "client_msg_id": row.frame}),
        "reaction" => json!({"target": target, "emoji": "👍", "client_msg_id": row.frame}),
        "room" => json!({"topic": "News", "client_msg_id": row.frame}),
        "read" => json!({"seq": 1}),
        "search" => json!({"query": "target"}),
        _ => json!({}),
    };
    for (field, value) in fields.as_object().expect("an object") {
        frame[field] = value.clone();
    }
    frame
}

/// The answer to a frame. `typing` has none if it is allowed, and a later `pong` shows that.
async fn answer(client: &mut TestClient, frame: Value) -> String {
    let is_typing = frame["type"] == "typing";
    client.send(frame).await;
    if is_typing {
        client.send(json!({"type": "ping", "ref": "r"})).await;
    }
    let answer = client.wait_for(json!({"ref": "r"})).await;
    if answer["type"] != "error" {
        return "ok".to_owned();
    }
    if is_typing {
        client.wait_for(json!({"type": "pong"})).await;
    }
    answer["code"].as_str().expect("a code").to_owned()
}

/// Posts the targets of all rows and roles. The author posts them, and the muted user its own, while it may.
async fn post_targets(server: &TestServer, rows: &[Row]) -> HashMap<(usize, &'static str), Value> {
    let mut targets = HashMap::new();
    let (mut author, mut muted) = (server.connect("author").await, server.connect("muted").await);
    for (index, row) in rows.iter().enumerate() {
        for (role, _) in &row.answers {
            let is_own = *role == "muted" && row.room != "direct";
            let poster = if is_own { &mut muted } else { &mut author };
            let id = format!("{index} {role}");
            poster.send(message_with_id(&name_of(row), "target", &id)).await;
            let ack = poster.wait_for(json!({"type": "ack", "client_msg_id": id})).await;
            targets.insert((index, *role), ack["seq"].clone());
        }
    }
    targets
}

/// Asserts the table. Rows whose feature the engine lacks are left out. Returns the number of the other rows.
async fn assert_table(server: &TestServer) -> usize {
    let mut root = server.open(&crate::support::token(&admin("root"))).await;
    let features = root.expect_welcome().await["features"].clone();
    let has = |feature: &str| features.as_array().expect("a list").contains(&json!(feature));
    let mut rows = rows();
    rows.retain(|row| feature(row).is_none_or(has) && room_feature(row).is_none_or(has));
    if has("direct") {
        let mut author = server.connect("author").await;
        let direct = json!({"type": "direct", "user_id": "member", "ref": "r"});
        assert_eq!(answer(&mut author, direct).await, "ok");
    }
    let targets = post_targets(server, &rows).await;
    if has("room") {
        let change = json!({"type": "room", "room": "moderated", "posting": "moderators", "ref": "r", "client_msg_id": "posting"});
        assert_eq!(answer(&mut root, change).await, "ok");
    }
    let mut clients = HashMap::new();
    for (role, _) in &rows[0].answers {
        clients.insert(*role, client_of(server, role).await);
    }
    for (index, row) in rows.iter().enumerate() {
        for (role, expected) in &row.answers {
            let target = if row.frame.ends_with("-gone") {
                json!(1_000_000)
            } else {
                targets[&(index, *role)].clone()
            };
            let client = clients.get_mut(role).expect("a client of each role");
            let answer = answer(client, frame(row, &target)).await;
            assert_eq!(&answer, expected, "{} of {role} in the {} room", row.frame, row.room);
        }
    }
    rows.len()
}

#[tokio::test]
async fn in_memory_each_role_gets_the_answers_of_the_table() {
    let server = memory_server_with(|config| config.limits.max_messages_per_second = 0);
    assert_eq!(assert_table(&server).await, rows().len());
}

#[tokio::test]
async fn in_a_store_each_role_gets_the_answers_of_the_table() {
    let server = server_with(|config| config.limits.max_messages_per_second = 0);
    // Every store has the changes of messages, in two kinds of rooms.
    assert!(assert_table(&server).await >= 32);
}
