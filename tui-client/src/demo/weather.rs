//! The visitor's way to the server, which [`Weather`] can be made on: a proxy on this host.
//!
//! What the weather means at a moment is a [`Sky`], which [`change`] makes of it; connections go by that alone.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::Weather;

/// While it flaps: how long there is no connection, and then one.
const FLAP: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(7)];
/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// Chunks that are on the way at most.
const CHUNKS: usize = 64;

/// What the weather does to a connection now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sky {
    /// There is none.
    is_down: bool,
    /// How much longer each way takes.
    lag: Duration,
}

/// Takes connections to `server` through the weather. Ends where the listener does.
pub(super) async fn run(
    listener: TcpListener,
    server: SocketAddr,
    weather: watch::Receiver<Weather>,
) -> io::Result<()> {
    let (sender, sky) = watch::channel(Sky::default());
    tokio::select! {
        () = change(weather, sender) => Ok(()),
        ended = accept(listener, server, sky) => ended,
    }
}

/// Says what each weather means, and what follows from it in its time.
async fn change(mut weather: watch::Receiver<Weather>, sky: watch::Sender<Sky>) {
    loop {
        let now = *weather.borrow_and_update();
        tokio::select! {
            () = follow(now, &sky) => {}
            changed = weather.changed() => if changed.is_err() {
                // Nobody is left who could make another one.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Never ends.
async fn follow(weather: Weather, sky: &watch::Sender<Sky>) {
    let down = Sky { is_down: true, lag: Duration::ZERO };
    match weather {
        Weather::Fine => drop(sky.send_replace(Sky::default())),
        Weather::Lag(more) => drop(sky.send_replace(Sky { is_down: false, lag: more / 2 })),
        Weather::Drop(time) => {
            sky.send_replace(down);
            sleep(time).await;
            sky.send_replace(Sky::default());
        }
        Weather::Flap => loop {
            for (next, time) in [down, Sky::default()].into_iter().zip(FLAP) {
                sky.send_replace(next);
                sleep(time).await;
            }
        },
    }
    std::future::pending::<()>().await;
}

async fn accept(listener: TcpListener, server: SocketAddr, sky: watch::Receiver<Sky>) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let sky = sky.clone();
        tokio::spawn(async move {
            // A connection that fails is one that ends.
            let _ = carry(client, server, sky).await;
        });
    }
}

/// Carries a connection until one end closes it, or it is cut.
async fn carry(client: TcpStream, server: SocketAddr, mut sky: watch::Receiver<Sky>) -> io::Result<()> {
    let lag = sky.clone();
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
        _ = sky.wait_for(|sky| sky.is_down) => Ok(()),
        ended = carried => ended,
    }
}

/// Carries bytes one way, in their order, and says at the end that it is one.
async fn delay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    sky: watch::Receiver<Sky>,
) -> io::Result<()> {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let read = async move {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            if from.read_buf(&mut chunk).await? == 0 {
                return Ok(());
            }
            let due = Instant::now() + sky.borrow().lag;
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

    /// What `weather` does, and when, from now on; as many changes as are asked for.
    async fn skies(weather: Weather, changes: usize) -> Vec<(Duration, bool)> {
        let (sender, weather_now) = watch::channel(weather);
        let (to_sky, mut sky) = watch::channel(Sky::default());
        let begin = Instant::now();
        let changing = tokio::spawn(change(weather_now, to_sky));
        let mut seen = Vec::new();
        for _ in 0..changes {
            sky.changed().await.expect("it goes on");
            seen.push((begin.elapsed(), sky.borrow_and_update().is_down));
        }
        drop(sender);
        changing.abort();
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_cut_comes_back() {
        assert_eq!(skies(Weather::Drop(5 * SECOND), 2).await, [(Duration::ZERO, true), (5 * SECOND, false)]);
        let flaps = skies(Weather::Flap, 4).await;
        assert_eq!(flaps.iter().map(|(_, is_down)| *is_down).collect::<Vec<_>>(), [true, false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn another_weather_ends_the_one_before() {
        let (sender, weather) = watch::channel(Weather::Drop(60 * SECOND));
        let (to_sky, mut sky) = watch::channel(Sky::default());
        let begin = Instant::now();
        tokio::spawn(change(weather, to_sky));
        sky.wait_for(|sky| sky.is_down).await.expect("it goes on");
        sender.send_replace(Weather::Lag(2 * SECOND));
        let now = *sky.wait_for(|sky| !sky.is_down).await.expect("it goes on");
        assert_eq!((now.lag, begin.elapsed()), (SECOND, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_lags_comes_late_and_in_order() {
        let (sender, sky) = watch::channel(Sky { is_down: false, lag: SECOND });
        let (mut here, from) = tokio::io::duplex(64);
        let (to, mut there) = tokio::io::duplex(64);
        let carried = tokio::spawn(delay(from, to, sky));
        let begin = Instant::now();
        here.write_all(b"one").await.expect("written");
        let mut bytes = [0; 3];
        there.read_exact(&mut bytes).await.expect("read");
        assert_eq!((&bytes, begin.elapsed()), (b"one", SECOND));
        here.write_all(b"two").await.expect("written");
        tokio::task::yield_now().await;
        // What follows is not quicker than what is on its way.
        sender.send_replace(Sky::default());
        here.write_all(b"three").await.expect("written");
        drop(here);
        let mut rest = Vec::new();
        there.read_to_end(&mut rest).await.expect("read");
        assert_eq!(rest, b"twothree");
        carried.await.expect("no panic").expect("no error");
    }

    #[tokio::test]
    async fn a_connection_is_cut_and_another_one_is_not_made_before_its_time() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, behind) =
            (listener.local_addr().expect("an address"), server.local_addr().expect("an address"));
        let (to_sky, sky) = watch::channel(Sky::default());
        let accepting = tokio::spawn(accept(listener, behind, sky));
        let mut client = TcpStream::connect(address).await.expect("connected");
        let (mut far, _) = server.accept().await.expect("a connection");
        client.write_all(b"hello").await.expect("written");
        let mut bytes = [0; 5];
        far.read_exact(&mut bytes).await.expect("read");
        to_sky.send_replace(Sky { is_down: true, lag: Duration::ZERO });
        assert!(matches!(client.read(&mut bytes).await, Ok(0) | Err(_)));
        assert!(matches!(far.read(&mut bytes).await, Ok(0) | Err(_)));
        let mut refused = TcpStream::connect(address).await.expect("it is taken, and dropped");
        assert!(matches!(refused.read(&mut bytes).await, Ok(0) | Err(_)));
        to_sky.send_replace(Sky::default());
        let mut again = TcpStream::connect(address).await.expect("connected");
        let (mut far, _) = server.accept().await.expect("the second connection, not the refused one");
        again.write_all(b"again").await.expect("written");
        far.read_exact(&mut bytes).await.expect("read");
        assert_eq!(&bytes, b"again");
        accepting.abort();
    }
}
