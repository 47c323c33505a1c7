//! Frame reader: bytes of a client to messages.
//!
//! tungstenite applies the rules of the RFC (masks, fragments, UTF-8, control frames). It gets whole frames only, so
//! that it never reserves memory for a frame that has not arrived. The reader knows if a part of a frame has arrived,
//! so its owner can limit the time for the rest. Between messages a connection holds no parser: one is created, or
//! taken from the thread's spare, when bytes arrive. A text in one frame, as most messages are, needs no parser.

use std::cell::Cell;
use std::io::{self, Cursor};

use bytes::Bytes;
use realtime_shared::CloseCode;
use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

/// Bytes from which a fragment is not thin.
const THIN_FRAGMENT_BYTES: usize = 16;

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
    /// Bytes of that message so far.
    message_bytes: u64,
    /// Thin fragments since they were last taken.
    thin_fragments: u32,
    parser: Option<Box<WebSocketContext>>,
}

thread_local! {
    /// Parser between messages, for the next connection that needs one.
    static SPARE: Cell<Option<Box<WebSocketContext>>> = const { Cell::new(None) };
}

impl FrameReader {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, in_message: false, message_bytes: 0, thin_fragments: 0, parser: None }
    }

    /// True if a fragmented message has begun and not ended.
    #[must_use]
    pub fn in_message(&self) -> bool {
        self.in_message
    }

    /// Takes the number of thin fragments: those that are not the last of their message, and carry less than 16 bytes.
    /// A peer sends them at no cost and without an effect, so the owner has to limit them.
    pub fn take_thin_fragments(&mut self) -> u32 {
        std::mem::take(&mut self.thin_fragments)
    }

    /// Parses one whole frame at the start of `input`: its length, and the message that it completes.
    /// `None`: the frame is incomplete; call again with more bytes after it.
    pub fn next(&mut self, input: &[u8]) -> Result<Option<(usize, Option<Incoming>)>, Violation> {
        let Some((header, payload, length)) = self.frame(input)? else { return Ok(None) };
        let message = match header {
            FrameHeader { is_final: true, opcode: OpCode::Data(Data::Text), mask: Some(mask), .. } => {
                Some(text(&input[length - payload..length], mask)?)
            }
            _ => self.parse(&input[..length])?,
        };
        if let OpCode::Data(_) = header.opcode {
            self.in_message = !header.is_final;
            self.message_bytes = if header.is_final { 0 } else { self.message_bytes + payload as u64 };
            self.thin_fragments += u32::from(!header.is_final && payload < THIN_FRAGMENT_BYTES);
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

    /// Checks what is known of a header from its first two bytes.
    fn check_start(&self, input: &[u8]) -> Result<(), Violation> {
        const FIN: u8 = 0x80;
        const RESERVED: u8 = 0x70;
        const MASK: u8 = 0x80;
        const LONGEST_CONTROL: u8 = 125;
        let protocol = Err(Violation(CloseCode::Protocol));
        let Some(&first) = input.first() else { return Ok(()) };
        let opcode = first & 0x0F;
        let is_control = opcode >= 8;
        let is_known = matches!(opcode, 0..=2 | 8..=10);
        let is_in_turn = is_control || (opcode == 0) == self.in_message;
        if first & RESERVED != 0 || !is_known || !is_in_turn || is_control && first & FIN == 0 {
            return protocol;
        }
        if let Some(&second) = input.get(1)
            && (second & MASK == 0 || is_control && second & !MASK > LONGEST_CONTROL)
        {
            return protocol;
        }
        if opcode == 2 && !self.bounds.binary {
            return Err(Violation(CloseCode::Unsupported));
        }
        Ok(())
    }

    /// Header, payload length and length of the frame at the start of `input`, if it is complete. Fails as soon as the
    /// header violates a rule or a limit.
    fn frame(&self, input: &[u8]) -> Result<Option<(FrameHeader, usize, usize)>, Violation> {
        self.check_start(input)?;
        let mut cursor = Cursor::new(input);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|error| violation(&error))?;
        let Some((header, payload)) = parsed else { return Ok(None) };
        let is_data = matches!(header.opcode, OpCode::Data(_));
        if payload > self.bounds.frame_bytes as u64
            || is_data && self.message_bytes.saturating_add(payload) > self.bounds.message_bytes as u64
        {
            return Err(Violation(CloseCode::TooLarge));
        }
        let length = cursor.position() + payload;
        if length > input.len() as u64 {
            return Ok(None);
        }
        let in_input = |bytes: u64| usize::try_from(bytes).expect("no longer than the input");
        Ok(Some((header, in_input(payload), in_input(length))))
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

/// The text of a whole message.
fn text(masked: &[u8], mask: [u8; 4]) -> Result<Incoming, Violation> {
    let text = Utf8Bytes::try_from(unmasked(masked, mask));
    text.map(Incoming::Text).map_err(|_| Violation(CloseCode::InvalidUtf8))
}

fn unmasked(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    const AT_ONCE: usize = 16;
    let wide_mask = u128::from_ne_bytes(std::array::from_fn(|at| mask[at % mask.len()]));
    let mut bytes = payload.to_vec();
    let (parts, rest) = bytes.as_chunks_mut::<AT_ONCE>();
    for part in parts {
        *part = (u128::from_ne_bytes(*part) ^ wide_mask).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    bytes
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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn a_text_is_the_one_that_the_parser_reads(
            payload in prop_oneof![prop::collection::vec(any::<u8>(), 0..60), ".{0,200}".prop_map(String::into_bytes)],
        ) {
            let bytes = frame(0x81, &payload);
            let parsed = FrameReader::new(BOUNDS).parse(&bytes).map(|message| Some((bytes.len(), message)));
            prop_assert_eq!(read(&bytes), parsed);
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
    fn a_header_that_breaks_a_rule_closes_before_the_rest_of_its_frame() {
        let masked = |first| vec![first, 0x80 | 0x7E];
        let closes = |reader: &mut FrameReader, input: &[u8]| reader.next(input).err().map(|error| error.0);
        for (input, code) in [
            (vec![0x81, 0x00], CloseCode::Protocol),
            (vec![0x81, 0x7E], CloseCode::Protocol),
            (vec![0x81, 0x7F], CloseCode::Protocol),
            (vec![0x89, 0x05], CloseCode::Protocol),
            (vec![0x89, 0x80 | 0x7E], CloseCode::Protocol),
            (vec![0x09], CloseCode::Protocol),
            (vec![0xC1], CloseCode::Protocol),
            (vec![0x83], CloseCode::Protocol),
            (vec![0x8F], CloseCode::Protocol),
            (vec![0x80], CloseCode::Protocol),
            (vec![0x00], CloseCode::Protocol),
            (vec![0x82], CloseCode::Unsupported),
            (vec![0x02], CloseCode::Unsupported),
        ] {
            assert_eq!(closes(&mut FrameReader::new(BOUNDS), &input), Some(code), "{input:x?}");
        }
        for input in [masked(0x81), masked(0x01), vec![0x89, 0x80 | 0x7D], vec![0x88], vec![0x8A]] {
            assert_eq!(closes(&mut FrameReader::new(BOUNDS), &input), None, "{input:x?}");
        }
        let mut within = FrameReader::new(BOUNDS);
        within.next(&frame(0x01, &[b'x'; 600])).expect("a fragment");
        assert_eq!(closes(&mut within, &[0x81]), Some(CloseCode::Protocol));
        assert_eq!(closes(&mut within, &[0x80, 0xFE, 0x01, 0x91, 0, 0, 0, 0]), Some(CloseCode::TooLarge));
        assert_eq!(closes(&mut within, &[0x80, 0xFE, 0x01, 0x90, 0, 0, 0, 0]), None);
    }

    #[test]
    fn thin_fragments_are_counted() {
        let mut reader = FrameReader::new(BOUNDS);
        let frames = [
            frame(0x01, b""),
            frame(0x00, &[b'x'; 15]),
            frame(0x89, b""),
            frame(0x00, &[b'x'; 16]),
            frame(0x80, b""),
            frame(0x81, b""),
        ];
        for bytes in frames {
            reader.next(&bytes).expect("no violation").expect("whole");
        }
        assert_eq!((reader.take_thin_fragments(), reader.take_thin_fragments()), (2, 0));
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
