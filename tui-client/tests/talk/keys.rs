//! Every key of the help is pressed, as a terminal sends it, and does what the help says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use realtime_tui::app::GROUPS;
use tempfile::TempDir;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// One room for each key that selects a room by its number.
const ROOMS: [&str; 9] = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"];

/// Bytes that a terminal sends for a key.
fn bytes(key: &str) -> String {
    let named = match key {
        "Enter" => "\r",
        "Alt-Enter" => "\x1b\r",
        // Encoded as in kitty's keyboard protocol. Other terminals send the bytes of Enter.
        "Shift-Enter" => "\x1b[13;2u",
        "Tab" => "\t",
        "Shift-Tab" => "\x1b[Z",
        "Esc" => "\x1b",
        "Backspace" => "\x7f",
        "Alt-Backspace" => "\x1b\x7f",
        "Delete" => "\x1b[3~",
        "Up" => "\x1b[A",
        "Down" => "\x1b[B",
        "Right" => "\x1b[C",
        "Left" => "\x1b[D",
        "Alt-Up" => "\x1b[1;3A",
        "Alt-Down" => "\x1b[1;3B",
        "Alt-Right" => "\x1b[1;3C",
        "Alt-Left" => "\x1b[1;3D",
        "Ctrl-Right" => "\x1b[1;5C",
        "Ctrl-Left" => "\x1b[1;5D",
        "Home" => "\x1b[H",
        "End" => "\x1b[F",
        "Alt-End" => "\x1b[1;3F",
        "Ctrl-End" => "\x1b[1;5F",
        "PgUp" => "\x1b[5~",
        "PgDn" => "\x1b[6~",
        "F1" => "\x1bOP",
        "F2" => "\x1bOQ",
        "F3" => "\x1bOR",
        "F12" => "\x1b[24~",
        "Ctrl-/" | "Ctrl-_" | "Ctrl-7" => "\x1f",
        _ => "",
    };
    if !named.is_empty() {
        return named.to_owned();
    }
    let character = |name: &str| name.chars().next().filter(|_| name.len() == 1).expect("a character");
    match key.split_once('-') {
        Some(("Ctrl", name)) => char::from(character(name) as u8 & 0x1f).to_string(),
        Some(("Alt", name)) => format!("\x1b{}", character(name).to_ascii_lowercase()),
        _ => panic!("no bytes are known for the key {key}"),
    }
}

/// A terminal with the set of keys that were pressed.
struct KeyTester {
    terminal: Terminal,
    pressed: BTreeSet<String>,
}

impl KeyTester {
    fn new(terminal: Terminal) -> Self {
        Self { terminal, pressed: BTreeSet::new() }
    }

    fn press(&mut self, key: &str) {
        self.terminal.press(&bytes(key));
        self.pressed.insert(key.to_owned());
    }

    /// Replaces the draft.
    fn replace_draft(&mut self, text: &str) {
        self.terminal.press("\x05\x15");
        self.terminal.press(text);
        self.wait_for_draft(text);
    }

    /// Waits until the draft's last row is `draft`. The cursor is in that row.
    #[track_caller]
    fn wait_for_draft(&mut self, draft: &str) {
        let end = format!("› {}", if draft.is_empty() { "message · F1 help" } else { draft });
        self.terminal
            .wait_until(&format!("draft {draft:?}"), |screen| screen.trim_end().ends_with(end.trim_end()));
    }

    /// Presses a key and types `|` at the cursor, which the draft must then show.
    #[track_caller]
    fn moves_cursor(&mut self, key: &str, draft: &str) {
        self.press(key);
        self.terminal.press("|");
        self.wait_for_draft(draft);
    }

    #[track_caller]
    fn opens(&mut self, key: &str, title: &str) {
        let title = format!("─ {title} ─");
        self.press(key);
        self.terminal
            .wait_until(&title, |screen| screen.lines().next().is_some_and(|first| first.contains(&title)));
        self.press("Esc");
        self.terminal.shows("#r1");
    }

    #[track_caller]
    fn wait_for_room(&mut self, room: &str) {
        self.terminal.shows(&format!("│ #{room}"));
    }
}

