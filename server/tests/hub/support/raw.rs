//! A client that speaks bytes: for what a decent client never sends, and for what one does not show.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::PATIENCE;

/// A masked frame; `first` is the byte with FIN, the reserved bits and the opcode.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5A, 0x00, 0xFF, 0x21];
    let mut bytes = header(first, payload.len(), 0x80);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A frame's header without a mask; `masked` is the bit that says whether one follows.
fn header(first: u8, len: usize, masked: u8) -> Vec<u8> {
    let mut bytes = vec![first];
    if let Ok(len @ 0..=125) = u8::try_from(len) {
        bytes.push(masked | len);
    } else if let Ok(len) = u16::try_from(len) {
        bytes.push(masked | 0x7E);
        bytes.extend(len.to_be_bytes());
    } else {
        bytes.push(masked | 0x7F);
        bytes.extend((len as u64).to_be_bytes());
    }
    bytes
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code and the reason of a close frame.
    pub(crate) fn close(&self) -> (u16, String) {
        match self.payload.split_first_chunk() {
            Some((code, reason)) => {
                (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).expect("UTF-8"))
            }
            None => (1005, String::new()),
        }
    }
}

/// The head of an HTTP answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header, whose name is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A connection.
pub(crate) struct Raw {
    stream: TcpStream,
    /// What has come and was not taken.
    input: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, input: Vec::new() }
    }

    /// A connection whose kernel keeps little of what is not read.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 * 1024).expect("a socket");
        let stream = socket.connect(address).await.expect("a connection");
        Self { stream, input: Vec::new() }
    }

    /// Becomes a WebSocket.
    #[track_caller]
    pub(crate) fn upgrade(&mut self, token: &str) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            self.ask_to_upgrade(&format!("/api/v1/ws?token={token}"), "").await;
            let head = self.head().await;
            assert_eq!(head.status, 101, "{caller}");
        }
    }

    /// Sends an upgrade with more headers, each of them ended by CR LF. The key is the RFC's example.
    pub(crate) async fn ask_to_upgrade(&mut self, target: &str, headers: &str) {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        self.send(request.as_bytes()).await;
    }

    /// Takes the welcome.
    #[track_caller]
    pub(crate) fn welcomed(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let welcome = self.json().await;
            assert_eq!(welcome["event"], "welcome", "{caller}");
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("in time").expect("an open connection");
    }

    /// Sends, as long as the server takes it; tells whether it did.
    pub(crate) async fn send_or_end(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("in time").is_ok()
    }

    /// Sends a text frame.
    pub(crate) async fn text(&mut self, text: &str) {
        self.send(&masked(0x81, text.as_bytes())).await;
    }

    /// Waits for more; tells whether there was some.
    async fn read(&mut self, caller: &Location<'_>) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
        // A reset is an end, too: the server closed while it had not read all that was sent.
        read.unwrap_or_else(|_| panic!("{caller}: waited in vain")).unwrap_or(0) > 0
    }

    /// The head of an HTTP answer.
    #[track_caller]
    pub(crate) fn head(&mut self) -> impl Future<Output = Head> {
        let caller = Location::caller();
        async move {
            loop {
                if let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                    let head: Vec<u8> = self.input.drain(..end + 4).collect();
                    return parse_head(&String::from_utf8(head).expect("a head"));
                }
                assert!(self.read(caller).await, "{caller}: ended before its answer");
            }
        }
    }

    /// The body of an HTTP answer, of which the head was taken.
    #[track_caller]
    pub(crate) fn body(&mut self, head: &Head) -> impl Future<Output = String> {
        let caller = Location::caller();
        let len: usize = head.header("content-length").map_or(0, |len| len.parse().expect("a length"));
        async move {
            while self.input.len() < len {
                assert!(self.read(caller).await, "{caller}: ended within a body");
            }
            String::from_utf8(self.input.drain(..len).collect()).expect("UTF-8")
        }
    }

    /// The next frame; nothing where the connection has ended.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> impl Future<Output = Option<Frame>> {
        let caller = Location::caller();
        async move {
            loop {
                if let Some((frame, len)) = parse_frame(&self.input) {
                    self.input.drain(..len);
                    return Some(frame);
                }
                if !self.read(caller).await {
                    return None;
                }
            }
        }
    }

    /// The next frame, a text of JSON.
    #[track_caller]
    pub(crate) fn json(&mut self) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            match self.frame().await {
                Some(Frame { opcode: 1, payload }) => serde_json::from_slice(&payload).expect("JSON"),
                other => panic!("{caller}: got {other:?} instead of a text"),
            }
        }
    }

    /// The close, which may come after other frames; then the connection has to end.
    #[track_caller]
    pub(crate) fn close(&mut self) -> impl Future<Output = (u16, String)> {
        let caller = Location::caller();
        async move {
            loop {
                match self.frame().await {
                    Some(frame) if frame.opcode == 8 => {
                        assert_eq!(self.frame().await, None, "{caller}: something after the close");
                        return frame.close();
                    }
                    Some(_) => {}
                    None => panic!("{caller}: ended without a close"),
                }
            }
        }
    }

    /// Sends `bytes` while it takes frames, until it has `count` of them.
    #[track_caller]
    pub(crate) fn exchange(&mut self, bytes: &[u8], count: usize) -> impl Future<Output = Vec<Frame>> {
        let caller = Location::caller();
        async move {
            let (mut read, mut write) = self.stream.split();
            let mut frames = Vec::with_capacity(count);
            let take = async {
                while frames.len() < count {
                    let mut taken = 0;
                    while let Some((frame, len)) = parse_frame(&self.input[taken..]) {
                        frames.push(frame);
                        taken += len;
                    }
                    self.input.drain(..taken);
                    if frames.len() < count {
                        let read = read.read_buf(&mut self.input).await.expect("an open connection");
                        assert!(read > 0, "{caller}: ended after {} frames", frames.len());
                    }
                }
            };
            let both = async { tokio::join!(take, write.write_all(bytes)).1.expect("an open connection") };
            timeout(PATIENCE, both).await.unwrap_or_else(|_| panic!("{caller}: waited in vain"));
            frames
        }
    }

    /// Sends `bytes` over and over until the close comes; other frames are passed over.
    #[track_caller]
    pub(crate) fn flood(&mut self, bytes: &[u8]) -> impl Future<Output = (u16, String)> {
        let caller = Location::caller();
        async move {
            let (mut read, mut write) = self.stream.split();
            let send = async { while write.write_all(bytes).await.is_ok() {} };
            let take = async {
                loop {
                    while let Some((frame, len)) = parse_frame(&self.input) {
                        self.input.drain(..len);
                        if frame.opcode == 8 {
                            return frame.close();
                        }
                    }
                    let read = read.read_buf(&mut self.input).await.expect("an open connection");
                    assert!(read > 0, "{caller}: ended without a close");
                }
            };
            let either = async {
                tokio::select! {
                    close = take => close,
                    () = send => panic!("{caller}: ended without a close"),
                }
            };
            timeout(PATIENCE, either).await.unwrap_or_else(|_| panic!("{caller}: waited in vain"))
        }
    }

    /// The end of the connection; what comes before it is not looked at.
    #[track_caller]
    pub(crate) fn end(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            while self.read(caller).await {
                self.input.clear();
            }
        }
    }
}

fn parse_head(text: &str) -> Head {
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Head { status: status.parse().expect("a status"), headers }
}

/// The frame that `input` begins with, and its length. A server's are whole messages, and not masked.
fn parse_frame(input: &[u8]) -> Option<(Frame, usize)> {
    let (&[first, second], rest) = input.split_first_chunk()?;
    assert_eq!(first & 0xF0, 0x80, "a whole message without reserved bits");
    assert_eq!(second & 0x80, 0, "servers do not mask");
    let (len, rest) = match second {
        126 => rest.split_first_chunk().map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
        127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
        len => (u64::from(len), rest),
    };
    let payload = rest.get(..usize::try_from(len).expect("a length"))?.to_vec();
    let total = input.len() - rest.len() + payload.len();
    Some((Frame { opcode: first & 0x0F, payload }, total))
}
