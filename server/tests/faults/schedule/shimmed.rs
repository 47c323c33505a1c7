//! Phases that use the shim: a full disk and a clock that jumps.

use std::collections::BTreeMap;

use super::Done;
use crate::client::Load;
use crate::proxy::Flow;
use crate::run::{HERE, Run};
use crate::shim::Shim;

/// Size of a jump, in seconds.
const HOUR_S: i64 = 3_600;

/// Fills the disk for a while. Messages are refused, clients stay connected, and refused messages are stored
/// afterwards.
pub(crate) async fn full_disk(run: &mut Run, shim: &Shim) -> Done {
    let provokes = &["client_refusals"];
    run.phase("full disk", provokes, async |run| {
        for _ in 0..2 {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            run.recorder.fault(HERE, "the disk is full");
            shim.fill_disk(true);
            let goal = run.recorder.progress(|progress| progress.refusals) + 20;
            run.recorder.until("refusals", |progress| progress.refusals >= goal).await?;
            shim.fill_disk(false);
            run.heal(BTreeMap::new()).await?;
        }
        Ok(())
    })
    .await
}

/// Moves the time of day an hour ahead and back, and ends connections before and after each jump.
pub(crate) async fn jumping_clock(run: &mut Run, shim: &Shim) -> Done {
    let provokes = &["client_clock_jumps", "client_reconnects", "realtime_dedup_hits_total"];
    run.phase("clock jumps", provokes, async |run| {
        for ahead in [HOUR_S, 0, -HOUR_S, 0] {
            for jumped in [false, true] {
                run.crowd.load(Load::Short);
                run.acks(20).await?;
                if jumped {
                    run.recorder.fault(HERE, "the clock jumps");
                    shim.set_clock(ahead);
                }
                let some = run.crowd.pick_share(0.4, &mut run.rng);
                run.end_between_message_and_ack(&some, Flow::Cut).await?;
            }
        }
        Ok(())
    })
    .await
}
