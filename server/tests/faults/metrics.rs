//! Counters of a server from `GET /metrics`, in Prometheus's text format.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);

/// Samples of one scrape: for each name its label sets and their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(BTreeMap<String, BTreeMap<String, f64>>);

impl Samples {
    /// Scrapes a server. `None`: it did not answer.
    pub(crate) async fn scrape(address: SocketAddr) -> Option<Self> {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let ask = async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer)
        };
        let answer = timeout(SCRAPE_TIMEOUT, ask).await.ok().flatten()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| Self::parse(body))
    }

    /// Parses the text. Lines that are not samples, for example chunk lengths, are skipped.
    fn parse(text: &str) -> Self {
        let mut samples: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.trim().rsplit_once(' ') else { continue };
            let Ok(value) = value.parse() else { continue };
            let (name, labels) = split(series);
            samples.entry(name.to_owned()).or_default().insert(labels.to_owned(), value);
        }
        Self(samples)
    }

    /// Sum of a series: of all samples of `name`, or with `name{label="value"}` of those with this label.
    pub(crate) fn sum(&self, series: &str) -> u64 {
        let (name, label) = split(series);
        let values = self.0.get(name).into_iter().flatten().filter(|(labels, _)| labels.contains(label));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counters are whole and not negative"
        )]
        let sum = values.map(|(_, value)| value).sum::<f64>() as u64;
        sum
    }
}

/// Splits a series into its name and the text between the braces.
fn split(series: &str) -> (&str, &str) {
    match series.split_once('{') {
        Some((name, labels)) => (name, labels.trim_end_matches('}')),
        None => (series, ""),
    }
}

#[test]
fn samples_are_parsed_and_summed_by_label() {
    let samples = Samples::parse(
        "# HELP realtime_closes_total Closed connections.\n# TYPE realtime_closes_total counter\n\
         realtime_closes_total{code=\"4008\",worker=\"1\"} 2\nrealtime_closes_total{code=\"4006\"} 3\n\
         realtime_connections 7\n1a3\n",
    );
    assert_eq!(samples.sum("realtime_closes_total"), 5);
    assert_eq!(samples.sum("realtime_closes_total{code=\"4008\"}"), 2);
    assert_eq!((samples.sum("realtime_connections"), samples.sum("realtime_rooms")), (7, 0));
}
