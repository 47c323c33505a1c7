//! Checkpointer: moves committed pages from the WAL into the file, and watches the files of the store.
//!
//! A separate thread does most of the work while commits continue. The WAL restarts only after a checkpoint of all of
//! it at a moment without a commit. Under constant load the writer pauses for it once the WAL is large; by then little
//! is left to move.
//!
//! A reader of an old snapshot (an export, a backup) lets the WAL grow. After it, a server with little load would keep the
//! long file. So the thread also empties the WAL in a calm second, and tries again as long as a reader prevents it.
//!
//! A deleted text is in the WAL until that is emptied, and in unused space of pages. The thread erases it within a second of
//! the deletion ([`erasure`](super::erasure)), once for all deletions of that second, and tries again until it works.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, mem};

use rusqlite::{Connection, Result};

use super::erasure::{DeletedTexts, Erasure, ErasureRounds};
use super::failure::{EngineFailure, spawn};
use super::write_queue::WriteQueue;
use crate::metrics::Metrics;
use crate::store::{CheckpointMode, DiskSpace, Setting, Store, StoreWatch, StoreWriter, WriteError};

/// Growth of the WAL, in pages, that wakes the thread: 4 MiB.
const THREAD_PAGES: u32 = 1_024;
/// Size of the WAL, in pages, at which the writer runs a checkpoint itself: 64 MiB. Also the growth before its next
/// attempt, if a reader prevented the first.
const WRITER_PAGES: u32 = 16 * 1_024;
/// Interval of checks of the files.
const TICK: Duration = Duration::from_secs(1);
/// Time to the next attempt, if a reader prevented the erasure of deleted texts.
const ERASE_AGAIN: Duration = Duration::from_millis(200);
/// Time between two parts of the file that an erasure reads. Leaves the disk to commits.
const READ_PAUSE: Duration = Duration::from_millis(10);
/// Time that the erasure of deleted texts waits for readers. Commits wait meanwhile.
const ERASE_BUSY: Duration = Duration::from_millis(20);
/// Of so many attempts that a reader prevents, one waits for readers: commits do not wait often during a long export.
const WAITING_ATTEMPT: u32 = 5;
/// Length of a WAL that is emptied in a calm second. A shorter one is kept: a file that grows again costs time.
const CALM_WAL_BYTES: u64 = 8 << 20;

/// Handle of the writer on the checkpoint thread.
pub(super) struct Checkpointer {
    wake: SyncSender<Wake>,
    deleted: DeletedTexts,
    queue: Arc<WriteQueue>,
    space: Arc<DiskSpace>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the WAL when the thread was last woken.
    woken_at: u32,
    /// Pages in the WAL at which the writer runs a checkpoint.
    writer_at: u32,
}

/// Reason for a turn of the thread.
enum Wake {
    /// The WAL has grown.
    Grown,
    /// The writer has cleared all pages that waited for it.
    Cleared,
}

impl Checkpointer {
    pub(super) fn start(
        store: &Store,
        queue: Arc<WriteQueue>,
        space: Arc<DiskSpace>,
        metrics: Arc<Metrics>,
        failure: EngineFailure,
    ) -> io::Result<Self> {
        let connection = store.checkpointer().map_err(io::Error::other)?;
        // A checkpoint that waited for a reader would keep commits waiting.
        connection.busy_timeout(Duration::ZERO).map_err(io::Error::other)?;
        let watch = store.watch();
        let has_deleted =
            store.reader().and_then(|reader| reader.read(|view| view.setting(Setting::HasDeleted)));
        let deleted = DeletedTexts::new(store.written(), has_deleted.map_err(io::Error::other)?.is_some());
        let rounds = ErasureRounds::new(deleted.clone(), watch.clone());
        let (wake, woken) = sync_channel(2);
        let thread = CheckpointThread {
            connection,
            watch,
            space: space.clone(),
            metrics,
            queue: queue.clone(),
            deleted: deleted.clone(),
            rounds,
            prevented: 0,
            frames: 0,
        };
        let thread = spawn("checkpoint", &failure.clone(), move || thread.run(&woken, &failure))?;
        Ok(Self { wake, deleted, queue, space, thread: Some(thread), woken_at: 0, writer_at: WRITER_PAGES })
    }

