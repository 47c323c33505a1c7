//! Bytes of a client → messages.
//!
//! The RFC's rules (masks, fragments, UTF-8, control frames) are tungstenite's. It is given whole frames only, so that
//! it never holds, or reserves memory for, a frame that is not there yet: how much of one has come is known here, and
//! its owner can limit how long the rest may take. Between messages a connection has no parser: they are made, or
//! taken from one that the thread keeps, when bytes come.

use std::cell::Cell;
use std::io::{self, Cursor};

use bytes::Bytes;
use realtime_shared::CloseCode;
use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

/// What a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Longest payload of a frame, in bytes.
    pub frame_bytes: usize,
    /// Longest message, all its fragments together, in bytes.
    pub message_bytes: usize,
    /// Whether binary messages are taken.
    pub binary: bool,
}

/// A message or control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    /// A sign of life.
    Pong,
    /// The peer closes, to be answered in kind: with its own code and reason, or those of a protocol error where these
    /// may not be sent, or none.
    Close(Option<(u16, Utf8Bytes)>),
}

/// How a peer broke the protocol or its bounds: the code to close with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.reason())]
pub struct Violation(pub CloseCode);

/// The reading half of one WebSocket.
#[derive(Debug)]
pub struct Reader {
    bounds: Bounds,
    /// Between the first and the last fragment of a message.
    in_message: bool,
    parser: Option<Box<WebSocketContext>>,
}

thread_local! {
    /// A parser that is between messages, for the next who needs one.
    static SPARE: Cell<Option<Box<WebSocketContext>>> = const { Cell::new(None) };
}

impl Reader {
    /// A reader for a new connection.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, in_message: false, parser: None }
    }

    /// Whether a message has begun with a fragment and not ended.
    #[must_use]
    pub fn in_message(&self) -> bool {
        self.in_message
    }

    /// Takes one whole frame from the start of `input`: how many bytes that were, and the message that it completes.
    /// `None`: there is no whole frame, and `input` is needed again with what comes after it.
    pub fn next(&mut self, input: &[u8]) -> Result<Option<(usize, Option<Incoming>)>, Violation> {
        let Some((header, length)) = self.frame(input)? else { return Ok(None) };
        let message = self.parse(&input[..length])?;
        if let OpCode::Data(_) = header.opcode {
            self.in_message = !header.is_final;
        }
        if !self.in_message {
            self.rest();
        }
        Ok(Some((length, message)))
    }

    /// Gives the parser back, which holds nothing between messages.
    fn rest(&mut self) {
        if let Some(parser) = self.parser.take() {
            SPARE.set(Some(parser));
        }
    }

    /// The header and the length of the frame that `input` begins with, if all of it is there; and whether it may be
    /// there, as soon as its header says that it may not.
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
            // It wants more: the frame was a fragment.
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
    /// The least that the parser reads at once; it grows with what it is given, and is shared.
    const READ_BUFFER: usize = 512;
    /// Holds what the parser would answer, which is thrown away: a control frame.
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

/// A stream of one frame. What the parser writes (pongs, close replies) is thrown away: their owner writes its own,
/// between its frames.
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
        Reader::new(BOUNDS).next(input)
    }

    #[test]
    fn a_text_comes_out_and_no_parser_stays() {
        let bytes = frame(0x81, "hé".as_bytes());
        let mut reader = Reader::new(BOUNDS);
        assert_eq!(reader.next(&bytes), Ok(Some((bytes.len(), Some(Incoming::Text("hé".into()))))));
        assert!(reader.parser.is_none());
        for end in 0..bytes.len() {
            assert_eq!(reader.next(&bytes[..end]), Ok(None));
        }
    }

    #[test]
    fn fragments_come_together_with_a_ping_between() {
        let mut reader = Reader::new(BOUNDS);
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
    fn what_is_wrong_has_its_code() {
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
    fn a_message_in_fragments_has_the_same_bound() {
        let mut reader = Reader::new(BOUNDS);
        assert!(matches!(reader.next(&frame(0x01, &[b'x'; 600])), Ok(Some((_, None)))));
        assert_eq!(reader.next(&frame(0x80, &[b'x'; 600])), Err(Violation(CloseCode::TooLarge)));
    }

    #[test]
    fn a_close_is_answered_in_kind() {
        let close = |payload: &[u8]| read(&frame(0x88, payload)).expect("a close").expect("whole").1;
        assert_eq!(close(b""), Some(Incoming::Close(None)));
        assert_eq!(close(b"\x03\xe8bye"), Some(Incoming::Close(Some((1000, "bye".into())))));
        let Some(Incoming::Close(Some((code, _)))) = close(b"\x03\xed") else { panic!("a close") };
        assert_eq!(code, 1002, "1005 is never sent");
    }
}
