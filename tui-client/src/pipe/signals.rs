//! Signals that end a command in good order. Other signals keep their default, as there is no screen to restore.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{self, SignalKind};

/// Receiver of SIGINT and SIGTERM.
pub(super) struct EndSignals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl EndSignals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Number of the next signal.
    pub(super) async fn next(&mut self) -> u8 {
        let number = |signal: Number| u8::try_from(signal.as_raw()).unwrap_or(u8::MAX);
        tokio::select! {
            _ = self.interrupt.recv() => number(Number::INT),
            _ = self.terminate.recv() => number(Number::TERM),
        }
    }
}
