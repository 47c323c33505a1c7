//! The hall: a large room whose members only read.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::socket;
use crate::{Addresses, Failure};

/// The name of the room.
pub(crate) const HALL: &str = "hall";
/// A masked pong without a payload, and the time after which one is sent, so that the server does not ping.
const PONG: [u8; 6] = [0x8A, 0x80, 0, 0, 0, 0];
const PONG_INTERVAL: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 16 * 1024;

/// Members of the hall, who leave on drop.
pub(crate) struct Hall {
    _running: oneshot::Sender<()>,
}

impl Hall {
    /// Starts the members and waits until all have joined.
    pub(crate) async fn start(addresses: &Addresses, members: u16) -> Result<Self, Failure> {
        let (running, stopped) = oneshot::channel::<()>();
        let (joined, are_joined) = oneshot::channel();
        let addresses = addresses.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let mut reading = JoinSet::new();
                let mut result = Ok(());
                for number in 0..members {
                    match enter(addresses.of(number.into()), number).await {
                        Ok(stream) => drop(reading.spawn(discard(stream))),
                        Err(error) => result = Err(error),
                    }
                }
                // An error is the end of the run.
                let _ = joined.send(result);
                let _ = stopped.await;
            });
        });
        are_joined.await.map_err(|_| "the members of the hall cannot join")??;
        Ok(Self { _running: running })
    }
}

async fn enter(address: SocketAddr, number: u16) -> Result<TcpStream, Failure> {
    let token = socket::token(&format!("listener-{number}"))?;
    let (mut sink, mut stream) = socket::open(address, &token).await?;
    sink.send(Message::text(format!(r#"{{"type":"join_room","room":"{HALL}"}}"#))).await?;
    socket::next_text(&mut stream).await?;
    // From here on frames are not parsed: that would cost more than the server spends on them.
    Ok(sink.reunite(stream)?.into_inner())
}

/// Reads until the server ends the connection.
async fn discard(mut stream: TcpStream) {
    let mut bytes = [0; READ_BYTES];
    loop {
        match timeout(PONG_INTERVAL, stream.read(&mut bytes)).await {
            Ok(Ok(1..)) => {}
            Err(_) if stream.write_all(&PONG).await.is_ok() => {}
            Ok(_) | Err(_) => return,
        }
    }
}
