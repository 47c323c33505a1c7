//! `realtime-server` as a process: started, killed, stopped, started again on the same directory, and watched.

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
use crate::wire::PATIENCE;

const SECRET: &str = "a secret that only these tests know";
/// Longer than any run, and than the hours that clocks jump.
const TOKEN_SECONDS: u64 = 7 * 24 * 3_600;

/// Limits so high that no load meets them, and waits so short that faults are noticed while one watches.
const FLAGS: [&str; 20] = [
    "serve",
    "--listen=127.0.0.1:0",
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
    "--ring-bytes-per-room=16MiB",
    "--log-format=text",
    "--log=info,realtime_server::http::websocket=warn",
    "--header-timeout=5s",
    "--unfinished-frame-timeout=5s",
    "--shutdown-deadline=5s",
];

/// A token for a user, good for longer than any run.
pub(crate) fn token(user: &str) -> String {
    let claims = Claims {
        sub: UserId::new(user).expect("a user id"),
        exp: Clock::system().now().millis() / 1_000 + TOKEN_SECONDS,
        role: Role::User,
        rooms: None,
        read_only: Vec::new(),
        iss: None,
        aud: None,
    };
    mint(&Secret::new(SECRET.as_bytes()).expect("long enough"), &claims)
}

/// How servers are started: what outlives a process.
pub(crate) struct Site {
    directory: TempDir,
    flags: Vec<String>,
    env: Vec<(&'static str, OsString)>,
}

impl Site {
    /// A site with a directory of its own.
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

    /// Where the server keeps its files.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts a server, and waits until it listens.
    pub(crate) async fn start(&self) -> Process {
        self.try_start().await.unwrap_or_else(|Stuck { awaited }| panic!("in vain: {awaited}"))
    }

    /// The same of a server that may be broken.
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
        Process { child, log, address: ([127, 0, 0, 1], 0).into() }.listening().await
    }
}

/// What a server says on standard error.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    /// Where it listens, once it has said so; or that it will say nothing more.
    said: watch::Sender<Said>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Said {
    #[default]
    Nothing,
    Listening(SocketAddr),
    Ended,
}

impl Log {
    fn read(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("ws://") {
                let address = rest.split('/').next().and_then(|text| text.parse().ok());
                self.said.send_replace(Said::Listening(address.expect("an address")));
            }
            let mut text = self.text.lock();
            text.push_str(&line);
            text.push('\n');
        }
        self.said.send_replace(Said::Ended);
    }
}

/// A server that runs; it is killed with this.
pub(crate) struct Process {
    child: Child,
    log: Arc<Log>,
    address: SocketAddr,
}

impl Process {
    async fn listening(mut self) -> Result<Self, Stuck> {
        let mut said = self.log.said.subscribe();
        let listening = timeout(PATIENCE, said.wait_for(|said| *said != Said::Nothing)).await;
        match listening.map(|said| said.map(|said| *said)) {
            Ok(Ok(Said::Listening(address))) => self.address = address,
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

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        self.log.text.lock().clone()
    }

    pub(crate) async fn metrics(&self) -> Samples {
        Samples::scrape(self.address).await.unwrap_or_default()
    }

    /// Ends it on the spot.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    /// Asks it to stop, and waits for that.
    pub(crate) async fn stop(&mut self) -> Result<ExitStatus, Stuck> {
        self.terminate();
        self.ended().await
    }

    /// What it logged when it panicked.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(" panicked at ")).map(str::to_owned).collect()
    }

    /// Waits for its end, of whatever cause.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, Stuck> {
        let mut said = self.log.said.subscribe();
        let ended = timeout(PATIENCE, said.wait_for(|said| *said == Said::Ended)).await.map(drop);
        ended.map_err(|_| Stuck { awaited: format!("the server ends:\n{}", self.log()) })?;
        Ok(self.child.wait().expect("it ends"))
    }

    /// What it holds; nothing where the system does not say.
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
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit code, or a signal as a negative number.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap_or(i32::MIN)
}
