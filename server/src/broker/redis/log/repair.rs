//! Repair of replicas: one task for each room finds and fetches missing entries.
//!
//! The stream is the source of truth; an announcement is only a hint that it has grown. The next announcement reveals a
//! gap. Nothing reveals the loss of the last announcement, so all replicas are compared with Redis after each
//! reconnection, and every few seconds.

use std::sync::Arc;
use std::time::Duration;

use ::redis::Pipeline;
use realtime_shared::{Position, Seq};
use tokio::time::sleep;

use super::chain::{LogRelation, compare};
use super::deletion::deleted_by;
use super::history::History;
use super::replica::{Diverged, Replica, Stage};
use super::room_state::{RoomState, look, members_of};
use crate::broker::feed_slot::FeedSlot;
use crate::broker::redis::transport::Transport;
use crate::broker::{MEMBERS_NAMED, Range, Unavailable};
use crate::faults::{self, Fault};
use crate::metrics::Metrics;

/// Longest time from a publication in Redis to its arrival here, in normal operation.
const IN_TRANSIT: Duration = Duration::from_millis(250);
/// Most entries and bytes of a page that fills a gap.
const PAGE: (usize, usize) = (200, 256 * 1024);
/// Number of newest entries that are replayed after a reset.
const SHOWN: usize = 50;

