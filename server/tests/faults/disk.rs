//! What an ack waits for, and what becomes of a message where the disk fails or is full.
//!
//! The disk is the shim's. One client is enough: what is looked at is a single message, and when its ack came.

use std::time::{Duration, Instant};

use crate::history::{Paging, Position};
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::run::HERE;
use crate::server::{Process, Site, code, token};
use crate::shim::Shim;
use crate::wire::{Frame, Socket, join, message};

const ROOM: &str = "lobby";
/// What a sync takes longer: much more than everything else on a message's way.
const SLOW: Duration = Duration::from_millis(50);

/// A server on a disk of the shim, and a member.
struct Scene {
    alice: Socket,
    process: Process,
    shim: Shim,
    site: Site,
}

impl Scene {
    async fn new(site: Site) -> Self {
        let (site, shim) = Shim::on(site);
        let process = site.start().await;
        let alice = member(&process).await;
        Self { alice, process, shim, site }
    }

    async fn send(&mut self, key: &str) {
        assert!(self.alice.send(&message(ROOM, key, key)).await, "an open connection");
    }

    /// The next frame about a message: its ack, its error, or the message itself.
    async fn answer(&mut self, key: &str) -> Frame {
        let answer = self.alice.wait_for(|frame| frame.client_msg_id.as_deref() == Some(key)).await;
        answer.unwrap_or_else(|| panic!("the connection ended:\n{}", self.process.log()))
    }

    /// Its ack; the message itself comes before or after it.
    async fn acked(&mut self, key: &str) -> Position {
        self.send(key).await;
        let is_ack = |frame: &Frame| frame.kind == "ack" && frame.client_msg_id.as_deref() == Some(key);
        let ack = self.alice.wait_for(is_ack).await.expect("an ack");
        place(&ack)
    }

    /// The process starts again, and so does the client.
    async fn restart(&mut self) {
        self.process = self.site.start().await;
        self.alice = member(&self.process).await;
    }

    /// The keys in the log, with their places.
    async fn log(&self) -> Vec<(String, u64)> {
        let mut probe = Probe::new(HERE, self.process.address()).await.expect("it serves");
        let log = probe.log(&ROOM.into(), Paging::Forward, &Recorder::new()).await.expect("the log");
        let key = |key: Option<std::sync::Arc<str>>| key.expect("all have one").to_string();
        log.entries.iter().map(|entry| (key(entry.key.clone()), entry.seq)).collect()
    }
}

async fn member(process: &Process) -> Socket {
    let (mut socket, _) = Socket::dial(process.address(), &token("alice")).await.expect("it serves");
    assert!(socket.send(&join(ROOM, None)).await);
    socket.wait_for(|frame| frame.event.as_deref() == Some("joined")).await.expect("joined");
    socket
}

fn place(ack: &Frame) -> Position {
    let seq = ack.seq.expect("an ack has a seq");
    Position { epoch: ack.epoch.clone(), seq, id: ack.id.clone() }
}

/// Whether each of some messages was acked and shown only after its sync was done, which is slow.
async fn acks_wait_for_syncs(site: Site) -> bool {
    let mut scene = Scene::new(site).await;
    scene.shim.delay_syncs(SLOW);
    let mut waited = true;
    for number in 0..10 {
        // A sync of the one before may still go on.
        let (began, syncs) = (Instant::now(), scene.shim.syncs_done());
        let key = format!("message {number}");
        scene.send(&key).await;
        for _ in ["ack", "message"] {
            let answer = scene.answer(&key).await;
            assert!(["ack", "message"].contains(&answer.kind.as_str()), "{answer:?}");
            waited &= began.elapsed() >= SLOW && scene.shim.syncs_done() > syncs;
        }
    }
    waited
}

#[tokio::test]
async fn an_ack_waits_for_its_sync() {
    assert!(acks_wait_for_syncs(Site::new()).await);
}

#[tokio::test]
async fn an_ack_that_does_not_wait_is_noticed() {
    assert!(!acks_wait_for_syncs(Site::new().env("REALTIME_FAULT", "ack-before-commit")).await);
}

/// The disk fails while there is something to store: the process says so and ends, and nothing was acked that is lost.
async fn a_failing_disk_ends_the_process(fail: impl Fn(&Shim, bool)) {
    let mut scene = Scene::new(Site::new()).await;
    let first = scene.acked("first").await;
    fail(&scene.shim, true);
    scene.send("second").await;
    // Not acked, and not shown.
    let is_said = |frame: &Frame| frame.client_msg_id.as_deref() == Some("second") && frame.kind != "error";
    let said = scene.alice.wait_for(is_said).await;
    assert!(said.is_none(), "{said:?}");
    let status = scene.process.ended().await.expect("it ends");
    let log = scene.process.log();
    assert_eq!(code(status), 1, "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("realtime-server: ") && last.contains("disk"), "{log}");

    fail(&scene.shim, false);
    scene.restart().await;
    assert_eq!(scene.acked("first").await, first);
    let second = scene.acked("second").await;
    assert_eq!(scene.log().await, [("first".to_owned(), 1), ("second".to_owned(), second.seq)]);
}

#[tokio::test]
async fn a_disk_that_does_not_answer_does_not_keep_the_process() {
    let mut scene = Scene::new(Site::new()).await;
    let first = scene.acked("first").await;
    scene.shim.delay_syncs(Duration::from_hours(1));
    let begun = scene.shim.syncs_begun();
    scene.process.terminate();
    // The last checkpoint is under way, and its sync does not come to its end.
    scene.shim.next_sync(begun).await;
    scene.process.terminate();
    assert_eq!(code(scene.process.ended().await.expect("it ends")), 143, "{}", scene.process.log());

    scene.shim.delay_syncs(Duration::ZERO);
    scene.restart().await;
    assert_eq!(scene.acked("first").await, first);
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
async fn a_full_disk_refuses_for_the_time_being() {
    let mut scene = Scene::new(Site::new()).await;
    let first = scene.acked("first").await;
    scene.shim.fill_disk(true);
    for _ in 0..3 {
        scene.send("second").await;
        let refused = scene.answer("second").await;
        let said = (refused.kind.as_str(), refused.code.as_deref(), refused.temporary);
        assert_eq!(said, ("error", Some("unavailable"), Some(true)), "{refused:?}");
    }
    // What is known is known without a disk.
    assert_eq!(scene.acked("first").await, first);

    // The same connection, the same message.
    scene.shim.fill_disk(false);
    let second = scene.acked("second").await;
    assert_eq!(scene.acked("second").await, second);
    assert_eq!(scene.log().await, [("first".to_owned(), 1), ("second".to_owned(), 2)]);
    scene.process.kill();
    scene.restart().await;
    assert_eq!(scene.log().await, [("first".to_owned(), 1), ("second".to_owned(), 2)]);
}
