//! Fault tests with real servers and a judge: no acknowledged message is lost.
//!
//! ```text
//! schedule ─▶ run ─▶ clients ─▶ proxy ─▶ server, with its files under the shim
//!                       │ record
//!                       ▼
//!                    history ─▶ judge ─▶ anomalies: none, or the test fails
//! ```
//!
//! A `schedule` lists faults and a `run` applies them; the judge knows neither. Further tests check a faulty disk
//! (`disk_faults`), a clock that is set (`clock_faults`) and power cuts (`power_cut`); they need `shim`, which works on Linux only. In the `controls` the
//! server has a bug, and the judge must report it.
//!
//! All randomness comes from one seed. A run prints its seed, and `REALTIME_SEED` repeats it: the crowd and the faults
//! are the same, their timing is not exactly. A failed run writes its whole history to a file, one event per line.

mod client;
#[cfg(target_os = "linux")]
mod clock_faults;
mod controls;
mod crowd;
#[cfg(target_os = "linux")]
mod disk_faults;
#[cfg(target_os = "linux")]
mod disk_model;
mod history;
mod judge;
mod metrics;
mod outcome;
mod violations;

#[cfg(target_os = "linux")]
mod power_cut;
mod probe;
mod proxy;
mod recorder;
#[path = "../support/redis.rs"]
mod redis;
mod run;
mod schedule;
mod server;
#[cfg(target_os = "linux")]
mod shim;
mod wire;

use std::time::{Duration, Instant};

use crate::crowd::Shape;
use crate::outcome::{Outcome, seed};
use crate::recorder::{Recorder, Stuck};
use crate::redis::Redis;
use crate::run::{Cluster, Run};
use crate::schedule::{BUSY_CROWD, CROWD};
use crate::server::Site;

/// Number of servers that share a Redis.
const SERVERS: usize = 3;
/// Variable with the duration of the soak test.
const SOAK: &str = "REALTIME_SOAK";

/// Rooms in memory. They are lost with the process, so the schedule has network faults only.
async fn in_memory(crowd: Shape, seed: u64) -> Outcome {
    let site = Site::new().flag("--memory");
    let mut run = Run::start(site, crowd, seed, Recorder::new()).await;
    let ended = async {
        schedule::calm(&mut run).await?;
        schedule::changes(&mut run).await?;
        schedule::network(&mut run).await
    };
    let ended = ended.await;
    run.finish(ended).await
}

/// Rooms in a file. They outlive the process.
async fn in_a_file(crowd: Shape, seed: u64, kills: usize) -> Outcome {
    let site = Site::new();
    #[cfg(target_os = "linux")]
    let (site, shim) = shim::Shim::on(site);
    let mut run = Run::start(site, crowd, seed, Recorder::new()).await;
    let ended = async {
        schedule::calm(&mut run).await?;
        schedule::changes(&mut run).await?;
        // A slow disk, so that kills fall into commits.
        #[cfg(target_os = "linux")]
        shim.delay_syncs(Duration::from_millis(3));
        schedule::process(&mut run, kills).await?;
        #[cfg(target_os = "linux")]
        {
            shim.delay_syncs(Duration::ZERO);
            schedule::full_disk(&mut run, &shim).await?;
            schedule::jumping_clock(&mut run, &shim).await?;
        }
        schedule::network(&mut run).await
    };
    let ended: Result<(), Stuck> = ended.await;
    run.finish(ended).await
}

/// Several servers that share a Redis.
async fn on_redis(crowd: Shape, seed: u64, kills: usize) -> Outcome {
    let cluster = Cluster::start(Redis::start(), SERVERS).await;
    let sites = || (0..SERVERS).map(|server| cluster.route(server, Site::new()));
    let mut sites: Vec<Site> = sites().collect();
    #[cfg(target_os = "linux")]
    let shim = {
        let (site, shim) = shim::Shim::on(sites.remove(0));
        sites.insert(0, site);
        shim
    };
    let mut run = Run::start_all(sites, Some(cluster), crowd, seed, Recorder::new()).await;
    let ended = async {
        schedule::calm(&mut run).await?;
        schedule::changes(&mut run).await?;
        schedule::kills(&mut run, kills).await?;
        schedule::stops(&mut run).await?;
        schedule::lost_subscriptions(&mut run, 3).await?;
        schedule::lost_last_announcements(&mut run).await?;
        schedule::redis_crashes(&mut run, 3).await?;
        schedule::redis_pause(&mut run).await?;
        #[cfg(target_os = "linux")]
        schedule::jumping_clock(&mut run, &shim).await?;
        schedule::network(&mut run).await
    };
    let ended: Result<(), Stuck> = ended.await;
    run.finish(ended).await
}

#[tokio::test]
async fn rooms_in_memory_survive_the_network() {
    in_memory(CROWD, seed()).await.assert_sound("rooms_in_memory_survive_the_network");
}

#[tokio::test]
async fn rooms_in_a_file_survive_everything() {
    in_a_file(CROWD, seed(), 20).await.assert_sound("rooms_in_a_file_survive_everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_on_redis_survive_everything() {
    on_redis(CROWD, seed(), 6).await.assert_sound("rooms_on_redis_survive_everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_notified_of_entries_that_redis_lost() {
    let cluster = Cluster::start(Redis::start(), SERVERS).await;
    let sites = (0..SERVERS).map(|server| cluster.route(server, Site::new())).collect();
    let mut run = Run::start_all(sites, Some(cluster), CROWD, seed(), Recorder::new()).await;
    let ended = schedule::redis_loss(&mut run).await;
    run.finish(ended).await.assert_sound("clients_are_notified_of_entries_that_redis_lost");
}

/// Repeats all runs with new seeds for the time in [`SOAK`]. Stops at the first anomaly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it runs for the time in REALTIME_SOAK: `just soak 2h`"]
async fn soak() {
    let until = Instant::now() + soak_time();
    let first = seed();
    for seed in (0..).map(|round| first.wrapping_add(round)) {
        in_a_file(BUSY_CROWD, seed, 60).await.assert_sound("soak-in-a-file");
        in_memory(BUSY_CROWD, seed).await.assert_sound("soak-in-memory");
        on_redis(BUSY_CROWD, seed, 30).await.assert_sound("soak-on-redis");
        #[cfg(target_os = "linux")]
        power_cut::power_cuts(seed, 1_000).await;
        if Instant::now() > until {
            return;
        }
    }
}

/// Duration in [`SOAK`]: a number with the unit s, m or h. The default is 10 minutes.
fn soak_time() -> Duration {
    let text = std::env::var(SOAK).unwrap_or_else(|_| "10m".to_owned());
    let units = [('s', 1), ('m', 60), ('h', 3_600)];
    let seconds = units
        .iter()
        .find_map(|(unit, seconds)| Some(text.strip_suffix(*unit)?.parse::<u64>().ok()? * seconds));
    Duration::from_secs(
        seconds.unwrap_or_else(|| panic!("{SOAK} must be a number with the unit s, m or h, not {text:?}")),
    )
}
