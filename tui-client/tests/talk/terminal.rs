//! A client in a pseudo-terminal, with a keyboard and an emulated screen.

use std::cell::Cell;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use portable_pty::{CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use crate::output_check::{self, FRAME_ENDS};
use crate::{WAIT_LIMIT, spawn_lock};

pub(crate) type Size = (u16, u16);

/// Shows rooms beside the timeline.
pub(crate) const MEDIUM: Size = (80, 24);
/// Shows rooms and members beside the timeline.
pub(crate) const WIDE: Size = (120, 40);
/// Shows the timeline only.
pub(crate) const NARROW: Size = (40, 10);

/// `realtime-tui` in a pseudo-terminal. Dropping it kills the client.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    /// Kept so that the terminal's modes outlive the client.
    slave: Option<Box<dyn SlavePty + Send>>,
    keyboard: Keyboard,
    modes: String,
    pid: Pid,
    shared: Arc<SharedTerminal>,
    threads: Vec<JoinHandle<()>>,
    /// Number of written bytes that have been checked.
    checked: usize,
}

/// Input of a client: keys from a test, and answers of the terminal itself.
type Keyboard = Arc<Mutex<Option<Box<dyn Write + Send>>>>;

/// Query for the background colour.
const QUESTION: &str = "\x1b]11;?\x07";
/// Answers with a background colour.
pub(crate) const BLACK: &str = "\x1b]11;rgb:0000/0000/0000\x07";
pub(crate) const WHITE: &str = "\x1b]11;rgb:ffff/ffff/ffff\x07";

/// A screen at the end of a frame.
pub(crate) struct Screen {
    /// The rows of the screen.
    pub(crate) text: String,
    /// Number of bytes written until then.
    pub(crate) written: usize,
}

/// Exit code and output of a client that has ended.
pub(crate) struct TerminalExit {
    pub(crate) code: u32,
    /// All bytes that the client wrote, as text.
    pub(crate) written: String,
}

#[derive(Default)]
struct SharedTerminal {
    state: Mutex<TerminalState>,
    changed: Condvar,
}

#[derive(Default)]
struct TerminalState {
    screen: vt100::Parser,
    written: Vec<u8>,
    /// Number of bytes of `written` that the screen shows: whole frames and sequences only, as in a terminal with
    /// synchronized updates.
    shown: usize,
    /// The screen after each frame and each read, with `shown` at that time. A waiter reads all of them, so that it
    /// misses no state that lasted for one frame.
    screens: Vec<(String, usize)>,
    /// True once the answer to the background query has been written to the client.
    has_answered: bool,
    exit: Option<u32>,
    is_closed: bool,
    /// The terminal does not read what the client writes.
    is_stalled: bool,
}

const CLIENT: &str = env!("CARGO_BIN_EXE_realtime-tui");

/// Shell script that runs a client as a job, prints its exit status, and continues it when a line is typed.
const SHELL: &str = r#"set -m; "$0" "$@"; echo "job $?"; read -r line; fg; echo "job $?""#;

/// Command of a client with `token` and `environment` as its environment.
fn command(token: &str, arguments: &[&str], environment: &[(&str, &str)]) -> CommandBuilder {
    with_environment(CommandBuilder::new(CLIENT), token, arguments, environment)
}

