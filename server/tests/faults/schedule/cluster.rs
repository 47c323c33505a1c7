//! Phases of what several servers share: a Redis that crashes or stops, and the way to it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Done;
use crate::client::Load;
use crate::history::Status;
use crate::proxy::Flow;
use crate::recorder::Board;
use crate::run::{Cluster, HERE, Run};

/// For how long Redis does nothing at all.
const PAUSE: Duration = Duration::from_secs(10);

/// Connections to Redis that were made anew.
const RECONNECTS: &str = "realtime_redis_reconnects_total";

fn cluster(run: &mut Run) -> &mut Cluster {
    run.cluster.as_mut().expect("these servers share a Redis")
}

/// Redis is killed, at last for long enough that messages are refused, and nobody loses a connection over it.
pub(crate) async fn crashes(run: &mut Run, times: usize) -> Done {
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
            run.keeps(&connections)?;
        }
        Ok(())
    })
    .await
}

/// Redis does nothing for ten seconds.
pub(crate) async fn pauses(run: &mut Run) -> Done {
    let provokes = &["client_refusals", "realtime_redis_reconnects_total"];
    run.phase("Redis stops for ten seconds", provokes, async |run| {
        run.crowd.load(Load::Short);
        run.acks(30).await?;
        let connections = run.all_connections();
        run.recorder.fault(HERE, "Redis is stopped");
        cluster(run).pause(true);
        tokio::time::sleep(PAUSE).await;
        cluster(run).pause(false);
        run.heal(BTreeMap::new()).await?;
        run.keeps(&connections)
    })
    .await
}

/// Waits until some messages are refused.
async fn refused(run: &Run) -> Done {
    let goal = run.recorder.look(|board| board.refusals) + 5;
    run.recorder.until("refusals", |board| board.refusals >= goal).await
}

/// The connection on which a server hears what is announced is cut, and held in one direction.
pub(crate) async fn deafness(run: &mut Run, times: usize) -> Done {
    let provokes = &["realtime_gap_fills_total", "realtime_redis_reconnects_total"];
    run.phase("servers that hear nothing", provokes, async |run| {
        for nth in 0..times {
            // Held, a server finds it out by itself; the bound of healing counts from the fault on.
            for how in [Flow::Cut, Flow::HeldToClient, Flow::Reset, Flow::HeldToServer] {
                if how != Flow::Cut && nth > 0 {
                    continue;
                }
                run.crowd.load(Load::Short);
                run.acks(30).await?;
                let node = run.any();
                let instance = run.nodes[node].instance;
                let before = run.sum(RECONNECTS).await;
                run.recorder.fault(instance, format!("its subscriber is {how:?}"));
                cluster(run).set_subscriber(node, how);
                run.acks(20).await?;
                // The next fault is for a connection that is there. What is announced passes where it is held the other way.
                if how != Flow::HeldToServer {
                    run.moves_from(&[RECONNECTS], before).await?;
                }
                run.heal(BTreeMap::new()).await?;
            }
        }
        Ok(())
    })
    .await
}

/// A server hears nothing of the last messages, and no other message comes that could show it.
pub(crate) async fn last_words(run: &mut Run) -> Done {
    let provokes = &["realtime_gap_fills_total"];
    run.phase("last words", provokes, async |run| {
        run.crowd.load(Load::Short);
        run.acks(30).await?;
        run.recorder.fault(HERE, "its subscriber hears nothing of the last messages");
        cluster(run).set_subscriber(0, Flow::HeldToClient);
        run.acks(60).await?;
        run.crowd.load(Load::Silent);
        run.recorder.until("all is acked", Board::is_acked).await?;
        cluster(run).set_subscriber(0, Flow::Reset);
        run.heal(BTreeMap::new()).await
    })
    .await
}

/// Redis comes back without the newest of what it took, and gives the numbers again: to those who stayed, and to those
/// who come back when there are more messages than before, all of them others.
pub(crate) async fn loss(run: &mut Run) -> Done {
    run.allows.insert(Status::Reset);
    let provokes = &["client_resyncs", "client_resets", "realtime_resyncs_total"];
    run.phase("Redis loses its newest", provokes, async |run| {
        run.crowd.load(Load::Short);
        run.acks(60).await?;
        let written = cluster(run).written();
        run.acks(60).await?;
        run.crowd.load(Load::Silent);
        run.recorder.until("all is quiet", Board::is_quiet).await?;
        run.crowd.dismiss();
        let gone = run.recorder.until("those who go are gone", |board| {
            board.clients.iter().all(|(client, standing)| !client.starts_with("goes") || !standing.present)
        });
        gone.await?;
        let before = run.recorder.look(|board| board.heads.clone());

        run.recorder.fault(HERE, "Redis is killed, and its file cut back");
        cluster(run).kill();
        cluster(run).cut(written);
        run.recorder.loss();
        cluster(run).restart();
        run.crowd.senders(Load::Short);
        let more = run.recorder.until("more in each room than before", |board| {
            before.iter().all(|(room, head)| board.heads.get(room) > Some(head))
        });
        more.await?;
        run.crowd.load(Load::Short);
        run.acks(60).await?;
        run.heal(BTreeMap::new()).await
    })
    .await
}