    /// Texts were deleted by a commit: they are erased from the files of the store.
    pub(super) fn erase(&self) {
        self.deleted.add();
    }

    /// Clears some of the pages in which an erasure has found something.
    pub(super) fn clear_pages(&self, store: &StoreWriter) -> Result<()> {
        let Self { deleted, queue, wake, space, .. } = self;
        if !ignore_retryable(deleted.unclear.clear_some(store), space)? {
            return Ok(());
        }
        if deleted.unclear.is_empty() {
            // The thread looks again by itself.
            let _ = wake.try_send(Wake::Cleared);
        } else {
            queue.wake();
        }
        Ok(())
    }

    /// Ends the thread, and clears the pages of an erasure that is due. The caller empties the WAL.
    pub(super) fn finish(&mut self, store: &StoreWriter) -> Result<()> {
        self.end_thread();
        self.deleted.erase_now(store)
    }

    fn end_thread(&mut self) {
        let (closed, _) = sync_channel(0);
        drop(mem::replace(&mut self.wake, closed));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Bounds the growth of the WAL.
    pub(super) fn after_commit(&mut self, store: &StoreWriter) -> Result<()> {
        let pages = store.wal_pages();
        if pages < self.woken_at {
            // The WAL has restarted.
            (self.woken_at, self.writer_at) = (0, WRITER_PAGES);
        }
        if pages >= self.writer_at {
            self.writer_at = pages.saturating_add(WRITER_PAGES);
            return ignore_retryable(store.checkpoint(CheckpointMode::Passive), &self.space).map(drop);
        }
        if pages >= self.woken_at + THREAD_PAGES {
            self.woken_at = pages;
            // A full channel means that a checkpoint is under way; a later commit checks again.
            let _ = self.wake.try_send(Wake::Grown);
        }
        Ok(())
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.end_thread();
    }
}

struct CheckpointThread {
    connection: Connection,
    watch: Arc<StoreWatch>,
    space: Arc<DiskSpace>,
    metrics: Arc<Metrics>,
    queue: Arc<WriteQueue>,
    deleted: DeletedTexts,
    rounds: ErasureRounds,
    /// Attempts of the erasure that a reader has prevented, one after the other.
    prevented: u32,
    /// Frames in the WAL at the last tick.
    frames: u64,
}

impl CheckpointThread {
    fn run(mut self, woken: &Receiver<Wake>, failure: &EngineFailure) {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let done = match woken.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
                // Constant load does not postpone the tick.
                Ok(Wake::Grown) if Instant::now() < next_tick => ignore_retryable(
                    self.watch.checkpoint(&self.connection, CheckpointMode::Passive),
                    &self.space,
                ),
                Ok(_) | Err(RecvTimeoutError::Timeout) => self.erase().and_then(|erasure| {
                    let pause = match erasure {
                        Erasure::Done => TICK,
                        Erasure::Waits => ERASE_AGAIN,
                        Erasure::Reads => READ_PAUSE,
                    };
                    next_tick = Instant::now() + pause;
                    self.tick()
                }),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(error) = done {
                return failure.report(&error);
            }
        }
    }

    /// Performs a step of the erasure of deleted texts.
    fn erase(&mut self) -> Result<Erasure> {
        let Self { connection, watch, space, rounds, prevented, .. } = self;
        let waits = *prevented % WAITING_ATTEMPT == WAITING_ATTEMPT - 1;
        let checkpoint = |mode| ignore_retryable(watch.checkpoint(connection, mode), space);
        let empty = || {
            // Most of the work happens while commits go on.
            if !checkpoint(CheckpointMode::Passive)? && !waits {
                return Ok(false);
            }
            connection.busy_timeout(ERASE_BUSY)?;
            let emptied = checkpoint(CheckpointMode::Truncate);
            connection.busy_timeout(Duration::ZERO)?;
            emptied
        };
        let erasure = rounds.step(|| Ok(checkpoint(CheckpointMode::Passive)? || empty()?), empty)?;
        *prevented = if erasure == Erasure::Waits { prevented.wrapping_add(1) } else { 0 };
        if !self.deleted.unclear.is_empty() {
            self.queue.wake();
        }
        Ok(erasure)
    }

