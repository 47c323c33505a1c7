//! The terminal's modes are restored, however the program ends.
//!
//! Each test runs [`child`] of this program in a pseudo-terminal and reads its output.

use std::error::Error;
use std::io::{Read, Write};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use realtime_tui::terminal::Guard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Variable that selects the end of the child.
const END: &str = "TERMINAL_TEST";

/// Sequences that set modes, and those that restore them.
const MODES: [(&str, &str); 9] = [
    ("\x1b[22;2t", "\x1b]2;\x1b\\\x1b[23;2t"),
    ("\x1b[?7l", "\x1b[?7h"),
    ("\x1b[?1000h", "\x1b[?1000l"),
    ("\x1b[?1002h", "\x1b[?1002l"),
    ("\x1b[?1006h", "\x1b[?1006l"),
    ("\x1b[?1049h", "\x1b[?1049l"),
    ("\x1b[?2004h", "\x1b[?2004l"),
    ("\x1b[?1004h", "\x1b[?1004l"),
    ("\x1b[>5u", "\x1b[<1u"),
];

#[test]
#[ignore = "the other tests run it in a pseudo-terminal"]
fn child() -> Result<(), Box<dyn Error>> {
    let guard = Guard::take(true, true, true)?;
    print!("drawn\x1b[?25l\x1b[?2026h");
    match std::env::var(END)?.as_str() {
        "panic" => panic!("on purpose"),
        "panic elsewhere" => {
            let _ = std::thread::spawn(|| panic!("on purpose")).join();
        }
        "error" => return Err("an error on purpose".into()),
        "suspend" => {
            guard.suspend();
            print!("stopped");
            guard.resume()?;
            print!("continued");
        }
        "unread input" => {
            assert!(has_input(None)?, "an answer of the terminal");
            drop(guard);
            print!("{}", if has_input(Some(&Timespec::default()))? { "left" } else { "discarded" });
            return Ok(());
        }
        _ => {}
    }
    drop(guard);
    print!("after");
    Ok(())
}

/// True if standard input has bytes, after this wait.
fn has_input(wait: Option<&Timespec>) -> Result<bool, Box<dyn Error>> {
    let stdin = std::io::stdin();
    Ok(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], wait)? > 0)
}

/// Runs a child with this end, asserts that its terminal is restored, and returns its output.
fn run(how: &str) -> String {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let before = pty.master.get_termios().expect("modes");
    let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "child", "--ignored", "--nocapture"]);
    command.env(END, how);
    let mut child = pty.slave.spawn_command(command).expect("a child");
    let mut reader = pty.master.try_clone_reader().expect("a reader");
    let mut keyboard = pty.master.take_writer().expect("a writer");
    keyboard.write_all(b"\x1b]11;rgb:0000/0000/0000\x07\n").expect("written");
    let reading = std::thread::spawn(move || {
        let mut written = Vec::new();
        // Reading a closed pseudo-terminal fails.
        let _ = reader.read_to_end(&mut written);
        String::from_utf8_lossy(&written).into_owned()
    });
    child.wait().expect("an end");
    assert_eq!(pty.master.get_termios(), Some(before), "raw mode is not ended");
    drop(pty.slave);
    let written = reading.join().expect("read");
    for (set, restore) in MODES {
        let last =
            |sequence| written.rfind(sequence).unwrap_or_else(|| panic!("no {sequence:?} in {written:?}"));
        assert!(last(set) < last(restore), "{set:?} is not restored: {written:?}");
    }
    let cursor = (written.rfind("\x1b[?25l"), written.rfind("\x1b[?25h"));
    assert!(cursor.0 < cursor.1, "the cursor is hidden: {written:?}");
    let frame = (written.rfind("\x1b[?2026h"), written.rfind("\x1b[?2026l"));
    assert!(frame.0 < frame.1, "the frame is open: {written:?}");
    written
}

fn is_before(written: &str, first: &str, second: &str) -> bool {
    written.find(first).is_some_and(|at| written[at..].contains(second))
}

#[test]
fn a_normal_end_restores_the_terminal() {
    assert!(is_before(&run("quit"), "\x1b[?1049l", "after"));
}

#[test]
fn an_error_is_printed_after_the_terminal_is_restored() {
    assert!(is_before(&run("error"), "\x1b[?1049l", "an error on purpose"));
}

#[test]
fn a_panic_is_printed_after_the_terminal_is_restored() {
    assert!(is_before(&run("panic"), "\x1b[?1049l", "on purpose"));
    assert!(is_before(&run("panic elsewhere"), "\x1b[?1049l", "on purpose"));
}

#[test]
fn suspending_restores_the_terminal_until_it_is_resumed() {
    let written = run("suspend");
    assert!(is_before(&written, "\x1b[?1049l", "stopped"));
    assert!(is_before(&written, "stopped", "\x1b[?1049h"));
    assert!(is_before(&written, "continued", "\x1b[?1049l"));
}

#[test]
fn unread_input_is_discarded_when_the_terminal_is_restored() {
    let written = run("unread input");
    assert!(written.contains("discarded"), "{written:?}");
}
