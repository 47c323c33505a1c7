//! A client in a pseudo-terminal.

use std::cell::Cell;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use portable_pty::{CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use crate::bytes::{self, FRAME_ENDS};
use crate::{GUARD, starting};

/// Columns and rows.
pub(crate) type Size = (u16, u16);

/// With rooms beside the timeline.
pub(crate) const MEDIUM: Size = (80, 24);
/// With rooms and members beside the timeline.
pub(crate) const WIDE: Size = (120, 40);
/// With the timeline alone.
pub(crate) const NARROW: Size = (40, 10);

/// `realtime-tui` in a terminal of its own, which ends with this.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    /// Kept for the terminal's modes to outlive the client.
    slave: Option<Box<dyn SlavePty + Send>>,
    keyboard: Keyboard,
    modes: String,
    pid: Pid,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// How much of what was written has been checked.
    checked: usize,
}

/// What goes to a client: from a test, and from the terminal itself.
type Keyboard = Arc<Mutex<Option<Box<dyn Write + Send>>>>;

/// What a client asks of a terminal.
const QUESTION: &str = "\x1b]11;?\x07";
/// A background, as a terminal tells it.
pub(crate) const BLACK: &str = "\x1b]11;rgb:0000/0000/0000\x07";
pub(crate) const WHITE: &str = "\x1b]11;rgb:ffff/ffff/ffff\x07";

/// What a screen shows at the end of a frame.
pub(crate) struct Seen {
    /// Its rows.
    pub(crate) text: String,
    /// How many bytes were written until then.
    pub(crate) written: usize,
}

/// How a client ended.
pub(crate) struct Ended {
    pub(crate) code: u32,
    /// All that it wrote.
    pub(crate) written: String,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    screen: vt100::Parser,
    written: Vec<u8>,
    /// Bytes of `written` that the screen shows: whole frames and sequences only, as a terminal with synchronized
    /// updates does.
    shown: usize,
    /// The screen after each frame and each read, with `shown` then. A waiter reads all of them, so that it misses no state that
    /// lasted for one frame.
    screens: Vec<(String, usize)>,
    /// The answer to the question for the background is on its way to the client.
    has_answered: bool,
    exit: Option<u32>,
    is_closed: bool,
}

const CLIENT: &str = env!("CARGO_BIN_EXE_realtime-tui");

/// A shell that runs a client as a job, says how that went, and continues it when a line is typed.
const SHELL: &str = r#"set -m; "$0" "$@"; echo "job $?"; read -r line; fg; echo "job $?""#;

