//! Figures of the users, by phase.
//!
//! A message belongs to the phase in which it was due. So a message that returns late counts where it was delayed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use crate::Failure;
use realtime_load::histogram::Histogram;

/// Interval and limit of the wait for messages in flight.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Figures of the users in one phase.
#[derive(Default)]
pub(crate) struct PhaseFigures {
    /// From the due time of a message to the sender's own copy.
    pub(crate) round_trips: Histogram,
    /// From the due time of a visit to the welcome.
    pub(crate) connects: Histogram,
    /// From the request to its answer, on new connections.
    pub(crate) joins: Histogram,
    pub(crate) messages: u64,
    /// Messages answered with an error.
    pub(crate) refused: u64,
    pub(crate) visits: u64,
    /// Ends of residents' connections and failed visits, by cause.
    pub(crate) ends: BTreeMap<String, u64>,
}

/// The figures of a phase, shared by those who record in it.
#[derive(Clone, Default)]
pub(crate) struct PhaseRecord(Arc<Mutex<PhaseFigures>>);

/// The phase that runs.
#[derive(Clone, Default)]
pub(crate) struct CurrentPhase(Arc<Mutex<PhaseRecord>>);

impl CurrentPhase {
    pub(crate) fn record(&self) -> PhaseRecord {
        self.0.lock().clone()
    }

    /// Begins a new phase and returns its record.
    pub(crate) fn begin(&self) -> PhaseRecord {
        let record = PhaseRecord::default();
        *self.0.lock() = record.clone();
        record
    }
}

impl PhaseRecord {
    pub(crate) fn lock(&self) -> MutexGuard<'_, PhaseFigures> {
        self.0.lock()
    }

    pub(crate) fn count_end(&self, cause: String) {
        *self.lock().ends.entry(cause).or_default() += 1;
    }

    /// Waits for the messages and visits of an ended phase, and returns its figures. Messages that return after
    /// [`DRAIN_TIMEOUT`] are missing.
    pub(crate) async fn finish(self) -> Result<PhaseFigures, Failure> {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        while Arc::strong_count(&self.0) > 1 && Instant::now() < deadline {
            sleep(POLL_INTERVAL).await;
        }
        Ok(std::mem::take(&mut *self.lock()))
    }
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
