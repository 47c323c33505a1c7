//! Recovery: joins with `since` at any distance from the head while others write.
//!
//! A joiner must see a contiguous part of the room's log: `joined`, then exactly the announced number of replayed
//! entries, then live ones. The expectation follows from the position in `since` and the head in `joined`. The received
//! entries are compared with the history. The seed is printed; `SEED` in the environment repeats it, as far as races allow.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{
    TestClient, TestServer, claims, join_since, message, message_with_id, position, server, server_with,
    token,
};

const ROOM: &str = "lobby";
/// Most entries that are replayed.
const REPLAYED: u64 = 800;
/// Entries that the store keeps of the room. A whole wave may be written between the answer to a join and the read of the
/// replay; the entries to replay must still be there.
const KEPT: u64 = REPLAYED + RESIDENTS + WRITERS * POSTS + 100;
/// Messages before a wave that starts with a member in the room.
const RESIDENTS: u64 = 100;
/// Writers of a wave.
const WRITERS: u64 = 8;
/// Messages of each writer.
const POSTS: u64 = 60;
/// Text of the last message of a wave.
const END: &str = "the end";

/// The known part of a log: frames by seq.
type Log = BTreeMap<u64, Value>;

fn seq(frame: &Value) -> u64 {
    frame["seq"].as_u64().expect("a seq")
}

fn start() -> Value {
    json!({"epoch": null, "seq": 0, "id": null})
}

/// Adds the entries of the history after the end of `log`.
async fn page_through(client: &mut TestClient, log: &mut Log) {
    loop {
        let after = log.last_key_value().map_or(0, |(seq, _)| *seq);
        client.send(json!({"type": "history", "room": ROOM, "after": after, "limit": 200})).await;
        let page = client.expect(json!({"type": "history"})).await;
        for entry in page["messages"].as_array().expect("an array") {
            log.insert(seq(entry), entry.clone());
        }
        if page["has_more"] == false {
            return;
        }
    }
}

/// The position of a joiner.
#[derive(Debug, Clone)]
enum Since {
    /// An entry of the log, or its start.
    Past(Value),
    /// A position that is not in this log.
    Foreign(Value),
}

impl Since {
    fn position(&self) -> &Value {
        match self {
            Self::Past(position) | Self::Foreign(position) => position,
        }
    }

    /// The expected recovery if the log ends at `head`.
    fn recovery(&self, head: u64) -> Value {
        let most = head.min(REPLAYED);
        match self {
            Self::Foreign(_) => json!({"status": "reset", "replayed": most}),
            Self::Past(position) => {
                let missed = head - position["seq"].as_u64().expect("a seq");
                let status = if missed <= REPLAYED { "complete" } else { "truncated" };
                json!({"status": status, "replayed": missed.min(REPLAYED)})
            }
        }
    }

    /// A random position of any kind. The log may have grown beyond the end of `log`.
    fn any(random: &mut fastrand::Rng, epoch: &str, log: &Log) -> Self {
        let (&head, last) = log.last_key_value().expect("entries");
        let (&oldest, _) = log.first_key_value().expect("entries");
        let at = |seq: u64| json!({"epoch": epoch, "seq": seq, "id": log[&seq]["id"]});
        let id = &last["id"];
        match random.u8(0..12) {
            0 => Self::Past(start()),
            1 => Self::Past(at(head)),
            2..=4 => Self::Past(at(random.u64(head - 40..=head))),
            5 => Self::Past(at(random.u64(head - REPLAYED - 40..=head - REPLAYED + 40))),
            6..=7 => Self::Past(at(random.u64(head - REPLAYED..=head))),
            8 => Self::Past(at(random.u64(oldest..=head))),
            9 => Self::Foreign(json!({"epoch": epoch, "seq": head + random.u64(1_000_000..), "id": id})),
            10 => Self::Foreign(json!({"epoch": "another", "seq": random.u64(1..=head), "id": id})),
            _ => Self::Foreign(json!({"epoch": epoch, "seq": random.u64(head - 300..head), "id": id})),
        }
    }
}

/// A joiner and the entries that it has received.
struct Joiner {
    client: TestClient,
    since: Since,
    /// The last received entry.
    last: Option<Value>,
    seen: Log,
    /// Number of closes with 4008 (too slow).
    slow_closes: u32,
}

