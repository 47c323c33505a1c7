//! A log that becomes another one under its members, and changes of who is there that somebody was told of before.

use realtime_shared::Epoch;

use super::*;
use crate::broker::{Entry, Feed, Signal};

/// An entry of a log that goes on where ours lost its end.
fn other(seq: u64) -> Entry {
    let id = EntryId::from_u128(u128::from(seq) + 1_000);
    let message = realtime_shared::Message {
        room: room("a"),
        from: user("writer"),
        text: Text::new("other").expect("a text"),
        seq: Seq::new(seq),
        id,
        ts: Clock::system().now(),
        client_msg_id: None,
        epoch: None,
    };
    Entry { seq: Seq::new(seq), id, json: codec::encode(&ServerEvent::Message(message)).into() }
}

fn at(epoch: &Epoch, entry: &Entry) -> Position {
    Position::At { epoch: epoch.clone(), seq: entry.seq, id: entry.id }
}

/// The room's log ends at 2, and then has 3 and 4 that are others.
fn becomes_another(house: &Registry, kept: &Receipt) {
    let (three, four) = (other(3), other(4));
    house.reset(&room("a"), &after(kept), &at(&kept.epoch, &four), 2);
    for entry in [three, four] {
        house.entry(&room("a"), &kept.epoch, &entry);
    }
}

#[tokio::test]
async fn members_go_on_with_the_other_log_wherever_they_were() {
    let mut config = config();
    config.retain.messages = Some(1_000);
    let house = house(config);
    let receipts = fill(&house, "a", 100).await;
    let mut live = Client::joined(&house, "live", "a").await;
    let mut behind = Client::joined(&house, "behind", "a").await;
    // Who has to begin in the store, and has taken nothing of it.
    let mut late = Client::connect(&house, "late").await;
    late.join("a", Some(&Position::Start)).await;
    say(&house, "writer", "a", "hello").await;
    assert_eq!(live.read().await.last().map(String::as_str), Some("writer: hello #101"), "it has all of it");

    becomes_another(&house, &receipts[1]);
    let expected = ["resync to #4, 2 replayed", "writer: other #3", "writer: other #4"];
    let seen = live.read().await;
    assert_eq!(seen[seen.len() - 3..], expected);
    for client in [&mut behind, &mut late] {
        let seen = client.read().await;
        assert_eq!(seen, expected, "what was lost is not shown any more");
    }
    house.entry(&room("a"), &receipts[1].epoch, &other(5));
    for client in [&mut live, &mut behind, &mut late] {
        assert_eq!(client.read().await, ["writer: other #5"]);
    }
    // Who comes now is told nothing of it.
    let mut new = Client::connect(&house, "new").await;
    let joined = new.join("a", None).await;
    assert_eq!(joined.position, Some(at(&receipts[1].epoch, &other(5))));
    assert!(new.read().await.is_empty());
}

#[tokio::test]
async fn who_comes_is_not_told_again_what_it_was_told() {
    let house = house(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    let (_, _, cursor) = alice.seat.as_mut().expect("in a room");
    let Cursor::Ring { arrival, .. } = cursor else { panic!("live") };
    arrival.presence_version = 7;
    let told = |change| Signal {
        json: format!(r#"{{"type":"typing","room":"a","user_id":"change {change}","is_typing":true}}"#)
            .into(),
        skip: Skip::Nobody,
        presence_version: change,
    };
    for change in [6, 7, 8, 0] {
        Feed::signal(&*house, &room("a"), &told(change));
    }
    assert_eq!(alice.read().await, ["change 8 types", "change 0 types"]);
}
