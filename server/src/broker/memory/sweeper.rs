//! Thread that sweeps regularly.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Time from the end of a sweep to the next.
const INTERVAL: Duration = Duration::from_mins(1);

/// The thread, which ends after the drop.
pub(super) struct Sweeper {
    _alive: mpsc::SyncSender<Infallible>,
}

impl Sweeper {
    pub(super) fn start(sweep: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (alive, ended) = mpsc::sync_channel(0);
        thread::Builder::new().name("sweep".to_owned()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(INTERVAL) {
                sweep();
            }
        })?;
        Ok(Self { _alive: alive })
    }
}
