//! Resources and signals of this process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Open files that are not connections: the log, listeners, runtimes, the store, and connections above the limit that
/// get a refusal.
const OTHER_FILES: u64 = 128 + 256;

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

/// Number of connections that fit under a limit of open files; at least one.
pub(crate) fn connections_within(file_limit: Option<u64>) -> usize {
    let Some(files) = file_limit else { return usize::MAX };
    let connections = files - OTHER_FILES.min(files / 2);
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

/// Stop signals. Once created, the signals no longer end the process by themselves.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
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
}

impl StopSignal {
    /// Exit code of a process that was ended by the signal.
    pub(crate) fn exit_code(self) -> i32 {
        128 + match self {
            Self::Interrupt => SignalKind::interrupt().as_raw_value(),
            Self::Terminate => SignalKind::terminate().as_raw_value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(connections_within(None), usize::MAX);
        assert_eq!(connections_within(Some(20_000)), 19_616);
        assert_eq!(connections_within(Some(100)), 50);
        assert_eq!(connections_within(Some(0)), 1);
    }
}
