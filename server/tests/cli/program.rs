//! The program as a process: a small vocabulary to run it and to say what it did.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// How long a program may run before a test gives it up. Nothing depends on its value.
const PATIENCE: Duration = Duration::from_mins(2);

/// A home of its own, with nothing of ours in the environment.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where the program keeps its secret.
    pub(crate) fn kept_secret(&self) -> PathBuf {
        self.path().join(".local/share/realtime/jwt-secret")
    }

    /// Where it keeps rooms.
    pub(crate) fn store(&self) -> PathBuf {
        self.path().join(".local/share/realtime/store.db")
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("writable");
        path
    }

    pub(crate) fn program<S: AsRef<OsStr>>(&self, words: &[S]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-server"));
        command.env_clear().env("HOME", self.path()).args(words).stdin(Stdio::null());
        Program(command)
    }

    /// Runs to the end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Done {
        self.program(words).run()
    }

    /// Serves on a free port.
    pub(crate) fn serve(&self, flags: &[&str]) -> Served {
        self.program(&[&["serve", "--listen", "127.0.0.1:0"], flags].concat()).serve()
    }

    /// The token that the program prints for `user`.
    #[track_caller]
    pub(crate) fn token(&self, user: &str) -> String {
        self.run(&["token", "--user", user]).succeeded().line()
    }
}

pub(crate) struct Program(Command);

impl Program {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn run(mut self) -> Done {
        let child = self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let _bound = Bound::on(&child);
        Done(child.wait_with_output().expect("it ends"))
    }

    /// Starts a server and waits until it says where it listens.
    #[track_caller]
    pub(crate) fn serve(self) -> Served {
        let mut served = self.start();
        served.listens();
        served
    }

    /// Starts a server.
    pub(crate) fn start(mut self) -> Served {
        let mut child =
            self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        Served { _bound: Bound::on(&child), child, stderr, log: String::new(), address: None }
    }
}

/// While this is there, a program that runs for too long is killed: its output ends, and so does who waits for more.
struct Bound(#[expect(dead_code, reason = "the watch ends when it is dropped")] SyncSender<()>);

impl Bound {
    fn on(child: &Child) -> Self {
        let (sender, dropped) = mpsc::sync_channel(1);
        let pid = Pid::from_child(child);
        thread::spawn(move || {
            if dropped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self(sender)
    }
}

/// What came of a program that has ended.
pub(crate) struct Done(Output);

impl Done {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.0.status.success(), "{:?}: {}", self.0.status, self.stderr());
        self
    }

    /// It failed with that code, said one line about it, and that line.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        let said = self.stderr();
        assert_eq!(self.0.status.code(), Some(code), "{said}");
        assert_eq!(said.lines().count(), 1, "one line: {said}");
        assert!(said.starts_with("realtime-server: "), "{said}");
        assert_eq!(self.stdout(), "", "{said}");
        said
    }

    /// The one line on standard output.
    #[track_caller]
    pub(crate) fn line(self) -> String {
        let text = self.stdout();
        let line = text.strip_suffix('\n').expect("a line");
        assert!(!line.contains('\n') && !line.is_empty(), "one line: {text}");
        line.to_owned()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("text")
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("text")
    }
}

/// A server that runs; it ends with this.
pub(crate) struct Served {
    _bound: Bound,
    child: Child,
    stderr: BufReader<ChildStderr>,
    log: String,
    address: Option<SocketAddr>,
}

impl Served {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it listens")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says where it listens.
    #[track_caller]
    pub(crate) fn listens(&mut self) {
        let line = self.wait_for("listening");
        let address = line.split("ws://").nth(1).and_then(|rest| rest.split('/').next());
        self.address = Some(address.and_then(|text| text.parse().ok()).expect("an address"));
    }

    /// Waits until the log has `text`, unless it has it already.
    #[track_caller]
    pub(crate) fn has_said(&mut self, text: &str) {
        if !self.log.contains(text) {
            self.wait_for(text);
        }
    }

    /// The log's next line with `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("a log in UTF-8");
            assert!(read > 0, "the log ended without {text:?}:\n{}", self.log);
            self.log.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    #[track_caller]
    pub(crate) fn connect(&self, token: &str) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(self.address()).expect("it listens");
        let url = format!("ws://{}/api/v1/ws?token={token}", self.address());
        tungstenite::client(url, stream).expect("an upgrade").0
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end: the exit code, all of its log, and its standard output.
    pub(crate) fn ended(mut self) -> (Option<i32>, String, String) {
        let mut log = std::mem::take(&mut self.log);
        self.stderr.read_to_string(&mut log).expect("a log in UTF-8");
        let mut output = String::new();
        self.child.stdout.take().expect("piped").read_to_string(&mut output).expect("text");
        (self.child.wait().expect("it ends").code(), log, output)
    }

    pub(crate) fn stopped(self) -> String {
        self.signal(Signal::TERM);
        let (code, log, _) = self.ended();
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole answer to a request without a body.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The next frame: the text of a text frame, or the code of a close frame.
#[track_caller]
pub(crate) fn next(socket: &mut WebSocket<TcpStream>) -> Result<String, u16> {
    match socket.read().expect("a frame") {
        Message::Text(text) => Ok(text.to_string()),
        Message::Close(frame) => Err(frame.map_or(1005, |frame| frame.code.into())),
        other => panic!("neither text nor close: {other:?}"),
    }
}
