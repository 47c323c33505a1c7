//! Accepts connections and deals them out to the workers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::site::Peer;
use super::{Service, serve};
use crate::metrics::Dropped;

/// What the kernel keeps of what a client does not read. Its default would let each one pin megabytes.
const SEND_BUFFER: usize = 64 * 1024;
/// After the process has run out of files, say: how long until the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// A thread that serves connections.
pub(crate) struct Worker {
    pub(crate) runtime: Handle,
    /// Connections that it was dealt and that have not ended.
    pub(crate) connections: Arc<AtomicUsize>,
}

/// Accepts from one listener until the server stops.
pub(crate) async fn accept(service: Service, listener: TcpListener, workers: Arc<[Worker]>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = service.site.stopped() => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let Some(permit) = service.site.admission.admit(from.ip()) else {
                    service.site.hub.metrics.dropped.inc(Dropped::ConnectionLimit);
                    continue;
                };
                let (worker, idlest) = idlest(&workers);
                let peer = Peer { address: from.ip().to_canonical(), worker, permit: Arc::new(permit) };
                if let Err(error) = deal(service.clone(), stream, peer, idlest) {
                    tracing::debug!(%error, "a connection was lost before it was served");
                }
            }
            // The peer has gone already.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn idlest(workers: &[Worker]) -> (usize, &Worker) {
    workers
        .iter()
        .enumerate()
        .min_by_key(|(_, worker)| worker.connections.load(Ordering::Relaxed))
        .expect("at least one worker")
}

/// Moves a connection to its worker's thread.
fn deal(service: Service, stream: TcpStream, peer: Peer, worker: &Worker) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
    let stream = stream.into_std()?;
    worker.connections.fetch_add(1, Ordering::Relaxed);
    peer.permit.count_at(worker.connections.clone());
    worker.runtime.spawn(async move {
        match TcpStream::from_std(stream) {
            Ok(stream) => serve(service, stream, peer).await,
            Err(error) => tracing::error!(%error, "cannot serve a connection"),
        }
    });
    Ok(())
}
