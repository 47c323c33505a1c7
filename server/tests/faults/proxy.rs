//! The way between clients and a server, which can be cut, reset, and made a black hole.
//!
//! A connection is known by the client's port. One that is held forwards nothing, the end of a stream included: the
//! other side does not learn that a client gave up, as behind a router that is gone. What is in its buffers goes on
//! when it is open again, so that a server hears late what a client has long sent again.

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

/// What the kernel keeps at most of what a server sends, each way of it: little, so that the server notices a reader
/// that stops.
const KEPT: u32 = 16 * 1024;
/// For a side whose connection was cut to end it as well.
const FAREWELL: Duration = Duration::from_secs(5);

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Open,
    /// Nothing passes.
    Held,
    /// What the client says does not pass.
    HeldToServer,
    /// What the server says does not pass.
    HeldToClient,
    /// Ended with FIN, both ways.
    Cut,
    /// Ended with RST, both ways.
    Reset,
}

/// A proxy on a port of its own; it ends with this.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    connections: Mutex<BTreeMap<u16, Carried>>,
    /// What a connection that is to be told from others says when it begins.
    mark: Option<&'static [u8]>,
}

/// A connection that is carried.
struct Carried {
    flow: watch::Sender<Flow>,
    /// It has said what tells it from others.
    marked: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        Self::marking(target, None).await
    }

    /// One that tells connections on which `mark` is said from others.
    pub(crate) async fn marking(target: SocketAddr, mark: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared { target: Mutex::new(target), connections: Mutex::default(), mark });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, accepting }
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where connections go that come from now on.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *self.shared.target.lock() = target;
    }

    /// Changes connections, known by their clients' ports.
    pub(crate) fn set(&self, ports: &[u16], flow: Flow) {
        let connections = self.shared.connections.lock();
        for connection in ports.iter().filter_map(|port| connections.get(port)) {
            connection.flow.send_replace(flow);
        }
    }

    /// Changes those on which the mark was said.
    pub(crate) fn set_marked(&self, flow: Flow) {
        let connections = self.shared.connections.lock();
        for connection in connections.values().filter(|carried| carried.marked.load(Ordering::Relaxed)) {
            connection.flow.send_replace(flow);
        }
    }

    /// Opens whatever is held.
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

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, peer)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let (flow, changes) = watch::channel(Flow::Open);
            let marked = Arc::new(AtomicBool::new(false));
            let carried = Carried { flow, marked: marked.clone() };
            shared.connections.lock().insert(peer.port(), carried);
            let target = *shared.target.lock();
            // An error is the end of the connection, and that is all that a proxy can tell.
            let listens = Listens { mark: shared.mark, marked };
            let _ = carry(client, target, changes, &listens).await;
            shared.connections.lock().remove(&peer.port());
        });
    }
}

/// Hears whether a mark is said.
struct Listens {
    mark: Option<&'static [u8]>,
    marked: Arc<AtomicBool>,
}

impl Listens {
    fn hear(&self, bytes: &[u8]) {
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
    listens: &Listens,
) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(KEPT)?;
    let mut server = socket.connect(target).await?;
    SockRef::from(&client).set_send_buffer_size(KEPT as usize)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let end = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let mut ends = flow.clone();
        tokio::select! {
            both = async { tokio::try_join!(
                pump(from_client, to_server, flow.clone(), Flow::HeldToServer, |bytes| listens.hear(bytes)),
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
    // A socket that is closed before all was read resets.
    let both = async { tokio::try_join!(drain(&mut client), drain(&mut server)) };
    tokio::time::timeout(FAREWELL, both).await.map_err(io::Error::other)?.map(drop)
}

/// Forwards one direction to its end, pausing while it is held.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut flow: watch::Receiver<Flow>,
    held: Flow,
    hear: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        // What was held when the connection ends is lost with it.
        let stopped = [held, Flow::Held, Flow::Cut, Flow::Reset];
        flow.wait_for(|flow| !stopped.contains(flow)).await.map_err(io::Error::other)?;
        let read = tokio::select! {
            read = from.read(&mut bytes) => read?,
            _ = flow.changed() => continue,
        };
        if read == 0 {
            return to.shutdown().await;
        }
        hear(&bytes[..read]);
        to.write_all(&bytes[..read]).await?;
    }
}

async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}
