//! What was given to `send` and is not known to be stored. Pure.
//!
//! Invariant: a line is here from when it is added until it is stored or told as one that is not, once.

use std::collections::VecDeque;

use realtime_shared::name::TEXT_CHARS;
use realtime_shared::{ClientMsgId, Text, TextError};

use super::input::Line;
use super::text::flat;
use crate::net::SendState;
use crate::sanitize;

/// Lines that wait at once: far fewer than the network's queues take, so that giving one never waits.
const WAITING: usize = 64;

/// The account of what is sent.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    waiting: VecDeque<Entry>,
    /// Lines that are not stored, and never will be.
    lost: u64,
}

#[derive(Debug)]
struct Entry {
    id: ClientMsgId,
    line: Line,
    /// Whether it was given to a connection, and may be stored whatever is known.
    is_sent: bool,
    /// Why the server did not take it yet.
    put_off: Option<String>,
}

/// What a state of a message means.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Whether there is one line less that waits.
    pub(super) is_answered: bool,
    /// What to say on standard error.
    pub(super) note: Option<String>,
}

impl Ledger {
    /// Whether another line can be taken.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING
    }

    /// Whether nothing waits.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether all that was added is stored.
    pub(super) fn is_all_stored(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0
    }

    /// Adds a line under an id. `Ok`: the text to send, or none where the line is empty. An error says why it is never
    /// sent.
    pub(super) fn add(&mut self, line: Line, id: ClientMsgId) -> Result<Option<Text>, String> {
        let refused = |line: &Line, why: &str| Err(told(line, "is not stored", why));
        match Text::new(&line.text) {
            Err(TextError::Empty) => Ok(None),
            Err(error) => {
                self.lost += 1;
                refused(&line, &format!("it {error}"))
            }
            Ok(_) if !line.is_utf8 => {
                self.lost += 1;
                refused(&line, "it is not UTF-8")
            }
            Ok(text) => {
                self.waiting.push_back(Entry { id, line, is_sent: false, put_off: None });
                Ok(Some(text))
            }
        }
    }

    /// Counts what could not even be read.
    pub(super) fn lose(&mut self) {
        self.lost += 1;
    }

    /// Takes note of how far a message is.
    pub(super) fn note(&mut self, id: &ClientMsgId, state: SendState) -> Noted {
        let Some(index) = self.waiting.iter().position(|entry| entry.id == *id) else {
            return Noted::default();
        };
        let entry = &mut self.waiting[index];
        match state {
            SendState::Sent => {
                entry.is_sent = true;
                Noted::default()
            }
            SendState::PutOff(why) => {
                let is_news = entry.put_off.as_ref() != Some(&why);
                let note = is_news.then(|| told(&entry.line, "waits", &why));
                entry.put_off = Some(why);
                Noted { is_answered: false, note }
            }
            SendState::Stored(_) => {
                self.waiting.remove(index);
                Noted { is_answered: true, note: None }
            }
            SendState::Refused(why) => {
                let note = Some(told(&entry.line, "is not stored", &why));
                self.lost += 1;
                self.waiting.remove(index);
                Noted { is_answered: true, note }
            }
            SendState::Queued | SendState::TakenBack { .. } => Noted::default(),
        }
    }

    /// Gives up what waits, because of `why`: what to say of each.
    pub(super) fn give_up(&mut self, why: &str) -> Vec<String> {
        self.lost += self.waiting.len() as u64;
        let tell = |entry: Entry| {
            let how = if entry.is_sent { "may not be stored" } else { "is not stored" };
            told(&entry.line, how, entry.put_off.as_deref().unwrap_or(why))
        };
        self.waiting.drain(..).map(tell).collect()
    }
}

/// `line 3 is not stored (why): text`.
fn told(line: &Line, how: &str, why: &str) -> String {
    let text: String = line.text.chars().take(TEXT_CHARS).collect();
    format!("line {} {how} ({}): {}", line.number, sanitize::line(why), flat(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, text: &str) -> Line {
        Line { number, text: text.to_owned(), is_utf8: true }
    }

    fn id(number: u64) -> ClientMsgId {
        ClientMsgId::new(&number.to_string()).expect("an id")
    }

    /// A ledger with these lines.
    fn ledger(texts: &[&str]) -> Ledger {
        let mut ledger = Ledger::default();
        for (number, text) in (1..).zip(texts) {
            assert!(ledger.add(line(number, text), id(number)).expect("a text").is_some());
        }
        ledger
    }

    #[test]
    fn what_is_stored_is_forgotten_once() {
        let mut ledger = ledger(&["a", "b"]);
        let stored = || SendState::Stored(realtime_shared::Seq::new(1));
        assert!(ledger.note(&id(1), stored()).is_answered);
        assert_eq!(ledger.note(&id(1), stored()), Noted::default());
        assert!(!ledger.is_settled() && !ledger.is_all_stored());
        assert!(ledger.note(&id(2), stored()).is_answered);
        assert!(ledger.is_settled() && ledger.is_all_stored());
    }

    #[test]
    fn what_is_refused_is_told_and_counts() {
        let mut ledger = ledger(&["a\u{202e}"]);
        let noted = ledger.note(&id(1), SendState::Refused("no\u{1b}[2J".to_owned()));
        assert_eq!(noted.note.as_deref(), Some("line 1 is not stored (no\u{fffd}): a"));
        assert!(noted.is_answered && ledger.is_settled() && !ledger.is_all_stored());
    }

    #[test]
    fn what_cannot_be_a_message_is_told_and_counts() {
        let long = "x".repeat(TEXT_CHARS + 1);
        for (text, is_utf8, why) in [
            ("\u{1b}[31mred", true, "U+001B"),
            (&long, true, "longer"),
            (&long, false, "longer"),
            ("a\u{fffd}", false, "UTF-8"),
        ] {
            let mut ledger = Ledger::default();
            let told =
                ledger.add(Line { number: 7, text: text.to_owned(), is_utf8 }, id(7)).expect_err("refused");
            assert!(told.starts_with("line 7 is not stored (it ") && told.contains(why), "{told}");
            assert!(ledger.is_settled() && !ledger.is_all_stored() && !told.contains('\u{1b}'));
        }
    }

    #[test]
    fn an_empty_line_is_no_message() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.add(line(1, ""), id(1)), Ok(None));
        assert!(ledger.is_all_stored());
    }

    #[test]
    fn what_is_put_off_is_told_once_a_reason() {
        let mut ledger = ledger(&["a"]);
        let put_off = |why: &str| SendState::PutOff(why.to_owned());
        assert!(ledger.note(&id(1), put_off("full")).note.is_some_and(|note| note.contains("waits (full)")));
        assert_eq!(ledger.note(&id(1), put_off("full")), Noted::default());
        assert!(ledger.note(&id(1), put_off("slow")).note.is_some());
        assert!(ledger.give_up("time")[0].contains("(slow)"));
    }

    #[test]
    fn what_was_sent_may_be_stored_all_the_same() {
        let mut ledger = ledger(&["a", "b"]);
        ledger.note(&id(1), SendState::Sent);
        ledger.note(&id(1), SendState::Queued);
        let told = ledger.give_up("no answer");
        assert_eq!(told, ["line 1 may not be stored (no answer): a", "line 2 is not stored (no answer): b"]);
        assert!(ledger.is_settled() && !ledger.is_all_stored());
    }

    #[test]
    fn what_waits_is_bounded() {
        let ledger = ledger(&["a"; WAITING]);
        assert!(!ledger.has_room());
        assert!(ledger.waiting.len() < crate::net::COMMANDS);
    }
}
