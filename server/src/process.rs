//! Resources and signals of this process.

use std::io::{self, IsTerminal};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Open files that are not connections of clients: the log, listeners, runtimes, the store, and connections to the
/// admin listeners.
const OTHER_FILES: u64 = 128 + 256;
/// Share of the open files for connections without a valid token.
const ANONYMOUS_SHARE: u64 = 16;

/// Raises the limit of open files as far as this process may. Returns the limit; `None` if there is none.
pub(crate) fn raise_file_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(fault) => {
            tracing::warn!(%fault, "the limit of open files stays as it is");
            current
        }
    }
}

/// Numbers of connections that fit under a limit of open files, at least one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connections {
    /// With a valid token.
    pub(crate) users: usize,
    /// Without one.
    pub(crate) anonymous: usize,
}

/// The connections that fit under a limit of open files, if at most `anonymous` are without a valid token.
pub(crate) fn connections_within(file_limit: Option<u64>, anonymous: usize) -> Connections {
    let Some(files) = file_limit else { return Connections { users: usize::MAX, anonymous } };
    let at_least_one = |files: u64| usize::try_from(files).unwrap_or(usize::MAX).max(1);
    let anonymous = anonymous.min(at_least_one(files / ANONYMOUS_SHARE));
    let others = OTHER_FILES.min(files / 2) + anonymous as u64;
    Connections { users: at_least_one(files.saturating_sub(others)), anonymous }
}

/// Hang-ups (SIGHUP) of a process without a terminal: requests to reload. `None` with a terminal at standard input or
/// error, whose end stops the process.
///
/// Created first of all: an early request to reload must not end the process. Must be called in a tokio runtime.
pub(crate) fn reload_requests() -> io::Result<Option<Signal>> {
    if io::stdin().is_terminal() || io::stderr().is_terminal() {
        return Ok(None);
    }
    signal(SignalKind::hangup()).map(Some)
}

/// Signals to this process. Once created, the signals no longer end the process by themselves.
pub(crate) struct Signals {
    pub(crate) urgent: UrgentSignals,
    hangup: Signal,
    hangup_reloads: bool,
}

/// Signals that stop the process in every case: all but hang-ups.
pub(crate) struct UrgentSignals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
}

/// Request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalRequest {
    Stop(StopSignal),
    /// Reads the secret and the log level again.
    Reload,
}

impl Signals {
    pub(crate) fn new(reload_requests: Option<Signal>) -> io::Result<Self> {
        let hangup_reloads = reload_requests.is_some();
        Ok(Self {
            urgent: UrgentSignals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                quit: signal(SignalKind::quit())?,
            },
            hangup: reload_requests.map_or_else(|| signal(SignalKind::hangup()), Ok)?,
            hangup_reloads,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> SignalRequest {
        let hangup =
            if self.hangup_reloads { SignalRequest::Reload } else { SignalRequest::Stop(StopSignal::Hangup) };
        tokio::select! {
            signal = self.urgent.next() => SignalRequest::Stop(signal),
            _ = self.hangup.recv() => hangup,
        }
    }
}

impl UrgentSignals {
    /// Waits for the next of these signals.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.quit.recv() => StopSignal::Quit,
        }
    }
}

/// Signal that requests a stop of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// Ctrl-C.
    Interrupt,
    /// From a service manager.
    Terminate,
    /// Ctrl-\.
    Quit,
    /// The end of the terminal.
    Hangup,
}

impl StopSignal {
    /// Exit code of a process that was ended by the signal.
    pub(crate) fn exit_code(self) -> i32 {
        128 + match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
            Self::Quit => SignalKind::quit(),
            Self::Hangup => SignalKind::hangup(),
        }
        .as_raw_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        let within = |files, anonymous| {
            let Connections { users, anonymous } = connections_within(files, anonymous);
            (users, anonymous)
        };
        assert_eq!(within(None, 4_096), (usize::MAX, 4_096));
        assert_eq!(within(Some(1_048_576), 4_096), (1_044_096, 4_096));
        assert_eq!(within(Some(20_000), 4_096), (18_366, 1_250));
        assert_eq!(within(Some(20_000), 100), (19_516, 100));
        assert_eq!(within(Some(100), 4_096), (44, 6));
        assert_eq!(within(Some(0), 4_096), (1, 1));
    }
}
