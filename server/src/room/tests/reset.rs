//! Logs that are replaced under their members, and presence signals that overtake the answer to a join.

use realtime_shared::{Content, EntryFields, Epoch};

use super::*;
use crate::broker::{Entry, Feed, Signal};
use crate::room::Overtaken;

/// An entry of the log that replaces the first one.
fn replacement(seq: u64) -> Entry {
    let id = EntryId::from_u128(u128::from(seq) + 1_000);
    let fields = EntryFields {
        room: room("a"),
        from: user("writer"),
        seq: Seq::new(seq),
        id,
        ts: Clock::system().now(),
        client_msg_id: None,
        epoch: None,
    };
    let message = EntryEvent::new(Content::message(Text::new("other").expect("a text")), fields);
    Entry { seq: Seq::new(seq), id, json: codec::encode(&message.into()).into() }
}

fn at(epoch: &Epoch, entry: &Entry) -> Position {
    Position::At { epoch: epoch.clone(), seq: entry.seq, id: entry.id }
}

/// Replaces the log after entry 2 by one with other entries 3 and 4.
fn replace_log(registry: &Registry, kept: &Receipt) {
    let (three, four) = (replacement(3), replacement(4));
    registry.reset(&room("a"), &position_of(kept), &at(&kept.epoch, &four), 2);
    for entry in [three, four] {
        registry.entry(&room("a"), &kept.epoch, &entry);
    }
}

#[tokio::test]
async fn members_at_any_cursor_continue_with_the_replacing_log() {
    let mut config = config();
    config.retain.messages = Some(1_000);
    let registry = registry(config);
    let receipts = fill(&registry, "a", 100).await;
    let mut live = RoomClient::joined(&registry, "live", "a").await;
    let mut behind = RoomClient::joined(&registry, "behind", "a").await;
    // A joiner that begins in the store and has read nothing yet.
    let mut late = RoomClient::connect(&registry, "late").await;
    late.join("a", Some(&Position::Start)).await;
    post(&registry, "writer", "a", "hello").await;
    assert_eq!(
        live.read().await.last().map(String::as_str),
        Some("writer: hello #101"),
        "live is at the head"
    );

    replace_log(&registry, &receipts[1]);
    let expected = ["resync to #4, 2 replayed", "writer: other #3", "writer: other #4"];
    let seen = live.read().await;
    assert_eq!(seen[seen.len() - 3..], expected);
    for client in [&mut behind, &mut late] {
        let seen = client.read().await;
        assert_eq!(seen, expected, "lost entries are not delivered");
    }
    registry.entry(&room("a"), &receipts[1].epoch, &replacement(5));
    for client in [&mut live, &mut behind, &mut late] {
        assert_eq!(client.read().await, ["writer: other #5"]);
    }
    // A new joiner gets no resync.
    let mut new = RoomClient::connect(&registry, "new").await;
    let joined = new.join("a", None).await;
    assert_eq!(joined.position, Some(at(&receipts[1].epoch, &replacement(5))));
    assert!(new.read().await.is_empty());
}

#[tokio::test]
async fn a_reader_that_lost_signals_before_the_log_was_replaced_is_overtaken() {
    let registry = registry(config());
    let receipts = fill(&registry, "a", 2).await;
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    fill(&registry, "a", 60).await;
    let (room, _, cursor) = bob.seat.as_mut().expect("in a room");
    let pull = |cursor: &mut Cursor| room.pull(cursor, &bob.mailbox, None, &mut Vec::new(), 100);
    assert_eq!(pull(cursor), Ok(Pulled::FromStore(Seq::new(2))));
    replace_log(&registry, &receipts[1]);
    assert_eq!(pull(cursor), Err(Overtaken), "it would keep stale members");
}

#[tokio::test]
async fn a_reader_that_cannot_receive_the_resync_is_overtaken() {
    let registry = registry(config());
    let receipts = fill(&registry, "a", 2).await;
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    replace_log(&registry, &receipts[1]);
    for seq in 5..60 {
        registry.entry(&room("a"), &receipts[1].epoch, &replacement(seq));
    }
    let (room, _, cursor) = alice.seat.as_mut().expect("in a room");
    assert_eq!(room.pull(cursor, &alice.mailbox, None, &mut Vec::new(), 100), Err(Overtaken));
}

#[tokio::test]
async fn presence_signals_up_to_the_version_of_the_join_are_skipped() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let (_, _, cursor) = alice.seat.as_mut().expect("in a room");
    let Cursor::Ring { arrival, .. } = cursor else { panic!("live") };
    arrival.presence_version = 7;
    let presence_signal = |change| {
        let json = format!(r#"{{"type":"typing","room":"a","user_id":"change {change}","is_typing":true}}"#);
        Signal { presence_version: change, ..Signal::new(json.into(), Skip::Nobody) }
    };
    for change in [6, 7, 8, 0] {
        Feed::signal(&*registry, &room("a"), &presence_signal(change));
    }
    assert_eq!(alice.read().await, ["change 8 types", "change 0 types"]);
}
