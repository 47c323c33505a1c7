//! A client that sends and receives bytes, for input and output that a WebSocket library does not allow or hides.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::TEST_TIMEOUT;

/// A masked frame. `first` is the byte with FIN, the reserved bits and the opcode.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5A, 0x00, 0xFF, 0x21];
    let mut bytes = header(first, payload.len(), 0x80);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header of a frame, without the mask. `masked` is the mask bit, 0x80 or 0.
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

/// The head of an HTTP response.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl ResponseHead {
    /// The value of a header, whose name is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A connection for HTTP, and for WebSocket frames after an upgrade.
pub(crate) struct RawClient {
    stream: TcpStream,
    /// Bytes that were received and not yet parsed.
    input: Vec<u8>,
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, input: Vec::new() }
    }

    /// Connects with a small receive buffer, so that the server notices early if nothing is read.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4 * 1024).expect("a socket");
        let stream = socket.connect(address).await.expect("a connection");
        Self { stream, input: Vec::new() }
    }

    /// Upgrades to a WebSocket.
    #[track_caller]
    pub(crate) fn upgrade(&mut self, token: &str) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            self.send_upgrade(&format!("/api/v1/ws?token={token}"), "").await;
            let head = self.head().await;
            assert_eq!(head.status, 101, "{caller}");
        }
    }

    /// Sends an upgrade request with additional headers, each ended by CR LF. The key is the example of the RFC.
    pub(crate) async fn send_upgrade(&mut self, target: &str, headers: &str) {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        self.send(request.as_bytes()).await;
    }

    /// Receives the welcome.
    #[track_caller]
    pub(crate) fn expect_welcome(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let welcome = self.json().await;
            assert_eq!(welcome["event"], "welcome", "{caller}");
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        timeout(TEST_TIMEOUT, self.stream.write_all(bytes))
            .await
            .expect("in time")
            .expect("an open connection");
    }

    /// Sends bytes. False if the connection ended before all were sent.
    pub(crate) async fn send_or_end(&mut self, bytes: &[u8]) -> bool {
        timeout(TEST_TIMEOUT, self.stream.write_all(bytes)).await.expect("in time").is_ok()
    }

    /// Sends a text frame.
    pub(crate) async fn text(&mut self, text: &str) {
        self.send(&masked(0x81, text.as_bytes())).await;
    }

    /// Receives more bytes. False at the end of the connection.
    async fn read(&mut self, caller: &Location<'_>) -> bool {
        let read = timeout(TEST_TIMEOUT, self.stream.read_buf(&mut self.input)).await;
        // A reset is an end too: the server closed with unread input.
        read.unwrap_or_else(|_| panic!("{caller}: timeout")).unwrap_or(0) > 0
    }

    /// Receives the head of an HTTP response.
    #[track_caller]
    pub(crate) fn head(&mut self) -> impl Future<Output = ResponseHead> {
        let caller = Location::caller();
        async move {
            loop {
                if let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                    let head: Vec<u8> = self.input.drain(..end + 4).collect();
                    return parse_head(&String::from_utf8(head).expect("a head"));
                }
                assert!(self.read(caller).await, "{caller}: ended before the response");
            }
        }
    }

    /// Receives the body that belongs to a head.
    #[track_caller]
    pub(crate) fn body(&mut self, head: &ResponseHead) -> impl Future<Output = String> {
        let caller = Location::caller();
        let len: usize = head.header("content-length").map_or(0, |len| len.parse().expect("a length"));
        async move {
            while self.input.len() < len {
                assert!(self.read(caller).await, "{caller}: ended within a body");
            }
            String::from_utf8(self.input.drain(..len).collect()).expect("UTF-8")
        }
    }

    /// Receives the next frame; `None` at the end of the connection.
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

    /// Receives the next frame, which must be a text of JSON.
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

    /// Receives frames until the close, and asserts that the connection ends then.
    #[track_caller]
    pub(crate) fn close(&mut self) -> impl Future<Output = (u16, String)> {
        let caller = Location::caller();
        async move {
            loop {
                match self.frame().await {
                    Some(frame) if frame.opcode == 8 => {
                        assert_eq!(self.frame().await, None, "{caller}: a frame after the close");
                        return frame.close();
                    }
                    Some(_) => {}
                    None => panic!("{caller}: ended without a close"),
                }
            }
        }
    }

    /// Sends `bytes` and receives `count` frames at the same time.
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
            timeout(TEST_TIMEOUT, both).await.unwrap_or_else(|_| panic!("{caller}: timeout"));
            frames
        }
    }

    /// Sends `bytes` repeatedly until the close comes. Ignores other frames.
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
            timeout(TEST_TIMEOUT, either).await.unwrap_or_else(|_| panic!("{caller}: timeout"))
        }
    }

    /// Waits for the end of the connection. Ignores all bytes before it.
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

fn parse_head(text: &str) -> ResponseHead {
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    ResponseHead { status: status.parse().expect("a status"), headers }
}

/// Parses the frame at the start of `input`; returns it with its length. Frames of the server are whole messages without a
/// mask.
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
