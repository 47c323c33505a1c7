//! A program that is started for a measurement, waited for, and ended after it: a server, or a Redis.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a program may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const START_POLL: Duration = Duration::from_millis(20);
/// For one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
const LOG: &str = "load.log";

/// What a program is asked to see that it is there, and how its answer begins.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    question: &'static str,
    answer: &'static [u8],
}

/// Any answer to HTTP will do: not every server has `/healthz`.
pub(crate) const HTTP: Probe = Probe {
    question: "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    answer: b"HTTP/",
};
/// What a Redis answers that has read its files.
pub(crate) const REDIS: Probe = Probe { question: "PING\r\n", answer: b"+PONG" };

/// A program that runs, and is killed when this is dropped: it holds nothing worth keeping.
pub(crate) struct Started {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    data: TempDir,
}

impl Started {
    /// Runs a program and its arguments, in which `{port}` and `{data}` stand for what is chosen here, until it
    /// answers. `cores` is where it is pinned to.
    pub(crate) fn run(
        command: &[String],
        cores: Option<&str>,
        environment: &[(&str, &str)],
        probe: Probe,
    ) -> Result<Self, String> {
        let data = TempDir::new().map_err(|fault| format!("no temporary directory: {fault}"))?;
        let log = std::fs::File::create(data.path().join(LOG)).map_err(|fault| fault.to_string())?;
        let log_too = log.try_clone().map_err(|fault| fault.to_string())?;
        let address = free_address().map_err(|fault| format!("no free port: {fault}"))?;

        // `taskset` and `sh -c exec` replace themselves: the child's process id is the program's.
        let pinned = cores.map(|cores| ["taskset", "-c", cores].map(str::to_owned));
        let mut words = pinned.into_iter().flatten().chain(command.iter().cloned()).map(|word| {
            word.replace("{port}", &address.port().to_string())
                .replace("{data}", &data.path().to_string_lossy())
        });
        let program = words.next().unwrap_or_default();
        let child = Command::new(&program)
            .args(words)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .map_err(|fault| format!("cannot start {program}: {fault}"))?;

        let mut started = Self { address, child, data };
        started.wait_until_it_answers(probe).map_err(|fault| {
            let name = command.first().map_or("", |program| program);
            format!("{name}: {fault}\n{}", started.log_tail())
        })?;
        Ok(started)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed last.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.data.path().join(LOG))
    }

    fn wait_until_it_answers(&mut self, probe: Probe) -> Result<(), String> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended at once: {status}"));
            }
            if probe.is_answered(self.address).unwrap_or(false) {
                return Ok(());
            }
            std::thread::sleep(START_POLL);
        }
        Err(format!("does not answer after {} s", START_TIMEOUT.as_secs()))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // An error means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Probe {
    fn is_answered(self, address: SocketAddr) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.write_all(self.question.as_bytes())?;
        let mut start = vec![0; self.answer.len()];
        match stream.read_exact(&mut start) {
            Ok(()) => Ok(start == self.answer),
            Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

/// Free a moment ago; the program may still be told that it is taken, which ends the run with its words.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn tail(path: &Path) -> String {
    let log = std::fs::read(path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
