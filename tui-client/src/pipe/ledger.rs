//! Lines given to `send` that are not known to be stored. Pure.
//!
//! Invariant: a line stays here from `add` until it is stored, or reported as not stored exactly once.

use std::collections::VecDeque;

use realtime_shared::name::TEXT_CHARS;
use realtime_shared::{ClientMsgId, Text, TextError};

use super::input::InputLine;
use super::text::flat;
use crate::net::SendState;
use crate::sanitize;

/// Most lines that wait at once: far fewer than the network's queues hold, so that sending never blocks.
const WAITING: usize = 64;

/// Most characters of a line in a report.
const REPORTED_CHARS: usize = 60;

/// Account of the lines to send.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    waiting: VecDeque<WaitingLine>,
    /// Number of lines that were given up or refused.
    lost: u64,
}

#[derive(Debug)]
struct WaitingLine {
    id: ClientMsgId,
    line: InputLine,
    /// The line was sent on a connection, so it may be stored.
    is_sent: bool,
    /// The server's reason for a temporary refusal.
    put_off: Option<String>,
}

/// Result of a send state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// A line was answered and no longer waits.
    pub(super) is_answered: bool,
    /// Line for standard error.
    pub(super) note: Option<String>,
}

impl Ledger {
    /// True if another line can be taken.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING
    }

    /// True if no line waits.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True if every added line is stored.
    pub(super) fn is_all_stored(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0
    }

    /// Adds a line under an id. Returns the text to send, or `None` for an empty line. An error is the reason why the line
    /// cannot be sent.
    pub(super) fn add(&mut self, line: InputLine, id: ClientMsgId) -> Result<Option<Text>, String> {
        let refused = |line: &InputLine, why: &str| Err(report(line, "is not stored", why));
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
                self.waiting.push_back(WaitingLine { id, line, is_sent: false, put_off: None });
                Ok(Some(text))
            }
        }
    }

    /// Counts a line that could not be read.
    pub(super) fn lose(&mut self) {
        self.lost += 1;
    }

    /// Records the state of a message.
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
                let note = is_news.then(|| report(&entry.line, "waits", &why));
                entry.put_off = Some(why);
                Noted { is_answered: false, note }
            }
            SendState::Stored(_) => {
                self.waiting.remove(index);
                Noted { is_answered: true, note: None }
            }
            SendState::Refused(why) => {
                let note = Some(report(&entry.line, "is not stored", &why));
                self.lost += 1;
                self.waiting.remove(index);
                Noted { is_answered: true, note }
            }
            SendState::Queued | SendState::TakenBack { .. } => Noted::default(),
        }
    }

    /// Gives up the waiting lines because of `why`. Returns a note for each.
    pub(super) fn give_up(&mut self, why: &str) -> Vec<String> {
        self.lost += self.waiting.len() as u64;
        let give_up = |entry: WaitingLine| {
            let how = if entry.is_sent { "may or may not be stored" } else { "is not stored" };
            report(&entry.line, how, entry.put_off.as_deref().unwrap_or(why))
        };
        self.waiting.drain(..).map(give_up).collect()
    }
}

/// `line 3 is not stored (why): text`. Only the beginning of a long text is in it.
fn report(line: &InputLine, how: &str, why: &str) -> String {
    let mut chars = line.text.chars();
    let beginning: String = chars.by_ref().take(REPORTED_CHARS).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    let why: String = why.chars().take(TEXT_CHARS).collect();
    format!("line {} {how} ({}): {}{rest}", line.number, sanitize::line(&why), flat(&beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, text: &str) -> InputLine {
        InputLine { number, text: text.to_owned(), is_utf8: true }
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
    fn a_stored_line_is_forgotten_once() {
        let mut ledger = ledger(&["a", "b"]);
        let stored = || SendState::Stored(realtime_shared::Seq::new(1));
        assert!(ledger.note(&id(1), stored()).is_answered);
        assert_eq!(ledger.note(&id(1), stored()), Noted::default());
        assert!(!ledger.is_settled() && !ledger.is_all_stored());
        assert!(ledger.note(&id(2), stored()).is_answered);
        assert!(ledger.is_settled() && ledger.is_all_stored());
    }

    #[test]
    fn a_refused_line_is_reported_and_counted() {
        let mut ledger = ledger(&["a\u{202e}"]);
        let noted = ledger.note(&id(1), SendState::Refused("no\u{1b}[2J".to_owned()));
        assert_eq!(noted.note.as_deref(), Some("line 1 is not stored (no\u{fffd}): a"));
        assert!(noted.is_answered && ledger.is_settled() && !ledger.is_all_stored());
    }

    #[test]
    fn a_line_that_cannot_be_a_message_is_reported_and_counted() {
        let long = "x".repeat(TEXT_CHARS + 1);
        for (text, is_utf8, why) in [
            ("\u{1b}[31mred", true, "U+001B"),
            (&long, true, "longer"),
            (&long, false, "longer"),
            ("a\u{fffd}", false, "UTF-8"),
        ] {
            let mut ledger = Ledger::default();
            let reports = ledger
                .add(InputLine { number: 7, text: text.to_owned(), is_utf8 }, id(7))
                .expect_err("refused");
            assert!(reports.starts_with("line 7 is not stored (it ") && reports.contains(why), "{reports}");
            assert!(ledger.is_settled() && !ledger.is_all_stored() && !reports.contains('\u{1b}'));
        }
    }

    #[test]
    fn only_the_beginning_of_a_long_line_is_reported() {
        let long = format!("{}\u{1f980}{}", "x".repeat(REPORTED_CHARS - 1), "y".repeat(3_000));
        let mut ledger = ledger(&[&long, "short"]);
        let waits =
            ledger.note(&id(1), SendState::PutOff("the disk is full".to_owned())).note.expect("a note");
        let beginning = format!("{}\u{1f980}…", "x".repeat(REPORTED_CHARS - 1));
        assert_eq!(waits, format!("line 1 waits (the disk is full): {beginning}"));
        let reports = ledger.give_up("no answer");
        assert_eq!(reports[0], format!("line 1 is not stored (the disk is full): {beginning}"));
        assert!(reports[1].ends_with("short"));
    }

    #[test]
    fn an_empty_line_is_skipped() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.add(line(1, ""), id(1)), Ok(None));
        assert!(ledger.is_all_stored());
    }

    #[test]
    fn each_reason_to_put_off_is_reported_once() {
        let mut ledger = ledger(&["a"]);
        let put_off = |why: &str| SendState::PutOff(why.to_owned());
        assert!(ledger.note(&id(1), put_off("full")).note.is_some_and(|note| note.contains("waits (full)")));
        assert_eq!(ledger.note(&id(1), put_off("full")), Noted::default());
        assert!(ledger.note(&id(1), put_off("slow")).note.is_some());
        assert!(ledger.give_up("time")[0].contains("(slow)"));
    }

    #[test]
    fn a_sent_line_is_reported_as_possibly_stored() {
        let mut ledger = ledger(&["a", "b"]);
        ledger.note(&id(1), SendState::Sent);
        ledger.note(&id(1), SendState::Queued);
        let reports = ledger.give_up("no answer");
        assert_eq!(
            reports,
            ["line 1 may or may not be stored (no answer): a", "line 2 is not stored (no answer): b"]
        );
        assert!(ledger.is_settled() && !ledger.is_all_stored());
    }

    #[test]
    fn waiting_lines_are_bounded() {
        let ledger = ledger(&["a"; WAITING]);
        assert!(!ledger.has_room());
        assert!(ledger.waiting.len() < crate::net::COMMANDS);
    }
}
