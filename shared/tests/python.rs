//! The Python outline of the README, run by `python3` on frames that a server may send.

use std::io::Write;
use std::process::{Command, Stdio};

/// Stands in for the package `websockets`, which a machine need not have.
const WEBSOCKETS: &str = r#"
import sys, types
for name in ["websockets", "websockets.asyncio", "websockets.asyncio.client", "websockets.exceptions"]:
    sys.modules[name] = types.ModuleType(name)
sys.modules["websockets.asyncio.client"].connect = None
sys.modules["websockets.exceptions"].ConnectionClosed = type("ConnectionClosed", (Exception,), {})
sys.modules["websockets.exceptions"].InvalidStatus = type("InvalidStatus", (Exception,), {})
"#;

/// Hands frames to the client, and prints the position that it has afterwards.
const DRIVER: &str = r#"
async def main():
    client = Client("ws://localhost", "token", "lobby")
    client.epoch, client.seq, client.id = "E", 4, "four"
    client.unsent["mine"] = {}
    for line in FRAMES.splitlines():
        await client.on_frame(json.loads(line))
    print("position", client.epoch, client.seq, client.id, "unsent", list(client.unsent))

asyncio.run(main())
"#;

fn outline() -> &'static str {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```python\n").expect("the outline");
    rest.split_once("```").expect("its end").0
}

/// The lines that the outline prints after these frames. The last one is its position.
fn lines(frames: &str) -> Vec<String> {
    let script = format!("{WEBSOCKETS}\n{}\nFRAMES = r'''{frames}'''\n{DRIVER}", outline());
    let mut python = Command::new("python3")
        .env("PYTHONIOENCODING", "utf-8")
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, which runs the README's outline, is in the PATH");
    python.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("the script is written");
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "the outline fails");
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    output.lines().map(str::to_owned).collect()
}

/// The position after these frames.
fn run(frames: &str) -> String {
    lines(frames).pop().expect("a line")
}

#[test]
fn replies_and_changes_are_shown_with_their_message() {
    let frames = r#"{"type":"message","room":"lobby","seq":5,"id":"five","from":"bob","text":"hi"}
{"type":"message","room":"lobby","seq":6,"id":"six","from":"eve","text":"yes","reply_to":5}
{"type":"edit","room":"lobby","seq":7,"id":"seven","from":"bob","target":5,"text":"hello"}
{"type":"reaction","room":"lobby","seq":8,"id":"eight","from":"eve","target":5,"emoji":"👍"}
{"type":"reaction","room":"lobby","seq":9,"id":"nine","from":"eve","target":2,"emoji":"👍","removed":true}
{"type":"delete","room":"lobby","seq":10,"id":"ten","from":"bob","target":5}
{"type":"message","room":"lobby","seq":11,"id":"e","from":"bob","text":"","deleted":{"by":"bob","ts":1}}
{"type":"edit","room":"lobby","seq":12,"id":"t","from":"bob","target":11,"deleted":true}"#;
    let expected = [
        "bob: hi",
        "eve: yes (reply to 'hi')",
        "bob changes 'hi' to 'hello'",
        "eve reacts with 👍 to 'hello'",
        "eve takes back 👍 to message 2",
        "bob deletes message 5",
        "position E 12 t unsent ['mine']",
    ];
    assert_eq!(lines(frames), expected);
}

#[test]
fn entries_of_unknown_kinds_move_the_position() {
    let frames = r#"{"type":"message","room":"lobby","seq":5,"id":"five","from":"bob","text":"hi"}
{"type":"x-sticker","room":"lobby","seq":6,"id":"six","sticker":"wave"}"#;
    assert_eq!(run(frames), "position E 6 six unsent ['mine']");
}

#[test]
fn acks_and_entries_of_other_rooms_do_not_move_the_position() {
    let frames = r#"{"type":"ack","room":"lobby","client_msg_id":"mine","epoch":"E","seq":9,"id":"nine","later":true}
{"type":"x-sticker","room":"dev","seq":10,"id":"ten"}
{"type":"x-hint","room":"lobby"}"#;
    assert_eq!(run(frames), "position E 4 four unsent []");
}
