//! The sending half of a connection: messages that are prepared once, numbered, and recognized by their
//! [mark](crate::mark) when they come back.

use crate::dialect::Dialect;
use crate::frame::{TEXT, push_client_frame};
use crate::mark::{self, Marks};

const FILLER: &str = " the quick brown fox jumps over the lazy dog and";

/// Who sends, with what is in flight.
pub(crate) struct Sender {
    /// Messages sent so far.
    pub(crate) sent: u32,
    /// Own copies received so far; they come back in the order in which they were sent.
    pub(crate) returned: u32,
    /// How many may be in flight in a closed loop; 0 where another tells when to send.
    window: u32,
    index: usize,
    message: Vec<u8>,
    mark_at: usize,
    /// Where the number in the message's own id is, where it has one.
    id_at: Option<usize>,
    marks: Marks,
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
        let mut text = mark::blank(index);
        text.extend(FILLER.chars().cycle().take(text_bytes.saturating_sub(mark::LENGTH)));
        let id = format!("{index:06x}-");
        let mut payload = serde_json::json!({"type": "message", "room": room, "text": text});
        if tracked {
            payload["client_msg_id"] = format!("{id}{:08}", 0).into();
        }
        let mut message = Vec::new();
        push_client_frame(&mut message, TEXT, dialect.encode("message", &payload).as_bytes());
        let mark_at = mark::find(&message).expect("the text begins with it");
        let id_at = message.windows(id.len()).position(|window| window == id.as_bytes()).filter(|_| tracked);
        Self {
            sent: 0,
            returned: 0,
            window,
            index,
            message,
            mark_at,
            id_at: id_at.map(|at| at + id.len()),
            marks: Marks::default(),
        }
    }

    pub(crate) fn room_in_window(&self) -> u32 {
        self.window.saturating_sub(self.sent - self.returned)
    }

    /// Appends the next messages as frames. They are due at `at`, from which their round trip counts.
    pub(crate) fn push_messages(&mut self, out: &mut Vec<u8>, count: u32, at: u64) {
        for _ in 0..count {
            mark::fill(&mut self.message[self.mark_at..], self.sent, at);
            if let Some(id_at) = self.id_at {
                mark::write_number(&mut self.message[id_at..], self.sent);
            }
            out.extend_from_slice(&self.message);
            self.sent += 1;
        }
    }

    /// When the message was due that has come back as this delivery; `None` where it is another's.
    pub(crate) fn came_back(&mut self, payload: &[u8]) -> Result<Option<u64>, String> {
        let mark = self.marks.read(payload)?;
        if mark.sender() != Some(self.index) {
            return Ok(None);
        }
        if mark.number() != Some(self.returned) {
            let number = mark.number().unwrap_or_default();
            return Err(format!("message {number} came back where {} was next", self.returned));
        }
        self.returned += 1;
        Ok(mark.due())
    }
}
