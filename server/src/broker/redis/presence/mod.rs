//! Presence across instances: members of rooms, counts of connections, and the leases of instances.
//!
//! [`membership`] changes the members of a room, [`counts`] counts connections. Both send absolute values, never a
//! difference; [`sync`] and [`counts`] repeat them until Redis has them. [`heartbeat`] keeps this instance's lease,
//! [`lease`] judges the leases of the others, and [`eviction`] removes the state of an instance without a lease. [`audit`]
//! compares the members in Redis with those of this instance. [`member_search`] finds members by the beginning of their ids.

pub(crate) mod audit;
pub(crate) mod counts;
pub(crate) mod eviction;
pub(crate) mod heartbeat;
pub(crate) mod lease;
pub(crate) mod member_search;
pub(crate) mod membership;
pub(crate) mod replacement;
pub(crate) mod sync;

use std::sync::Arc;

use self::audit::MembershipAudit;
use self::counts::ConnectionCounts;
use self::heartbeat::{Heartbeat, Registration};
use self::lease::Leases;
use self::membership::MembershipChanges;
use self::sync::MembershipSync;
use super::log::Logs;
use super::transport::Transport;
use crate::broker::feed_slot::FeedSlot;

/// Members and connections of all instances.
pub(crate) struct PresenceOwner {
    transport: Arc<Transport>,
    pub(crate) membership: MembershipChanges,
    pub(crate) counts: Arc<ConnectionCounts>,
    pub(crate) audit: MembershipAudit,
    pub(crate) sync: Arc<MembershipSync>,
    heartbeat: Arc<Heartbeat>,
}

impl PresenceOwner {
    pub(crate) fn new(transport: Arc<Transport>, feed: FeedSlot, logs: &Logs) -> Self {
        let sync =
            MembershipSync::new(transport.clone(), feed.clone(), logs.replicas.clone(), logs.changes.clone());
        let (sync, leases) = (Arc::new(sync), Arc::<Leases>::default());
        let counts = Arc::new(ConnectionCounts::new(transport.clone()));
        Self {
            membership: MembershipChanges {
                transport: transport.clone(),
                changes: logs.changes.clone(),
                sync: sync.clone(),
            },
            audit: MembershipAudit {
                transport: transport.clone(),
                changes: logs.changes.clone(),
                feed,
                leases: leases.clone(),
                sync: sync.clone(),
            },
            heartbeat: Arc::new(Heartbeat {
                transport: transport.clone(),
                index: logs.index().clone(),
                changes: logs.changes.clone(),
                leases,
                sync: sync.clone(),
                counts: counts.clone(),
            }),
            counts,
            sync,
            transport,
        }
    }

    /// Registers this instance in Redis.
    pub(crate) async fn register(&self) -> Option<Registration> {
        self.heartbeat.register().await
    }

    /// Starts the tasks of presence, after [`PresenceOwner::register`].
    pub(crate) fn start(&self, registration: Option<Registration>) {
        let runtime = &self.transport.runtime;
        let heartbeat = self.heartbeat.clone();
        runtime.spawn(async move { heartbeat.run(registration).await });
        let sync = self.sync.clone();
        runtime.spawn(async move { sync.run().await });
        let counts = self.counts.clone();
        runtime.spawn(async move { counts.run().await });
    }
}
