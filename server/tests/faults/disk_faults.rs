//! Acks on a slow, failing or full disk.
//!
//! The shim simulates the disk. One client is enough, because each test follows a single message and its ack.

use std::time::{Duration, Instant};

use crate::history::{Paging, Position};
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
        let ack = self.alice.wait_for(is_ack).await.expect("an ack");
        position(&ack)
    }

    /// Starts the server and the client again.
    async fn restart(&mut self) {
        self.process = self.site.start().await;
        self.alice = member(&self.process).await;
    }

    /// Keys of the messages in the log, with their seqs.
    async fn log(&self) -> Vec<(String, u64)> {
        let mut probe = Probe::new(HERE, self.process.address()).await.expect("it serves");
        let log = probe.log(&ROOM.into(), Paging::Forward, &Recorder::new()).await.expect("the log");
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
    let mut fixture = DiskFixture::new(site).await;
    fixture.shim.delay_syncs(SLOW);
    let mut waited = true;
    for number in 0..10 {
        // The sync of the previous message may still run.
        let (began, syncs) = (Instant::now(), fixture.shim.syncs_done());
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
    let mut fixture = DiskFixture::new(Site::new()).await;
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
