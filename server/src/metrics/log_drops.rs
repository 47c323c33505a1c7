//! Counters of the lines that the log of the program does not write.

use std::fmt;
use std::sync::Arc;

use prometheus::{IntCounterVec, Opts};

use super::label::{DroppedLine, Label, Labelled};

/// Counters of the lines that were not written, by reason. Part of a server's configuration: the log belongs to the
/// program, and the server shows its counts.
#[derive(Clone)]
pub struct LogDrops {
    pub(super) family: IntCounterVec,
    counters: Arc<Labelled<DroppedLine>>,
}

impl Default for LogDrops {
    fn default() -> Self {
        let opts = Opts::new("realtime_log_lines_dropped_total", "Lines of the log that were not written.");
        let family = IntCounterVec::new(opts, &[DroppedLine::NAME]).expect("good names");
        Self { counters: Arc::new(Labelled::new(&family)), family }
    }
}

impl LogDrops {
    pub fn inc(&self, reason: DroppedLine) {
        self.counters.inc(reason);
    }

    pub fn add(&self, reason: DroppedLine, lines: u64) {
        self.counters.add(reason, lines);
    }

    /// Lines that were dropped for a reason.
    #[must_use]
    pub fn of(&self, reason: DroppedLine) -> u64 {
        self.counters.get(reason)
    }
}

impl fmt::Debug for LogDrops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the counts: two equal configurations are shown alike.
        f.write_str("LogDrops(..)")
    }
}
