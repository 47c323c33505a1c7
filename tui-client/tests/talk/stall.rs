//! A terminal that does not read what the client writes: a stopped ssh, a multiplexer that hangs.

use rustix::process::Signal;
use tempfile::TempDir;

use crate::drafts::kept_texts;
use crate::fake_server::{FakeServer, Script};
use crate::terminal::{MEDIUM, Terminal};

/// Messages that fill several screens, more than a pseudo-terminal holds.
const MESSAGES: usize = 200;
/// Messages between two pings.
const ROUND: usize = 10;
/// A token of the user `me`: without a user, the client has no directory for its state.
const TOKEN: &str = "e30.eyJzdWIiOiJtZSJ9.c";
/// Begins what the client writes after it has given up a frame.
const CANCEL: char = '\x18';

/// Starts a client in a terminal that then stops to read, and fills the screen again and again.
fn stalled(fake: &mut FakeServer, state: &TempDir) -> Terminal {
    let arguments = ["--url", &fake.url(), "--room", "lobby"];
    let mut client = Terminal::start_keeping(MEDIUM, TOKEN, &arguments, Some(state.path()));
    client.wait_for_connection();
    client.press("half a tho");
    client.shows("› half a tho");
    client.stall(true);
    for number in 0..MESSAGES {
        fake.post("lobby", "bob", &format!("{number} ").repeat(300));
        if number % ROUND == 0 {
            // The network goes on.
            fake.ping();
        }
    }
    fake.post("lobby", "bob", "the last one");
    fake.ping();
    client
}

#[test]
fn a_terminal_that_does_not_read_delays_no_signal() {
    for (signal, code) in [(Signal::TERM, 128 + 15), (Signal::HUP, 128 + 1)] {
        let mut fake = FakeServer::start(Script::default());
        let state = TempDir::new().expect("a directory");
        let client = stalled(&mut fake, &state);
        client.signal(signal);
        client.ends();
        client.stall(false);
        let ended = client.ended();
        assert_eq!(ended.code, code);
        let restored = ended.written.rsplit_once(CANCEL).map(|(_, restored)| restored);
        let restored = restored.unwrap_or_else(|| panic!("the terminal was read: {:?}", ended.written));
        assert!(kept_texts(state.path()).contains("half a tho"), "{restored:?}");
        assert!(restored.contains("\x1b[?2004l") && restored.contains("\x1b[?1049l"), "{restored:?}");
    }
}

#[test]
fn a_terminal_that_reads_again_shows_the_newest_frame() {
    let mut fake = FakeServer::start(Script::default());
    let state = TempDir::new().expect("a directory");
    let mut client = stalled(&mut fake, &state);
    client.press("ught");
    client.stall(false);
    let screen = client.wait_until("newest frame", |screen| {
        screen.contains("the last one") && screen.contains("› half a thought")
    });
    // Only the frames that were drawn before the terminal stalled precede it, not one for each message.
    assert!(screen.written < 200_000, "{} bytes", screen.written);
    client.press("\x15\x03");
    assert_eq!(client.ended().code, 0);
}

/// Runs the client in a session of its own, which gets no signal when the terminal goes away. It holds a pipe open.
#[cfg(target_os = "linux")]
const WITHOUT_SIGNAL: &str = r#"exec 3>"$ENDED"; setsid "$0" "$@"; true"#;

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_is_gone_without_a_signal_ends_the_client() {
    use std::io::{Read, Write};
    use std::sync::mpsc;
    use std::thread;

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    use rustix::fs::{CWD, Mode, mkfifoat};

    let fake = FakeServer::start(Script::default());
    let home = TempDir::new().expect("a directory");
    let fifo = home.path().join("ended");
    mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).expect("a pipe");
    let mut command = CommandBuilder::new("/bin/sh");
    command.args(["-c", WITHOUT_SIGNAL, env!("CARGO_BIN_EXE_realtime-tui"), "--url", &fake.url()]);
    command.args(["--room", "lobby"]);
    command.env("TERM", "xterm-256color");
    command.env("REALTIME_TOKEN", TOKEN);
    command.env("XDG_STATE_HOME", home.path());
    command.env("ENDED", &fifo);
    let lock = crate::spawn_lock();
    let pty = native_pty_system().openpty(PtySize::default()).expect("a pseudo-terminal");
    let mut shell = pty.slave.spawn_command(command).expect("a shell");
    drop((lock, pty.slave));
    let mut ended = std::fs::File::open(fifo).expect("a pipe");
    let mut reader = pty.master.try_clone_reader().expect("a reader");
    let mut keyboard = pty.master.take_writer().expect("a writer");
    let mut written = Vec::new();
    let mut read_until = |text: &str| {
        while !String::from_utf8_lossy(&written).contains(text) {
            let mut buffer = [0; 4_096];
            let count = reader.read(&mut buffer).expect("output");
            written.extend_from_slice(&buffer[..count]);
        }
    };
    read_until("beginning of");
    keyboard.write_all(b"\x1b[200~half a tho\x1b[201~").expect("written");
    read_until("half a tho");
    drop((reader, keyboard, pty.master));
    let (sender, end) = mpsc::sync_channel(1);
    thread::spawn(move || sender.send(ended.read_to_end(&mut Vec::new()).expect("read")));
    end.recv_timeout(crate::WAIT_LIMIT).expect("the client does not end");
    shell.wait().expect("an end");
    assert!(kept_texts(home.path()).contains("half a tho"));
}
