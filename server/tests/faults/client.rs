//! A test client that follows the README's protocol and shares no code with the project's own client.
//!
//! It keeps a position for each room. Only delivered frames move the position, and the client rejoins with it. Messages
//! without an ack are kept, and sent again in their first order. Unlike a good client it reconnects at once, because a
//! test has little time. Each action and frame is recorded before the client acts on it.
//!
//! If the server takes changes, the client edits and deletes messages of its own, reacts to messages of all, and requests
//! pages while entries arrive.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{Act, Content, Entry, Instance, Kind, Name, Position, Status, Target};
use crate::recorder::Recorder;
use crate::wire::{Frame, Incoming, Socket, history, join, submission};

/// Limit of messages without an ack; a sender waits at this limit.
const WINDOW: usize = 4;
/// Longest wait before the client dials again.
const JITTER: Duration = Duration::from_millis(40);
/// Silence after which the client sends a ping.
const QUIET: Duration = Duration::from_millis(500);
/// Silence after which the client drops the connection.
const DEAD: Duration = Duration::from_secs(2);
/// The same while a page is on its way: a server reads nothing meanwhile, and may wait for its store.
const DEAD_BEHIND_PAGE: Duration = Duration::from_secs(8);
/// Wait before a refused message is sent again.
const REFUSED: Duration = Duration::from_millis(100);
/// Newest messages of a room that the client changes. They are few, so that changes of several clients meet.
const RECENT: usize = 8;
/// Emoji of reactions.
const EMOJI: [&str; 3] = ["👍", "🎉", ":shrug:"];
/// Messages of a requested page.
const PAGE: u64 = 20;

/// Time that a slow reader spends on each frame. It keeps up with normal traffic and falls behind in a burst.
const SLOW: Duration = Duration::from_millis(5);

/// Traffic that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Silent,
    Short,
    /// Messages of 3,000 characters, which fill buffers.
    Long,
}

/// State that the schedule wants for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    Online(Load),
    /// Connected, but neither reads nor sends.
    NotReading,
    Away,
    /// Disconnected for ever; the task ends.
    Finished,
}

/// Parameters of a client.
pub(crate) struct Plan {
    pub(crate) name: Name,
    pub(crate) token: String,
    /// Addresses of all servers. Each connection goes to a random one.
    pub(crate) servers: Vec<(Instance, SocketAddr)>,
    /// Rooms that the client joins.
    pub(crate) rooms: Vec<Name>,
    /// Rooms that the client does not join and may still post in.
    pub(crate) others: Vec<Name>,
    /// Mean pause between two messages.
    pub(crate) pause: Duration,
    /// Waits [`SLOW`] after each frame.
    pub(crate) slow: bool,
    /// Share of changes in what the client sends, and probability of a request for a page after each.
    pub(crate) changes: f64,
    pub(crate) seed: u64,
}

/// A message without an ack.
struct Unacked {
    room: Name,
    key: Name,
    content: Content,
    /// Time of the next attempt, if the message was refused temporarily.
    again: Option<Instant>,
}

/// A message that the client may change.
struct Recent {
    target: Target,
    is_own: bool,
}

/// A request for a page that has no answer.
struct PageRequest {
    reference: String,
    /// Index of the next event before the request.
    asked: usize,
    /// Seq up to which the client had received the room.
    held: u64,
}

pub(crate) struct Client {
    plan: Plan,
    recorder: Recorder,
    intent: watch::Receiver<Intent>,
    /// Local port of the connection, which identifies it for the proxy. 0 while there is no connection.
    port: Arc<AtomicU16>,
    rng: fastrand::Rng,
    instance: Instance,
    connection: u32,
    positions: HashMap<Name, Position>,
    unacked: VecDeque<Unacked>,
    recent: HashMap<Name, VecDeque<Recent>>,
    /// The server takes edits, deletions and reactions.
    has_changes: bool,
    /// The server keeps read markers.
    has_markers: bool,
    page: Option<PageRequest>,
}

/// Reason to drop a connection after a frame.
enum Unusable {
    /// A request was refused temporarily. The client repeats it on a new connection.
    Refused,
    /// The frame violates the protocol.
    Violation(String),
}

