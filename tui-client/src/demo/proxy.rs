//! Proxy between the visitor and the server, on this host: it simulates a [`NetworkFault`].
//!
//! [`change`] turns a fault into the [`Condition`] of the network now; connections know only the condition.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
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

/// Accepts connections and carries them to `server`. Notifies `network_up` when a cut ends. Ends when the listener does.
pub(super) async fn run(
    listener: TcpListener,
    server: SocketAddr,
    fault: watch::Receiver<NetworkFault>,
    network_up: &Notify,
) -> io::Result<()> {
    let (sender, condition) = watch::channel(Condition::default());
    tokio::select! {
        () = change(fault, Switch { condition: sender, network_up }) => Ok(()),
        ended = accept(listener, server, condition) => ended,
    }
}

/// Sets the condition.
struct Switch<'a> {
    condition: watch::Sender<Condition>,
    network_up: &'a Notify,
}

impl Switch<'_> {
    /// A new connection is carried by the time of the notice.
    fn set(&self, condition: Condition) {
        let before = self.condition.send_replace(condition);
        if before.is_down && !condition.is_down {
            self.network_up.notify_one();
        }
    }
}

/// Turns faults into conditions as time passes.
async fn change(mut fault: watch::Receiver<NetworkFault>, switch: Switch<'_>) {
    loop {
        let now = *fault.borrow_and_update();
        tokio::select! {
            () = follow(now, &switch) => {}
            changed = fault.changed() => if changed.is_err() {
                // No further fault can arrive.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Applies a fault. Never returns.
async fn follow(fault: NetworkFault, switch: &Switch<'_>) {
    let down = Condition { is_down: true, lag: Duration::ZERO };
    match fault {
        NetworkFault::Off => switch.set(Condition::default()),
        NetworkFault::Lag(more) => switch.set(Condition { is_down: false, lag: more / 2 }),
        NetworkFault::Drop(time) => {
            switch.set(down);
            sleep(time).await;
            switch.set(Condition::default());
        }
        NetworkFault::Flap => loop {
            for (next, time) in [down, Condition::default()].into_iter().zip(FLAP) {
                switch.set(next);
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
        let changing = tokio::spawn(async move {
            change(faults, Switch { condition: to_condition, network_up: &Notify::new() }).await;
        });
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
    async fn the_end_of_each_cut_is_notified() {
        for (fault, next, ends) in [
            (NetworkFault::Drop(10 * SECOND), None, 10 * SECOND),
            (NetworkFault::Drop(600 * SECOND), Some(NetworkFault::Off), SECOND),
            (NetworkFault::Drop(600 * SECOND), Some(NetworkFault::Lag(SECOND)), SECOND),
            (NetworkFault::Flap, None, FLAP[0]),
        ] {
            let (sender, faults) = watch::channel(fault);
            let (condition, now) = watch::channel(Condition::default());
            let network_up = Notify::new();
            let begin = Instant::now();
            let end = async {
                if let Some(next) = next {
                    sleep(SECOND).await;
                    sender.send_replace(next);
                }
                network_up.notified().await;
                assert!(!now.borrow().is_down, "{fault:?}");
                begin.elapsed()
            };
            let elapsed = tokio::select! {
                elapsed = end => elapsed,
                () = change(faults, Switch { condition, network_up: &network_up }) => unreachable!("it goes on"),
            };
            assert_eq!(elapsed, ends, "{fault:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_fault_replaces_the_current_one() {
        let (sender, fault) = watch::channel(NetworkFault::Drop(60 * SECOND));
        let (to_condition, mut condition) = watch::channel(Condition::default());
        let begin = Instant::now();
        tokio::spawn(async move {
            change(fault, Switch { condition: to_condition, network_up: &Notify::new() }).await;
        });
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
