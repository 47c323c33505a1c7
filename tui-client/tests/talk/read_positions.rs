//! Read positions that outlive the client.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

const CTRL_C: &str = "\x03";
const ALT_1: &str = "\x1b1";
const ALT_2: &str = "\x1b2";

/// Alice's account and directory: she is in two rooms, and her read positions are kept.
struct AliceAccount {
    token: String,
    url: String,
    home: TempDir,
}

impl AliceAccount {
    fn new(server: &Server) -> Self {
        let home = TempDir::new().expect("a directory");
        Self { token: server.token("alice"), url: server.url(), home }
    }

    fn start(&self, more: &[&str]) -> Terminal {
        let arguments = ["--url", &self.url, "--room", "lobby", "--room", "dev"];
        let arguments: Vec<_> = arguments.iter().chain(more).copied().collect();
        let alice = Terminal::start_keeping(MEDIUM, &self.token, &arguments, Some(self.home.path()));
        alice.wait_for_connection();
        alice
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("realtime/read.json")
    }
}

/// Starts Bob's client in two rooms.
fn bob(server: &Server) -> Terminal {
    let arguments = ["--url", &server.url(), "--room", "lobby", "--room", "dev"];
    Terminal::start(MEDIUM, &server.token("bob"), &arguments)
}

/// Bob sends these lines and waits for their acks.
fn submit_all(bob: &mut Terminal, lines: &[&str]) {
    for line in lines {
        bob.submit(line);
        bob.shows(&format!("{line} ✓"));
    }
}

/// Alice starts her client. The last two messages of `lobby` and the last one of `dev` are new to her.
#[track_caller]
fn assert_new_messages(who: &AliceAccount, lobby: [&str; 3], dev: &str) {
    let mut alice = who.start(&[]);
    let seen = alice.wait_until("what was said", |screen| lobby.iter().all(|text| screen.contains(text)));
    let places = [lobby[0], "2 new", lobby[1], lobby[2]].map(|text| seen.text.find(text));
    assert!(places.is_sorted() && places[0].is_some(), "{}", seen.text);
    assert!(!seen.text.contains("reset"), "{}", seen.text);
    alice.shows("@1 1");
    alice.press(ALT_2);
    let seen = alice.shows(dev);
    assert!(seen.text.find("1 new") < seen.text.find(dev), "{}", seen.text);
    alice.shows_no_more("@1 1");
    alice.press(CTRL_C);
    assert_eq!(alice.ended().code, 0);
}

#[test]
fn unread_messages_are_new_after_a_restart_of_client_and_server() {
    let mut server = Server::start();
    let who = AliceAccount::new(&server);
    let mut bob = bob(&server);
    bob.wait_for_connection();
    let ends: [fn(&mut Terminal); 3] =
        [|alice| alice.press(CTRL_C), |alice| alice.signal(Signal::HUP), |alice| alice.signal(Signal::TERM)];
    for (round, end) in ends.into_iter().enumerate() {
        let [old, new, newest, look] =
            ["old", "new", "newest", "alice, look"].map(|text| format!("{text} {round}."));
        let mut alice = who.start(&[]);
        submit_all(&mut bob, &[&old]);
        alice.shows(&old);
        end(&mut alice);
        alice.ended();
        server.kill();
        bob.wait_for_disconnect();
        server.serve();
        bob.wait_for_connection();
        submit_all(&mut bob, &[&new, &newest]);
        bob.press(ALT_2);
        submit_all(&mut bob, &[&look]);
        bob.press(ALT_1);
        bob.shows(&newest);
        assert_new_messages(&who, [&old, &new, &newest], &look);
    }
}

#[test]
fn a_new_log_is_shown_as_reset_after_a_restart() {
    let mut server = Server::start_with(&["--memory"]);
    let who = AliceAccount::new(&server);
    let mut bob = bob(&server);
    bob.wait_for_connection();
    let mut alice = who.start(&[]);
    submit_all(&mut bob, &["old"]);
    alice.shows("old");
    alice.press(CTRL_C);
    alice.ended();
    server.kill();
    bob.wait_for_disconnect();
    server.serve();
    bob.wait_for_connection();
    submit_all(&mut bob, &["new"]);
    let alice = who.start(&[]);
    alice.shows("history was reset");
    alice.shows("new");
}

#[test]
fn a_broken_file_of_read_positions_is_reported_and_set_aside() {
    let server = Server::start();
    let who = AliceAccount::new(&server);
    fs::create_dir_all(who.file().parent().expect("a directory")).expect("made");
    fs::write(who.file(), "{\"half").expect("written");
    let mut alice = who.start(&[]);
    alice.wait_until("the fault of the file", |screen| {
        screen.contains("read.json is") && screen.contains("invalid")
    });
    // The ack shows that the second room was joined.
    alice.press(ALT_2);
    submit_all(&mut alice, &["joined"]);
    alice.press(CTRL_C);
    assert_eq!(alice.ended().code, 0);
    let aside = who.file().with_extension("json.broken");
    assert_eq!(fs::read_to_string(aside).expect("set aside"), "{\"half");
    let fresh = fs::read_to_string(who.file()).expect("begun anew");
    assert!(fresh.contains("\"lobby\"") && fresh.contains("\"dev\""), "{fresh}");
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_keeps_no_files() {
    let home = TempDir::new().expect("a directory");
    let mut visitor = Terminal::start_keeping(MEDIUM, "", &["--demo"], Some(home.path()));
    visitor.wait_for_connection();
    visitor.press(CTRL_C);
    assert_eq!(visitor.ended().code, 0);
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 0);
}

#[test]
fn no_state_keeps_no_files() {
    let server = Server::start();
    let who = AliceAccount::new(&server);
    let mut alice = who.start(&["--no-state"]);
    alice.submit("hello");
    alice.shows("hello ✓");
    alice.press(CTRL_C);
    assert_eq!(alice.ended().code, 0);
    assert_eq!(fs::read_dir(who.home.path()).expect("a directory").count(), 0);
}