    /// Checks the space and the files, and empties a long WAL if little was committed since the last tick.
    fn tick(&mut self) -> Result<bool> {
        let (watch, connection, space) = (&self.watch, &self.connection, &self.space);
        space.tick(&self.metrics);
        if watch.check(connection).is_err() {
            // Saves what only a WAL without a name has, if the database is at its path.
            return ignore_retryable(watch.checkpoint(connection, CheckpointMode::Passive), space);
        }
        let frames = watch.wal_frames();
        let grown = frames.saturating_sub(mem::replace(&mut self.frames, frames));
        if grown >= u64::from(THREAD_PAGES) || watch.wal_bytes() < CALM_WAL_BYTES {
            return Ok(false);
        }
        // Commits go on while pages are moved; the emptying blocks them.
        if !ignore_retryable(watch.checkpoint(connection, CheckpointMode::Passive), space)? {
            return Ok(false);
        }
        let emptied = ignore_retryable(watch.checkpoint(connection, CheckpointMode::Truncate), space)?;
        self.frames = watch.wal_frames();
        if emptied {
            tracing::debug!("emptied the write-ahead log");
        }
        Ok(emptied)
    }
}

/// Treats an error that passes as a checkpoint that moved nothing: committed pages in the WAL are as durable as in the file.
fn ignore_retryable(moved: Result<bool>, space: &DiskSpace) -> Result<bool> {
    match moved.map_err(|error| space.write_error(error)) {
        Ok(moved) => Ok(moved),
        Err(WriteError::Retryable(error)) => {
            tracing::debug!(%error, "the checkpoint is postponed");
            Ok(false)
        }
        Err(WriteError::Fatal(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::broker::contract::{metrics, room};
    use crate::store::Row;
    use realtime_shared::{EntryId, Epoch, Seq, Timestamp};

    #[test]
    fn an_erasure_that_a_reader_prevented_is_done_after_the_reader() {
        let directory = TempDir::new().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let connection = store.checkpointer().expect("a connection");
        let reader = store.checkpointer().expect("a connection");
        let (watch, queue, deleted) =
            (store.watch(), Arc::<WriteQueue>::default(), DeletedTexts::new(store.written(), true));
        let rounds = ErasureRounds::new(deleted.clone(), watch.clone());
        let (space, metrics) = (store.space(Some(0)), metrics());
        let mut thread = CheckpointThread {
            connection,
            watch,
            space,
            metrics,
            queue,
            deleted,
            rounds,
            prevented: 0,
            frames: 0,
        };
        let writer = store.into_writer().expect("a writer");
        let add_room = |name: &str| {
            let mut batch = writer.begin().expect("a batch");
            let (id, ts) = (EntryId::from_u128(1), Timestamp::from_millis(1));
            let added = batch.add_room(&room(name), &Epoch::from_id(id), Seq::new(1)).expect("written");
            let key = added.expect("a room").key(Seq::new(1));
            batch.add(&Row { key, id, ts, dedup_digest: None, frame: Some("{}") }).expect("written");
            batch.commit().expect("committed");
        };
        let wal = || std::fs::metadata(directory.path().join("store.db-wal")).expect("a WAL").len();
        add_room("a");
        reader.execute_batch("BEGIN; SELECT count(*) FROM entry").expect("a snapshot");
        add_room("b");
        let begun = Instant::now();
        assert_eq!(thread.erase().expect("no error"), Erasure::Waits);
        assert!(begun.elapsed() < Duration::from_secs(1), "commits wait for it");
        assert!(wal() > 0);

        reader.execute_batch("COMMIT").expect("the end of the snapshot");
        let mut erasure = Erasure::Waits;
        while erasure != Erasure::Done {
            erasure = thread.erase().expect("no error");
            thread.deleted.unclear.clear_some(&writer).expect("cleared");
        }
        assert_eq!(wal(), 0);
    }
}
