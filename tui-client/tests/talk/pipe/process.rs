//! A command with pipes for input and output.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use crate::server::Server;
use crate::{WAIT_LIMIT, spawn_lock};

/// `realtime-tui` with a command. Dropping it kills it.
pub(super) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    shared: Arc<SharedOutput>,
    readers: Vec<JoinHandle<()>>,
}

/// Exit code and output of a command that has ended.
#[derive(Debug)]
pub(super) struct CommandExit {
    pub(super) code: Option<i32>,
    pub(super) output: String,
    pub(super) errors: String,
}

#[derive(Default)]
struct SharedOutput {
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Default)]
struct Written {
    output: Vec<u8>,
    errors: Vec<u8>,
    closed: usize,
}

/// Reader of the standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputReader {
    /// Reads to the end.
    ReadsAll,
    /// Reads once and closes the pipe.
    Closes,
    /// Closes the pipe without reading.
    ClosesUnread,
    /// Reads once and keeps the pipe open.
    Stops,
}

impl Process {
    /// Starts a command with `token` in its environment.
    pub(super) fn start(token: &str, arguments: &[&str]) -> Self {
        Self::start_read_by(OutputReader::ReadsAll, token, arguments)
    }

    pub(super) fn start_read_by(reader: OutputReader, token: &str, arguments: &[&str]) -> Self {
        // The environment has only a token and a time zone.
        let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-tui"));
        command.env_clear().env("REALTIME_TOKEN", token).env("TZ", "UTC").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let lock = spawn_lock();
        let mut child = command.spawn().expect("a process");
        drop(lock);
        let shared = Arc::new(SharedOutput::default());
        let input = child.stdin.take();
        let output = child.stdout.take().expect("piped");
        let errors = child.stderr.take().expect("piped");
        let readers = vec![
            read(output, reader, &shared, |written| &mut written.output),
            read(errors, OutputReader::ReadsAll, &shared, |written| &mut written.errors),
        ];
        Self { child, input, shared, readers }
    }

    /// Starts `tail` of the room `lobby`.
    pub(super) fn tail(server: &Server, user: &str, options: &[&str]) -> Self {
        Self::start_in_lobby("tail", server, user, options)
    }

    /// Starts `send` to the room `lobby`.
    pub(super) fn send(server: &Server, user: &str, options: &[&str]) -> Self {
        Self::start_in_lobby("send", server, user, options)
    }

    fn start_in_lobby(word: &str, server: &Server, user: &str, options: &[&str]) -> Self {
        let url = server.url();
        let arguments = [&[word, "--url", &url, "--room", "lobby"], options].concat();
        Self::start(&server.token(user), &arguments)
    }

    /// Writes to the standard input.
    pub(super) fn feed(&mut self, text: &str) {
        let input = self.input.as_mut().expect("open");
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).expect("fed");
    }

    /// Closes the standard input.
    pub(super) fn end_input(&mut self) {
        self.input = None;
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("a running process");
    }

    /// Waits until `text` is on standard output.
    #[track_caller]
    pub(super) fn prints(&self, text: &str) {
        self.wait_until(&format!("{text:?} printed"), |output, _| output.contains(text));
    }

    /// Waits until `text` is on standard error.
    #[track_caller]
    pub(super) fn reports(&self, text: &str) {
        self.wait_until(&format!("{text:?} on standard error"), |_, errors| errors.contains(text));
    }

    #[track_caller]
    fn wait_until(&self, what: &str, matches: impl Fn(&str, &str) -> bool) {
        let matches = |written: &Written| matches(&text(&written.output), &text(&written.errors));
        let written = self.shared.wait(|written| written.closed == 2 || matches(written));
        let (output, errors) = (text(&written.output), text(&written.errors));
        assert!(matches(&written), "not {what}:\n{output}\n{errors}");
    }

    /// Closes the input and waits for the end of the command.
    #[track_caller]
    pub(super) fn ended(mut self) -> CommandExit {
        self.end_input();
        let written = self.shared.wait(|written| written.closed == 2);
        let (output, errors) = (text(&written.output), text(&written.errors));
        assert!(written.closed == 2, "the command does not end:\n{output}\n{errors}");
        drop(written);
        let code = self.child.wait().expect("an end").code();
        CommandExit { code, output, errors }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The command may have ended already.
        let _ = self.child.kill().and_then(|()| self.child.wait());
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl SharedOutput {
    fn wait(&self, matches: impl Fn(&Written) -> bool) -> MutexGuard<'_, Written> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(written, WAIT_LIMIT, |written| !matches(written));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Sends messages and waits until they are stored.
#[track_caller]
pub(super) fn post(server: &Server, user: &str, texts: &[&str]) {
    let mut send = Process::send(server, user, &[]);
    send.feed(&texts.join("\n"));
    let ended = send.ended();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
}

fn read(
    mut from: impl Read + Send + 'static,
    reader: OutputReader,
    shared: &Arc<SharedOutput>,
    buffer_of: fn(&mut Written) -> &mut Vec<u8>,
) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    let change = move |change: &dyn Fn(&mut Written)| {
        change(&mut shared.written.lock().unwrap_or_else(PoisonError::into_inner));
        shared.changed.notify_all();
    };
    thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while reader != OutputReader::ClosesUnread
            && let Ok(count @ 1..) = from.read(&mut buffer)
        {
            change(&|written| buffer_of(written).extend_from_slice(&buffer[..count]));
            if reader != OutputReader::ReadsAll {
                break;
            }
        }
        if reader == OutputReader::Stops {
            // Stays open until the tests end.
            std::mem::forget(from);
        } else {
            drop(from);
        }
        change(&|written| written.closed += 1);
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