#[test]
fn each_key_does_what_the_help_says() {
    let mut server = Server::start();
    let directory = TempDir::new().expect("a directory");
    let editor = directory.path().join("editor");
    fs::write(&editor, "#!/bin/sh\nprintf edited > \"$1\"\n").expect("written");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o700)).expect("set");
    let url = server.url();
    let mut arguments = vec!["--url", &url];
    arguments.extend(ROOMS.iter().flat_map(|room| ["--room", room]));
    let token = server.token("alice");
    let environment = [("EDITOR", editor.to_str().expect("a path"))];
    let start = || Terminal::start_in(MEDIUM, &token, &arguments, &environment);
    let mut tester = KeyTester::new(start());
    tester.terminal.shows("beginning of #r1");

    writing(&mut tester);
    reading(&mut tester);
    rooms(&mut tester, &server);
    program(&mut tester);
    connection(&mut tester, &mut server);
    tester.press("Ctrl-C");
    let mut pressed = tester.pressed;
    assert_eq!(tester.terminal.ended().code, 0);
    server.serve();
    let mut second = KeyTester::new(start());
    second.terminal.wait_for_connection();
    second.press("Ctrl-Q");
    pressed.append(&mut second.pressed);
    assert_eq!(second.terminal.ended().code, 0);
    // Ctrl-Z needs a shell and is tested in `exit`.
    pressed.insert("Ctrl-Z".to_owned());

    let bindings = GROUPS.iter().flat_map(|(_, rows)| *rows).flat_map(|row| row.bindings);
    let keys: BTreeSet<String> =
        bindings.flat_map(|binding| binding.keys).map(|key| (*key).to_owned()).collect();
    assert_eq!(
        keys.difference(&pressed).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "keys that were not pressed"
    );
}

fn writing(tester: &mut KeyTester) {
    tester.replace_draft("one");
    tester.press("Enter");
    tester.terminal.shows("one ✓");
    tester.replace_draft("a part");
    tester.press("Alt-S");
    tester.terminal.shows("a part ✓");
    tester.replace_draft("cleared");
    tester.press("Ctrl-G");
    tester.wait_for_draft("");
    for key in ["Alt-Enter", "Shift-Enter", "Ctrl-J"] {
        tester.replace_draft("above");
        tester.press(key);
        tester.terminal.press("below");
        tester.terminal.wait_until("two rows", |screen| {
            let mut rows = screen.trim_end().lines().rev();
            rows.next().is_some_and(|row| row.ends_with("below"))
                && rows.next().is_some_and(|row| row.ends_with("› above"))
        });
        tester.terminal.press("\x15\x7f");
    }

    tester.replace_draft("/jo");
    tester.press("Tab");
    tester.wait_for_draft("/join ");
    tester.press("Esc");
    tester.wait_for_draft("/jo");
    tester.replace_draft("/");
    tester.press("Shift-Tab");
    tester.terminal.wait_until("the last command", |screen| !screen.trim_end().ends_with("› /"));
    tester.press("Esc");
    tester.wait_for_draft("/");

    tester.replace_draft("");
    tester.press("Up");
    tester.wait_for_draft("a part");
    tester.press("Down");
    tester.wait_for_draft("");
    for (key, draft) in [
        ("Left", "one two thre|e"),
        ("Ctrl-Left", "one two |three"),
        ("Alt-Left", "one two |three"),
        ("Alt-B", "one two |three"),
        ("Ctrl-A", "|one two three"),
    ] {
        tester.replace_draft("one two three");
        tester.moves_cursor(key, draft);
    }
    for (key, draft) in [
        ("Right", "o|ne two three"),
        ("Ctrl-Right", "one| two three"),
        ("Alt-Right", "one| two three"),
        ("Alt-F", "one| two three"),
        ("Ctrl-E", "one two three|"),
    ] {
        tester.replace_draft("one two three");
        tester.terminal.press("\x01");
        tester.moves_cursor(key, draft);
    }
    for (key, draft) in [
        ("Backspace", "one tw|"),
        ("Ctrl-H", "one tw|"),
        ("Ctrl-W", "one |"),
        ("Alt-Backspace", "one |"),
        ("Ctrl-U", "|"),
    ] {
        tester.replace_draft("one two");
        tester.moves_cursor(key, draft);
    }
    tester.replace_draft("one two");
    tester.terminal.press("\x01");
    tester.moves_cursor("Delete", "|ne two");
    tester.replace_draft("cut");
    tester.press("Ctrl-U");
    tester.wait_for_draft("");
    tester.press("Ctrl-Y");
    tester.wait_for_draft("cut");
    for key in ["Ctrl-/", "Ctrl-_", "Ctrl-7"] {
        tester.replace_draft("typed");
        tester.press(key);
        tester.wait_for_draft("");
        tester.press("Alt-/");
        tester.wait_for_draft("typed");
    }
    tester.press("Ctrl-O");
    tester.wait_for_draft("edited");
    tester.replace_draft("");
}

