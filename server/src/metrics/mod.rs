//! Metrics of the server, rendered for `GET /metrics` in Prometheus's text format.
//!
//! A leaf module. `Metrics` is created once, in `lib`, and shared. Invariants:
//!
//! - a label has a fixed set of values, never a name or an address: the cost of a scrape does not depend on clients;
//! - counting takes no lock and allocates nothing; counters of deliveries have a cell for each worker;
//! - a scrape reads atomics and asks no room or connection.
//!
//! To add a metric: a field, a line in `Metrics::new`, a row in the crate's README (a test compares the two).

mod label;
mod log_drops;
mod sharded;

use std::collections::HashMap;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TEXT_FORMAT,
    TextEncoder,
};
use realtime_shared::{ErrorCode, Recovery, Timestamp};

pub use self::label::DroppedLine;
use self::label::{Close, Label, Labelled, Replay};
pub(crate) use self::label::{Dropped, RefusedUpgrade};
pub use self::log_drops::LogDrops;
use self::sharded::Sharded;

/// `Content-Type` of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = TEXT_FORMAT;

/// Bucket bounds for the entries of a commit: 1, 2, 5 of each decade, up to the largest batch.
const COMMIT_ENTRIES: [f64; 13] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];
/// Bucket bounds for the seconds of a commit: a fast disk takes 200 µs, an overloaded one a second.
const COMMIT_SECONDS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// Metrics of one server. Two servers in a process share none.
pub(crate) struct Metrics {
    registry: Registry,
    /// WebSocket connections that were welcomed and have not ended.
    pub(crate) connections: IntGauge,
    /// Rooms open on this instance: rooms with a member (leave grace included) and rooms being opened.
    pub(crate) rooms: IntGauge,
    /// Newly stored messages, counted with their receipt in the cell of the sender's worker.
    pub(crate) accepted: Sharded,
    /// Duplicates, recognized by their `client_msg_id`.
    pub(crate) dedup_hits: IntCounter,
    /// `error` frames sent.
    pub(crate) refusals: Labelled<ErrorCode>,
    /// Refused upgrades, by HTTP status.
    pub(crate) refused_upgrades: Labelled<RefusedUpgrade>,
    /// Frames, entries or connections dropped without an answer, by the limit that they exceeded.
    pub(crate) dropped: Labelled<Dropped>,
    /// Entries delivered, counted for each member in the cell of its worker.
    deliveries: Sharded,
    /// Replays announced to joiners with a position and to slow readers, by recovery status.
    replays: Labelled<Replay>,
    /// Deliveries of entries that were in the log before their member joined.
    replayed_entries: IntCounter,
    /// Ended WebSocket connections, including those refused after the upgrade.
    closes: Labelled<Close>,
    /// Readers whose next frame was trimmed from a ring.
    pub(crate) readers_behind: IntCounter,
    /// Gap fills: fetches of entries for a room whose publication did not reach this instance.
    pub(crate) gap_fills: IntCounter,
    /// Resyncs: rooms whose log was replaced while they had members.
    pub(crate) resyncs: IntCounter,
    /// Connections to Redis that replaced a broken one.
    pub(crate) redis_reconnects: IntCounter,
    /// 1 while Redis accepts writes and its publications arrive, else 0.
    pub(crate) redis_up: IntGauge,
    /// Bytes of the store's file, of its WAL, and free on their disk.
    pub(crate) store_bytes: IntGauge,
    pub(crate) store_wal_bytes: IntGauge,
    pub(crate) store_free_bytes: IntGauge,
    commit_entries: Histogram,
    commit_seconds: Histogram,
}

