//! End of a command without a screen: remaining output, and the close of the connection.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::time::timeout;

use super::printer::{Closed, Print, Prints};
use super::signals::EndSignals;
use crate::net::{Command, Events, Handle};
use crate::runtime::Outcome;

/// Time that the end waits for the connection to close.
const GOODBYE: Duration = Duration::from_secs(1);

/// Prints the remaining output and closes the connection. Without a signal the output may take as long as it needs; a
/// signal limits the time.
pub(super) async fn finish(
    outcome: Outcome,
    mut left: VecDeque<Print>,
    (prints, closed): (Prints, Closed),
    (handle, mut events): (Handle, Events),
    signals: &mut EndSignals,
) -> Outcome {
    let goodbye = async {
        // The connection may have ended already.
        let _ = handle.send(Command::Close).await;
        while events.recv().await.is_some() {}
    };
    let written = async {
        while !left.is_empty() {
            prints.queue_first(&mut left).await;
        }
        drop(prints);
        match closed.written().await {
            Ok(()) => outcome.clone(),
            Err(error) => cannot_write(&error),
        }
    };
    let is_signal = matches!(outcome, Outcome::Signal(_));
    // If the connection does not end in time, the end of the process ends it.
    let both = async { tokio::join!(written, timeout(GOODBYE, goodbye)).0 };
    if is_signal {
        return timeout(GOODBYE, both).await.unwrap_or(outcome);
    }
    tokio::select! {
        outcome = both => outcome,
        signal = signals.next() => Outcome::Signal(signal),
    }
}

pub(super) fn cannot_write(error: &io::Error) -> Outcome {
    Outcome::Failed(format!("cannot write to standard output: {error}"))
}
