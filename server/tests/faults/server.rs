//! `realtime-server` as a process that tests start, kill, stop and restart on the same directory.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use realtime_server::auth::token::mint;
use realtime_server::clock::Clock;
use realtime_server::secret::Secret;
use realtime_shared::{Claims, Role, UserId};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::history::Usage;
use crate::metrics::Samples;
use crate::recorder::Stuck;
use crate::wire::TIMEOUT;

const SECRET: &str = "a secret that only these tests know";
/// Longer than any run and the jumps of clocks.
const TOKEN_SECONDS: u64 = 7 * 24 * 3_600;

/// Limits high enough for every load, and timeouts short enough to detect faults within a test.
const FLAGS: [&str; 21] = [
    "serve",
    "--listen=127.0.0.1:0",
    "--admin-listen=127.0.0.1:0",
    "--workers=2",
    "--max-messages-per-second=0",
    "--max-connections-per-address=0",
    "--max-connections-per-user=0",
    "--auth-failures-per-minute=0",
    "--replay-limit=1000000",
    "--ping-interval=2s",
    "--ping-timeout=2s",
    "--slow-reader-timeout=1s",
    "--leave-grace=1s",
    "--retain-messages=1000000",
    "--history-bytes=1GiB",
    "--ring-bytes-per-room=64KiB",
    "--log-format=text",
    "--log=info,realtime_server::http::websocket=warn",
    "--header-timeout=5s",
    "--unfinished-frame-timeout=5s",
    "--shutdown-deadline=5s",
];

/// Token of a user, valid for longer than any run.
pub(crate) fn token(user: &str) -> String {
    token_for(user, TOKEN_SECONDS)
}

/// Token of a user, valid for this long.
pub(crate) fn token_for(user: &str, seconds: u64) -> String {
    let claims = Claims {
        sub: UserId::new(user).expect("a user id"),
        exp: Clock::system().now().millis() / 1_000 + seconds,
        role: Role::User,
        rooms: None,
        read_only: Vec::new(),
        moderate: Vec::new(),
        iss: None,
        aud: None,
    };
    mint(&Secret::new(SECRET.as_bytes()).expect("long enough"), &claims)
}

/// Data directory, flags and environment of a server. They outlive its processes.
pub(crate) struct Site {
    directory: TempDir,
    flags: Vec<String>,
    env: Vec<(&'static str, OsString)>,
}

impl Site {
    /// Creates a site with a new directory.
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        fs::create_dir(directory.path().join("data")).expect("a directory");
        Self { directory, flags: Vec::new(), env: Vec::new() }
    }

    pub(crate) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Data directory of the server.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// All rooms in the store, as `export` prints them. `None`: they are in memory.
    pub(crate) async fn export(&self) -> Result<Option<String>, Stuck> {
        if self.flags.iter().any(|flag| flag == "--memory") {
            return Ok(None);
        }
        let redis = self.flags.iter().find(|flag| flag.starts_with("--redis-url="));
        let arguments = match redis {
            Some(redis) => vec![redis.into()],
            None => vec!["--data-dir".into(), self.data().into()],
        };
        exported(arguments).await.map(Some)
    }

    /// Starts a server and waits until it listens.
    pub(crate) async fn start(&self) -> Process {
        self.try_start().await.unwrap_or_else(|Stuck { awaited }| panic!("timed out: {awaited}"))
    }

    /// Starts a server that may be broken. Fails if it does not listen in time.
    pub(crate) async fn try_start(&self) -> Result<Process, Stuck> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-server"));
        command.args(FLAGS).args(&self.flags).arg("--data-dir").arg(self.data());
        command.env_clear().env("REALTIME_JWT_SECRET", SECRET).envs(self.env.iter().map(|(k, v)| (k, v)));
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the program starts");
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("piped");
        let reader = log.clone();
        thread::spawn(move || reader.read(stderr));
        let unknown: SocketAddr = ([127, 0, 0, 1], 0).into();
        Process { child, log, address: unknown, admin: unknown }.listening().await
    }
}

