//! A member or sender as the protocol's README asks a client to be, and no code of the project's own.
//!
//! It keeps a position for each room, moved by what it is shown and by nothing else, and comes back with it; it keeps
//! what has no ack, and sends that again in the order in which it was written. Unlike a decent client it comes back at
//! once: the time of a test is short. Whatever it does and sees is written down before it matters.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{Act, Entry, Instance, Name, Position, Status};
use crate::recorder::Recorder;
use crate::wire::{Came, Frame, Socket, join, message};

/// Most messages without an ack before a sender waits.
const WINDOW: usize = 4;
/// Most that a client waits before it dials again.
const JITTER: Duration = Duration::from_millis(40);
/// Silence after which it asks for a sign of life.
const QUIET: Duration = Duration::from_millis(500);
/// Silence after which it gives a connection up.
const DEAD: Duration = Duration::from_secs(2);
/// Before it sends again what was refused for the time being.
const REFUSED: Duration = Duration::from_millis(100);

/// What a slow reader takes over a frame: it keeps up with what people say, and not with a burst.
const SLOW: Duration = Duration::from_millis(5);

/// How much a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Nothing.
    Silent,
    /// Short messages.
    Short,
    /// Messages of thousands of characters: they fill buffers.
    Long,
}

/// What the schedule wants of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    Here(Load),
    /// There, but it reads nothing and says nothing.
    Deaf,
    Away,
    /// Away for good: its task ends.
    Gone,
}

/// What a client is made of.
pub(crate) struct Plan {
    pub(crate) name: Name,
    pub(crate) token: String,
    /// The servers, each of which will do.
    pub(crate) doors: Vec<(Instance, SocketAddr)>,
    /// The rooms that it is in.
    pub(crate) rooms: Vec<Name>,
    /// The rooms that it may post in without being there.
    pub(crate) others: Vec<Name>,
    /// The pause between two messages, on average.
    pub(crate) pause: Duration,
    /// It takes its time over each frame.
    pub(crate) slow: bool,
    pub(crate) seed: u64,
}

/// A message without an ack.
struct Unacked {
    room: Name,
    key: Name,
    text: Name,
    /// It was refused for the time being, and is due again then.
    again: Option<Instant>,
}

pub(crate) struct Client {
    plan: Plan,
    recorder: Recorder,
    intent: watch::Receiver<Intent>,
    /// The port of its connection, by which the proxy knows it.
    port: Arc<AtomicU16>,
    rng: fastrand::Rng,
    instance: Instance,
    connection: u32,
    positions: HashMap<Name, Position>,
    unacked: VecDeque<Unacked>,
}

/// Why a connection is given up after a frame.
enum Unusable {
    /// What was asked for cannot be had for now: it is asked for again on another connection.
    Refused,
    /// No server may send that.
    Nonsense(String),
}

/// How a conversation ended.
enum End {
    Lost(Option<u16>),
    /// It wants to go.
    Leaves,
}

