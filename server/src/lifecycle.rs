//! Threads, and the way in which all of it ends.
//!
//! Each worker is a thread with a single-threaded runtime: a connection stays on the thread that it was dealt to, and
//! no task waits behind another thread's. Stopping is soft, then hard: no one new comes in, everyone is asked to come
//! back later (1012), and what is still open at the deadline ends with its worker.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Turns of tasks after which a worker looks at its sockets again: those that have much to read wake themselves, and
/// would keep the others waiting.
const TURNS: u32 = 16;

/// The worker threads. They end when this is dropped.
pub(crate) struct Threads {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts `count` workers; the handles to what runs on them.
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
