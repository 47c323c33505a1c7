//! Exits of the client: exit codes, error lines, and the restored terminal.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::output_check;
use crate::server::Server;
use crate::spawn_lock;
use crate::terminal::{MEDIUM, Terminal, TerminalExit};

/// Asserts that each mode was restored: alternate screen, bracketed paste, focus reports, mouse, cursor.
#[track_caller]
fn assert_terminal_restored(ended: &TerminalExit) {
    for mode in ["\x1b[?1049", "\x1b[?2004", "\x1b[?1004", "\x1b[?1000", "\x1b[?1002", "\x1b[?1006"] {
        let last = |end: &str| ended.written.rfind(&format!("{mode}{end}"));
        assert!(last("h").is_some() && last("h") < last("l"), "{mode:?} in {:?}", ended.written);
    }
    assert!(ended.written.rfind("\x1b[?25l") < ended.written.rfind("\x1b[?25h"), "{:?}", ended.written);
    assert!(ended.written.ends_with("\x1b[?1049l"), "{:?}", ended.written);
}

/// Asserts that the client printed one line and wrote nothing else to the terminal.
#[track_caller]
fn assert_one_line(ended: &TerminalExit, code: u32, part: &str) {
    let line = ended.written.strip_suffix("\r\n").unwrap_or_else(|| panic!("no line: {:?}", ended.written));
    assert_eq!(ended.code, code, "{line}");
    assert!(line.starts_with("realtime-tui: ") && line.contains(part), "{line:?}");
    let frame = format!("{}{line}{}", output_check::FRAME_BEGINS, output_check::FRAME_ENDS);
    assert_eq!(output_check::faults(frame.as_bytes()), Vec::<String>::new(), "{line:?}");
    assert!(!line.contains('\x1b'), "{line:?}");
}

#[test]
fn quit_restores_the_terminal() {
    let server = Server::start();
    let mut alice = server.client("alice", MEDIUM);
    alice.wait_for_connection();
    alice.submit("/quit");
    let ended = alice.ended();
    assert_eq!(ended.code, 0);
    assert_terminal_restored(&ended);
}

#[test]
fn a_signal_restores_the_terminal() {
    let server = Server::start();
    for (signal, code) in [(Signal::TERM, 128 + 15), (Signal::HUP, 128 + 1)] {
        let alice = server.client("alice", MEDIUM);
        alice.wait_for_connection();
        alice.signal(signal);
        let ended = alice.ended();
        assert_eq!(ended.code, code);
        assert_terminal_restored(&ended);
    }
}

#[test]
fn a_panic_restores_the_terminal() {
    let server = Server::start();
    let mut alice = Terminal::start_in(
        MEDIUM,
        &server.token("alice"),
        &["--url", &server.url(), "--room", "lobby"],
        &[("REALTIME_PANIC", "now")],
    );
    alice.wait_for_connection();
    alice.press("\x1b[200~now\x1b[201~");
    let ended = alice.ended();
    assert_eq!(ended.code, 101);
    let (screen, after) = ended.written.rsplit_once("\x1b[?1049l").expect("the end of the screen");
    assert!(after.contains("REALTIME_PANIC"), "{after:?}");
    assert_terminal_restored(&TerminalExit { code: 101, written: format!("{screen}\x1b[?1049l") });
}

#[test]
fn suspending_restores_the_terminal_and_continuing_takes_it_again() {
    let server = Server::start();
    let mut alice =
        Terminal::start_job(MEDIUM, &server.token("alice"), &["--url", &server.url(), "--room", "lobby"]);
    alice.wait_for_connection();
    alice.press("half a draft");
    alice.shows("› half a draft");
    alice.press("\x1a");
    alice.prints("job 147");
    alice.press("\r");
    alice.shows("› half a draft");
    alice.press("!");
    alice.shows("› half a draft!");
    alice.press("\x15\x03");
    let ended = alice.ended();
    let (stopped, continued) = ended.written.split_once("job 147").expect("the status of the stopped job");
    for part in [stopped, continued] {
        let end =
            part.rfind("\x1b[?1049l").map(|at| at + "\x1b[?1049l".len()).expect("the end of the screen");
        assert_terminal_restored(&TerminalExit { code: 0, written: part[..end].to_owned() });
    }
    assert!(continued.contains("job 0"), "{continued:?}");
}

/// Kills the server under a client that then has a queued message and a draft.
fn leave_unsent(server: &mut Server, alice: &mut Terminal) {
    alice.wait_for_connection();
    server.kill();
    alice.wait_for_disconnect();
    alice.submit("typed in vain");
    alice.press("half a tho");
    alice.shows("half a tho");
}

