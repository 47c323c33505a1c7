//! One connection: a WebSocket that is written and read in turns.
//!
//! A turn may be dropped at any await: what is unsent stays queued, and nothing that was read is lost. The library
//! answers the server's WebSocket pings by itself, with the next turn. Broken frames end the connection with the code
//! that the protocol has for them.

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

use super::event::Disconnect;
use super::tls;

/// Read and write buffers: frames of a chat are small, and larger ones grow them.
const BUFFER_BYTES: usize = 16 * 1024;
/// Most bytes that wait in the library for a socket that takes none: above the largest frame and some pongs.
const WRITE_BYTES: usize = 256 * 1024;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection.
pub(super) struct Link {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    outgoing: VecDeque<Utf8Bytes>,
    /// Writing failed. What the server said before is still read.
    mute: bool,
}

/// What a turn brought.
#[derive(Debug)]
pub(super) enum Turn {
    /// A frame, and its text.
    Frame(Box<ServerFrame>, Utf8Bytes),
    /// A sign of life that is no frame.
    Heard,
    /// The end.
    Ended(CloseCode),
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: Disconnect,
    /// The least wait that the server asks for.
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    /// There was nobody to talk to.
    pub(super) fn unreachable(why: &impl ToString) -> Self {
        Self { reason: Disconnect::Unreachable(why.to_string()), retry_after: None }
    }
}

impl Link {
    /// Connects and upgrades, with the token in a header.
    pub(super) async fn open(url: &Uri, token: &str) -> Result<Self, Failure> {
        let mut request = url.into_client_request().map_err(|error| Failure::unreachable(&error))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Failure::unreachable(&"the token has characters that no token has"))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);

        let host = url.host().unwrap_or_default();
        let (connector, port) = match url.scheme_str() {
            Some("wss") => (tls::connector().await.map_err(|why| Failure::unreachable(&why))?, 443),
            _ => (Connector::Plain, 80),
        };
        let stream = TcpStream::connect(format!("{host}:{}", url.port_u16().unwrap_or(port)))
            .await
            .map_err(|error| Failure::unreachable(&error))?;
        stream.set_nodelay(true).map_err(|error| Failure::unreachable(&error))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BYTES)
            .max_frame_size(Some(SERVER_FRAME_BYTES))
            .max_message_size(Some(SERVER_FRAME_BYTES));
        match client_async_tls_with_config(request, stream, Some(config), Some(connector)).await {
            Ok((socket, _)) => Ok(Self { socket, outgoing: VecDeque::new(), mute: false }),
            Err(Error::Http(response)) => Err(Failure {
                reason: Disconnect::Refused { status: response.status().as_u16() },
                retry_after: retry_after(&response),
            }),
            Err(Error::Io(error)) => Err(Failure::unreachable(&tls::reason(&error))),
            Err(error) => Err(Failure::unreachable(&format!("no WebSocket there: {error}"))),
        }
    }

    /// Queues a frame. It goes with the next turns.
    pub(super) fn push(&mut self, frame: String) {
        self.outgoing.push_back(frame.into());
    }

    /// How many frames no turn has taken yet.
    pub(super) fn unsent(&self) -> usize {
        self.outgoing.len()
    }

    /// Writes what is queued, as far as the socket takes it, until something is read.
    pub(super) async fn turn(&mut self) -> Turn {
        poll_fn(|cx| {
            if !self.mute {
                self.mute = matches!(self.poll_write(cx), Poll::Ready(Err(_)));
            }
            Poll::Ready(match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(message)) => self.read(message, cx),
                Some(Err(error)) => match fault(&error) {
                    Some(code) => self.fail(code, cx),
                    None => Turn::Ended(CloseCode::Lost),
                },
                None => Turn::Ended(CloseCode::Lost),
            })
        })
        .await
    }

    /// Writes what is queued and a goodbye, and waits a moment for the server's.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            poll_fn(|cx| self.poll_write(cx)).await?;
            self.socket.close(Some(close_frame(CloseCode::Normal))).await?;
            while self.socket.next().await.transpose()?.is_some() {}
            Ok::<_, Error>(())
        };
        // Whether it was heard makes no difference to anybody: the connection ends here.
        _ = tokio::time::timeout(GOODBYE, goodbye).await;
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

    fn read(&mut self, message: Message, cx: &mut Context<'_>) -> Turn {
        match message {
            Message::Text(text) => match codec::decode_server(&text) {
                Ok(frame) => Turn::Frame(Box::new(frame), text),
                Err(_) => self.fail(CloseCode::Protocol, cx),
            },
            Message::Binary(_) => self.fail(CloseCode::Unsupported, cx),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Turn::Heard,
            Message::Close(frame) => {
                // Hands over the reply; the server closes the connection.
                _ = Pin::new(&mut self.socket).poll_flush(cx);
                Turn::Ended(frame.map_or(CloseCode::Lost, |frame| CloseCode::from_u16(frame.code.into())))
            }
        }
    }

    /// Ends a connection on which the server broke the protocol.
    fn fail(&mut self, code: CloseCode, cx: &mut Context<'_>) -> Turn {
        let mut socket = Pin::new(&mut self.socket);
        if socket.as_mut().start_send(Message::Close(Some(close_frame(code)))).is_ok() {
            _ = socket.poll_flush(cx);
        }
        Turn::Ended(code)
    }
}

fn close_frame(code: CloseCode) -> CloseFrame {
    CloseFrame { code: code.to_u16().into(), reason: code.reason().into() }
}

/// What the server did wrong; `None`: nothing, the connection is gone.
fn fault(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::TooLarge),
        Error::Utf8(_) => Some(CloseCode::InvalidUtf8),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// `Retry-After` in seconds. The other form, a date, would need a clock that both sides agree on.
fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
