//! The scene `many-rooms`: a server with many rooms, whose users list them while another user joins.
//!
//! Each user has a thread and a blocking socket: the users wait most of the time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::dialect::Dialect;
use crate::frame::{PING, PONG, TEXT, next_frame, push_client_frame};
use crate::handshake;
use crate::histogram::Histogram;
use crate::options::Options;
use crate::run::Outcome;
use crate::scene::{CREATORS, LISTERS, Scene};
use crate::target::Servers;
use crate::tokens::Tokens;

/// Interval of the lists of a connection.
const LIST_INTERVAL: Duration = Duration::from_secs(1);
/// Rooms that a list requests: the most of the protocol.
const LIST_LIMIT: usize = 500;
/// Groups of rooms whose names have the same beginning.
const GROUPS: usize = 100;
/// Messages of a creator that are in flight.
const IN_FLIGHT: usize = 256;
/// Pause between two joins.
const JOIN_PAUSE: Duration = Duration::from_millis(20);
/// Time without an answer after which the scene has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// Time in which settled servers use little of their processor, the number of such times in a row, and the longest wait
/// for it.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);
const QUIET_INTERVALS: u32 = 10;
const SETTLE_TIMEOUT: Duration = Duration::from_mins(2);
const READ_BYTES: usize = 64 * 1024;

/// Runs the scene. The round trips are those of lists, the crossings those of joins.
pub(crate) fn run(
    scene: &Scene,
    servers: &Servers,
    options: &Options,
    tokens: &Tokens,
) -> Result<Outcome, String> {
    if servers.dialect != Dialect::Base {
        return Err("the scene needs the base dialect".to_owned());
    }
    let run = std::process::id();
    let connect = |user: &str| Client::open(servers, &tokens.for_user(&format!("load-{run}-{user}"))?);
    // Rooms of one group are created at the same time, so they are neighbours in the list too.
    let group = |number: usize| format!("room-{run}-{:02}-", number * GROUPS / scene.rooms.max(1));
    let room = |number: usize| format!("{}{number:07}", group(number));
    let resident_before = servers.resident_kib();
    thread::scope(|threads| {
        let creators: Vec<_> = (0..CREATORS)
            .map(|creator| {
                let names = (creator..scene.rooms).step_by(CREATORS).map(room);
                threads.spawn(move || create(connect(&format!("creator-{creator}"))?, names))
            })
            .collect();
        creators.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    settle(servers);
    let resident_after = servers.resident_kib();

    let (lists, joins) = (Mutex::new(Histogram::new()), Mutex::new(Histogram::new()));
    let (measured, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let record = |histogram: &Mutex<Histogram>, begun: Instant| {
        if measured.load(Ordering::Relaxed) {
            let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            histogram.lock().map_err(|_| "a thread panicked")?.record(nanos);
        }
        Ok::<_, String>(())
    };
    // All rooms, the tenth that is last in the list, one room in a hundred, and one room.
    let tenth = format!("room-{run}-0");
    let prefixes = [String::new(), tenth, group(0), room(scene.rooms / 2)];
    let lister = |index: usize| {
        let mut client = connect(&format!("lister-{index}"))?;
        let mut due = Instant::now() + LIST_INTERVAL * u32::try_from(index).unwrap_or(0) / 32;
        let mut prefixes = prefixes.iter().cycle().skip(index);
        while !ended.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let begun = Instant::now();
            let list =
                serde_json::json!({"type": "list_rooms", "limit": LIST_LIMIT, "prefix": prefixes.next()});
            client.send(&[list])?;
            client.wait_for("rooms")?;
            record(&lists, begun)?;
            due = (due + LIST_INTERVAL).max(Instant::now());
        }
        Ok::<_, String>(())
    };
    let joiner = || {
        let mut client = connect("joiner")?;
        for number in (0..scene.rooms).rev().cycle() {
            if ended.load(Ordering::Relaxed) {
                break;
            }
            let begun = Instant::now();
            client.send(&[serde_json::json!({"type": "join_room", "room": room(number)})])?;
            client.wait_for("system")?;
            record(&joins, begun)?;
            client.send(&[serde_json::json!({"type": "leave_room", "room": room(number)})])?;
            client.wait_for("system")?;
            thread::sleep(JOIN_PAUSE);
        }
        Ok::<_, String>(())
    };
    let cpu = thread::scope(|threads| {
        let lister = &lister;
        let mut users: Vec<_> = (0..LISTERS).map(|index| threads.spawn(move || lister(index))).collect();
        users.push(threads.spawn(joiner));
        thread::sleep(options.warm_up.max(LIST_INTERVAL));
        let before = servers.cpu_time();
        measured.store(true, Ordering::Relaxed);
        thread::sleep(options.seconds);
        measured.store(false, Ordering::Relaxed);
        let cpu = servers.cpu_time().zip(before).map(|(after, before)| after.saturating_sub(before));
        ended.store(true, Ordering::Relaxed);
        users.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)?;
        Ok::<_, String>(cpu)
    })?;
    let lists = lists.into_inner().map_err(|_| "a thread panicked")?;
    Ok(Outcome {
        connections: scene.connections(),
        elapsed: options.seconds,
        // The unit of this scene is a list.
        deliveries: lists.total(),
        server_cpu: cpu,
        round_trips: lists,
        crossings: joins.into_inner().map_err(|_| "a thread panicked")?,
        grown_kib: resident_before.zip(resident_after).map(|(before, after)| after.saturating_sub(before)),
        ..Outcome::at_rest()
    })
}

/// Waits until the servers have finished their work on the new rooms, such as a checkpoint.
fn settle(servers: &Servers) {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    let mut before = servers.cpu_time();
    let mut quiet = 0;
    while quiet < QUIET_INTERVALS && Instant::now() < deadline {
        thread::sleep(SETTLE_INTERVAL);
        let now = servers.cpu_time();
        let spent = now.zip(before).map(|(now, before)| now.saturating_sub(before));
        let is_quiet = spent.is_none_or(|spent| spent < SETTLE_INTERVAL / 50);
        quiet = if is_quiet { quiet + 1 } else { 0 };
        before = now;
    }
}

/// Posts a message to each room.
fn create(mut client: Client, names: impl Iterator<Item = String>) -> Result<(), String> {
    let mut names = names.peekable();
    while names.peek().is_some() {
        let posts: Vec<_> = names
            .by_ref()
            .take(IN_FLIGHT)
            .map(|room| {
                serde_json::json!({"type": "message", "text": "hello", "client_msg_id": &room, "room": room})
            })
            .collect();
        client.send(&posts)?;
        posts.iter().try_for_each(|_| client.wait_for("ack"))?;
    }
    Ok(())
}

/// A blocking client.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are handled.
    taken: usize,
}

