//! Input of the terminal while the client has it, and the answers that are expected.
//!
//! The queries follow the first frame, which is readable on every background. While an answer is expected, the terminal
//! is given back only after a short wait for it. Otherwise a late answer would become input of the shell.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::app::Theme;
use crate::terminal::{self, Depth, Queries, Reader};
use crate::terminal_input::TerminalEvent;

/// Time that an answer may take, longer than a bad line needs.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Wait for expected answers before the terminal is given back.
const LAST_WAIT: Duration = Duration::from_millis(150);

/// The reader of the terminal, and its settings while there is none.
#[derive(Debug)]
pub(super) struct Keyboard {
    escape_delay: Duration,
    /// `None` while the program is stopped or the editor has the terminal.
    reader: Option<Reader>,
    /// End of the time in which answers are expected.
    answers_until: Option<Instant>,
}

impl Keyboard {
    pub(super) const fn new(escape_delay: Duration) -> Self {
        Self { escape_delay, reader: None, answers_until: None }
    }

    /// Begins to read.
    pub(super) fn take(&mut self) -> io::Result<()> {
        // The old reader is dropped first: a descriptor can be registered once.
        self.reader = None;
        self.reader = Some(Reader::new(self.escape_delay)?);
        Ok(())
    }

    /// Stops reading. The terminal must still be in raw mode.
    pub(super) fn give_back(&mut self) {
        let is_expected = self.answers_until.take().is_some_and(|until| Instant::now() < until);
        if let Some(mut reader) = self.reader.take().filter(|_| is_expected) {
            reader.discard_answers(LAST_WAIT);
        }
    }

    /// Stops reading at once: no answer will come.
    pub(super) fn drop_reader(&mut self) {
        self.reader = None;
    }

    /// Waits for the next events; for ever while there is no reader.
    pub(super) async fn next(&mut self) -> io::Result<Vec<TerminalEvent>> {
        match &mut self.reader {
            Some(reader) => reader.next().await,
            None => std::future::pending().await,
        }
    }

    /// Asks for the background if the theme depends on it, and for the keyboard protocol if it is not known.
    pub(super) fn ask(&mut self, theme: Theme, depth: Depth, has_keyboard_modes: bool) -> io::Result<()> {
        let queries = Queries {
            background: matches!(theme, Theme::Auto | Theme::Sixteen),
            keyboard: !has_keyboard_modes,
        };
        let is_needed = queries.background || queries.keyboard;
        if is_needed && terminal::answers_queries(depth, |name| std::env::var(name).ok()) {
            queries.send()?;
            self.answers_until = Some(Instant::now() + ANSWER_LIMIT);
        }
        Ok(())
    }

    /// The terminal has answered all queries.
    pub(super) const fn note_last_answer(&mut self) {
        self.answers_until = None;
    }
}
