//! Rooms and their rings, without sockets.
//!
//! A [`RoomClient`] acts as a connection does: it joins, is woken, pulls frames at its cursor, and reads pages from
//! the store. Received frames are compared as short texts: `alice: hello #1`, `bob joined (2)`.

mod bounds;
mod discarded_ring;
mod membership;
mod pages;
mod removal;
mod replay;
mod reset;
mod ring;
mod turn;
mod wakeups;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use realtime_shared::{
    CloseCode, EntryEvent, EntryId, Joined, LeaveReason, Left, Position, Post, Recovery, RoomName, Seq,
    ServerEvent, SystemEvent, Text, Typing, UserId, codec,
};
use tokio::sync::oneshot;

use super::{
    Cursor, Entrance, Mailbox, NotJoined, Pulled, Registry, RingState, Room, RoomEnd, RoomRing, Seat,
    StoreRead,
};
use crate::broker::memory::MemoryBroker;
use crate::broker::steered::{SteeredBroker, Steering};
use crate::broker::{Receipt, Skip, Submission, UnencodedJoined};
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::secret::Secret;

/// A leave grace that does not end during a test.
const UNENDING_GRACE: Duration = Duration::from_hours(1);

/// A configuration with one worker, rings of one small segment, an unending leave grace, and no limit on connections.
fn config() -> Config {
    let mut config = Config::new(Secret::new(b"a secret that only these tests know").expect("long enough"));
    config.workers = 1;
    config.ring.bytes_per_room = 0;
    config.timing.leave_grace = UNENDING_GRACE;
    config.limits.max_connections_per_user = 0;
    config
}

/// A registry on the memory engine. In a runtime its flusher and its maintenance run.
fn registry(config: Config) -> Arc<Registry> {
    let (store, retain, rooms) = (config.memory.clone(), config.retain.clone(), config.limits.rooms);
    let registry = Registry::new(Arc::new(config), metrics(), |feed| {
        Arc::new(MemoryBroker::new(feed, Clock::system(), store, retain, rooms))
    });
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(registry.flush(0));
        runtime.spawn(registry.clone().run_maintenance());
    }
    registry
}

/// A registry on an engine that the test controls.
fn steered_registry(config: Config) -> (Arc<Registry>, Arc<Steering>) {
    let (config, steering) = (Arc::new(config), Arc::<Steering>::default());
    let registry = Registry::new(config.clone(), metrics(), |feed| {
        Arc::new(SteeredBroker::new(feed, &config, steering.clone()))
    });
    tokio::spawn(registry.flush(0));
    tokio::spawn(registry.clone().run_maintenance());
    (registry, steering)
}

/// Metrics of one worker.
fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(1, Clock::system().now()))
}

/// Checks the value of a sample.
#[track_caller]
fn assert_metric(metrics: &Metrics, sample: &str, count: u64) {
    let line = format!("{sample} {count}");
    let text = metrics.render();
    assert!(text.lines().any(|other| other == line), "no {line} in\n{text}");
}

/// A connection in at most one room.
struct RoomClient {
    registry: Arc<Registry>,
    mailbox: Arc<Mailbox>,
    seat: Option<(Arc<Room>, Seat, Cursor)>,
}

impl RoomClient {
    async fn connect(registry: &Arc<Registry>, id: &str) -> Self {
        let (mailbox, _) = registry.connect(&user(id), 0).await.expect("counted").expect("not too many");
        Self { registry: registry.clone(), mailbox, seat: None }
    }

    /// Connects, and joins a room.
    async fn joined(registry: &Arc<Registry>, id: &str, name: &str) -> Self {
        let mut client = Self::connect(registry, id).await;
        client.join(name, None).await;
        client
    }

    async fn join(&mut self, name: &str, since: Option<&Position>) -> Joined {
        let entrance = self.registry.join(&self.mailbox, &room(name), since).await.expect("joined");
        let (Entrance { room, cursor, .. }, seat, joined) = entrance;
        self.seat = Some((room, seat, cursor));
        decoded(joined)
    }

    async fn rejoin(&mut self, since: Option<&Position>) -> Joined {
        let (room, _, cursor) = self.seat.as_mut().expect("in a room");
        let (entrance, joined) =
            self.registry.rejoin(&self.mailbox, room, since).await.expect("joined again");
        *cursor = entrance.cursor;
        decoded(joined)
    }

    async fn leave(&mut self) -> (RoomEnd, Left) {
        let (room, seat, _) = self.seat.take().expect("in a room");
        self.registry.leave(&self.mailbox, &room, seat, LeaveReason::Left).await.expect("left")
    }

    /// Ends the connection as a lost one.
    fn lose(mut self) {
        let (room, seat, _) = self.seat.take().expect("in a room");
        self.registry.lose(&self.mailbox, &room, seat);
    }

    /// Ends the connection with a normal close.
    fn close(mut self) {
        let (room, seat, _) = self.seat.take().expect("in a room");
        self.registry.leave_at_close(&self.mailbox, &room, seat);
    }

    async fn post(&self, name: &str, text: &str) -> Receipt {
        post(&self.registry, self.mailbox.user.as_str(), name, text).await
    }

    fn send_typing(&self, name: &str) {
        let user_id = self.mailbox.user.clone();
        let event =
            ServerEvent::Typing(Typing { room: room(name), user_id: user_id.clone(), is_typing: true });
        self.registry.signal(&room(name), &event, Skip::User(user_id));
    }

