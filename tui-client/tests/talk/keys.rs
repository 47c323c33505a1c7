//! Every key of the help is pressed, as a terminal sends it, and does what the help says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use realtime_tui::app::GROUPS;
use tempfile::TempDir;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// One for each of the keys that go to a room by its number.
const ROOMS: [&str; 9] = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"];

/// What a terminal sends for a key.
fn bytes(key: &str) -> String {
    let named = match key {
        "Enter" => "\r",
        "Alt-Enter" => "\x1b\r",
        // As the keyboard protocol of kitty has it: others send what Enter sends.
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
        _ => panic!("what does a terminal send for {key}?"),
    }
}

/// Somebody who tries all keys.
struct Hands {
    at: Terminal,
    pressed: BTreeSet<String>,
}

impl Hands {
    fn new(at: Terminal) -> Self {
        Self { at, pressed: BTreeSet::new() }
    }

    fn press(&mut self, key: &str) {
        self.at.press(&bytes(key));
        self.pressed.insert(key.to_owned());
    }

    /// Writes something else than what is there.
    fn write(&mut self, text: &str) {
        self.at.press("\x05\x15");
        self.at.press(text);
        self.has(text);
    }

    /// Waits until the draft's last row, which is that of the cursor here, is this.
    #[track_caller]
    fn has(&mut self, draft: &str) {
        let end = format!("› {}", if draft.is_empty() { "message · F1 help" } else { draft });
        self.at.until(&format!("draft {draft:?}"), |screen| screen.trim_end().ends_with(end.trim_end()));
    }

    /// Presses a key, and writes where the cursor is then.
    #[track_caller]
    fn leads_to(&mut self, key: &str, draft: &str) {
        self.press(key);
        self.at.press("|");
        self.has(draft);
    }

    #[track_caller]
    fn opens(&mut self, key: &str, title: &str) {
        let title = format!("─ {title} ─");
        self.press(key);
        self.at.until(&title, |screen| screen.lines().next().is_some_and(|first| first.contains(&title)));
        self.press("Esc");
        self.at.shows("#r1");
    }

    #[track_caller]
    fn is_in(&mut self, room: &str) {
        self.at.shows(&format!("│ #{room}"));
    }
}

#[test]
fn each_does_what_the_help_says() {
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
    let mut hands = Hands::new(start());
    hands.at.shows("beginning of #r1");

    writing(&mut hands);
    reading(&mut hands);
    rooms(&mut hands, &server);
    program(&mut hands);
    connection(&mut hands, &mut server);
    hands.press("Ctrl-C");
    let mut pressed = hands.pressed;
    assert_eq!(hands.at.ended().code, 0);
    server.serve();
    let mut others = Hands::new(start());
    others.at.is_connected();
    others.press("Ctrl-Q");
    pressed.append(&mut others.pressed);
    assert_eq!(others.at.ended().code, 0);
    // To stop needs a shell: `end` has a test of it.
    pressed.insert("Ctrl-Z".to_owned());

    let bindings = GROUPS.iter().flat_map(|(_, rows)| *rows).flat_map(|row| row.bindings);
    let keys: BTreeSet<String> =
        bindings.flat_map(|binding| binding.keys).map(|key| (*key).to_owned()).collect();
    assert_eq!(keys.difference(&pressed).collect::<Vec<_>>(), Vec::<&String>::new(), "nobody pressed these");
}

