//! One connection: upgrade, welcome, join, then deliveries, which are counted by their first bytes.
//!
//! Only frames other than deliveries and the own `joined` are parsed as JSON. Senders and observers also read the mark in a delivery. All
//! connections share one read buffer; a connection owns bytes only while a frame is incomplete or the socket is full.

use std::borrow::Cow;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use mio::net::TcpStream;
use serde::Deserialize;

use crate::dialect::{Dialect, Incoming};
use crate::frame::{self, next_frame, push_client_frame};
use crate::handshake;
use crate::histogram::Histogram;
use crate::observer::Observer;
use crate::sender::Sender;

/// The beginnings of deliveries as most encoders write them. Others are found by parsing.
const MESSAGE_STARTS: [&[u8]; 2] = [br#"{"type":"message""#, br#"{"type": "message""#];
const ACK_START: &[u8] = br#"{"type":"ack""#;
/// The beginning of a `joined` up to its text.
const JOINED_START: &[u8] = br#"{"type":"system","event":"joined","message":""#;
const SYSTEM_STARTS: [&[u8]; 2] = [br#"{"type":"system""#, br#"{"type": "system""#];

/// Bytes of one read: many frames per system call, but few enough for the processor's cache.
const READ_BYTES: usize = 64 * 1024;
/// A server frame is at most 1 MiB.
const BUFFER_BYTES: usize = 1024 * 1024 + 16 + READ_BYTES;

/// State that all connections of a scene share.
pub(crate) struct Shared {
    start: Instant,
    buffer: Vec<u8>,
    outgoing: Vec<u8>,
    /// Open windows are refilled.
    pub(crate) sending: bool,
    /// Due times of the messages whose latency is recorded.
    pub(crate) recorded: Range<u64>,
    pub(crate) round_trips: Histogram,
    /// Latencies until another instance delivered a message.
    pub(crate) crossings: Histogram,
    pub(crate) deliveries: u64,
    pub(crate) reads: u64,
    /// Connections wait with their joins for [`Connection::join`].
    pub(crate) hold_joins: bool,
    /// The start of a common join, for its latencies.
    pub(crate) joins_from: Option<u64>,
    pub(crate) welcome: usize,
    pub(crate) joined: usize,
    pub(crate) closed: usize,
}

#[derive(PartialEq)]
enum Stage {
    Upgrading,
    /// Upgraded, waiting for the welcome and then for the answer to the join.
    Joining,
    /// Welcome, and waiting for [`Connection::join`].
    Holding,
    Joined,
    Closing,
    Closed,
}

/// A client in one room.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) sender: Option<Box<Sender>>,
    pub(crate) observer: Option<Box<Observer>>,
    /// Messages received.
    pub(crate) deliveries: u64,
    stage: Stage,
    dialect: Dialect,
    user: String,
    room: String,
    /// The beginning of an incomplete frame.
    partial: Vec<u8>,
    unsent: Vec<u8>,
}

/// The fields that distinguish frames other than deliveries.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_id: Option<Cow<'a, str>>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            buffer: vec![0; BUFFER_BYTES],
            outgoing: Vec::new(),
            sending: false,
            recorded: 0..0,
            round_trips: Histogram::new(),
            crossings: Histogram::new(),
            deliveries: 0,
            reads: 0,
            hold_joins: false,
            joins_from: None,
            welcome: 0,
            joined: 0,
            closed: 0,
        }
    }

    /// Nanoseconds since the scene began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Connection {
    /// Begins to connect. The upgrade is sent once the socket is writable.
    pub(crate) fn open(
        address: SocketAddr,
        path: &str,
        dialect: Dialect,
        token: &str,
        user: String,
        room: String,
    ) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = handshake::request(address, path, token);
        Ok(Self {
            stream,
            sender: None,
            observer: None,
            deliveries: 0,
            stage: Stage::Upgrading,
            dialect,
            user,
            room,
            partial: Vec::new(),
            unsent: request.into_bytes(),
        })
    }

    /// Handles the readiness of the socket. An error ends the scene.
    pub(crate) fn turn(&mut self, readable: bool, writable: bool, shared: &mut Shared) -> Result<(), String> {
        let done = if writable { self.flush() } else { Ok(()) };
        let done = done.and_then(|()| if readable { self.read(shared) } else { Ok(()) });
        match done {
            Err(_) if self.stage == Stage::Closing => self.closed(shared),
            other => return other,
        }
        Ok(())
    }

    /// Sends `count` messages in one write. Their round trip is measured from `due`.
    pub(crate) fn send(&mut self, count: u32, due: u64, shared: &mut Shared) -> Result<(), String> {
        let Some(sender) = &mut self.sender else { return Ok(()) };
        shared.outgoing.clear();
        sender.push_messages(&mut shared.outgoing, count, due);
        self.write(&shared.outgoing)
    }

    /// Sends the join.
    pub(crate) fn join(&mut self) -> Result<(), String> {
        self.stage = Stage::Joining;
        let join = serde_json::json!({"type": "join_room", "room": self.room});
        self.write_frame(frame::TEXT, self.dialect.encode("join_room", &join).as_bytes())
    }

    /// Sends close 1000, which ends the membership without a leave grace.
    pub(crate) fn close(&mut self) {
        self.stage = Stage::Closing;
        // The next turn finds out that a socket is broken.
        let _ = self.write_frame(frame::CLOSE, &1000_u16.to_be_bytes());
    }

    fn closed(&mut self, shared: &mut Shared) {
        self.stage = Stage::Closed;
        shared.closed += 1;
    }

    fn read(&mut self, shared: &mut Shared) -> Result<(), String> {
        let mut buffer = std::mem::take(&mut shared.buffer);
        let done = self.read_into(&mut buffer, shared);
        shared.buffer = buffer;
        done.and_then(|()| self.refill(shared))
    }

    /// Reads until a read is short: the poll reports readiness again when there is more.
    fn read_into(&mut self, buffer: &mut [u8], shared: &mut Shared) -> Result<(), String> {
        let mut more = self.stage != Stage::Closed;
        while more {
            let held = self.partial.len();
            let space = buffer.get_mut(held..held + READ_BYTES).ok_or("a frame over 1 MiB")?;
            let count = match self.stream.read(space) {
                Ok(0) if self.stage == Stage::Closing => {
                    self.closed(shared);
                    return Ok(());
                }
                Ok(0) => return Err("the server closed the socket".to_owned()),
                Ok(count) => count,
                Err(error) if is_not_ready(&error) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            more = count == READ_BYTES;
            shared.reads += 1;
            buffer[..held].copy_from_slice(&self.partial);
            let filled = &buffer[..held + count];
            let taken = self.take_frames(filled, shared)?;
            self.partial.clear();
            self.partial.extend_from_slice(&filled[taken..]);
        }
        Ok(())
    }

    /// Handles the complete frames in `bytes`, and returns the offset of the incomplete one.
    fn take_frames(&mut self, bytes: &[u8], shared: &mut Shared) -> Result<usize, String> {
        let now = if self.sender.is_some() || self.observer.is_some() { shared.now() } else { 0 };
        let mut taken = 0;
        if self.stage == Stage::Upgrading {
            let Some(end) = handshake::end(bytes)? else { return Ok(0) };
            self.stage = Stage::Joining;
            taken = end;
        }
        while let Some(found) = next_frame(bytes, taken) {
            taken = found.payload.end;
            let payload = &bytes[found.payload];
            match found.opcode {
                frame::TEXT => match self.dialect.decode(payload) {
                    Incoming::Frame(frame) => self.frame(frame, now, shared)?,
                    Incoming::Answer(answer) => self.write_frame(frame::TEXT, answer.as_bytes())?,
                    Incoming::Nothing => {}
                },
                frame::PING => self.write_frame(frame::PONG, payload)?,
                // The rest of a message, which was counted by its first frame.
                frame::CONTINUATION | frame::PONG => {}
                frame::CLOSE if self.stage == Stage::Closing => {}
                frame::CLOSE => return Err(close_text(payload)),
                opcode => return Err(format!("a frame with opcode {opcode}")),
            }
        }
        Ok(taken)
    }

    /// A frame of the base dialect.
    fn frame(&mut self, payload: &[u8], now: u64, shared: &mut Shared) -> Result<(), String> {
        if begins(payload, MESSAGE_STARTS) {
            return self.delivered(payload, now, shared);
        }
        if self.stage != Stage::Joining && (begins(payload, SYSTEM_STARTS) || payload.starts_with(ACK_START))
        {
            return Ok(());
        }
        if self.stage == Stage::Joining && self.is_own_join(payload) {
            self.joined(shared);
            return Ok(());
        }
        let envelope: Envelope<'_> = serde_json::from_slice(payload)
            .map_err(|error| format!("{error} in {}", String::from_utf8_lossy(payload)))?;
        match (&*envelope.r#type, envelope.event.as_deref()) {
            ("message", _) => return self.delivered(payload, now, shared),
            ("system", Some("welcome")) if self.stage == Stage::Joining => {
                if let Some(user) = envelope.user_id {
                    self.user = user.into_owned();
                }
                shared.welcome += 1;
                if shared.hold_joins {
                    self.stage = Stage::Holding;
                } else {
                    self.join()?;
                }
            }
            ("system", Some("joined")) if self.stage == Stage::Joining => {
                let name = envelope.message.as_deref().and_then(|message| message.strip_suffix(" joined"));
                if name == Some(&self.user) {
                    self.joined(shared);
                }
            }
            ("error", _) => return Err(String::from_utf8_lossy(payload).into_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Returns true if the frame begins as most encoders write the own `joined`, which may name a thousand members.
    fn is_own_join(&self, payload: &[u8]) -> bool {
        let text = payload.strip_prefix(JOINED_START);
        let rest = text.and_then(|text| text.strip_prefix(self.user.as_bytes()));
        rest.is_some_and(|rest| rest.starts_with(br#" joined""#))
    }

    fn joined(&mut self, shared: &mut Shared) {
        self.stage = Stage::Joined;
        shared.joined += 1;
        if let Some(from) = shared.joins_from {
            shared.round_trips.record(shared.now() - from);
        }
    }

    fn delivered(&mut self, payload: &[u8], now: u64, shared: &mut Shared) -> Result<(), String> {
        self.deliveries += 1;
        shared.deliveries += 1;
        if let Some(sender) = &mut self.sender
            && let Some(due) = sender.own_copy(payload)?
            && shared.recorded.contains(&due)
        {
            shared.round_trips.record(now - due);
        }
        if let Some(observer) = &mut self.observer
            && let Some(due) = observer.crossing(payload)?
            && shared.recorded.contains(&due)
        {
            shared.crossings.record(now - due);
        }
        Ok(())
    }

    /// Fills the sender's window.
    pub(crate) fn refill(&mut self, shared: &mut Shared) -> Result<(), String> {
        match self.sender.as_deref().map_or(0, Sender::room_in_window) {
            count @ 1.. if shared.sending => self.send(count, shared.now(), shared),
            _ => Ok(()),
        }
    }

    fn write_frame(&mut self, opcode: u8, payload: &[u8]) -> Result<(), String> {
        let mut framed = Vec::new();
        push_client_frame(&mut framed, opcode, payload);
        self.write(&framed)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = if self.unsent.is_empty() { try_write(&mut self.stream, bytes)? } else { 0 };
        self.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        if !self.unsent.is_empty() {
            let written = try_write(&mut self.stream, &self.unsent)?;
            self.unsent.drain(..written);
        }
        Ok(())
    }
}

fn try_write(stream: &mut TcpStream, bytes: &[u8]) -> Result<usize, String> {
    match stream.write(bytes) {
        Ok(written) => Ok(written),
        Err(error) if is_not_ready(&error) => Ok(0),
        Err(error) => Err(error.to_string()),
    }
}

fn is_not_ready(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}

fn begins(payload: &[u8], starts: [&[u8]; 2]) -> bool {
    starts.iter().any(|start| payload.starts_with(start))
}

fn close_text(payload: &[u8]) -> String {
    match payload.split_first_chunk() {
        Some((code, reason)) => {
            format!("closed with {} {}", u16::from_be_bytes(*code), String::from_utf8_lossy(reason))
        }
        None => "closed without a code".to_owned(),
    }
}
