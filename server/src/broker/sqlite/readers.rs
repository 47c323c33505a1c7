//! Threads that read, while the writer writes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use rusqlite::Result;
use tokio::sync::oneshot;

use super::{Failure, spawn};
use crate::broker::{Pending, Unavailable};
use crate::store::{Reader, Store, View};

/// Questions that may wait. Each connection has one or two of them at a time.
const WAITING: usize = 200_000;

type Question = Box<dyn FnOnce(&Reader) + Send>;

/// The threads. They end with it.
pub(super) struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Question>,
    closed: bool,
}

impl Readers {
    /// Starts `count` threads, which have that name.
    pub(super) fn start(store: &Store, name: &str, count: usize, failure: &Failure) -> io::Result<Self> {
        let mut readers = Self { shared: Arc::default(), threads: Vec::with_capacity(count) };
        for number in 0..count {
            let reader = store.reader().map_err(io::Error::other)?;
            let shared = readers.shared.clone();
            let thread = spawn(&format!("{name}-{number}"), failure, move || shared.run(&reader))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Has something asked of the file.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(View<'_>) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (answer, answered) = oneshot::channel();
        self.shared.add(Box::new(move |reader| {
            // Who asked may be gone.
            if !answer.is_closed() {
                let _ = answer.send(read(reader, question));
            }
        }));
        Box::pin(async move { answered.await.unwrap_or(Err(Unavailable)) })
    }

    /// Has something asked of the file, and `then` called with the answer; not where there are too many questions, or the
    /// threads end.
    pub(super) fn run<T: 'static>(
        &self,
        question: impl FnOnce(View<'_>) -> Result<T> + Send + 'static,
        then: impl FnOnce(std::result::Result<T, Unavailable>) + Send + 'static,
    ) {
        self.shared.add(Box::new(move |reader| then(read(reader, question))));
    }
}

fn read<T>(
    reader: &Reader,
    question: impl FnOnce(View<'_>) -> Result<T>,
) -> std::result::Result<T, Unavailable> {
    reader.ask(question).map_err(|error| {
        tracing::error!(%error, "cannot read the store");
        Unavailable
    })
}

impl Drop for Readers {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state.lock();
            state.closed = true;
            state.waiting.clear();
        }
        self.shared.grown.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A question that is dropped here is answered with `Unavailable`.
    fn add(&self, question: Question) {
        let mut state = self.state.lock();
        if !state.closed && state.waiting.len() < WAITING {
            state.waiting.push_back(question);
            drop(state);
            self.grown.notify_one();
        }
    }

    fn run(&self, reader: &Reader) {
        loop {
            let question = {
                let mut state = self.state.lock();
                loop {
                    if let Some(question) = state.waiting.pop_front() {
                        break question;
                    }
                    if state.closed {
                        return;
                    }
                    self.grown.wait(&mut state);
                }
            };
            question(reader);
        }
    }
}
