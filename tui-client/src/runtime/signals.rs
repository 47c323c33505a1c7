//! Signals as events, and how the process stops itself.

use std::io;

use rustix::process::{self, Signal as Number};
use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// To end; its number.
    End(u8),
    /// To stop, until it is continued.
    Stop,
    /// The process was continued: by a shell, which may have changed the terminal.
    Continue,
}

/// The signals that are handled.
pub(super) struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    terminate: unix::Signal,
    stop: unix::Signal,
    continued: unix::Signal,
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
        }
    }
}

/// Whether the terminal sends a signal when a key is typed that would interrupt or quit.
pub(super) fn is_typed(number: u8) -> bool {
    [Number::INT, Number::QUIT].iter().any(|typed| i32::from(number) == typed.as_raw())
}

/// Whether that signal tells that the terminal went away.
pub(super) fn is_hangup(number: u8) -> bool {
    i32::from(number) == Number::HUP.as_raw()
}

/// Whether there is a shell that can continue this job: its session's leader is of another process group.
pub(super) fn has_shell() -> bool {
    process::getsid(None).is_ok_and(|leader| leader != process::getpgrp())
}

/// Stops this process and what runs in the foreground with it, as the terminal does for Ctrl-Z.
pub(super) fn stop_job() -> io::Result<()> {
    Ok(process::kill_current_process_group(Number::STOP)?)
}

/// Stops this process, which alone was asked to.
pub(super) fn stop_alone() -> io::Result<()> {
    Ok(process::kill_process(process::getpid(), Number::STOP)?)
}