/// The end of one connection of a joiner.
enum ViewEnd {
    Finished,
    TooSlow,
}

impl Joiner {
    /// Joins and reads to the end of the wave. After a close with 4008 it reconnects with its last position.
    async fn run(mut self, server: std::net::SocketAddr, epoch: String, user: String) -> Self {
        loop {
            match self.view().await {
                ViewEnd::Finished => return self,
                ViewEnd::TooSlow => {
                    self.slow_closes += 1;
                    assert!(self.slow_closes < 20, "{:?} makes no progress", self.since);
                    if let Some(last) = self.last.take() {
                        self.since =
                            Since::Past(json!({"epoch": epoch, "seq": last["seq"], "id": last["id"]}));
                    }
                    self.client = TestClient::open(server, &token(&claims(&user))).await;
                    self.client.expect_welcome().await;
                }
            }
        }
    }

    async fn view(&mut self) -> ViewEnd {
        self.client.send(join_since(ROOM, self.since.position())).await;
        let Some(head) = self.joined().await else { return ViewEnd::TooSlow };
        let recovery = self.since.recovery(head);
        let replayed = recovery["replayed"].as_u64().expect("a number");
        let mut next = head - replayed + 1;
        loop {
            let frame = match self.client.frame_or_close().await {
                Ok(frame) => frame,
                Err((4008, _)) => return ViewEnd::TooSlow,
                Err(close) => panic!("closed with {close:?}"),
            };
            if frame["type"] != "message" {
                // A list of members replaces missed joins: on Redis, and after a reader was behind the ring.
                if frame["type"] != "members" {
                    assert!(next > head, "{frame} within the replay of {:?}", self.since);
                    assert_eq!(frame["type"], "system", "{frame}");
                }
                continue;
            }
            assert_eq!(seq(&frame), next, "{:?} with head {head}", self.since);
            let known = self.seen.insert(next, frame.clone());
            assert!(known.is_none_or(|known| known == frame), "another {frame}");
            next += 1;
            let is_end = frame["text"] == END;
            self.last = Some(frame);
            if is_end && next > head {
                return ViewEnd::Finished;
            }
        }
    }

    /// Receives the answer to the join and returns its head. Ignores live entries of an earlier join. `None` after a close
    /// with 4008.
    async fn joined(&mut self) -> Option<u64> {
        loop {
            let frame = match self.client.frame_or_close().await {
                Ok(frame) => frame,
                Err((4008, _)) => return None,
                Err(close) => panic!("closed with {close:?}"),
            };
            if frame.get("recovery").is_some() {
                let head = frame["position"]["seq"].as_u64().expect("a seq");
                assert_eq!(frame["recovery"], self.since.recovery(head), "{:?} with head {head}", self.since);
                return Some(head);
            }
        }
    }
}

/// Posts `count` messages in batches of random size. Waits for the acks of a batch before the next one.
async fn write(
    mut client: TestClient,
    name: String,
    count: u64,
    mut random: fastrand::Rng,
    acked: watch::Sender<u64>,
) {
    let mut sent = 0;
    while sent < count {
        let window = random.u64(1..=16).min(count - sent);
        let posts = (sent..sent + window).map(|number| {
            message_with_id(ROOM, &"x".repeat(random.usize(1..600)), &format!("{name} {number}"))
        });
        let posts: Vec<_> = posts.collect();
        client.send_all(posts).await;
        for _ in 0..window {
            client.expect(json!({"type": "ack", "duplicate": false})).await;
        }
        sent += window;
        acked.send_modify(|acked| *acked += window);
    }
}

