//! The real server, as a process.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::spawn_lock;
use crate::terminal::{Size, Terminal};

/// `realtime-server serve`. Dropping it kills it.
pub(crate) struct Server {
    data: TempDir,
    address: SocketAddr,
    /// Options besides the address.
    options: Vec<String>,
    process: Option<Child>,
    /// Socket that reserves the port while the server is stopped: bound, and not listening. Only Linux lets the server
    /// bind the same port.
    _port: Option<TcpSocket>,
}

impl Server {
    /// Starts a server with its rooms in a file.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let port = TcpSocket::new_v4().expect("a socket");
        port.set_reuseaddr(true).expect("set");
        port.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let address = port.local_addr().expect("an address");
        let port = cfg!(target_os = "linux").then_some(port);
        let data = TempDir::new().expect("a directory");
        let options = options.iter().map(ToString::to_string).collect();
        let mut server = Self { data, address, options, process: None, _port: port };
        server.serve();
        server
    }

    /// Starts the server at its old address, and waits until it listens.
    pub(crate) fn serve(&mut self) {
        let address = self.address.to_string();
        let mut command = self.program(&["serve", "--listen", &address]);
        command.args(&self.options);
        let lock = spawn_lock();
        let mut process = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a process");
        drop(lock);
        let mut log = BufReader::new(process.stderr.take().expect("piped"));
        self.process = Some(process);
        let mut log_text = String::new();
        while !log_text.contains("listening") {
            assert!(log.read_line(&mut log_text).expect("a log") > 0, "the server ended:\n{log_text}");
        }
        thread::spawn(move || io::copy(&mut log, &mut io::sink()));
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().and_then(|()| process.wait()).expect("killed");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/api/v1/ws", self.address)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Token from `realtime-server token`.
    pub(crate) fn token(&self, user: &str) -> String {
        self.token_with(user, &[])
    }

    /// Token from `realtime-server token` with these options.
    pub(crate) fn token_with(&self, user: &str, options: &[&str]) -> String {
        let mut command = self.program(&["token", "--user", user]);
        command.args(options);
        let lock = spawn_lock();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
        drop(lock);
        let output = child.wait_with_output().expect("an end");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// Starts a client of `user` in the room `lobby`.
    pub(crate) fn client(&self, user: &str, size: Size) -> Terminal {
        Terminal::start(size, &self.token(user), &["--url", &self.url(), "--room", "lobby"])
    }

    fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.env_clear().args(words).arg("--data-dir").arg(self.data.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Path of the server program, beside the client's. `cargo test --workspace` builds both. If only the client is tested
/// and the server was never built, this builds it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let directory = Path::new(env!("CARGO_BIN_EXE_realtime-tui")).parent().expect("a directory");
        let program = directory.join("realtime-server");
        if !program.exists() {
            let name = directory.file_name().and_then(|name| name.to_str()).expect("a profile's directory");
            let profile = if name == "debug" { "dev" } else { name };
            eprintln!("{} is missing: building it", program.display());
            let mut command = Command::new(env!("CARGO"));
            command.args(["build", "--package", "realtime-server", "--bin", "realtime-server"]);
            let status = command.args(["--profile", profile]).status().expect("cargo");
            assert!(status.success() && program.exists(), "realtime-server cannot be built");
        }
        program
    })
}
