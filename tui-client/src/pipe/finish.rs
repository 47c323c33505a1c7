//! The end of a command without a screen: remaining output, and the close of the connection.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::time::timeout;

use super::printer::{Closed, Print, Prints};
use super::signals::Signals;
use crate::net::{Command, Events, Handle};
use crate::runtime::Outcome;

/// How long the end waits for the connection to be closed in good order.
const GOODBYE: Duration = Duration::from_secs(1);

/// Ends in good order: prints what is left, closes the connection. After a signal that may not take long; else it lasts
/// until one comes.
pub(super) async fn finish(
    outcome: Outcome,
    mut left: VecDeque<Print>,
    (prints, closed): (Prints, Closed),
    (handle, mut events): (Handle, Events),
    signals: &mut Signals,
) -> Outcome {
    let goodbye = async {
        // It may have ended by itself.
        let _ = handle.send(Command::Close).await;
        while events.recv().await.is_some() {}
    };
    let written = async {
        while !left.is_empty() {
            prints.give(&mut left).await;
        }
        drop(prints);
        match closed.written().await {
            Ok(()) => outcome.clone(),
            Err(error) => cannot_write(&error),
        }
    };
    let is_signal = matches!(outcome, Outcome::Signal(_));
    // Where the connection does not end in time, the end of the process ends it.
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