/// Runs some waves. In each, all writers post, and many joiners join at random moments.
async fn waves(workers: usize, waves: u64) {
    const JOINERS: u64 = 20;
    let seed =
        std::env::var("SEED").ok().map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = server_with(|config| {
        config.workers = workers;
        config.limits.max_messages_per_second = 0;
        config.ring.bytes_per_room = 128 * 1024;
        config.retain.messages = Some(KEPT);
        config.replay_limit = usize::try_from(REPLAYED).expect("a number");
        config.timing.leave_grace = Duration::ZERO;
    });
    let mut keeper = server.connect("keeper").await;
    let mut log = Log::new();
    // The history is read often, so that the whole log is known although the store keeps only its end.
    for part in 0..3 {
        keeper.send_all((0..500).map(|number| message(ROOM, &format!("{part} {number}")))).await;
        keeper.expect_nothing_else().await;
        page_through(&mut keeper, &mut log).await;
    }
    let epoch = log[&1]["epoch"].as_str().expect("an epoch in the first entry").to_owned();
    let mut slow_closes = 0;
    for wave in 0..waves {
        let mut joiners = Vec::new();
        if random.bool() {
            // A member joins first, so that the ring has the following entries. Otherwise the room starts cold.
            let user = format!("resident {wave}");
            let mut client = server.connect(&user).await;
            client.join(ROOM).await;
            let since = Since::Past(start());
            let joiner = Joiner { client, since, last: None, seen: Log::new(), slow_closes: 0 };
            joiners.push(tokio::spawn(joiner.run(server.address, epoch.clone(), user)));
            keeper.send_all((0..RESIDENTS).map(|number| message(ROOM, &format!("{wave} {number}")))).await;
        }
        keeper.send(message_with_id(ROOM, "a wave", &format!("wave {wave}"))).await;
        let ack = keeper.expect(json!({"type": "ack"})).await;
        assert_eq!(ack["epoch"], epoch);
        page_through(&mut keeper, &mut log).await;

        let (acked, progress) = watch::channel(0);
        for number in 0..JOINERS {
            let user = format!("joiner {wave} {number}");
            let mut client = server.connect(&user).await;
            if random.bool() {
                // This joiner is a member already and joins again.
                client.send(json!({"type": "join_room", "room": ROOM})).await;
            }
            let since = Since::any(&mut random, &epoch, &log);
            let joiner = Joiner { client, since, last: None, seen: Log::new(), slow_closes: 0 };
            let (moment, mut progress) = (random.u64(0..WRITERS * POSTS), progress.clone());
            let (address, epoch) = (server.address, epoch.clone());
            joiners.push(tokio::spawn(async move {
                progress.wait_for(|acked| *acked >= moment).await.expect("writers");
                joiner.run(address, epoch, user).await
            }));
        }
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            let client = server.connect(&format!("writer {number}")).await;
            let name = format!("{wave} {number}");
            writers.push(tokio::spawn(write(client, name, POSTS, random.fork(), acked.clone())));
        }
        for writer in writers {
            writer.await.expect("a writer");
        }
        // The ack shows that this and all earlier messages are stored.
        keeper.send(message_with_id(ROOM, END, &format!("end {wave}"))).await;
        keeper.wait_for(json!({"type": "ack"})).await;
        page_through(&mut keeper, &mut log).await;
        for joiner in joiners {
            let joiner = joiner.await.expect("a joiner");
            slow_closes += joiner.slow_closes;
            for (seq, frame) in &joiner.seen {
                assert_eq!(Some(frame), log.get(seq), "{:?}", joiner.since);
            }
        }
    }
    let numbers: Vec<_> = log.keys().copied().collect();
    assert_eq!(numbers, (1..=log.len() as u64).collect::<Vec<_>>(), "the log is contiguous");
    println!("{slow_closes} closes with 4008");
}

#[tokio::test]
async fn joiners_receive_a_contiguous_part_of_the_log_with_one_worker() {
    waves(1, 6).await;
}

#[tokio::test]
async fn joiners_receive_a_contiguous_part_of_the_log_with_two_workers() {
    waves(2, 6).await;
}

/// Fills the room with `count` entries. Returns a client that is not in it, and the positions.
async fn room_of(server: &TestServer, count: u64) -> (TestClient, Vec<Value>) {
    let mut alice = server.connect("alice").await;
    let mut positions = vec![start()];
    for number in 0..count {
        alice.send(message_with_id(ROOM, "hi", &number.to_string())).await;
        positions.push(position(&alice.expect(json!({"type": "ack"})).await));
    }
    (alice, positions)
}

