//! Connections that end while the broker has not answered them.

use std::future::poll_fn;

use realtime_shared::{ErrorCode, LeaveReason, Position, Role, RoomName, RoomSummary, Timestamp, UserId};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::auth::{Grants, Verifier};
use crate::broker::memory::MemoryBroker;
use crate::broker::{
    Broker, Completion, NotStored, Page, Pending, Presence, Range, Recipients, RoomFilter, Signal,
    Submission, Unavailable,
};
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::room::Registry;
use crate::secret::Secret;

/// A broker in memory that answers who comes and goes only while its gate is open.
struct Gated {
    inner: Arc<MemoryBroker>,
    gate: watch::Sender<Gate>,
}

#[derive(Default)]
struct Gate {
    open: bool,
    /// Questions that came while it was closed.
    waiting: usize,
    /// The outcome of every submission, in place of a receipt.
    refuses: Option<NotStored>,
}

impl Gated {
    fn pass<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&MemoryBroker) -> Pending<T> + Send + 'static,
    ) -> Pending<T> {
        self.gate.send_if_modified(|gate| {
            gate.waiting += usize::from(!gate.open);
            !gate.open
        });
        let (inner, mut gate) = (self.inner.clone(), self.gate.subscribe());
        Box::pin(async move {
            let _ = gate.wait_for(|gate| gate.open).await;
            ask(&inner).await
        })
    }
}

impl Broker for Gated {
    fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        let (room, user) = (room.clone(), user.clone());
        self.pass(move |inner| inner.enter(&room, &user, members))
    }

    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence> {
        let (room, user) = (room.clone(), user.clone());
        self.pass(move |inner| inner.leave(&room, &user, reason))
    }

    fn catch_up(&self, room: &RoomName) -> Pending<()> {
        self.inner.catch_up(room)
    }

    fn open(&self, room: &RoomName) -> Pending<Position> {
        self.inner.open(room)
    }

    fn release(&self, room: &RoomName) {
        self.inner.release(room);
    }

    fn submit(&self, submission: Submission, done: Completion) {
        let refused = self.gate.borrow().refuses.clone();
        match refused {
            Some(cause) => done(Err(cause)),
            None => self.inner.submit(submission, done),
        }
    }

    fn flush(&self) {
        self.inner.flush();
    }

    fn signal(&self, room: &RoomName, signal: Signal) {
        self.inner.signal(room, signal);
    }

    fn broadcast(&self, to: Recipients, json: Arc<str>) {
        self.inner.broadcast(to, json);
    }

    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page> {
        self.inner.history(room, range, limit, bytes)
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        self.inner.list(filter, limit)
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        self.inner.members(room, members)
    }

    fn connect(&self, user: &UserId, most: usize) -> Pending<Option<u64>> {
        self.inner.connect(user, most)
    }

    fn disconnect(&self, user: &UserId) {
        self.inner.disconnect(user);
    }
}

/// A hub whose broker has a gate.
struct House {
    hub: Arc<Hub>,
    gate: watch::Sender<Gate>,
}

/// A connection that runs, and its client's end.
struct Client {
    stream: DuplexStream,
    /// All that came.
    heard: Vec<u8>,
    mailbox: Arc<Mailbox>,
    running: JoinHandle<Ended>,
}

fn room() -> RoomName {
    RoomName::new("a").expect("a room's name")
}

impl House {
    fn new() -> Self {
        let secret = Secret::new(b"a secret that only these tests know").expect("long enough");
        let mut config = Config::new(secret);
        config.workers = 1;
        config.limits.max_messages_per_second = 0;
        config.timing.leave_grace = Duration::ZERO;
        let config = Arc::new(config);
        let (gate, clock) = (watch::Sender::new(Gate { open: true, ..Gate::default() }), Clock::system());
        let metrics = Arc::new(Metrics::new(config.workers, clock.now()));
        let registry = Registry::new(config.clone(), metrics.clone(), |feed| {
            let inner = Arc::new(MemoryBroker::new(
                feed,
                clock.clone(),
                config.memory.clone(),
                config.retain.clone(),
            ));
            Arc::new(Gated { inner, gate: gate.clone() })
        });
        tokio::spawn(registry.flush(0));
        tokio::spawn(registry.clone().keep_house());
        let verifier = Arc::new(Verifier::new(&config));
        Self { hub: Arc::new(Hub { config, clock, verifier, registry, metrics }), gate }
    }

    fn set_open(&self, open: bool) {
        self.gate.send_modify(|gate| *gate = Gate { open, ..Gate::default() });
    }

    /// Waits until somebody waits at the gate.
    async fn is_asked(&self) {
        self.gate.subscribe().wait_for(|gate| gate.waiting > 0).await.expect("the gate is here");
    }

