//! Signals that end a command in good order. The others do what they always do: there is no screen to put back.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{self, SignalKind};

/// Interrupt and termination.
pub(super) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next one.
    pub(super) async fn next(&mut self) -> u8 {
        let number = |signal: Number| u8::try_from(signal.as_raw()).unwrap_or(u8::MAX);
        tokio::select! {
            _ = self.interrupt.recv() => number(Number::INT),
            _ = self.terminate.recv() => number(Number::TERM),
        }
    }
}
