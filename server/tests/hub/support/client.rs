//! A client that sends and receives JSON over tungstenite, without any logic of the protocol.

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

use super::{TEST_TIMEOUT, has_fields, join_room, joined, leave_room, left, message, message_from};

/// A connection. It answers pings while it reads.
pub(crate) struct TestClient {
    socket: WebSocketStream<TcpStream>,
    /// The user id of the welcome; empty before.
    pub(crate) user: String,
}

impl TestClient {
    /// Opens a connection with the token in the query, as clients of the base dialect do.
    pub(crate) async fn open(address: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let uri = format!("ws://{address}/api/v1/ws?token={token}").parse().expect("a URI");
        let upgrade = client_async(ClientRequestBuilder::new(uri), stream);
        let (socket, _) = timeout(TEST_TIMEOUT, upgrade).await.expect("in time").expect("an upgrade");
        Self { socket, user: String::new() }
    }

    /// Receives the welcome.
    #[track_caller]
    pub(crate) fn expect_welcome(&mut self) -> impl Future<Output = Value> {
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
        timeout(TEST_TIMEOUT, self.socket.send(message)).await.expect("in time").expect("an open connection");
    }

    /// Sends several frames without waiting in between.
    pub(crate) async fn send_all(&mut self, frames: impl IntoIterator<Item = Value>) {
        for frame in frames {
            self.socket.feed(Message::text(frame.to_string())).await.expect("an open connection");
        }
        timeout(TEST_TIMEOUT, self.socket.flush()).await.expect("in time").expect("an open connection");
    }

    /// Receives the next text or close; `None` if the connection ended without a close.
    async fn message(&mut self, caller: &Location<'_>) -> Option<Message> {
        loop {
            let next = timeout(TEST_TIMEOUT, self.socket.next()).await;
            match next.unwrap_or_else(|_| panic!("{caller}: timeout of {}", self.user)) {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Receives the next frame, or the code and reason of the close. 1006 means an end without a close.
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
        assert!(
            has_fields(&frame, &expected),
            "{caller}: {} got\n{frame}\ninstead of\n{expected}",
            self.user
        );
        frame
    }

    /// Receives the next frame.
    #[track_caller]
    pub(crate) fn next(&mut self) -> impl Future<Output = Value> {
        self.next_at(Location::caller())
    }

    /// Receives the next frame and asserts that it has the fields of `expected`; see [`has_fields`].
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: Value) -> impl Future<Output = Value> {
        self.expect_at(Location::caller(), expected)
    }

    /// Receives frames until one has the fields of `expected`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, expected: Value) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            loop {
                let frame = self.next_at(caller).await;
                if has_fields(&frame, &expected) {
                    return frame;
                }
            }
        }
    }

    /// Asserts that a close with this code and reason comes next, and then the end of the connection.
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

    /// Receives frames until the close. Returns its code and reason, and asserts that nothing comes after it.
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

    /// Sends a ping and asserts that its pong comes next. The server has handled all earlier frames then.
    #[track_caller]
    pub(crate) fn expect_nothing_else(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let nonce = fastrand::u64(..).to_string();
            self.send(json!({"type": "ping", "nonce": nonce})).await;
            self.expect_at(caller, json!({"type": "pong", "nonce": nonce})).await;
        }
    }

    /// Joins a room and receives the confirmation.
    #[track_caller]
    pub(crate) fn join(&mut self, room: &str) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            self.send(join_room(room)).await;
            let expected = joined(&self.user, room);
            self.expect_at(caller, expected).await
        }
    }

    /// Leaves a room and receives the confirmation.
    #[track_caller]
    pub(crate) fn leave(&mut self, room: &str) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            self.send(leave_room(room)).await;
            let expected = left(&self.user, room, "left");
            self.expect_at(caller, expected).await
        }
    }

    /// Posts in a room that it is in, and receives its own copy.
    #[track_caller]
    pub(crate) fn post(&mut self, room: &str, text: &str) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            self.send(message(room, text)).await;
            let expected = message_from(&self.user, room, text);
            self.expect_at(caller, expected).await
        }
    }

    /// Closes with code 1000 and receives the echo.
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
