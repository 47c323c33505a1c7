//! Decoder: tokens with their waits, and pastes.

use std::time::{Duration, Instant};

use super::event::TerminalEvent;
use super::meaning::Meaning;
use super::paste::{CLOSING, MarkFinder, OPENING, Paste};
use super::rest::{self, Rest};
use super::string_start;
use super::tokenizer::{Pending, Tokenizer};

/// Wait for the rest of a sequence that can be nothing else, if the wait of a lone ESC is not longer. Retransmission on
/// a bad line takes 200 ms and more.
const SEQUENCE_WAIT: Duration = Duration::from_millis(500);
/// Wait for the rest of a paste.
const PASTE_WAIT: Duration = Duration::from_secs(1);
const CTRL_C: u8 = 0x03;

/// Decoder of the bytes of a terminal. The caller reads the clock.
#[derive(Debug)]
pub struct Decoder {
    escape_delay: Duration,
    tokenizer: Tokenizer,
    /// Finds the opening mark of a paste that waits have split.
    opening: MarkFinder,
    paste: Option<Paste>,
    /// A paste has ended without its closing mark. Its rest is expected until then.
    unclosed_until: Option<Instant>,
    wake: Option<Instant>,
}

impl Decoder {
    /// Creates a decoder that waits for `escape_delay` after an ESC.
    #[must_use]
    pub const fn new(escape_delay: Duration) -> Self {
        Self {
            escape_delay,
            tokenizer: Tokenizer::new(),
            opening: MarkFinder::new(OPENING),
            paste: None,
            unclosed_until: None,
            wake: None,
        }
    }

    /// Time at which unfinished input ends. [`Decoder::expire`] must be called then, unless bytes arrive first.
    #[must_use]
    pub const fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Decodes the bytes of one read. Unfinished input is continued, also after its wait: the bytes may have been in
    /// the terminal for longer.
    pub fn feed(&mut self, bytes: &[u8], now: Instant) -> Vec<TerminalEvent> {
        let mut events = Vec::new();
        let mut rest = bytes;
        self.unclosed_until = self.unclosed_until.filter(|until| now < *until);
        if let Some(end) = self.stray_end(bytes) {
            self.tokenizer.reset();
            self.opening = MarkFinder::new(OPENING);
            self.paste = Some(Paste::new());
            self.feed_paste(&bytes[..end], now, &mut events);
            rest = &bytes[end..];
        }
        while !rest.is_empty() {
            let used = if self.paste.is_some() {
                self.feed_paste(rest, now, &mut events)
            } else {
                self.feed_keys(rest, now, &mut events)
            };
            rest = &rest[used..];
        }
        events
    }

    /// Ends unfinished input if its wait is over.
    pub fn expire(&mut self, now: Instant) -> Vec<TerminalEvent> {
        let mut events = Vec::new();
        if self.wake.is_none_or(|wake| now < wake) {
            return events;
        }
        self.wake = None;
        if self.paste.is_some() {
            self.unclosed_until = Some(now + rest::WAIT);
        }
        self.end_paste(&mut events);
        let mut tokens = Vec::new();
        self.tokenizer.expire(&mut tokens);
        for token in tokens {
            Meaning::write(&token, &mut events);
        }
        events
    }

    /// The end of a closing mark in these bytes, if its paste is not open: the opening mark was lost, or the paste was
    /// ended after a pause.
    fn stray_end(&self, bytes: &[u8]) -> Option<usize> {
        if self.paste.is_some() {
            return None;
        }
        let start = bytes.windows(CLOSING.len()).position(|window| window == CLOSING)?;
        let is_stray = !self.opening.is_completed_by(&bytes[..start]);
        is_stray.then_some(start + CLOSING.len())
    }

    /// Reads keys until a paste begins or continues. Returns the number of bytes used.
    fn feed_keys(&mut self, bytes: &[u8], now: Instant, events: &mut Vec<TerminalEvent>) -> usize {
        let mut tokens = Vec::new();
        for (index, byte) in bytes.iter().enumerate() {
            match self.rest(&bytes[index..]) {
                Rest::Text => {
                    self.paste = Some(Paste::new());
                    return index;
                }
                Rest::LineEnd => {
                    self.unclosed_until = Some(now + rest::WAIT);
                    events.push(TerminalEvent::Paste(char::from(*byte).into()));
                    continue;
                }
                Rest::Key => {}
            }
            let introducer = self.tokenizer.string_introducer();
            if introducer.is_some_and(|letter| string_start::is_typed(letter, &bytes[index..], index == 0)) {
                self.tokenizer.expire(&mut tokens);
            }
            self.tokenizer.step(*byte, &mut tokens);
            let is_opened = self.opening.step(*byte);
            let mut is_paste = false;
            // After an opening mark that waits have split, its last byte is not a key.
            let is_split = is_opened
                && !tokens.last().is_some_and(|token| Meaning::of(&token.kind).0 == Meaning::PasteStart);
            if is_split {
                tokens.clear();
            }
            let before = events.len();
            for token in tokens.drain(..) {
                if token.is_closing_mark() {
                    self.unclosed_until = None;
                }
                is_paste |= Meaning::write(&token, events);
            }
            if events[before..].iter().any(rest::is_certain_key) {
                self.unclosed_until = None;
            }
            if is_paste || is_split {
                self.tokenizer.reset();
                self.paste = Some(Paste::new());
                self.wake = Some(now + PASTE_WAIT);
                return index + 1;
            }
        }
        self.wake = match self.tokenizer.pending() {
            Pending::Nothing => None,
            Pending::Key => Some(now + self.escape_delay),
            Pending::Sequence => Some(now + self.escape_delay.max(SEQUENCE_WAIT)),
        };
        bytes.len()
    }

    /// Meaning of bytes after a paste without a closing mark.
    fn rest(&self, bytes: &[u8]) -> Rest {
        let is_expected = self.unclosed_until.is_some() && self.tokenizer.pending() == Pending::Nothing;
        if is_expected { Rest::of(bytes) } else { Rest::Key }
    }

    /// Reads the open paste until it ends. Returns the number of bytes used.
    fn feed_paste(&mut self, bytes: &[u8], now: Instant, events: &mut Vec<TerminalEvent>) -> usize {
        for (index, byte) in bytes.iter().enumerate() {
            // Ctrl-C does not prolong the wait: it works as soon as the paste has ended.
            if *byte == CTRL_C {
                continue;
            }
            self.wake = Some(now + PASTE_WAIT);
            if self.paste.as_mut().is_some_and(|paste| paste.step(*byte)) {
                self.wake = None;
                self.unclosed_until = None;
                self.end_paste(events);
                return index + 1;
            }
        }
        bytes.len()
    }

    fn end_paste(&mut self, events: &mut Vec<TerminalEvent>) {
        let text = self.paste.take().map(Paste::into_text);
        events.extend(text.filter(|text| !text.is_empty()).map(TerminalEvent::Paste));
    }
}
