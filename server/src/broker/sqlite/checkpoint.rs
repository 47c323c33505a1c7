//! Moving what was committed from the log into the file, beside the writer.
//!
//! A thread of its own does most of it, while commits go on. The log begins anew only when all of it has been moved
//! at a moment without a commit; under a load that never pauses the writer makes such moments itself, when the log has
//! grown large: by then little is left to be moved.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::{io, mem};

use rusqlite::{Connection, Result};

use super::{Failure, spawn};
use crate::store::{self, Cannot, Checkpoint, Store, cannot, checkpoint};

/// Pages by which the log has grown when the thread moves them: 4 MiB.
const BESIDE: u32 = 1_024;
/// Pages in the log from which the writer does: 64 MiB. Also by how much it grows further before it tries again, where a
/// reader needs what is in it.
const BETWEEN: u32 = 16 * 1_024;

/// The writer's side.
pub(super) struct Checkpoints {
    wake: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the log when the thread was woken last.
    beside: u32,
    /// Pages in the log at which the writer moves them.
    between: u32,
}

impl Checkpoints {
    /// Starts the thread.
    pub(super) fn start(store: &Store, failure: Failure) -> io::Result<Self> {
        let connection = store.checkpointer().map_err(io::Error::other)?;
        let (wake, woken) = sync_channel(1);
        let thread = spawn("checkpoint", &failure.clone(), move || run(&connection, &woken, &failure))?;
        Ok(Self { wake, thread: Some(thread), beside: 0, between: BETWEEN })
    }

    /// Sees to it that the log does not grow for ever.
    pub(super) fn after_commit(&mut self, store: &store::Writer) -> Result<()> {
        let pages = store.log_pages();
        if pages < self.beside {
            // It began anew.
            (self.beside, self.between) = (0, BETWEEN);
        }
        if pages >= self.between {
            self.between = pages.saturating_add(BETWEEN);
            return passed(store.checkpoint(Checkpoint::Passive));
        }
        if pages >= self.beside + BESIDE {
            self.beside = pages;
            // One that is under way moves what is there when it ends, and this is seen next time.
            let _ = self.wake.try_send(());
        }
        Ok(())
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        let (closed, _) = sync_channel(0);
        drop(mem::replace(&mut self.wake, closed));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, failure: &Failure) {
    while woken.recv().is_ok() {
        if let Err(error) = passed(checkpoint(connection, Checkpoint::Passive)) {
            return failure.report(&error);
        }
    }
}

/// Where there is no room in the file, what was committed stays in the log, and is as lasting there.
fn passed(moved: Result<bool>) -> Result<()> {
    match moved.map_err(cannot) {
        Ok(_) => Ok(()),
        Err(Cannot::Now(error)) => {
            tracing::debug!(%error, "the log stays as it is for now");
            Ok(())
        }
        Err(Cannot::GoOn(error)) => Err(error),
    }
}
