//! Promises that can be broken on purpose, so that the tests which watch over them can be seen to notice.
//!
//! Only where the crate is built with the feature `faults`, as its tests have it, and the environment names one in
//! `REALTIME_FAULT`. Without the feature nothing of it is in the program.

/// A promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `ack-before-commit`: messages are acknowledged and shown before they are on the disk.
    AckBeforeCommit,
    /// `no-dedup`: a message that comes again is stored again.
    NoDedup,
    /// `no-gap-fill`: an instance goes on where entries are missing.
    NoGapFill,
    /// `no-tail-check`: rooms are not compared with Redis.
    NoTailCheck,
    /// `no-id-check`: of a position only the number and the epoch are looked at.
    NoIdCheck,
    /// `replay-off-by-one`: the first entry that was missed is not replayed.
    ReplayOffByOne,
}

/// Whether it is to be broken.
#[cfg(not(feature = "faults"))]
pub(crate) const fn breaks(_: Fault) -> bool {
    false
}

/// Whether it is to be broken.
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
    };
    BROKEN.as_deref() == Some(name)
}
