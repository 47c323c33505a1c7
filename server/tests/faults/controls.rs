//! Negative controls: the server breaks a promise on purpose, and the judge must report it.
//!
//! The server is built with its feature `faults`. `REALTIME_FAULT` selects the broken promise. Each schedule has only
//! the faults that reveal it.

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

const CROWD: Shape = Shape {
    senders: 8,
    visitors: 0,
    listeners: 4,
    slow: 0,
    rooms: 3,
    pause: Duration::from_millis(20),
    changes: 0.0,
};

/// Runs a schedule against one server that breaks a promise.
async fn broken(site: Site, promise: &str, part: impl AsyncFnOnce(&mut Run) -> Result<(), Stuck>) -> Outcome {
    let site = site.env("REALTIME_FAULT", promise);
    let mut run = Run::start(site, CROWD, seed(), Recorder::new()).await;
    let ended = part(&mut run).await;
    run.finish(ended).await
}

/// The crowd that changes messages.
const CHANGING_CROWD: Shape = Shape { visitors: 4, changes: 0.5, ..CROWD };

/// Runs a schedule with changes against one server that breaks a promise.
async fn broken_changes(site: Site, promise: &str) -> Outcome {
    let site = site.env("REALTIME_FAULT", promise);
    let mut run = Run::start(site, CHANGING_CROWD, seed(), Recorder::new()).await;
    let ended = schedule::changes(&mut run).await;
    run.finish(ended).await
}

/// Runs a schedule against two servers that share a Redis and break a promise.
async fn broken_on(
    redis: Redis,
    promise: &str,
    part: impl AsyncFnOnce(&mut Run) -> Result<(), Stuck>,
) -> Outcome {
    let cluster = Cluster::start(redis, 2).await;
    let site = |server| cluster.route(server, Site::new().env("REALTIME_FAULT", promise));
    let sites = (0..2).map(site).collect();
    let shape = Shape { visitors: 2, ..CROWD };
    let mut run = Run::start_all(sites, Some(cluster), shape, seed(), Recorder::new()).await;
    let ended = part(&mut run).await;
    run.finish(ended).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_dedup_on_redis_breaks_rule_1() {
    let cuts = async |run: &mut Run| schedule::ended_connections(run, "cuts", Flow::Cut).await;
    let outcome = broken_on(Redis::start(), "no-dedup", cuts).await;
    outcome.assert_breaks("no_dedup_on_redis_breaks_rule_1", 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gap_fill_breaks_rule_3() {
    let lost_subscriptions = async |run: &mut Run| schedule::lost_subscriptions(run, 3).await;
    let outcome = broken_on(Redis::start(), "no-gap-fill", lost_subscriptions).await;
    outcome.assert_breaks("no_gap_fill_breaks_rule_3", 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tail_check_breaks_rule_9() {
    let outcome =
        broken_on(Redis::start(), "no-tail-check", async |run| schedule::lost_last_announcements(run).await)
            .await;
    outcome.assert_breaks("no_tail_check_breaks_rule_9", 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_id_check_breaks_rule_4() {
    let outcome = broken_on(Redis::start(), "no-id-check", async |run| schedule::redis_loss(run).await).await;
    outcome.assert_breaks("no_id_check_breaks_rule_4", 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_a_file_breaks_rule_1() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let outcome = broken_on(redis, "none", async |run| schedule::redis_crashes(run, 1).await).await;
    outcome.assert_breaks("a_redis_without_a_file_breaks_rule_1", 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_ack_before_the_commit_breaks_rule_1() {
    let (site, shim) = Shim::on(Site::new());
    // Leaves time for a kill between the ack and the commit.
    shim.delay_writes(Duration::from_millis(10));
    let outcome = broken(site, "ack-before-commit", async |run| schedule::kills(run, 2).await).await;
    outcome.assert_breaks("an_ack_before_the_commit_breaks_rule_1", 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_dedup_breaks_rule_1() {
    let (site, shim) = Shim::on(Site::new());
    // Leaves time for a cut between a message and its ack.
    shim.delay_syncs(Duration::from_millis(20));
    let outcome =
        broken(site, "no-dedup", async |run| schedule::ended_connections(run, "cuts", Flow::Cut).await).await;
    outcome.assert_breaks("no_dedup_breaks_rule_1", 1);
}

#[tokio::test]
async fn a_replay_that_is_off_by_one_breaks_rule_3() {
    let cuts = async |run: &mut Run| schedule::ended_connections(run, "cuts", Flow::Cut).await;
    let outcome = broken(Site::new(), "replay-off-by-one", cuts).await;
    outcome.assert_breaks("a_replay_that_is_off_by_one_breaks_rule_3", 3);
}

#[tokio::test]
async fn a_page_folded_without_as_of_breaks_rule_14() {
    for site in [Site::new().flag("--memory"), Site::new()] {
        let outcome = broken_changes(site, "page-without-as-of").await;
        outcome.assert_breaks("a_page_folded_without_as_of_breaks_rule_14", 14);
    }
}

#[tokio::test]
async fn a_deletion_that_leaves_the_ring_breaks_rule_15() {
    for site in [Site::new().flag("--memory"), Site::new()] {
        let outcome = broken_changes(site, "deletion-leaves-ring").await;
        outcome.assert_breaks("a_deletion_that_leaves_the_ring_breaks_rule_15", 15);
    }
}

#[tokio::test]
async fn a_marker_that_goes_back_breaks_rule_17() {
    let outcome = broken_changes(Site::new().flag("--memory"), "marker-goes-back").await;
    outcome.assert_breaks("a_marker_that_goes_back_breaks_rule_17", 17);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_without_a_tombstone_in_redis_breaks_rule_14() {
    let cluster = Cluster::start(Redis::start(), 2).await;
    let site = |server| cluster.route(server, Site::new().env("REALTIME_FAULT", "no-tombstone"));
    let sites = (0..2).map(site).collect();
    let mut run = Run::start_all(sites, Some(cluster), CHANGING_CROWD, seed(), Recorder::new()).await;
    let ended = schedule::changes(&mut run).await;
    run.finish(ended).await.assert_breaks("a_deletion_without_a_tombstone_in_redis_breaks_rule_14", 14);
}