impl Client {
    fn open(servers: &Servers, token: &str) -> Result<Self, String> {
        let address = servers.address(0, 0);
        let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(|error| error.to_string())?;
        let mut client = Self { stream, buffer: Vec::new(), taken: 0 };
        client.write(handshake::request(address, &servers.path, token).as_bytes())?;
        loop {
            client.read()?;
            if let Some(end) = handshake::end(&client.buffer)? {
                client.taken = end;
                client.wait_for("system")?;
                return Ok(client);
            }
        }
    }

    fn send(&mut self, frames: &[serde_json::Value]) -> Result<(), String> {
        let mut bytes = Vec::new();
        for frame in frames {
            push_client_frame(&mut bytes, TEXT, frame.to_string().as_bytes());
        }
        self.write(&bytes)
    }

    /// Waits for a frame of this type. An error frame ends the scene.
    fn wait_for(&mut self, kind: &str) -> Result<(), String> {
        let start = format!(r#"{{"type":"{kind}""#);
        loop {
            while let Some(found) = next_frame(&self.buffer, self.taken) {
                self.taken = found.payload.end;
                let payload = &self.buffer[found.payload];
                match found.opcode {
                    TEXT if payload.starts_with(start.as_bytes()) => return Ok(()),
                    TEXT if payload.starts_with(br#"{"type":"error""#) => {
                        return Err(String::from_utf8_lossy(payload).into_owned());
                    }
                    TEXT | PONG => {}
                    PING => {
                        let mut pong = Vec::new();
                        push_client_frame(&mut pong, PONG, payload);
                        self.write(&pong)?;
                    }
                    opcode => return Err(format!("a frame with opcode {opcode}")),
                }
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Result<(), String> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + READ_BYTES, 0);
        let read = self.stream.read(&mut self.buffer[held..]);
        let count = read.as_ref().copied().unwrap_or(0);
        self.buffer.truncate(held + count);
        match read {
            Ok(0) => Err("the server closed the socket".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("no answer: {error}")),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|error| error.to_string())
    }
}
