//! Whether the terminal is light or dark: asked behind the first frame, which can be read on both, and heard whenever the
//! answer comes.
//!
//! Nothing waits for the answer, and nothing of it gets into the composer. It arrives as keys, since crossterm does not
//! know it: `Alt-]`, `11;rgb:…`, `Ctrl-G`. [`Awaited`] takes these out of what is typed; all that turns out to be no answer
//! is typed.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use crate::app::Theme;
use crate::terminal::{self, Depth, Ground};

/// How long an answer may take: longer than a bad line does. After that `Alt-]` is a key like others.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const BYTES: usize = 48;
/// How every answer begins.
const BEGINNING: &str = "\x1b]11;";

/// Asks the terminal for its background, if the theme depends on the answer.
pub(super) fn ask(theme: Theme, depth: Depth) -> io::Result<Option<Awaited>> {
    let is_open = matches!(theme, Theme::Auto | Theme::Sixteen);
    if !is_open || !terminal::can_be_asked(depth, |name| std::env::var(name).ok()) {
        return Ok(None);
    }
    terminal::ask()?;
    Ok(Some(Awaited::until(Instant::now() + LIMIT)))
}

/// What an event turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// What was typed: nothing where it may be part of an answer, and what was kept back where it is not.
    Typed(Vec<Event>),
    /// The end of the answer.
    Answer(Option<Ground>),
}

/// An answer that may come among what is typed.
#[derive(Debug)]
pub(super) struct Awaited {
    until: Instant,
    /// Events that may be the beginning of it.
    kept: Vec<Event>,
    /// The bytes that they were, and those of an `Esc` before them.
    bytes: String,
}

impl Awaited {
    const fn until(until: Instant) -> Self {
        Self { until, kept: Vec::new(), bytes: String::new() }
    }

    /// Whether no answer is expected any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now > self.until && self.kept.is_empty()
    }

    pub(super) fn hear(&mut self, event: Event) -> Heard {
        if matches!(event, Event::Resize(..)) {
            return Heard::Typed(vec![event]);
        }
        let bytes = bytes(&event);
        self.bytes.push_str(&bytes);
        let mut typed = Vec::new();
        if bytes.is_empty() || !is_begun(&self.bytes) {
            typed.append(&mut self.kept);
            self.bytes = bytes;
        }
        if let Some(color) = color(&self.bytes) {
            let ground = terminal::background(color);
            self.kept.clear();
            self.bytes.clear();
            return Heard::Answer(ground);
        }
        match self.bytes.as_str() {
            // The key, as far as anybody can tell; an answer that comes in pieces goes on behind it.
            "\x1b" => typed.push(event),
            begun if is_begun(begun) => self.kept.push(event),
            _ => {
                self.bytes.clear();
                typed.push(event);
            }
        }
        Heard::Typed(typed)
    }
}

/// The bytes of which crossterm made a key, for those that an answer can have.
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

/// Whether an answer may begin so.
fn is_begun(bytes: &str) -> bool {
    match bytes.strip_prefix(BEGINNING) {
        Some(rest) => {
            let color = color(bytes).unwrap_or_else(|| rest.trim_end_matches('\x1b'));
            bytes.len() <= BYTES && color.chars().all(|c| c.is_ascii_graphic())
        }
        None => !bytes.is_empty() && BEGINNING.starts_with(bytes),
    }
}

/// The colour in an answer that is whole.
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

    /// What is typed of these events, and the answer among them.
    fn heard(events: Vec<Event>) -> (Vec<Event>, Vec<Option<Ground>>) {
        let mut awaited = Awaited::until(Instant::now());
        let mut typed = Vec::new();
        let mut answers = Vec::new();
        for event in events {
            match awaited.hear(event) {
                Heard::Typed(events) => typed.extend(events),
                Heard::Answer(ground) => answers.push(ground),
            }
        }
        (typed, answers)
    }

    /// An answer with these around its colour, among what is typed.
    fn answered(beginning: &[Event], end: &[Event]) -> Vec<Event> {
        let parts: [&[Event]; 5] =
            [&plain("ab"), beginning, &plain("11;rgb:ffff/ffff/ffff"), end, &plain("c")];
        parts.concat()
    }

    #[test]
    fn an_answer_is_not_typed() {
        let beginning = [key(']', KeyModifiers::ALT)];
        for end in [key('g', KeyModifiers::CONTROL), key('\\', KeyModifiers::ALT)] {
            let events = answered(&beginning, &[end]);
            assert_eq!(heard(events), (plain("abc"), vec![Some(Ground::Light)]));
        }
    }

    #[test]
    fn an_answer_in_pieces_is_not_typed() {
        let beginning = [esc(), plain("]").remove(0)];
        let events = answered(&beginning, &[esc(), plain("\\").remove(0)]);
        let typed = [plain("ab"), vec![esc()], plain("c")].concat();
        assert_eq!(heard(events), (typed, vec![Some(Ground::Light)]));
    }

    #[test]
    fn an_answer_behind_its_own_beginning_is_heard() {
        for typed in [esc(), key(']', KeyModifiers::ALT)] {
            let events =
                answered(&[typed.clone(), key(']', KeyModifiers::ALT)], &[key('g', KeyModifiers::CONTROL)]);
            let typed = [plain("ab"), vec![typed], plain("c")].concat();
            assert_eq!(heard(events), (typed, vec![Some(Ground::Light)]));
        }
    }

    #[test]
    fn a_window_that_changes_its_size_meanwhile_is_no_part_of_it() {
        let resized = Event::Resize(80, 24);
        let mut events = answered(&[key(']', KeyModifiers::ALT)], &[key('g', KeyModifiers::CONTROL)]);
        events.insert(9, resized.clone());
        let typed = [plain("ab"), vec![resized], plain("c")].concat();
        assert_eq!(heard(events), (typed, vec![Some(Ground::Light)]));
    }

    #[test]
    fn what_only_begins_like_an_answer_is_typed() {
        for text in ["x", "11", "12;", "1", "11;rgb:0/0/0 x"] {
            let mut events = vec![key(']', KeyModifiers::ALT)];
            events.extend(plain(text));
            events.push(Event::FocusLost);
            assert_eq!(heard(events.clone()), (events, Vec::new()), "{text}");
        }
    }

    #[test]
    fn keys_that_begin_no_answer_are_typed_at_once() {
        let mut awaited = Awaited::until(Instant::now());
        for event in
            [esc(), key('g', KeyModifiers::CONTROL), key('x', KeyModifiers::ALT), plain("1").remove(0)]
        {
            assert_eq!(awaited.hear(event.clone()), Heard::Typed(vec![event]));
        }
    }

    #[test]
    fn an_answer_that_is_no_colour_is_not_typed() {
        let events = [key(']', KeyModifiers::ALT)].into_iter().chain(plain("11;black"));
        let events = events.chain([key('g', KeyModifiers::CONTROL)]).collect();
        assert_eq!(heard(events), (Vec::new(), vec![None]));
    }

    #[test]
    fn an_answer_without_an_end_is_given_up() {
        let mut events = vec![key(']', KeyModifiers::ALT)];
        events.extend(plain("11;"));
        events.extend(plain(&"f".repeat(BYTES)));
        assert_eq!(heard(events.clone()), (events, Vec::new()));
    }
}
