//! Frames as they go over the wire, written and read by hand: nothing here is the project's own client or codec.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::history::{Entry, Name, Position, Recovery};

/// For a connection to be made, and for a frame to be written.
const DIAL: Duration = Duration::from_secs(3);
/// For a frame that has to come: it fails a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What the kernel keeps at most of what is not read: little, so that a server notices.
const KEPT: u32 = 32 * 1024;

/// A frame of the server: all the fields that any has, as far as they matter here.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Frame {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) event: Option<String>,
    pub(crate) room: Option<Name>,
    pub(crate) seq: Option<u64>,
    pub(crate) id: Option<Name>,
    pub(crate) epoch: Option<Name>,
    pub(crate) client_msg_id: Option<Name>,
    pub(crate) duplicate: Option<bool>,
    pub(crate) position: Option<Position>,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) code: Option<String>,
    pub(crate) temporary: Option<bool>,
    pub(crate) messages: Option<Vec<Entry>>,
    pub(crate) has_more: Option<bool>,
    pub(crate) members: Option<Vec<Name>>,
    pub(crate) member_count: Option<u64>,
}

/// What comes from a connection.
#[derive(Debug)]
pub(crate) enum Came {
    Frame(Box<Frame>, String),
    /// A ping or its like: a sign of life.
    Sign,
    /// What is no frame of the protocol.
    Nonsense(String),
    /// The end, with the code of the close if one came.
    End(Option<u16>),
}

/// A connection.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects; nothing where that fails or takes too long. Tells the port that it came from.
    pub(crate) async fn dial(address: SocketAddr, token: &str) -> Option<(Self, u16)> {
        let dial = async {
            let socket = TcpSocket::new_v4().ok()?;
            socket.set_recv_buffer_size(KEPT).ok()?;
            let stream = socket.connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let port = stream.local_addr().ok()?.port();
            let uri = format!("ws://{address}/api/v1/ws?token={token}").parse().expect("a URI");
            let (socket, _) = client_async(ClientRequestBuilder::new(uri), stream).await.ok()?;
            Some((Self(socket), port))
        };
        timeout(DIAL, dial).await.ok().flatten()
    }

    /// Sends a frame; tells whether the connection took it.
    pub(crate) async fn send(&mut self, frame: &Value) -> bool {
        let message = Message::text(frame.to_string());
        timeout(DIAL, self.0.send(message)).await.is_ok_and(|sent| sent.is_ok())
    }

    /// Says goodbye on purpose.
    pub(crate) async fn close(mut self) {
        let close = CloseFrame { code: 1000.into(), reason: "".into() };
        let farewell = async {
            if self.0.send(Message::Close(Some(close))).await.is_ok() {
                while self.0.next().await.is_some_and(|next| next.is_ok()) {}
            }
        };
        // Whoever does not answer it is left.
        let _ = timeout(DIAL, farewell).await;
    }

    /// What comes next. Nothing is lost if it is not awaited to the end.
    pub(crate) async fn next(&mut self) -> Came {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(frame) => Came::Frame(Box::new(frame), text.to_string()),
                Err(fault) => Came::Nonsense(format!("{fault}: {text}")),
            },
            Some(Ok(Message::Close(close))) => Came::End(close.map(|close| close.code.into())),
            Some(Ok(_)) => Came::Sign,
            Some(Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) | Error::Protocol(_)))
            | None => Came::End(None),
            Some(Err(other)) => Came::Nonsense(other.to_string()),
        }
    }

    /// The next frame that is so; nothing where the connection ends first, or nothing comes for too long.
    pub(crate) async fn wait_for(&mut self, is_so: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let wait = async {
            loop {
                match self.next().await {
                    Came::Frame(frame, _) if is_so(&frame) => return Some(*frame),
                    Came::Frame(..) | Came::Sign => {}
                    Came::Nonsense(_) | Came::End(_) => return None,
                }
            }
        };
        timeout(PATIENCE, wait).await.ok().flatten()
    }
}

pub(crate) fn join(room: &str, since: Option<&Position>) -> Value {
    match since {
        Some(since) => json!({"type": "join_room", "room": room, "since": since}),
        None => json!({"type": "join_room", "room": room}),
    }
}

pub(crate) fn message(room: &str, key: &str, text: &str) -> Value {
    json!({"type": "message", "room": room, "text": text, "client_msg_id": key})
}
