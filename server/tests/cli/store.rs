//! Tests of the store with whole programs: kills, a second server, damage and retention.

use std::fs;
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::program::{Home, RunningServer, next};

/// Sends a frame and waits for the answer of that type.
pub(crate) fn ask(socket: &mut WebSocket<TcpStream>, frame: &Value, answer: &str) -> Value {
    socket.send(Message::text(frame.to_string())).expect("sent");
    loop {
        let frame: Value = serde_json::from_str(&next(socket).expect("an open connection")).expect("JSON");
        if frame["type"] == answer {
            return frame;
        }
    }
}

/// A message with an id.
pub(crate) fn post(id: &str) -> Value {
    json!({"type": "message", "room": "lobby", "text": "hello", "client_msg_id": id})
}

/// The messages of the room.
pub(crate) fn history(served: &RunningServer, token: &str) -> Vec<Value> {
    let page = ask(&mut served.connect(token), &json!({"type": "history", "room": "lobby"}), "history");
    page["messages"].as_array().expect("an array").clone()
}

#[test]
fn acknowledged_messages_survive_a_kill() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&[]);
    let mut alice = served.connect(&token);
    let acks: Vec<_> = ["1", "2"].iter().map(|id| ask(&mut alice, &post(id), "ack")).collect();
    served.signal(Signal::KILL);
    assert_eq!(served.ended().0, None);

    let served = home.serve(&[]);
    let kept = history(&served, &token);
    assert_eq!(kept.len(), 2);
    for (kept, ack) in kept.iter().zip(&acks) {
        assert_eq!((&kept["seq"], &kept["id"]), (&ack["seq"], &ack["id"]));
    }
    let again = ask(&mut served.connect(&token), &post("1"), "ack");
    assert_eq!((&again["seq"], &again["duplicate"]), (&acks[0]["seq"], &json!(true)));
}

#[test]
fn rooms_in_memory_end_with_the_server() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&["--memory"]);
    ask(&mut served.connect(&token), &post("1"), "ack");
    served.stopped();
    assert!(history(&home.serve(&["--memory"]), &token).is_empty());
    assert!(!home.store().exists());
}

#[test]
fn a_second_server_is_refused_with_the_process_id_of_the_first() {
    let home = Home::new();
    let served = home.serve(&[]);
    let line = home.run(&["serve", "--listen", "127.0.0.1:0"]).failed(1);
    assert!(line.contains("in use") && line.contains(&format!("process {}", served.pid())), "{line}");
    served.stopped();
    home.serve(&[]).stopped();
}

#[test]
fn a_damaged_store_is_refused_and_not_changed() {
    let home = Home::new();
    home.serve(&[]).stopped();
    let mut bytes = fs::read(home.store()).expect("a store");
    bytes.truncate(5_000);
    fs::write(home.store(), &bytes).expect("writable");
    let line = home.run(&["serve", "--listen", "127.0.0.1:0"]).failed(1);
    assert!(line.contains("damaged") && line.contains("backup"), "{line}");
    assert_eq!(fs::read(home.store()).expect("a store"), bytes, "the file is unchanged");
}

#[test]
fn retain_messages_limits_the_history_of_a_room() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&["--retain-messages", "2"]);
    let mut alice = served.connect(&token);
    for id in ["1", "2", "3"] {
        ask(&mut alice, &post(id), "ack");
    }
    let kept: Vec<_> = history(&served, &token).iter().map(|message| message["seq"].clone()).collect();
    assert_eq!(kept, [2, 3]);
}

#[test]
fn a_retention_that_drops_more_than_half_needs_a_confirmation() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&[]);
    let mut alice = served.connect(&token);
    for id in ["1", "2", "3"] {
        ask(&mut alice, &post(id), "ack");
    }
    drop(alice);
    served.stopped();
    let messages = || home.run(&["export", "--room", "lobby"]).succeeded().stdout().lines().count() - 1;

    let serve = ["serve", "--listen", "127.0.0.1:0", "--retain-messages", "1"];
    let mut served = home.program(&serve).start();
    let warning = served.wait_for("--retain-confirm");
    served.wait_until_logged("listening");
    assert!(warning.contains("messages=2") && warning.contains("of=3"), "{warning}");
    served.stopped();
    assert_eq!(messages(), 3);

    let mut served = home.program(&[&serve[..], &["--retain-confirm"]].concat()).start();
    let dropped = served.wait_for("retention dropped messages");
    served.wait_until_logged("listening");
    assert!(dropped.contains("messages=2") && dropped.contains("rooms=1"), "{dropped}");
    served.stopped();
    assert_eq!(messages(), 1);
}
