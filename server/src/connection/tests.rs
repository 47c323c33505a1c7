//! Connections over a broker that is steered: what ends while it has not answered, and turns that are polled by hand.

mod turns;

use std::future::poll_fn;

use realtime_shared::{ErrorCode, Role, RoomName, Timestamp, UserId};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::auth::{Grants, Verifier};
use crate::broker::steered::{SteeredBroker, Steering};
use crate::broker::{NotStored, Unavailable};
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::room::Registry;
use crate::secret::Secret;

/// A hub whose broker is steered.
struct House {
    hub: Arc<Hub>,
    broker: Arc<Steering>,
}

/// A connection that runs, and its client's end.
struct Client {
    stream: DuplexStream,
    /// All that came.
    heard: Vec<u8>,
    mailbox: Arc<Mailbox>,
    running: JoinHandle<Ended>,
}

/// A text frame of a client.
fn masked(json: &str) -> Vec<u8> {
    let len = u8::try_from(json.len()).expect("short");
    assert!(len <= 125);
    let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
    frame.extend(json.as_bytes());
    frame
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
        config.limits.max_messages_per_second = 0;
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

    async fn connect(&self, id: &str) -> Client {
        let (stream, ours) = tokio::io::duplex(64 * 1024);
        let mut connection = self.connection(id, ours).await;
        let mailbox = connection.mailbox.clone();
        let running = tokio::spawn(async move { poll_fn(|cx| connection.poll(cx)).await });
        Client { stream, heard: Vec::new(), mailbox, running }
    }

    /// A connection that nobody polls.
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
        self.hub.registry.members(&room()).await.expect("members").count
    }
}

impl Client {
    /// Sends a text frame.
    async fn send(&mut self, json: &str) {
        self.stream.write_all(&masked(json)).await.expect("sent");
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
    house.broker.set_open(false);
    alice.send(r#"{"type":"leave_room","room":"a"}"#).await;
    house.broker.is_asked().await;
    alice.mailbox.close(CloseCode::Restarting);
    alice.hears(&[0x88]).await;
    drop(alice.stream);
    assert_eq!(alice.running.await.expect("no panic"), Ended::ByServer(CloseCode::Restarting));
    house.broker.set_open(true);
    while house.members().await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_while_it_joins_holds_nobody_up() {
    let house = House::new();
    house.broker.set_open(false);
    let mut alice = house.connect("alice").await;
    alice.send(r#"{"type":"join_room","room":"a"}"#).await;
    house.broker.is_asked().await;
    alice.mailbox.close(CloseCode::Restarting);
    alice.hears(&[0x88]).await;
    house.broker.set_open(true);
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

/// Text of the refusal that `refuse_submissions` causes, for the entry that the tests below post.
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
    house.broker.refuse_submissions(Some(cause));
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
    house.broker.refuse_submissions(Some(Unavailable.into()));
    for _ in 0..150 {
        alice.heard.clear();
        alice.send(POST).await;
        let message = "the store cannot be reached; try again later";
        alice.hears(refusal("unavailable", message, true).as_bytes()).await;
    }
    house.broker.refuse_submissions(None);
    alice.send(POST).await;
    alice.hears(br#""type":"ack""#).await;
    let metrics = house.hub.metrics.render();
    assert!(metrics.contains("realtime_refusals_total{code=\"unavailable\"} 150\n"), "{metrics}");
}
