//! Query for the terminal's background, and the filter that takes the answer out of the keyboard input.
//!
//! The query follows the first frame, which is readable on both backgrounds. Nothing waits for the answer. crossterm
//! does not know it and delivers it as keys: `Alt-]`, `11;rgb:…`, `Ctrl-G`. [`PendingAnswer`] removes these keys, so
//! that they do not reach the composer. Keys that turn out not to be an answer are delivered.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use crate::app::Theme;
use crate::terminal::{self, Depth, Ground};

/// Time that an answer may take, longer than a bad line needs. After that `Alt-]` is an ordinary key.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const BYTES: usize = 48;
/// Start of every answer.
const BEGINNING: &str = "\x1b]11;";

/// Asks the terminal for its background, if the theme depends on the answer.
pub(super) fn start(theme: Theme, depth: Depth) -> io::Result<Option<PendingAnswer>> {
    let is_open = matches!(theme, Theme::Auto | Theme::Sixteen);
    if !is_open || !terminal::answers_background_query(depth, |name| std::env::var(name).ok()) {
        return Ok(None);
    }
    terminal::query_background()?;
    Ok(Some(PendingAnswer::until(Instant::now() + LIMIT)))
}

/// An event after the filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filtered {
    /// Input of the user. Empty while the event may be part of an answer; with the withheld events once it is not.
    Typed(Vec<Event>),
    /// The complete answer.
    Answer(Option<Ground>),
}

/// Filter for an answer that may arrive among typed keys.
#[derive(Debug)]
pub(super) struct PendingAnswer {
    until: Instant,
    /// Withheld events, which may be the start of an answer.
    kept: Vec<Event>,
    /// Bytes of the withheld events, and of an `Esc` before them.
    bytes: String,
}

impl PendingAnswer {
    const fn until(until: Instant) -> Self {
        Self { until, kept: Vec::new(), bytes: String::new() }
    }

    /// True once no answer is expected.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now > self.until && self.kept.is_empty()
    }

    pub(super) fn filter(&mut self, event: Event) -> Filtered {
        if matches!(event, Event::Resize(..)) {
            return Filtered::Typed(vec![event]);
        }
        let bytes = bytes(&event);
        self.bytes.push_str(&bytes);
        let mut typed = Vec::new();
        if bytes.is_empty() || !is_begun(&self.bytes) {
            typed.append(&mut self.kept);
            self.bytes = bytes;
        }
        if let Some(color) = color(&self.bytes) {
            let ground = terminal::parse_background(color);
            self.kept.clear();
            self.bytes.clear();
            return Filtered::Answer(ground);
        }
        match self.bytes.as_str() {
            // Deliver the key: it may be the user's. An answer that arrives in pieces continues after it.
            "\x1b" => typed.push(event),
            begun if is_begun(begun) => self.kept.push(event),
            _ => {
                self.bytes.clear();
                typed.push(event);
            }
        }
        Filtered::Typed(typed)
    }
}

