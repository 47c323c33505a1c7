//! Formats of figures.

use std::time::Duration;

use realtime_load::histogram::Histogram;

/// `p50 … p99 … max … ms (of …)`.
pub(crate) fn times(times: &Histogram) -> String {
    let [p50, p99, max] = [500, 990, 1_000].map(|per_mille| {
        let millis = times.quantile(per_mille).unwrap_or_default().as_secs_f64() * 1e3;
        format!("{millis:.1}")
    });
    format!("p50 {p50:>7} p99 {p99:>7} max {max:>7} ms (of {})", times.total())
}

/// CPU time between two readings, divided by `count`, in microseconds.
pub(crate) fn micros_each(before: Option<Duration>, after: Option<Duration>, count: u64) -> String {
    before.zip(after).map_or_else(
        || "–".to_owned(),
        |(before, after)| format!("{:.0}", after.saturating_sub(before).as_secs_f64() * 1e6 / float(count)),
    )
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