impl Metrics {
    /// Metrics at zero, for a server with `workers` workers that starts at `now`.
    pub(crate) fn new(workers: usize, now: Timestamp) -> Self {
        let registry = Registry::new();
        let all = Registrar(&registry);
        all.facts(now);
        Self {
            connections: all.gauge("realtime_connections", "Open WebSocket connections that were welcomed."),
            rooms: all.gauge("realtime_rooms", "Rooms with members on this instance."),
            accepted: all.sharded("realtime_messages_accepted_total", "Newly stored messages.", workers),
            dedup_hits: all.counter(
                "realtime_dedup_hits_total",
                "Duplicate messages, recognized by their client_msg_id.",
            ),
            deliveries: all.sharded(
                "realtime_deliveries_total",
                "Entries delivered to members, live or replayed.",
                workers,
            ),
            replays: all
                .labelled("realtime_replays_total", "Replays announced to members, by recovery status."),
            replayed_entries: all.counter(
                "realtime_replayed_entries_total",
                "Entries delivered to members that had missed them.",
            ),
            closes: all.labelled(
                "realtime_closes_total",
                "WebSocket connections that ended, by close code of either side; 1006: without one.",
            ),
            dropped: all.labelled(
                "realtime_drops_total",
                "Frames, entries or connections dropped without an answer, by the limit that they exceeded.",
            ),
            refused_upgrades: all
                .labelled("realtime_refused_upgrades_total", "Upgrade requests refused with an HTTP status."),
            refusals: all.labelled("realtime_refusals_total", "Error frames sent, by code."),
            readers_behind: all.counter(
                "realtime_readers_behind_total",
                "Members that fell behind a room's ring and continued from the store.",
            ),
            gap_fills: all.counter(
                "realtime_gap_fills_total",
                "Fetches of entries whose publication did not reach this instance.",
            ),
            resyncs: all.counter(
                "realtime_resyncs_total",
                "Rooms whose newest entries were lost, so that their members received a resync.",
            ),
            redis_reconnects: all.counter(
                "realtime_redis_reconnects_total",
                "Connections to Redis that replaced a broken one.",
            ),
            redis_up: all.gauge(
                "realtime_redis_up",
                "1 while Redis accepts writes and its publications arrive, else 0.",
            ),
            store_bytes: all.gauge("realtime_store_bytes", "Bytes of the store's file."),
            store_wal_bytes: all
                .gauge("realtime_store_wal_bytes", "Bytes of the write-ahead log beside the store's file."),
            store_free_bytes: all
                .gauge("realtime_store_free_bytes", "Bytes that are free on the disk of the store."),
            commit_entries: all.histogram(
                "realtime_commit_entries",
                "Entries per commit of the store.",
                &COMMIT_ENTRIES,
            ),
            commit_seconds: all.histogram(
                "realtime_commit_seconds",
                "Seconds per commit of the store, until it was on the disk.",
                &COMMIT_SECONDS,
            ),
            registry,
        }
    }

    /// Adds the counts of the program's log.
    pub(crate) fn with_log(self, log: &LogDrops) -> Self {
        Registrar(&self.registry).register(log.family.clone());
        self
    }

    /// Counts entries delivered to a member whose connection is on `worker`; `replayed` of them were in the log before it
    /// joined.
    pub(crate) fn delivered(&self, worker: usize, entries: u64, replayed: u64) {
        if entries > 0 {
            self.deliveries.add(worker, entries);
        }
        if replayed > 0 {
            self.replayed_entries.inc_by(replayed);
        }
    }

    pub(crate) fn recovered(&self, recovery: Recovery) {
        self.replays.inc(match recovery {
            Recovery::Complete { .. } => Replay::Complete,
            Recovery::Truncated { .. } => Replay::Truncated,
            Recovery::Reset { .. } => Replay::Reset,
        });
    }

    /// Counts the end of a WebSocket connection, by the first close code sent or received.
    pub(crate) fn closed(&self, code: u16) {
        self.closes.inc(Close::of(code));
    }

    /// Counts a commit of the store: its entries, and the time until they were on the disk.
    pub(crate) fn committed(&self, entries: usize, took: Duration) {
        let entries = u32::try_from(entries).unwrap_or(u32::MAX);
        self.commit_entries.observe(f64::from(entries));
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// Renders all metrics as text of type [`CONTENT_TYPE`].
    pub(crate) fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("every family has a name and a value")
    }
}

