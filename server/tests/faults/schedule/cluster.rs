//! Phases for servers that share a Redis: crashes and pauses of Redis, and faults on the way to it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Done;
use crate::client::Load;
use crate::history::Status;
use crate::proxy::Flow;
use crate::recorder::Progress;
use crate::run::{Cluster, HERE, Run};

/// Duration of a pause of Redis.
const PAUSE: Duration = Duration::from_secs(10);

/// Counter of reconnects to Redis.
const RECONNECTS: &str = "realtime_redis_reconnects_total";

fn cluster(run: &mut Run) -> &mut Cluster {
    run.cluster.as_mut().expect("these servers share a Redis")
}

/// Kills Redis. The last time it stays down until messages are refused. No client loses its connection.
pub(crate) async fn redis_crashes(run: &mut Run, times: usize) -> Done {
    let provokes = &["realtime_redis_reconnects_total", "client_refusals"];
    run.phase("Redis crashes", provokes, async |run| {
        for nth in 1..=times {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            let connections = run.all_connections();
            run.recorder.fault(HERE, "Redis is killed");
            cluster(run).kill();
            if nth == times {
                refused(run).await?;
            }
            cluster(run).restart();
            run.heal(BTreeMap::new()).await?;
            run.expect_connections(&connections)?;
        }
        Ok(())
    })
    .await
}

/// Suspends Redis for ten seconds.
pub(crate) async fn redis_pause(run: &mut Run) -> Done {
    let provokes = &["client_refusals", "realtime_redis_reconnects_total"];
    run.phase("Redis pause", provokes, async |run| {
        run.crowd.load(Load::Short);
        run.acks(30).await?;
        let connections = run.all_connections();
        run.recorder.fault(HERE, "Redis is stopped");
        cluster(run).pause(true);
        tokio::time::sleep(PAUSE).await;
        cluster(run).pause(false);
        run.heal(BTreeMap::new()).await?;
        run.expect_connections(&connections)
    })
    .await
}

/// Waits for five refusals.
async fn refused(run: &Run) -> Done {
    let goal = run.recorder.progress(|progress| progress.refusals) + 5;
    run.recorder.until("refusals", |progress| progress.refusals >= goal).await
}

/// Cuts and resets the subscription of a server, and holds it in each direction.
pub(crate) async fn lost_subscriptions(run: &mut Run, times: usize) -> Done {
    let provokes = &["realtime_gap_fills_total", "realtime_redis_reconnects_total"];
    run.phase("lost subscriptions", provokes, async |run| {
        for nth in 0..times {
            // A server detects a held subscription itself. The time limit of recovery counts from the fault.
            for how in [Flow::Cut, Flow::HeldToClient, Flow::Reset, Flow::HeldToServer] {
                if how != Flow::Cut && nth > 0 {
                    continue;
                }
                run.crowd.load(Load::Short);
                run.acks(30).await?;
                let node = run.random_node();
                let instance = run.nodes[node].instance;
                let before = run.sum(RECONNECTS).await;
                run.recorder.fault(instance, format!("its subscription is {how:?}"));
                cluster(run).set_subscription_flow(node, how);
                run.acks(20).await?;
                // The next fault needs a connection. Announcements still arrive if the other direction is held.
                if how != Flow::HeldToServer {
                    run.wait_for_change_from(&[RECONNECTS], before).await?;
                }
                run.heal(BTreeMap::new()).await?;
            }
        }
        Ok(())
    })
    .await
}

/// Withholds the last messages from a server. No later message reveals the gap.
pub(crate) async fn lost_last_announcements(run: &mut Run) -> Done {
    let provokes = &["realtime_gap_fills_total"];
    run.phase("lost last announcements", provokes, async |run| {
        run.crowd.load(Load::Short);
        run.acks(30).await?;
        run.recorder.fault(HERE, "its subscription is held");
        cluster(run).set_subscription_flow(0, Flow::HeldToClient);
        run.acks(60).await?;
        run.crowd.load(Load::Silent);
        run.recorder.until("all messages are acked", Progress::is_acked).await?;
        cluster(run).set_subscription_flow(0, Flow::Reset);
        run.heal(BTreeMap::new()).await
    })
    .await
}

/// Restarts Redis without its newest entries, so that it assigns their seqs again. Clients that stayed are notified.
/// Visitors return when each room has more entries than before.
pub(crate) async fn redis_loss(run: &mut Run) -> Done {
    run.allows.insert(Status::Reset);
    let provokes = &["client_resyncs", "client_resets", "realtime_resyncs_total"];
    run.phase("Redis loss", provokes, async |run| {
        run.crowd.load(Load::Short);
        run.acks(60).await?;
        let written = cluster(run).written();
        run.acks(60).await?;
        run.crowd.load(Load::Silent);
        run.recorder.until("all clients are idle", Progress::is_quiet).await?;
        run.crowd.send_visitors_away();
        let gone = run.recorder.until("all visitors are away", |progress| {
            progress
                .clients
                .iter()
                .all(|(client, standing)| !client.starts_with("visitor") || !standing.present)
        });
        gone.await?;
        let before = run.recorder.progress(|progress| progress.heads.clone());

        run.recorder.fault(HERE, "Redis is killed, and its file is cut");
        cluster(run).kill();
        cluster(run).cut(written);
        run.recorder.loss();
        cluster(run).restart();
        run.crowd.load_senders(Load::Short);
        let more = run.recorder.until("more entries in each room than before", |progress| {
            before.iter().all(|(room, head)| progress.heads.get(room) > Some(head))
        });
        more.await?;
        run.crowd.load(Load::Short);
        run.acks(60).await?;
        run.heal(BTreeMap::new()).await
    })
    .await
}
