//! The draft in an external editor, which owns the terminal meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// Script of an editor that prints a line when it starts, handles interrupts itself, and saves the line that is typed.
const SCRIPT: &str = "#!/bin/sh\ntrap 'echo interrupted' INT\necho \"editing $(cat \"$1\")\"\n\
                      while ! read -r line; do :; done\nprintf '%s\\n' \"$line\" > \"$1\"\n";

/// Creates an editor in that directory and returns its path.
fn editor(directory: &TempDir) -> String {
    let editor = directory.path().join("editor");
    fs::write(&editor, SCRIPT).expect("written");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o700)).expect("set");
    editor.to_str().expect("a path").to_owned()
}

#[test]
fn a_draft_is_edited_while_messages_arrive() {
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
    alice.wait_for_connection();
    alice.press("a draft");
    alice.shows("a draft");
    alice.press("\x0f");
    alice.prints("editing a draft");
    let mut bob = server.client("bob", MEDIUM);
    bob.wait_for_connection();
    bob.submit("are you there?");
    bob.shows("are you there? ✓");
    // Ctrl-C, which the terminal sends to all processes in the foreground.
    alice.press("\x03");
    alice.prints("interrupted");
    alice.press("another draft\r");
    alice.shows("are you there?");
    alice.shows("› another draft");
    alice.press("\x1f");
    alice.shows("› a draft");
    alice.press("\x03\x03");
    assert_eq!(alice.ended().code, 0);
}

#[test]
fn the_file_of_an_open_editor_stays_when_the_client_is_terminated() {
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
    alice.wait_for_connection();
    alice.press("a draft");
    alice.shows("a draft");
    alice.press("\x0f");
    alice.prints("editing a draft");
    alice.signal(Signal::TERM);
    let ended = alice.ended();
    assert_eq!(ended.code, 143);
    let (_, file) = ended.written.split_once("a draft in the editor: ").expect("the path of the draft");
    let file = file.lines().next().expect("a line").trim_end();
    assert!(file.starts_with(temporary), "{file}");
    assert_eq!(fs::read_to_string(file).expect("the draft's file"), "a draft");
}
