//! A counter for what happens all the time: workers that count at once do not wait for each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::IntCounter;
use prometheus::core::{Collector, Desc, Number};
use prometheus::proto::{Counter, MetricFamily};

/// A counter with a cell for each worker, which are added up when it is read.
#[derive(Clone)]
pub(crate) struct Sharded {
    cells: Arc<[Cell]>,
    /// Its name and help; it counts nothing itself.
    described: IntCounter,
}

/// On cache lines of its own: two, since processors fetch them in pairs.
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

    /// Counts `count` in the cell of a worker.
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
