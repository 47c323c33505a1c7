//! The JavaScript client of the README, run by `node` with a socket that the test plays.

use std::io::Write;
use std::process::{Command, Stdio};

/// Opens a connection, hands frames to the client, and prints its texts and what it sends.
const DRIVER: &str = r#"
globalThis.WebSocket = class {
  static OPEN = 1;
  readyState = 1;
  constructor(url) { WebSocket.last = this; console.log("opens", url); }
  send(text) { console.log("sends", text); }
  close(code) { console.log("closes", code); }
};
const client = connect("ws://localhost/ws", "a token", "lobby", (text, seq) => console.log("shows", text, seq));
for (const frame of FRAMES) WebSocket.last.onmessage({ data: JSON.stringify(frame) });
client.send("hi");
client.send("yes", 5);
client.edit(5, "hello");
client.react(5, "👍");
client.react(5, "👍", true);
client.close();
process.exit(0); // a timer of the client is open
"#;

const FRAMES: &str = r#"[
{"type":"system","event":"welcome","message":"Connected successfully","user_id":"me","online_count":1},
{"type":"message","from":"old","text":"of the base dialect","room":"lobby"},
{"type":"message","room":"lobby","seq":5,"id":"five","from":"bob","text":"hi"},
{"type":"message","room":"lobby","seq":6,"id":"six","from":"eve","text":"yes","reply_to":5},
{"type":"edit","room":"lobby","seq":7,"id":"seven","from":"bob","target":5,"text":"hello"},
{"type":"reaction","room":"lobby","seq":8,"id":"eight","from":"eve","target":5,"emoji":"👍"},
{"type":"reaction","room":"lobby","seq":9,"id":"nine","from":"eve","target":2,"emoji":"👍","removed":true},
{"type":"delete","room":"lobby","seq":10,"id":"ten","from":"bob","target":5},
{"type":"message","room":"lobby","seq":11,"id":"e","from":"bob","text":"","deleted":{"by":"bob","ts":1}},
{"type":"edit","room":"lobby","seq":12,"id":"t","from":"bob","target":11,"deleted":true},
{"type":"x-sticker","room":"lobby","seq":13,"id":"x"},
{"type":"error","code":"forbidden","message":"no","temporary":false}
]"#;

#[test]
fn replies_and_changes_are_shown_and_sent() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```javascript\n").expect("the client");
    let client = rest.split_once("```").expect("its end").0;
    let script = format!("{client}\nconst FRAMES = {FRAMES};\n{DRIVER}");
    let mut node = Command::new("node")
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node, which runs the README's client, is in the PATH");
    node.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("the script is written");
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "the client fails");
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    let expected = r#"opens ws://localhost/ws?token=a%20token
sends {"type":"join_room","room":"lobby"}
shows old: of the base dialect undefined
shows bob: hi 5
shows eve: yes (reply to "hi") 6
shows bob changes "hi" to "hello" 5
shows eve reacts with 👍 to "hello" 5
shows eve takes back 👍 to message 2 2
shows bob deletes message 5 5
shows refused: no undefined
sends {"type":"message","room":"lobby","text":"hi"}
sends {"type":"message","room":"lobby","text":"yes","reply_to":5}
sends {"type":"edit","room":"lobby","target":5,"text":"hello"}
sends {"type":"reaction","room":"lobby","target":5,"emoji":"👍"}
sends {"type":"reaction","room":"lobby","target":5,"emoji":"👍","removed":true}
closes 1000
"#;
    assert_eq!(output, expected);
}