/// Creates metrics and registers them. A bad or duplicate name panics: every start of a server would show it.
struct Registrar<'a>(&'a Registry);

impl Registrar<'_> {
    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.0.register(Box::new(collector.clone())).expect("no other has its name");
        collector
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help).expect("a good name"))
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help).expect("a good name"))
    }

    fn sharded(&self, name: &str, help: &str, workers: usize) -> Sharded {
        self.register(Sharded::new(name, help, workers))
    }

    fn labelled<L: Label>(&self, name: &str, help: &str) -> Labelled<L> {
        let family = IntCounterVec::new(Opts::new(name, help), &[L::NAME]).expect("good names");
        Labelled::new(&self.register(family))
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.register(Histogram::with_opts(opts).expect("a good name, and bounds that rise"))
    }

    /// Constant metrics.
    fn facts(&self, now: Timestamp) {
        let start =
            Gauge::new("realtime_start_time_seconds", "Start time of the server, in seconds since 1970.")
                .expect("a good name");
        start.set(Duration::from_millis(now.millis()).as_secs_f64());
        self.register(start);
        let version = HashMap::from([("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        let build = Opts::new("realtime_build_info", "1, and the server's version as a label.");
        let build = IntGauge::with_opts(build.const_labels(version)).expect("a good name");
        build.set(1);
        self.register(build);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(2, Timestamp::from_millis(1_500))
    }

    /// Asserts that the rendered text has these samples.
    #[track_caller]
    fn shows(metrics: &Metrics, samples: &[&str]) {
        let text = metrics.render();
        for sample in samples {
            assert!(text.lines().any(|line| line == *sample), "no {sample} in\n{text}");
        }
    }

    #[test]
    fn a_commit_is_counted_in_its_buckets() {
        let metrics = metrics();
        metrics.committed(1, Duration::from_micros(50));
        metrics.committed(10_000, Duration::from_secs(1));
        metrics.committed(10_001, Duration::from_millis(1_500));
        shows(
            &metrics,
            &[
                r#"realtime_commit_entries_bucket{le="1"} 1"#,
                r#"realtime_commit_entries_bucket{le="5000"} 1"#,
                r#"realtime_commit_entries_bucket{le="10000"} 2"#,
                r#"realtime_commit_entries_bucket{le="+Inf"} 3"#,
                "realtime_commit_entries_sum 20002",
                "realtime_commit_entries_count 3",
                r#"realtime_commit_seconds_bucket{le="0.00005"} 1"#,
                r#"realtime_commit_seconds_bucket{le="0.5"} 1"#,
                r#"realtime_commit_seconds_bucket{le="1"} 2"#,
                "realtime_commit_seconds_sum 2.50005",
                "realtime_commit_seconds_count 3",
            ],
        );
    }

    #[test]
    fn the_cells_of_all_workers_are_added_up() {
        let metrics = metrics();
        metrics.delivered(0, 3, 0);
        metrics.delivered(1, 4, 2);
        metrics.delivered(1, 0, 0);
        metrics.accepted.add(1, 1);
        shows(
            &metrics,
            &[
                "realtime_deliveries_total 7",
                "realtime_replayed_entries_total 2",
                "realtime_messages_accepted_total 1",
                "# TYPE realtime_deliveries_total counter",
            ],
        );
    }

    #[test]
    fn constant_metrics_are_rendered() {
        let build = concat!("realtime_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1");
        shows(&metrics(), &["realtime_start_time_seconds 1.5", build]);
    }

    #[test]
    fn events_add_no_line_to_the_text() {
        let metrics = metrics();
        let before = metrics.render().lines().count();
        (0..=u16::MAX).for_each(|code| metrics.closed(code));
        metrics.dropped.inc(Dropped::TypingRate);
        metrics.refusals.inc(ErrorCode::Unknown);
        metrics.recovered(Recovery::Reset { replayed: 1 });
        metrics.committed(1, Duration::ZERO);
        assert_eq!(metrics.render().lines().count(), before);
    }
}
