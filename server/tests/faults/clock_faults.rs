//! A wall clock that is set far ahead, and back.
//!
//! The shim moves the time of day; the time since boot stays right. One client is enough, because each test follows a few
//! messages.

use crate::history::Position;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::run::HERE;
use crate::server::{Process, Site, token, token_for};
use crate::shim::Shim;
use crate::wire::{Frame, Socket, join, message};

const ROOM: &str = "lobby";
const DAY_S: u64 = 24 * 3_600;
/// Distance of the jump.
const FAR_S: u64 = 800 * DAY_S;

/// A server with a retention of a year, whose clock the test sets.
struct ClockFixture {
    site: Site,
    shim: Shim,
    process: Process,
    /// Valid by the right clock and by the wrong one.
    token: String,
}

impl ClockFixture {
    async fn new() -> Self {
        let (site, shim) = Shim::on(Site::new().flag("--retain=365d"));
        let process = site.start().await;
        Self { site, shim, process, token: token_for("alice", 2 * FAR_S) }
    }

    fn set_ahead(&self, seconds: u64) {
        self.shim.set_clock(seconds.cast_signed());
    }

    async fn restart(&mut self) {
        self.process.terminate();
        self.process.ended().await.expect("it ends");
        self.process = self.site.start().await;
    }

    async fn member(&self) -> Socket {
        let (mut socket, _) = Socket::dial(self.process.address(), &self.token).await.expect("it serves");
        assert!(socket.send(&join(ROOM, None)).await);
        socket.wait_for(|frame| frame.event.as_deref() == Some("joined")).await.expect("joined");
        socket
    }

    /// Posts a message and returns the position in its ack.
    async fn post(&self, socket: &mut Socket, key: &str) -> Position {
        assert!(socket.send(&message(ROOM, key, key)).await, "an open connection");
        let is_ack = |frame: &Frame| frame.kind == "ack" && frame.client_msg_id.as_deref() == Some(key);
        let ack = socket.wait_for(is_ack).await.expect("an ack");
        Position { epoch: ack.epoch.clone(), seq: ack.seq.expect("a seq"), id: ack.id.clone() }
    }

    /// Seqs of the messages in the log of the room.
    async fn seqs(&self) -> Vec<u64> {
        let mut probe = Probe::new(HERE, self.process.address()).await.expect("it serves");
        let log = probe.log(&ROOM.into(), &Recorder::new()).await.expect("the log");
        log.entries.iter().map(|entry| entry.seq).collect()
    }
}

#[tokio::test]
async fn a_start_with_a_clock_far_ahead_drops_nothing_and_names_the_clock() {
    let mut fixture = ClockFixture::new().await;
    fixture.post(&mut fixture.member().await, "1").await;
    fixture.set_ahead(FAR_S);
    fixture.restart().await;
    let mut alice = fixture.member().await;
    // A step of the sweep follows each commit, so the first one is over at the second ack.
    for key in ["2", "3"] {
        fixture.post(&mut alice, key).await;
    }
    fixture.process.logs("far from the time of the last sweep").await;
    assert!(fixture.process.log().contains("until="), "{}", fixture.process.log());

    // A token that is good by the right clock.
    let (mut refused, _) = Socket::dial(fixture.process.address(), &token("bob")).await.expect("an upgrade");
    assert!(refused.wait_for(|frame| frame.kind == "welcome").await.is_none());
    fixture.process.logs("a good token is refused only because of the clock of this server").await;

    fixture.set_ahead(0);
    fixture.process.logs("the clock was set, or is wrong").await;
    fixture.post(&mut alice, "4").await;
    assert_eq!(fixture.seqs().await, [1, 2, 3, 4], "{}", fixture.process.log());
    assert!(!fixture.process.log().contains("retention dropped"), "{}", fixture.process.log());
}

#[tokio::test]
async fn a_message_is_recognized_while_the_clock_is_far_ahead_and_after_it_was() {
    let fixture = ClockFixture::new().await;
    let mut alice = fixture.member().await;
    let first = fixture.post(&mut alice, "1").await;
    fixture.set_ahead(FAR_S);
    assert_eq!(fixture.post(&mut alice, "1").await, first);
    let second = fixture.post(&mut alice, "2").await;
    fixture.process.logs("the clock was set, or is wrong").await;
    fixture.set_ahead(0);
    assert_eq!(fixture.post(&mut alice, "1").await, first);
    assert_eq!(fixture.post(&mut alice, "2").await, second);
    assert_eq!(fixture.seqs().await, [1, 2]);
}
