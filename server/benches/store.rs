//! Benchmark of a large store: the start, a join, a page, a first message, and memory.
//!
//! ```text
//! rooms × messages as NDJSON ─▶ `realtime-server import` ─▶ start, again and again ─▶ one client, room after room
//! ```
//!
//! The program is measured from outside, over its commands and a socket, one request at a time.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use realtime_load::bench_arguments;
use realtime_load::histogram::Histogram;
use realtime_load::process::resident_kib;
use realtime_shared::{EntryId, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// The time of the first message, in the past.
const LONG_AGO: u64 = 1_700_000_000_000;
const SECRET: &str = "the store benchmark's own servers only";

type Failure = Box<dyn std::error::Error>;

/// Fill a store, and measure the time and memory that its use takes
#[derive(Parser)]
#[command(name = "store", bin_name = "cargo bench --bench store --")]
struct Options {
    /// Rooms
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    rooms: u32,

    /// Messages of each room
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    messages: u32,

    /// Starts of the server
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,

    /// Length of a message's text
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4000))]
    text_bytes: u16,
}

fn main() -> ExitCode {
    let Some(arguments) = bench_arguments() else { return ExitCode::SUCCESS };
    match run(&Options::parse_from(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("store: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let data = TempDir::new()?;
    fill(options, data.path())?;
    let size = std::fs::metadata(data.path().join("store.db"))?.len();
    println!("{:28} {} MiB", "size of the file", size >> 20);

    let mut starts = Histogram::new();
    for _ in 1..options.starts {
        let server = Server::start(data.path())?;
        starts.record(nanos(server.started_in));
        server.stop()?;
    }
    let server = Server::start(data.path())?;
    starts.record(nanos(server.started_in));
    report("start until it listens", &starts);
    let memory = |when: &str| {
        if let Some(kib) = resident_kib(server.child.id()) {
            println!("{:28} {}.{} MiB", format!("memory {when}"), kib / 1024, kib % 1024 * 10 / 1024);
        }
    };
    memory("at the start");

    let mut client = server.connect(data.path())?;
    let middle = options.messages / 2;
    for (name, frame) in [
        ("join + last 50, cold", json!({"type": "history", "limit": 50})),
        ("join + last 50, again", json!({"type": "history", "limit": 50})),
        ("join + 50 of the middle", json!({"type": "history", "before": middle, "limit": 50})),
    ] {
        let mut times = Histogram::new();
        for room in rooms(options) {
            let began = Instant::now();
            client.request(&json!({"type": "join_room", "room": room}), "joined")?;
            let mut frame = frame.clone();
            frame["room"] = json!(room);
            let page = client.request(&frame, "history")?;
            times.record(nanos(began.elapsed()));
            if page["messages"].as_array().is_none_or(Vec::is_empty) {
                return Err(format!("no page of {room}: {page}").into());
            }
            client.request(&json!({"type": "leave_room", "room": room}), "left")?;
        }
        report(name, &times);
    }
    memory("after that");
    let mut times = Histogram::new();
    for room in rooms(options) {
        let began = Instant::now();
        let post = json!({"type": "message", "room": room, "text": "hello", "client_msg_id": format!("first in {room}")});
        client.request(&post, "ack")?;
        times.record(nanos(began.elapsed()));
    }
    report("first message, cold", &times);
    memory("after a message in each");
    server.stop()?;
    Ok(())
}

/// All rooms, in an order that differs from the file's.
fn rooms(options: &Options) -> impl Iterator<Item = String> {
    let count = u64::from(options.rooms);
    (0..count).map(move |nth| room(nth * 7_919 % count))
}

fn room(number: u64) -> String {
    format!("room-{number:06}")
}

fn report(name: &str, times: &Histogram) {
    let mut line = format!("{name:28}");
    for (quantile, per_mille) in [("p50", 500), ("p99", 990), ("max", 1_000)] {
        let millis = times.quantile(per_mille).unwrap_or_default().as_secs_f64() * 1e3;
        let _ = write!(line, " {quantile} {millis:.2} ms");
    }
    println!("{line} (of {})", times.total());
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Fills a store through `import`.
fn fill(options: &Options, data: &Path) -> Result<(), Failure> {
    let began = Instant::now();
    let mut import = program(data).arg("import").stdin(Stdio::piped()).spawn()?;
    let input = import.stdin.take().ok_or("no pipe")?;
    // If the program ends early, its exit code is more useful than the error of the broken pipe.
    let written = write_rooms(options, input);
    let status = import.wait()?;
    if !status.success() {
        return Err(format!("import: {status}").into());
    }
    written?;
    let messages = f64::from(options.rooms) * f64::from(options.messages);
    let seconds = began.elapsed().as_secs_f64();
    println!("{:28} {seconds:.1} s, {:.0} messages/s", "import", messages / seconds);
    Ok(())
}

fn write_rooms(options: &Options, input: ChildStdin) -> std::io::Result<()> {
    let mut out = BufWriter::new(input);
    let text = "x".repeat(usize::from(options.text_bytes));
    for number in 0..u64::from(options.rooms) {
        let room = room(number);
        let id = |seq: u32| {
            let ts = LONG_AGO + u64::from(seq);
            EntryId::from_parts(Timestamp::from_millis(ts), u128::from(number)).to_string()
        };
        let epoch = id(0);
        let head = options.messages;
        writeln!(
            out,
            "{}",
            json!({"type": "room", "format": 1, "room": room, "epoch": epoch, "first": 1, "head": head,
                   "head_id": id(head), "head_ts": LONG_AGO + u64::from(head)})
        )?;
        for seq in 1..=head {
            let mut frame = json!({"type": "message", "room": room, "from": "alice", "text": text, "seq": seq,
                                   "id": id(seq), "ts": LONG_AGO + u64::from(seq), "client_msg_id": id(seq)});
            if seq == 1 {
                frame["epoch"] = json!(epoch);
            }
            writeln!(out, "{frame}")?;
        }
    }
    out.flush()
}

fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-server"));
    command.env_clear().env("REALTIME_DATA_DIR", data).env("REALTIME_JWT_SECRET", SECRET);
    command
}

/// A server on the store.
struct Server {
    child: Child,
    address: String,
    started_in: Duration,
}

impl Server {
    fn start(data: &Path) -> Result<Self, Failure> {
        let began = Instant::now();
        let mut child = program(data)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--max-messages-per-second",
                "0",
                "--leave-grace",
                "0",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut log = BufReader::new(child.stderr.take().ok_or("no pipe")?).lines();
        for line in log.by_ref() {
            let line = line?;
            if let Some((_, url)) = line.split_once("ws://") {
                let started_in = began.elapsed();
                let address = url.split('/').next().unwrap_or_default().to_owned();
                // The log continues, and an unread pipe would block the server.
                std::thread::spawn(move || log.for_each(drop));
                return Ok(Self { child, address, started_in });
            }
        }
        Err(format!("the server did not start: {}", child.wait()?).into())
    }

    fn connect(&self, data: &Path) -> Result<Client, Failure> {
        let token = program(data).args(["token", "--user", "bench"]).output()?;
        let token = String::from_utf8(token.stdout)?;
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{}/ws?token={}", self.address, token.trim());
        let (socket, _) = tungstenite::client(url, stream)?;
        Ok(Client(socket))
    }

    fn stop(mut self) -> Result<(), Failure> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that the server has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(WebSocket<TcpStream>);

impl Client {
    /// Sends a frame and waits for an answer of the type or event `answer`.
    fn request(&mut self, frame: &Value, answer: &str) -> Result<Value, Failure> {
        self.0.send(Message::text(frame.to_string()))?;
        loop {
            let text = match self.0.read()? {
                Message::Text(text) => text,
                Message::Close(close) => return Err(format!("closed: {close:?}").into()),
                _ => continue,
            };
            let frame: Value = serde_json::from_str(&text)?;
            if frame["type"] == "error" {
                return Err(text.to_string().into());
            }
            if frame["type"] == answer || frame["event"] == answer {
                return Ok(frame);
            }
        }
    }
}
