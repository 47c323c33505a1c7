//! `realtime-tui` without a screen: prints a room's messages (`tail`), or posts lines to a room (`send`).
//!
//! ```text
//! arguments ─ plan ─▶ tail ─┬─▶ feed (pure) ─▶ printed: text | json ─▶ printer ─▶ standard output and error
//!                     send ─┴─▶ ledger (pure) ◀─ input ◀─ standard input
//!                        both: net, watch (connection states), signals
//! ```
//!
//! Invariants:
//! - Remote text reaches an output only through `text` or `json`.
//! - The network's thread never blocks on a pipe. A stalled reader stops neither a signal nor the connection's end.
//! - All queues are bounded. A full queue makes its sender wait.
//!
//! A new command consists of a plan, a pure part that reacts to events, and a loop like `tail`'s.

mod backlog;
mod feed;
mod finish;
mod input;
mod json;
mod ledger;
mod plan;
mod printed;
mod printer;
mod send;
mod signals;
mod tail;
mod text;
mod watch;

use std::future::Future;

use crate::runtime::Outcome;

pub use plan::{PlanError, SendPlan, TailPlan};

/// Prints a room's messages until the output is closed, a signal arrives, or the server ends the connection.
#[must_use]
pub fn tail(plan: TailPlan) -> Outcome {
    block_on(tail::run(plan))
}

/// Posts in a room until every line is stored, refused or given up.
#[must_use]
pub fn send(plan: SendPlan) -> Outcome {
    block_on(send::run(plan))
}

/// Runs the command on this thread. Writes that still block on a pipe at the end are abandoned.
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
