//! The sending half of a connection: messages that are prepared once, numbered, and recognized when they come
//! back.
//!
//! A text begins with a marker, `@` sender `:` number, in hexadecimal digits of fixed count. It is looked for
//! where the last one was; only when the fields before it have changed their length is the frame searched.

use std::collections::VecDeque;
use std::ops::Range;

use crate::dialect::Dialect;
use crate::frame::{TEXT, push_client_frame};

const SENDER_DIGITS: usize = 6;
const NUMBER_DIGITS: usize = 8;
const COLON: usize = 1 + SENDER_DIGITS;
const MARKER: usize = COLON + 1 + NUMBER_DIGITS;
const FILLER: &str = " the quick brown fox jumps over the lazy dog and";

/// Who sends, with what is in flight.
pub(crate) struct Sender {
    /// Messages sent so far.
    pub(crate) sent: u32,
    /// Own copies received so far; they come back in the order in which they were sent.
    pub(crate) returned: u32,
    /// How many may be in flight in a closed loop; 0 where another tells when to send.
    window: u32,
    message: Vec<u8>,
    /// Where the number is: in the text, and in the message's own id where it has one.
    numbers_at: Vec<Range<usize>>,
    marker: [u8; COLON + 1],
    marker_at: usize,
    sent_at: VecDeque<u64>,
}

impl Sender {
    /// `tracked`: messages have an id of their own, and are acknowledged.
    pub(crate) fn new(
        index: usize,
        room: &str,
        dialect: Dialect,
        text_bytes: usize,
        tracked: bool,
        window: u32,
    ) -> Self {
        let marker = format!("@{index:0SENDER_DIGITS$x}:");
        let mut text = format!("{marker}{:0NUMBER_DIGITS$x}", 0);
        text.extend(FILLER.chars().cycle().take(text_bytes.saturating_sub(MARKER)));
        let id = format!("{index:0SENDER_DIGITS$x}-");
        let mut payload = serde_json::json!({"type": "message", "room": room, "text": text});
        if tracked {
            payload["client_msg_id"] = format!("{id}{:0NUMBER_DIGITS$x}", 0).into();
        }
        let mut message = Vec::new();
        push_client_frame(&mut message, TEXT, dialect.encode("message", &payload).as_bytes());
        let number = |at: usize| at..at + NUMBER_DIGITS;
        let text_at = find_marker(&message).expect("the text begins with it") + COLON + 1;
        let id_at = message.windows(id.len()).position(|window| window == id.as_bytes()).filter(|_| tracked);
        let numbers_at = id_at.map(|at| at + id.len()).into_iter().chain([text_at]).map(number).collect();
        Self {
            sent: 0,
            returned: 0,
            window,
            message,
            numbers_at,
            marker: marker.as_bytes().try_into().expect("fewer than 16 million connections"),
            marker_at: 0,
            sent_at: VecDeque::new(),
        }
    }

    pub(crate) fn room_in_window(&self) -> u32 {
        self.window.saturating_sub(self.sent - self.returned)
    }

    /// Appends the next messages as frames. They are due at `at`, from which their round trip counts.
    pub(crate) fn push_messages(&mut self, out: &mut Vec<u8>, count: u32, at: u64) {
        for _ in 0..count {
            for number in &self.numbers_at {
                write_hex(&mut self.message[number.clone()], self.sent);
            }
            out.extend_from_slice(&self.message);
            self.sent_at.push_back(at);
            self.sent += 1;
        }
    }

    /// When the message was due that has come back as this delivery; `None` where it is another's.
    pub(crate) fn came_back(&mut self, payload: &[u8]) -> Result<Option<u64>, String> {
        if !is_marker(payload.get(self.marker_at..).unwrap_or_default()) {
            self.marker_at = find_marker(payload).ok_or("a message that nobody here has sent")?;
        }
        let (sender, number) = payload[self.marker_at..self.marker_at + MARKER].split_at(self.marker.len());
        if sender != self.marker {
            return Ok(None);
        }
        if read_hex(number) != Some(self.returned) {
            let number = String::from_utf8_lossy(number);
            return Err(format!("message {number} came back where {:08x} was next", self.returned));
        }
        self.returned += 1;
        Ok(self.sent_at.pop_front())
    }
}

fn is_marker(bytes: &[u8]) -> bool {
    bytes.len() >= MARKER && bytes[0] == b'@' && bytes[COLON] == b':'
}

fn find_marker(payload: &[u8]) -> Option<usize> {
    payload.windows(MARKER).position(is_marker)
}

fn write_hex(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xF) as usize];
        number >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
