//! Faults that break a guarantee on purpose, to show that the tests of the guarantee fail then.
//!
//! A fault is active only if the crate is built with the feature `faults`, as its tests do, and the environment names it
//! in `REALTIME_FAULT`. Without the feature the program contains none of this.

/// Guarantee that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `ack-before-commit`: messages are acknowledged and published before they are on the disk.
    AckBeforeCommit,
    /// `no-dedup`: a duplicate is stored again.
    NoDedup,
    /// `no-gap-fill`: an instance does not fetch missing entries.
    NoGapFill,
    /// `no-tail-check`: rooms are not compared with Redis.
    NoTailCheck,
    /// `no-id-check`: the id of a position is ignored, only seq and epoch are compared.
    NoIdCheck,
    /// `replay-off-by-one`: the first missed entry is not replayed.
    ReplayOffByOne,
    /// `page-without-as-of`: a page claims an entry that came after its messages were folded.
    PageWithoutAsOf,
    /// `deletion-leaves-ring`: the ring keeps the texts of deleted messages.
    DeletionLeavesRing,
    /// `marker-goes-back`: a read marker moves to an earlier entry too.
    MarkerGoesBack,
    /// `no-tombstone`: Redis does not keep what replaces a deleted entry.
    NoTombstone,
}

/// True if the fault is active.
#[cfg(not(feature = "faults"))]
pub(crate) const fn breaks(_: Fault) -> bool {
    false
}

/// True if the fault is active.
#[cfg(feature = "faults")]
pub(crate) fn breaks(fault: Fault) -> bool {
    use std::sync::LazyLock;

    static BROKEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("REALTIME_FAULT").ok());
    let name = match fault {
        Fault::AckBeforeCommit => "ack-before-commit",
        Fault::NoDedup => "no-dedup",
        Fault::NoGapFill => "no-gap-fill",
        Fault::NoTailCheck => "no-tail-check",
        Fault::NoIdCheck => "no-id-check",
        Fault::ReplayOffByOne => "replay-off-by-one",
        Fault::PageWithoutAsOf => "page-without-as-of",
        Fault::DeletionLeavesRing => "deletion-leaves-ring",
        Fault::MarkerGoesBack => "marker-goes-back",
        Fault::NoTombstone => "no-tombstone",
    };
    BROKEN.as_deref() == Some(name)
}
