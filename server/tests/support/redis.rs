//! A `redis-server` for one test: on a free port, in a temporary directory, ended by its process id.
//!
//! By default each write is synced (AOF `always`), which the server's guarantees require. A test can kill it, stop it,
//! and start it again on the same port and data. The Debian package is `redis-server`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Attempts to find a free port that no other program takes meanwhile.
const PORTS: usize = 20;

/// A Redis process. Dropping it ends the process.
pub(crate) struct Redis {
    port: u16,
    directory: TempDir,
    options: Vec<String>,
    process: Option<Child>,
}

#[allow(dead_code, reason = "each test binary uses what it needs")]
impl Redis {
    /// Starts a Redis that syncs each write before it answers.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a Redis with these options.
    #[track_caller]
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let mut redis = Self {
            port: 0,
            directory: TempDir::new().expect("a directory"),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            process: None,
        };
        for _ in 0..PORTS {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            redis.port = free.local_addr().expect("an address").port();
            drop(free);
            if redis.run() {
                return redis;
            }
        }
        panic!("redis-server does not start: {}", redis.log());
    }

    /// Starts a Sentinel that watches nothing.
    #[track_caller]
    pub(crate) fn start_sentinel() -> Self {
        Self::start_with(&["--sentinel"])
    }

    /// Executes a command, which must succeed, and returns its answer up to the first line end.
    #[track_caller]
    pub(crate) fn execute(&self, command: &str) -> String {
        let answer = self.answer(command);
        assert!(!answer.starts_with('-'), "{command}: {answer}");
        answer
    }

    /// The first line of the answer to a command, which may be an error.
    pub(crate) fn answer(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a listener");
        write!(stream, "{command}\r\n").expect("sent");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("an answer");
        answer.trim_end().to_owned()
    }

    /// Port on the loopback address.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Directory of its files.
    pub(crate) fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id. It must be running.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Kills it and starts it again on the same port with the same files.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(self.run(), "redis-server does not start again: {}", self.log());
    }

    /// Stops the process with SIGSTOP, until [`Redis::cont`].
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    /// Continues the process after [`Redis::stop`].
    pub(crate) fn cont(&self) {
        self.signal("-CONT");
    }

    /// Its log until it was ready.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir().join("log")).unwrap_or_default()
    }

    /// The configuration file of a Sentinel, which it rewrites. A Redis needs none.
    fn sentinel_file(&self) -> Option<PathBuf> {
        let path = self.dir().join("sentinel.conf");
        let is_sentinel = self.options.iter().any(|option| option == "--sentinel");
        is_sentinel.then(|| {
            fs::write(&path, "").expect("written");
            path
        })
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.expect("kill").success(), "cannot send {signal}");
    }

    /// Starts the process and waits until it accepts connections. False if it ends before.
    fn run(&mut self) -> bool {
        let mut process = Command::new("redis-server")
            .args(self.sentinel_file())
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--dir", &self.dir().to_string_lossy(), "--daemonize", "no"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is missing: apt-get install redis-server");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut log = String::new();
        let mut lines = stdout.lines().map_while(Result::ok);
        let ready = lines.by_ref().any(|line| {
            log.push_str(&line);
            log.push('\n');
            line.contains("Ready to accept connections") || line.contains("Sentinel ID is")
        });
        fs::write(self.dir().join("log"), log).expect("written");
        if !ready {
            let _ = process.kill();
            let _ = process.wait();
            return false;
        }
        // A full pipe would block Redis.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
        true
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
