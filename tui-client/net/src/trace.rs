//! Trace of the last frames in both directions.
//!
//! The client always records frames, which costs a copy of their first bytes. It reports them as [`Traced`] only
//! while the trace is on. No token gets into the trace: known tokens are redacted everywhere, and every value of a
//! key that ends with `token` too.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// Most frames in the trace.
pub const TRACED: usize = 500;
/// Most bytes of a frame in the trace.
const FRAME_BYTES: usize = 4 * 1024;
/// Most bytes of all frames in the trace.
const ALL_BYTES: usize = 256 * 1024;
/// Number of tokens that are redacted: the current one, and earlier ones, which frames may still contain.
const TOKENS: usize = 4;
/// Replacement of a token.
const REDACTED: &str = "(token)";

/// A report of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traced {
    Frame(Frame),
    /// The claims of the current token; `None` if it is not a JWT.
    Token(Option<Map<String, Value>>),
}

/// A frame on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Number of the frame since the start of the client, from 1.
    pub number: u64,
    /// Time since the frame was sent or received.
    pub age: Duration,
    pub direction: Direction,
    /// Size of the whole frame.
    pub bytes: usize,
    /// The first 4 KiB of the text, without tokens.
    pub text: String,
    /// Totals up to this frame.
    pub totals: Totals,
}

/// The direction of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the server.
    In,
    /// To the server.
    Out,
}

/// Totals since the start of the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of frames from the server, and of their bytes.
    pub from_server: (u64, u64),
    /// Number of frames to the server, and of their bytes.
    pub to_server: (u64, u64),
}

/// A frame in the trace.
struct Recorded {
    at: Instant,
    direction: Direction,
    bytes: usize,
    text: Box<str>,
    totals: Totals,
}

/// The recorded frames, and the progress of the report.
#[derive(Default)]
pub(super) struct Trace {
    frames: VecDeque<Recorded>,
    /// Bytes of all recorded texts.
    bytes: usize,
    /// Number of the newest frame.
    newest: u64,
    totals: Totals,
    tokens: VecDeque<String>,
    /// Number of the last reported frame. `None` while the trace is off.
    reported: Option<u64>,
}

impl Trace {
    /// Redacts `token` from now on.
    pub(super) fn add_token(&mut self, token: &str) {
        if !token.is_empty() {
            self.tokens.retain(|known| known != token);
            self.tokens.truncate(TOKENS - 1);
            self.tokens.push_front(token.to_owned());
        }
    }

    /// Records a frame.
    pub(super) fn record(&mut self, direction: Direction, text: &str, now: Instant) {
        let totals = match direction {
            Direction::In => &mut self.totals.from_server,
            Direction::Out => &mut self.totals.to_server,
        };
        *totals = (totals.0 + 1, totals.1 + text.len() as u64);
        self.newest += 1;
        let shown = self.without_tokens(text);
        let shown: Box<str> = shown[..shown.floor_char_boundary(FRAME_BYTES)].into();
        self.bytes += shown.len();
        let frame = Recorded { at: now, direction, bytes: text.len(), text: shown, totals: self.totals };
        self.frames.push_back(frame);
        while self.frames.len() > TRACED || self.bytes > ALL_BYTES {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }

    /// Turns the report on or off. A report begins with the recorded frames.
    pub(super) const fn set_on(&mut self, is_on: bool) {
        self.reported = if is_on { Some(0) } else { None };
    }

    pub(super) const fn is_on(&self) -> bool {
        self.reported.is_some()
    }

    /// The next frame to report.
    pub(super) fn next_frame(&mut self, now: Instant) -> Option<Frame> {
        let before = self.newest - self.frames.len() as u64;
        let number = self.reported?.max(before) + 1;
        let recorded = self.frames.get(usize::try_from(number - before - 1).ok()?)?;
        self.reported = Some(number);
        Some(Frame {
            number,
            age: now.saturating_duration_since(recorded.at),
            direction: recorded.direction,
            bytes: recorded.bytes,
            text: recorded.text.to_string(),
            totals: recorded.totals,
        })
    }

    fn without_tokens<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for token in &self.tokens {
            if shown.contains(token.as_str()) {
                shown = Cow::Owned(shown.replace(token.as_str(), REDACTED));
            }
        }
        if !shown.contains("token\"") {
            return shown;
        }
        match serde_json::from_str::<Value>(&shown) {
            Ok(mut frame) => {
                redact(&mut frame);
                Cow::Owned(frame.to_string())
            }
            Err(_) => Cow::Borrowed("(not JSON, with a token)"),
        }
    }
}

