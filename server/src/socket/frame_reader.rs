//! Frame reader: bytes of a client to messages.
//!
//! tungstenite applies the rules of the RFC (masks, fragments, UTF-8, control frames). It gets whole frames only, so
//! that it never reserves memory for a frame that has not arrived. The reader knows if a part of a frame has arrived,
//! so its owner can limit the time for the rest. Between messages a connection holds no parser: one is created, or
//! taken from the thread's spare, when bytes arrive.

use std::cell::Cell;
use std::io::{self, Cursor};

use bytes::Bytes;
use realtime_shared::CloseCode;
use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

/// Limits on what a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Longest payload of a frame, in bytes.
    pub frame_bytes: usize,
    /// Longest message with all its fragments, in bytes.
    pub message_bytes: usize,
    /// True if binary messages are accepted.
    pub binary: bool,
}

/// Message or control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// Must be answered with a pong of the same payload.
    Ping(Bytes),
    Pong,
    /// The peer closes. Answer with this code and reason: those of the peer, those of a protocol error if the peer's may
    /// not be sent, or none.
    Close(Option<(u16, Utf8Bytes)>),
}

/// Violation of the protocol or of a limit: the code to close with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.reason())]
pub struct Violation(pub CloseCode);

/// Reading half of one WebSocket.
#[derive(Debug)]
pub struct FrameReader {
    bounds: Bounds,
    /// Between the first and the last fragment of a message.
    in_message: bool,
    parser: Option<Box<WebSocketContext>>,
}

thread_local! {
    /// Parser between messages, for the next connection that needs one.
    static SPARE: Cell<Option<Box<WebSocketContext>>> = const { Cell::new(None) };
}

impl FrameReader {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, in_message: false, parser: None }
    }

    /// True if a fragmented message has begun and not ended.
    #[must_use]
    pub fn in_message(&self) -> bool {
        self.in_message
    }

    /// Parses one whole frame at the start of `input`: its length, and the message that it completes.
    /// `None`: the frame is incomplete; call again with more bytes after it.
    pub fn next(&mut self, input: &[u8]) -> Result<Option<(usize, Option<Incoming>)>, Violation> {
        let Some((header, length)) = self.frame(input)? else { return Ok(None) };
        let message = self.parse(&input[..length])?;
        if let OpCode::Data(_) = header.opcode {
            self.in_message = !header.is_final;
        }
        if !self.in_message {
            self.release_parser();
        }
        Ok(Some((length, message)))
    }

    /// Returns the parser to the thread; it holds nothing between messages.
    fn release_parser(&mut self) {
        if let Some(parser) = self.parser.take() {
            SPARE.set(Some(parser));
        }
    }

    /// Header and length of the frame at the start of `input`, if it is complete. Fails as soon as the header violates a
    /// limit.
    fn frame(&self, input: &[u8]) -> Result<Option<(FrameHeader, usize)>, Violation> {
        let mut cursor = Cursor::new(input);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|error| violation(&error))?;
        let Some((header, payload)) = parsed else { return Ok(None) };
        if payload > self.bounds.frame_bytes as u64 {
            return Err(Violation(CloseCode::TooLarge));
        }
        if !self.bounds.binary && header.opcode == OpCode::Data(Data::Binary) {
            return Err(Violation(CloseCode::Unsupported));
        }
        let length = cursor.position() + payload;
        if length > input.len() as u64 {
            return Ok(None);
        }
        Ok(Some((header, usize::try_from(length).expect("no longer than the input"))))
    }

    fn parse(&mut self, frame: &[u8]) -> Result<Option<Incoming>, Violation> {
        let bounds = self.bounds;
        let parser = self.parser.get_or_insert_with(|| new_parser(bounds));
        let message = match parser.read(&mut Frame(frame)) {
            Ok(message) => message,
            // The frame was a fragment.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => {
                self.parser = None;
                return Err(violation(&error));
            }
        };
        Ok(Some(match message {
            Message::Text(text) => Incoming::Text(text),
            Message::Binary(data) => Incoming::Binary(data),
            Message::Ping(payload) => Incoming::Ping(payload),
            Message::Pong(_) => Incoming::Pong,
            Message::Close(close) => {
                // A parser that has seen a close reads nothing more.
                self.parser = None;
                Incoming::Close(close.map(|close| (close.code.into(), close.reason)))
            }
            Message::Frame(_) => return Ok(None),
        }))
    }
}

