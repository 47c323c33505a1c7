//! A client that speaks JSON over tungstenite, and knows nothing of the protocol.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{PATIENCE, agrees, join_room, joined, leave_room, left, message, said};

/// A connection. Pings are answered while it is read from.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Whom the server takes it for.
    pub(crate) user: String,
}

impl Client {
    /// Opens a connection as a client of the base dialect does, with the token in the query.
    pub(crate) async fn open(address: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let uri = format!("ws://{address}/api/v1/ws?token={token}").parse().expect("a URI");
        let upgrade = client_async(ClientRequestBuilder::new(uri), stream);
        let (socket, _) = timeout(PATIENCE, upgrade).await.expect("in time").expect("an upgrade");
        Self { socket, user: String::new() }
    }

    /// Takes the welcome.
    #[track_caller]
    pub(crate) fn welcomed(&mut self) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            let welcome = self.expect_at(caller, json!({"type": "system", "event": "welcome"})).await;
            welcome["user_id"].as_str().expect("a user id").clone_into(&mut self.user);
            welcome
        }
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        timeout(PATIENCE, self.socket.send(message)).await.expect("in time").expect("an open connection");
    }

    /// Sends without waiting between the frames.
    pub(crate) async fn send_all(&mut self, frames: impl IntoIterator<Item = Value>) {
        for frame in frames {
            self.socket.feed(Message::text(frame.to_string())).await.expect("an open connection");
        }
        timeout(PATIENCE, self.socket.flush()).await.expect("in time").expect("an open connection");
    }

    /// The next message, control frames but close left out; nothing where the connection ended without a close.
    async fn message(&mut self, caller: &Location<'_>) -> Option<Message> {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await;
            match next.unwrap_or_else(|_| panic!("{caller}: {} waited in vain", self.user)) {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next frame, or how the connection was closed.
    #[track_caller]
    pub(crate) fn frame_or_close(&mut self) -> impl Future<Output = Result<Value, (u16, String)>> {
        let caller = Location::caller();
        async move {
            match self.message(caller).await {
                Some(Message::Text(text)) => Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Message::Close(Some(close))) => Err((close.code.into(), close.reason.to_string())),
                Some(Message::Close(None)) => Err((1005, String::new())),
                Some(other) => panic!("{caller}: {} got {other:?}", self.user),
                None => Err((1006, String::new())),
            }
        }
    }

    async fn next_at(&mut self, caller: &'static Location<'static>) -> Value {
        let next = self.frame_or_close().await;
        next.unwrap_or_else(|close| panic!("{caller}: {} was closed with {close:?}", self.user))
    }

    async fn expect_at(&mut self, caller: &'static Location<'static>, expected: Value) -> Value {
        let frame = self.next_at(caller).await;
        assert!(agrees(&frame, &expected), "{caller}: {} got\n{frame}\ninstead of\n{expected}", self.user);
        frame
    }

    /// The next frame.
    #[track_caller]
    pub(crate) fn next(&mut self) -> impl Future<Output = Value> {
        self.next_at(Location::caller())
    }

    /// The next frame, which has the fields of `expected` with these values (`null`: not set), and may have others.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: Value) -> impl Future<Output = Value> {
        self.expect_at(Location::caller(), expected)
    }

    /// The first frame that agrees with `expected`; others before it are passed over.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, expected: Value) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            loop {
                let frame = self.next_at(caller).await;
                if agrees(&frame, &expected) {
                    return frame;
                }
            }
        }
    }

    /// The close comes next, with this code, and then nothing any more.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16, reason: &str) -> impl Future<Output = ()> {
        let caller = Location::caller();
        let expected = (code, reason.to_owned());
        async move {
            match self.frame_or_close().await {
                Ok(frame) => panic!("{caller}: {} got {frame} instead of {expected:?}", self.user),
                Err(close) => assert_eq!(close, expected, "{caller}: {}", self.user),
            }
            assert_eq!(self.message(caller).await, None, "{caller}: {}", self.user);
        }
    }

    /// How the connection was closed; frames before it are passed over, and nothing comes after it.
    #[track_caller]
    pub(crate) fn end(&mut self) -> impl Future<Output = (u16, String)> {
        let caller = Location::caller();
        async move {
            loop {
                if let Err(close) = self.frame_or_close().await {
                    assert_eq!(self.message(caller).await, None, "{caller}: {}", self.user);
                    return close;
                }
            }
        }
    }

    /// Asks for a sign, and takes it: nothing else came before, and all that was sent before has been looked at.
    #[track_caller]
    pub(crate) fn nothing_else(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let nonce = fastrand::u64(..).to_string();
            self.send(json!({"type": "ping", "nonce": nonce})).await;
            self.expect_at(caller, json!({"type": "pong", "nonce": nonce})).await;
        }
    }

    /// Enters a room and takes the confirmation.
    #[track_caller]
    pub(crate) fn join(&mut self, room: &str) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            self.send(join_room(room)).await;
            let expected = joined(&self.user, room);
            self.expect_at(caller, expected).await
        }
    }

    /// Leaves a room and takes the confirmation.
    #[track_caller]
    pub(crate) fn leave(&mut self, room: &str) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            self.send(leave_room(room)).await;
            let expected = left(&self.user, room, "left");
            self.expect_at(caller, expected).await
        }
    }

    /// Posts in a room where it is, and takes its own copy.
    #[track_caller]
    pub(crate) fn say(&mut self, room: &str, text: &str) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            self.send(message(room, text)).await;
            let expected = said(&self.user, room, text);
            self.expect_at(caller, expected).await
        }
    }

    /// Closes as a client does that means it, and sees the echo.
    #[track_caller]
    pub(crate) fn close(mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let close = CloseFrame { code: 1000.into(), reason: "bye".into() };
            self.send_message(Message::Close(Some(close))).await;
            assert_eq!(self.end().await, (1000, "bye".to_owned()), "{caller}");
        }
    }
}
