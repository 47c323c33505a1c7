//! A `redis-server` of its own for each test: on a free port, in a directory that goes with it, ended by its process id.
//!
//! It writes as the promises ask for (AOF `always`) unless something else is asked for, and can be killed, stopped and
//! started again on the same port and data. Debian and Ubuntu have it as `redis-server`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Attempts to find a port that nobody else takes meanwhile.
const PORTS: usize = 20;

/// A Redis that runs, unless it was killed.
pub(crate) struct Redis {
    port: u16,
    directory: TempDir,
    options: Vec<String>,
    process: Option<Child>,
}

#[allow(dead_code, reason = "each test binary uses what it needs")]
impl Redis {
    /// One that has each write on the disk before it answers.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// One with these options besides.
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

    /// Where it listens on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How a client is told where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    pub(crate) fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// Its process, while it runs.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again, after [`Redis::kill`], on the same port and with what is in its files.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(self.run(), "redis-server does not start again: {}", self.log());
    }

    /// Stops it from doing anything, until [`Redis::cont`].
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn cont(&self) {
        self.signal("-CONT");
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir().join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.expect("kill").success(), "cannot send {signal}");
    }

    /// Runs until it takes connections; whether it does.
    fn run(&mut self) -> bool {
        let mut process = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--dir", &self.dir().to_string_lossy(), "--daemonize", "no"])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is not there: apt-get install redis-server");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut log = String::new();
        let mut lines = stdout.lines().map_while(Result::ok);
        let ready = lines.by_ref().any(|line| {
            log.push_str(&line);
            log.push('\n');
            line.contains("Ready to accept connections")
        });
        fs::write(self.dir().join("log"), log).expect("written");
        if !ready {
            let _ = process.kill();
            let _ = process.wait();
            return false;
        }
        // It would stop at a full pipe.
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
