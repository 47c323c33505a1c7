//! Tests of `export` and `import` on Redis.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::WebSocket;

use crate::program::{Home, RunningServer, next};
use crate::redis_server::Redis;
use crate::store::{ask, history, post};

/// Posts messages with these ids, and returns their acks.
fn post_all(home: &Home, served: &RunningServer, ids: std::ops::RangeInclusive<u32>) -> Vec<Value> {
    let mut alice = served.connect(&home.token("alice"));
    ids.map(|number| ask(&mut alice, &post(&number.to_string()), "ack")).collect()
}

/// Imports lines, and returns the summary.
#[track_caller]
fn import(home: &Home, redis: &Redis, lines: &str) -> String {
    let file = home.file("rooms.ndjson", lines);
    let words = ["import", file.to_str().expect("a path"), "--redis-url", &redis.url()];
    home.run(&words).succeeded().stderr()
}

#[track_caller]
fn refused_import(home: &Home, redis: &Redis, lines: &str) -> String {
    let file = home.file("rooms.ndjson", lines);
    home.run(&["import", file.to_str().expect("a path"), "--redis-url", &redis.url()]).failed(1)
}

fn export(home: &Home, redis: &Redis) -> String {
    let exported =
        home.program(&["export", "--all"]).env("REALTIME_REDIS_URL", redis.url()).run().succeeded();
    assert!(exported.stderr().contains(&format!("from Redis at 127.0.0.1:{}", redis.port())));
    exported.stdout()
}

#[test]
fn rooms_move_from_a_file_to_redis_and_back_with_their_positions() {
    let (home, redis) = (Home::new(), Redis::start());
    let served = home.serve(&["--max-messages-per-second", "0", "--max-user-messages-per-second", "0"]);
    let acks = post_all(&home, &served, 1..=600);
    served.stopped();
    let lines = home.run(&["export", "--all"]).succeeded().stdout();
    // A server uses the Redis, and a member is in the room.
    let served = home.serve(&["--redis-url", &redis.url()]);
    let mut bob = served.connect(&home.token("bob"));
    next(&mut bob).expect("welcome");
    ask(&mut bob, &json!({"type": "join_room", "room": "lobby"}), "system");
    assert!(
        import(&home, &redis, &lines)
            .contains("imported 1 rooms with 600 messages; 0 existed already (Redis at")
    );
    assert!(import(&home, &redis, &lines).contains("imported 0 rooms with 0 messages; 1 existed already"));
    // The member is sent the newest messages of the log that appeared.
    let shown = loop {
        let frame: Value = serde_json::from_str(&next(&mut bob).expect("an open connection")).expect("JSON");
        if frame["type"] == "message" {
            break frame;
        }
    };
    assert!(shown["seq"].as_u64().is_some_and(|seq| seq <= 600), "{shown}");

    let kept = history(&served, &home.token("alice"));
    assert_eq!(kept.last().expect("messages")["id"], acks[599]["id"]);
    let mut alice = served.connect(&home.token("alice"));
    next(&mut alice).expect("welcome");
    let since = json!({"epoch": acks[596]["epoch"], "seq": acks[596]["seq"], "id": acks[596]["id"]});
    let joined = ask(&mut alice, &json!({"type": "join_room", "room": "lobby", "since": since}), "system");
    assert_eq!(joined["recovery"], json!({"status": "complete", "replayed": 3}));
    for nth in [0, 599] {
        let again = ask(&mut alice, &post(&(nth + 1).to_string()), "ack");
        assert_eq!((&again["seq"], &again["duplicate"]), (&acks[nth]["seq"], &json!(true)));
    }
    let new = ask(&mut alice, &post("601"), "ack");
    assert_eq!((&new["seq"], &new["epoch"]), (&json!(601), &acks[0]["epoch"]));
    let log = served.stopped();
    assert!(!log.contains("NOPERM"), "{log}");

    let back = export(&home, &redis);
    assert_eq!(back.lines().skip(1).take(600).collect::<Vec<_>>(), lines.lines().skip(1).collect::<Vec<_>>());
    assert_eq!(back.lines().count(), 602);
    let there = Home::new();
    let file = there.file("rooms.ndjson", &back);
    let summary = there.run(&["import", file.to_str().expect("a path")]).succeeded().stderr();
    assert!(summary.contains("imported 1 rooms with 601 messages"), "{summary}");
    assert_eq!(there.run(&["export", "--all"]).succeeded().stdout(), back);
    assert_eq!(redis.execute("TTL realtime:{lobby}:log"), ":-1", "the log does not expire");
}

