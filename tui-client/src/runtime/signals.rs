//! Signals as events, and ways to stop this process.

use std::io;

use rustix::process::{self, Signal as Number};
use tokio::signal::unix::{self, SignalKind};

/// Number of the signal of a terminal that is gone.
pub(super) const HANGUP: u8 = 1;

/// Action that a signal requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// End; the signal's number.
    End(u8),
    /// Stop, until the process is continued.
    Stop,
    /// The process was continued by a shell, which may have changed the terminal.
    Continue,
    /// The size of the window changed.
    Resize,
}

/// Receiver of the handled signals.
pub(super) struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    terminate: unix::Signal,
    stop: unix::Signal,
    continued: unix::Signal,
    resized: unix::Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let of = |signal: Number| unix::signal(SignalKind::from_raw(signal.as_raw()));
        Ok(Self {
            hangup: of(Number::HUP)?,
            interrupt: of(Number::INT)?,
            quit: of(Number::QUIT)?,
            terminate: of(Number::TERM)?,
            stop: of(Number::TSTP)?,
            continued: of(Number::CONT)?,
            resized: of(Number::WINCH)?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        let end = |signal: Number| Signal::End(u8::try_from(signal.as_raw()).unwrap_or(u8::MAX));
        tokio::select! {
            _ = self.hangup.recv() => end(Number::HUP),
            _ = self.interrupt.recv() => end(Number::INT),
            _ = self.quit.recv() => end(Number::QUIT),
            _ = self.terminate.recv() => end(Number::TERM),
            _ = self.stop.recv() => Signal::Stop,
            _ = self.continued.recv() => Signal::Continue,
            _ = self.resized.recv() => Signal::Resize,
        }
    }
}

/// True if the terminal sends this signal for a key (Ctrl-C, Ctrl-\).
pub(super) fn is_typed(number: u8) -> bool {
    [Number::INT, Number::QUIT].iter().any(|typed| i32::from(number) == typed.as_raw())
}

/// True if this signal means that the terminal is gone.
pub(super) fn is_hangup(number: u8) -> bool {
    number == HANGUP
}

/// True if a shell can continue this job: the session's leader is in another process group.
pub(super) fn has_shell() -> bool {
    process::getsid(None).is_ok_and(|leader| leader != process::getpgrp())
}

/// Stops the foreground process group, as the terminal does for Ctrl-Z.
pub(super) fn stop_job() -> io::Result<()> {
    Ok(process::kill_current_process_group(Number::STOP)?)
}

/// Stops only this process.
pub(super) fn stop_alone() -> io::Result<()> {
    Ok(process::kill_process(process::getpid(), Number::STOP)?)
}
