//! Sharded counter for frequent events: workers that count at the same time do not contend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::IntCounter;
use prometheus::core::{Collector, Desc, Number};
use prometheus::proto::{Counter, MetricFamily};

/// Counter with a cell for each worker; a read adds them up.
#[derive(Clone)]
pub(crate) struct Sharded {
    cells: Arc<[Cell]>,
    /// Name and help; its own value is not used.
    described: IntCounter,
}

/// Aligned to two cache lines, since processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Cell(AtomicU64);

impl Sharded {
    pub(super) fn new(name: &str, help: &str, workers: usize) -> Self {
        Self {
            cells: (0..workers).map(|_| Cell::default()).collect(),
            described: IntCounter::new(name, help).expect("a good name"),
        }
    }

    /// Adds `count` to the cell of a worker.
    pub(crate) fn add(&self, worker: usize, count: u64) {
        self.cells[worker].0.fetch_add(count, Ordering::Relaxed);
    }
}

impl Collector for Sharded {
    fn desc(&self) -> Vec<&Desc> {
        self.described.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sum: u64 = self.cells.iter().map(|cell| cell.0.load(Ordering::Relaxed)).sum();
        let mut counter = Counter::default();
        counter.set_value(sum.into_f64());
        let mut families = self.described.collect();
        for metric in families.iter_mut().flat_map(MetricFamily::mut_metric) {
            metric.set_counter(counter.clone());
        }
        families
    }
}