    /// Reads everything that is available, a few hundred bytes at a time.
    async fn read(&mut self) -> Vec<String> {
        self.read_by(300).await
    }

    async fn read_by(&mut self, limit: usize) -> Vec<String> {
        let (room, _, cursor) = self.seat.as_mut().expect("in a room");
        let mut seen = Vec::new();
        loop {
            let mut out = Vec::new();
            let pulled = room.pull(cursor, &self.mailbox, None, &mut out, limit).expect("not overtaken");
            let read = match pulled {
                Pulled::FromStore(after) => {
                    Some(self.registry.store_reads.page(room, &self.mailbox.user, after).await)
                }
                Pulled::InRing => Some(self.registry.store_reads.members(room, &self.mailbox.user).await),
                Pulled::All | Pulled::Some => None,
            };
            match read.transpose().expect("available") {
                Some(StoreRead::Page(page, ..)) => {
                    room.take_page(cursor, &page, None, &self.mailbox, &mut out).expect("not overtaken");
                }
                Some(StoreRead::Members(presence, arrival)) => {
                    let is_back = room.return_to_ring(cursor, arrival, &self.mailbox);
                    seen.extend(is_back.then(|| format!("members {}", presence.count)));
                }
                None => {}
            }
            seen.extend(summaries(&out));
            if pulled == Pulled::All {
                return seen;
            }
        }
    }

    /// Waits for a wake-up with something to read, and reads it.
    async fn next(&mut self) -> Vec<String> {
        poll_fn(|cx| {
            self.mailbox.register(cx);
            let (room, _, cursor) = self.seat.as_ref().expect("in a room");
            if room.has_more(cursor) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.read().await
    }
}

/// The event that the client receives.
fn decoded(joined: UnencodedJoined) -> Joined {
    match codec::decode_server(&joined.encode(None)).expect("a frame").event {
        ServerEvent::System(SystemEvent::Joined(joined)) => joined,
        other => panic!("not a joined: {other:?}"),
    }
}

impl Registry {
    fn has_room(&self, name: &str) -> bool {
        self.rooms.lock().contains_key(&room(name))
    }
}

impl Room {
    fn with_ring<T>(&self, read: impl FnOnce(&RoomRing) -> T) -> T {
        match &self.state.lock().ring {
            RingState::Open(ring) => read(ring),
            RingState::Closed | RingState::Opening { .. } => panic!("the room is open"),
        }
    }

    /// The oldest entry in the ring.
    fn oldest(&self) -> Seq {
        self.with_ring(|ring| {
            (1..=ring.head().seq().get())
                .map(Seq::new)
                .find(|seq| ring.id_at(*seq).is_some())
                .expect("the ring knows its head")
        })
    }

    fn connections(&self) -> usize {
        self.state.lock().members.all().count()
    }
}

async fn post(registry: &Registry, from: &str, to: &str, text: &str) -> Receipt {
    let (done, receipt) = oneshot::channel();
    let text = Text::new(text).expect("a text");
    let post = Post::message(room(to), text, None);
    let stored = move |result: Result<Receipt, _>| {
        let _ = done.send(result.expect("stored"));
    };
    registry.submit(0, Submission::new(user(from), post), Box::new(stored));
    receipt.await.expect("completed")
}

/// Posts `count` messages of the user `writer`.
async fn fill(registry: &Registry, name: &str, count: u64) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for _ in 0..count {
        receipts.push(post(registry, "writer", name, "hello").await);
    }
    receipts
}

/// Short texts of the frames in `bytes`.
fn summaries(mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while let [_, len, rest @ ..] = bytes {
        let (len, rest) = match len {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => panic!("a frame over 64 KiB"),
            len => (usize::from(*len), rest),
        };
        all.push(summary(std::str::from_utf8(&rest[..len]).expect("UTF-8")));
        bytes = &rest[len..];
    }
    all
}

fn summary(json: &str) -> String {
    match codec::decode_server(json).expect("a frame").event {
        ServerEvent::Entry(EntryEvent::Message(message)) => {
            format!("{}: {} #{}", message.from, message.text, message.seq)
        }
        ServerEvent::Typing(typing) => format!("{} types", typing.user_id),
        ServerEvent::System(SystemEvent::Joined(joined)) => {
            format!("{} ({})", joined.message, joined.member_count)
        }
        ServerEvent::System(SystemEvent::Left(left)) => {
            format!("{} ({}, {:?})", left.message, left.member_count, left.reason)
        }
        ServerEvent::System(SystemEvent::Resync(resync)) => {
            let truncated = matches!(resync.recovery, Recovery::Truncated { .. });
            let status = if truncated { " truncated" } else { "" };
            format!("resync{status} to #{}, {} replayed", resync.position.seq(), resync.recovery.replayed())
        }
        other => panic!("not a frame of a room: {other:?}"),
    }
}

fn position_of(receipt: &Receipt) -> Position {
    let Receipt { epoch, seq, id, .. } = receipt.clone();
    Position::At { epoch, seq, id }
}

fn other_id() -> EntryId {
    EntryId::from_u128(7)
}

#[track_caller]
fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a room's name")
}

#[track_caller]
fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}
