//! How it ends, and how it does not begin: exit codes, one line, a terminal as before.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::bytes;
use crate::server::Server;
use crate::starting;
use crate::terminal::{Ended, MEDIUM, Terminal};

/// What stands last in the terminal puts each of these modes back: the alternate screen, pastes, focus, the cursor.
#[track_caller]
fn gave_the_terminal_back(ended: &Ended) {
    for mode in ["\x1b[?1049", "\x1b[?2004", "\x1b[?1004", "\x1b[?1000", "\x1b[?1002", "\x1b[?1006"] {
        let last = |end: &str| ended.written.rfind(&format!("{mode}{end}"));
        assert!(last("h").is_some() && last("h") < last("l"), "{mode:?} in {:?}", ended.written);
    }
    assert!(ended.written.rfind("\x1b[?25l") < ended.written.rfind("\x1b[?25h"), "{:?}", ended.written);
    assert!(ended.written.ends_with("\x1b[?1049l"), "{:?}", ended.written);
}

/// It said one line, and did nothing else to the terminal.
#[track_caller]
fn said_one_line(ended: &Ended, code: u32, part: &str) {
    let line = ended.written.strip_suffix("\r\n").unwrap_or_else(|| panic!("no line: {:?}", ended.written));
    assert_eq!(ended.code, code, "{line}");
    assert!(line.starts_with("realtime-tui: ") && line.contains(part), "{line:?}");
    let frame = format!("{}{line}{}", bytes::FRAME_BEGINS, bytes::FRAME_ENDS);
    assert_eq!(bytes::faults(frame.as_bytes()), Vec::<String>::new(), "{line:?}");
    assert!(!line.contains('\x1b'), "{line:?}");
}

#[test]
fn quit_gives_the_terminal_back() {
    let server = Server::start();
    let mut alice = server.client("alice", MEDIUM);
    alice.is_connected();
    alice.say("/quit");
    let ended = alice.ended();
    assert_eq!(ended.code, 0);
    gave_the_terminal_back(&ended);
}

#[test]
fn so_does_a_signal() {
    let server = Server::start();
    for (signal, code) in [(Signal::TERM, 128 + 15), (Signal::HUP, 128 + 1)] {
        let alice = server.client("alice", MEDIUM);
        alice.is_connected();
        alice.signal(signal);
        let ended = alice.ended();
        assert_eq!(ended.code, code);
        gave_the_terminal_back(&ended);
    }
}

#[test]
fn so_does_a_panic() {
    let server = Server::start();
    let mut alice = Terminal::start_in(
        MEDIUM,
        &server.token("alice"),
        &["--url", &server.url(), "--room", "lobby"],
        &[("REALTIME_PANIC", "now")],
    );
    alice.is_connected();
    alice.press("\x1b[200~now\x1b[201~");
    let ended = alice.ended();
    assert_eq!(ended.code, 101);
    let (screen, after) = ended.written.rsplit_once("\x1b[?1049l").expect("the end of the screen");
    assert!(after.contains("REALTIME_PANIC"), "{after:?}");
    gave_the_terminal_back(&Ended { code: 101, written: format!("{screen}\x1b[?1049l") });
}

#[test]
fn so_does_who_stops_and_takes_it_again_when_continued() {
    let server = Server::start();
    let mut alice =
        Terminal::start_job(MEDIUM, &server.token("alice"), &["--url", &server.url(), "--room", "lobby"]);
    alice.is_connected();
    alice.press("half a draft");
    alice.shows("lobby › half a draft");
    alice.press("\x1a");
    alice.says("job 147");
    alice.press("\r");
    alice.shows("lobby › half a draft");
    alice.press("!");
    alice.shows("lobby › half a draft!");
    alice.press("\x15\x03");
    let ended = alice.ended();
    let (stopped, continued) = ended.written.split_once("job 147").expect("it was stopped");
    for part in [stopped, continued] {
        let end =
            part.rfind("\x1b[?1049l").map(|at| at + "\x1b[?1049l".len()).expect("the end of the screen");
        gave_the_terminal_back(&Ended { code: 0, written: part[..end].to_owned() });
    }
    assert!(continued.contains("job 0"), "{continued:?}");
}

#[test]
fn what_is_not_sent_is_printed() {
    for end in
        [|alice: &mut Terminal| alice.press("\x03\x03"), |alice: &mut Terminal| alice.signal(Signal::TERM)]
    {
        let mut server = Server::start();
        let mut alice = server.client("alice", MEDIUM);
        alice.is_connected();
        server.kill();
        alice.is_disconnected();
        alice.say("typed in vain");
        alice.press("half a tho");
        alice.shows("half a tho");
        end(&mut alice);
        let ended = alice.ended();
        let after = ended.written.rsplit("\x1b[?1049l").next().expect("the end");
        for part in ["not sent", "lobby: typed in vain\r\n", "lobby, a draft: half a tho\r\n"] {
            assert!(after.contains(part), "{after:?}");
        }
    }
}

