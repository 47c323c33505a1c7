//! Bytes with the events that they are, whole, split everywhere, and cut off.

mod keys;
mod pastes;
mod random;
mod replies;

use std::time::{Duration, Instant};

use super::*;

const ESCAPE_DELAY: Duration = Duration::from_millis(100);
/// A time after which nothing is unfinished.
const LONG: u64 = 1_000;
/// A pause within a sequence that is shorter than every wait.
const SHORT: u64 = 99;

/// A decoder with a clock, and the shown events.
struct TestInput {
    decoder: Decoder,
    now: Instant,
    events: Vec<String>,
}

impl TestInput {
    fn new() -> Self {
        Self { decoder: Decoder::new(ESCAPE_DELAY), now: Instant::now(), events: Vec::new() }
    }

    fn send(&mut self, bytes: &[u8]) {
        let events = self.decoder.feed(bytes, self.now);
        self.events.extend(events.iter().map(shown));
    }

    /// Lets time pass, as a runtime with one timer does.
    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        if self.decoder.wake().is_some_and(|wake| wake <= self.now) {
            let events = self.decoder.expire(self.now);
            self.events.extend(events.iter().map(shown));
        }
    }

    /// Lets all waits end, and returns the events.
    fn ended(mut self) -> Vec<String> {
        self.pass(LONG);
        assert_eq!(self.decoder.wake(), None, "an idle decoder has no timer");
        self.events
    }
}

/// The events of these bytes, in one piece.
fn events(bytes: &[u8]) -> Vec<String> {
    let mut input = TestInput::new();
    input.send(bytes);
    input.ended()
}

/// The events of two pieces with a pause between them.
fn split(first: &[u8], millis: u64, second: &[u8]) -> Vec<String> {
    let mut input = TestInput::new();
    input.send(first);
    input.pass(millis);
    input.send(second);
    input.ended()
}

/// The events of single bytes with a pause after each.
fn byte_by_byte(bytes: &[u8], millis: u64) -> Vec<String> {
    let mut input = TestInput::new();
    for byte in bytes {
        input.send(&[*byte]);
        input.pass(millis);
    }
    input.ended()
}

fn shown(event: &TerminalEvent) -> String {
    match event {
        TerminalEvent::Key(key) => shown_key(key),
        TerminalEvent::Mouse(mouse) => {
            format!("{}{:?} at {},{}", modifiers(mouse.modifiers), mouse.kind, mouse.column, mouse.row)
        }
        TerminalEvent::Paste(text) => format!("paste {text:?}"),
        other => format!("{other:?}"),
    }
}

fn shown_key(key: &KeyEvent) -> String {
    let code = match key.code {
        KeyCode::Char(c) => c.to_string(),
        KeyCode::F(number) => format!("F{number}"),
        code => format!("{code:?}"),
    };
    let also = |name: &str, c: Option<char>| c.map(|c| format!(" {name} {c}")).unwrap_or_default();
    modifiers(key.modifiers) + &code + &also("shifted", key.shifted) + &also("base", key.base)
}

fn modifiers(modifiers: KeyModifiers) -> String {
    modifiers.iter_names().flat_map(|(name, _)| [name.to_lowercase(), "-".to_owned()]).collect()
}
