//! Bounds of queues: frames beyond them are dropped and counted.

use realtime_shared::Epoch;

use super::*;
use crate::broker::{Entry, Feed};
use crate::room::About;
use crate::room::EARLY_ENTRIES;
use crate::room::mailbox::DIRECT_BACKLOG_BYTES;

#[track_caller]
fn assert_dropped(metrics: &Metrics, reason: &str, count: u64) {
    assert_metric(metrics, &format!("realtime_drops_total{{reason=\"{reason}\"}}"), count);
}

#[test]
fn a_full_direct_backlog_closes_the_connection_as_too_slow() {
    let metrics = metrics();
    let mailbox = Mailbox::new(1, user("alice"), 0, Arc::default(), metrics.clone());
    let text: Arc<str> = "x".repeat(DIRECT_BACKLOG_BYTES / 64).into();
    (0..64).for_each(|_| mailbox.send(&text));
    assert_dropped(&metrics, "direct_backlog_full", 0);
    mailbox.send(&text);
    assert_dropped(&metrics, "direct_backlog_full", 65);
    let backlog = mailbox.take().expect("a close");
    assert_eq!((backlog.has_frames, backlog.close), (false, Some(CloseCode::TooSlow)));

    let mailbox = Mailbox::new(1, user("alice"), 0, Arc::default(), metrics.clone());
    (0..=1_024).for_each(|_| mailbox.send(&"{}".into()));
    assert_eq!(mailbox.take().expect("a close").close, Some(CloseCode::TooSlow));
}

#[test]
fn direct_frames_are_pulled_in_their_order_as_there_is_space() {
    let mailbox = Mailbox::new(1, user("alice"), 0, Arc::default(), metrics());
    (0..3).for_each(|number| mailbox.send(&format!("frame {number}").into()));
    assert!(mailbox.take().expect("frames").has_frames);
    let pulled = |limit| {
        let mut out = Vec::new();
        let more = mailbox.pull(&mut out, limit, |_| true);
        (out, more)
    };
    assert_eq!(pulled(0), (Vec::new(), true));
    assert_eq!(pulled(1), (b"\x81\x07frame 0".to_vec(), true));
    mailbox.send(&"frame 3".into());
    assert_eq!(pulled(1_000), (b"\x81\x07frame 1\x81\x07frame 2\x81\x07frame 3".to_vec(), false));
    assert_eq!(pulled(1_000), (Vec::new(), false));
}

#[test]
fn frames_about_rooms_are_sent_if_the_connection_admits_them() {
    let mailbox = Mailbox::new(1, user("alice"), 0, Arc::default(), metrics());
    for name in ["open", "closed", "open"] {
        mailbox
            .send_about(&format!("about {name}").into(), About { room: room(name), is_notification: false });
    }
    mailbox.send(&"notice".into());
    let mut out = Vec::new();
    assert!(!mailbox.pull(&mut out, 1_000, |about| about.room == room("open")));
    assert_eq!(out, b"\x81\x0aabout open\x81\x0aabout open\x81\x06notice");
}

#[test]
fn notifications_beyond_the_limit_are_dropped_and_close_nothing() {
    let metrics = metrics();
    let mailbox = Mailbox::new(1, user("alice"), 0, Arc::default(), metrics.clone());
    let about = |is_notification| About { room: room("a"), is_notification };
    (0..2_000).for_each(|_| mailbox.send_about(&"{}".into(), about(true)));
    assert_dropped(&metrics, "notification_limit", 2_000 - 128);
    // A read marker is not dropped.
    mailbox.send_about(&"marker".into(), about(false));
    let mut out = Vec::new();
    mailbox.pull(&mut out, 100_000, |_| true);
    assert!(out.ends_with(b"marker"));
    assert_eq!(mailbox.take().expect("frames").close, None);
}

#[tokio::test]
async fn entries_beyond_the_limit_are_dropped_while_a_room_is_opened() {
    let (registry, broker) = steered_registry(config());
    let feed = registry.clone();
    broker.on_open(move || {
        for number in 1..=EARLY_ENTRIES as u64 + 2 {
            let entry = Entry { seq: Seq::new(number), id: other_id(), json: "{}".into() };
            feed.entry(&room("a"), &Epoch::new("epoch").expect("an epoch"), &entry);
        }
    });
    let mut alice = RoomClient::connect(&registry, "alice").await;
    let joined = alice.join("a", None).await;
    assert_eq!(joined.position.map(|head| head.seq()), Some(Seq::new(EARLY_ENTRIES as u64)));
    assert_dropped(&registry.metrics, "early_entry_limit", 2);
}