/// Finds and fetches missing entries and presence changes.
pub(crate) struct Repair {
    pub(crate) transport: Arc<Transport>,
    pub(crate) feed: FeedSlot,
    pub(crate) history: Arc<History>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Repair {
    /// Schedules the repair of a room, unless it is scheduled already.
    pub(crate) fn schedule(self: &Arc<Self>, replica: &Arc<Replica>) {
        if std::mem::replace(&mut replica.state.lock().in_repair, true) {
            return;
        }
        let (repair, replica) = (self.clone(), replica.clone());
        self.transport.runtime.spawn(async move {
            // The next comparison finds entries that this repair does not fetch.
            if let Ok(presence_version) = repair.catch_up(&replica).await
                && presence_version > replica.state.lock().presence_version
            {
                sleep(IN_TRANSIT).await;
                let _ = repair.send_members(&replica, presence_version).await;
            }
        });
    }

    /// Fetches missing entries of a room, if there are any. Returns the presence version in Redis.
    pub(crate) async fn catch_up(&self, replica: &Replica) -> Result<u64, Unavailable> {
        let _turn = replica.repair.lock().await;
        // A gap found from here on may be larger than the one that is filled now, so it schedules another repair.
        let (ours, presence_version) = {
            let mut state = replica.state.lock();
            state.in_repair = false;
            (state.head.clone(), state.presence_version)
        };
        let mut looking = Pipeline::new();
        looking.add_command(look(&self.transport, &replica.channel, ours.seq(), presence_version));
        let answers = self.transport.ask(&looking).await?;
        let state = answers.first().and_then(RoomState::parse).ok_or(Unavailable)?;
        match compare(&ours, &state.log) {
            LogRelation::Same => {}
            LogRelation::Behind if faults::breaks(Fault::NoGapFill) => {
                replica.state.lock().head = state.log.head;
            }
            LogRelation::Behind => self.fill(replica, &state.log.head).await?,
            LogRelation::Diverged => self.reset(replica).await?,
        }
        Ok(state.presence_version)
    }

    /// Fetches entries up to `until`.
    async fn fill(&self, replica: &Replica, until: &Position) -> Result<(), Unavailable> {
        let mut filled: u64 = 0;
        loop {
            let ours = replica.state.lock().head.clone();
            if ours.seq() >= until.seq() {
                break;
            }
            // The page begins with the head of the replica: its id has to be the same in Redis.
            let after = Seq::new(ours.seq().get().saturating_sub(1));
            let page = self.history.stored(&replica.channel, Range::After(after), PAGE).await?;
            let deleted: Vec<_> = page.entries.iter().filter_map(|entry| deleted_by(&entry.json)).collect();
            let replaced = self.history.replaced(&replica.channel, &deleted).await?;
            let Some(feed) = self.feed.get() else { return Ok(()) };
            let extended = replica.extend(&page, &replaced, &*feed);
            let grown = replica.state.lock().head != ours;
            match extended {
                Ok(taken) if grown => filled = filled.saturating_add(taken),
                Ok(_) | Err(Diverged) => return self.reset(replica).await,
            }
        }
        if filled > 0 {
            self.metrics.gap_fills.inc();
        }
        Ok(())
    }

    /// Replaces the log of the replica with the newest entries in Redis.
    async fn reset(&self, replica: &Replica) -> Result<(), Unavailable> {
        let page = self.history.newest(&replica.channel, SHOWN).await?;
        let Some(feed) = self.feed.get() else { return Ok(()) };
        replica.reset(&page, &*feed);
        if feed.users(&replica.room).is_empty() {
            // A room without a member may have been removed.
            return Ok(());
        }
        tracing::warn!(room = %replica.room, "Redis lost the newest messages of a room: its members receive a resync");
        self.metrics.resyncs.inc();
        Ok(())
    }

    /// Sends all members the list of members, unless the missing join or leave was announced meanwhile.
    async fn send_members(&self, replica: &Replica, presence_version: u64) -> Result<(), Unavailable> {
        if presence_version <= replica.state.lock().presence_version {
            return Ok(());
        }
        let presence = members_of(&self.transport, &replica.channel, MEMBERS_NAMED).await?;
        if let Some(feed) = self.feed.get() {
            replica.send_members(&presence, &*feed);
        }
        Ok(())
    }

    /// Compares replicas with Redis, and schedules the repair of those that differ. Returns the rooms' states.
    pub(crate) async fn compare(
        self: &Arc<Self>,
        replicas: &[Arc<Replica>],
    ) -> Result<Vec<(Arc<Replica>, RoomState)>, Unavailable> {
        let mut looks = Pipeline::with_capacity(replicas.len());
        let mut asked = Vec::with_capacity(replicas.len());
        for replica in replicas {
            let state = replica.state.lock();
            if state.stage == Stage::Open {
                let version = state.presence_version;
                looks.add_command(look(&self.transport, &replica.channel, state.head.seq(), version));
                asked.push((replica, state.head.clone()));
            }
        }
        if asked.is_empty() || faults::breaks(Fault::NoTailCheck) {
            return Ok(Vec::new());
        }
        let answers = self.transport.ask_each(&looks).await?;
        let mut states = Vec::with_capacity(asked.len());
        let mut suspects = Vec::new();
        for ((replica, ours), answer) in asked.into_iter().zip(&answers) {
            let Some(state) = RoomState::parse(answer) else { continue };
            if !is_current(replica, &ours, &state) {
                suspects.push((replica.clone(), ours, state.log.clone(), state.presence_version));
            }
            states.push((replica.clone(), state));
        }
        if !suspects.is_empty() {
            let repair = self.clone();
            self.transport.runtime.spawn(async move {
                // Most of these announcements are about to arrive. Other rooms do not wait for them.
                sleep(IN_TRANSIT).await;
                for (replica, ours, log, presence_version) in suspects {
                    let has_caught_up = {
                        let state = replica.state.lock();
                        compare(&ours, &log) != LogRelation::Diverged
                            && state.head.seq() >= log.head.seq()
                            && state.presence_version >= presence_version
                    };
                    if !has_caught_up {
                        repair.schedule(&replica);
                    }
                }
            });
        }
        Ok(states)
    }
}

/// True if a replica with the head `ours` has the state that Redis had.
fn is_current(replica: &Replica, ours: &Position, state: &RoomState) -> bool {
    compare(ours, &state.log) == LogRelation::Same
        && state.presence_version <= replica.state.lock().presence_version
}
