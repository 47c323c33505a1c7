//! Fault windows: limits on the faults of a client within a time, beyond which its connection is closed.

use std::time::{Duration, Instant};

/// Refusals that a connection may get within [`WINDOW`] before it is closed.
const REFUSALS: u32 = 100;
/// Frames that may be dropped without an answer within [`WINDOW`] before the connection is closed.
const IGNORED: u32 = 1_000;
/// Reads of a few bytes that complete no frame, within [`WINDOW`], before the connection is closed.
const TINY_READS: u32 = 10_000;
/// The window of these limits.
const WINDOW: Duration = Duration::from_secs(10);

/// Faults of a client. A client without faults needs no memory for them.
#[derive(Debug, Default)]
pub(super) struct ClientFaults(Option<Box<Windows>>);

#[derive(Debug)]
struct Windows {
    refusals: FaultWindow,
    /// Counts frames that are dropped without an answer.
    ignored: FaultWindow,
    tiny_reads: FaultWindow,
}

/// Counter of faults within [`WINDOW`].
#[derive(Debug)]
struct FaultWindow {
    most: u32,
    since: Instant,
    count: u32,
}

/// Each method counts faults, and returns true if the client has reached their limit.
impl ClientFaults {
    pub(super) fn refused(&mut self, now: Instant) -> bool {
        self.windows(now).refusals.add(1, now)
    }

    pub(super) fn ignored(&mut self, count: u32, now: Instant) -> bool {
        self.windows(now).ignored.add(count, now)
    }

    pub(super) fn read_little(&mut self, now: Instant) -> bool {
        self.windows(now).tiny_reads.add(1, now)
    }

    fn windows(&mut self, now: Instant) -> &mut Windows {
        self.0.get_or_insert_with(|| {
            let window = |most| FaultWindow { most, since: now, count: 0 };
            let (refusals, ignored, tiny_reads) = (window(REFUSALS), window(IGNORED), window(TINY_READS));
            Box::new(Windows { refusals, ignored, tiny_reads })
        })
    }
}

impl FaultWindow {
    fn add(&mut self, count: u32, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) > WINDOW {
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(count);
        self.count >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundredth_refusal_within_ten_seconds_reaches_the_limit() {
        let start = Instant::now();
        let mut faults = ClientFaults::default();
        assert!((0..99).all(|_| !faults.refused(start)));
        assert!(faults.refused(start + WINDOW));
        let mut slow = ClientFaults::default();
        assert!((0..1_000).all(|n| !slow.refused(start + Duration::from_millis(110) * n)));
    }

    #[test]
    fn faults_of_one_kind_do_not_count_as_another() {
        let (mut faults, now) = (ClientFaults::default(), Instant::now());
        assert!((1..REFUSALS).all(|_| !faults.refused(now)));
        assert!(!faults.ignored(IGNORED - 1, now));
        assert!((1..TINY_READS).all(|_| !faults.read_little(now)));
        assert!(faults.refused(now) && faults.ignored(1, now) && faults.read_little(now));
    }
}