    async fn connect(&self, id: &str) -> Client {
        let user = UserId::new(id).expect("a user id");
        let (mailbox, online) =
            self.hub.registry.connect(&user, 0).await.expect("counted").expect("not too many");
        let claims = realtime_shared::Claims {
            sub: user.clone(),
            exp: 0,
            role: Role::Admin,
            rooms: None,
            read_only: Vec::new(),
            iss: None,
            aud: None,
        };
        let expires_at = Timestamp::from_millis(self.hub.clock.now().millis() + 3_600_000);
        let grants = Grants::from_claims(&claims).expect("sound lists");
        let identity = Identity { user, role: Role::Admin, grants, expires_at };
        let (stream, ours) = tokio::io::duplex(64 * 1024);
        let socket = Socket::new(ours, b"", self.hub.bounds());
        let mut connection = Connection::new(self.hub.clone(), socket, identity, mailbox.clone(), online);
        let running = tokio::spawn(async move { poll_fn(|cx| connection.poll(cx)).await });
        Client { stream, heard: Vec::new(), mailbox, running }
    }

    async fn members(&self) -> u64 {
        self.hub.registry.members(&room()).await.expect("members").count
    }
}

impl Client {
    /// Sends a text frame, masked with zeros.
    async fn send(&mut self, json: &str) {
        let len = u8::try_from(json.len()).expect("short");
        assert!(len <= 125);
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend(json.as_bytes());
        self.stream.write_all(&frame).await.expect("sent");
    }

    /// Reads until `what` has come, now or before.
    async fn hears(&mut self, what: &[u8]) {
        let mut buffer = [0; 1024];
        while !self.heard.windows(what.len()).any(|window| window == what) {
            let read = self.stream.read(&mut buffer).await.expect("read");
            assert!(read > 0, "ended before {what:?}");
            self.heard.extend(&buffer[..read]);
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_while_it_leaves_gives_its_seat_back_once() {
    let house = House::new();
    let mut alice = house.connect("alice").await;
    alice.send(r#"{"type":"join_room","room":"a"}"#).await;
    alice.hears(b"alice joined").await;
    house.set_open(false);
    alice.send(r#"{"type":"leave_room","room":"a"}"#).await;
    house.is_asked().await;
    alice.mailbox.close(CloseCode::Restarting);
    alice.hears(&[0x88]).await;
    drop(alice.stream);
    assert_eq!(alice.running.await.expect("no panic"), Ended::ByServer(CloseCode::Restarting));
    house.set_open(true);
    while house.members().await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_while_it_joins_holds_nobody_up() {
    let house = House::new();
    house.set_open(false);
    let mut alice = house.connect("alice").await;
    alice.send(r#"{"type":"join_room","room":"a"}"#).await;
    house.is_asked().await;
    alice.mailbox.close(CloseCode::Restarting);
    alice.hears(&[0x88]).await;
    house.set_open(true);
    // Its client has not ended it yet; the room is free all the same.
    let mut bob = house.connect("bob").await;
    bob.send(r#"{"type":"join_room","room":"a"}"#).await;
    let joined = bob.hears(b"bob joined");
    tokio::time::timeout(Duration::from_secs(1), joined).await.expect("not held up");
    bob.hears(b"alice left").await;
    assert_eq!(house.members().await, 1);
    drop(alice.stream);
    alice.running.await.expect("no panic");
}

/// Text of the refusal that `refuses` causes, for the entry that the tests below post.
fn refusal(code: &str, message: &str, temporary: bool) -> String {
    format!(
        r#"{{"type":"error","code":"{code}","message":"{message}","temporary":{temporary},"room":"a","client_msg_id":"m","ref":"r"}}"#
    )
}

const POST: &str = r#"{"type":"message","room":"a","text":"hi","client_msg_id":"m","ref":"r"}"#;

#[tokio::test]
async fn a_refusal_of_the_store_reaches_its_client_and_counts_towards_4009() {
    let house = House::new();
    let mut alice = house.connect("alice").await;
    let message = "only its author may change that message";
    let cause = NotStored::Refused { code: ErrorCode::Forbidden, message: message.to_owned() };
    house.gate.send_modify(|gate| gate.refuses = Some(cause));
    for _ in 0..99 {
        alice.heard.clear();
        alice.send(POST).await;
        alice.hears(refusal("forbidden", message, false).as_bytes()).await;
    }
    alice.heard.clear();
    alice.send(POST).await;
    alice.hears(&CloseCode::TooManyRequests.to_u16().to_be_bytes()).await;
    assert!(alice.heard.starts_with(&[0x88]), "nothing but the close frame: {:?}", alice.heard);
    drop(alice.stream);
    assert_eq!(alice.running.await.expect("no panic"), Ended::ByServer(CloseCode::TooManyRequests));
    let metrics = house.hub.metrics.render();
    assert!(metrics.contains("realtime_refusals_total{code=\"forbidden\"} 99\n"), "{metrics}");
}

#[tokio::test]
async fn a_store_that_is_unavailable_ends_no_connection() {
    let house = House::new();
    let mut alice = house.connect("alice").await;
    house.gate.send_modify(|gate| gate.refuses = Some(Unavailable.into()));
    for _ in 0..150 {
        alice.heard.clear();
        alice.send(POST).await;
        let message = "the store cannot be reached; try again later";
        alice.hears(refusal("unavailable", message, true).as_bytes()).await;
    }
    house.gate.send_modify(|gate| gate.refuses = None);
    alice.send(POST).await;
    alice.hears(br#""type":"ack""#).await;
    let metrics = house.hub.metrics.render();
    assert!(metrics.contains("realtime_refusals_total{code=\"unavailable\"} 150\n"), "{metrics}");
}
