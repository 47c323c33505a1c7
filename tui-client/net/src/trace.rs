//! The last frames in both directions, for whoever wants to see what is said.
//!
//! They are kept always: to keep one is to copy its first bytes. Only while somebody wants them are they told, as
//! [`Traced`]. No token gets in: tokens in use are taken out wherever they stand, and so is every value of a key
//! `token`.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// Frames that are kept at most.
pub const TRACED: usize = 500;
/// Bytes that are kept of a frame.
const FRAME_BYTES: usize = 4 * 1024;
/// And of all of them.
const ALL_BYTES: usize = 256 * 1024;
/// Tokens that are taken out: the one in use, and the ones before it, of which frames may still speak.
const TOKENS: usize = 4;
/// What stands in place of a token.
const REDACTED: &str = "(token)";

/// What is told while tracing is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traced {
    /// A frame.
    Frame(Frame),
    /// What the token in use says of itself; `None` where it is no JWT.
    Token(Option<Map<String, Value>>),
}

/// A frame that went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counts all frames, from 1.
    pub number: u64,
    /// How long ago.
    pub age: Duration,
    /// Which way.
    pub direction: Direction,
    /// How long it is, in bytes.
    pub bytes: usize,
    /// Its text, or the first 4 KiB of it, without tokens.
    pub text: String,
    /// All frames up to this one.
    pub totals: Totals,
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the server.
    In,
    /// To the server.
    Out,
}

/// What went by since the start of the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames from the server, and their bytes.
    pub from_server: (u64, u64),
    /// Frames to the server, and their bytes.
    pub to_server: (u64, u64),
}

struct Kept {
    at: Instant,
    direction: Direction,
    bytes: usize,
    text: Box<str>,
    totals: Totals,
}

/// The frames that are kept, and what of them was told.
#[derive(Default)]
pub(super) struct Trace {
    frames: VecDeque<Kept>,
    /// Of all texts.
    bytes: usize,
    /// The number of the newest frame.
    newest: u64,
    totals: Totals,
    tokens: VecDeque<String>,
    /// The newest one that was told; `None` while nobody wants any.
    told: Option<u64>,
}

impl Trace {
    /// Takes out this token from now on.
    pub(super) fn hide(&mut self, token: &str) {
        if !token.is_empty() && !self.tokens.iter().any(|known| known == token) {
            self.tokens.truncate(TOKENS - 1);
            self.tokens.push_front(token.to_owned());
        }
    }

    pub(super) fn note(&mut self, direction: Direction, text: &str, now: Instant) {
        let totals = match direction {
            Direction::In => &mut self.totals.from_server,
            Direction::Out => &mut self.totals.to_server,
        };
        *totals = (totals.0 + 1, totals.1 + text.len() as u64);
        self.newest += 1;
        let shown = self.without_tokens(text);
        let shown: Box<str> = shown[..shown.floor_char_boundary(FRAME_BYTES)].into();
        self.bytes += shown.len();
        let kept = Kept { at: now, direction, bytes: text.len(), text: shown, totals: self.totals };
        self.frames.push_back(kept);
        while self.frames.len() > TRACED || self.bytes > ALL_BYTES {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }

    /// Whether frames are told: first those that are kept, then the others as they go by.
    pub(super) const fn want(&mut self, wanted: bool) {
        self.told = if wanted { Some(0) } else { None };
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.told.is_some()
    }

    /// The next frame to be told.
    pub(super) fn next(&mut self, now: Instant) -> Option<Frame> {
        let before = self.newest - self.frames.len() as u64;
        let number = self.told?.max(before) + 1;
        let kept = self.frames.get(usize::try_from(number - before - 1).ok()?)?;
        self.told = Some(number);
        Some(Frame {
            number,
            age: now.saturating_duration_since(kept.at),
            direction: kept.direction,
            bytes: kept.bytes,
            text: kept.text.to_string(),
            totals: kept.totals,
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
            Err(_) => Cow::Borrowed("(a token, in what is no JSON)"),
        }
    }
}

/// Takes out the values of all keys that end with `token`.
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

    fn told(trace: &mut Trace, now: Instant) -> Vec<Frame> {
        std::iter::from_fn(|| trace.next(now)).collect()
    }

    #[test]
    fn frames_are_told_only_where_they_are_wanted() {
        let (mut trace, now) = (Trace::default(), Instant::now());
        trace.note(Direction::Out, "one", now);
        assert_eq!(trace.next(now), None);
        trace.want(true);
        trace.note(Direction::In, "three", now);
        let second = Duration::from_secs(1);
        let frames = told(&mut trace, now + second);
        let texts: Vec<_> = frames.iter().map(|frame| (frame.number, frame.text.as_str())).collect();
        assert_eq!(texts, [(1, "one"), (2, "three")]);
        assert_eq!(frames[1].age, second);
        assert_eq!(frames[1].totals, Totals { from_server: (1, 5), to_server: (1, 3) });
        trace.note(Direction::In, "four", now);
        assert_eq!(told(&mut trace, now).len(), 1, "each once");
        trace.want(false);
        trace.note(Direction::In, "five", now);
        trace.want(true);
        assert_eq!(told(&mut trace, now).len(), 4, "all that are kept, to whoever asks again");
    }

    #[test]
    fn so_much_is_kept_and_no_more() {
        let (mut trace, now) = (Trace::default(), Instant::now());
        trace.want(true);
        let large = format!("x{}", "é".repeat(FRAME_BYTES));
        for _ in 0..100 {
            trace.note(Direction::In, &large, now);
        }
        assert!(trace.bytes <= ALL_BYTES);
        let frames = told(&mut trace, now);
        assert_eq!(frames.len(), trace.frames.len(), "what is not kept any more is not told");
        assert_eq!((frames[0].bytes, frames[0].text.len()), (large.len(), FRAME_BYTES - 1));
        for _ in 0..2 * TRACED {
            trace.note(Direction::In, "small", now);
        }
        assert_eq!((trace.frames.len(), trace.bytes), (TRACED, TRACED * "small".len()));
        assert_eq!(told(&mut trace, now).len(), TRACED);
    }

    #[test]
    fn a_key_that_is_called_token_has_no_value() {
        let (mut trace, now) = (Trace::default(), Instant::now());
        trace.want(true);
        for (text, shown) in [
            (
                r#"{"a":{"token":"x"},"refresh_token":"y"}"#,
                r#"{"a":{"token":"(token)"},"refresh_token":"(token)"}"#,
            ),
            (r#"{"text":"my token"}"#, r#"{"text":"my token"}"#),
            (r#"{"token":"x"#, "(a token, in what is no JSON)"),
        ] {
            trace.note(Direction::Out, text, now);
            assert_eq!(told(&mut trace, now)[0].text, shown);
        }
    }

    proptest! {
        #[test]
        fn no_token_is_in_any_frame(token in "[a-z]{4,9}\\.[a-z]{4,9}\\.[a-z]{4,9}", before in ".{0,20}", cut in 0usize..9_000) {
            let (mut trace, now) = (Trace::default(), Instant::now());
            trace.want(true);
            trace.hide(&token);
            trace.hide("another.token.here");
            trace.note(Direction::In, &format!("{before}{}{token}{before}", "é".repeat(cut)), now);
            prop_assert!(told(&mut trace, now).iter().all(|frame| !frame.text.contains(&token)));
        }
    }
}