/// Joins with `since` and asserts the recovery and the replayed entries, which end at `head`.
async fn replay(client: &mut TestClient, since: &Value, status: &str, replayed: u64, head: u64) {
    client.send(join_since(ROOM, since)).await;
    let joined = client.expect(json!({"type": "system", "event": "joined"})).await;
    assert_eq!(joined["recovery"], json!({"status": status, "replayed": replayed}), "{since}");
    assert_eq!(joined["position"]["seq"], head);
    for seq in head - replayed + 1..=head {
        client.expect(json!({"type": "message", "seq": seq})).await;
    }
    client.send(json!({"type": "leave_room", "room": ROOM})).await;
    client.expect(json!({"type": "system", "event": "left"})).await;
}

/// Asserts the recovery of all kinds of positions in a quiet room with 30 entries and a replay limit of 10.
async fn check_recoveries(server: TestServer) {
    let (mut alice, positions) = room_of(&server, 30).await;
    // First without a member in the room (cold), then with one (warm).
    for warm in [false, true] {
        let mut bob = server.connect("bob").await;
        if warm {
            bob.join(ROOM).await;
        }
        let id = &positions[30]["id"];
        let epoch = &positions[30]["epoch"];
        replay(&mut alice, &positions[30], "complete", 0, 30).await;
        replay(&mut alice, &positions[29], "complete", 1, 30).await;
        replay(&mut alice, &positions[20], "complete", 10, 30).await;
        replay(&mut alice, &positions[19], "truncated", 10, 30).await;
        replay(&mut alice, &positions[10], "truncated", 10, 30).await;
        replay(&mut alice, &positions[1], "truncated", 10, 30).await;
        replay(&mut alice, &start(), "truncated", 10, 30).await;
        for foreign in [
            json!({"epoch": epoch, "seq": 31, "id": id}),
            json!({"epoch": epoch, "seq": u64::MAX, "id": id}),
            json!({"epoch": epoch, "seq": 29, "id": id}),
            json!({"epoch": epoch, "seq": 12, "id": id}),
            json!({"epoch": "another", "seq": 30, "id": id}),
            json!({"epoch": "another", "seq": 1, "id": id}),
        ] {
            replay(&mut alice, &foreign, "reset", 10, 30).await;
        }
    }
}

#[tokio::test]
async fn distant_positions_are_truncated_and_foreign_ones_are_reset() {
    check_recoveries(server_with(|config| config.replay_limit = 10)).await;
}

#[tokio::test]
async fn positions_beyond_the_retention_are_truncated() {
    let server = server_with(|config| config.retain.messages = Some(10));
    let (mut alice, positions) = room_of(&server, 30).await;
    replay(&mut alice, &positions[30], "complete", 0, 30).await;
    replay(&mut alice, &positions[21], "complete", 9, 30).await;
    replay(&mut alice, &positions[19], "truncated", 10, 30).await;
    replay(&mut alice, &positions[1], "truncated", 10, 30).await;
    replay(&mut alice, &start(), "truncated", 10, 30).await;
    let foreign = json!({"epoch": positions[1]["epoch"], "seq": 25, "id": positions[1]["id"]});
    replay(&mut alice, &foreign, "reset", 10, 30).await;
}

#[tokio::test]
async fn an_empty_room_replays_nothing() {
    let server = server();
    let mut alice = server.connect("alice").await;
    replay(&mut alice, &start(), "complete", 0, 0).await;
    let foreign = json!({"epoch": "another", "seq": 7, "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"});
    replay(&mut alice, &foreign, "reset", 0, 0).await;
    let (_, positions) = room_of(&server, 3).await;
    replay(&mut alice, &start(), "complete", 3, 3).await;
    replay(&mut alice, &positions[0], "complete", 3, 3).await;
}

#[tokio::test]
async fn a_replay_has_no_signals() {
    let server = server();
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join(ROOM).await;
    bob.join(ROOM).await;
    for text in ["one", "two"] {
        alice.send_all([json!({"type": "typing", "room": ROOM}), message(ROOM, text)]).await;
        bob.wait_for(json!({"type": "message", "text": text})).await;
    }
    let mut carol = server.connect("carol").await;
    replay(&mut carol, &start(), "complete", 2, 2).await;
}
