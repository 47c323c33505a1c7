//! What goes through: lines, JSON, what was there before, and nothing that drives a terminal.

use serde_json::Value;

use super::process::{Process, post};
use crate::bytes::{self, FRAME_BEGINS, FRAME_ENDS};
use crate::fake::{Fake, Script};
use crate::hostile::{HOSTILE, bomb, frames, tower};
use crate::server::Server;

/// The texts of lines `HH:MM nick text`.
pub(super) fn texts(output: &str) -> Vec<&str> {
    output.lines().map(|line| line.splitn(3, ' ').nth(2).unwrap_or_default()).collect()
}

#[test]
fn what_is_sent_is_printed_after_what_was_there() {
    let server = Server::start();
    let numbers: Vec<String> = (0..250).map(|number| format!("n{number}")).collect();
    post(&server, "bob", &numbers.iter().map(String::as_str).collect::<Vec<_>>());
    let few = Process::tail(&server, "alice", &["--last", "3"]);
    let many = Process::tail(&server, "carol", &["--last", "1000"]);
    let none = Process::tail(&server, "dave", &["--last", "0"]);
    for tail in [&few, &many, &none] {
        tail.says("joined lobby\n");
    }
    let ended = Process::send(&server, "bob", &["the", "last one"]).ended();
    assert_eq!((ended.code, ended.output.as_str(), ended.errors.as_str()), (Some(0), "", ""));
    for (tail, from) in [(few, 247), (many, 0), (none, 250)] {
        tail.prints("the last one\n");
        let output = stopped(tail);
        assert_eq!(texts(&output), [&numbers[from..], &["the last one".to_owned()]].concat());
        let first = output.lines().next().expect("a line");
        let (time, rest) = first.split_at(5);
        assert!(time.as_bytes()[2] == b':' && rest.starts_with(" bob "), "{first}");
    }
}

/// What it has printed until now.
fn stopped(tail: Process) -> String {
    tail.signal(rustix::process::Signal::TERM);
    let ended = tail.ended();
    assert_eq!(ended.code, Some(143), "{}", ended.errors);
    ended.output
}

#[test]
fn a_line_of_json_is_where_the_next_one_goes_on() {
    let server = Server::start();
    post(&server, "bob", &["one", "two \"quoted\"", "three"]);
    let tail = Process::tail(&server, "alice", &["--json", "--last", "2"]);
    tail.prints("three");
    let output = stopped(tail);
    let lines: Vec<&str> = output.lines().collect();
    let first: Value = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!((&first["type"], &first["text"]), (&"message".into(), &"two \"quoted\"".into()));
    assert_eq!((&first["room"], &first["from"], &first["seq"]), (&"lobby".into(), &"bob".into(), &2.into()));
    assert_eq!(lines.len(), 2, "{output}");

    post(&server, "bob", &["four"]);
    for (since, expected) in [
        (lines[0], &["three", "four"][..]),
        (lines[1], &["four"]),
        ("", &["one", "two \"quoted\"", "three", "four"]),
    ] {
        let tail = Process::tail(&server, "alice", &["--since", since]);
        tail.says(&format!("joined lobby; {} recovered", expected.len()));
        tail.prints("four\n");
        assert_eq!(texts(&stopped(tail)), expected);
    }
}

#[test]
fn lines_are_messages_and_empty_ones_are_not() {
    let server = Server::start();
    let mut send = Process::send(&server, "bob", &[]);
    send.feed("one\n\n  two\r\nlast");
    let ended = send.ended();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let tail = Process::tail(&server, "alice", &[]);
    tail.prints("last\n");
    assert_eq!(texts(&stopped(tail)), ["one", "  two", "last"]);
}

/// Each line could stand in a terminal.
#[track_caller]
fn is_harmless(written: &str) {
    for line in written.lines() {
        let frame = format!("{FRAME_BEGINS}{line}{FRAME_ENDS}");
        assert_eq!(bytes::faults(frame.as_bytes()), Vec::<String>::new(), "{line:?}");
    }
}

#[test]
fn what_others_write_cannot_drive_a_terminal() {
    for form in [&[][..], &["--json"]] {
        let mut fake = Fake::start(Script::default());
        let url = fake.url();
        let arguments = [&["tail", "--url", &url, "--room", "lobby"], form].concat();
        let tail = Process::start("a.b.c", &arguments);
        tail.says("joined lobby\n");
        let large = [tower(), bomb()];
        let all: Vec<&str> = HOSTILE.iter().copied().chain(large.iter().map(String::as_str)).collect();
        for (number, text) in all.iter().enumerate() {
            frames(&mut fake, &format!("n{number}"), text);
            fake.post("lobby", "bob", &format!("<{number}>"));
            tail.prints(&format!("<{number}>"));
        }
        let is_text = |text: &&&str| !text.contains(|c: char| c.is_control());
        let passed = all.iter().filter(is_text).count();
        tail.signal(rustix::process::Signal::INT);
        let ended = tail.ended();
        assert_eq!(ended.code, Some(130), "{}", ended.errors);
        is_harmless(&ended.output);
        is_harmless(&ended.errors);
        assert!(ended.output.lines().count() >= all.len() + passed, "{}", ended.output);
        let reversed = all.iter().position(|text| text.ends_with("txt.exe")).expect("among the hostile");
        let told = format!("notice from root: n{reversed} txt.exe\n");
        assert!(ended.errors.contains(&told), "{}", ended.errors);
        if form.is_empty() {
            continue;
        }
        let lines = ended.output.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let texts: Vec<String> =
            lines.map(|line| line["text"].as_str().expect("a text").to_owned()).collect();
        for (number, text) in all.iter().enumerate().filter(|(_, text)| is_text(text)) {
            assert!(texts.contains(&format!("n{number} {text}")), "{text:?} is not what it was");
        }
    }
}
