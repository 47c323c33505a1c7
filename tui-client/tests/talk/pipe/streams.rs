//! Input and output of the commands: lines, JSON, earlier messages, and text that is safe for terminals.

use serde_json::Value;

use super::process::{Process, post};
use crate::fake_server::{FakeServer, Script};
use crate::hostile_text::{HOSTILE, bomb, frames, tower};
use crate::output_check::{self, FRAME_BEGINS, FRAME_ENDS};
use crate::server::Server;

/// Texts of lines in the form `HH:MM nick text`.
pub(super) fn texts(output: &str) -> Vec<&str> {
    output.lines().map(|line| line.splitn(3, ' ').nth(2).unwrap_or_default()).collect()
}

#[test]
fn tail_prints_earlier_messages_and_then_new_ones() {
    let server = Server::start();
    let numbers: Vec<String> = (0..250).map(|number| format!("n{number}")).collect();
    post(&server, "bob", &numbers.iter().map(String::as_str).collect::<Vec<_>>());
    let few = Process::tail(&server, "alice", &["--last", "3"]);
    let many = Process::tail(&server, "carol", &["--last", "1000"]);
    let none = Process::tail(&server, "dave", &["--last", "0"]);
    for tail in [&few, &many, &none] {
        tail.reports("joined lobby\n");
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

#[test]
fn changes_are_sent_and_printed_as_lines() {
    let server = Server::start_with(&["--memory"]);
    post(&server, "bob", &["one"]);
    let tail = Process::tail(&server, "alice", &[]);
    tail.prints("one\n");
    let (url, token) = (server.url(), server.token("bob"));
    for (option, text) in [("--edit", "first"), ("--reply-to", "two"), ("--react", "👍")] {
        let words = ["send", "--url", &url, option, "1", "--room", "lobby", "--", text];
        let ended = Process::start(&token, &words).ended();
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{option}");
    }
    tail.prints("+👍\n");
    assert_eq!(
        texts(&stopped(tail)),
        ["one", "[edit of 1] first", "[reply to 1] two", "[reaction to 1] +👍"]
    );
    let later = Process::tail(&server, "alice", &["--json"]);
    later.prints("\"first\"");
    later.prints("\"two\"");
    let folded = stopped(later);
    assert!(folded.contains("edited_ts") && !folded.contains("\"one\""), "{folded}");
}

/// Stops a tail and returns its output.
fn stopped(tail: Process) -> String {
    tail.signal(rustix::process::Signal::TERM);
    let ended = tail.ended();
    assert_eq!(ended.code, Some(143), "{}", ended.errors);
    ended.output
}

#[test]
fn since_continues_after_a_line_of_json() {
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
        tail.reports(&format!("joined lobby; {} recovered", expected.len()));
        tail.prints("four\n");
        assert_eq!(texts(&stopped(tail)), expected);
    }
}

#[test]
fn send_skips_empty_lines_and_a_byte_order_mark() {
    let server = Server::start();
    let mut send = Process::send(&server, "bob", &[]);
    send.feed("\u{feff}one\n\n  two\r\nlast");
    let ended = send.ended();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let tail = Process::tail(&server, "alice", &[]);
    tail.prints("last\n");
    assert_eq!(texts(&stopped(tail)), ["one", "  two", "last"]);
}

/// Asserts that each line is safe for a terminal.
#[track_caller]
fn assert_safe_for_terminals(written: &str) {
    for line in written.lines() {
        let frame = format!("{FRAME_BEGINS}{line}{FRAME_ENDS}");
        assert_eq!(output_check::faults(frame.as_bytes()), Vec::<String>::new(), "{line:?}");
    }
}

#[test]
fn hostile_text_is_safe_in_the_output_of_tail() {
    for form in [&[][..], &["--json"]] {
        let mut fake = FakeServer::start(Script::default());
        let url = fake.url();
        let arguments = [&["tail", "--url", &url, "--room", "lobby"], form].concat();
        let tail = Process::start("a.b.c", &arguments);
        tail.reports("joined lobby\n");
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
        assert_safe_for_terminals(&ended.output);
        assert_safe_for_terminals(&ended.errors);
        assert!(ended.output.lines().count() >= all.len() + passed, "{}", ended.output);
        let reversed = all.iter().position(|text| text.ends_with("txt.exe")).expect("among the hostile");
        let notice = format!("notice from root: n{reversed} txt.exe\n");
        assert!(ended.errors.contains(&notice), "{}", ended.errors);
        if form.is_empty() {
            continue;
        }
        let lines = ended.output.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let texts: Vec<String> =
            lines.map(|line| line["text"].as_str().expect("a text").to_owned()).collect();
        for (number, text) in all.iter().enumerate().filter(|(_, text)| is_text(text)) {
            assert!(texts.contains(&format!("n{number} {text}")), "{text:?} was changed");
        }
    }
}
