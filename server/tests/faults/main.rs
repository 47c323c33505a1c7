//! Nothing that was acknowledged is ever lost: real servers, real faults, and a judge.
//!
//! ```text
//! schedule ─▶ run ─▶ clients ─▶ proxy ─▶ server
//!                       │ write down
//!                       ▼
//!                    history ─▶ judge ─▶ anomalies: none, or the test fails
//! ```
//!
//! A `schedule` says what is done to a server, a `run` does it; the judge knows neither. In the `controls` it is the
//! server that is at fault, and the judge has to say so.
//!
//! Whatever is random comes from one seed, which is printed, and which `REALTIME_SEED` gives again: the same crowd and
//! the same faults, though not to the microsecond. A failure leaves its whole history in a file, a line an event.

mod client;
mod controls;
mod crowd;
mod history;
mod judge;
mod metrics;
mod outcome;
mod probe;
mod proxy;
mod recorder;
mod run;
mod schedule;
mod server;
mod wire;

use crate::outcome::{Outcome, seed};
use crate::recorder::{Recorder, Stuck};
use crate::run::Run;
use crate::server::Site;

/// Rooms in memory, which live as long as the process.
async fn in_memory(seed: u64) -> Outcome {
    let site = Site::new().flag("--memory");
    let mut run = Run::start(site, schedule::CROWD, seed, Recorder::new()).await;
    let ended = async {
        schedule::calm(&mut run).await?;
        schedule::network(&mut run).await
    };
    let ended = ended.await;
    run.finish(ended).await
}

/// Rooms in a file, which outlive it.
async fn in_a_file(seed: u64, kills: usize) -> Outcome {
    let mut run = Run::start(Site::new(), schedule::CROWD, seed, Recorder::new()).await;
    let ended = async {
        schedule::calm(&mut run).await?;
        schedule::process(&mut run, kills).await?;
        schedule::network(&mut run).await
    };
    let ended: Result<(), Stuck> = ended.await;
    run.finish(ended).await
}

#[tokio::test]
async fn rooms_in_memory_survive_the_network() {
    in_memory(seed()).await.is_sound("rooms_in_memory_survive_the_network");
}

#[tokio::test]
async fn rooms_in_a_file_survive_everything() {
    in_a_file(seed(), 20).await.is_sound("rooms_in_a_file_survive_everything");
}
