//! Pastes between their marks.

/// Marks of a paste.
pub(super) const OPENING: &[u8] = b"\x1b[200~";
pub(super) const CLOSING: &[u8] = b"\x1b[201~";

/// Most bytes of a paste that are kept: far more than a draft may have.
const KEPT: usize = 1 << 20;

/// Finder of a mark in a stream of bytes. A mark has its only ESC at its start.
#[derive(Debug)]
pub(super) struct MarkFinder {
    mark: &'static [u8],
    matched: usize,
}

impl MarkFinder {
    pub(super) const fn new(mark: &'static [u8]) -> Self {
        Self { mark, matched: 0 }
    }

    /// True if the byte completes the mark.
    pub(super) fn step(&mut self, byte: u8) -> bool {
        if self.mark.get(self.matched) != Some(&byte) {
            self.matched = 0;
        }
        self.matched += usize::from(self.mark[self.matched] == byte);
        let is_found = self.matched == self.mark.len();
        if is_found {
            self.matched = 0;
        }
        is_found
    }

    /// True if the mark would be complete after one of these bytes.
    pub(super) fn is_completed_by(&self, bytes: &[u8]) -> bool {
        let mut finder = Self { mark: self.mark, matched: self.matched };
        bytes.iter().any(|byte| finder.step(*byte))
    }
}

/// A paste that is being read.
#[derive(Debug)]
pub(super) struct Paste {
    text: Vec<u8>,
    end: MarkFinder,
}

impl Paste {
    pub(super) const fn new() -> Self {
        Self { text: Vec::new(), end: MarkFinder::new(CLOSING) }
    }

    /// Adds a byte. Returns true if it completes the closing mark.
    pub(super) fn step(&mut self, byte: u8) -> bool {
        let matched = self.end.matched;
        let is_closed = self.end.step(byte);
        if !is_closed && self.end.matched <= matched {
            // What looked like the closing mark is text.
            self.keep(&CLOSING[..matched]);
        }
        if !is_closed && self.end.matched == 0 {
            self.keep(&[byte]);
        }
        is_closed
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT - self.text.len();
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The text. A closing mark that is not complete is dropped.
    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}
