//! Typed texts that outlive the client: drafts, queued messages, changed texts of the history.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::WAIT_LIMIT;
use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal, WIDE};

const CTRL_C: &str = "\x03";
const CTRL_R: &str = "\x12";
const CTRL_U: &str = "\x15";
const UP: &str = "\x1b[A";

/// The files of typed texts in a directory of state, one after the other.
pub(crate) fn kept_texts(state: &Path) -> String {
    let files = fs::read_dir(state.join("realtime/drafts")).into_iter().flatten().flatten();
    let files =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
    // A client may remove its file meanwhile.
    files.map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
}

/// Waits until the files of typed texts are as required.
#[track_caller]
fn wait_for_texts(state: &TempDir, what: &str, matches: impl Fn(&str) -> bool) {
    let until = Instant::now() + WAIT_LIMIT;
    while !matches(&kept_texts(state.path())) {
        assert!(Instant::now() < until, "no {what}: {}", kept_texts(state.path()));
        thread::yield_now();
    }
}

fn start(server: &Server, user: &str, state: &TempDir, more: &[&str]) -> Terminal {
    let url = server.url();
    let arguments = [&["--url", &url, "--room", "lobby"], more].concat();
    let client = Terminal::start_keeping(WIDE, &server.token(user), &arguments, Some(state.path()));
    client.wait_for_connection();
    client
}

/// Kills a client as `kill -9` does.
fn kill(client: Terminal) {
    drop(client);
}

#[test]
fn drafts_and_queued_messages_survive_twenty_kills() {
    let mut server = Server::start();
    let state = TempDir::new().expect("a directory");
    for round in 0..10 {
        // In the first half of a round the client is killed with a message in flight, or about to be.
        let mut alice = start(&server, "alice", &state, &[]);
        alice.submit(&format!("sent {round}."));
        if round % 2 == 0 {
            alice.shows(&format!("sent {round}."));
        }
        kill(alice);

        let mut alice = start(&server, "alice", &state, &[]);
        alice.press(CTRL_U);
        alice.shows("› message");
        server.kill();
        alice.wait_for_disconnect();
        alice.submit(&format!("queued {round}."));
        alice.shows(&format!("queued {round}. …"));
        alice.press(&format!("draft {round}."));
        let expected = [format!("queued {round}."), format!("draft {round}.")];
        wait_for_texts(&state, "draft", |texts| expected.iter().all(|text| texts.contains(text)));
        kill(alice);
        server.serve();
        let mut alice = start(&server, "alice", &state, &[]);
        alice.shows(&format!("› draft {round}."));
        alice.shows(&format!("queued {round}. ✓"));
        alice.press(CTRL_U);
        wait_for_texts(&state, "end of the texts", str::is_empty);
        alice.press(CTRL_C);
        assert_eq!(alice.ended().code, 0, "nothing is left to ask about");
    }
    let bob = Terminal::start((120, 60), &server.token("bob"), &["--url", &server.url(), "--room", "lobby"]);
    let screen = bob.shows("queued 9.").text;
    for round in 0..10 {
        let count = |text: String| screen.matches(&text).count();
        assert_eq!(count(format!("queued {round}.")), 1, "{screen}");
        assert!(count(format!("sent {round}.")) <= 1, "{screen}");
    }
}

#[test]
fn two_clients_of_a_user_keep_their_own_drafts() {
    let server = Server::start();
    let state = TempDir::new().expect("a directory");
    let (mut one, mut two) = (start(&server, "alice", &state, &[]), start(&server, "alice", &state, &[]));
    for (client, text) in [(&mut one, "first"), (&mut two, "second")] {
        client.press(text);
        wait_for_texts(&state, text, |texts| texts.contains(text));
    }
    assert!(kept_texts(state.path()).contains("first"));
    kill(one);
    kill(two);
    let mut alice = start(&server, "alice", &state, &[]);
    let screen =
        alice.wait_until("draft", |screen| screen.contains("› first") || screen.contains("› second"));
    let other = if screen.text.contains("› first") { "second" } else { "first" };
    alice.press(UP);
    alice.shows(&format!("› {other}"));
}

#[test]
fn texts_that_were_printed_at_the_end_are_back_and_wait_for_the_user() {
    let mut server = Server::start();
    let state = TempDir::new().expect("a directory");
    let mut alice = start(&server, "alice", &state, &[]);
    alice.submit("hello");
    alice.shows("hello ✓");
    server.kill();
    alice.wait_for_disconnect();
    alice.submit("lunch?");
    alice.shows("lunch? …");
    alice.press(UP);
    alice.shows("› lunch?");
    alice.press(&format!("{UP} again"));
    alice.shows("› hello again");
    alice.press("\x1b[B\x1b[Bhalf a tho");
    alice.shows("› half a tho");
    alice.press(&format!("{CTRL_C}{CTRL_C}"));
    let ended = alice.ended();
    for part in ["lobby: lunch?\r\n", "lobby, a draft: half a tho\r\n", "lobby, a draft: hello again\r\n"] {
        assert!(ended.written.contains(part), "{:?}", ended.written);
    }
    assert!(!state.path().join("realtime/unsent.txt").exists());

    server.serve();
    let mut alice = start(&server, "alice", &state, &[]);
    alice.shows("lunch? ✗ not sent: it is from an earlier run (Ctrl-R)");
    alice.shows("› half a tho");
    alice.press(CTRL_R);
    alice.shows("lunch? ✓");
    alice.press(UP);
    alice.shows("› hello again");
    alice.signal(Signal::HUP);
    alice.ended();
    let mut alice = start(&server, "alice", &state, &[]);
    alice.shows("› hello again");
    alice.press("\x1b[B");
    alice.shows("› half a tho");
}

#[test]
fn no_state_keeps_no_texts() {
    let server = Server::start();
    let state = TempDir::new().expect("a directory");
    let mut alice = start(&server, "alice", &state, &["--no-state"]);
    alice.press("secret");
    alice.shows("› secret");
    alice.signal(Signal::TERM);
    let ended = alice.ended();
    assert!(ended.written.contains("a draft: secret") && !ended.written.contains("next start"));
    assert_eq!(fs::read_dir(state.path()).expect("a directory").count(), 0);
}

#[test]
fn a_broken_file_of_texts_is_reported_and_set_aside() {
    let server = Server::start();
    let state = TempDir::new().expect("a directory");
    let directory = state.path().join("realtime/drafts");
    fs::create_dir_all(&directory).expect("made");
    fs::write(directory.join("1.json"), "{\"half").expect("written");
    let arguments = ["--url", &server.url(), "--room", "lobby"];
    let alice = Terminal::start_keeping(MEDIUM, &server.token("alice"), &arguments, Some(state.path()));
    alice.shows("drafts/1.json");
    assert_eq!(fs::read_to_string(directory.join("1.json.broken")).expect("set aside"), "{\"half");
}
