//! Read markers, mentions and direct rooms in the file: they survive the process, and cost no search.

use realtime_shared::{DirectPair, Inbox, Seq};

use super::*;
use crate::broker::contract::user;
use crate::broker::{InboxQuery, Origin, ReadMark};

async fn read(fixture: &SqliteFixture, who: &str, name: &str, seq: u64) -> Seq {
    let (done, marked) = tokio::sync::oneshot::channel();
    let origin = Origin { instance: 1, connection: 1 };
    let mark = ReadMark { user: user(who), room: room(name), seq: Seq::new(seq), is_member: true, origin };
    fixture.broker.mark_read(
        mark,
        Box::new(|result| {
            let _ = done.send(result);
        }),
    );
    marked.await.expect("completed").expect("stored")
}

async fn inbox(fixture: &SqliteFixture, who: &str) -> Inbox {
    let query = InboxQuery { limit: 10, bytes: PLENTY, may_use: Box::new(|_| true) };
    fixture.broker.inbox(&user(who), query).await.expect("available")
}

impl DataDir {
    /// The files as a crash would leave them now.
    fn crashed(&self) -> Self {
        let copy = Self::new();
        // A checkpoint in between moves pages from the first file into the second.
        for name in ["store.db-wal", "store.db"] {
            std::fs::copy(self.directory.path().join(name), copy.directory.path().join(name))
                .expect("copied");
        }
        copy
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_crash() {
    let data = DataDir::new();
    let fixture = data.open();
    fixture.post(submission("alice", "a", "one")).await;
    assert_eq!(read(&fixture, "bob", "a", 1).await, Seq::new(1));
    let with_marker = data.crashed();
    fixture.post(submission("alice", "a", "@bob @carol")).await;
    let with_mention = data.crashed();
    let pair = DirectPair::new(&user("alice"), &user("bob")).expect("short ids");
    assert_eq!(fixture.broker.open_direct(&pair, &user("alice"), false).await, Ok(Ok(())));
    let with_direct = data.crashed();

    let expected = inbox(&fixture, "bob").await;
    let [listed, direct] = &expected.rooms[..] else { panic!("{expected:?}") };
    assert_eq!((listed.unread, listed.mentions, listed.read_seq), (1, 1, Seq::new(1)));
    assert_eq!(direct.user_id, Some(user("alice")));
    assert_eq!(inbox(&with_direct.open(), "bob").await, expected);
    assert_eq!(inbox(&with_mention.open(), "bob").await.rooms, expected.rooms[..1]);
    let marked = with_marker.open();
    assert_eq!(inbox(&marked, "bob").await.rooms[0].read_seq, Seq::new(1));
    assert_eq!(read(&marked, "bob", "a", 0).await, Seq::new(1), "a marker never goes back");
}