impl Client {
    pub(crate) fn new(
        plan: Plan,
        recorder: Recorder,
        intent: watch::Receiver<Intent>,
        port: Arc<AtomicU16>,
    ) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(plan.seed),
            instance: plan.doors[0].0,
            plan,
            recorder,
            intent,
            port,
            connection: 0,
            positions: HashMap::new(),
            unacked: VecDeque::new(),
        }
    }

    /// Comes and comes back until it is to be gone.
    pub(crate) async fn run(mut self) {
        loop {
            let wanted = self.intent.wait_for(|intent| *intent != Intent::Away).await;
            if wanted.is_ok_and(|intent| *intent == Intent::Gone) {
                return;
            }
            let (instance, address) = self.plan.doors[self.rng.usize(..self.plan.doors.len())];
            if let Some((socket, port)) = Socket::dial(address, &self.plan.token).await {
                self.instance = instance;
                self.port.store(port, Ordering::Relaxed);
                self.visit(socket).await;
                self.port.store(0, Ordering::Relaxed);
            }
            sleep(JITTER.mul_f64(self.rng.f64())).await;
        }
    }

    /// One connection, to its end.
    async fn visit(&mut self, mut socket: Socket) {
        let welcome = |frame: &Frame| frame.event.as_deref() == Some("welcome");
        let welcomed = tokio::time::timeout(DEAD, socket.wait_for(welcome)).await;
        if !matches!(welcomed, Ok(Some(_))) {
            return;
        }
        self.connection += 1;
        self.act(Act::Connected);
        let resumed = self.resume(&mut socket).await;
        let end = if resumed { self.converse(&mut socket).await } else { End::Lost(None) };
        match end {
            End::Lost(close) => self.act(Act::Lost { close }),
            End::Leaves => {
                self.act(Act::Away);
                // Otherwise it is torn off, and its user has the grace.
                if self.rng.bool() {
                    socket.close().await;
                }
            }
        }
    }

    /// Joins its rooms where it was, and sends again what has no ack.
    async fn resume(&mut self, socket: &mut Socket) -> bool {
        for room in &self.plan.rooms {
            if !socket.send(&join(room, self.positions.get(room))).await {
                return false;
            }
        }
        for index in 0..self.unacked.len() {
            if !self.post(index, socket).await {
                return false;
            }
        }
        true
    }

    async fn converse(&mut self, socket: &mut Socket) -> End {
        let mut heard = Instant::now();
        let mut next_message = heard + self.pause();
        let mut next_look = heard + QUIET;
        loop {
            let intent = *self.intent.borrow_and_update();
            let load = match intent {
                Intent::Here(load) => load,
                Intent::Deaf => {
                    if self.intent.changed().await.is_err() {
                        return End::Leaves;
                    }
                    heard = Instant::now();
                    continue;
                }
                Intent::Away | Intent::Gone => return End::Leaves,
            };
            let may_send = load != Load::Silent && self.unacked.len() < WINDOW;
            let again = self.unacked.iter().position(|unacked| unacked.again.is_some());
            let due_again = again.and_then(|index| self.unacked[index].again).unwrap_or(next_look);
            let sent = tokio::select! {
                came = socket.next() => {
                    heard = Instant::now();
                    match came {
                        Came::Frame(frame, text) => {
                            match self.take(&frame, &text) {
                                Ok(()) => {}
                                Err(Unusable::Refused) => return End::Lost(None),
                                Err(Unusable::Nonsense(what)) => {
                                    self.act(Act::Nonsense { what });
                                    return End::Lost(None);
                                }
                            }
                            if self.plan.slow {
                                sleep(SLOW).await;
                            }
                        }
                        Came::Sign => {}
                        Came::Nonsense(what) => {
                            self.act(Act::Nonsense { what });
                            return End::Lost(None);
                        }
                        Came::End(close) => return End::Lost(close),
                    }
                    true
                }
                () = sleep_until(next_message), if may_send => {
                    next_message = Instant::now() + self.pause();
                    self.write(load);
                    self.post(self.unacked.len() - 1, socket).await
                }
                () = sleep_until(due_again), if again.is_some() => {
                    self.post(again.expect("there is one"), socket).await
                }
                () = sleep_until(next_look) => {
                    next_look = Instant::now() + QUIET;
                    let silent = heard.elapsed();
                    silent < DEAD && (silent < QUIET || socket.send(&json!({"type": "ping"})).await)
                }
                changed = self.intent.changed() => changed.is_ok(),
            };
            if !sent {
                return End::Lost(None);
            }
        }
    }

    fn pause(&mut self) -> Duration {
        self.plan.pause.mul_f64(self.rng.f64() * 2.0)
    }

    fn act(&self, act: Act) {
        self.recorder.act(self.instance, &self.plan.name, self.connection, act);
    }

    /// Puts a new message behind those without an ack.
    fn write(&mut self, load: Load) {
        let elsewhere = !self.plan.others.is_empty() && self.rng.f64() < 0.1;
        let rooms = if elsewhere { &self.plan.others } else { &self.plan.rooms };
        let room = rooms[self.rng.usize(..rooms.len())].clone();
        let key: Name = format!("{}-{:016x}", self.plan.name, self.rng.u64(..)).into();
        let chars = if load == Load::Long { 3_000 } else { self.rng.usize(1..200) };
        let text: Name =
            std::iter::repeat_with(|| self.rng.alphanumeric()).take(chars).collect::<String>().into();
        self.unacked.push_back(Unacked { room, key, text, again: None });
    }

    /// Sends one of the messages without an ack, for the first time or again.
    async fn post(&mut self, index: usize, socket: &mut Socket) -> bool {
        let unacked = &mut self.unacked[index];
        unacked.again = None;
        let (room, key, text) = (unacked.room.clone(), unacked.key.clone(), unacked.text.clone());
        let frame = message(&room, &key, &text);
        self.act(Act::Sent { room, key, text });
        socket.send(&frame).await
    }

    fn take(&mut self, frame: &Frame, text: &str) -> Result<(), Unusable> {
        let taken = match (frame.kind.as_str(), frame.event.as_deref(), &frame.room) {
            ("ack", _, Some(room)) => self.acked(room.clone(), frame),
            ("error", _, _) => return self.refused(frame, text),
            ("system", Some("joined"), Some(room)) if frame.position.is_some() => {
                self.joined(room.clone(), frame)
            }
            ("system", Some("resync"), Some(room)) => self.resynced(room.clone(), frame),
            (_, _, Some(room)) if frame.seq.is_some() => self.shown(room.clone(), frame, text),
            _ => Some(()),
        };
        taken.ok_or_else(|| Unusable::Nonsense(text.to_owned()))
    }

    /// `None` here and below: something is missing in the frame.
    fn acked(&mut self, room: Name, frame: &Frame) -> Option<()> {
        let (key, seq) = (frame.client_msg_id.clone()?, frame.seq?);
        let place = Position { epoch: frame.epoch.clone(), seq, id: frame.id.clone() };
        self.act(Act::Acked { room, key: key.clone(), place, duplicate: frame.duplicate == Some(true) });
        self.unacked.retain(|unacked| unacked.key != key);
        Some(())
    }

    fn refused(&mut self, frame: &Frame, text: &str) -> Result<(), Unusable> {
        let (Some(true), Some(code)) = (frame.temporary, frame.code.clone()) else {
            return Err(Unusable::Nonsense(text.to_owned()));
        };
        let Some(key) = frame.client_msg_id.clone() else { return Err(Unusable::Refused) };
        self.act(Act::Refused { key: key.clone(), code });
        if let Some(unacked) = self.unacked.iter_mut().find(|unacked| unacked.key == key) {
            unacked.again = Some(Instant::now() + REFUSED);
        }
        Ok(())
    }

    fn joined(&mut self, room: Name, frame: &Frame) -> Option<()> {
        let head = frame.position.clone()?;
        // What was asked for: a room is joined once a connection, and its position moves only behind this.
        let since = self.positions.get(&room).cloned();
        let recovery = frame.recovery;
        match (self.positions.get_mut(&room), recovery) {
            (Some(position), Some(recovery)) => {
                if recovery.status == Status::Reset && recovery.replayed == 0 {
                    position.clone_from(&head);
                } else {
                    position.epoch.clone_from(&head.epoch);
                }
            }
            _ => {
                self.positions.insert(room.clone(), head.clone());
            }
        }
        self.act(Act::Joined { room, since, head, recovery });
        Some(())
    }

    fn resynced(&mut self, room: Name, frame: &Frame) -> Option<()> {
        let (head, recovery) = (frame.position.clone()?, frame.recovery?);
        let position = self.positions.entry(room.clone()).or_insert(Position::START);
        if recovery.replayed == 0 {
            position.clone_from(&head);
        } else {
            position.epoch.clone_from(&head.epoch);
        }
        self.act(Act::Resynced { room, head, recovery });
        Some(())
    }

    fn shown(&mut self, room: Name, frame: &Frame, text: &str) -> Option<()> {
        let entry: Entry = serde_json::from_str(text).ok()?;
        let position = self.positions.entry(room).or_insert(Position::START);
        (position.seq, position.id) = (entry.seq, Some(entry.id.clone()));
        if frame.epoch.is_some() {
            position.epoch.clone_from(&frame.epoch);
        }
        let entry = self.recorder.intern(entry);
        self.act(Act::Shown(entry));
        Some(())
    }
}
