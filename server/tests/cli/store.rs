//! The store as an operator meets it: kept over a kill, one server's at a time, refused when it is not sound.

use std::fs;
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::program::{Home, Served, next};

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

/// What is in the room.
pub(crate) fn history(served: &Served, token: &str) -> Vec<Value> {
    let page = ask(&mut served.connect(token), &json!({"type": "history", "room": "lobby"}), "history");
    page["messages"].as_array().expect("an array").clone()
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
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
fn rooms_in_memory_end_with_it() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&["--memory"]);
    ask(&mut served.connect(&token), &post("1"), "ack");
    served.stopped();
    assert!(history(&home.serve(&["--memory"]), &token).is_empty());
    assert!(!home.store().exists());
}

#[test]
fn a_second_server_names_the_first() {
    let home = Home::new();
    let served = home.serve(&[]);
    let line = home.run(&["serve", "--listen", "127.0.0.1:0"]).failed(1);
    assert!(line.contains("in use") && line.contains(&format!("process {}", served.pid())), "{line}");
    served.stopped();
    home.serve(&[]).stopped();
}

#[test]
fn a_store_that_is_not_sound_is_refused() {
    let home = Home::new();
    home.serve(&[]).stopped();
    let mut bytes = fs::read(home.store()).expect("a store");
    bytes.truncate(5_000);
    fs::write(home.store(), &bytes).expect("writable");
    let line = home.run(&["serve", "--listen", "127.0.0.1:0"]).failed(1);
    assert!(line.contains("damaged") && line.contains("backup"), "{line}");
    assert_eq!(fs::read(home.store()).expect("a store"), bytes, "it is not replaced");
}

#[test]
fn as_many_messages_are_kept_as_asked_for() {
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
