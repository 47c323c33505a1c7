//! Presence across instances: members of rooms, connection counts, and the leases of instances.

pub(crate) mod counts;
pub(crate) mod heartbeat;
pub(crate) mod lease;
pub(crate) mod membership;
pub(crate) mod sync;