fn reading(tester: &mut KeyTester) {
    // A pasted message with many lines.
    let lines: Vec<String> = (1..=60).map(|n| format!("line{n}.")).collect();
    tester.terminal.press(&format!("\x1b[200~{}\x1b[201~\r", lines.join("\n")));
    tester.terminal.shows("… 40 more rows · Alt-L opens them ✓");
    tester.press("Alt-L");
    tester.terminal.shows("line21.");
    for (key, is_newest) in [("Alt-End", true), ("PgUp", false), ("Ctrl-End", true)] {
        tester.press(key);
        tester.terminal.wait_until(key, |screen| screen.contains("line60. ✓") == is_newest);
    }
    tester.press("PgUp");
    tester.terminal.shows_no_more("line60.");
    tester.press("PgDn");
    tester.terminal.shows("line60.");
    tester.replace_draft("ab");
    tester.moves_cursor("Home", "|ab");
    tester.moves_cursor("End", "|ab|");
    tester.press("Home");
    tester.press("Home");
    tester.terminal.shows("beginning of #r1");
    tester.press("End");
    tester.press("End");
    tester.terminal.shows("line60.");
    tester.replace_draft("see https://example.org/x");
    tester.press("Enter");
    tester.terminal.shows("example.org/x ✓");
    tester.press("Ctrl-F");
    tester.terminal.press("line17.");
    tester.terminal.shows("find in r1 › line17.");
    tester.terminal.shows("1 of 1");
    tester.press("Esc");
    tester.terminal.shows("example.org/x ✓");
    tester.opens("Alt-O", "LINKS");
    tester.opens("F3", "HERE · r1");
}

fn rooms(tester: &mut KeyTester, server: &Server) {
    for (index, room) in ROOMS.iter().enumerate().rev() {
        tester.press(&format!("Alt-{}", index + 1));
        tester.wait_for_room(room);
    }
    tester.press("Alt-Up");
    tester.wait_for_room("r9");
    tester.press("Alt-Down");
    tester.wait_for_room("r1");
    let mut bob = Terminal::start(MEDIUM, &server.token("bob"), &["--url", &server.url(), "--room", "r5"]);
    bob.wait_for_connection();
    bob.submit("anybody here?");
    bob.shows("anybody here? ✓");
    tester.terminal.wait_until("an unread message", |screen| {
        screen.lines().any(|line| {
            line.starts_with(" r5") && line.split('│').next().is_some_and(|room| room.contains('1'))
        })
    });
    for number in 1..=30 {
        bob.submit(&format!("number {number}."));
    }
    bob.shows("number 30. ✓");
    let is_counted = |line: &str| line.starts_with(" r5") && line.contains("31");
    tester.terminal.wait_until("31 unread messages", |screen| screen.lines().any(is_counted));
    tester.press("Alt-A");
    tester.wait_for_room("r5");
    tester.terminal.shows("31 new");
    tester.terminal.shows("anybody here?");
    tester.press("Alt-End");
    tester.terminal.shows("number 30.");
    tester.terminal.shows_no_more("31 new");
    tester.press("Alt-U");
    tester.terminal.shows("31 new");
    tester.press("Alt-1");
    tester.wait_for_room("r1");
    tester.opens("Ctrl-K", "ROOMS");
    tester.opens("F2", "ROOMS");
}

fn program(tester: &mut KeyTester) {
    tester.opens("Ctrl-P", "PALETTE");
    tester.opens("F1", "HELP");
    tester.opens("F12", "FRAMES");
    tester.press("Alt-M");
    tester.terminal.shows("mouse released to the terminal");
    tester.press("Alt-M");
    tester.terminal.shows("mouse captured");
    let seen = tester.terminal.shows("#r1");
    tester.press("Ctrl-L");
    tester.terminal.wait_until_written(seen.written, "\x1b[2J");
    tester.terminal.shows("#r1");
}

fn connection(tester: &mut KeyTester, server: &mut Server) {
    server.kill();
    tester.terminal.wait_for_disconnect();
    tester.replace_draft("later");
    tester.press("Enter");
    tester.terminal.shows("later … queued");
    tester.press("Ctrl-X");
    tester.terminal.shows_no_more("queued");
    tester.wait_for_draft("later");
    tester.replace_draft("");
    server.serve();
    tester.press("Ctrl-R");
    tester.terminal.wait_for_connection();
    server.kill();
    tester.terminal.wait_for_disconnect();
}
