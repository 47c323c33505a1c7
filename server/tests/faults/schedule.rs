//! The schedules: what is done to a server, phase after phase.
//!
//! To add a fault: a function here that is a phase, with what it provokes, and a line in the schedules that have it.

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

pub(crate) use self::cluster::{crashes, deafness, last_words, loss, pauses};
#[cfg(target_os = "linux")]
pub(crate) use self::shimmed::{full_disk, jumping_clock};

/// A crowd that leaves other tests some of the machine.
pub(crate) const CROWD: Shape =
    Shape { senders: 12, goers: 4, members: 8, slow: 2, rooms: 6, pause: Duration::from_millis(50) };
/// The same people, who have more to say: more than a slow reader takes, who would never be through.
pub(crate) const BUSY_CROWD: Shape = Shape { pause: Duration::from_millis(5), slow: 0, ..CROWD };

type Done = Result<(), Stuck>;

/// What clients see of faults in the network, and of those who do not read.
pub(crate) async fn network(run: &mut Run) -> Done {
    ended(run, "cuts", Flow::Cut).await?;
    ended(run, "resets", Flow::Reset).await?;
    black_holes(run).await?;
    stopped_reader(run).await?;
    all_at_once(run).await
}

/// What becomes of what was acknowledged when the process ends.
pub(crate) async fn process(run: &mut Run, kills: usize) -> Done {
    killed(run, kills).await?;
    stopped(run).await
}

/// Nothing happens, but that people come and go.
pub(crate) async fn calm(run: &mut Run) -> Done {
    let provokes = &["realtime_messages_accepted_total", "realtime_deliveries_total"];
    run.phase("calm", provokes, async |run| {
        run.crowd.load(Load::Short);
        for _ in 0..5 {
            run.acks(30).await?;
            run.crowd.stir(&mut run.rng);
        }
        Ok(())
    })
    .await
}

/// Killed under load, again and again; some times more where no kill has yet fallen between a commit and its ack.
pub(crate) async fn killed(run: &mut Run, kills: usize) -> Done {
    let hits = "realtime_dedup_hits_total";
    let provokes = &[
        "client_reconnects",
        "realtime_commit_seconds_count",
        hits,
        "realtime_replays_total{status=\"complete\"}",
    ];
    run.phase("kills", provokes, async |run| {
        let before = run.ever(hits).await;
        for kill in 0..10 * kills {
            if kill >= kills && run.ever(hits).await > before {
                break;
            }
            run.crowd.load(Load::Short);
            run.crowd.stir(&mut run.rng);
            let load = run.rng.u64(20..60);
            run.acks(load).await?;
            // Now and then nothing has healed yet when it is killed again.
            for _ in 0..usize::from(run.rng.u8(..4) == 0) {
                let node = run.any();
                run.kill_at_once(node).await?;
            }
            let node = run.any();
            run.kill(node).await?;
        }
        Ok(())
    })
    .await
}

/// Stopped as an operator does.
pub(crate) async fn stopped(run: &mut Run) -> Done {
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

/// Some connections end while acks are on their way.
pub(crate) async fn ended(run: &mut Run, name: &str, how: Flow) -> Done {
    let provokes =
        &["client_reconnects", "realtime_dedup_hits_total", "realtime_replays_total{status=\"complete\"}"];
    run.phase(name, provokes, async |run| {
        for _ in 0..8 {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            let some = run.crowd.some(0.4, &mut run.rng);
            run.end_between_message_and_ack(&some, how).await?;
        }
        Ok(())
    })
    .await
}

/// Nothing passes on some connections, both ways or one, until both sides have given them up.
async fn black_holes(run: &mut Run) -> Done {
    let provokes = &["client_reconnects", "client_closes=4006", "realtime_dedup_hits_total"];
    run.phase("black holes", provokes, async |run| {
        for how in [Flow::Held, Flow::HeldToServer, Flow::HeldToClient] {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            let some = run.crowd.some(0.3, &mut run.rng);
            run.hold(&some, how).await?;
        }
        Ok(())
    })
    .await
}

/// Somebody stops reading while there is much to read. Where that is too little to fill what is between in time, the
/// server gives them up for their silence, and it is somebody else's turn.
async fn stopped_reader(run: &mut Run) -> Done {
    let (too_slow, silent) = ("realtime_closes_total{code=\"4008\"}", "realtime_closes_total{code=\"4006\"}");
    let provokes = &[too_slow, "realtime_replays_total{status=\"complete\"}"];
    run.phase("a reader that stops", provokes, async |run| {
        for _ in 0..10 {
            let before = run.sum(too_slow).await;
            run.crowd.load(Load::Long);
            let reader = run.crowd.listener(&mut run.rng);
            let left = run.connections(&reader);
            run.crowd.deafen(&reader);
            run.moves(&[too_slow, silent]).await?;
            run.crowd.load(Load::Short);
            if run.sum(too_slow).await > before {
                return run.heal(left).await;
            }
            run.heal(BTreeMap::new()).await?;
        }
        Ok(())
    })
    .await
}

/// Everybody has to come back at once.
async fn all_at_once(run: &mut Run) -> Done {
    let provokes = &["client_reconnects", "realtime_replays_total{status=\"complete\"}"];
    run.phase("all at once", provokes, async |run| {
        for _ in 0..4 {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            let all: BTreeSet<_> = run.all_connections().into_keys().collect();
            run.end(&all, Flow::Reset).await?;
        }
        Ok(())
    })
    .await
}
