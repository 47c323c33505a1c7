//! Programs that run for a measurement: servers and Redis.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Time until a started program has to answer.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const START_POLL: Duration = Duration::from_millis(20);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
const LOG: &str = "load.log";

/// A request to a program, and the beginning of its answer, which shows that it runs.
#[derive(Clone, Copy)]
pub struct Probe {
    question: &'static str,
    answer: &'static [u8],
}

/// The probe of a server. Any HTTP answer is enough: not every server has `/healthz`.
pub const HTTP: Probe = Probe {
    question: "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    answer: b"HTTP/",
};
/// The probe of a Redis that has read its files.
pub const REDIS: Probe = Probe { question: "PING\r\n", answer: b"+PONG" };

/// A program that runs, and is killed on drop.
pub struct Program {
    pub address: SocketAddr,
    child: Child,
    data: TempDir,
}

impl Program {
    /// Starts a program, pinned to `cores`, and waits until it answers. `{port}` and `{data}` in its arguments are
    /// replaced by a free port and a temporary directory.
    pub fn run(
        command: &[String],
        cores: Option<&str>,
        environment: &[(&str, &str)],
        probe: Probe,
    ) -> Result<Self, String> {
        let data = TempDir::new().map_err(|error| format!("no temporary directory: {error}"))?;
        let log = std::fs::File::create(data.path().join(LOG)).map_err(|error| error.to_string())?;
        let log_too = log.try_clone().map_err(|error| error.to_string())?;
        let address = free_address().map_err(|error| format!("no free port: {error}"))?;

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
            .map_err(|error| format!("cannot start {program}: {error}"))?;

        let mut started = Self { address, child, data };
        started.wait_for_answer(probe).map_err(|error| {
            let name = command.first().map_or("", |program| program);
            format!("{name}: {error}\n{}", started.log_tail())
        })?;
        Ok(started)
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of its output.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.data.path().join(LOG))
    }

    fn wait_for_answer(&mut self, probe: Probe) -> Result<(), String> {
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
        Err(format!("no answer after {} s", START_TIMEOUT.as_secs()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that the program has ended already.
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
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// An address that was free a moment ago. If it is taken meanwhile the program fails, and so does the run.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn tail(path: &Path) -> String {
    let log = std::fs::read(path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
