//! Negative controls: a server that breaks a promise on purpose, and a judge that has to notice.
//!
//! The server is built with its feature `faults`, and told which promise by `REALTIME_FAULT`. What is done to it is only
//! what shows that one.

use std::time::Duration;

use crate::crowd::Shape;
use crate::outcome::{Outcome, seed};
use crate::proxy::Flow;
use crate::recorder::{Recorder, Stuck};
use crate::redis::Redis;
use crate::run::{Cluster, Run};
use crate::schedule;
use crate::server::Site;
#[cfg(target_os = "linux")]
use crate::shim::Shim;

const CROWD: Shape =
    Shape { senders: 8, goers: 0, members: 4, slow: 0, rooms: 3, pause: Duration::from_millis(20) };

/// What a schedule shows of a server that breaks a promise.
async fn broken(site: Site, promise: &str, part: impl AsyncFnOnce(&mut Run) -> Result<(), Stuck>) -> Outcome {
    let site = site.env("REALTIME_FAULT", promise);
    let mut run = Run::start(site, CROWD, seed(), Recorder::new()).await;
    let ended = part(&mut run).await;
    run.finish(ended).await
}

/// The same of two servers that share a Redis.
async fn broken_on(
    redis: Redis,
    promise: &str,
    part: impl AsyncFnOnce(&mut Run) -> Result<(), Stuck>,
) -> Outcome {
    let cluster = Cluster::start(redis, 2).await;
    let site = |server| cluster.lead(server, Site::new().env("REALTIME_FAULT", promise));
    let sites = (0..2).map(site).collect();
    let shape = Shape { goers: 2, ..CROWD };
    let mut run = Run::start_all(sites, Some(cluster), shape, seed(), Recorder::new()).await;
    let ended = part(&mut run).await;
    run.finish(ended).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_dedup_on_redis_breaks_rule_1() {
    let cuts = async |run: &mut Run| schedule::ended(run, "cuts", Flow::Cut).await;
    let outcome = broken_on(Redis::start(), "no-dedup", cuts).await;
    outcome.breaks("no_dedup_on_redis_breaks_rule_1", 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gap_fill_breaks_rule_3() {
    let deafness = async |run: &mut Run| schedule::deafness(run, 3).await;
    let outcome = broken_on(Redis::start(), "no-gap-fill", deafness).await;
    outcome.breaks("no_gap_fill_breaks_rule_3", 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tail_check_breaks_rule_9() {
    let outcome =
        broken_on(Redis::start(), "no-tail-check", async |run| schedule::last_words(run).await).await;
    outcome.breaks("no_tail_check_breaks_rule_9", 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_id_check_breaks_rule_4() {
    let outcome = broken_on(Redis::start(), "no-id-check", async |run| schedule::loss(run).await).await;
    outcome.breaks("no_id_check_breaks_rule_4", 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_a_file_breaks_rule_1() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let outcome = broken_on(redis, "none", async |run| schedule::crashes(run, 1).await).await;
    outcome.breaks("a_redis_without_a_file_breaks_rule_1", 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_ack_before_the_commit_breaks_rule_1() {
    let (site, shim) = Shim::on(Site::new());
    // Time to be killed in between.
    shim.delay_writes(Duration::from_millis(10));
    let outcome = broken(site, "ack-before-commit", async |run| schedule::killed(run, 2).await).await;
    outcome.breaks("an_ack_before_the_commit_breaks_rule_1", 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_dedup_breaks_rule_1() {
    let (site, shim) = Shim::on(Site::new());
    // Time to be cut off between a message and its ack.
    shim.delay_syncs(Duration::from_millis(20));
    let outcome = broken(site, "no-dedup", async |run| schedule::ended(run, "cuts", Flow::Cut).await).await;
    outcome.breaks("no_dedup_breaks_rule_1", 1);
}

#[tokio::test]
async fn a_replay_that_is_off_by_one_breaks_rule_3() {
    let cuts = async |run: &mut Run| schedule::ended(run, "cuts", Flow::Cut).await;
    let outcome = broken(Site::new(), "replay-off-by-one", cuts).await;
    outcome.breaks("a_replay_that_is_off_by_one_breaks_rule_3", 3);
}
