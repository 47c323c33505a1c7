//! The printed table: figures without and with attackers, and their ratio.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use realtime_load::histogram::Histogram;

use crate::Phase;
use crate::attackers::AttackCounts;
use crate::figures::PhaseFigures;

const MIB: f64 = 1024.0 * 1024.0;

type Times = fn(&PhaseFigures) -> &Histogram;
type Count = fn(&PhaseFigures) -> u64;
type ProcessFigure = fn(&Phase) -> Option<f64>;

pub(crate) fn print(calm: &Phase, attacked: &Phase, counts: &AttackCounts, attack_time: Duration) {
    println!("{:28} {:>12} {:>12} {:>8}", "", "without", "attacked", "ratio");
    let times: [(&str, Times); 3] = [
        ("own copy of a message", |figures| &figures.round_trips),
        ("join of a new connection", |figures| &figures.joins),
        ("connect until welcome", |figures| &figures.connects),
    ];
    for (name, times) in times {
        for (quantile, per_mille) in [("p50", 500), ("p99", 990), ("max", 1_000)] {
            let [before, after] =
                [calm, attacked].map(|phase| times(&phase.users).quantile(per_mille).map(millis));
            row(&format!("{name} {quantile}, ms"), before, after);
        }
    }
    let user_counts: [(&str, Count); 5] = [
        ("messages sent", |figures| figures.messages),
        ("messages that came back", |figures| figures.round_trips.total()),
        ("messages refused", |figures| figures.refused),
        ("visits", |figures| figures.visits),
        ("visits that joined", |figures| figures.joins.total()),
    ];
    for (name, count) in user_counts {
        println!("{name:28} {:>12} {:>12}", count(&calm.users), count(&attacked.users));
    }
    let process_figures: [(&str, ProcessFigure); 4] = [
        ("CPU of the server, s", |phase| difference(phase.before.server_cpu, phase.after.server_cpu)),
        ("CPU of all clients, s", |phase| difference(phase.before.load_cpu, phase.after.load_cpu)),
        ("growth of memory, MiB", |phase| {
            let [before, after] = [phase.before.resident_kib?, phase.after.resident_kib?].map(float);
            Some((after - before) / 1024.0)
        }),
        ("growth of the store, MiB", |phase| {
            let [before, after] = [phase.before.store_bytes, phase.after.store_bytes].map(float);
            Some((after - before) / MIB)
        }),
    ];
    for (name, figure) in process_figures {
        row(name, figure(calm), figure(attacked));
    }
    for (name, phase) in [("without", calm), ("attacked", attacked)] {
        for (cause, count) in &phase.users.ends {
            println!("users that ended, {name}: {count:>6}  {cause}");
        }
    }
    print_attackers(counts, attack_time);
    print_metrics(attacked);
}

fn row(name: &str, before: Option<f64>, after: Option<f64>) {
    let text = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let ratio = before.zip(after).filter(|(before, _)| *before > 0.0).map(|(before, after)| after / before);
    println!("{name:28} {:>12} {:>12} {:>8}", text(before), text(after), text(ratio));
}

fn print_attackers(counts: &AttackCounts, time: Duration) {
    let load = |counter: &AtomicU64| float(counter.load(Ordering::Relaxed));
    println!("\nAttackers, in {:.0} s:", time.as_secs_f64());
    println!(
        "  {:.1} MiB in {:.0} frames written, {:.1} MiB read, {:.0} refusals",
        load(&counts.written_bytes) / MIB,
        load(&counts.written_frames),
        load(&counts.read_bytes) / MIB,
        load(&counts.refusals),
    );
    println!(
        "  {:.0} connections opened, {:.0} ended, {:.0} connects refused",
        load(&counts.opened),
        load(&counts.ended),
        load(&counts.refused_connects),
    );
    println!(
        "  {:.0} sockets without a token opened, {:.0} answers to them",
        load(&counts.tokenless_opened),
        load(&counts.tokenless_answers),
    );
}

/// Prints the counters of the server that grew during the attack.
fn print_metrics(attacked: &Phase) {
    println!("\nMetrics of the server, difference in the attacked phase:");
    for (name, after) in &attacked.after.metrics {
        let before = attacked.before.metrics.get(name).copied().unwrap_or(0.0);
        let grown = after - before;
        if grown > 0.0 && !name.contains("_bucket{") {
            println!("  {name} {grown}");
        }
    }
}

fn difference(before: Option<Duration>, after: Option<Duration>) -> Option<f64> {
    Some(after?.saturating_sub(before?).as_secs_f64())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