/// Changes messages in all ways, and returns the newest page of history.
fn change_all(served: &RunningServer, home: &Home) -> Value {
    let token = home.run(&["token", "--user", "alice", "--moderate", "*"]).succeeded().line();
    let mut alice = served.connect(&token);
    for (number, mut entry) in [
        json!({"type": "message", "text": "first"}),
        json!({"type": "message", "text": "second"}),
        json!({"type": "message", "text": "a reply", "reply_to": 1}),
        json!({"type": "message", "text": "another reply", "reply_to": 1}),
        json!({"type": "edit", "target": 1, "text": "edited"}),
        json!({"type": "edit", "target": 2, "text": "a secret"}),
        json!({"type": "reaction", "target": 1, "emoji": ":yes:"}),
        json!({"type": "reaction", "target": 1, "emoji": ":no:"}),
        json!({"type": "reaction", "target": 1, "emoji": ":no:", "removed": true}),
        json!({"type": "pin", "target": 1}),
        json!({"type": "room", "topic": "News"}),
        json!({"type": "delete", "target": 2}),
        json!({"type": "delete", "target": 4}),
    ]
    .into_iter()
    .enumerate()
    {
        entry["client_msg_id"] = json!(number.to_string());
        acked(&mut alice, &entry);
    }
    page(&mut alice)
}

/// The ack of an entry of the room.
fn acked(client: &mut WebSocket<TcpStream>, entry: &Value) -> Value {
    let mut entry = entry.clone();
    entry["room"] = json!("lobby");
    ask(client, &entry, "ack")
}

fn page(client: &mut WebSocket<TcpStream>) -> Value {
    ask(client, &json!({"type": "history", "room": "lobby"}), "history")
}

#[test]
fn changes_of_messages_move_between_a_file_and_redis() {
    let (home, redis, copy) = (Home::new(), Redis::start(), Redis::start());
    let served = home.serve(&[]);
    let changed = change_all(&served, &home);
    assert_eq!(changed["messages"][0]["reactions"][0]["count"], 1, "{changed}");
    served.stopped();
    let lines = home.run(&["export", "--all"]).succeeded().stdout();
    import(&home, &redis, &lines);
    assert_eq!(export(&home, &redis), lines);
    import(&home, &copy, &lines);
    let served = home.serve(&["--redis-url", &copy.url()]);
    let mut alice = served.connect(&home.token("alice"));
    assert_eq!(page(&mut alice), changed);
    let reaction = |emoji| json!({"type": "reaction", "target": 1, "emoji": emoji, "client_msg_id": emoji});
    assert_eq!(acked(&mut alice, &reaction(":yes:"))["duplicate"], true);
    assert_eq!(acked(&mut alice, &reaction(":no:"))["seq"], 14);
    acked(&mut alice, &json!({"type": "delete", "target": 1, "client_msg_id": "deletion"}));
    served.stopped();
    // The older export has texts that were deleted since.
    assert!(import(&home, &copy, &lines).contains("1 existed already"));
    assert!(!export(&home, &copy).contains("edited"));
    assert_eq!(copy.execute("TTL realtime:{lobby}:states"), ":-1", "the states do not expire");
}

#[test]
fn an_import_into_redis_is_complete_or_changes_nothing() {
    let (home, redis) = (Home::new(), Redis::start());
    let served = home.serve(&[]);
    post_all(&home, &served, 1..=3);
    served.stopped();
    let lines = home.run(&["export", "--all"]).succeeded().stdout();
    let split: Vec<_> = lines.lines().collect();
    let truncated = format!("{}\n{}\n", split[0], split[1]);
    let line = refused_import(&home, &redis, &truncated);
    assert!(line.contains("ends before its newest entry") && line.contains("imported 0 rooms"), "{line}");
    assert_eq!(redis.execute("EXISTS realtime:{lobby}:log"), ":0");
    assert_eq!(export(&home, &redis), "");

    import(&home, &redis, &lines);
    for (changed, named) in [
        (lines.replace("\"text\":\"hello\"", "\"text\":\"hullo\""), "differs from that in Redis"),
        (lines.replace(&epoch_of(split[0]), "01ARZ3NDEKTSV4RRFFQ69G5FAV"), "another epoch"),
        ("dear diary\n".to_owned(), "line 1"),
    ] {
        let line = refused_import(&home, &redis, &changed);
        assert!(line.contains(named), "{line}");
    }
    assert_eq!(export(&home, &redis), lines);
    let words = ["export", "--room", "attic", "--redis-url", &redis.url()];
    let line = home.run(&words).failed(1);
    assert!(line.contains("attic"), "{line}");
    let line = home.run(&["export", "--all", "--redis-ca", "/nonexistent"]).failed(2);
    assert!(line.contains("--redis-url"), "{line}");
}

fn epoch_of(header: &str) -> String {
    let header: Value = serde_json::from_str(header).expect("JSON");
    header["epoch"].as_str().expect("an epoch").to_owned()
}
