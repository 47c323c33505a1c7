//! Nothing that was acknowledged is ever lost: real servers, real faults, and a judge.
//!
//! ```text
//! schedule ─▶ run ─▶ clients ─▶ proxy ─▶ server, with its files under the shim
//!                       │ write down
//!                       ▼
//!                    history ─▶ judge ─▶ anomalies: none, or the test fails
//! ```
//!
//! A `schedule` says what is done to a server, a `run` does it; the judge knows neither. Beside the schedules there are
//! the disk's own tests (`disk`, `power_cut`: with `shim`, Linux only) and the `controls`, in which the server is at
//! fault and the judge has to say so.
//!
//! Whatever is random comes from one seed, which is printed, and which `REALTIME_SEED` gives again: the same crowd and
//! the same faults, though not to the microsecond. A failure leaves its whole history in a file, a line an event.

mod client;
mod controls;
mod crowd;
#[cfg(target_os = "linux")]
mod disk;
mod history;
mod judge;
mod metrics;
mod nonsense;
mod outcome;
#[cfg(target_os = "linux")]
mod platter;
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

/// How many servers share a Redis.
const SERVERS: usize = 3;
/// The variable that says how long the soak goes on.
const SOAK: &str = "REALTIME_SOAK";

/// Rooms in memory, which live as long as the process.
async fn in_memory(crowd: Shape, seed: u64) -> Outcome {
    let site = Site::new().flag("--memory");
    let mut run = Run::start(site, crowd, seed, Recorder::new()).await;
    let ended = async {
        schedule::calm(&mut run).await?;
        schedule::network(&mut run).await
    };
    let ended = ended.await;
    run.finish(ended).await
}

/// Rooms in a file, which outlive it.
async fn in_a_file(crowd: Shape, seed: u64, kills: usize) -> Outcome {
    let site = Site::new();
    #[cfg(target_os = "linux")]
    let (site, shim) = shim::Shim::on(site);
    let mut run = Run::start(site, crowd, seed, Recorder::new()).await;
    let ended = async {
        schedule::calm(&mut run).await?;
        // A disk that takes a moment, so that kills fall into commits.
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

/// Servers that share a Redis.
async fn on_redis(crowd: Shape, seed: u64, kills: usize) -> Outcome {
    let cluster = Cluster::start(Redis::start(), SERVERS).await;
    let sites = || (0..SERVERS).map(|server| cluster.lead(server, Site::new()));
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
        schedule::killed(&mut run, kills).await?;
        schedule::stopped(&mut run).await?;
        schedule::deafness(&mut run, 3).await?;
        schedule::last_words(&mut run).await?;
        schedule::crashes(&mut run, 3).await?;
        schedule::pauses(&mut run).await?;
        #[cfg(target_os = "linux")]
        schedule::jumping_clock(&mut run, &shim).await?;
        schedule::network(&mut run).await
    };
    let ended: Result<(), Stuck> = ended.await;
    run.finish(ended).await
}

#[tokio::test]
async fn rooms_in_memory_survive_the_network() {
    in_memory(CROWD, seed()).await.is_sound("rooms_in_memory_survive_the_network");
}

#[tokio::test]
async fn rooms_in_a_file_survive_everything() {
    in_a_file(CROWD, seed(), 20).await.is_sound("rooms_in_a_file_survive_everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_on_redis_survive_everything() {
    on_redis(CROWD, seed(), 6).await.is_sound("rooms_on_redis_survive_everything");
}

/// Whatever Redis has lost, nobody misses it in silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_has_lost_is_said() {
    let cluster = Cluster::start(Redis::start(), SERVERS).await;
    let sites = (0..SERVERS).map(|server| cluster.lead(server, Site::new())).collect();
    let mut run = Run::start_all(sites, Some(cluster), CROWD, seed(), Recorder::new()).await;
    let ended = schedule::loss(&mut run).await;
    run.finish(ended).await.is_sound("what_redis_has_lost_is_said");
}

/// Round after round with new seeds, for as long as one likes; stops at the first anomaly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it goes on for as long as REALTIME_SOAK says: `just soak 2h`"]
async fn soak() {
    let until = Instant::now() + soak_time();
    let first = seed();
    for seed in (0..).map(|round| first.wrapping_add(round)) {
        in_a_file(BUSY_CROWD, seed, 60).await.is_sound("soak-in-a-file");
        in_memory(BUSY_CROWD, seed).await.is_sound("soak-in-memory");
        on_redis(BUSY_CROWD, seed, 30).await.is_sound("soak-on-redis");
        #[cfg(target_os = "linux")]
        power_cut::power_cuts(seed, 1_000).await;
        if Instant::now() > until {
            return;
        }
    }
}

/// What [`SOAK`] says: a number of seconds, minutes or hours.
fn soak_time() -> Duration {
    let text = std::env::var(SOAK).unwrap_or_else(|_| "10m".to_owned());
    let units = [('s', 1), ('m', 60), ('h', 3_600)];
    let seconds = units
        .iter()
        .find_map(|(unit, seconds)| Some(text.strip_suffix(*unit)?.parse::<u64>().ok()? * seconds));
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{SOAK} is a number and s, m or h, not {text:?}")))
}
