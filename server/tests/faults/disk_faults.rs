//! Acks on a slow, failing or full disk.
//!
//! The shim simulates the disk. One client is enough, because each test follows a single message and its ack.

use std::fs;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::history::Position;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::run::HERE;
use crate::server::{Process, Site, code, token};
use crate::shim::Shim;
use crate::wire::{Frame, Socket, join, message};

const ROOM: &str = "lobby";
/// Delay of a sync, much longer than all other steps of a message.
const SLOW: Duration = Duration::from_millis(50);

/// A server whose disk is the shim's, and one member.
struct DiskFixture {
    alice: Socket,
    process: Process,
    shim: Shim,
    site: Site,
}

impl DiskFixture {
    async fn new(site: Site) -> Self {
        let (site, shim) = Shim::on(site);
        let process = site.start().await;
        let alice = member(&process).await;
        Self { alice, process, shim, site }
    }

    async fn send(&mut self, key: &str) {
        assert!(self.alice.send(&message(ROOM, key, key)).await, "an open connection");
    }

    /// Returns the next frame about a message: its ack, its error, or the message itself.
    async fn next_answer(&mut self, key: &str) -> Frame {
        let answer = self.alice.wait_for(|frame| frame.client_msg_id.as_deref() == Some(key)).await;
        answer.unwrap_or_else(|| panic!("the connection ended:\n{}", self.process.log()))
    }

    /// Sends a message and returns the position in its ack. The message itself may come before or after the ack.
    async fn acked(&mut self, key: &str) -> Position {
        self.send(key).await;
        let is_ack = |frame: &Frame| frame.kind == "ack" && frame.client_msg_id.as_deref() == Some(key);
        let ack = self.alice.wait_for(is_ack).await;
        position(&ack.unwrap_or_else(|| panic!("no ack of {key}:\n{}", self.process.log())))
    }

    /// Starts the server and the client again.
    async fn restart(&mut self) {
        self.process = self.site.start().await;
        self.alice = member(&self.process).await;
    }

    /// Keys of the messages in the log, with their seqs.
    async fn log(&self) -> Vec<(String, u64)> {
        let mut probe = Probe::new(HERE, self.process.address()).await.expect("it serves");
        let log = probe.log(&ROOM.into(), &Recorder::new()).await.expect("the log");
        let key = |key: Option<std::sync::Arc<str>>| key.expect("every message has a key").to_string();
        log.entries.iter().map(|entry| (key(entry.key.clone()), entry.seq)).collect()
    }
}

async fn member(process: &Process) -> Socket {
    let (mut socket, _) = Socket::dial(process.address(), &token("alice")).await.expect("it serves");
    assert!(socket.send(&join(ROOM, None)).await);
    socket.wait_for(|frame| frame.event.as_deref() == Some("joined")).await.expect("joined");
    socket
}

fn position(ack: &Frame) -> Position {
    let seq = ack.seq.expect("an ack has a seq");
    Position { epoch: ack.epoch.clone(), seq, id: ack.id.clone() }
}

/// True if every ack and every delivery came after a delayed sync.
async fn acks_wait_for_syncs(site: Site) -> bool {
    // The search index has syncs of its own.
    let mut fixture = DiskFixture::new(site.flag("--no-search")).await;
    fixture.shim.delay_syncs(SLOW);
    let mut waited = true;
    for number in 0..10 {
        // A sync that has begun, as that of the previous message, does not count.
        let (began, syncs) = (Instant::now(), fixture.shim.syncs_begun());
        let key = format!("message {number}");
        fixture.send(&key).await;
        for _ in ["ack", "message"] {
            let answer = fixture.next_answer(&key).await;
            assert!(["ack", "message"].contains(&answer.kind.as_str()), "{answer:?}");
            waited &= began.elapsed() >= SLOW && fixture.shim.syncs_done() > syncs;
        }
    }
    waited
}

#[tokio::test]
async fn an_ack_waits_for_its_sync() {
    assert!(acks_wait_for_syncs(Site::new()).await);
}

#[tokio::test]
async fn the_test_detects_an_ack_that_does_not_wait_for_its_sync() {
    assert!(!acks_wait_for_syncs(Site::new().env("REALTIME_FAULT", "ack-before-commit")).await);
}

