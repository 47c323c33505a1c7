//! The sending half of a connection.
//!
//! Its message is prepared once. Each copy gets a number, and is recognized by its [`mark`] when it comes back.

use crate::dialect::Dialect;
use crate::frame::{TEXT, push_client_frame};
use crate::mark::{self, Marks};

const FILLER: &str = " the quick brown fox jumps over the lazy dog and";

/// A sender and its messages in flight.
pub(crate) struct Sender {
    /// Messages sent so far.
    pub(crate) sent: u32,
    /// Own copies received so far, which arrive in the order of sending.
    pub(crate) returned: u32,
    /// Messages that may be in flight in a closed loop; 0 in an open loop.
    window: u32,
    index: usize,
    message: Vec<u8>,
    mark_offset: usize,
    /// Offset of the number in the `client_msg_id`, if messages have one.
    id_offset: Option<usize>,
    marks: Marks,
}

impl Sender {
    /// A sender. With `tracked` its messages have a `client_msg_id`, and are acknowledged.
    pub(crate) fn new(
        index: usize,
        room: &str,
        dialect: Dialect,
        text_bytes: usize,
        tracked: bool,
        window: u32,
    ) -> Self {
        let mut text = mark::blank(index);
        text.extend(FILLER.chars().cycle().take(text_bytes.saturating_sub(mark::LENGTH)));
        let id = format!("{index:06x}-");
        let mut payload = serde_json::json!({"type": "message", "room": room, "text": text});
        if tracked {
            payload["client_msg_id"] = format!("{id}{:08}", 0).into();
        }
        let mut message = Vec::new();
        push_client_frame(&mut message, TEXT, dialect.encode("message", &payload).as_bytes());
        let mark_offset = mark::find(&message).expect("the text begins with it");
        let id_offset =
            message.windows(id.len()).position(|window| window == id.as_bytes()).filter(|_| tracked);
        Self {
            sent: 0,
            returned: 0,
            window,
            index,
            message,
            mark_offset,
            id_offset: id_offset.map(|at| at + id.len()),
            marks: Marks::default(),
        }
    }

    pub(crate) fn room_in_window(&self) -> u32 {
        self.window.saturating_sub(self.sent - self.returned)
    }

    /// Appends the next messages as frames. Their round trip is measured from `due`.
    pub(crate) fn push_messages(&mut self, out: &mut Vec<u8>, count: u32, due: u64) {
        for _ in 0..count {
            mark::fill(&mut self.message[self.mark_offset..], self.sent, due);
            if let Some(id_offset) = self.id_offset {
                mark::write_number(&mut self.message[id_offset..], self.sent);
            }
            out.extend_from_slice(&self.message);
            self.sent += 1;
        }
    }

    /// The due time of a copy of the sender's own message; `None` if another connection sent it.
    pub(crate) fn own_copy(&mut self, payload: &[u8]) -> Result<Option<u64>, String> {
        let mark = self.marks.read(payload)?;
        if mark.sender() != Some(self.index) {
            return Ok(None);
        }
        if mark.number() != Some(self.returned) {
            let number = mark.number().unwrap_or_default();
            return Err(format!("message {number} arrived, but {} was next", self.returned));
        }
        self.returned += 1;
        Ok(mark.due())
    }
}
