//! A command between pipes.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use crate::server::Server;
use crate::{GUARD, starting};

/// `realtime-tui` with some command, which ends with this.
pub(super) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    shared: Arc<Shared>,
    readers: Vec<JoinHandle<()>>,
}

/// How a command ended, and all that it wrote.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) output: String,
    pub(super) errors: String,
}

#[derive(Default)]
struct Shared {
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Default)]
struct Written {
    output: Vec<u8>,
    errors: Vec<u8>,
    closed: usize,
}

/// What is done with the standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// It is read to its end.
    Patient,
    /// Something is read, and then it is closed.
    Leaves,
    /// Something is read, and then no more.
    StandsStill,
}

impl Process {
    /// Starts it with `token` in its environment.
    pub(super) fn start(token: &str, arguments: &[&str]) -> Self {
        Self::start_read_by(Reader::Patient, token, arguments)
    }

    pub(super) fn start_read_by(reader: Reader, token: &str, arguments: &[&str]) -> Self {
        // A token and a time zone, and nothing else in its environment.
        let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-tui"));
        command.env_clear().env("REALTIME_TOKEN", token).env("TZ", "UTC").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let lock = starting();
        let mut child = command.spawn().expect("it starts");
        drop(lock);
        let shared = Arc::new(Shared::default());
        let input = child.stdin.take();
        let output = child.stdout.take().expect("piped");
        let errors = child.stderr.take().expect("piped");
        let readers = vec![
            read(output, reader, &shared, |written| &mut written.output),
            read(errors, Reader::Patient, &shared, |written| &mut written.errors),
        ];
        Self { child, input, shared, readers }
    }

    /// `tail` of the room `lobby`.
    pub(super) fn tail(server: &Server, user: &str, options: &[&str]) -> Self {
        Self::start_in_lobby("tail", server, user, options)
    }

    /// `send` to the room `lobby`.
    pub(super) fn send(server: &Server, user: &str, options: &[&str]) -> Self {
        Self::start_in_lobby("send", server, user, options)
    }

    fn start_in_lobby(word: &str, server: &Server, user: &str, options: &[&str]) -> Self {
        let url = server.url();
        let arguments = [&[word, "--url", &url, "--room", "lobby"], options].concat();
        Self::start(&server.token(user), &arguments)
    }

    /// Writes to its standard input.
    pub(super) fn feed(&mut self, text: &str) {
        let input = self.input.as_mut().expect("open");
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).expect("fed");
    }

    /// Ends its standard input.
    pub(super) fn end_input(&mut self) {
        self.input = None;
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits until it has printed this.
    #[track_caller]
    pub(super) fn prints(&self, text: &str) {
        self.until(&format!("{text:?} printed"), |output, _| output.contains(text));
    }

    /// Waits until it has said this on standard error.
    #[track_caller]
    pub(super) fn says(&self, text: &str) {
        self.until(&format!("{text:?} said"), |_, errors| errors.contains(text));
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&str, &str) -> bool) {
        let is_so = |written: &Written| is_so(&text(&written.output), &text(&written.errors));
        let written = self.shared.wait(|written| written.closed == 2 || is_so(written));
        let (output, errors) = (text(&written.output), text(&written.errors));
        assert!(is_so(&written), "not {what}:\n{output}\n{errors}");
    }

    /// Waits for its end.
    #[track_caller]
    pub(super) fn ended(mut self) -> Ended {
        self.end_input();
        let written = self.shared.wait(|written| written.closed == 2);
        let (output, errors) = (text(&written.output), text(&written.errors));
        assert!(written.closed == 2, "it does not end:\n{output}\n{errors}");
        drop(written);
        let code = self.child.wait().expect("an end").code();
        Ended { code, output, errors }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().and_then(|()| self.child.wait());
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Shared {
    fn wait(&self, is_so: impl Fn(&Written) -> bool) -> MutexGuard<'_, Written> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(written, GUARD, |written| !is_so(written));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Posts, and waits until it is stored.
#[track_caller]
pub(super) fn post(server: &Server, user: &str, texts: &[&str]) {
    let mut send = Process::send(server, user, &[]);
    send.feed(&texts.join("\n"));
    let ended = send.ended();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
}

fn read(
    mut from: impl Read + Send + 'static,
    reader: Reader,
    shared: &Arc<Shared>,
    place: fn(&mut Written) -> &mut Vec<u8>,
) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    let change = move |change: &dyn Fn(&mut Written)| {
        change(&mut shared.written.lock().unwrap_or_else(PoisonError::into_inner));
        shared.changed.notify_all();
    };
    thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            change(&|written| place(written).extend_from_slice(&buffer[..count]));
            if reader != Reader::Patient {
                break;
            }
        }
        if reader == Reader::StandsStill {
            // It stays open until the tests end.
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