/// Runs `export` with these arguments and returns the lines.
async fn exported(arguments: Vec<OsString>) -> Result<String, Stuck> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-server"));
    command.args(["export", "--all"]).args(arguments).env_clear().stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let output = output.expect("the program starts");
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).expect("lines of JSON"))
    } else {
        Err(Stuck { awaited: format!("an export, not {}", String::from_utf8_lossy(&output.stderr)) })
    }
}

/// Standard error of a server.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    /// Number of lines.
    lines: watch::Sender<u64>,
    /// State of the server, as read from its log.
    state: watch::Sender<ServerState>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ServerState {
    #[default]
    Starting,
    Listening {
        address: SocketAddr,
        /// The listener for metrics, which has no limit on scrapes.
        admin: SocketAddr,
    },
    Ended,
}

impl Log {
    fn read(&self, stderr: ChildStderr) {
        let mut admin = None;
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            admin = admin.or_else(|| address_after("http://", &line));
            if let (Some(address), Some(admin)) = (address_after("ws://", &line), admin) {
                self.state.send_replace(ServerState::Listening { address, admin });
            }
            let mut text = self.text.lock();
            text.push_str(&line);
            text.push('\n');
            drop(text);
            self.lines.send_modify(|lines| *lines += 1);
        }
        self.state.send_replace(ServerState::Ended);
    }
}

/// The address in a URL of this scheme.
fn address_after(scheme: &str, line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(scheme)?;
    rest.split('/').next()?.parse().ok()
}

/// A running server. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    log: Arc<Log>,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    async fn listening(mut self) -> Result<Self, Stuck> {
        let mut state = self.log.state.subscribe();
        let listening = timeout(TIMEOUT, state.wait_for(|state| *state != ServerState::Starting)).await;
        match listening.map(|state| state.map(|state| *state)) {
            Ok(Ok(ServerState::Listening { address, admin })) => {
                (self.address, self.admin) = (address, admin);
            }

            other => {
                let awaited = format!("the server listens ({other:?}):\n{}", self.log());
                return Err(Stuck { awaited });
            }
        }
        Ok(self)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Log so far.
    pub(crate) fn log(&self) -> String {
        self.log.text.lock().clone()
    }

    /// Waits until the log has a text.
    pub(crate) async fn logs(&self, text: &str) {
        let mut lines = self.log.lines.subscribe();
        let found = timeout(TIMEOUT, async {
            while !self.log().contains(text) {
                lines.changed().await.expect("the log is here");
            }
        });
        assert!(found.await.is_ok(), "no {text:?} in the log:\n{}", self.log());
    }

    pub(crate) async fn metrics(&self) -> Samples {
        Samples::scrape(self.admin).await.unwrap_or_default()
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("an exit status");
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a running process");
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) async fn stop(&mut self) -> Result<ExitStatus, Stuck> {
        self.terminate();
        self.ended().await
    }

    /// Log lines of panics.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(": panicked panic=")).map(str::to_owned).collect()
    }

    /// Waits until the process ends for any reason.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, Stuck> {
        let mut state = self.log.state.subscribe();
        let ended = timeout(TIMEOUT, state.wait_for(|state| *state == ServerState::Ended)).await.map(drop);
        ended.map_err(|_| Stuck { awaited: format!("the server ends:\n{}", self.log()) })?;
        Ok(self.child.wait().expect("an exit status"))
    }

    /// Resources of the process. `None`: the system does not report them.
    pub(crate) async fn usage(&self) -> Option<Usage> {
        let process = Path::new("/proc").join(self.child.id().to_string());
        let descriptors = fs::read_dir(process.join("fd")).ok()?.count() as u64;
        let status = fs::read_to_string(process.join("status")).ok()?;
        let number = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let (threads, memory_kib) = (number("Threads:")?, number("VmRSS:")?);
        let connections = self.metrics().await.sum("realtime_connections");
        Some(Usage { connections, descriptors, threads, memory_kib })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Exit code, or the number of the signal as a negative number.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap_or(i32::MIN)
}
