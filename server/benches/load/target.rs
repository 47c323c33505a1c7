//! The servers under load: running ones, and those that are started for each scene and ended after it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde::Serialize;
use tempfile::TempDir;

/// How long a server may take until it answers HTTP.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const START_POLL: Duration = Duration::from_millis(20);
const TOKEN_SECONDS: u64 = 24 * 60 * 60;

/// How our own binary is started: with no limit that a scene would meet.
const OUR_ARGUMENTS: &[&str] = &[
    "serve",
    "--listen",
    "127.0.0.1:{port}",
    "--data-dir",
    "{data}",
    "--max-connections-per-address",
    "0",
    "--max-connections-per-user",
    "0",
    "--max-messages-per-second",
    "0",
    "--log",
    "warn",
];

/// A server to put under load.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Running {
        address: SocketAddr,
        path: String,
        pid: Option<u32>,
    },
    /// A program and its arguments, in which `{port}` and `{data}` stand for what each start chooses.
    Started(Vec<String>),
}

/// A server that can be connected to; one that was started ends with it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Path and query of the upgrade, without the token.
    pub(crate) path: String,
    pub(crate) pid: Option<u32>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    data: TempDir,
}

/// Where connections get their tokens.
pub(crate) enum Tokens {
    One(String),
    Minted { secret: String },
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
}

impl Target {
    /// Our own binary, of this build, with rooms in memory.
    pub(crate) fn ours(further_arguments: &[String]) -> Self {
        Self::our_binary("realtime", &["--memory"], further_arguments)
    }

    /// The same with rooms in a file.
    pub(crate) fn durable(further_arguments: &[String]) -> Self {
        Self::our_binary("durable", &[], further_arguments)
    }

    fn our_binary(name: &str, rooms: &[&str], further_arguments: &[String]) -> Self {
        let command = [env!("CARGO_BIN_EXE_realtime-server")]
            .iter()
            .chain(OUR_ARGUMENTS)
            .chain(rooms)
            .map(ToString::to_string)
            .chain(further_arguments.iter().cloned())
            .collect();
        Self { name: name.to_owned(), kind: Kind::Started(command) }
    }

    pub(crate) fn running(name: &str, url: &str, pid: Option<u32>) -> Result<Self, String> {
        let rest = url.strip_prefix("ws://").ok_or_else(|| format!("{url}: not a ws:// URL"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address = authority
            .to_socket_addrs()
            .map_err(|fault| format!("{url}: {fault}"))?
            .next()
            .ok_or_else(|| format!("{url}: no address"))?;
        let kind = Kind::Running { address, path: format!("/{path}"), pid };
        Ok(Self { name: name.to_owned(), kind })
    }

    /// Gets the server ready. `cores` is where a started one is pinned to, `secret` what it checks tokens with.
    pub(crate) fn open(&self, cores: Option<&str>, secret: &str) -> Result<Server, String> {
        match &self.kind {
            Kind::Running { address, path, pid } => {
                Ok(Server { address: *address, path: path.clone(), pid: *pid, process: None })
            }
            Kind::Started(command) => Server::start(command, cores, secret),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, server) = text.split_once('=').ok_or("NAME=ws://… or NAME=cmd:… expected")?;
        if let Some(command) = server.strip_prefix("cmd:") {
            let shell = ["sh", "-c", &format!("exec {command}")].map(str::to_owned);
            return Ok(Self { name: name.to_owned(), kind: Kind::Started(shell.to_vec()) });
        }
        let (url, pid) = match server.split_once(",pid=") {
            Some((url, pid)) => (url, Some(pid.parse().map_err(|_| format!("{pid}: not a process id"))?)),
            None => (server, None),
        };
        Self::running(name, url, pid)
    }
}

impl Server {
    fn start(command: &[String], cores: Option<&str>, secret: &str) -> Result<Self, String> {
        let data = TempDir::new().map_err(|fault| format!("no temporary directory: {fault}"))?;
        let log_path = data.path().join("load-server.log");
        let log = std::fs::File::create(&log_path).map_err(|fault| fault.to_string())?;
        let log_too = log.try_clone().map_err(|fault| fault.to_string())?;
        let address = free_address().map_err(|fault| format!("no free port: {fault}"))?;

        // `taskset` and `sh -c exec` replace themselves: the child's process id is the server's.
        let pinned = cores.map(|cores| ["taskset", "-c", cores].map(str::to_owned));
        let mut words = pinned.into_iter().flatten().chain(command.iter().cloned()).map(|word| {
            word.replace("{port}", &address.port().to_string())
                .replace("{data}", &data.path().to_string_lossy())
        });
        let program = words.next().unwrap_or_default();
        let child = Command::new(&program)
            .args(words)
            .env("REALTIME_JWT_SECRET", secret)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .map_err(|fault| format!("cannot start {program}: {fault}"))?;

        let pid = child.id();
        let mut process = Process { child, data };
        process.wait_until_it_answers(address).map_err(|fault| format!("{fault}\n{}", tail(&log_path)))?;
        Ok(Self { address, path: "/ws".to_owned(), pid: Some(pid), process: Some(process) })
    }

    /// What a started server has printed last.
    pub(crate) fn log_tail(&self) -> Option<String> {
        let process = self.process.as_ref()?;
        Some(tail(&process.data.path().join("load-server.log"))).filter(|text| !text.is_empty())
    }
}

impl Process {
    /// Any answer to HTTP will do: not every server has `/healthz`.
    fn wait_until_it_answers(&mut self, address: SocketAddr) -> Result<(), String> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended at once: {status}"));
            }
            if answers(address).unwrap_or(false) {
                return Ok(());
            }
            std::thread::sleep(START_POLL);
        }
        Err(format!("the server does not answer after {} s", START_TIMEOUT.as_secs()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It holds nothing worth keeping. An error means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tokens {
    pub(crate) fn for_user(&self, user: &str) -> Result<String, String> {
        match self {
            Self::One(token) => Ok(token.clone()),
            Self::Minted { secret } => {
                let claims = Claims { sub: user, exp: get_current_timestamp() + TOKEN_SECONDS };
                encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))
                    .map_err(|fault| format!("cannot sign a token: {fault}"))
            }
        }
    }
}

/// Free a moment ago; the server may still be told that it is taken, which ends the run with its words.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn answers(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut start = [0; 5];
    match stream.read_exact(&mut start) {
        Ok(()) => Ok(&start == b"HTTP/"),
        Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn tail(path: &Path) -> String {
    let log = std::fs::read(path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
