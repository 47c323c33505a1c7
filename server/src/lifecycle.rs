//! Worker threads: their start and end.
//!
//! Each worker is a thread with a single-threaded runtime. A connection stays on the thread that it was assigned to,
//! and no task waits for another thread. A shutdown first stops accepting and closes connections with 1012. A
//! connection that is still open at the deadline ends with its worker.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Task polls after which a worker checks its sockets again. Connections with much to read wake themselves, and would
/// starve the others.
const TURNS: u32 = 16;

/// Worker threads, ended by a drop.
pub(crate) struct Threads {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts `count` workers; returns the handles of their runtimes.
    pub(crate) fn start(count: usize) -> io::Result<(Self, Vec<Handle>)> {
        let (stop, _) = watch::channel(false);
        let mut threads = Self { stop, threads: Vec::with_capacity(count) };
        let handles = (0..count).map(|index| threads.start_one(index)).collect::<io::Result<_>>()?;
        Ok((threads, handles))
    }

    fn start_one(&mut self, index: usize) -> io::Result<Handle> {
        let (started, handle) = mpsc::sync_channel(1);
        let mut stop = self.stop.subscribe();
        let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().event_interval(TURNS).build();
            let runtime = match runtime {
                Ok(runtime) => {
                    let _ = started.send(Ok(runtime.handle().clone()));
                    runtime
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let _ = runtime.block_on(stop.wait_for(|stop| *stop));
        })?;
        self.threads.push(thread);
        handle.recv().map_err(|_| io::Error::other("a worker ended at its start"))?
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}
