//! Checkpointer: moves committed pages from the WAL into the file.
//!
//! A separate thread does most of the work while commits continue. The WAL restarts only after a checkpoint of all of
//! it at a moment without a commit. Under constant load the writer pauses for it once the WAL is large; by then little
//! is left to move.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::{io, mem};

use rusqlite::{Connection, Result};

use super::failure::{EngineFailure, spawn};
use crate::store::{CheckpointMode, Store, StoreWriter, WriteError, checkpoint, write_error};

/// Growth of the WAL, in pages, that wakes the thread: 4 MiB.
const THREAD_PAGES: u32 = 1_024;
/// Size of the WAL, in pages, at which the writer runs a checkpoint itself: 64 MiB. Also the growth before its next
/// attempt, if a reader prevented the first.
const WRITER_PAGES: u32 = 16 * 1_024;

/// Handle of the writer on the checkpoint thread.
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the WAL when the thread was last woken.
    woken_at: u32,
    /// Pages in the WAL at which the writer runs a checkpoint.
    writer_at: u32,
}

impl Checkpointer {
    pub(super) fn start(store: &Store, failure: EngineFailure) -> io::Result<Self> {
        let connection = store.checkpointer().map_err(io::Error::other)?;
        let (wake, woken) = sync_channel(1);
        let thread = spawn("checkpoint", &failure.clone(), move || run(&connection, &woken, &failure))?;
        Ok(Self { wake, thread: Some(thread), woken_at: 0, writer_at: WRITER_PAGES })
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
            return ignore_retryable(store.checkpoint(CheckpointMode::Passive));
        }
        if pages >= self.woken_at + THREAD_PAGES {
            self.woken_at = pages;
            // A full channel means that a checkpoint is under way; a later commit checks again.
            let _ = self.wake.try_send(());
        }
        Ok(())
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        let (closed, _) = sync_channel(0);
        drop(mem::replace(&mut self.wake, closed));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, failure: &EngineFailure) {
    while woken.recv().is_ok() {
        if let Err(error) = ignore_retryable(checkpoint(connection, CheckpointMode::Passive)) {
            return failure.report(&error);
        }
    }
}

/// Treats an error that passes as success: committed pages in the WAL are as durable as in the file.
fn ignore_retryable(moved: Result<bool>) -> Result<()> {
    match moved.map_err(write_error) {
        Ok(_) => Ok(()),
        Err(WriteError::Retryable(error)) => {
            tracing::debug!(%error, "the checkpoint is postponed");
            Ok(())
        }
        Err(WriteError::Fatal(error)) => Err(error),
    }
}