fn writing(hands: &mut Hands) {
    hands.write("one");
    hands.press("Enter");
    hands.at.shows("one ✓");
    for key in ["Alt-Enter", "Shift-Enter", "Ctrl-J"] {
        hands.write("above");
        hands.press(key);
        hands.at.press("below");
        hands.at.until("two rows", |screen| {
            let mut rows = screen.trim_end().lines().rev();
            rows.next().is_some_and(|row| row.ends_with("below"))
                && rows.next().is_some_and(|row| row.ends_with("› above"))
        });
        hands.at.press("\x15\x7f");
    }

    hands.write("/jo");
    hands.press("Tab");
    hands.has("/join ");
    hands.press("Esc");
    hands.has("/jo");
    hands.write("/");
    hands.press("Shift-Tab");
    hands.at.until("the last command", |screen| !screen.trim_end().ends_with("› /"));
    hands.press("Esc");
    hands.has("/");

    hands.write("");
    hands.press("Up");
    hands.has("one");
    hands.press("Down");
    hands.has("");
    for (key, draft) in [
        ("Left", "one two thre|e"),
        ("Ctrl-Left", "one two |three"),
        ("Alt-Left", "one two |three"),
        ("Alt-B", "one two |three"),
        ("Ctrl-A", "|one two three"),
    ] {
        hands.write("one two three");
        hands.leads_to(key, draft);
    }
    for (key, draft) in [
        ("Right", "o|ne two three"),
        ("Ctrl-Right", "one| two three"),
        ("Alt-Right", "one| two three"),
        ("Alt-F", "one| two three"),
        ("Ctrl-E", "one two three|"),
    ] {
        hands.write("one two three");
        hands.at.press("\x01");
        hands.leads_to(key, draft);
    }
    for (key, draft) in [
        ("Backspace", "one tw|"),
        ("Ctrl-H", "one tw|"),
        ("Ctrl-W", "one |"),
        ("Alt-Backspace", "one |"),
        ("Ctrl-U", "|"),
    ] {
        hands.write("one two");
        hands.leads_to(key, draft);
    }
    hands.write("one two");
    hands.at.press("\x01");
    hands.leads_to("Delete", "|ne two");
    hands.write("cut");
    hands.press("Ctrl-U");
    hands.has("");
    hands.press("Ctrl-Y");
    hands.has("cut");
    for key in ["Ctrl-/", "Ctrl-_", "Ctrl-7"] {
        hands.write("typed");
        hands.press(key);
        hands.has("");
        hands.press("Alt-/");
        hands.has("typed");
    }
    hands.press("Ctrl-O");
    hands.has("edited");
    hands.write("");
}

fn reading(hands: &mut Hands) {
    // A message of many lines, pasted.
    let lines: Vec<String> = (1..=60).map(|n| format!("line{n}.")).collect();
    hands.at.press(&format!("\x1b[200~{}\x1b[201~\r", lines.join("\n")));
    hands.at.shows("line60. ✓");
    hands.press("PgUp");
    hands.at.shows_no_more("line60.");
    hands.press("PgDn");
    hands.at.shows("line60.");
    hands.write("ab");
    hands.leads_to("Home", "|ab");
    hands.leads_to("End", "|ab|");
    hands.press("Home");
    hands.press("Home");
    hands.at.shows("beginning of #r1");
    hands.press("End");
    hands.press("End");
    hands.at.shows("line60.");
    hands.write("see https://example.org/x");
    hands.press("Enter");
    hands.at.shows("example.org/x ✓");
    hands.press("Ctrl-F");
    hands.at.press("line17.");
    hands.at.shows("find in r1 › line17.");
    hands.at.shows("1 of 1");
    hands.press("Esc");
    hands.at.shows("example.org/x ✓");
    hands.opens("Alt-O", "LINKS");
    hands.opens("F3", "HERE · r1");
}

fn rooms(hands: &mut Hands, server: &Server) {
    for (index, room) in ROOMS.iter().enumerate().rev() {
        hands.press(&format!("Alt-{}", index + 1));
        hands.is_in(room);
    }
    hands.press("Alt-Up");
    hands.is_in("r9");
    hands.press("Alt-Down");
    hands.is_in("r1");
    let mut bob = Terminal::start(MEDIUM, &server.token("bob"), &["--url", &server.url(), "--room", "r5"]);
    bob.is_connected();
    bob.say("anybody here?");
    bob.shows("anybody here? ✓");
    hands.at.until("an unread message", |screen| {
        screen.lines().any(|line| {
            line.starts_with(" r5") && line.split('│').next().is_some_and(|room| room.contains('1'))
        })
    });
    hands.press("Alt-A");
    hands.is_in("r5");
    hands.at.shows("anybody here?");
    hands.press("Alt-1");
    hands.is_in("r1");
    hands.opens("Ctrl-K", "ROOMS");
    hands.opens("F2", "ROOMS");
}

fn program(hands: &mut Hands) {
    hands.opens("Ctrl-P", "PALETTE");
    hands.opens("F1", "HELP");
    hands.opens("F12", "FRAMES");
    hands.press("Alt-M");
    hands.at.shows("mouse released to the terminal");
    hands.press("Alt-M");
    hands.at.shows("mouse captured");
    let seen = hands.at.shows("#r1");
    hands.press("Ctrl-L");
    hands.at.until_written(seen.written, "\x1b[2J");
    hands.at.shows("#r1");
}

fn connection(hands: &mut Hands, server: &mut Server) {
    server.kill();
    hands.at.is_disconnected();
    hands.write("later");
    hands.press("Enter");
    hands.at.shows("later … queued");
    hands.press("Ctrl-X");
    hands.at.shows_no_more("queued");
    hands.has("later");
    hands.write("");
    server.serve();
    hands.press("Ctrl-R");
    hands.at.is_connected();
    server.kill();
    hands.at.is_disconnected();
}
