//! Scripted server for one client.

use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use realtime_client::{Config, ConnectionState, Event, Events, Handle, TokenSource};
use realtime_shared::{
    ClientEvent, ClientFrame, CloseCode, EntryId, Epoch, Position, Recovery, Ref, Seq, ServerEvent,
    ServerFrame, codec,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Longest wait for one event. It is generous, and only ends a test whose event never comes.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Waits for `future`, and panics with the name of the event if it does not come.
pub(crate) async fn bounded<T>(event: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(LONGEST_WAIT, future).await;
    waited.unwrap_or_else(|_| panic!("no {event} in {} s", LONGEST_WAIT.as_secs()))
}

pub(crate) struct Server {
    listener: TcpListener,
}

/// A connection of the client, from the server's side.
pub(crate) struct Peer {
    pub(crate) socket: WebSocketStream<TcpStream>,
    /// The value of its `Authorization` header.
    pub(crate) authorization: String,
    /// The requested path.
    pub(crate) target: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    /// A configuration for this server with short waits between attempts.
    pub(crate) fn config(&self, token: impl Into<TokenSource>) -> Config {
        let url = format!("ws://{}/api/v1/ws", self.listener.local_addr().expect("an address"));
        let mut config = Config::new(&url, token).expect("a URL");
        config.timing.backoff.base = Duration::from_millis(1);
        config.timing.backoff.cap = Duration::from_millis(10);
        config
    }

    pub(crate) fn client(&self) -> (Handle, Events) {
        realtime_client::connect(self.config("token"))
    }

    pub(crate) async fn accept(&self) -> Peer {
        let stream = self.accept_stream().await;
        let (mut authorization, mut target) = (String::new(), String::new());
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let seen = |request: &Request, response: Response| {
            target = request.uri().to_string();
            let header = request.headers().get("authorization").expect("a token");
            header.to_str().expect("ASCII").clone_into(&mut authorization);
            Ok(response)
        };
        let upgrade = tokio_tungstenite::accept_hdr_async(stream, seen);
        let socket = bounded("upgrade", upgrade).await.expect("an upgrade");
        Peer { socket, authorization, target }
    }

    /// Accepts a connection and sends a welcome.
    pub(crate) async fn welcome(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.welcome().await;
        peer
    }

    /// Answers the next upgrade with another HTTP status.
    pub(crate) async fn refuse(&self, answer: &str) {
        let mut stream = self.accept_stream().await;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(bounded("request", stream.read_u8()).await.expect("a request"));
        }
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.expect("written");
    }

    async fn accept_stream(&self) -> TcpStream {
        let (stream, _) = bounded("connection", self.listener.accept()).await.expect("a connection");
        stream
    }
}

impl Peer {
    pub(crate) async fn send(&mut self, json: impl Into<String>) {
        self.socket.send(Message::text(json.into())).await.expect("a connection");
    }

