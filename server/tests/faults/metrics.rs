//! What a server counts, as `GET /metrics` tells it in Prometheus's text format.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For the answer to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The samples of one look: of each name its sets of labels and their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(BTreeMap<String, BTreeMap<String, f64>>);

impl Samples {
    /// Asks a server; nothing where it does not answer.
    pub(crate) async fn scrape(address: SocketAddr) -> Option<Self> {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let ask = async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer)
        };
        let answer = timeout(PATIENCE, ask).await.ok().flatten()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| Self::parse(body))
    }

    /// Reads the text; lines that are no samples are passed over, such as the lengths of chunks.
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

    /// The sum of what is called so: `name`, or `name{label="value"}` for those that have the label, whatever others
    /// they have.
    pub(crate) fn sum(&self, series: &str) -> u64 {
        let (name, label) = split(series);
        let values = self.0.get(name).into_iter().flatten().filter(|(labels, _)| labels.contains(label));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it counts something")]
        let sum = values.map(|(_, value)| value).sum::<f64>() as u64;
        sum
    }
}

/// A series' name, and what is between its braces.
fn split(series: &str) -> (&str, &str) {
    match series.split_once('{') {
        Some((name, labels)) => (name, labels.trim_end_matches('}')),
        None => (series, ""),
    }
}

#[test]
fn samples_are_read() {
    let samples = Samples::parse(
        "# HELP realtime_closes_total Closed connections.\n# TYPE realtime_closes_total counter\n\
         realtime_closes_total{code=\"4008\",worker=\"1\"} 2\nrealtime_closes_total{code=\"4006\"} 3\n\
         realtime_connections 7\n1a3\n",
    );
    assert_eq!(samples.sum("realtime_closes_total"), 5);
    assert_eq!(samples.sum("realtime_closes_total{code=\"4008\"}"), 2);
    assert_eq!((samples.sum("realtime_connections"), samples.sum("realtime_rooms")), (7, 0));
}