fn new_parser(bounds: Bounds) -> Box<WebSocketContext> {
    /// Smallest read of the parser; its buffer grows with the input, and is shared.
    const READ_BUFFER: usize = 512;
    /// Room for the replies of the parser, which are discarded: one control frame.
    const WRITE_BUFFER: usize = 1024;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_frame_size(Some(bounds.frame_bytes))
        .max_message_size(Some(bounds.message_bytes));
    match SPARE.take() {
        Some(mut spare) => {
            spare.set_config(|current| *current = config);
            spare
        }
        None => Box::new(WebSocketContext::new(Role::Server, Some(config))),
    }
}

fn violation(error: &Error) -> Violation {
    Violation(match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::TooLarge,
        Error::Utf8(_) => CloseCode::InvalidUtf8,
        _ => CloseCode::Protocol,
    })
}

/// Stream of one frame. Discards what the parser writes (pongs, close replies): the owner writes its own replies between
/// its frames.
struct Frame<'a>(&'a [u8]);

impl io::Read for Frame<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        io::Read::read(&mut self.0, buffer)
    }
}

impl io::Write for Frame<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { frame_bytes: 1000, message_bytes: 1000, binary: false };

    /// A masked frame; `first` is the byte with FIN and the opcode.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..=125 => bytes.push(0x80 | u8::try_from(len).expect("small")),
            len => {
                bytes.push(0x80 | 0x7E);
                bytes.extend(u16::try_from(len).expect("small").to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    fn read(input: &[u8]) -> Result<Option<(usize, Option<Incoming>)>, Violation> {
        FrameReader::new(BOUNDS).next(input)
    }

    #[test]
    fn a_text_is_read_and_the_parser_returned() {
        let bytes = frame(0x81, "hé".as_bytes());
        let mut reader = FrameReader::new(BOUNDS);
        assert_eq!(reader.next(&bytes), Ok(Some((bytes.len(), Some(Incoming::Text("hé".into()))))));
        assert!(reader.parser.is_none());
        for end in 0..bytes.len() {
            assert_eq!(reader.next(&bytes[..end]), Ok(None));
        }
    }

    #[test]
    fn fragments_are_joined_with_a_ping_in_between() {
        let mut reader = FrameReader::new(BOUNDS);
        assert!(matches!(reader.next(&frame(0x01, b"he")), Ok(Some((_, None)))));
        assert!(reader.in_message());
        let ping = reader.next(&frame(0x89, b"p")).expect("a ping").expect("whole").1;
        assert_eq!(ping, Some(Incoming::Ping(Bytes::from_static(b"p"))));
        assert!(reader.in_message());
        let last = reader.next(&frame(0x80, b"llo")).expect("a text").expect("whole").1;
        assert_eq!(last, Some(Incoming::Text("hello".into())));
        assert!(!reader.in_message());
    }

    #[test]
    fn each_violation_has_its_close_code() {
        let mut unmasked = frame(0x81, b"x");
        unmasked[1] &= 0x7F;
        for (bytes, code) in [
            (frame(0x82, b"x"), CloseCode::Unsupported),
            (frame(0x81, b"\xff"), CloseCode::InvalidUtf8),
            (frame(0x81, &[b'x'; 1001]), CloseCode::TooLarge),
            (frame(0x81, &[b'x'; 1001])[..8].to_vec(), CloseCode::TooLarge),
            (frame(0xC1, b"x"), CloseCode::Protocol),
            (frame(0x83, b"x"), CloseCode::Protocol),
            (frame(0x80, b"x"), CloseCode::Protocol),
            (frame(0x09, b"x"), CloseCode::Protocol),
            (frame(0x89, &[b'x'; 126]), CloseCode::Protocol),
            (frame(0x88, b"x"), CloseCode::Protocol),
            (unmasked, CloseCode::Protocol),
        ] {
            assert_eq!(read(&bytes), Err(Violation(code)), "{bytes:x?}");
        }
    }

    #[test]
    fn the_limit_covers_all_fragments_of_a_message() {
        let mut reader = FrameReader::new(BOUNDS);
        assert!(matches!(reader.next(&frame(0x01, &[b'x'; 600])), Ok(Some((_, None)))));
        assert_eq!(reader.next(&frame(0x80, &[b'x'; 600])), Err(Violation(CloseCode::TooLarge)));
    }

    #[test]
    fn a_close_keeps_the_code_of_the_peer() {
        let close = |payload: &[u8]| read(&frame(0x88, payload)).expect("a close").expect("whole").1;
        assert_eq!(close(b""), Some(Incoming::Close(None)));
        assert_eq!(close(b"\x03\xe8bye"), Some(Incoming::Close(Some((1000, "bye".into())))));
        let Some(Incoming::Close(Some((code, _)))) = close(b"\x03\xed") else { panic!("a close") };
        assert_eq!(code, 1002, "1005 is never sent");
    }
}