#[test]
fn unsent_messages_are_printed_at_the_end() {
    for end in
        [|alice: &mut Terminal| alice.press("\x03\x03"), |alice: &mut Terminal| alice.signal(Signal::TERM)]
    {
        let mut server = Server::start();
        let mut alice = server.client("alice", MEDIUM);
        leave_unsent(&mut server, &mut alice);
        end(&mut alice);
        let ended = alice.ended();
        let after = ended.written.rsplit("\x1b[?1049l").next().expect("the end");
        for part in ["not sent", "lobby: typed in vain\r\n", "lobby, a draft: half a tho\r\n"] {
            assert!(after.contains(part), "{after:?}");
        }
    }
}

#[test]
fn unsent_messages_are_printed_after_a_panic() {
    let mut server = Server::start();
    let arguments = ["--url", &server.url(), "--room", "lobby"];
    let token = server.token("alice");
    let mut alice = Terminal::start_in(MEDIUM, &token, &arguments, &[("REALTIME_PANIC", "now")]);
    leave_unsent(&mut server, &mut alice);
    alice.press("\x1b[200~now\x1b[201~");
    let ended = alice.ended();
    assert_eq!(ended.code, 101);
    for part in ["REALTIME_PANIC", "lobby: typed in vain\r\n", "lobby, a draft: half a tho\r\n"] {
        assert!(ended.written.contains(part), "{:?}", ended.written);
    }
}

#[test]
fn unsent_messages_are_saved_to_a_file_if_they_can_be_neither_printed_nor_kept() {
    const PLAIN: &str = r#"exec "$0" "$@""#;
    const NO_STDERR: &str = r#"exec "$0" "$@" 2>/dev/full"#;
    for script in [PLAIN, NO_STDERR] {
        let end = |alice: &mut Terminal| match script {
            NO_STDERR => alice.press("\x03\x03"),
            _ => alice.signal(Signal::HUP),
        };
        let mut server = Server::start();
        let home = TempDir::new().expect("a directory");
        let (token, url) = (server.token("alice"), server.url());
        let state = [("XDG_STATE_HOME", home.path().to_str().expect("a path"))];
        let start = |script: &str, more: &[&str]| {
            let arguments = [&["--url", &url, "--room", "lobby"], more].concat();
            let alice = Terminal::start_by(script, MEDIUM, &token, &arguments, &state);
            alice.wait_for_connection();
            alice
        };
        let file = home.path().join("realtime/unsent.txt");
        fs::create_dir(home.path().join("realtime")).expect("made");
        fs::write(home.path().join("realtime/drafts"), "").expect("a file in place of the directory");
        let mut alice = start(script, &[]);
        leave_unsent(&mut server, &mut alice);
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
        assert_eq!(
            fs::read_to_string(&file).expect("a file"),
            text,
            "a client without unsent messages adds nothing"
        );
        let mut alice = start(script, &["--no-state"]);
        alice.press("not for the disk");
        assert!(!alice.shows("not for the disk").text.contains("unsent.txt"));
        alice.signal(Signal::HUP);
        alice.ended();
        assert_eq!(fs::read_to_string(&file).expect("a file"), text, "`--no-state` writes no file");
    }
}

#[test]
fn a_token_of_another_server_is_refused() {
    let (server, another) = (Server::start(), Server::start());
    let client = Terminal::start(MEDIUM, &another.token("alice"), &["--url", &server.url()]);
    assert_one_line(&client.ended(), 3, "realtime-server token");
}

#[test]
fn a_malformed_token_is_refused_without_a_connection() {
    assert_one_line(&Terminal::start(MEDIUM, "sesame", &[]).ended(), 2, "three parts");
}

#[test]
fn an_unreachable_server_is_reported() {
    let mut server = Server::start();
    server.kill();
    let client = Terminal::start(MEDIUM, "a.b.c", &["--url", &server.url(), "--room", "lobby"]);
    assert_one_line(&client.ended(), 4, "realtime-server serve");
}

#[test]
fn an_answer_of_another_program_does_not_reach_the_terminal() {
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
        assert_one_line(&Terminal::start(MEDIUM, "a.b.c", &["--url", &url]).ended(), 4, &url);
        answering.join().expect("answered");
    }
}

#[test]
fn a_dumb_terminal_is_refused() {
    let client = Terminal::start_in(MEDIUM, "a.b.c", &[], &[("TERM", "dumb")]);
    assert_one_line(&client.ended(), 2, "realtime-tui tail");
}

#[test]
fn a_missing_terminal_is_reported() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-tui"));
    command.env_clear().args(["--token", "a.b.c"]).stdin(Stdio::null());
    let lock = spawn_lock();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
    drop(lock);
    let output = child.wait_with_output().expect("an end");
    assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()));
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(errors.contains("realtime-tui tail") && errors.contains("realtime-tui send"), "{errors}");
    assert!(errors.contains("not a terminal") && errors.lines().count() == 1, "{errors}");
}
