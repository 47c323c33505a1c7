//! What is unread outlives the client.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

const CTRL_C: &str = "\x03";
const ALT_1: &str = "\x1b1";
const ALT_2: &str = "\x1b2";

/// Alice, who is in two rooms whenever she is there, and keeps what she read.
struct Alice {
    token: String,
    url: String,
    home: TempDir,
}

impl Alice {
    fn of(server: &Server) -> Self {
        let home = TempDir::new().expect("a directory");
        Self { token: server.token("alice"), url: server.url(), home }
    }

    fn comes(&self, more: &[&str]) -> Terminal {
        let arguments = ["--url", &self.url, "--room", "lobby", "--room", "dev"];
        let arguments: Vec<_> = arguments.iter().chain(more).copied().collect();
        let alice = Terminal::start_keeping(MEDIUM, &self.token, &arguments, Some(self.home.path()));
        alice.is_connected();
        alice
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("realtime/read.json")
    }
}

/// Bob, in two rooms.
fn bob(server: &Server) -> Terminal {
    let arguments = ["--url", &server.url(), "--room", "lobby", "--room", "dev"];
    Terminal::start(MEDIUM, &server.token("bob"), &arguments)
}

/// Bob says this, and it is stored.
fn says(bob: &mut Terminal, lines: &[&str]) {
    for line in lines {
        bob.say(line);
        bob.shows(&format!("{line} ✓"));
    }
}

/// Alice comes, to whom the last two of `lobby` are new, and the last one of `dev`.
#[track_caller]
fn sees_what_is_new(who: &Alice, lobby: [&str; 3], dev: &str) {
    let mut alice = who.comes(&[]);
    let seen = alice.until("what was said", |screen| lobby.iter().all(|text| screen.contains(text)));
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
fn what_was_not_read_is_new_after_a_restart_of_both() {
    let mut server = Server::start();
    let who = Alice::of(&server);
    let mut bob = bob(&server);
    bob.is_connected();
    let ends: [fn(&mut Terminal); 3] =
        [|alice| alice.press(CTRL_C), |alice| alice.signal(Signal::HUP), |alice| alice.signal(Signal::TERM)];
    for (round, end) in ends.into_iter().enumerate() {
        let [old, new, newest, look] =
            ["old", "new", "newest", "alice, look"].map(|text| format!("{text} {round}."));
        let mut alice = who.comes(&[]);
        says(&mut bob, &[&old]);
        alice.shows(&old);
        end(&mut alice);
        alice.ended();
        server.kill();
        bob.is_disconnected();
        server.serve();
        bob.is_connected();
        says(&mut bob, &[&new, &newest]);
        bob.press(ALT_2);
        says(&mut bob, &[&look]);
        bob.press(ALT_1);
        bob.shows(&newest);
        sees_what_is_new(&who, [&old, &new, &newest], &look);
    }
}

#[test]
fn another_log_is_said_to_be_one() {
    let mut server = Server::start_with(&["--memory"]);
    let who = Alice::of(&server);
    let mut bob = bob(&server);
    bob.is_connected();
    let mut alice = who.comes(&[]);
    says(&mut bob, &["old"]);
    alice.shows("old");
    alice.press(CTRL_C);
    alice.ended();
    server.kill();
    bob.is_disconnected();
    server.serve();
    bob.is_connected();
    says(&mut bob, &["new"]);
    let alice = who.comes(&[]);
    alice.shows("history was reset");
    alice.shows("new");
}

#[test]
fn a_broken_file_is_said_and_kept() {
    let server = Server::start();
    let who = Alice::of(&server);
    fs::create_dir_all(who.file().parent().expect("a directory")).expect("made");
    fs::write(who.file(), "{\"half").expect("written");
    let mut alice = who.comes(&[]);
    alice.shows("read.json is broken");
    alice.press(CTRL_C);
    assert_eq!(alice.ended().code, 0);
    let aside = who.file().with_extension("json.broken");
    assert_eq!(fs::read_to_string(aside).expect("set aside"), "{\"half");
    let fresh = fs::read_to_string(who.file()).expect("begun anew");
    assert!(fresh.contains("\"lobby\"") && fresh.contains("\"dev\""), "{fresh}");
}

#[cfg(feature = "demo")]
#[test]
fn of_a_demo_nothing_is_kept() {
    let home = TempDir::new().expect("a directory");
    let mut visitor = Terminal::start_keeping(MEDIUM, "", &["--demo"], Some(home.path()));
    visitor.is_connected();
    visitor.press(CTRL_C);
    assert_eq!(visitor.ended().code, 0);
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 0);
}

#[test]
fn who_wants_nothing_kept_keeps_nothing() {
    let server = Server::start();
    let who = Alice::of(&server);
    let mut alice = who.comes(&["--no-state"]);
    alice.say("hello");
    alice.shows("hello ✓");
    alice.press(CTRL_C);
    assert_eq!(alice.ended().code, 0);
    assert_eq!(fs::read_dir(who.home.path()).expect("a directory").count(), 0);
}
