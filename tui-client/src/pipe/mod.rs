//! `realtime-tui` without a screen: a room's messages to standard output, lines to a room.
//!
//! ```text
//! arguments ─ plan ─▶ tail ─┬─▶ feed (pure) ─▶ text | json ─▶ printer ─▶ standard output and error
//!                     send ─┴─▶ ledger (pure) ◀─ input ◀─ standard input
//!                        both: net, watch (what a state of the connection means), signals
//! ```
//!
//! Invariants: nothing that somebody else wrote reaches an output but through `text` or `json`; nothing here waits
//! for a pipe on the thread that the network runs on, so that a reader that stands still stops neither a signal nor
//! the connection's end; all queues are bounded, and a full one is waited for.
//!
//! A new command is a plan, a pure part that says what each event means, and a loop beside `tail`'s.

mod backlog;
mod feed;
mod finish;
mod input;
mod json;
mod ledger;
mod plan;
mod printer;
mod send;
mod signals;
mod tail;
mod text;
mod watch;

use std::future::Future;

use crate::runtime::Outcome;

pub use plan::{PlanError, SendPlan, TailPlan};

/// Prints what is said in a room, until nobody reads it, a signal comes or the server wants no more of it.
#[must_use]
pub fn tail(plan: TailPlan) -> Outcome {
    block_on(tail::run(plan))
}

/// Posts in a room, until all is stored, refused or given up.
#[must_use]
pub fn send(plan: SendPlan) -> Outcome {
    block_on(send::run(plan))
}

/// Runs it on this thread. What still waits for a pipe at the end is left behind.
fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(command);
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Outcome::Failed(format!("cannot start: {error}")),
    }
}
