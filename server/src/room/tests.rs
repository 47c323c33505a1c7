//! Logs against a model, and rooms with members, without a socket.
//!
//! A [`Client`] does what a connection does with its room: it joins, pulls frames as its cursor says, asks the store
//! where it is told to, and is woken. What it sees is told in short texts: `alice: hello #1`, `bob joined (2)`.

mod anew;
mod bounds;
mod log;
mod membership;
mod replay;
mod reset;
mod turns;
mod waking;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use realtime_shared::{
    CloseCode, EntryId, Joined, LeaveReason, Left, Position, Post, RoomName, Seq, ServerEvent, SystemEvent,
    Text, Typing, UserId, codec,
};
use tokio::sync::oneshot;

use super::{Cursor, Entrance, Log, Mailbox, Place, Pulled, Registry, Room, RoomLog, Seat};
use crate::broker::memory::MemoryBroker;
use crate::broker::steered::{SteeredBroker, Steering};
use crate::broker::{Receipt, Skip, Submission};
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::secret::Secret;

/// A grace that does not end while a test runs.
const FOR_EVER: Duration = Duration::from_hours(1);

/// A configuration with one worker, a ring of one small segment a room, a grace that does not end, any number of connections.
fn config() -> Config {
    let mut config = Config::new(Secret::new(b"a secret that only these tests know").expect("long enough"));
    config.workers = 1;
    config.ring.bytes_per_room = 0;
    config.timing.leave_grace = FOR_EVER;
    config.limits.max_connections_per_user = 0;
    config
}

/// A registry over a broker in memory. In a runtime its house is kept, and members are woken.
fn house(config: Config) -> Arc<Registry> {
    let (store, retain) = (config.memory.clone(), config.retain.clone());
    let registry = Registry::new(Arc::new(config), metrics(), |feed| {
        Arc::new(MemoryBroker::new(feed, Clock::system(), store, retain))
    });
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(registry.flush(0));
        runtime.spawn(registry.clone().run_maintenance());
    }
    registry
}

/// The same over a broker that is steered.
fn steered(config: Config) -> (Arc<Registry>, Arc<Steering>) {
    let (config, steering) = (Arc::new(config), Arc::<Steering>::default());
    let registry = Registry::new(config.clone(), metrics(), |feed| {
        Arc::new(SteeredBroker::new(feed, &config, steering.clone()))
    });
    tokio::spawn(registry.flush(0));
    tokio::spawn(registry.clone().run_maintenance());
    (registry, steering)
}

/// Those of one worker.
fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(1, Clock::system().now()))
}

/// Checks what a sample shows.
#[track_caller]
fn counted(metrics: &Metrics, sample: &str, count: u64) {
    let line = format!("{sample} {count}");
    let text = metrics.render();
    assert!(text.lines().any(|other| other == line), "no {line} in\n{text}");
}

/// A connection in at most one room.
struct Client {
    house: Arc<Registry>,
    mailbox: Arc<Mailbox>,
    seat: Option<(Arc<Room>, Seat, Cursor)>,
}

impl Client {
    async fn connect(house: &Arc<Registry>, id: &str) -> Self {
        let (mailbox, _) = house.connect(&user(id), 0).await.expect("counted").expect("not too many");
        Self { house: house.clone(), mailbox, seat: None }
    }

    /// Connects and joins.
    async fn joined(house: &Arc<Registry>, id: &str, name: &str) -> Self {
        let mut client = Self::connect(house, id).await;
        client.join(name, None).await;
        client
    }

    async fn join(&mut self, name: &str, since: Option<&Position>) -> Joined {
        let entrance = self.house.join(&self.mailbox, &room(name), since).await.expect("joined");
        let (Entrance { room, cursor, .. }, seat, joined) = entrance;
        self.seat = Some((room, seat, cursor));
        joined
    }

    async fn rejoin(&mut self, since: Option<&Position>) -> Joined {
        let (room, _, cursor) = self.seat.as_mut().expect("in a room");
        let (entrance, joined) = self.house.rejoin(&self.mailbox, room, since).await.expect("joined again");
        *cursor = entrance.cursor;
        joined
    }

    async fn leave(&mut self) -> (Place, Left) {
        let (room, seat, _) = self.seat.take().expect("in a room");
        self.house.leave(&self.mailbox, &room, seat, LeaveReason::Left).await.expect("left")
    }

    /// The connection is lost.
    fn lose(mut self) {
        let (room, seat, _) = self.seat.take().expect("in a room");
        self.house.lose(&self.mailbox, &room, seat);
    }

