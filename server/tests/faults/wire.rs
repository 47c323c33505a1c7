//! Frames of the protocol, written and read without the project's own client and codec.

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

use crate::history::{Content, Folded, Name, Page, Position, Recovery, Target};

/// Limit for connecting, and for writing a frame.
const DIAL: Duration = Duration::from_secs(3);
/// Limit for an expected event. It ends a test that hangs.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// Size of the kernel's receive buffer: small, so that a server notices a reader that stops.
const BUFFER_BYTES: u32 = 32 * 1024;

/// A frame of the server, with the fields of all kinds that these tests need.
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
    pub(crate) messages: Option<Vec<Folded>>,
    pub(crate) from_seq: Option<u64>,
    pub(crate) to_seq: Option<u64>,
    pub(crate) read_seq: Option<u64>,
    pub(crate) as_of: Option<u64>,
    pub(crate) has_more: Option<bool>,
    pub(crate) members: Option<Vec<Name>>,
    pub(crate) member_count: Option<u64>,
    /// Frames that the server supports besides messages.
    #[serde(default)]
    pub(crate) features: Vec<String>,
    #[serde(rename = "ref")]
    pub(crate) reference: Option<Name>,
}

impl Frame {
    /// The page of a `history` frame. `None`: a field is missing. A page of a store without changes covers
    /// its messages.
    pub(crate) fn into_page(self) -> Option<Page> {
        let messages = self.messages?;
        let seq = |message: Option<&Folded>| message.map_or(0, |folded| folded.message.seq);
        let to = self.to_seq.unwrap_or_else(|| seq(messages.last()));
        let covers = self.from_seq.unwrap_or_else(|| seq(messages.first()))..=to;
        Some(Page { room: self.room?, epoch: self.epoch, covers, as_of: self.as_of, messages })
    }
}

/// Input from a connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    Frame(Box<Frame>, String),
    /// A ping, pong or other frame without content.
    Control,
    /// Text that is not a frame of the protocol.
    Violation(String),
    /// End of the connection, with the close code if one arrived.
    End(Option<u16>),
}

pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects, and returns the local port. `None`: it failed or took too long.
    pub(crate) async fn dial(address: SocketAddr, token: &str) -> Option<(Self, u16)> {
        let dial = async {
            let socket = TcpSocket::new_v4().ok()?;
            socket.set_recv_buffer_size(BUFFER_BYTES).ok()?;
            let stream = socket.connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let port = stream.local_addr().ok()?.port();
            let uri = format!("ws://{address}/api/v1/ws?token={token}").parse().expect("a URI");
            let (socket, _) = client_async(ClientRequestBuilder::new(uri), stream).await.ok()?;
            Some((Self(socket), port))
        };
        timeout(DIAL, dial).await.ok().flatten()
    }

    /// Sends a frame. False: the connection failed.
    pub(crate) async fn send(&mut self, frame: &Value) -> bool {
        let message = Message::text(frame.to_string());
        timeout(DIAL, self.0.send(message)).await.is_ok_and(|sent| sent.is_ok())
    }

    /// Closes the connection with a handshake.
    pub(crate) async fn close(mut self) {
        let close = CloseFrame { code: 1000.into(), reason: "".into() };
        let farewell = async {
            if self.0.send(Message::Close(Some(close))).await.is_ok() {
                while self.0.next().await.is_some_and(|next| next.is_ok()) {}
            }
        };
        // A peer that does not answer is dropped.
        let _ = timeout(DIAL, farewell).await;
    }

    /// Returns the next input. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(frame) => Incoming::Frame(Box::new(frame), text.to_string()),
                Err(fault) => Incoming::Violation(format!("{fault}: {text}")),
            },
            Some(Ok(Message::Close(close))) => Incoming::End(close.map(|close| close.code.into())),
            Some(Ok(_)) => Incoming::Control,
            Some(Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) | Error::Protocol(_)))
            | None => Incoming::End(None),
            Some(Err(other)) => Incoming::Violation(other.to_string()),
        }
    }

    /// Returns the next frame for which `matches` holds. `None`: the connection ended or the limit passed.
    pub(crate) async fn wait_for(&mut self, matches: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let wait = async {
            loop {
                match self.next().await {
                    Incoming::Frame(frame, _) if matches(&frame) => return Some(*frame),
                    Incoming::Frame(..) | Incoming::Control => {}
                    Incoming::Violation(_) | Incoming::End(_) => return None,
                }
            }
        };
        timeout(TIMEOUT, wait).await.ok().flatten()
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

/// The frame of a message or a change.
pub(crate) fn submission(room: &str, key: &str, content: &Content) -> Value {
    let change = |kind: &str, Target { seq, id }: &Target| json!({"type": kind, "room": room, "target": seq, "target_id": id, "client_msg_id": key});
    match content {
        Content::Message { text } => message(room, key, text),
        Content::Edit { target, text } => {
            let mut frame = change("edit", target);
            frame["text"] = (**text).into();
            frame
        }
        Content::Delete { target } => change("delete", target),
        Content::Reaction { target, emoji, removed } => {
            let mut frame = change("reaction", target);
            frame["emoji"] = (**emoji).into();
            if *removed {
                frame["removed"] = true.into();
            }
            frame
        }
    }
}

/// Request for a page. `range` has its further fields.
pub(crate) fn history(room: &str, range: &Value) -> Value {
    let mut frame = range.clone();
    frame["type"] = "history".into();
    frame["room"] = room.into();
    frame
}
