//! A client that asks and is answered, over a WebSocket.

use std::net::SocketAddr;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::tokens::Tokens;
use crate::{Failure, SECRET};

/// A connection that was welcomed.
pub(crate) struct Client {
    pub(crate) asks: Asks,
    pub(crate) hears: Hears,
}

/// What a client says.
pub(crate) struct Asks(SplitSink<WebSocketStream<TcpStream>, Message>);

/// What a client is told.
pub(crate) struct Hears {
    frames: SplitStream<WebSocketStream<TcpStream>>,
    user: String,
}

/// What happened, as far as anybody here wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    Welcome,
    /// The answer to a join.
    Joined,
    /// The answer to a leave.
    Left,
    /// A message of the client's own.
    Said,
    Other,
}

/// The fields by which frames are told apart.
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
        let (asks, frames) = socket.split();
        let mut client = Self { asks: Asks(asks), hears: Hears { frames, user: user.to_owned() } };
        client.hears.wait_for(Heard::Welcome).await?;
        Ok(client)
    }

    pub(crate) async fn join(&mut self, room: &str) -> Result<(), Failure> {
        self.asks.join(&[room.to_owned()]).await?;
        self.hears.wait_for(Heard::Joined).await
    }
}

impl Asks {
    /// Asks for all of these at once, without waiting for an answer.
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

    pub(crate) async fn say(&mut self, room: &str, text: &str) -> Result<(), Failure> {
        self.feed(&json!({"type": "message", "room": room, "text": text})).await?;
        Ok(self.0.flush().await?)
    }

    async fn feed(&mut self, frame: &Value) -> Result<(), Failure> {
        Ok(self.0.feed(Message::text(frame.to_string())).await?)
    }
}

impl Hears {
    /// What comes next. An error frame is an error.
    pub(crate) async fn next(&mut self) -> Result<Heard, Failure> {
        loop {
            match self.frames.next().await.ok_or("the server hung up")?? {
                Message::Text(text) => return self.understand(&text),
                Message::Close(close) => return Err(format!("{} was closed: {close:?}", self.user).into()),
                _ => {}
            }
        }
    }

    pub(crate) async fn wait_for(&mut self, what: Heard) -> Result<(), Failure> {
        while self.next().await? != what {}
        Ok(())
    }

    /// Hears whatever comes, until the connection ends.
    pub(crate) async fn listen(mut self) -> Result<(), Failure> {
        loop {
            self.next().await?;
        }
    }

    fn understand(&self, text: &str) -> Result<Heard, Failure> {
        let frame: Envelope = serde_json::from_str(text)?;
        let own = frame.user_id.as_deref() == Some(&self.user);
        Ok(match (&*frame.r#type, frame.event.as_deref()) {
            ("error", _) => return Err(text.into()),
            ("system", Some("welcome")) => Heard::Welcome,
            ("system", Some("joined")) if own => Heard::Joined,
            ("system", Some("left")) if own => Heard::Left,
            ("message", _) if frame.from.as_deref() == Some(&self.user) => Heard::Said,
            _ => Heard::Other,
        })
    }
}
