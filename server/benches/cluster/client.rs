//! A WebSocket client: requests, and the frames that answer them.

use std::net::SocketAddr;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{Failure, SECRET};
use realtime_load::tokens::Tokens;

/// A connection after its welcome.
pub(crate) struct Client {
    pub(crate) requests: Requests,
    pub(crate) frames: Frames,
}

/// The sending half of a client.
pub(crate) struct Requests(SplitSink<WebSocketStream<TcpStream>, Message>);

/// The receiving half of a client.
pub(crate) struct Frames {
    stream: SplitStream<WebSocketStream<TcpStream>>,
    user: String,
}

/// The kinds of received frames that the benchmark distinguishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    Welcome,
    /// The answer to a join.
    Joined,
    /// The answer to a leave.
    Left,
    /// The client's own copy of a message.
    OwnMessage,
    Other,
}

/// The fields that distinguish frames.
#[derive(Deserialize)]
struct Envelope {
    r#type: String,
    event: Option<String>,
    from: Option<String>,
    user_id: Option<String>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, user: &str) -> Result<Self, Failure> {
        let token = Tokens::Minted { secret: SECRET.to_owned() }.for_user(user)?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (socket, _) = client_async(format!("ws://{address}/ws?token={token}"), stream).await?;
        let (requests, stream) = socket.split();
        let mut client =
            Self { requests: Requests(requests), frames: Frames { stream, user: user.to_owned() } };
        client.frames.wait_for(Received::Welcome).await?;
        Ok(client)
    }

    pub(crate) async fn join(&mut self, room: &str) -> Result<(), Failure> {
        self.requests.join(&[room.to_owned()]).await?;
        self.frames.wait_for(Received::Joined).await
    }
}

impl Requests {
    /// Sends the joins of all these rooms together, without waiting for an answer.
    pub(crate) async fn join(&mut self, rooms: &[String]) -> Result<(), Failure> {
        for room in rooms {
            self.feed(&json!({"type": "join_room", "room": room})).await?;
        }
        Ok(self.0.flush().await?)
    }

    pub(crate) async fn leave(&mut self, rooms: &[String]) -> Result<(), Failure> {
        for room in rooms {
            self.feed(&json!({"type": "leave_room", "room": room})).await?;
        }
        Ok(self.0.flush().await?)
    }

    pub(crate) async fn send(&mut self, room: &str, text: &str) -> Result<(), Failure> {
        self.feed(&json!({"type": "message", "room": room, "text": text})).await?;
        Ok(self.0.flush().await?)
    }

    async fn feed(&mut self, frame: &Value) -> Result<(), Failure> {
        Ok(self.0.feed(Message::text(frame.to_string())).await?)
    }
}

impl Frames {
    /// Receives the next frame. An error frame is an error.
    pub(crate) async fn next(&mut self) -> Result<Received, Failure> {
        loop {
            match self.stream.next().await.ok_or("the server closed the socket")?? {
                Message::Text(text) => return self.classify(&text),
                Message::Close(close) => return Err(format!("{} was closed: {close:?}", self.user).into()),
                _ => {}
            }
        }
    }

    pub(crate) async fn wait_for(&mut self, expected: Received) -> Result<(), Failure> {
        while self.next().await? != expected {}
        Ok(())
    }

    /// Receives frames until the connection ends.
    pub(crate) async fn receive_all(mut self) -> Result<(), Failure> {
        loop {
            self.next().await?;
        }
    }

    fn classify(&self, text: &str) -> Result<Received, Failure> {
        let frame: Envelope = serde_json::from_str(text)?;
        let is_own = frame.user_id.as_deref() == Some(&self.user);
        Ok(match (&*frame.r#type, frame.event.as_deref()) {
            ("error", _) => return Err(text.into()),
            ("system", Some("welcome")) => Received::Welcome,
            ("system", Some("joined")) if is_own => Received::Joined,
            ("system", Some("left")) if is_own => Received::Left,
            ("message", _) if frame.from.as_deref() == Some(&self.user) => Received::OwnMessage,
            _ => Received::Other,
        })
    }
}