/// The bytes that crossterm turned into a key, for keys that an answer can contain.
fn bytes(event: &Event) -> String {
    match event {
        Event::Key(KeyEvent { code: KeyCode::Esc, modifiers: KeyModifiers::NONE, .. }) => "\x1b".to_owned(),
        Event::Key(KeyEvent { code: KeyCode::Char(c), modifiers, .. }) => match *modifiers {
            KeyModifiers::NONE | KeyModifiers::SHIFT => c.to_string(),
            KeyModifiers::ALT => format!("\x1b{c}"),
            KeyModifiers::CONTROL if *c == 'g' => "\x07".to_owned(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// True if an answer may begin with `bytes`.
fn is_begun(bytes: &str) -> bool {
    match bytes.strip_prefix(BEGINNING) {
        Some(rest) => {
            let color = color(bytes).unwrap_or_else(|| rest.trim_end_matches('\x1b'));
            bytes.len() <= BYTES && color.chars().all(|c| c.is_ascii_graphic())
        }
        None => !bytes.is_empty() && BEGINNING.starts_with(bytes),
    }
}

/// The colour in a complete answer.
fn color(bytes: &str) -> Option<&str> {
    let rest = bytes.strip_prefix(BEGINNING)?;
    rest.strip_suffix('\x07').or_else(|| rest.strip_suffix("\x1b\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers))
    }

    fn esc() -> Event {
        Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE))
    }

    fn plain(text: &str) -> Vec<Event> {
        text.chars().map(|c| key(c, KeyModifiers::NONE)).collect()
    }

    /// The delivered events and the answers.
    fn filtered(events: Vec<Event>) -> (Vec<Event>, Vec<Option<Ground>>) {
        let mut pending_answer = PendingAnswer::until(Instant::now());
        let mut typed = Vec::new();
        let mut answers = Vec::new();
        for event in events {
            match pending_answer.filter(event) {
                Filtered::Typed(events) => typed.extend(events),
                Filtered::Answer(ground) => answers.push(ground),
            }
        }
        (typed, answers)
    }

    /// An answer with these events around its colour, between typed keys.
    fn answered(beginning: &[Event], end: &[Event]) -> Vec<Event> {
        let parts: [&[Event]; 5] =
            [&plain("ab"), beginning, &plain("11;rgb:ffff/ffff/ffff"), end, &plain("c")];
        parts.concat()
    }

    #[test]
    fn a_complete_answer_is_removed_from_the_input() {
        let beginning = [key(']', KeyModifiers::ALT)];
        for end in [key('g', KeyModifiers::CONTROL), key('\\', KeyModifiers::ALT)] {
            let events = answered(&beginning, &[end]);
            assert_eq!(filtered(events), (plain("abc"), vec![Some(Ground::Light)]));
        }
    }

    #[test]
    fn an_answer_split_at_escapes_is_removed_from_the_input() {
        let beginning = [esc(), plain("]").remove(0)];
        let events = answered(&beginning, &[esc(), plain("\\").remove(0)]);
        let typed = [plain("ab"), vec![esc()], plain("c")].concat();
        assert_eq!(filtered(events), (typed, vec![Some(Ground::Light)]));
    }

    #[test]
    fn an_answer_after_keys_that_look_like_its_start_is_found() {
        for typed in [esc(), key(']', KeyModifiers::ALT)] {
            let events =
                answered(&[typed.clone(), key(']', KeyModifiers::ALT)], &[key('g', KeyModifiers::CONTROL)]);
            let typed = [plain("ab"), vec![typed], plain("c")].concat();
            assert_eq!(filtered(events), (typed, vec![Some(Ground::Light)]));
        }
    }

    #[test]
    fn a_resize_within_an_answer_is_delivered() {
        let resized = Event::Resize(80, 24);
        let mut events = answered(&[key(']', KeyModifiers::ALT)], &[key('g', KeyModifiers::CONTROL)]);
        events.insert(9, resized.clone());
        let typed = [plain("ab"), vec![resized], plain("c")].concat();
        assert_eq!(filtered(events), (typed, vec![Some(Ground::Light)]));
    }

    #[test]
    fn keys_that_only_begin_like_an_answer_are_delivered() {
        for text in ["x", "11", "12;", "1", "11;rgb:0/0/0 x"] {
            let mut events = vec![key(']', KeyModifiers::ALT)];
            events.extend(plain(text));
            events.push(Event::FocusLost);
            assert_eq!(filtered(events.clone()), (events, Vec::new()), "{text}");
        }
    }

    #[test]
    fn keys_that_begin_no_answer_are_delivered_at_once() {
        let mut pending_answer = PendingAnswer::until(Instant::now());
        for event in
            [esc(), key('g', KeyModifiers::CONTROL), key('x', KeyModifiers::ALT), plain("1").remove(0)]
        {
            assert_eq!(pending_answer.filter(event.clone()), Filtered::Typed(vec![event]));
        }
    }

    #[test]
    fn an_answer_without_a_valid_colour_is_removed_from_the_input() {
        let events = [key(']', KeyModifiers::ALT)].into_iter().chain(plain("11;black"));
        let events = events.chain([key('g', KeyModifiers::CONTROL)]).collect();
        assert_eq!(filtered(events), (Vec::new(), vec![None]));
    }

    #[test]
    fn an_answer_that_exceeds_the_length_limit_is_delivered_as_keys() {
        let mut events = vec![key(']', KeyModifiers::ALT)];
        events.extend(plain("11;"));
        events.extend(plain(&"f".repeat(BYTES)));
        assert_eq!(filtered(events.clone()), (events, Vec::new()));
    }
}
