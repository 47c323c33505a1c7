//! Failure of an engine, and threads whose panic is one.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use super::write_queue::WriteQueue;

/// First error that ended the engine. After it every submission is refused.
#[derive(Clone)]
pub(crate) struct EngineFailure {
    error: watch::Sender<Option<String>>,
    queue: Arc<WriteQueue>,
}

impl EngineFailure {
    pub(super) fn new(queue: Arc<WriteQueue>) -> Self {
        Self { error: watch::Sender::new(None), queue }
    }

    /// Keeps the first error, and refuses everything that waits.
    pub(super) fn report(&self, error: &dyn Display) {
        self.error.send_if_modified(|reported| {
            let first = reported.is_none();
            reported.get_or_insert_with(|| error.to_string());
            first
        });
        self.queue.refuse();
    }

    pub(super) fn is_reported(&self) -> bool {
        self.error.borrow().is_some()
    }

    /// Waits for the first error.
    pub(crate) async fn reported(&self) -> String {
        let mut error = self.error.subscribe();
        let reported = error.wait_for(Option::is_some).await;
        reported.ok().and_then(|error| error.clone()).unwrap_or_default()
    }
}

/// Held by each thread: reports a panic, so that no caller waits for a thread that has ended.
struct PanicGuard(EngineFailure);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.report(&"a thread of the engine panicked");
        }
    }
}

/// Starts a thread whose panic ends the engine.
pub(super) fn spawn(
    name: &str,
    failure: &EngineFailure,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let guard = PanicGuard(failure.clone());
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = guard;
        run();
    })
}