/// End of a connection.
enum End {
    Lost(Option<u16>),
    /// The schedule sends the client away.
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
            instance: plan.servers[0].0,
            plan,
            recorder,
            intent,
            port,
            connection: 0,
            positions: HashMap::new(),
            unacked: VecDeque::new(),
            recent: HashMap::new(),
            has_changes: false,
            has_markers: false,
            page: None,
        }
    }

    /// Connects and reconnects until the intent is [`Intent::Finished`].
    pub(crate) async fn run(mut self) {
        loop {
            let wanted = self.intent.wait_for(|intent| *intent != Intent::Away).await;
            if wanted.is_ok_and(|intent| *intent == Intent::Finished) {
                return;
            }
            let (instance, address) = self.plan.servers[self.rng.usize(..self.plan.servers.len())];
            if let Some((socket, port)) = Socket::dial(address, &self.plan.token).await {
                self.instance = instance;
                self.port.store(port, Ordering::Relaxed);
                self.visit(socket).await;
                self.port.store(0, Ordering::Relaxed);
            }
            sleep(JITTER.mul_f64(self.rng.f64())).await;
        }
    }

    /// Runs one connection to its end.
    async fn visit(&mut self, mut socket: Socket) {
        let welcome = |frame: &Frame| frame.event.as_deref() == Some("welcome");
        let welcomed = tokio::time::timeout(DEAD, socket.wait_for(welcome)).await;
        let Ok(Some(welcome)) = welcomed else { return };
        self.has_changes = ["edit", "delete", "reaction"]
            .iter()
            .all(|needed| welcome.features.iter().any(|it| it == needed));
        self.has_markers = welcome.features.iter().any(|feature| feature == "read");
        self.page = None;
        self.connection += 1;
        self.act(Act::Connected);
        let resumed = self.resume(&mut socket).await;
        let end = if resumed { self.converse(&mut socket).await } else { End::Lost(None) };
        match end {
            End::Lost(close) => self.act(Act::Lost { close }),
            End::Leaves => {
                self.act(Act::Away);
                // Without a close handshake the server keeps the user for the leave grace.
                if self.rng.bool() {
                    socket.close().await;
                }
            }
        }
    }

    /// Joins the rooms with their positions, and sends messages without an ack again.
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
        let mut last_received = Instant::now();
        let mut next_message = last_received + self.pause();
        let mut next_silence_check = last_received + QUIET;
        loop {
            let intent = *self.intent.borrow_and_update();
            let load = match intent {
                Intent::Online(load) => load,
                Intent::NotReading => {
                    if self.intent.changed().await.is_err() {
                        return End::Leaves;
                    }
                    last_received = Instant::now();
                    continue;
                }
                Intent::Away | Intent::Finished => return End::Leaves,
            };
            let may_send = load != Load::Silent && self.unacked.len() < WINDOW;
            let again = self.unacked.iter().position(|unacked| unacked.again.is_some());
            let due_again = again.and_then(|index| self.unacked[index].again).unwrap_or(next_silence_check);
            let sent = tokio::select! {
                came = socket.next() => {
                    last_received = Instant::now();
                    match came {
                        Incoming::Frame(frame, text) => {
                            match self.take(*frame, &text) {
                                Ok(()) => {}
                                Err(Unusable::Refused) => return End::Lost(None),
                                Err(Unusable::Violation(what)) => {
                                    self.act(Act::Violation { what });
                                    return End::Lost(None);
                                }
                            }
                            if self.plan.slow {
                                sleep(SLOW).await;
                            }
                        }
                        Incoming::Control => {}
                        Incoming::Violation(what) => {
                            self.act(Act::Violation { what });
                            return End::Lost(None);
                        }
                        Incoming::End(close) => return End::Lost(close),
                    }
                    true
                }
                () = sleep_until(next_message), if may_send => {
                    next_message = Instant::now() + self.pause();
                    self.write(load);
                    self.post(self.unacked.len() - 1, socket).await && self.request_page(socket).await
                        && self.read(socket).await
                }
                () = sleep_until(due_again), if again.is_some() => {
                    self.post(again.expect("a refused message"), socket).await
                }
                () = sleep_until(next_silence_check) => {
                    next_silence_check = Instant::now() + QUIET;
                    let silent = last_received.elapsed();
                    let dead = if self.page.is_some() { DEAD_BEHIND_PAGE } else { DEAD };
                    silent < dead && (silent < QUIET || socket.send(&json!({"type": "ping"})).await)
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

    /// Creates a message and queues it behind those without an ack.
    fn write(&mut self, load: Load) {
        let elsewhere = !self.plan.others.is_empty() && self.rng.f64() < 0.1;
        let rooms = if elsewhere { &self.plan.others } else { &self.plan.rooms };
        let room = rooms[self.rng.usize(..rooms.len())].clone();
        let key: Name = format!("{}-{:016x}", self.plan.name, self.rng.u64(..)).into();
        let chars = if load == Load::Long { 3_000 } else { self.rng.usize(1..200) };
        let text: Name =
            std::iter::repeat_with(|| self.rng.alphanumeric()).take(chars).collect::<String>().into();
        let (room, content) = self.change(&text).unwrap_or((room, Content::Message { text }));
        self.unacked.push_back(Unacked { room, key, content, again: None });
    }

    /// Creates a change of a message that the client knows. `text` is that of an edit.
    fn change(&mut self, text: &Name) -> Option<(Name, Content)> {
        if !self.has_changes || self.rng.f64() >= self.plan.changes {
            return None;
        }
        let room = self.plan.rooms[self.rng.usize(..self.plan.rooms.len())].clone();
        let recent = self.recent.get(&room)?;
        let own: Vec<_> = recent.iter().filter(|recent| recent.is_own).collect();
        let kind = self.rng.u8(..10);
        let content = if kind < 5 && !own.is_empty() {
            let target = own[self.rng.usize(..own.len())].target.clone();
            if kind == 0 { Content::Delete { target } } else { Content::Edit { target, text: text.clone() } }
        } else {
            let target = recent.get(self.rng.usize(..recent.len().max(1)))?.target.clone();
            let emoji = EMOJI[self.rng.usize(..EMOJI.len())].into();
            Content::Reaction { target, emoji, removed: self.rng.u8(..3) == 0 }
        };
        Some((room, content))
    }

    /// Sometimes sends a marker, which may be behind the last one. False: the connection failed.
    async fn read(&mut self, socket: &mut Socket) -> bool {
        if !self.has_markers || self.rng.f64() >= self.plan.changes {
            return true;
        }
        let room = self.plan.rooms[self.rng.usize(..self.plan.rooms.len())].clone();
        let held = self.positions.get(&room).map_or(0, |position| position.seq);
        let seq = held.saturating_sub(self.rng.u64(..10));
        let frame = json!({"type": "read", "room": &*room, "seq": seq});
        self.act(Act::Read { room, seq });
        socket.send(&frame).await
    }

    /// Sometimes requests a page, if none is on its way. False: the connection failed.
    async fn request_page(&mut self, socket: &mut Socket) -> bool {
        if !self.has_changes || self.page.is_some() || self.rng.f64() >= self.plan.changes {
            return true;
        }
        let room = self.plan.rooms[self.rng.usize(..self.plan.rooms.len())].clone();
        let held = self.positions.get(&room).map_or(0, |position| position.seq);
        let near = held.saturating_sub(self.rng.u64(..30)).max(1);
        let mut range = match self.rng.u8(..4) {
            0 => json!({"around": near}),
            1 => json!({"before": near + 1}),
            2 => json!({"after": near - 1}),
            _ => json!({}),
        };
        let asked = self.recorder.next_event();
        let reference = format!("page-{asked}");
        range["limit"] = PAGE.into();
        range["ref"] = reference.clone().into();
        self.page = Some(PageRequest { reference, asked, held });
        socket.send(&history(&room, &range)).await
    }

    /// Sends a queued message, for the first time or again.
    async fn post(&mut self, index: usize, socket: &mut Socket) -> bool {
        let unacked = &mut self.unacked[index];
        unacked.again = None;
        let (room, key, content) = (unacked.room.clone(), unacked.key.clone(), unacked.content.clone());
        let frame = submission(&room, &key, &content);
        self.act(Act::Sent { room, key, content });
        socket.send(&frame).await
    }

    fn take(&mut self, frame: Frame, text: &str) -> Result<(), Unusable> {
        if frame.kind == "history" {
            return self.paged(frame).ok_or_else(|| Unusable::Violation(text.to_owned()));
        }
        let frame = &frame;
        let taken = match (frame.kind.as_str(), frame.event.as_deref(), &frame.room) {
            ("ack", _, Some(room)) => self.acked(room.clone(), frame),
            ("error", _, _) => return self.refused(frame, text),
            ("system", Some("joined"), Some(room)) if frame.position.is_some() => {
                self.joined(room.clone(), frame)
            }
            ("system", Some("resync"), Some(room)) => self.resynced(room.clone(), frame),
            ("read", _, Some(room)) => self.marked(room.clone(), frame.seq),
            (_, _, Some(room)) if frame.seq.is_some() => self.delivered(room.clone(), frame, text),
            _ => Some(()),
        };
        taken.ok_or_else(|| Unusable::Violation(text.to_owned()))
    }

    /// Returns `None`, like the functions below, if a field is missing from the frame.
    fn acked(&mut self, room: Name, frame: &Frame) -> Option<()> {
        let (key, seq) = (frame.client_msg_id.clone()?, frame.seq?);
        let position = Position { epoch: frame.epoch.clone(), seq, id: frame.id.clone() };
        self.act(Act::Acked { room, key: key.clone(), position, duplicate: frame.duplicate == Some(true) });
        self.unacked.retain(|unacked| unacked.key != key);
        Some(())
    }

    fn paged(&mut self, frame: Frame) -> Option<()> {
        let request = self.page.take_if(|request| frame.reference.as_deref() == Some(&*request.reference))?;
        let page = Box::new(frame.into_page()?);
        self.act(Act::Paged { page, asked: request.asked, held: request.held });
        Some(())
    }

    fn refused(&mut self, frame: &Frame, text: &str) -> Result<(), Unusable> {
        if let (Some("not_found"), Some(key)) = (frame.code.as_deref(), &frame.client_msg_id)
            && let Some(index) = self.unacked.iter().position(|unacked| unacked.key == *key)
            && self.unacked[index].content.target().is_some()
        {
            self.unacked.remove(index);
            self.act(Act::Rejected { key: key.clone() });
            return Ok(());
        }
        let is_of_page =
            self.page.as_ref().is_some_and(|page| frame.reference.as_deref() == Some(&*page.reference));
        if is_of_page && frame.temporary == Some(true) {
            self.page = None;
            return Ok(());
        }
        let (Some(true), Some(code)) = (frame.temporary, frame.code.clone()) else {
            return Err(Unusable::Violation(text.to_owned()));
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
        // The position that the join was sent with: a room is joined once per connection, and its position moves only
        // after this frame.
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
        self.act(Act::Joined { room: room.clone(), since, head, recovery });
        if frame.read_seq.is_some() {
            self.marked(room, frame.read_seq)?;
        }
        Some(())
    }

    fn marked(&mut self, room: Name, seq: Option<u64>) -> Option<()> {
        let epoch = self.positions.get(&room).and_then(|position| position.epoch.clone());
        self.act(Act::Marked { room, epoch, seq: seq? });
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

    fn delivered(&mut self, room: Name, frame: &Frame, text: &str) -> Option<()> {
        let entry: Entry = serde_json::from_str(text).ok()?;
        let position = self.positions.entry(room.clone()).or_insert(Position::START);
        (position.seq, position.id) = (entry.seq, Some(entry.id.clone()));
        if frame.epoch.is_some() {
            position.epoch.clone_from(&frame.epoch);
        }
        self.remember(room, &entry);
        let entry = self.recorder.intern(entry);
        self.act(Act::Delivered(entry));
        Some(())
    }

    /// Keeps a message that may be changed. It stays after its deletion, so that changes of it are refused.
    fn remember(&mut self, room: Name, entry: &Entry) {
        if entry.kind != Kind::Message || entry.deleted {
            return;
        }
        let recent = self.recent.entry(room).or_default();
        let target = Target { seq: entry.seq, id: entry.id.clone() };
        recent.push_back(Recent { target, is_own: entry.from == self.plan.name });
        if recent.len() > RECENT {
            recent.pop_front();
        }
    }
}
