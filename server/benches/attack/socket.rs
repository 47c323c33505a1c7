//! WebSocket connections with a token.

use std::net::SocketAddr;

use futures_util::StreamExt;
use futures_util::stream::{SplitSink, SplitStream};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{Failure, SECRET};
use realtime_load::tokens::Tokens;

pub(crate) type Sink = SplitSink<WebSocketStream<TcpStream>, Message>;
pub(crate) type Stream = SplitStream<WebSocketStream<TcpStream>>;

/// The end of a connection, or the failure to open one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("HTTP {0}")]
    Refused(u16),
    #[error("{}", close_text(.0.as_ref()))]
    Closed(Option<CloseFrame>),
    #[error("{0}")]
    Lost(String),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Http(response) => Self::Refused(response.status().as_u16()),
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Closed(None),
            error => Self::Lost(error.to_string()),
        }
    }
}

/// Receive buffer of a slow reader, in bytes.
const NARROW_BUFFER: u32 = 4 * 1024;

pub(crate) fn token(user: &str) -> Result<String, Failure> {
    Ok(Tokens::Minted { secret: SECRET.to_owned() }.for_user(user)?)
}

/// Opens a connection and receives its welcome.
pub(crate) async fn open(address: SocketAddr, token: &str) -> Result<(Sink, Stream), End> {
    upgrade(TcpStream::connect(address).await?, address, token).await
}

/// Opens a connection with a small receive buffer, so that the server notices that it reads slowly.
pub(crate) async fn open_narrow(address: SocketAddr, token: &str) -> Result<(Sink, Stream), End> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(NARROW_BUFFER)?;
    upgrade(socket.connect(address).await?, address, token).await
}

async fn upgrade(stream: TcpStream, address: SocketAddr, token: &str) -> Result<(Sink, Stream), End> {
    stream.set_nodelay(true)?;
    let url = format!("ws://{address}/api/v1/ws?token={token}");
    let (socket, _) = client_async(url, stream).await?;
    let (sink, mut stream) = socket.split();
    next_text(&mut stream).await?;
    Ok((sink, stream))
}

/// Receives the next text frame.
pub(crate) async fn next_text(stream: &mut Stream) -> Result<Utf8Bytes, End> {
    loop {
        match stream.next().await.ok_or(End::Closed(None))?? {
            Message::Text(text) => return Ok(text),
            Message::Close(close) => return Err(End::Closed(close)),
            _ => {}
        }
    }
}

fn close_text(close: Option<&CloseFrame>) -> String {
    close.map_or_else(
        || "closed without a code".to_owned(),
        |close| format!("{} {}", u16::from(close.code), close.reason),
    )
}
