//! A TCP proxy between clients and a server. It can cut, reset and hold connections.
//!
//! A connection is identified by the client's port. A held connection forwards nothing, not even the end of a stream.
//! So the other side does not notice that a client gave up, as behind a failed router. Held bytes are forwarded once
//! the connection opens again. So a server may receive a message long after the client has sent it again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Size of the kernel's buffers in each direction: small, so that the server notices a reader that stops.
const BUFFER_BYTES: u32 = 16 * 1024;
/// Time for both sides to close after a cut.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// State of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Open,
    /// Held in both directions.
    Held,
    /// Held from the client to the server.
    HeldToServer,
    /// Held from the server to the client.
    HeldToClient,
    /// Ended with FIN, both ways.
    Cut,
    /// Ended with RST, both ways.
    Reset,
}

/// A proxy on its own port. Dropping it stops it.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<ProxyState>,
    accepting: JoinHandle<()>,
}

struct ProxyState {
    target: Mutex<SocketAddr>,
    connections: Mutex<BTreeMap<u16, Connection>>,
    /// Bytes by which marked connections are recognised.
    mark: Option<&'static [u8]>,
}

/// A proxied connection.
struct Connection {
    flow: watch::Sender<Flow>,
    /// True once the client has sent the mark.
    marked: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        Self::marking(target, None).await
    }

    /// Starts a proxy that recognises connections on which the client sends `mark`.
    pub(crate) async fn marking(target: SocketAddr, mark: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(ProxyState { target: Mutex::new(target), connections: Mutex::default(), mark });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, accepting }
    }

    /// Address for clients.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the server of future connections.
    pub(crate) fn set_target(&self, target: SocketAddr) {
        *self.shared.target.lock() = target;
    }

    /// Sets the flow of connections, by the ports of their clients.
    pub(crate) fn set_flow(&self, ports: &[u16], flow: Flow) {
        let connections = self.shared.connections.lock();
        for connection in ports.iter().filter_map(|port| connections.get(port)) {
            connection.flow.send_replace(flow);
        }
    }

    /// Sets the flow of marked connections.
    pub(crate) fn set_marked_flow(&self, flow: Flow) {
        let connections = self.shared.connections.lock();
        for connection in connections.values().filter(|connection| connection.marked.load(Ordering::Relaxed))
        {
            connection.flow.send_replace(flow);
        }
    }

    /// Opens all connections that are held.
    pub(crate) fn open_all(&self) {
        for connection in self.shared.connections.lock().values() {
            connection.flow.send_replace(Flow::Open);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<ProxyState>) {
    while let Ok((client, peer)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let (flow, changes) = watch::channel(Flow::Open);
            let marked = Arc::new(AtomicBool::new(false));
            let connection = Connection { flow, marked: marked.clone() };
            shared.connections.lock().insert(peer.port(), connection);
            let target = *shared.target.lock();
            // An error ends the connection; a proxy cannot report more.
            let detector = MarkDetector { mark: shared.mark, marked };
            let _ = carry(client, target, changes, &detector).await;
            shared.connections.lock().remove(&peer.port());
        });
    }
}

/// Recognises connections by a mark.
struct MarkDetector {
    mark: Option<&'static [u8]>,
    marked: Arc<AtomicBool>,
}

impl MarkDetector {
    fn scan(&self, bytes: &[u8]) {
        let Some(mark) = self.mark else { return };
        if bytes.windows(mark.len()).any(|window| window == mark) {
            self.marked.store(true, Ordering::Relaxed);
        }
    }
}

async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    flow: watch::Receiver<Flow>,
    detector: &MarkDetector,
) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    let mut server = socket.connect(target).await?;
    SockRef::from(&client).set_send_buffer_size(BUFFER_BYTES as usize)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let end = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let mut ends = flow.clone();
        tokio::select! {
            both = async { tokio::try_join!(
                pump(from_client, to_server, flow.clone(), Flow::HeldToServer, |bytes| detector.scan(bytes)),
                pump(from_server, to_client, flow.clone(), Flow::HeldToClient, |_| ()),
            ) } => return both.map(drop),
            end = ends.wait_for(|flow| [Flow::Cut, Flow::Reset].contains(flow)) => *end.map_err(io::Error::other)?,
        }
    };
    if end == Flow::Reset {
        for stream in [&client, &server] {
            SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
        }
        return Ok(());
    }
    client.shutdown().await?;
    server.shutdown().await?;
    // A socket that is closed with unread bytes sends RST instead of FIN.
    let both = async { tokio::try_join!(drain(&mut client), drain(&mut server)) };
    tokio::time::timeout(CLOSE_TIMEOUT, both).await.map_err(io::Error::other)?.map(drop)
}

/// Forwards one direction to its end, and pauses while it is held.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut flow: watch::Receiver<Flow>,
    held: Flow,
    scan: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        // Held bytes are lost if the connection ends.
        let stopped = [held, Flow::Held, Flow::Cut, Flow::Reset];
        flow.wait_for(|flow| !stopped.contains(flow)).await.map_err(io::Error::other)?;
        let read = tokio::select! {
            read = from.read(&mut bytes) => read?,
            _ = flow.changed() => continue,
        };
        if read == 0 {
            return to.shutdown().await;
        }
        scan(&bytes[..read]);
        to.write_all(&bytes[..read]).await?;
    }
}

async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}
