//! Accept loop: assigns each connection to a worker.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::site::Peer;
use super::{Service, serve};

/// Size of the kernel's send buffer. The default would let each slow reader pin megabytes.
const SEND_BUFFER: usize = 64 * 1024;
/// Pause after a failed accept, for example when the process has no file descriptors left.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Worker thread that serves connections.
pub(crate) struct Worker {
    pub(crate) runtime: Handle,
    /// Open connections that are assigned to it.
    pub(crate) connections: Arc<AtomicUsize>,
}

/// Accepts from one listener until the server stops.
pub(crate) async fn accept(service: Service, listener: TcpListener, workers: Arc<[Worker]>) {
    let on_loopback = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = service.site.stopped() => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let (worker, least_loaded) = least_loaded(&workers);
                let permit = service.site.admission.admit(from.ip(), service.kind);
                let permit = permit.counted_at(&least_loaded.connections);
                let peer = Peer { on_loopback, worker, permit: Arc::new(permit) };
                if let Err(error) = assign(service.clone(), stream, peer, least_loaded) {
                    tracing::debug!(%error, "a connection was lost before it was served");
                }
            }
            // The peer is gone already.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

fn least_loaded(workers: &[Worker]) -> (usize, &Worker) {
    workers
        .iter()
        .enumerate()
        .min_by_key(|(_, worker)| worker.connections.load(Ordering::Relaxed))
        .expect("at least one worker")
}

/// Moves a connection to the thread of its worker.
fn assign(service: Service, stream: TcpStream, peer: Peer, worker: &Worker) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
    let stream = stream.into_std()?;
    worker.runtime.spawn(async move {
        match TcpStream::from_std(stream) {
            Ok(stream) => serve(service, stream, peer).await,
            Err(error) => tracing::error!(%error, "cannot serve a connection"),
        }
    });
    Ok(())
}
