//! Pool of threads that read the file while the writer writes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use rusqlite::Result;
use tokio::sync::oneshot;

use super::failure::{EngineFailure, spawn};
use crate::broker::{Pending, Unavailable};
use crate::store::{Store, StoreReader, View};

/// Limit on waiting queries. A connection has one or two at a time.
const MAX_WAITING: usize = 200_000;

type Query = Box<dyn FnOnce(&StoreReader) + Send>;

/// Reader threads, ended by its drop.
pub(super) struct ReaderPool {
    queries: Arc<QueryQueue>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct QueryQueue {
    state: Mutex<QueryQueueState>,
    grown: Condvar,
}

#[derive(Default)]
struct QueryQueueState {
    waiting: VecDeque<Query>,
    closed: bool,
}

impl ReaderPool {
    /// Starts `count` threads, named `name-0`, `name-1` and so on.
    pub(super) fn start(
        store: &Store,
        name: &str,
        count: usize,
        failure: &EngineFailure,
    ) -> io::Result<Self> {
        let mut readers = Self { queries: Arc::default(), threads: Vec::with_capacity(count) };
        for number in 0..count {
            let reader = store.reader().map_err(io::Error::other)?;
            let queries = readers.queries.clone();
            let thread = spawn(&format!("{name}-{number}"), failure, move || queries.run(&reader))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs a query on a reader thread.
    pub(super) fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(View<'_>) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (answer, answered) = oneshot::channel();
        self.queries.add(Box::new(move |reader| {
            // The caller may have gone.
            if !answer.is_closed() {
                let _ = answer.send(read(reader, query));
            }
        }));
        Box::pin(async move { answered.await.unwrap_or(Err(Unavailable)) })
    }

    /// Runs a query and calls `then` with the result. Drops both if too many queries wait or the pool ends.
    pub(super) fn run<T: 'static>(
        &self,
        query: impl FnOnce(View<'_>) -> Result<T> + Send + 'static,
        then: impl FnOnce(std::result::Result<T, Unavailable>) + Send + 'static,
    ) {
        self.queries.add(Box::new(move |reader| then(read(reader, query))));
    }
}

fn read<T>(
    reader: &StoreReader,
    query: impl FnOnce(View<'_>) -> Result<T>,
) -> std::result::Result<T, Unavailable> {
    reader.read(query).map_err(|error| {
        tracing::error!(%error, "cannot read the store");
        Unavailable
    })
}

impl Drop for ReaderPool {
    fn drop(&mut self) {
        {
            let mut state = self.queries.state.lock();
            state.closed = true;
            state.waiting.clear();
        }
        self.queries.grown.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl QueryQueue {
    /// Adds a query. A query that is dropped here resolves to `Unavailable`.
    fn add(&self, query: Query) {
        let mut state = self.state.lock();
        if !state.closed && state.waiting.len() < MAX_WAITING {
            state.waiting.push_back(query);
            drop(state);
            self.grown.notify_one();
        }
    }

    fn run(&self, reader: &StoreReader) {
        loop {
            let query = {
                let mut state = self.state.lock();
                loop {
                    if let Some(query) = state.waiting.pop_front() {
                        break query;
                    }
                    if state.closed {
                        return;
                    }
                    self.grown.wait(&mut state);
                }
            };
            query(reader);
        }
    }
}