    pub(crate) async fn welcome(&mut self) {
        self.send(
            r#"{"type":"system","event":"welcome","message":"Connected successfully","user_id":"me",
            "online_count":1,"expires_at":1,"limits":{"text_chars":4000,"frame_bytes":65536,"rooms":128,
            "messages_per_second":0},"features":["read","inbox"]}"#,
        )
        .await;
    }

    /// Receives the next frame of the client, and answers pings.
    pub(crate) async fn receive(&mut self) -> ClientFrame {
        loop {
            let message = self.next_message().await.expect("a frame").expect("a good frame");
            let Message::Text(text) = message else { continue };
            let frame = codec::decode_client(&text).expect("a good frame");
            let ClientEvent::Ping(ping) = frame.event else { return frame };
            let nonce = ping.nonce.expect("a nonce");
            self.send(format!(r#"{{"type":"pong","ts":1,"nonce":"{nonce}"}}"#)).await;
        }
    }

    /// The next message of the client; `None` if the connection has ended.
    pub(crate) async fn next_message(&mut self) -> Option<Result<Message, Error>> {
        bounded("frame of the client", self.socket.next()).await
    }

    /// Answers a join with the head `head`. Returns the `since` of the join.
    pub(crate) async fn join(&mut self, head: u64, recovery: Option<Recovery>) -> Option<Position> {
        let frame = self.receive().await;
        let ClientEvent::JoinRoom { room, since } = frame.event else { panic!("not a join: {frame:?}") };
        let event = serde_json::from_value::<ServerEvent>(serde_json::json!({
            "type": "system", "event": "joined", "message": "me joined", "room": room, "user_id": "me",
            "members": ["me"], "member_count": 1, "position": position(head), "recovery": recovery,
        }));
        let answer = ServerFrame { event: event.expect("a frame"), reference: frame.reference };
        self.send(codec::encode_frame(&answer)).await;
        since
    }

    /// Receives a post. Returns its text and its id.
    pub(crate) async fn post(&mut self) -> (String, String) {
        let frame = self.receive().await;
        let ClientEvent::Post(post) = frame.event else { panic!("not a post: {frame:?}") };
        (post.content.text().expect("a text").to_string(), post.client_msg_id.expect("an id").to_string())
    }

    /// Receives a marker. Returns its seq and its `ref`.
    pub(crate) async fn read(&mut self) -> (Seq, Ref) {
        let frame = self.receive().await;
        let ClientEvent::Read { seq, .. } = frame.event else { panic!("not a marker: {frame:?}") };
        (seq, frame.reference.expect("a ref"))
    }

    /// Receives a request for the inbox, and answers that the user has read room `a` with `head` entries up to `read`.
    pub(crate) async fn inbox(&mut self, head: u64, read: u64) {
        let frame = self.receive().await;
        let ClientEvent::Inbox { .. } = frame.event else { panic!("no request for the inbox: {frame:?}") };
        let room = serde_json::json!({
            "room": "a", "unread": head - read, "mentions": 0, "read_seq": read, "position": position(head),
        });
        let answer = serde_json::json!({"type": "inbox", "rooms": [room], "has_more": false});
        let event = serde_json::from_value::<ServerEvent>(answer).expect("a frame");
        self.send(codec::encode_frame(&ServerFrame { event, reference: frame.reference })).await;
    }

    pub(crate) async fn entry(&mut self, seq: u64, from: &str, text: &str) {
        let id = EntryId::from_u128(seq.into());
        self.send(format!(
            r#"{{"type":"message","room":"a","from":"{from}","text":"{text}","seq":{seq},"id":"{id}","ts":1}}"#
        ))
        .await;
    }

    pub(crate) async fn ack(&mut self, id: &str, seq: u64) {
        let entry = EntryId::from_u128(seq.into());
        self.send(format!(
            r#"{{"type":"ack","room":"a","client_msg_id":"{id}","epoch":"e1","seq":{seq},"id":"{entry}","ts":1,
            "duplicate":false}}"#
        ))
        .await;
    }

    /// Sends a close frame, and waits until the client has closed.
    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: CloseCode::from_u16(code).reason().into() };
        self.socket.close(Some(frame)).await.expect("a connection");
        while let Some(Ok(_)) = self.next_message().await {}
    }

    /// Receives until the connection ends. Returns the code of the client's close frame.
    pub(crate) async fn close_code(mut self) -> Option<u16> {
        let mut code = None;
        while let Some(Ok(message)) = self.next_message().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code.into());
            }
        }
        code
    }
}

pub(crate) fn position(seq: u64) -> Position {
    let epoch = Epoch::new("e1").expect("an epoch");
    Position::At { epoch, seq: Seq::new(seq), id: EntryId::from_u128(seq.into()) }
}

/// The next event of the client; `None` if the client has ended.
pub(crate) async fn recv(events: &mut Events) -> Option<Event> {
    bounded("event of the client", events.recv()).await
}

/// The next event except round trips and connection attempts.
pub(crate) async fn next(events: &mut Events) -> Event {
    loop {
        match recv(events).await.expect("an event") {
            Event::RoundTrip { .. } | Event::State(ConnectionState::Connecting { .. }) => {}
            event => return event,
        }
    }
}

/// The next state of the connection for which `wanted` returns a value.
pub(crate) async fn state<T>(events: &mut Events, wanted: impl Fn(&ConnectionState) -> Option<T>) -> T {
    loop {
        if let Event::State(state) = recv(events).await.expect("an event")
            && let Some(found) = wanted(&state)
        {
            return found;
        }
    }
}
