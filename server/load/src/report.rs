//! Figures as lines: a table for people, NDJSON for programs, ratios between servers.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::Outcome;
use crate::scene::Scene;

/// Least number of connections for which memory per connection is reported: with fewer, other growth of the server
/// hides it.
const MANY_CONNECTIONS: usize = 1000;

/// Columns that exist only with a Redis.
const OF_REDIS: [usize; 1] = [3];
/// Columns that exist only with a Redis, or for lists of rooms.
const OF_OTHERS: [usize; 2] = [8, 9];

/// The lines of the table for people.
pub(crate) struct Table {
    pub(crate) on_redis: bool,
    /// The table has the latencies of others.
    pub(crate) has_others: bool,
}

/// A line of the table: a scene at a server.
pub(crate) struct Row {
    target: String,
    scene: &'static str,
    connections: usize,
    figures: Figures,
    failures: Vec<String>,
}

/// The figures of a scene; `None` if the scene lacks one.
#[derive(Default)]
struct Figures {
    deliveries_per_second: Option<f64>,
    server_micros: Option<f64>,
    redis_micros: Option<f64>,
    load_micros: Option<f64>,
    p50: Option<Duration>,
    p99: Option<Duration>,
    p999: Option<Duration>,
    other_p50: Option<Duration>,
    other_p99: Option<Duration>,
    kib_per_connection: Option<f64>,
    round_trips: u64,
}

impl Row {
    pub(crate) fn new(target: &str, scene: &Scene, outcome: Outcome) -> Self {
        let per_delivery = |cpu: Option<Duration>| {
            cpu.filter(|_| outcome.deliveries > 0)
                .map(|cpu| cpu.as_secs_f64() * 1e6 / float(outcome.deliveries))
        };
        let figures = Figures {
            deliveries_per_second: (!outcome.elapsed.is_zero())
                .then(|| float(outcome.deliveries) / outcome.elapsed.as_secs_f64()),
            server_micros: per_delivery(outcome.server_cpu),
            redis_micros: per_delivery(outcome.redis_cpu),
            load_micros: per_delivery(outcome.load_cpu),
            p50: outcome.round_trips.quantile(500),
            p99: outcome.round_trips.quantile(990),
            p999: outcome.round_trips.quantile(999),
            other_p50: outcome.crossings.quantile(500),
            other_p99: outcome.crossings.quantile(990),
            kib_per_connection: outcome
                .grown_kib
                .filter(|_| outcome.connections >= MANY_CONNECTIONS)
                .map(|kib| float(kib) / float(outcome.connections as u64)),
            round_trips: outcome.round_trips.total(),
        };
        Self {
            target: target.to_owned(),
            scene: scene.name,
            connections: outcome.connections,
            figures,
            failures: outcome.failures,
        }
    }

    /// The row of a scene that failed.
    pub(crate) fn failed(target: &str, scene: &Scene, failure: String) -> Self {
        Self {
            target: target.to_owned(),
            scene: scene.name,
            connections: scene.connections(),
            figures: Figures::default(),
            failures: vec![failure],
        }
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn json_line(&self) -> String {
        let figures = &self.figures;
        let micros = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e6);
        let row: Value = json!({
            "target": self.target,
            "scene": self.scene,
            "connections": self.connections,
            "deliveries_per_second": figures.deliveries_per_second,
            "server_us_per_delivery": figures.server_micros,
            "redis_us_per_delivery": figures.redis_micros,
            "round_trips": figures.round_trips,
            "p50_us": micros(figures.p50),
            "p99_us": micros(figures.p99),
            "p999_us": micros(figures.p999),
            "other_p50_us": micros(figures.other_p50),
            "other_p99_us": micros(figures.other_p99),
            "kib_per_connection": figures.kib_per_connection,
            "load_us_per_delivery": figures.load_micros,
            "faults": self.failures,
        });
        row.to_string()
    }
}

impl Figures {
    /// Weight of the tail: p99 / p50.
    fn tail(&self) -> Option<f64> {
        Some(self.p99?.as_secs_f64() / self.p50.filter(|p50| !p50.is_zero())?.as_secs_f64())
    }
}

impl Table {
    pub(crate) fn head(&self) -> String {
        self.line(&[
            "server",
            "scene",
            "conns",
            "deliv/s",
            "srv us/d",
            "rds us/d",
            "p50",
            "p99",
            "p99.9",
            "p99/p50",
            "other p50",
            "other p99",
            "KiB/conn",
            "load us/d",
            "check",
        ])
    }

    pub(crate) fn row(&self, row: &Row) -> String {
        let figures = &row.figures;
        self.line(&[
            &row.target,
            row.scene,
            &row.connections.to_string(),
            &number(figures.deliveries_per_second, 0),
            &number(figures.server_micros, 2),
            &number(figures.redis_micros, 2),
            &time(figures.p50),
            &time(figures.p99),
            &time(figures.p999),
            &number(figures.tail(), 1),
            &time(figures.other_p50),
            &time(figures.other_p99),
            &number(figures.kib_per_connection, 2),
            &number(figures.load_micros, 2),
            &if row.is_ok() { "ok".to_owned() } else { row.failures.join("; ") },
        ])
    }

    /// A row's figures as multiples of those of the first server in the same scene.
    pub(crate) fn ratios(&self, row: &Row, first: &Row) -> Option<String> {
        if row.scene != first.scene || !row.is_ok() || !first.is_ok() {
            return None;
        }
        let (first_figures, figures) = (&first.figures, &row.figures);
        let times = |figure: fn(&Figures) -> Option<f64>| match figure(figures).zip(figure(first_figures)) {
            Some((figure, first)) if first > 0.0 => format!("×{:.2}", figure / first),
            _ => "–".to_owned(),
        };
        Some(self.line(&[
            &row.target,
            row.scene,
            "",
            &times(|figures| figures.deliveries_per_second),
            &times(|figures| figures.server_micros),
            &times(|figures| figures.redis_micros),
            &times(|figures| seconds(figures.p50)),
            &times(|figures| seconds(figures.p99)),
            &times(|figures| seconds(figures.p999)),
            &times(Figures::tail),
            &times(|figures| seconds(figures.other_p50)),
            &times(|figures| seconds(figures.other_p99)),
            &times(|figures| figures.kib_per_connection),
            "",
            "",
        ]))
    }

    fn line(&self, cells: &[&str; 15]) -> String {
        let [target, scene, figures @ .., check] = cells;
        let mut line = format!("{target:<10} {scene:<10}");
        for (column, figure) in figures.iter().enumerate() {
            let hidden = (!self.on_redis && OF_REDIS.contains(&column))
                || (!self.has_others && OF_OTHERS.contains(&column));
            if !hidden {
                let _ = write!(line, " {figure:>9}");
            }
        }
        format!("{line}  {check}").trim_end().to_owned()
    }
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

fn number(figure: Option<f64>, decimals: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.decimals$}"))
}

fn time(time: Option<Duration>) -> String {
    match time.map(|time| time.as_secs_f64() * 1e6) {
        None => "–".to_owned(),
        Some(micros) if micros < 1000.0 => format!("{micros:.0} us"),
        Some(micros) if micros < 100_000.0 => format!("{:.2} ms", micros / 1e3),
        Some(micros) => format!("{:.0} ms", micros / 1e3),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
