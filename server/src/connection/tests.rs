//! Connections on an engine that the test controls: ends during an operation, and refusals. Turns are in [`turns`].

mod turns;

use std::future::poll_fn;

use realtime_shared::{ErrorCode, Role, RoomName, Timestamp, UserId};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::auth::{Grants, Verifier};
use crate::broker::steered::{SteeredBroker, Steering};
use crate::broker::{Feed, NotStored, PresenceChange, PresenceKind, Unavailable};
use crate::clock::Clock;
use crate::config::{BudgetLimits, Config};
use crate::metrics::Metrics;
use crate::room::Registry;
use crate::secret::Secret;

/// A hub whose engine the test controls.
struct TestHub {
    hub: Arc<Hub>,
    broker: Arc<Steering>,
}

/// A running connection, and the client's end of its stream.
struct WireClient {
    stream: DuplexStream,
    /// All bytes received.
    received: Vec<u8>,
    mailbox: Arc<Mailbox>,
    running: JoinHandle<EndReason>,
}

/// A text frame as a client sends it.
fn masked(json: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    if let Ok(len @ 0..=125) = u8::try_from(json.len()) {
        frame.push(0x80 | len);
    } else {
        frame.push(0x80 | 0x7E);
        frame.extend(u16::try_from(json.len()).expect("less than 64 KiB").to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(json.as_bytes());
    frame
}

fn room() -> RoomName {
    RoomName::new("a").expect("a room's name")
}

impl TestHub {
    fn new() -> Self {
        Self::with_user_rate(0)
    }

    /// A hub that limits only what all connections of a user do together, to this number of messages a second.
    fn with_user_rate(messages: u32) -> Self {
        let secret = Secret::new(b"a secret that only these tests know").expect("long enough");
        let mut config = Config::new(secret);
        config.workers = 1;
        config.limits.max_messages_per_second = 0;
        config.limits.budgets =
            BudgetLimits { user_messages_per_second: messages, ..BudgetLimits::for_messages_per_second(0) };
        config.timing.leave_grace = Duration::ZERO;
        let config = Arc::new(config);
        let (broker, clock) = (Arc::<Steering>::default(), Clock::system());
        let metrics = Arc::new(Metrics::new(config.workers, clock.now()));
        let registry = Registry::new(config.clone(), metrics.clone(), |feed| {
            Arc::new(SteeredBroker::new(feed, &config, broker.clone()))
        });
        tokio::spawn(registry.flush(0));
        tokio::spawn(registry.clone().run_maintenance());
        let verifier = Arc::new(Verifier::new(&config));
        Self { hub: Arc::new(Hub { config, clock, verifier, registry, metrics }), broker }
    }

    async fn connect(&self, id: &str) -> WireClient {
        let (stream, server_end) = tokio::io::duplex(64 * 1024);
        let mut connection = self.connection(id, server_end).await;
        let mailbox = connection.mailbox.clone();
        let running = tokio::spawn(async move { poll_fn(|cx| connection.poll(cx)).await });
        WireClient { stream, received: Vec::new(), mailbox, running }
    }

    /// A connection that the caller has to poll.
    async fn connection<S: AsyncRead + AsyncWrite + Unpin>(&self, id: &str, stream: S) -> Connection<S> {
        let user = UserId::new(id).expect("a user id");
        let (mailbox, online) =
            self.hub.registry.connect(&user, 0).await.expect("counted").expect("not too many");
        let claims = realtime_shared::Claims {
            sub: user.clone(),
            exp: 0,
            role: Role::Admin,
            rooms: None,
            read_only: Vec::new(),
            moderate: Vec::new(),
            iss: None,
            aud: None,
        };
        let expires_at = Timestamp::from_millis(self.hub.clock.now().millis() + 3_600_000);
        let grants = Grants::from_claims(&claims).expect("sound lists");
        let identity = Identity { user, role: Role::Admin, grants, expires_at };
        let socket = Socket::new(stream, b"", self.hub.bounds());
        Connection::new(self.hub.clone(), socket, identity, mailbox, online)
    }

    async fn members(&self) -> u64 {
        let reader = UserId::new("reader").expect("a user id");
        self.hub.registry.members(&room(), &reader).await.expect("members").count
    }
}

impl WireClient {
    async fn send(&mut self, json: &str) {
        self.stream.write_all(&masked(json)).await.expect("sent");
    }

    /// Reads until `what` is among the received bytes.
    async fn receive_until(&mut self, what: &[u8]) {
        let mut buffer = [0; 1024];
        while !self.received.windows(what.len()).any(|window| window == what) {
            let read = self.stream.read(&mut buffer).await.expect("read");
            assert!(read > 0, "ended after {}", String::from_utf8_lossy(&self.received));
            self.received.extend(&buffer[..read]);
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_during_a_leave_gives_up_its_seat_once() {
    let test_hub = TestHub::new();
    let mut alice = test_hub.connect("alice").await;
    alice.send(r#"{"type":"join_room","room":"a"}"#).await;
    alice.receive_until(b"alice joined").await;
    test_hub.broker.set_open(false);
    alice.send(r#"{"type":"leave_room","room":"a"}"#).await;
    test_hub.broker.is_asked().await;
    alice.mailbox.close(CloseCode::Restarting);
    alice.receive_until(&[0x88]).await;
    drop(alice.stream);
    assert_eq!(alice.running.await.expect("no panic"), EndReason::ByServer(CloseCode::Restarting));
    test_hub.broker.set_open(true);
    while test_hub.members().await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_during_a_join_does_not_block_the_room() {
    let test_hub = TestHub::new();
    test_hub.broker.set_open(false);
    let mut alice = test_hub.connect("alice").await;
    alice.send(r#"{"type":"join_room","room":"a"}"#).await;
    test_hub.broker.is_asked().await;
    alice.mailbox.close(CloseCode::Restarting);
    alice.receive_until(&[0x88]).await;
    test_hub.broker.set_open(true);
    // The client has not closed its end yet. The turn of the room is free.
    let mut bob = test_hub.connect("bob").await;
    bob.send(r#"{"type":"join_room","room":"a"}"#).await;
    let joined = bob.receive_until(b"bob joined");
    tokio::time::timeout(Duration::from_secs(1), joined).await.expect("bob joins");
    bob.receive_until(b"alice left").await;
    assert_eq!(test_hub.members().await, 1);
    drop(alice.stream);
    alice.running.await.expect("no panic");
}

/// The refusal of [`POST`].
fn refusal(code: &str, message: &str, temporary: bool) -> String {
    format!(
        r#"{{"type":"error","code":"{code}","message":"{message}","temporary":{temporary},"room":"a","client_msg_id":"m","ref":"r"}}"#
    )
}

const POST: &str = r#"{"type":"message","room":"a","text":"hi","client_msg_id":"m","ref":"r"}"#;

#[tokio::test]
async fn a_refusal_by_the_engine_reaches_the_client_and_counts_towards_4009() {
    let test_hub = TestHub::new();
    let mut alice = test_hub.connect("alice").await;
    let message = "only its author may change that message";
    let cause =
        NotStored::Refused { code: ErrorCode::Forbidden, message: message.to_owned(), retry_after: None };
    test_hub.broker.refuse_submissions(Some(cause));
    for _ in 0..99 {
        alice.received.clear();
        alice.send(POST).await;
        alice.receive_until(refusal("forbidden", message, false).as_bytes()).await;
    }
    alice.received.clear();
    alice.send(POST).await;
    alice.receive_until(&CloseCode::TooManyRequests.to_u16().to_be_bytes()).await;
    assert!(alice.received.starts_with(&[0x88]), "only the close frame: {:?}", alice.received);
    drop(alice.stream);
    assert_eq!(alice.running.await.expect("no panic"), EndReason::ByServer(CloseCode::TooManyRequests));
    let metrics = test_hub.hub.metrics.render();
    assert!(metrics.contains("realtime_refusals_total{code=\"forbidden\"} 99\n"), "{metrics}");
}

#[tokio::test]
async fn a_message_or_typing_frame_in_a_large_room_delays_the_next_message() {
    let test_hub = TestHub::with_user_rate(200);
    let [mut alice, mut bob, mut carol] =
        [test_hub.connect("alice").await, test_hub.connect("bob").await, test_hub.connect("carol").await];
    for member in [&mut alice, &mut bob] {
        member.send(r#"{"type":"join_room","room":"a"}"#).await;
        member.receive_until(br#""member_count":"#).await;
    }
    // Worth far more than the time that the test takes.
    let user = UserId::new("dave").expect("a user id");
    let change = PresenceChange { user, kind: PresenceKind::Joined, count: 10_000_000 };
    test_hub.hub.registry.presence(&room(), &change, &mut || unreachable!("held in a large room"));
    bob.send(r#"{"type":"typing","room":"a"}"#).await;
    // Carol is no member.
    for user in [&mut alice, &mut carol] {
        user.send(POST).await;
        user.receive_until(br#""type":"ack""#).await;
    }
    for user in [&mut alice, &mut bob, &mut carol] {
        user.send(POST).await;
        user.receive_until(br#""code":"rate_limited""#).await;
    }
}

#[tokio::test]
async fn an_unavailable_engine_closes_no_connection() {
    let test_hub = TestHub::new();
    let mut alice = test_hub.connect("alice").await;
    test_hub.broker.refuse_submissions(Some(Unavailable.into()));
    for _ in 0..150 {
        alice.received.clear();
        alice.send(POST).await;
        let message = "the store cannot be reached; try again later";
        alice.receive_until(refusal("unavailable", message, true).as_bytes()).await;
    }
    test_hub.broker.refuse_submissions(None);
    alice.send(POST).await;
    alice.receive_until(br#""type":"ack""#).await;
    let metrics = test_hub.hub.metrics.render();
    assert!(metrics.contains("realtime_refusals_total{code=\"unavailable\"} 150\n"), "{metrics}");
}
