//! Figures of the servers' processes, stores and metrics at one time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use realtime_load::process::{cpu_time, resident_kib};
use realtime_load::program::Program;

const METRICS_TIMEOUT: Duration = Duration::from_secs(5);
const METRICS_REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Figures at one time. Those that cannot be read are missing.
pub(crate) struct Reading {
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) load_cpu: Option<Duration>,
    pub(crate) resident_kib: Option<u64>,
    pub(crate) store_bytes: u64,
    /// Samples of `/metrics`, by name and labels.
    pub(crate) metrics: BTreeMap<String, f64>,
}

impl Reading {
    /// The figures of all instances together.
    pub(crate) async fn take(servers: &[Program], data: &Path) -> Self {
        let mut sums = BTreeMap::new();
        for server in servers {
            let samples = timeout(METRICS_TIMEOUT, metrics(server.address)).await;
            for (name, value) in samples.ok().and_then(Result::ok).unwrap_or_default() {
                *sums.entry(name).or_default() += value;
            }
        }
        let stores = (0..servers.len()).map(|number| store_bytes(&data.join(number.to_string())));
        Self {
            server_cpu: servers.iter().map(|server| cpu_time(server.pid())).sum(),
            load_cpu: cpu_time(std::process::id()),
            resident_kib: servers.iter().map(|server| resident_kib(server.pid())).sum(),
            store_bytes: stores.sum(),
            metrics: sums,
        }
    }
}

async fn metrics(address: SocketAddr) -> std::io::Result<BTreeMap<String, f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(METRICS_REQUEST).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let samples = answer.lines().filter(|line| line.starts_with("realtime_"));
    Ok(samples
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        })
        .collect())
}

/// Bytes of the files in the data directory.
fn store_bytes(data: &Path) -> u64 {
    let files = std::fs::read_dir(data).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
