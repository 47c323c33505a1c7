//! Search of messages in the file: a thread keeps an index of their words, and answers searches.
//!
//! The index is a database of its own ([`SearchIndex`]), and follows the store: its position in each room is committed
//! together with what was indexed up to it. So a commit of messages costs nothing more, and the index catches up after a
//! crash, an import, or a time without it. A search first indexes what was committed before it ([`follower`]), so a message is
//! found as soon as it is acked; beyond some thousand messages the answer is marked as incomplete.
//!
//! The index finds candidates, and the store decides: a result is a message whose present text, read from the store,
//! matches the query ([`answer`]). So nothing that was deleted is ever in an answer.

mod answer;
mod follower;
mod queue;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use realtime_shared::UserId;
use rusqlite::Result;
use tokio::sync::oneshot;

use self::follower::Follower;
pub(super) use self::queue::SearchQueue;
use self::queue::{SearchInput, SearchRequest};
use super::failure::{EngineFailure, spawn};
use crate::broker::{FoundPage, Pending, RoomFilter, SearchQuery, Unavailable};
use crate::config::Retain;
use crate::store::{DiskSpace, SearchIndex, Store, StoreReader, is_damage};

/// Time from the first new message to its indexing, unless a search needs it before: a batch costs less than its messages
/// one by one.
const DELAY: Duration = Duration::from_millis(500);
/// Rest after a step while messages are posted, in durations of the step. They need the processor first.
const REST: u32 = 5;
/// Rest after a step while nothing is posted.
const REST_UNUSED: u32 = 1;
/// Time after the last note of new entries during which messages count as posted.
const POSTING: Duration = Duration::from_secs(1);
/// Time until the next attempt after an error.
const AGAIN: Duration = Duration::from_secs(10);
/// Time until the next attempt to erase removed texts, if another process prevented it.
const ERASE_AGAIN: Duration = Duration::from_millis(200);

/// The thread, which its drop ends.
pub(super) struct SearchThread {
    queue: Arc<SearchQueue>,
    thread: Option<JoinHandle<()>>,
}

impl SearchThread {
    pub(super) fn start(
        store: &Store,
        queue: Arc<SearchQueue>,
        space: Arc<DiskSpace>,
        retain: Retain,
        failure: &EngineFailure,
    ) -> io::Result<Self> {
        let reader = store.reader().map_err(io::Error::other)?;
        let (path, taken) = (store.path().to_owned(), queue.clone());
        let searcher = Searcher {
            path,
            reader,
            queue: taken,
            space,
            retain,
            follower: None,
            pause: None,
            posted_at: None,
        };
        let thread = spawn("search", failure, move || searcher.run())?;
        Ok(Self { queue, thread: Some(thread) })
    }
}

impl Drop for SearchThread {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A search that waits for its answer. `None`: messages are not searched.
pub(super) fn search(
    queue: Option<&Arc<SearchQueue>>,
    query: SearchQuery,
    rooms: RoomFilter,
    viewer: &UserId,
) -> Pending<FoundPage> {
    let (answer, answered) = oneshot::channel();
    if let Some(queue) = queue {
        queue.request(SearchRequest { query, rooms, viewer: viewer.clone(), answer });
    }
    Box::pin(async move { answered.await.unwrap_or(Err(Unavailable)) })
}

/// State of the thread.
struct Searcher {
    path: PathBuf,
    reader: StoreReader,
    queue: Arc<SearchQueue>,
    space: Arc<DiskSpace>,
    retain: Retain,
    /// `None` before the index is open, and after an error.
    follower: Option<Follower>,
    /// No step is done before this time.
    pause: Option<Instant>,
    /// Time of the last note of new entries.
    posted_at: Option<Instant>,
}

impl Searcher {
    fn run(mut self) {
        loop {
            match self.queue.take(self.next_wake()) {
                SearchInput::Request(request, notes) => {
                    let SearchRequest { query, rooms, viewer, answer } = *request;
                    let result = self.with_follower(|follower, reader, retain| {
                        follower.add(notes);
                        follower.catch_up(reader)?;
                        let is_complete = follower.is_complete();
                        reader.read(|view| {
                            answer::answer(
                                view,
                                &follower.index,
                                &query,
                                &rooms,
                                &viewer,
                                retain,
                                is_complete,
                            )
                        })
                    });
                    // The caller may have gone.
                    let _ = answer.send(result.ok_or(Unavailable));
                }
                SearchInput::Notes(notes) => {
                    if !notes.fresh.is_empty() {
                        self.posted_at = Some(Instant::now());
                    }
                    if let Some(follower) = &mut self.follower {
                        follower.add(notes);
                    }
                    self.step();
                }
                SearchInput::Closed(notes) => {
                    if let Some(mut follower) = self.follower.take() {
                        follower.add(notes);
                        // Removes deleted texts. The next start goes on.
                        if let Err(error) = follower.finish(&self.reader) {
                            tracing::warn!(%error, "the search index is behind until the next start");
                        }
                    }
                    return;
                }
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let Some(follower) = &self.follower else { return Some(self.pause.unwrap_or_else(Instant::now)) };
        let next = follower.next_step(DELAY)?;
        Some(self.pause.map_or(next, |pause| pause.max(next)))
    }

    /// Does a part of the work that is due, unless the thread rests.
    fn step(&mut self) {
        let Some(wake) = self.next_wake() else { return };
        let begun = Instant::now();
        if wake > begun {
            return;
        }
        if self.space.fault().is_some() {
            self.pause = Some(begun + AGAIN);
            return;
        }
        let erased = self.with_follower(|follower, reader, _| follower.step(reader));
        let is_posting = self.posted_at.is_some_and(|at| at.elapsed() < POSTING);
        let rest = if is_posting { REST } else { REST_UNUSED };
        self.pause = match erased {
            Some(true) => Some(Instant::now() + begun.elapsed() * rest),
            Some(false) => Some(Instant::now() + ERASE_AGAIN),
            None => Some(Instant::now() + AGAIN),
        };
    }

    /// Runs an operation with the index, which is opened if it is not open. An error closes it; a damaged index is removed.
    fn with_follower<T>(
        &mut self,
        operation: impl FnOnce(&mut Follower, &StoreReader, &Retain) -> Result<T>,
    ) -> Option<T> {
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => match SearchIndex::open(&self.path) {
                Ok(index) => Follower::new(index),
                Err(error) => {
                    tracing::error!(%error, "the search index cannot be opened; messages cannot be searched");
                    return None;
                }
            },
        };
        match operation(&mut follower, &self.reader, &self.retain) {
            Ok(result) => {
                self.follower = Some(follower);
                Some(result)
            }
            Err(error) => {
                tracing::warn!(%error, "the search index cannot be used; it is opened again");
                drop(follower);
                if is_damage(&error)
                    && let Err(error) = SearchIndex::remove(&self.path)
                {
                    tracing::error!(%error, "the damaged search index cannot be removed");
                }
                self.pause = Some(Instant::now() + AGAIN);
                None
            }
        }
    }
}
