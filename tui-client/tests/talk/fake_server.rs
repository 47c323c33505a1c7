//! A fake server that sends any frames, also those that violate the protocol.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;

use futures_util::{SinkExt, StreamExt};
use realtime_shared::EntryId;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::WAIT_LIMIT;
use crate::terminal::{Size, Terminal};

/// Capacity of the queue of frames to send.
const QUEUE: usize = 1_024;

/// Answers of the server.
pub(crate) struct Script {
    /// User id of the client.
    pub(crate) me: String,
    /// Members of every room.
    pub(crate) members: Vec<String>,
    /// Rooms in the list.
    pub(crate) rooms: Vec<String>,
    /// Number of messages that are refused temporarily first.
    pub(crate) outage: usize,
    /// Text of the error for all later messages. From the second one on it begins with `still`.
    pub(crate) refusal: String,
    /// Number of pings that are answered.
    pub(crate) pongs: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            me: "me".to_owned(),
            members: vec!["me".to_owned(), "bob".to_owned()],
            rooms: vec!["lobby".to_owned()],
            outage: 0,
            refusal: "no".to_owned(),
            pongs: usize::MAX,
        }
    }
}

/// A server for one client at a time, in its own thread.
pub(crate) struct FakeServer {
    address: SocketAddr,
    sender: mpsc::Sender<Message>,
    /// Payloads of the pongs of the client's WebSocket.
    pongs: Receiver<Vec<u8>>,
    seq: u64,
}

impl FakeServer {
    pub(crate) fn start(script: Script) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, outgoing) = mpsc::channel(QUEUE);
        let (pong, pongs) = std::sync::mpsc::sync_channel(QUEUE);
        thread::spawn(move || runtime.block_on(serve(&listener, outgoing, script, pong)));
        Self { address, sender, pongs, seq: 0 }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Starts a client in the room `lobby`.
    pub(crate) fn client(&self, size: Size) -> Terminal {
        Terminal::start(size, "a.b.c", &["--url", &self.url(), "--room", "lobby"])
    }

    /// Sends a WebSocket message.
    pub(crate) fn send(&self, message: Message) {
        self.sender.try_send(message).expect("a free place in the queue");
    }

    pub(crate) fn send_frame(&self, frame: &Value) {
        self.send(Message::text(frame.to_string()));
    }

    /// Sends a ping and waits for the pong: the client has received all earlier frames.
    #[track_caller]
    pub(crate) fn ping(&self) {
        let payload = self.seq.to_be_bytes().to_vec();
        self.send(Message::Ping(payload.clone().into()));
        while self.pongs.recv_timeout(WAIT_LIMIT).expect("no pong") != payload {}
    }

    /// Sends an entry with the next seq.
    pub(crate) fn post(&mut self, room: &str, from: &str, text: &str) {
        self.seq += 1;
        self.send_frame(&json!({
            "type": "message", "room": room, "from": from, "text": text, "seq": self.seq,
            "id": EntryId::from_u128(self.seq.into()).to_string(), "ts": 1,
        }));
    }
}

async fn serve(
    listener: &TcpListener,
    mut outgoing: mpsc::Receiver<Message>,
    mut script: Script,
    pongs: SyncSender<Vec<u8>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { continue };
        if serve_client(&mut socket, &mut outgoing, &mut script, &pongs).await {
            return;
        }
    }
}

/// Serves a client until it disconnects. Returns true if the test is over.
async fn serve_client(
    socket: &mut WebSocketStream<TcpStream>,
    outgoing: &mut mpsc::Receiver<Message>,
    script: &mut Script,
    pongs: &SyncSender<Vec<u8>>,
) -> bool {
    let mut answer = Some(script.welcome());
    loop {
        if let Some(answer) = answer.take()
            && socket.send(Message::text(answer.to_string())).await.is_err()
        {
            return false;
        }
        tokio::select! {
            message = outgoing.recv() => match message {
                Some(message) => {
                    if socket.send(message).await.is_err() {
                        return false;
                    }
                }
                None => return true,
            },
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) => {
                    answer = script.answer(&serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Pong(payload))) => {
                    // The queue may be full: most tests wait for no pong.
                    let _ = pongs.try_send(payload.to_vec());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            },
        }
    }
}

impl Script {
    fn welcome(&self) -> Value {
        json!({
            "type": "system", "event": "welcome", "message": "Connected successfully", "user_id": self.me,
            "online_count": 1, "expires_at": 1,
            "limits": {"text_chars": 4000, "frame_bytes": 65536, "rooms": 128, "messages_per_second": 0},
        })
    }

    fn answer(&mut self, frame: &Value) -> Option<Value> {
        let (room, reference, members) = (&frame["room"], &frame["ref"], &self.members);
        let mut answer = match frame["type"].as_str()? {
            "join_room" => json!({
                "type": "system", "event": "joined", "message": "joined", "room": room, "user_id": self.me,
                "members": members, "member_count": members.len(),
                "position": {"epoch": null, "seq": 0, "id": null},
            }),
            "history" => {
                json!({"type": "history", "room": room, "epoch": null, "messages": [], "has_more": false})
            }
            "members" => {
                json!({"type": "members", "room": room, "members": members, "member_count": members.len()})
            }
            "list_rooms" => json!({
                "type": "rooms", "has_more": false,
                "rooms": self.rooms.iter().map(|room| json!({
                    "room": room, "member_count": 1, "position": {"epoch": null, "seq": 0, "id": null},
                    "last_ts": null,
                })).collect::<Vec<_>>(),
            }),
            "message" => {
                let left = self.outage.checked_sub(1);
                self.outage = left.unwrap_or(0);
                let (code, why) = match left {
                    Some(_) => ("unavailable", "the store is full".to_owned()),
                    None => ("forbidden", self.refusal.clone()),
                };
                if left.is_none() && !self.refusal.starts_with("still ") {
                    self.refusal.insert_str(0, "still ");
                }
                json!({
                    "type": "error", "code": code, "message": why, "temporary": left.is_some(),
                    "room": room, "client_msg_id": frame["client_msg_id"],
                })
            }
            "refresh" => json!({"type": "refreshed", "expires_at": 1}),
            "ping" => {
                self.pongs = self.pongs.checked_sub(1)?;
                json!({"type": "pong", "nonce": frame["nonce"], "ts": 1})
            }
            _ => return None,
        };
        if !reference.is_null() {
            answer["ref"] = reference.clone();
        }
        Some(answer)
    }
}
