//! One WebSocket connection to the server.
//!
//! [`Link::receive`] reads and writes. It is cancel safe: unsent frames stay queued, and no received frame is lost. The
//! WebSocket library answers the server's pings during the next call. A broken frame ends the connection with the
//! protocol's close code for it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, Stream, StreamExt};
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::{Response, Uri};
use realtime_shared::codec::{self, SERVER_FRAME_BYTES};
use realtime_shared::{CloseCode, ServerFrame};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::dial::{self, Unanswered};
use super::event::Disconnect;
use super::tls;

/// Initial size of the read and write buffers. Chat frames are small; larger ones grow the buffers.
const BUFFER_BYTES: usize = 16 * 1024;
/// Most bytes in the library's write buffer while the socket is full: above the largest frame and some pongs.
const WRITE_BYTES: usize = 256 * 1024;
/// Longest time of a closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Link {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    outgoing: VecDeque<Utf8Bytes>,
    /// A write failed. The frames that the server sent before can still be read.
    write_failed: bool,
}

/// The result of [`Link::receive`].
#[derive(Debug)]
pub(super) enum Received {
    /// A frame and its text.
    Frame(Box<ServerFrame>, Utf8Bytes),
    /// A sign of life without a frame.
    Activity,
    /// The connection has ended.
    Ended(CloseCode),
}

/// The reason why a connection attempt failed.
#[derive(Debug)]
pub(super) struct OpenError {
    pub(super) reason: Disconnect,
    /// The shortest wait before the next attempt, if the server requires one.
    pub(super) retry_after: Option<Duration>,
}

impl OpenError {
    /// The server cannot be reached.
    pub(super) fn unreachable(why: &impl ToString) -> Self {
        Self { reason: Disconnect::Unreachable(why.to_string()), retry_after: None }
    }
}

impl Link {
    /// Connects, and upgrades with the token in a header.
    pub(super) async fn open(url: &Uri, token: &str, unanswered: &Unanswered) -> Result<Self, OpenError> {
        let mut request = url.into_client_request().map_err(|error| OpenError::unreachable(&error))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| OpenError::unreachable(&"the token has invalid characters"))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);

        let host = url.host().unwrap_or_default();
        let (connector, port) = match url.scheme_str() {
            Some("wss") => (tls::connector().await.map_err(|why| OpenError::unreachable(&why))?, 443),
            _ => (Connector::Plain, 80),
        };
        let port = url.port_u16().unwrap_or(port);
        let connected = dial::connect(host, port, unanswered).await;
        let stream = connected.map_err(|error| OpenError::unreachable(&error))?;
        stream.set_nodelay(true).map_err(|error| OpenError::unreachable(&error))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BYTES)
            .max_frame_size(Some(SERVER_FRAME_BYTES))
            .max_message_size(Some(SERVER_FRAME_BYTES));
        match client_async_tls_with_config(request, stream, Some(config), Some(connector)).await {
            Ok((socket, _)) => Ok(Self { socket, outgoing: VecDeque::new(), write_failed: false }),
            Err(Error::Http(response)) => Err(OpenError {
                reason: Disconnect::Refused { status: response.status().as_u16() },
                retry_after: retry_after(&response),
            }),
            Err(Error::Io(error)) => Err(OpenError::unreachable(&tls::error_text(&error))),
            Err(error) => Err(OpenError::unreachable(&format!("not a WebSocket server: {error}"))),
        }
    }

    /// Queues a frame for the next calls of [`Link::receive`].
    pub(super) fn push(&mut self, frame: String) {
        self.outgoing.push_back(frame.into());
    }

    /// Number of queued frames.
    pub(super) fn unsent(&self) -> usize {
        self.outgoing.len()
    }

    /// Receives the next frame, and writes queued frames until then.
    pub(super) async fn receive(&mut self) -> Received {
        poll_fn(|cx| {
            if !self.write_failed {
                self.write_failed = matches!(self.poll_write(cx), Poll::Ready(Err(_)));
            }
            Poll::Ready(match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(message)) => self.read(message, cx),
                Some(Err(error)) => match protocol_violation(&error) {
                    Some(code) => self.fail(code, cx),
                    None => Received::Ended(CloseCode::Lost),
                },
                None => Received::Ended(CloseCode::Lost),
            })
        })
        .await
    }

    /// Writes the queued frames and a close frame, and waits for the server's close frame for a short time.
    pub(super) async fn close(mut self) {
        let handshake = async {
            poll_fn(|cx| self.poll_write(cx)).await?;
            self.socket.close(Some(close_frame(CloseCode::Normal))).await?;
            while self.socket.next().await.transpose()?.is_some() {}
            Ok::<_, Error>(())
        };
        // The result does not matter: the connection ends here.
        _ = tokio::time::timeout(CLOSE_TIMEOUT, handshake).await;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.outgoing.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
            if let Some(frame) = self.outgoing.pop_front() {
                Pin::new(&mut self.socket).start_send(Message::Text(frame))?;
            }
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn read(&mut self, message: Message, cx: &mut Context<'_>) -> Received {
        match message {
            Message::Text(text) => match codec::decode_server(&text) {
                Ok(frame) => Received::Frame(Box::new(frame), text),
                Err(_) => self.fail(CloseCode::Protocol, cx),
            },
            Message::Binary(_) => self.fail(CloseCode::Unsupported, cx),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Received::Activity,
            Message::Close(frame) => {
                // Sends the reply. The server closes the connection.
                _ = Pin::new(&mut self.socket).poll_flush(cx);
                Received::Ended(frame.map_or(CloseCode::Lost, |frame| CloseCode::from_u16(frame.code.into())))
            }
        }
    }

    /// Ends the connection after the server broke the protocol.
    fn fail(&mut self, code: CloseCode, cx: &mut Context<'_>) -> Received {
        let mut socket = Pin::new(&mut self.socket);
        if socket.as_mut().start_send(Message::Close(Some(close_frame(code)))).is_ok() {
            _ = socket.poll_flush(cx);
        }
        Received::Ended(code)
    }
}

fn close_frame(code: CloseCode) -> CloseFrame {
    CloseFrame { code: code.to_u16().into(), reason: code.reason().into() }
}

/// The close code for an error of the server; `None` if the connection was lost.
fn protocol_violation(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::TooLarge),
        Error::Utf8(_) => Some(CloseCode::InvalidUtf8),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// The value of `Retry-After` in seconds. The form with a date is ignored, because the clocks may differ.
fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
