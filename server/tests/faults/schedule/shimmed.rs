//! Phases of what the shim does: a disk that is full, and a clock that jumps.

use std::collections::BTreeMap;

use super::Done;
use crate::client::Load;
use crate::proxy::Flow;
use crate::run::{HERE, Run};
use crate::shim::Shim;

/// How far the clock jumps.
const HOUR_S: i64 = 3_600;

/// The disk is full for a while: everybody is refused and stays, and what was refused is stored afterwards.
pub(crate) async fn full_disk(run: &mut Run, shim: &Shim) -> Done {
    let provokes = &["client_refusals"];
    run.phase("a full disk", provokes, async |run| {
        for _ in 0..2 {
            run.crowd.load(Load::Short);
            run.acks(30).await?;
            run.recorder.fault(HERE, "the disk is full");
            shim.fill_disk(true);
            let goal = run.recorder.look(|board| board.refusals) + 20;
            run.recorder.until("refusals", |board| board.refusals >= goal).await?;
            shim.fill_disk(false);
            run.heal(BTreeMap::new()).await?;
        }
        Ok(())
    })
    .await
}

/// The time of day jumps an hour ahead and back, and connections are lost on both sides of it.
pub(crate) async fn jumping_clock(run: &mut Run, shim: &Shim) -> Done {
    let provokes = &["client_clock_jumps", "client_reconnects", "realtime_dedup_hits_total"];
    run.phase("a clock that jumps", provokes, async |run| {
        for ahead in [HOUR_S, 0, -HOUR_S, 0] {
            for jumped in [false, true] {
                run.crowd.load(Load::Short);
                run.acks(20).await?;
                if jumped {
                    run.recorder.fault(HERE, "the clock jumps");
                    shim.set_clock(ahead);
                }
                let some = run.crowd.some(0.4, &mut run.rng);
                run.end_between_message_and_ack(&some, Flow::Cut).await?;
            }
        }
        Ok(())
    })
    .await
}