/// Redacts the values of all keys that end with `token`.
fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key.ends_with("token") => REDACTED.clone_into(text),
                    value => redact(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reported(trace: &mut Trace, now: Instant) -> Vec<Frame> {
        std::iter::from_fn(|| trace.next_frame(now)).collect()
    }

    #[test]
    fn frames_are_reported_only_while_the_trace_is_on() {
        let (mut trace, now) = (Trace::default(), Instant::now());
        trace.record(Direction::Out, "one", now);
        assert_eq!(trace.next_frame(now), None);
        trace.set_on(true);
        trace.record(Direction::In, "three", now);
        let second = Duration::from_secs(1);
        let frames = reported(&mut trace, now + second);
        let texts: Vec<_> = frames.iter().map(|frame| (frame.number, frame.text.as_str())).collect();
        assert_eq!(texts, [(1, "one"), (2, "three")]);
        assert_eq!(frames[1].age, second);
        assert_eq!(frames[1].totals, Totals { from_server: (1, 5), to_server: (1, 3) });
        trace.record(Direction::In, "four", now);
        assert_eq!(reported(&mut trace, now).len(), 1, "each once");
        trace.set_on(false);
        trace.record(Direction::In, "five", now);
        trace.set_on(true);
        assert_eq!(reported(&mut trace, now).len(), 4, "a new report begins with all recorded frames");
    }

    #[test]
    fn frames_and_bytes_of_the_trace_are_limited() {
        let (mut trace, now) = (Trace::default(), Instant::now());
        trace.set_on(true);
        let large = format!("x{}", "é".repeat(FRAME_BYTES));
        for _ in 0..100 {
            trace.record(Direction::In, &large, now);
        }
        assert!(trace.bytes <= ALL_BYTES);
        let frames = reported(&mut trace, now);
        assert_eq!(frames.len(), trace.frames.len(), "frames that the trace has dropped are not reported");
        assert_eq!((frames[0].bytes, frames[0].text.len()), (large.len(), FRAME_BYTES - 1));
        for _ in 0..2 * TRACED {
            trace.record(Direction::In, "small", now);
        }
        assert_eq!((trace.frames.len(), trace.bytes), (TRACED, TRACED * "small".len()));
        assert_eq!(reported(&mut trace, now).len(), TRACED);
    }

    #[test]
    fn values_of_token_keys_are_redacted() {
        let (mut trace, now) = (Trace::default(), Instant::now());
        trace.set_on(true);
        for (text, shown) in [
            (
                r#"{"a":{"token":"x"},"refresh_token":"y"}"#,
                r#"{"a":{"token":"(token)"},"refresh_token":"(token)"}"#,
            ),
            (r#"{"text":"my token"}"#, r#"{"text":"my token"}"#),
            (r#"{"token":"x"#, "(not JSON, with a token)"),
        ] {
            trace.record(Direction::Out, text, now);
            assert_eq!(reported(&mut trace, now)[0].text, shown);
        }
    }

    #[test]
    fn a_token_in_use_is_redacted_however_many_came_before_it() {
        let (mut trace, now) = (Trace::default(), Instant::now());
        trace.set_on(true);
        for token in ["a.b.1", "a.b.2", "a.b.3", "a.b.4", "a.b.1", "a.b.5"] {
            trace.add_token(token);
        }
        trace.record(Direction::In, "a.b.1 a.b.2 a.b.5", now);
        assert_eq!(reported(&mut trace, now)[0].text, "(token) a.b.2 (token)", "the last four are kept");
    }

    proptest! {
        #[test]
        fn known_tokens_are_redacted_in_every_frame(token in "[a-z]{4,9}\\.[a-z]{4,9}\\.[a-z]{4,9}", before in ".{0,20}", cut in 0usize..9_000) {
            let (mut trace, now) = (Trace::default(), Instant::now());
            trace.set_on(true);
            trace.add_token(&token);
            trace.add_token("another.token.here");
            trace.record(Direction::In, &format!("{before}{}{token}{before}", "é".repeat(cut)), now);
            prop_assert!(reported(&mut trace, now).iter().all(|frame| !frame.text.contains(&token)));
        }
    }
}
