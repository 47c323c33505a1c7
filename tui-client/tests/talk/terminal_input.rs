//! Reports of the terminal among keys, split sequences, and late answers. `terminal_input` of the library has the tests
//! of all sequences.

use tempfile::TempDir;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// Reports that no query of the client asks for, answers that it does not know, and unfinished sequences.
const REPORTS: [&str; 10] = [
    "\x1b[?997;1n",
    "\x1b[?2026;2$y",
    "\x1b[?25h",
    "\x1b[>1;4000;29c",
    "\x1b[24;80R",
    "\x1bP>|XTerm(370)\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1b]10;rgb:0000/0000/0000\x07",
    "\x1b[1;\x1b[D\x1b[C",
    "\x1bP1$r\x1b[D\x1b[C",
];

#[test]
fn keys_work_after_any_report_of_the_terminal() {
    let server = Server::start();
    let mut alice = server.client("alice", MEDIUM);
    alice.wait_for_connection();
    let mut typed = String::new();
    for (report, c) in REPORTS.iter().zip('a'..) {
        alice.press(&format!("{report}{c}"));
        typed.push(c);
        alice.wait_until("key after a report", |screen| screen.trim_end().ends_with(&format!("› {typed}")));
    }
    alice.press("\x15");
    for unfinished in ["\x1b[1;", "\x1bP1", "\x1b]11;rgb", "\x1b_", "\x1b", "\x1b[M!"] {
        let mut client = server.client("bob", MEDIUM);
        client.wait_for_connection();
        client.press(unfinished);
        client.press("\x03\x03");
        assert_eq!(client.ended().code, 0, "{unfinished:?}");
    }
}

/// Another user's message shows that the client has read the bytes before it.
#[test]
fn a_paste_with_a_split_opening_mark_posts_nothing() {
    let server = Server::start();
    let mut alice = server.client("alice", MEDIUM);
    let mut bob = server.client("bob", MEDIUM);
    alice.wait_for_connection();
    bob.wait_for_connection();
    for at in 1..6 {
        let (first, second) = "\x1b[200~one\rtwo\r\x1b[201~".split_at(at);
        alice.press(first);
        bob.submit(&format!("message{at}"));
        alice.shows(&format!("message{at}"));
        alice.press(second);
        alice.wait_until("paste", |screen| {
            screen.lines().any(|row| row.ends_with("one")) && screen.lines().any(|row| row.ends_with("two"))
        });
        alice.press("\x03");
        let screen = alice.shows("quit again").text;
        assert!(!screen.contains("one ✓") && !screen.contains("one …"), "split at {at}:\n{screen}");
        // Deletes all lines, with the rest of the mark if the machine was too slow for the wait.
        for _ in 0..6 {
            alice.press("\x15\x7f");
        }
        alice.wait_for_input_handled();
    }
}

#[test]
fn a_split_key_is_one_key_within_the_configured_wait() {
    let server = Server::start();
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("config.toml");
    std::fs::write(&config, "escape_delay_ms = 1000\n").expect("written");
    let url = server.url();
    let path = config.to_str().expect("a path");
    let token = server.token("alice");
    let mut alice = Terminal::start(MEDIUM, &token, &["--url", &url, "--room", "lobby", "--config", path]);
    alice.wait_for_connection();
    alice.press("ab\x1b");
    // The frame with the letters is drawn after the ESC was read.
    alice.shows("› ab");
    alice.press("[");
    alice.press("D|");
    alice.shows("› a|b");
}

#[test]
fn a_shortcut_works_in_a_cyrillic_layout() {
    let server = Server::start();
    let token = server.token("alice");
    let arguments = ["--url", &server.url(), "--room", "lobby"];
    let mut alice = Terminal::start_in(MEDIUM, &token, &arguments, &[("TERM", "xterm-kitty")]);
    alice.wait_for_connection();
    assert!(
        String::from_utf8_lossy(&alice.written_from(0)).contains("\x1b[>5u"),
        "alternate keys are requested"
    );
    alice.press("привет");
    alice.shows("› привет");
    alice.press("\x1b[1075::117;5u");
    alice.shows_no_more("привет");
    alice.press("\x1b[97;9u\x1b[1089::99;5u");
    assert_eq!(alice.ended().code, 0);
}

#[test]
fn the_keyboard_protocol_is_enabled_once_the_terminal_reports_it() {
    let server = Server::start();
    let mut alice = server.client("alice", MEDIUM);
    alice.wait_for_connection();
    let asked = String::from_utf8(alice.written_from(0)).expect("UTF-8");
    assert!(asked.contains("\x1b[?u\x1b[c") && !asked.contains("\x1b[>5u"), "{asked:?}");
    alice.press("\x1b[?0u\x1b[?62;22c");
    alice.wait_until_written(0, "\x1b[>5u");
    alice.press("\x1b[99;5u");
    let ended = alice.ended();
    assert_eq!(ended.code, 0);
    assert!(ended.written.rfind("\x1b[>5u") < ended.written.rfind("\x1b[<1u"), "{:?}", ended.written);
}

/// Shell script that runs a client, and prints the line that is typed after it.
const SHELL: &str = r#""$0" "$@"; echo "ended $?"; read -r line; echo "typed <$line>""#;

#[test]
fn answers_that_arrive_at_the_end_do_not_reach_the_shell() {
    let server = Server::start();
    let token = server.token("alice");
    let arguments = ["--url", &server.url(), "--room", "lobby"];
    let mut alice = Terminal::start_by(SHELL, MEDIUM, &token, &arguments, &[]);
    alice.wait_for_connection();
    alice.press(&format!("\x03{}\x1b[?62;22c", "\x1b]11;rgb:ffff/ffff/ffff\x07".repeat(8)));
    alice.prints("ended 0");
    alice.press("\r");
    alice.prints("typed <>");
    assert_eq!(alice.ended().code, 0);
}