fn with_environment(
    mut command: CommandBuilder,
    token: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> CommandBuilder {
    command.env_clear();
    command.env("TERM", "xterm-256color");
    command.env("TZ", "UTC");
    command.env("REALTIME_TOKEN", token);
    for (name, value) in environment {
        command.env(name, value);
    }
    command.args(arguments);
    command
}

impl Terminal {
    /// Starts a client with `token` in its environment. It has no directory for its state.
    pub(crate) fn start(size: Size, token: &str, arguments: &[&str]) -> Self {
        Self::start_keeping(size, token, arguments, None)
    }

    /// Starts a client as [`Terminal::start`] does, with more environment variables.
    pub(crate) fn start_in(
        size: Size,
        token: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_command(size, command(token, arguments, environment), BLACK)
    }

    /// Starts a client as [`Terminal::start`] does, as a job of a shell: see [`SHELL`].
    pub(crate) fn start_job(size: Size, token: &str, arguments: &[&str]) -> Self {
        Self::start_by(SHELL, size, token, arguments, &[])
    }

    /// Starts a client as [`Terminal::start_in`] does, through a shell script that gets the client and its arguments.
    pub(crate) fn start_by(
        script: &str,
        size: Size,
        token: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut shell = CommandBuilder::new("/bin/sh");
        shell.args(["-c", script, CLIENT]);
        let command = with_environment(shell, token, arguments, environment);
        Self::start_command(size, command, BLACK)
    }

    /// Starts a client as [`Terminal::start`] does, in a terminal that answers the background query with `answer`.
    pub(crate) fn start_on(answer: &str, size: Size, token: &str, arguments: &[&str]) -> Self {
        Self::start_command(size, command(token, arguments, &[]), answer)
    }

    /// Starts a client as [`Terminal::start`] does, with a directory for its state.
    pub(crate) fn start_keeping(size: Size, token: &str, arguments: &[&str], state: Option<&Path>) -> Self {
        let mut command = command(token, arguments, &[]);
        if let Some(directory) = state {
            command.env("XDG_STATE_HOME", directory);
        }
        Self::start_command(size, command, BLACK)
    }

    fn start_command(size: Size, command: CommandBuilder, answer: &str) -> Self {
        let lock = spawn_lock();
        let pty = native_pty_system().openpty(pty_size(size)).expect("a pseudo-terminal");
        let modes = modes(&*pty.master);
        let mut child = pty.slave.spawn_command(command).expect("the client starts");
        drop(lock);

        let pid = child.process_id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let shared = Arc::new(SharedTerminal::default());
        shared.lock().screen.set_size(cells(size.1), cells(size.0));
        let mut reader = pty.master.try_clone_reader().expect("a reader");
        let keyboard: Keyboard = Arc::new(Mutex::new(Some(pty.master.take_writer().expect("a writer"))));
        let reading = thread::spawn({
            let shared = Arc::clone(&shared);
            let (keyboard, answer) = (Arc::clone(&keyboard), answer.to_owned());
            move || {
                let mut buffer = [0; 4_096];
                while let Ok(count @ 1..) = reader.read(&mut buffer) {
                    let is_asked = shared.change(|state| state.add(&buffer[..count]));
                    if is_asked {
                        write(&keyboard, &answer);
                        shared.change(|state| state.has_answered = true);
                    }
                    drop(shared.wait(|state| !state.is_stalled));
                }
                shared.change(|state| state.is_closed = true);
            }
        });
        let waiting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let code = child.wait().expect("an end").exit_code();
                shared.change(|state| state.exit = Some(code));
            }
        });
        Self {
            keyboard,
            master: pty.master,
            slave: Some(pty.slave),
            modes,
            pid: pid.expect("a process"),
            shared,
            threads: vec![reading, waiting],
            checked: 0,
        }
    }

    /// Waits until `text` was written, by the client or its shell.
    #[track_caller]
    pub(crate) fn prints(&self, text: &str) {
        let written_text = |state: &TerminalState| String::from_utf8_lossy(&state.written).into_owned();
        let state = self.shared.wait(|state| written_text(state).contains(text));
        assert!(written_text(&state).contains(text), "no {text:?} in {:?}", written_text(&state));
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        write(&self.keyboard, keys);
    }

    /// Types a line and submits it.
    pub(crate) fn submit(&mut self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("a running client");
    }

    /// Stops reading what the client writes, soon, or continues.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.shared.change(|state| state.is_stalled = is_stalled);
    }

    /// Waits until the client has ended, without reading what it writes.
    #[track_caller]
    pub(crate) fn ends(&self) {
        let state = self.shared.wait(|state| state.exit.is_some());
        assert!(state.exit.is_some(), "the client does not end");
    }

    /// Resizes the window.
    pub(crate) fn resize(&self, size: Size) {
        self.shared.change(|state| state.screen.set_size(cells(size.1), cells(size.0)));
        self.master.resize(pty_size(size)).expect("resized");
    }

    /// Waits for a frame at whose end `matches` holds for the screen.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, matches: impl Fn(&str) -> bool) -> Screen {
        let mut next = self.shared.lock().screens.len().saturating_sub(1);
        let found = Cell::new(None);
        let state = self.shared.wait(|state| {
            let is_found = |index: &usize| matches(&state.screens[*index].0);
            found.set((next..state.screens.len()).find(is_found));
            next = state.screens.len();
            found.get().is_some() || state.exit.is_some()
        });
        let Some(index) = found.get() else {
            let (exit, text) = (state.exit, state.text());
            drop(state);
            panic!("no {what}; exit code {exit:?}, and the screen:\n{text}");
        };
        let (text, written) = state.screens[index].clone();
        Screen { text, written }
    }

    /// Waits until the terminal has answered the background query.
    #[track_caller]
    pub(crate) fn wait_for_answer(&self) {
        let state = self.shared.wait(|state| state.exit.is_some() || state.has_answered);
        assert!(state.has_answered, "the client sends no background query");
    }

    /// Waits until the client has handled all earlier input: types a character, waits for it in the empty composer, and
    /// deletes it.
    #[track_caller]
    pub(crate) fn wait_for_input_handled(&mut self) {
        let is_typed = |screen: &str| screen.lines().last().is_some_and(|row| row.contains("› ~"));
        self.press("~");
        self.wait_until("character in the composer", is_typed);
        self.press("\x7f");
        self.wait_until("empty composer", |screen| !is_typed(screen));
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> Screen {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Waits until the screen no longer shows `text`.
    #[track_caller]
    pub(crate) fn shows_no_more(&self, text: &str) -> Screen {
        self.wait_until(&format!("end of {text:?}"), |screen| !screen.contains(text))
    }

    /// Waits until the status shows a connection.
    #[track_caller]
    pub(crate) fn wait_for_connection(&self) {
        self.wait_until("connection", |screen| {
            status(screen).starts_with('●') && status(screen).ends_with("ms")
        });
    }

    /// Waits until the status shows no connection, while the client retries or after it has given up.
    #[track_caller]
    pub(crate) fn wait_for_disconnect(&self) {
        self.wait_until("loss of the connection", |screen| status(screen).starts_with(['○', '◐', '✗']));
    }

    /// Bytes written from offset `from` on, as far as the screen shows them.
    pub(crate) fn written_from(&self, from: usize) -> Vec<u8> {
        let state = self.shared.lock();
        state.written[from..state.shown].to_vec()
    }

    /// Waits until `text` was written after offset `from`.
    #[track_caller]
    pub(crate) fn wait_until_written(&self, from: usize, text: &str) {
        let has =
            |state: &TerminalState| String::from_utf8_lossy(&state.written[from..state.shown]).contains(text);
        let state = self.shared.wait(|state| state.exit.is_some() || has(state));
        assert!(has(&state), "no {text:?}");
    }

    /// Waits until the client has handled the terminal's answer. It only draws after that.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        self.wait_for_answer();
        self.wait_for_input_handled();
        self.checked = self.shared.lock().shown;
    }

    /// Asserts that the client wrote only its own drawing since [`Terminal::settle`] or the last check.
    #[track_caller]
    pub(crate) fn assert_only_own_drawing(&mut self, what: &str) {
        let written = self.written_from(self.checked);
        let faults = output_check::faults(&written);
        assert!(faults.is_empty(), "{what}: {faults:#?}");
        self.checked += written.len();
    }

    /// Waits until the client has ended, and asserts that the terminal's modes are restored.
    #[track_caller]
    pub(crate) fn ended(mut self) -> TerminalExit {
        let state = self.shared.wait(|state| state.exit.is_some());
        let (exit, text) = (state.exit, state.text());
        drop(state);
        let code = exit.unwrap_or_else(|| panic!("the client does not end:\n{text}"));
        assert_eq!(modes(&*self.master), self.modes, "the terminal's modes are not restored");
        self.slave = None;
        let state = self.shared.wait(|state| state.is_closed);
        assert!(state.is_closed, "another process holds the terminal");
        // A terminal that stalled loses bytes.
        let written = String::from_utf8_lossy(&state.written).into_owned();
        TerminalExit { code, written }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.shared.lock().exit.is_none() {
            // The client may have ended meanwhile.
            let _ = kill_process(self.pid, Signal::KILL);
        }
        *self.keyboard.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.slave = None;
        self.stall(false);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl SharedTerminal {
    fn lock(&self) -> MutexGuard<'_, TerminalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut TerminalState) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    fn wait(&self, mut matches: impl FnMut(&TerminalState) -> bool) -> MutexGuard<'_, TerminalState> {
        let waited = self.changed.wait_timeout_while(self.lock(), WAIT_LIMIT, |state| !matches(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl TerminalState {
    /// Adds written bytes. Returns true if they complete the background query.
    fn add(&mut self, bytes: &[u8]) -> bool {
        let was_asked = self.is_asked();
        self.written.extend_from_slice(bytes);
        while let Some(length) = output_check::whole(&self.written[self.shown..]) {
            let end = self.shown + length;
            self.screen.process(&with_marks(&self.written[self.shown..end]));
            self.shown = end;
            if self.written[..end].ends_with(FRAME_ENDS.as_bytes()) {
                self.screens.push((self.text(), end));
            }
        }
        // Text outside of frames, for example of a shell.
        if self.screens.last().is_none_or(|(_, shown)| *shown < self.shown) {
            self.screens.push((self.text(), self.shown));
        }
        !was_asked && self.is_asked()
    }

    fn is_asked(&self) -> bool {
        self.written.windows(QUESTION.len()).any(|window| window == QUESTION.as_bytes())
    }

    /// The rows of the screen. Blanks at their ends are cut: it depends on earlier frames whether they were written.
    fn text(&self) -> String {
        let contents = self.screen.screen().contents();
        contents.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

/// Replaces U+FFFD by U+2022. The emulator, unlike terminals, shows nothing for U+FFFD, which would shift the rest of
/// the row.
fn with_marks(written: &[u8]) -> Vec<u8> {
    let mut written = written.to_vec();
    while let Some(at) = written.windows(3).position(|bytes| bytes == "\u{FFFD}".as_bytes()) {
        written[at..at + 3].copy_from_slice("\u{2022}".as_bytes());
    }
    written
}

fn write(keyboard: &Keyboard, keys: &str) {
    if let Some(keyboard) = keyboard.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        // The client may have ended meanwhile.
        let _ = keyboard.write_all(keys.as_bytes()).and_then(|()| keyboard.flush());
    }
}

/// Connection status, below the rooms.
fn status(screen: &str) -> &str {
    screen.lines().last().and_then(|line| line.split('│').next()).unwrap_or_default().trim()
}

fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().expect("modes"))
}

fn pty_size((cols, rows): Size) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a size")
}
