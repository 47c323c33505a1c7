//! Proxy between the visitor and the server, on this host: it simulates a [`NetworkFault`].
//!
//! [`change`] turns a fault into the [`Condition`] of the network now; connections know only the condition.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::network_fault::NetworkFault;

/// Phases of a flap: time without a connection, and time with one.
const FLAP: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(7)];
/// Most bytes of a read.
const CHUNK: usize = 16 * 1024;
/// Most chunks on the way.
const CHUNKS: usize = 64;

/// Condition of the network now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Condition {
    is_down: bool,
    /// Additional delay of each way.
    lag: Duration,
}

/// Accepts connections and carries them to `server`. Ends when the listener does.
pub(super) async fn run(
    listener: TcpListener,
    server: SocketAddr,
    fault: watch::Receiver<NetworkFault>,
) -> io::Result<()> {
    let (sender, condition) = watch::channel(Condition::default());
    tokio::select! {
        () = change(fault, sender) => Ok(()),
        ended = accept(listener, server, condition) => ended,
    }
}

/// Turns faults into conditions as time passes.
async fn change(mut fault: watch::Receiver<NetworkFault>, condition: watch::Sender<Condition>) {
    loop {
        let now = *fault.borrow_and_update();
        tokio::select! {
            () = follow(now, &condition) => {}
            changed = fault.changed() => if changed.is_err() {
                // No further fault can arrive.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Applies a fault. Never returns.
async fn follow(fault: NetworkFault, condition: &watch::Sender<Condition>) {
    let down = Condition { is_down: true, lag: Duration::ZERO };
    match fault {
        NetworkFault::Off => drop(condition.send_replace(Condition::default())),
        NetworkFault::Lag(more) => drop(condition.send_replace(Condition { is_down: false, lag: more / 2 })),
        NetworkFault::Drop(time) => {
            condition.send_replace(down);
            sleep(time).await;
            condition.send_replace(Condition::default());
        }
        NetworkFault::Flap => loop {
            for (next, time) in [down, Condition::default()].into_iter().zip(FLAP) {
                condition.send_replace(next);
                sleep(time).await;
            }
        },
    }
    std::future::pending::<()>().await;
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    condition: watch::Receiver<Condition>,
) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let condition = condition.clone();
        tokio::spawn(async move {
            // A connection that fails just ends.
            let _ = carry(client, server, condition).await;
        });
    }
}

/// Carries a connection until one side closes it, or the condition cuts it.
async fn carry(
    client: TcpStream,
    server: SocketAddr,
    mut condition: watch::Receiver<Condition>,
) -> io::Result<()> {
    let lag = condition.clone();
    let carried = async {
        let server = TcpStream::connect(server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::try_join!(delay(from_client, to_server, lag.clone()), delay(from_server, to_client, lag))?;
        Ok(())
    };
    tokio::select! {
        biased;
        _ = condition.wait_for(|condition| condition.is_down) => Ok(()),
        ended = carried => ended,
    }
}

/// Carries bytes one way, in order and delayed, and then the end of the stream.
async fn delay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    condition: watch::Receiver<Condition>,
) -> io::Result<()> {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let read = async move {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            if from.read_buf(&mut chunk).await? == 0 {
                return Ok(());
            }
            let due = Instant::now() + condition.borrow().lag;
            if sender.send((due, chunk)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = chunks.recv().await {
            sleep_until(due).await;
            to.write_all(&chunk).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The first `changes` changes of the condition that `fault` causes, with their times from now.
    async fn conditions(fault: NetworkFault, changes: usize) -> Vec<(Duration, bool)> {
        let (sender, faults) = watch::channel(fault);
        let (to_condition, mut condition) = watch::channel(Condition::default());
        let begin = Instant::now();
        let changing = tokio::spawn(change(faults, to_condition));
        let mut seen = Vec::new();
        for _ in 0..changes {
            condition.changed().await.expect("the fault goes on");
            seen.push((begin.elapsed(), condition.borrow_and_update().is_down));
        }
        drop(sender);
        changing.abort();
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_ends_after_its_time() {
        assert_eq!(
            conditions(NetworkFault::Drop(5 * SECOND), 2).await,
            [(Duration::ZERO, true), (5 * SECOND, false)]
        );
        let flaps = conditions(NetworkFault::Flap, 4).await;
        assert_eq!(flaps.iter().map(|(_, is_down)| *is_down).collect::<Vec<_>>(), [true, false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_fault_replaces_the_current_one() {
        let (sender, fault) = watch::channel(NetworkFault::Drop(60 * SECOND));
        let (to_condition, mut condition) = watch::channel(Condition::default());
        let begin = Instant::now();
        tokio::spawn(change(fault, to_condition));
        condition.wait_for(|condition| condition.is_down).await.expect("the fault goes on");
        sender.send_replace(NetworkFault::Lag(2 * SECOND));
        let now = *condition.wait_for(|condition| !condition.is_down).await.expect("the fault goes on");
        assert_eq!((now.lag, begin.elapsed()), (SECOND, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn lag_delays_bytes_and_keeps_their_order() {
        let (sender, condition) = watch::channel(Condition { is_down: false, lag: SECOND });
        let (mut here, from) = tokio::io::duplex(64);
        let (to, mut there) = tokio::io::duplex(64);
        let carried = tokio::spawn(delay(from, to, condition));
        let begin = Instant::now();
        here.write_all(b"one").await.expect("written");
        let mut bytes = [0; 3];
        there.read_exact(&mut bytes).await.expect("read");
        assert_eq!((&bytes, begin.elapsed()), (b"one", SECOND));
        here.write_all(b"two").await.expect("written");
        tokio::task::yield_now().await;
        // Later bytes do not overtake delayed ones.
        sender.send_replace(Condition::default());
        here.write_all(b"three").await.expect("written");
        drop(here);
        let mut rest = Vec::new();
        there.read_to_end(&mut rest).await.expect("read");
        assert_eq!(rest, b"twothree");
        carried.await.expect("no panic").expect("no error");
    }

    #[tokio::test]
    async fn a_cut_closes_the_connection_and_refuses_new_ones() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, behind) =
            (listener.local_addr().expect("an address"), server.local_addr().expect("an address"));
        let (to_condition, condition) = watch::channel(Condition::default());
        let accepting = tokio::spawn(accept(listener, behind, condition));
        let mut client = TcpStream::connect(address).await.expect("connected");
        let (mut far, _) = server.accept().await.expect("a connection");
        client.write_all(b"hello").await.expect("written");
        let mut bytes = [0; 5];
        far.read_exact(&mut bytes).await.expect("read");
        to_condition.send_replace(Condition { is_down: true, lag: Duration::ZERO });
        assert!(matches!(client.read(&mut bytes).await, Ok(0) | Err(_)));
        assert!(matches!(far.read(&mut bytes).await, Ok(0) | Err(_)));
        let mut refused = TcpStream::connect(address).await.expect("accepted, and closed");
        assert!(matches!(refused.read(&mut bytes).await, Ok(0) | Err(_)));
        to_condition.send_replace(Condition::default());
        let mut again = TcpStream::connect(address).await.expect("connected");
        let (mut far, _) = server.accept().await.expect("the connection after the cut");
        again.write_all(b"again").await.expect("written");
        far.read_exact(&mut bytes).await.expect("read");
        assert_eq!(&bytes, b"again");
        accepting.abort();
    }
}