#[test]
fn a_panic_prints_it_too() {
    let mut server = Server::start();
    let arguments = ["--url", &server.url(), "--room", "lobby"];
    let token = server.token("alice");
    let mut alice = Terminal::start_in(MEDIUM, &token, &arguments, &[("REALTIME_PANIC", "now")]);
    alice.is_connected();
    server.kill();
    alice.is_disconnected();
    alice.say("typed in vain");
    alice.press("half a tho");
    alice.shows("half a tho");
    alice.press("\x1b[200~now\x1b[201~");
    let ended = alice.ended();
    assert_eq!(ended.code, 101);
    for part in ["REALTIME_PANIC", "lobby: typed in vain\r\n", "lobby, a draft: half a tho\r\n"] {
        assert!(ended.written.contains(part), "{:?}", ended.written);
    }
}

#[test]
fn where_the_terminal_cannot_be_told_it_is_left_in_a_file() {
    const PLAIN: &str = r#"exec "$0" "$@""#;
    const DEAF: &str = r#"exec "$0" "$@" 2>/dev/full"#;
    for script in [PLAIN, DEAF] {
        let end = |alice: &mut Terminal| match script {
            DEAF => alice.press("\x03\x03"),
            _ => alice.signal(Signal::HUP),
        };
        let mut server = Server::start();
        let home = TempDir::new().expect("a directory");
        let (token, url) = (server.token("alice"), server.url());
        let state = [("XDG_STATE_HOME", home.path().to_str().expect("a path"))];
        let start = |script: &str, more: &[&str]| {
            let arguments = [&["--url", &url, "--room", "lobby"], more].concat();
            let alice = Terminal::start_by(script, MEDIUM, &token, &arguments, &state);
            alice.is_connected();
            alice
        };
        let file = home.path().join("realtime/unsent.txt");
        let mut alice = start(script, &[]);
        server.kill();
        alice.is_disconnected();
        alice.say("typed in vain");
        alice.press("half a tho");
        alice.shows("half a tho");
        end(&mut alice);
        alice.ended();
        let text = fs::read_to_string(&file).expect("a file");
        for part in ["  lobby: typed in vain\n", "  lobby, a draft: half a tho\n"] {
            assert!(text.contains(part), "{text:?}");
        }
        server.serve();
        let mut alice = start(script, &[]);
        alice.shows("unsent.txt");
        end(&mut alice);
        alice.ended();
        assert_eq!(fs::read_to_string(&file).expect("a file"), text, "there was nothing to add");
        let mut alice = start(script, &["--no-state"]);
        alice.press("not for the disk");
        assert!(!alice.shows("not for the disk").text.contains("unsent.txt"));
        alice.signal(Signal::HUP);
        alice.ended();
        assert_eq!(fs::read_to_string(&file).expect("a file"), text, "nothing is kept");
    }
}

#[test]
fn a_token_of_another_server_is_refused() {
    let (server, another) = (Server::start(), Server::start());
    let client = Terminal::start(MEDIUM, &another.token("alice"), &["--url", &server.url()]);
    said_one_line(&client.ended(), 3, "realtime-server token");
}

#[test]
fn what_is_no_token_is_not_tried() {
    said_one_line(&Terminal::start(MEDIUM, "sesame", &[]).ended(), 2, "three parts");
}

#[test]
fn an_absent_server_is_said_to_be() {
    let mut server = Server::start();
    server.kill();
    let client = Terminal::start(MEDIUM, "a.b.c", &["--url", &server.url(), "--room", "lobby"]);
    said_one_line(&client.ended(), 4, "realtime-server serve");
}

#[test]
fn whoever_else_answers_there_cannot_write_to_the_terminal() {
    for answer in [
        "HTTP/1.1 404 \x1b[31mgone\u{202e}\r\nX: \x1b]0;x\x07\r\n\r\n\x1b[31m",
        "HTTP/1.1 101 Switching\r\nUpgrade: \x1b[31m\r\nConnection: \u{9b}31m\r\nSec-WebSocket-Accept: \x1bc\r\n\r\n",
        "\x1b]52;c;eA==\x07\x1b[31m\r\n\u{202e}\u{200b}\r\n\r\n",
        "SSH-2.0-\x1b[31m\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}/ws", listener.local_addr().expect("an address"));
        let answering = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.extend(byte);
            }
            stream.write_all(answer.as_bytes()).expect("written");
        });
        said_one_line(&Terminal::start(MEDIUM, "a.b.c", &["--url", &url]).ended(), 4, &url);
        answering.join().expect("answered");
    }
}

#[test]
fn a_dumb_terminal_is_not_drawn_on() {
    let client = Terminal::start_in(MEDIUM, "a.b.c", &[], &[("TERM", "dumb")]);
    said_one_line(&client.ended(), 2, "realtime-tui tail");
}

#[test]
fn without_a_terminal_it_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-tui"));
    command.env_clear().args(["--token", "a.b.c"]).stdin(Stdio::null());
    let lock = starting();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(lock);
    let output = child.wait_with_output().expect("an end");
    assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()));
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains("realtime-tui tail") && said.contains("realtime-tui send"), "{said}");
    assert!(said.contains("not a terminal") && said.lines().count() == 1, "{said}");
}
