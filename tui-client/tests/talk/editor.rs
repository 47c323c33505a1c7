//! The draft in an editor, which has the terminal meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// An editor that says that it is there, takes an interrupt as its own, and saves the line that is typed.
const SCRIPT: &str = "#!/bin/sh\ntrap 'echo interrupted' INT\necho \"editing $(cat \"$1\")\"\n\
                      while ! read -r line; do :; done\nprintf '%s\\n' \"$line\" > \"$1\"\n";

/// The path of an editor in that directory.
fn editor(directory: &TempDir) -> String {
    let editor = directory.path().join("editor");
    fs::write(&editor, SCRIPT).expect("written");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o700)).expect("set");
    editor.to_str().expect("a path").to_owned()
}

#[test]
fn the_draft_goes_to_the_editor_and_back_while_the_others_talk() {
    let server = Server::start();
    let directory = TempDir::new().expect("a directory");
    let editor = editor(&directory);
    let path = std::env::var("PATH").expect("a path");
    let mut alice = Terminal::start_in(
        MEDIUM,
        &server.token("alice"),
        &["--url", &server.url(), "--room", "lobby"],
        &[("EDITOR", &editor), ("PATH", &path)],
    );
    alice.is_connected();
    alice.press("a draft");
    alice.shows("a draft");
    alice.press("\x0f");
    alice.says("editing a draft");
    let mut bob = server.client("bob", MEDIUM);
    bob.is_connected();
    bob.say("are you there?");
    bob.shows("are you there? ✓");
    // Ctrl-C, which the terminal sends to all in the foreground.
    alice.press("\x03");
    alice.says("interrupted");
    alice.press("another draft\r");
    alice.shows("are you there?");
    alice.shows("lobby › another draft");
    alice.press("\x1f");
    alice.shows("lobby › a draft");
    alice.press("\x03\x03");
    assert_eq!(alice.ended().code, 0);
}

#[test]
fn what_an_editor_has_stays_when_the_program_ends_under_it() {
    let server = Server::start();
    let directory = TempDir::new().expect("a directory");
    let editor = editor(&directory);
    let path = std::env::var("PATH").expect("a path");
    let temporary = directory.path().to_str().expect("a path");
    let mut alice = Terminal::start_in(
        MEDIUM,
        &server.token("alice"),
        &["--url", &server.url(), "--room", "lobby"],
        &[("EDITOR", &editor), ("PATH", &path), ("TMPDIR", temporary)],
    );
    alice.is_connected();
    alice.press("a draft");
    alice.shows("a draft");
    alice.press("\x0f");
    alice.says("editing a draft");
    alice.signal(Signal::TERM);
    let ended = alice.ended();
    assert_eq!(ended.code, 143);
    let (_, file) = ended.written.split_once("a draft in the editor: ").expect("it is told");
    let file = file.lines().next().expect("a line").trim_end();
    assert!(file.starts_with(temporary), "{file}");
    assert_eq!(fs::read_to_string(file).expect("it is there"), "a draft");
}
