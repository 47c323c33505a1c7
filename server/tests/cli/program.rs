//! The program as a process: helpers that start it, wait for log lines, and check its end.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Message, WebSocket};

/// Time after which a program is killed, so that a test fails instead of hanging.
const TIME_LIMIT: Duration = Duration::from_mins(2);

/// A home directory of its own. Programs in it start with an empty environment.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Path of the secret that the program creates.
    pub(crate) fn secret_file(&self) -> PathBuf {
        self.path().join(".local/share/realtime/jwt-secret")
    }

    /// Path of the file with the rooms.
    pub(crate) fn store(&self) -> PathBuf {
        self.path().join(".local/share/realtime/store.db")
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).expect("writable");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("permitted");
        path
    }

    /// The program, for a test that needs its pipes. Nothing kills it if it hangs.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        self.program(words).0
    }

    pub(crate) fn program<S: AsRef<OsStr>>(&self, words: &[S]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-server"));
        command.env_clear().env("HOME", self.path()).args(words).stdin(Stdio::null()).stdout(Stdio::piped());
        Program(command)
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Finished {
        self.program(words).run()
    }

    /// Starts a server on a free port.
    pub(crate) fn serve(&self, flags: &[&str]) -> RunningServer {
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

    pub(crate) fn run(mut self) -> Finished {
        let child = self.0.stderr(Stdio::piped()).spawn().expect("the program starts");
        let _watchdog = Watchdog::on(&child);
        Finished(child.wait_with_output().expect("an exit status"))
    }

    /// Starts a server and waits until it logs its address.
    #[track_caller]
    pub(crate) fn serve(self) -> RunningServer {
        let mut served = self.start();
        served.wait_until_listening();
        served
    }

    /// Standard input of the program; without this, it is empty.
    pub(crate) fn stdin(mut self, file: File) -> Self {
        self.0.stdin(file);
        self
    }

    /// Standard output of the server; without this, a pipe.
    pub(crate) fn stdout(mut self, file: File) -> Self {
        self.0.stdout(file);
        self
    }

    /// Starts a server and waits for nothing.
    pub(crate) fn start(self) -> RunningServer {
        let (log, stderr) = io::pipe().expect("a pipe");
        self.start_with_log(stderr.into(), Box::new(log))
    }

    /// Starts a server with this standard error, which the test reads from `log`.
    pub(crate) fn start_with_log(mut self, stderr: Stdio, log: Box<dyn Read>) -> RunningServer {
        let child = self.0.stderr(stderr).spawn().expect("the program starts");
        let stderr = BufReader::new(log);
        RunningServer { _watchdog: Watchdog::on(&child), child, stderr, log: String::new(), address: None }
    }
}

/// Kills a program that runs for too long. Its output ends then, and with it the test that waits for output.
struct Watchdog(#[expect(dead_code, reason = "dropping it ends the watchdog")] SyncSender<()>);

impl Watchdog {
    fn on(child: &Child) -> Self {
        let (sender, dropped) = mpsc::sync_channel(1);
        let pid = Pid::from_child(child);
        thread::spawn(move || {
            if dropped.recv_timeout(TIME_LIMIT) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self(sender)
    }
}

/// A program that has ended, with its output.
pub(crate) struct Finished(Output);

impl Finished {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.0.status.success(), "{:?}: {}", self.0.status, self.stderr());
        self
    }

    /// Asserts that the program failed with this code and one line on standard error, which is returned.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        let stderr = self.stderr();
        assert_eq!(self.0.status.code(), Some(code), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "one line: {stderr}");
        assert!(stderr.starts_with("realtime-server: "), "{stderr}");
        assert_eq!(self.stdout(), "", "{stderr}");
        stderr
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

/// A running server. Dropping it kills the process.
pub(crate) struct RunningServer {
    _watchdog: Watchdog,
    child: Child,
    stderr: BufReader<Box<dyn Read>>,
    log: String,
    address: Option<SocketAddr>,
}

impl RunningServer {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("a listening server")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server logs its address.
    #[track_caller]
    pub(crate) fn wait_until_listening(&mut self) {
        let line = self.wait_for("listening");
        let address = line.split("ws://").nth(1).and_then(|rest| rest.split('/').next());
        self.address = Some(address.and_then(|text| text.parse().ok()).expect("an address"));
    }

    /// Waits until the log has `text`, unless it has it already.
    #[track_caller]
    pub(crate) fn wait_until_logged(&mut self, text: &str) {
        if !self.log.contains(text) {
            self.wait_for(text);
        }
    }

    /// Waits for the next line of the log with `text`.
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
        let stream = TcpStream::connect(self.address()).expect("a listener");
        let url = format!("ws://{}/api/v1/ws?token={token}", self.address());
        tungstenite::client(url, stream).expect("an upgrade").0
    }

    /// Requests an upgrade. The error is the HTTP status of a refusal.
    #[track_caller]
    pub(crate) fn try_connect(&self, target: &str) -> Result<WebSocket<TcpStream>, u16> {
        let stream = TcpStream::connect(self.address()).expect("a listener");
        match tungstenite::client(format!("ws://{}{target}", self.address()), stream) {
            Ok((socket, _)) => Ok(socket),
            Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{target}: {error}"),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a running process");
    }

    /// Waits for the end of the process: its exit code, log and standard output.
    pub(crate) fn ended(mut self) -> (Option<i32>, String, String) {
        let mut log = std::mem::take(&mut self.log);
        self.stderr.read_to_string(&mut log).expect("a log in UTF-8");
        let mut output = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut output).expect("text");
        }
        (self.child.wait().expect("an exit status").code(), log, output)
    }

    /// Waits for the end of the process: the signal that ended it.
    pub(crate) fn ended_by(mut self) -> Option<Signal> {
        let status = self.child.wait().expect("an exit status");
        status.signal().and_then(Signal::from_named_raw)
    }

    /// Waits for the end of the process, and does not read its log.
    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("an exit status").code()
    }

    /// Stops the server with SIGTERM and returns its log.
    pub(crate) fn stopped(self) -> String {
        self.signal(Signal::TERM);
        let (code, log, _) = self.ended();
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The complete response to a GET request.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a listener");
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