/// Fails the disk during a commit: the process exits with an error, and no acked message is lost.
async fn a_failing_disk_ends_the_process(fail: impl Fn(&Shim, bool)) {
    let mut fixture = DiskFixture::new(Site::new()).await;
    let first = fixture.acked("first").await;
    fail(&fixture.shim, true);
    fixture.send("second").await;
    // Neither an ack nor the message arrives.
    let is_answer = |frame: &Frame| frame.client_msg_id.as_deref() == Some("second") && frame.kind != "error";
    let answer = fixture.alice.wait_for(is_answer).await;
    assert!(answer.is_none(), "{answer:?}");
    let status = fixture.process.ended().await.expect("it ends");
    let log = fixture.process.log();
    assert_eq!(code(status), 1, "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("realtime-server: ") && last.contains("disk"), "{log}");

    fail(&fixture.shim, false);
    fixture.restart().await;
    assert_eq!(fixture.acked("first").await, first);
    let second = fixture.acked("second").await;
    assert_eq!(fixture.log().await, [("first".to_owned(), 1), ("second".to_owned(), second.seq)]);
}

#[tokio::test]
async fn a_second_sigterm_ends_a_process_whose_sync_hangs() {
    // A sync of the index of the search could come before the signal.
    let mut fixture = DiskFixture::new(Site::new().flag("--no-search")).await;
    let first = fixture.acked("first").await;
    fixture.shim.delay_syncs(Duration::from_hours(1));
    let begun = fixture.shim.syncs_begun();
    fixture.process.terminate();
    // The last checkpoint has begun, and its sync does not return.
    fixture.shim.next_sync(begun).await;
    fixture.process.terminate();
    assert_eq!(code(fixture.process.ended().await.expect("it ends")), 143, "{}", fixture.process.log());

    fixture.shim.delay_syncs(Duration::ZERO);
    fixture.restart().await;
    assert_eq!(fixture.acked("first").await, first);
}

#[tokio::test]
async fn a_sync_that_fails_ends_the_process() {
    a_failing_disk_ends_the_process(Shim::fail_syncs).await;
}

#[tokio::test]
async fn a_write_that_fails_ends_the_process() {
    a_failing_disk_ends_the_process(Shim::fail_writes).await;
}

/// Status and body of `/readyz`.
async fn readiness(process: &Process) -> String {
    let mut stream = TcpStream::connect(process.address()).await.expect("it serves");
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).expect("a status");
    format!("{status} {}", answer.rsplit("\r\n").next().unwrap_or_default().trim_end())
}

/// Posts until a message is refused. Returns the number of acks.
async fn post_until_refused(fixture: &mut DiskFixture, prefix: &str) -> u64 {
    for number in 0.. {
        let key = format!("{prefix} {number}");
        assert!(fixture.alice.send(&message(ROOM, &key, &"x".repeat(4_000))).await, "an open connection");
        let is_answer =
            |frame: &Frame| frame.kind != "message" && frame.client_msg_id.as_deref() == Some(&key);
        let answer = fixture.alice.wait_for(is_answer).await.expect("an answer");
        if answer.kind == "error" {
            assert_eq!((answer.code.as_deref(), answer.temporary), (Some("unavailable"), Some(true)));
            return number;
        }
    }
    unreachable!("the disk never fills up")
}