    /// The connection closes in order.
    fn part(mut self) {
        let (room, seat, _) = self.seat.take().expect("in a room");
        self.house.part(&self.mailbox, &room, seat);
    }

    async fn say(&self, name: &str, text: &str) -> Receipt {
        say(&self.house, self.mailbox.user.as_str(), name, text).await
    }

    fn types(&self, name: &str) {
        let user_id = self.mailbox.user.clone();
        let event =
            ServerEvent::Typing(Typing { room: room(name), user_id: user_id.clone(), is_typing: true });
        self.house.signal(&room(name), &event, Skip::User(user_id));
    }

    /// Takes what is there now, a few hundred bytes at a time.
    async fn read(&mut self) -> Vec<String> {
        self.read_by(300).await
    }

    async fn read_by(&mut self, limit: usize) -> Vec<String> {
        let (room, _, cursor) = self.seat.as_mut().expect("in a room");
        let mut seen = Vec::new();
        loop {
            let mut out = Vec::new();
            let pulled = room.pull(cursor, &self.mailbox, None, &mut out, limit).expect("not overtaken");
            if let Pulled::FromStore(after) = pulled {
                let page = self.house.page_after(&room.name, after).await.expect("a page");
                cursor.take_page(&page, &self.mailbox, &mut out).expect("what comes next is in the store");
            }
            seen.extend(texts(&out));
            if pulled == Pulled::All {
                return seen;
            }
        }
    }

    /// Waits until there is something, as a connection does, and takes it.
    async fn next(&mut self) -> Vec<String> {
        poll_fn(|cx| {
            self.mailbox.look(cx);
            let (room, _, cursor) = self.seat.as_ref().expect("in a room");
            if room.has_more(cursor) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.read().await
    }
}

impl Registry {
    fn has_room(&self, name: &str) -> bool {
        self.rooms.lock().contains_key(&room(name))
    }
}

impl Room {
    fn look<T>(&self, at: impl FnOnce(&RoomLog) -> T) -> T {
        match &self.state.lock().log {
            Log::Open(log) => at(log),
            Log::Opening { .. } => panic!("the room is open"),
        }
    }

    /// The oldest entry that the ring has.
    fn oldest(&self) -> Seq {
        self.look(|log| {
            (1..=log.head().seq().get())
                .map(Seq::new)
                .find(|seq| log.id_at(*seq).is_some())
                .expect("the head at least")
        })
    }

    fn connections(&self) -> usize {
        self.state.lock().members.all().count()
    }
}

async fn say(house: &Registry, from: &str, to: &str, text: &str) -> Receipt {
    let (done, receipt) = oneshot::channel();
    let text = Text::new(text).expect("a text");
    let post = Post { room: room(to), text, client_msg_id: None };
    let stored = move |result: Result<Receipt, _>| {
        let _ = done.send(result.expect("stored"));
    };
    house.submit(0, Submission::message(user(from), post), Box::new(stored));
    receipt.await.expect("completed")
}

/// Posts as many messages, whose texts are their numbers.
async fn fill(house: &Registry, name: &str, count: u64) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for _ in 0..count {
        receipts.push(say(house, "writer", name, "hello").await);
    }
    receipts
}

/// The frames in `bytes`, in short.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while let [_, len, rest @ ..] = bytes {
        let (len, rest) = match len {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => panic!("no frame here is that long"),
            len => (usize::from(*len), rest),
        };
        all.push(in_short(std::str::from_utf8(&rest[..len]).expect("UTF-8")));
        bytes = &rest[len..];
    }
    all
}

fn in_short(json: &str) -> String {
    match codec::decode_server(json).expect("a frame").event {
        ServerEvent::Message(message) => format!("{}: {} #{}", message.from, message.text, message.seq),
        ServerEvent::Typing(typing) => format!("{} types", typing.user_id),
        ServerEvent::System(SystemEvent::Joined(joined)) => {
            format!("{} ({})", joined.message, joined.member_count)
        }
        ServerEvent::System(SystemEvent::Left(left)) => {
            format!("{} ({}, {:?})", left.message, left.member_count, left.reason)
        }
        ServerEvent::System(SystemEvent::Resync(resync)) => {
            format!("resync to #{}, {} replayed", resync.position.seq(), resync.recovery.replayed())
        }
        other => panic!("a room does not say {other:?}"),
    }
}

fn after(receipt: &Receipt) -> Position {
    let Receipt { epoch, seq, id, .. } = receipt.clone();
    Position::At { epoch, seq, id }
}

fn strange_id() -> EntryId {
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