/// A client with `token` and these in its environment.
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
    /// Starts a client with `token` in its environment and these arguments. It knows no place to keep anything.
    pub(crate) fn start(size: Size, token: &str, arguments: &[&str]) -> Self {
        Self::start_keeping(size, token, arguments, None)
    }

    /// As [`Terminal::start`], with more in the environment.
    pub(crate) fn start_in(
        size: Size,
        token: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_command(size, command(token, arguments, environment), BLACK)
    }

    /// As [`Terminal::start`], as a job of a shell: see [`SHELL`].
    pub(crate) fn start_job(size: Size, token: &str, arguments: &[&str]) -> Self {
        Self::start_by(SHELL, size, token, arguments, &[])
    }

    /// As [`Terminal::start_in`], by a script of a shell that is given the client and its arguments.
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

    /// As [`Terminal::start`], in a terminal that answers so when it is asked what it is like.
    pub(crate) fn start_on(answer: &str, size: Size, token: &str, arguments: &[&str]) -> Self {
        Self::start_command(size, command(token, arguments, &[]), answer)
    }

    /// As [`Terminal::start`], with a directory for what it keeps.
    pub(crate) fn start_keeping(size: Size, token: &str, arguments: &[&str], state: Option<&Path>) -> Self {
        let mut command = command(token, arguments, &[]);
        if let Some(directory) = state {
            command.env("XDG_STATE_HOME", directory);
        }
        Self::start_command(size, command, BLACK)
    }

    fn start_command(size: Size, command: CommandBuilder, answer: &str) -> Self {
        let lock = starting();
        let pty = native_pty_system().openpty(pty_size(size)).expect("a pseudo-terminal");
        let modes = modes(&*pty.master);
        let mut child = pty.slave.spawn_command(command).expect("the client starts");
        drop(lock);

        let pid = child.process_id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let shared = Arc::new(Shared::default());
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

    /// Waits until this was written, whoever did.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let said = |state: &State| String::from_utf8_lossy(&state.written).into_owned();
        let state = self.shared.wait(|state| said(state).contains(text));
        assert!(said(&state).contains(text), "no {text:?} in {:?}", said(&state));
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        write(&self.keyboard, keys);
    }

    /// Types a line and sends it.
    pub(crate) fn say(&mut self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("it runs");
    }

    /// Changes the size of the window.
    pub(crate) fn resize(&self, size: Size) {
        self.shared.change(|state| state.screen.set_size(cells(size.1), cells(size.0)));
        self.master.resize(pty_size(size)).expect("resized");
    }

    /// Waits until the screen is as wanted at the end of a frame.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> Seen {
        let mut next = self.shared.lock().screens.len().saturating_sub(1);
        let found = Cell::new(None);
        let state = self.shared.wait(|state| {
            let is_found = |index: &usize| is_so(&state.screens[*index].0);
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
        Seen { text, written }
    }

    /// Waits until the terminal has answered the question for its background.
    #[track_caller]
    pub(crate) fn has_answered(&self) {
        let state = self.shared.wait(|state| state.exit.is_some() || state.has_answered);
        assert!(state.has_answered, "the client does not ask");
    }

    /// Waits until the client has handled all that was typed before, its answers included: types a character, sees it
    /// in the empty composer, and deletes it.
    #[track_caller]
    pub(crate) fn catches_up(&mut self) {
        let is_typed = |screen: &str| screen.lines().last().is_some_and(|row| row.contains("› ~"));
        self.press("~");
        self.until("character in the composer", is_typed);
        self.press("\x7f");
        self.until("empty composer", |screen| !is_typed(screen));
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> Seen {
        self.until(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Waits until the screen does not show `text` any more.
    #[track_caller]
    pub(crate) fn shows_no_more(&self, text: &str) -> Seen {
        self.until(&format!("end of {text:?}"), |screen| !screen.contains(text))
    }

    /// Waits until there is a connection.
    #[track_caller]
    pub(crate) fn is_connected(&self) {
        self.until("connection", |screen| status(screen).starts_with('●') && status(screen).ends_with("ms"));
    }

    /// Waits until there is none: it is tried again, or given up.
    #[track_caller]
    pub(crate) fn is_disconnected(&self) {
        self.until("loss of the connection", |screen| status(screen).starts_with(['○', '◐', '✗']));
    }

    /// What was written from a place on, as far as the screen shows it.
    pub(crate) fn written_from(&self, from: usize) -> Vec<u8> {
        let state = self.shared.lock();
        state.written[from..state.shown].to_vec()
    }

    /// Waits until this was written from a place on, as far as the screen shows it.
    #[track_caller]
    pub(crate) fn until_written(&self, from: usize, text: &str) {
        let has = |state: &State| String::from_utf8_lossy(&state.written[from..state.shown]).contains(text);
        let state = self.shared.wait(|state| state.exit.is_some() || has(state));
        assert!(has(&state), "no {text:?}");
    }

    /// Waits until the client has handled the terminal's answer. From here on it draws, and does nothing else.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        self.has_answered();
        self.catches_up();
        self.checked = self.shared.lock().shown;
    }

    /// Nothing but frames of the client's own drawing was written since it settled.
    #[track_caller]
    pub(crate) fn drew_only_its_own(&mut self, what: &str) {
        let written = self.written_from(self.checked);
        let faults = bytes::faults(&written);
        assert!(faults.is_empty(), "{what}: {faults:#?}");
        self.checked += written.len();
    }

    /// Waits until the client has ended, and checks that the terminal's modes are as before.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        let state = self.shared.wait(|state| state.exit.is_some());
        let (exit, text) = (state.exit, state.text());
        drop(state);
        let code = exit.unwrap_or_else(|| panic!("it does not end:\n{text}"));
        assert_eq!(modes(&*self.master), self.modes, "the terminal's modes are not put back");
        self.slave = None;
        let state = self.shared.wait(|state| state.is_closed);
        assert!(state.is_closed, "somebody else holds the terminal");
        let written = String::from_utf8(state.written.clone()).expect("UTF-8");
        Ended { code, written }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.shared.lock().exit.is_none() {
            // It may have ended by itself meanwhile.
            let _ = kill_process(self.pid, Signal::KILL);
        }
        *self.keyboard.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.slave = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    fn wait(&self, mut is_so: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), GUARD, |state| !is_so(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    /// Whether the terminal is asked with it what it is like.
    fn add(&mut self, bytes: &[u8]) -> bool {
        let was_asked = self.is_asked();
        self.written.extend_from_slice(bytes);
        while let Some(length) = bytes::whole(&self.written[self.shown..]) {
            let end = self.shown + length;
            self.screen.process(&with_marks(&self.written[self.shown..end]));
            self.shown = end;
            if self.written[..end].ends_with(FRAME_ENDS.as_bytes()) {
                self.screens.push((self.text(), end));
            }
        }
        // Text that no frame surrounds, as that of a shell.
        if self.screens.last().is_none_or(|(_, shown)| *shown < self.shown) {
            self.screens.push((self.text(), self.shown));
        }
        !was_asked && self.is_asked()
    }

    fn is_asked(&self) -> bool {
        self.written.windows(QUESTION.len()).any(|window| window == QUESTION.as_bytes())
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }
}

/// U+FFFD as U+2022: the emulator, unlike terminals, shows nothing for it, and what follows would be misplaced.
fn with_marks(written: &[u8]) -> Vec<u8> {
    let mut written = written.to_vec();
    while let Some(at) = written.windows(3).position(|bytes| bytes == "\u{FFFD}".as_bytes()) {
        written[at..at + 3].copy_from_slice("\u{2022}".as_bytes());
    }
    written
}

fn write(keyboard: &Keyboard, keys: &str) {
    if let Some(keyboard) = keyboard.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        // It may have ended meanwhile.
        let _ = keyboard.write_all(keys.as_bytes()).and_then(|()| keyboard.flush());
    }
}

/// The state of the connection, below the rooms.
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