/// The disk fills up while messages are stored. The reserve is given up, the server refuses only new messages, starts
/// and stops, drops old entries, and recovers when there is space.
async fn the_reserve_carries_a_server_over_a_full_disk(errno: Errno) {
    let mut fixture = DiskFixture::new(Site::new()).await;
    let reserve = fixture.site.data().join("store.reserve");
    assert_eq!(reserve.metadata().expect("a reserve").len(), 8 << 20);
    let first = fixture.acked("first").await;
    assert_eq!(readiness(&fixture.process).await, "200 ok");
    fixture.shim.limit_space(1 << 20, errno);
    let stored = post_until_refused(&mut fixture, "filling").await;
    assert!(stored > 50, "{stored}");
    assert!(!reserve.exists(), "the reserve was given up:\n{}", fixture.process.log());
    // A bare minimum of space, as if another program had taken what the reserve gave.
    fixture.shim.limit_space(0, errno);
    assert_eq!(fixture.acked("first").await, first);
    assert_eq!(fixture.acked("filling 0").await.seq, 2);
    let full = "503 the disk of the store is full, or a quota is used up";
    assert_eq!(readiness(&fixture.process).await, full);
    let log = fixture.log().await;
    assert_eq!(log.len() as u64, stored + 1);
    assert_eq!(code(fixture.process.stop().await.expect("it ends")), 0, "{}", fixture.process.log());

    // A start needs the space of a file that SQLite creates, and gives up the reserve for it.
    fixture.shim.limit_space(64 << 20, errno);
    fs::write(&reserve, vec![0; 8 << 20]).expect("writable");
    let _ = fs::remove_file(fixture.site.data().join("store.db-shm"));
    fixture.shim.limit_space(0, errno);
    fixture.site = fixture.site.flag("--retain=1ms").flag("--retain-confirm");
    fixture.restart().await;
    assert!(!reserve.exists(), "{}", fixture.process.log());
    assert_eq!(fixture.acked("first").await, first);
    while !fixture.log().await.is_empty() {
        tokio::task::yield_now().await;
    }
    fixture.shim.limit_space(64 << 20, errno);
    // The server tries again after a pause, so the client does too.
    let last = loop {
        fixture.send("last").await;
        let is_answer =
            |frame: &Frame| frame.kind != "message" && frame.client_msg_id.as_deref() == Some("last");
        let answer = fixture.alice.wait_for(is_answer).await.expect("an answer");
        if answer.kind == "ack" {
            break answer.seq;
        }
    };
    assert_eq!(last, Some(stored + 2));
    assert_eq!(readiness(&fixture.process).await, "200 ok");
    assert_eq!(reserve.metadata().expect("a reserve again").len(), 8 << 20);
}

#[tokio::test]
async fn a_full_disk_keeps_only_new_messages_out() {
    the_reserve_carries_a_server_over_a_full_disk(Errno::NOSPC).await;
}

#[tokio::test]
async fn a_used_up_quota_keeps_only_new_messages_out() {
    the_reserve_carries_a_server_over_a_full_disk(Errno::DQUOT).await;
}

#[tokio::test]
async fn posts_end_below_the_minimum_of_free_space_and_all_else_goes_on() {
    let mut fixture = DiskFixture::new(Site::new()).await;
    let first = fixture.acked("first").await;
    let second = fixture.acked("second").await;
    assert_eq!(code(fixture.process.stop().await.expect("it ends")), 0);

    // No disk has as much.
    let path = fixture.site.data();
    fixture.site =
        fixture.site.flag("--min-free=8000000000GiB").flag("--retain=1ms").flag("--retain-confirm");
    fixture.restart().await;
    assert_eq!(post_until_refused(&mut fixture, "new").await, 0);
    assert_eq!((fixture.acked("first").await, fixture.acked("second").await), (first, second));
    let ready = readiness(&fixture.process).await;
    assert!(ready.starts_with("503 the disk of the store has ") && ready.contains("--min-free"), "{ready}");
    while !fixture.log().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let metrics = fixture.process.metrics().await;
    let length = path.join("store.db").metadata().expect("a store").len();
    assert!(metrics.sum("realtime_store_free_bytes") > 0);
    assert_eq!(metrics.sum("realtime_store_bytes"), length);
    assert_eq!(code(fixture.process.stop().await.expect("it ends")), 0, "{}", fixture.process.log());
}

#[tokio::test]
async fn a_full_disk_refuses_messages_temporarily() {
    let mut fixture = DiskFixture::new(Site::new()).await;
    let first = fixture.acked("first").await;
    fixture.shim.fill_disk(true);
    for _ in 0..3 {
        fixture.send("second").await;
        let refused = fixture.next_answer("second").await;
        let answer = (refused.kind.as_str(), refused.code.as_deref(), refused.temporary);
        assert_eq!(answer, ("error", Some("unavailable"), Some(true)), "{refused:?}");
    }
    // A duplicate is acked without the disk.
    assert_eq!(fixture.acked("first").await, first);

    // The message is accepted on the same connection.
    fixture.shim.fill_disk(false);
    let second = fixture.acked("second").await;
    assert_eq!(fixture.acked("second").await, second);
    assert_eq!(fixture.log().await, [("first".to_owned(), 1), ("second".to_owned(), 2)]);
    fixture.process.kill();
    fixture.restart().await;
    assert_eq!(fixture.log().await, [("first".to_owned(), 1), ("second".to_owned(), 2)]);
}
