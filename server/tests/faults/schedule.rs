//! The schedules: sequences of phases, each with a fault.
//!
//! To add a fault: write a function here that runs a phase and names the counters that it moves, and call it in the
//! schedules that need it.

mod cluster;
#[cfg(target_os = "linux")]
mod shimmed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::client::Load;
use crate::crowd::Shape;
use crate::proxy::Flow;
use crate::recorder::Stuck;
use crate::run::Run;

pub(crate) use self::cluster::{
    lost_last_announcements, lost_subscriptions, redis_crashes, redis_loss, redis_pause,
};
#[cfg(target_os = "linux")]
pub(crate) use self::shimmed::{full_disk, jumping_clock};

/// A crowd small enough to run beside other tests.
pub(crate) const CROWD: Shape = Shape {
    senders: 12,
    visitors: 4,
    listeners: 8,
    slow: 2,
    rooms: 6,
    pause: Duration::from_millis(50),
    changes: 0.3,
};
/// The same crowd with more traffic, and without slow readers, who would never catch up.
pub(crate) const BUSY_CROWD: Shape = Shape { pause: Duration::from_millis(5), slow: 0, ..CROWD };

type Done = Result<(), Stuck>;

/// Faults of the network and of readers.
pub(crate) async fn network(run: &mut Run) -> Done {
    ended_connections(run, "cuts", Flow::Cut).await?;
    ended_connections(run, "resets", Flow::Reset).await?;
    black_holes(run).await?;
    stopped_reader(run).await?;
    slow_readers(run).await?;
    simultaneous_reconnects(run).await
}

/// Kills and stops of the process.
pub(crate) async fn process(run: &mut Run, count: usize) -> Done {
    kills(run, count).await?;
    stops(run).await
}

/// No faults; visitors come and go.
pub(crate) async fn calm(run: &mut Run) -> Done {
    let provokes = &["realtime_messages_accepted_total", "realtime_deliveries_total"];
    run.phase("calm", provokes, async |run| {
        run.crowd.load(Load::Short);
        for _ in 0..5 {
            run.acks(30).await?;
            run.crowd.toggle_visitors(&mut run.rng);
        }
        Ok(())
    })
    .await
}

/// Changes of messages, also while visitors are away. What they missed may be deleted when they return.
pub(crate) async fn changes(run: &mut Run) -> Done {
    let provokes = &["client_changes", "client_deletions", "client_rejections", "client_pages"];
    run.phase("changes", provokes, async |run| {
        for _ in 0..5 {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            run.crowd.send_visitors_away();
            run.deletions(4).await?;
        }
        run.rejection().await?;
        run.crowd.load(Load::Short);
        run.heal(BTreeMap::new()).await
    })
    .await
}

/// Kills under load. Continues, up to ten times as often, until a kill has fallen between a commit and its ack.
pub(crate) async fn kills(run: &mut Run, count: usize) -> Done {
    let hits = "realtime_dedup_hits_total";
    let provokes = &[
        "client_reconnects",
        "realtime_commit_seconds_count",
        hits,
        "realtime_replays_total{status=\"complete\"}",
    ];
    run.phase("kills", provokes, async |run| {
        let before = run.total(hits).await;
        for kill in 0..10 * count {
            if kill >= count && run.total(hits).await > before {
                break;
            }
            run.crowd.load(Load::Short);
            run.crowd.toggle_visitors(&mut run.rng);
            let load = run.rng.u64(20..60);
            run.acks(load).await?;
            // Sometimes a second kill follows before recovery.
            for _ in 0..usize::from(run.rng.u8(..4) == 0) {
                let node = run.random_node();
                run.kill_without_waiting(node).await?;
            }
            let node = run.random_node();
            run.kill(node).await?;
        }
        Ok(())
    })
    .await
}

/// Stops with SIGTERM.
pub(crate) async fn stops(run: &mut Run) -> Done {
    let provokes =
        &["client_reconnects", "client_closes=1012", "realtime_replays_total{status=\"complete\"}"];
    run.phase("stops", provokes, async |run| {
        for node in 0..run.nodes.len().max(2) {
            run.crowd.load(Load::Short);
            run.acks(40).await?;
            run.stop(node % run.nodes.len()).await?;
        }
        Ok(())
    })
    .await
}

/// Ends some connections while acks are on their way.
pub(crate) async fn ended_connections(run: &mut Run, name: &str, how: Flow) -> Done {
    let provokes =
        &["client_reconnects", "realtime_dedup_hits_total", "realtime_replays_total{status=\"complete\"}"];
    run.phase(name, provokes, async |run| {
        for _ in 0..8 {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            let some = run.crowd.pick_share(0.4, &mut run.rng);
            run.end_between_message_and_ack(&some, how).await?;
        }
        Ok(())
    })
    .await
}

/// Holds some connections in one or both directions until both sides have dropped them.
async fn black_holes(run: &mut Run) -> Done {
    let provokes = &["client_reconnects", "client_closes=4006", "realtime_dedup_hits_total"];
    run.phase("black holes", provokes, async |run| {
        for how in [Flow::Held, Flow::HeldToServer, Flow::HeldToClient] {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            let some = run.crowd.pick_share(0.3, &mut run.rng);
            run.hold_connections(&some, how).await?;
        }
        Ok(())
    })
    .await
}

/// A listener stops reading under heavy traffic. If the traffic is too little to fill the buffers in time, the server
/// closes the silent listener with 4006, and another one stops reading.
async fn stopped_reader(run: &mut Run) -> Done {
    let (too_slow, silent) = ("realtime_closes_total{code=\"4008\"}", "realtime_closes_total{code=\"4006\"}");
    let provokes = &[too_slow, "realtime_replays_total{status=\"complete\"}"];
    run.phase("stopped reader", provokes, async |run| {
        for _ in 0..10 {
            let before = run.sum(too_slow).await;
            run.crowd.load(Load::Long);
            let reader = run.crowd.pick_listener(&mut run.rng);
            let left = run.connections(&reader);
            run.crowd.stop_reading(&reader);
            run.wait_for_change(&[too_slow, silent]).await?;
            run.crowd.load(Load::Short);
            run.heal(BTreeMap::new()).await?;
            // The server may have closed a connection that the phase before has held.
            if run.sum(too_slow).await > before && run.connections(&reader) != left {
                break;
            }
        }
        Ok(())
    })
    .await
}

/// Listeners pause under heavy traffic until one of them has fallen behind the ring. Its next messages come from the store.
async fn slow_readers(run: &mut Run) -> Done {
    let behind = "realtime_readers_behind_total";
    run.phase("slow readers", &[behind], async |run| {
        // The pauses become longer: a short one does not fill the buffers, and a long one ends with 4008.
        for pause in 0..20 {
            let before = run.sum(behind).await;
            run.crowd.load(Load::Long);
            let reader = run.crowd.pick_listener(&mut run.rng);
            run.crowd.stop_reading(&reader);
            run.acks(60 + 30 * pause).await?;
            run.crowd.load(Load::Short);
            run.heal(BTreeMap::new()).await?;
            if run.sum(behind).await > before {
                return Ok(());
            }
        }
        Ok(())
    })
    .await
}

/// All clients reconnect at once.
async fn simultaneous_reconnects(run: &mut Run) -> Done {
    let provokes = &["client_reconnects", "realtime_replays_total{status=\"complete\"}"];
    run.phase("simultaneous reconnects", provokes, async |run| {
        for _ in 0..4 {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            let all: BTreeSet<_> = run.all_connections().into_keys().collect();
            run.end_connections(&all, Flow::Reset).await?;
        }
        Ok(())
    })
    .await
}
