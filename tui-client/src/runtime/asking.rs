//! Whether the terminal is light or dark: asked behind the first frame, which waits for nothing and can be read on both,
//! and heard where the answer comes late.
//!
//! Nothing of an answer gets into the composer. One that comes after the wait is over arrives as keys, since crossterm does
//! not know it: `Alt-]`, `11;rgb:…`, `Ctrl-G`. [`Late`] takes these out of what is typed.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::task::spawn_blocking;

use super::signals::{Signal, Signals};
use super::{Session, Step};
use crate::app::{Input, Theme};
use crate::terminal::{self, Ground};

/// How long an answer is waited for: longer than a round trip around the world.
const LIMIT: Duration = Duration::from_millis(500);
/// The longest answer, in keys.
const KEYS: usize = 48;
/// How every answer begins, after `Alt-]`.
const BEGINNING: &str = "11;";

impl Session {
    /// Asks the terminal, where the theme depends on the answer.
    pub(super) async fn ask(&mut self, signals: &mut Signals) -> Step {
        let is_open = matches!(self.model.theme, Theme::Auto | Theme::Sixteen);
        let depth = self.screen.view.capabilities().depth;
        if !is_open || !terminal::can_be_asked(depth, |name| std::env::var(name).ok()) {
            return Ok(None);
        }
        let mut asking = spawn_blocking(|| terminal::ask(LIMIT));
        let mut missed = None;
        let answer = loop {
            tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::End(_) => return self.on_signal(signal),
                    Signal::Stop | Signal::Continue => missed = Some(signal),
                },
                answer = &mut asking => break answer.map_err(io::Error::other)??,
            }
        };
        self.screen.view.set_ground(answer.ground);
        self.late = (!answer.is_whole).then(Late::default);
        if let Some(outcome) = self.type_in(&answer.typed)? {
            return Ok(Some(outcome));
        }
        missed.map_or(Ok(None), |signal| self.on_signal(signal))
    }

    /// What was typed before anybody read it is a draft, and Ctrl-C is Ctrl-C.
    fn type_in(&mut self, typed: &[u8]) -> Step {
        let text = String::from_utf8_lossy(typed);
        let written: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\r' | '\t')).collect();
        if !written.is_empty() {
            self.handle(Input::Paste(written))?;
        }
        let quits = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        if text.contains('\x03') { self.handle(Input::Key(quits)) } else { Ok(None) }
    }

    /// What is left of the terminal's events without an answer that comes late.
    pub(super) fn without_answer(&mut self, event: Event) -> Vec<Event> {
        let Some(late) = &mut self.late else { return vec![event] };
        match late.hear(event) {
            Heard::Typed(events) => events,
            Heard::Answer(ground) => {
                self.screen.view.set_ground(ground);
                self.late = None;
                Vec::new()
            }
        }
    }
}

/// What an event turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// What was typed: nothing where it may be part of an answer, and what was kept back where it is not.
    Typed(Vec<Event>),
    /// The end of the answer.
    Answer(Option<Ground>),
}

/// Waits for an answer among what is typed.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// Events that may be the beginning of it.
    kept: Vec<Event>,
    /// The characters of it.
    text: String,
}

impl Late {
    fn hear(&mut self, event: Event) -> Heard {
        let is_begun = !self.kept.is_empty();
        let character = character(&event);
        match character {
            Some((']', KeyModifiers::ALT)) if !is_begun => {
                self.kept.push(event);
                Heard::Typed(Vec::new())
            }
            Some(('g', KeyModifiers::CONTROL) | ('\\', KeyModifiers::ALT)) if self.is_known() => {
                let Self { text, .. } = std::mem::take(self);
                Heard::Answer(text.strip_prefix(BEGINNING).and_then(terminal::background))
            }
            Some((c, modifiers)) if is_begun && modifiers.is_empty() && self.takes(c) => {
                self.text.push(c);
                self.kept.push(event);
                Heard::Typed(Vec::new())
            }
            _ => {
                self.text.clear();
                let mut events = std::mem::take(&mut self.kept);
                events.push(event);
                Heard::Typed(events)
            }
        }
    }

    /// Whether it is an answer beyond doubt.
    fn is_known(&self) -> bool {
        self.text.starts_with(BEGINNING)
    }

    fn takes(&self, c: char) -> bool {
        let is_next = BEGINNING.chars().nth(self.text.len()).is_some_and(|next| next == c);
        is_next
            || (self.is_known() && self.kept.len() < KEYS && (c.is_ascii_hexdigit() || "rgb:/".contains(c)))
    }
}

fn character(event: &Event) -> Option<(char, KeyModifiers)> {
    match event {
        Event::Key(KeyEvent { code: KeyCode::Char(c), modifiers, .. }) => Some((*c, *modifiers)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers))
    }

    fn plain(text: &str) -> Vec<Event> {
        text.chars().map(|c| key(c, KeyModifiers::NONE)).collect()
    }

    /// What is typed of these events, and the answer among them.
    fn heard(events: Vec<Event>) -> (Vec<Event>, Vec<Option<Ground>>) {
        let mut late = Late::default();
        let mut typed = Vec::new();
        let mut answers = Vec::new();
        for event in events {
            match late.hear(event) {
                Heard::Typed(events) => typed.extend(events),
                Heard::Answer(ground) => answers.push(ground),
            }
        }
        (typed, answers)
    }

    #[test]
    fn a_late_answer_is_not_typed() {
        for end in [key('g', KeyModifiers::CONTROL), key('\\', KeyModifiers::ALT)] {
            let mut events = plain("ab");
            events.push(key(']', KeyModifiers::ALT));
            events.extend(plain("11;rgb:ffff/ffff/ffff"));
            events.push(end);
            events.extend(plain("c"));
            assert_eq!(heard(events), (plain("abc"), vec![Some(Ground::Light)]));
        }
    }

    #[test]
    fn what_only_begins_like_an_answer_is_typed() {
        for text in ["x", "11", "12;", "1", "11;rgb:0/0/0x"] {
            let mut events = vec![key(']', KeyModifiers::ALT)];
            events.extend(plain(text));
            events.push(Event::FocusLost);
            assert_eq!(heard(events.clone()), (events, Vec::new()), "{text}");
        }
    }

    #[test]
    fn an_answer_without_an_end_is_given_up() {
        let mut events = vec![key(']', KeyModifiers::ALT)];
        events.extend(plain("11;"));
        events.extend(plain(&"f".repeat(KEYS)));
        assert_eq!(heard(events.clone()), (events, Vec::new()));
    }
}
