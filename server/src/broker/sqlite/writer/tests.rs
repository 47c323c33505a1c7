//! Tests of single turns of the writer.

use tempfile::TempDir;

use super::*;
use crate::broker::contract::{metrics, room, submission};
use crate::config::RoomLimits;
use crate::store::Store;

mod removal;

/// The state of a writer that no thread runs.
fn writer(directory: &TempDir) -> WriterThread {
    writer_with(directory, Clock::system(), Retain::default())
}

fn writer_with(directory: &TempDir, clock: Clock, retain: Retain) -> WriterThread {
    let store = Store::open(directory.path()).expect("a store");
    let (queue, metrics) = (Arc::<WriteQueue>::default(), metrics());
    let failure = EngineFailure::new(queue.clone());
    let space = store.space(Some(0));
    let list = RoomList::default();
    let presence = Arc::new(LocalPresence::new(list.clone()));
    WriterThread {
        clock,
        queue: queue.clone(),
        feed: FeedSlot::default(),
        checkpointer: Checkpointer::start(
            &store,
            queue.clone(),
            space.clone(),
            metrics.clone(),
            failure.clone(),
        )
        .expect("a thread"),
        metrics,
        sweep: Sweep::new(retain.clone()),
        tails: TailCache::start(&store, queue, &failure).expect("a thread"),
        failure,
        space,
        list,
        founding: FoundingRule::new(RoomLimits::none()),
        rules: Rules::default(),
        retain,
        open_rooms: OpenRooms::default(),
        presence,
        has_deleted: false,
        refusing: false,
        search: None,
        search_thread: None,
        store: store.into_writer().expect("a writer"),
    }
}

/// Input of a turn: a message to each of these rooms.
fn input(rooms: &[&str]) -> WriterInput {
    let pending = |room: &&str| PendingSubmission {
        submission: submission("alice", room, "hello"),
        // A second panic would end all tests.
        done: Box::new(|result| assert!(result.is_ok() || std::thread::panicking())),
    };
    WriterInput { waiting: rooms.iter().map(pending).collect(), ..WriterInput::default() }
}

#[test]
fn a_writer_with_a_fault_of_its_files_does_not_wake_again_and_again() {
    let directory = TempDir::new().expect("a directory");
    let mut writer = writer(&directory);
    writer.turn(input(&["a"])).expect("no error");
    let path = directory.path().join("store.db");
    std::fs::rename(&path, directory.path().join("away")).expect("moved");
    assert!(writer.store.watch().check_paths().is_err());
    writer.tails.make_check_due();
    writer.turn(WriterInput::default()).expect("no error");
    assert!(writer.next_wake().is_none_or(|next| next > Instant::now()));
}

#[tokio::test]
async fn a_batch_lists_the_last_entry_of_each_room() {
    let directory = TempDir::new().expect("a directory");
    let mut writer = writer(&directory);
    writer.turn(input(&["a", "a", "b", "a", "a", "b"])).expect("no error");
    let everything = crate::broker::RoomFilter::with_prefix(String::new());
    let (rooms, _) = writer.list.list(everything, 10).await.expect("a list");
    let heads: Vec<_> =
        rooms.into_iter().map(|summary| (summary.room, summary.position.seq().get())).collect();
    assert_eq!(heads, [(room("a"), 4), (room("b"), 2)]);
}
