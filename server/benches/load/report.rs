//! Figures as lines: a table for people, NDJSON for programs, ratios where servers are compared.

use std::time::Duration;

use serde_json::{Value, json};

use crate::run::Outcome;
use crate::scene::Scene;

/// Below it, what a server grows by as it wakes up hides what connections weigh.
const MANY_CONNECTIONS: usize = 1000;

/// A line of the table: a scene at a server.
pub(crate) struct Row {
    target: String,
    scene: &'static str,
    connections: usize,
    figures: Figures,
    faults: Vec<String>,
}

/// Figures that a scene may lack are `None`.
#[derive(Default)]
struct Figures {
    deliveries_per_second: Option<f64>,
    server_micros: Option<f64>,
    redis_micros: Option<f64>,
    load_micros: Option<f64>,
    p50: Option<Duration>,
    p99: Option<Duration>,
    p999: Option<Duration>,
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
            faults: outcome.faults,
        }
    }

    /// A scene that could not be carried through.
    pub(crate) fn failed(target: &str, scene: &Scene, fault: String) -> Self {
        Self {
            target: target.to_owned(),
            scene: scene.name,
            connections: scene.connections(),
            figures: Figures::default(),
            faults: vec![fault],
        }
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn table_line(&self) -> String {
        let figures = &self.figures;
        line(&[
            &self.target,
            self.scene,
            &self.connections.to_string(),
            &number(figures.deliveries_per_second, 0),
            &number(figures.server_micros, 2),
            &number(figures.redis_micros, 2),
            &time(figures.p50),
            &time(figures.p99),
            &time(figures.p999),
            &number(figures.tail(), 1),
            &number(figures.kib_per_connection, 2),
            &number(figures.load_micros, 2),
            &if self.is_ok() { "ok".to_owned() } else { self.faults.join("; ") },
        ])
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
            "kib_per_connection": figures.kib_per_connection,
            "load_us_per_delivery": figures.load_micros,
            "faults": self.faults,
        });
        row.to_string()
    }

    /// This row's figures as multiples of those of the first server in the same scene.
    pub(crate) fn ratio_line(&self, first: &Self) -> Option<String> {
        if self.scene != first.scene || !self.is_ok() || !first.is_ok() {
            return None;
        }
        let (ours, theirs) = (&first.figures, &self.figures);
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let times = |theirs: Option<f64>, ours: Option<f64>| match theirs.zip(ours) {
            Some((theirs, ours)) if ours > 0.0 => format!("×{:.2}", theirs / ours),
            _ => "–".to_owned(),
        };
        Some(line(&[
            &self.target,
            self.scene,
            "",
            &times(theirs.deliveries_per_second, ours.deliveries_per_second),
            &times(theirs.server_micros, ours.server_micros),
            &times(theirs.redis_micros, ours.redis_micros),
            &times(seconds(theirs.p50), seconds(ours.p50)),
            &times(seconds(theirs.p99), seconds(ours.p99)),
            &times(seconds(theirs.p999), seconds(ours.p999)),
            &times(theirs.tail(), ours.tail()),
            &times(theirs.kib_per_connection, ours.kib_per_connection),
            "",
            "",
        ]))
    }
}

impl Figures {
    /// How far the slow ones are from the middle: p99 / p50.
    fn tail(&self) -> Option<f64> {
        Some(self.p99?.as_secs_f64() / self.p50.filter(|p50| !p50.is_zero())?.as_secs_f64())
    }
}

pub(crate) fn table_head() -> String {
    line(&[
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
        "KiB/conn",
        "load us/d",
        "check",
    ])
}

fn line(cells: &[&str; 13]) -> String {
    let [target, scene, figures @ .., check] = cells;
    let figures = figures.iter().map(|figure| format!("{figure:>9}")).collect::<Vec<_>>().join(" ");
    format!("{target:<10} {scene:<8} {figures}  {check}").trim_end().to_owned()
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
