//! A line where one writes what is looked for: above a list, or in a room.

use crate::app::editor::{Editor, Full};
use crate::app::keys::Action;

/// The longest query, in characters: twice as long as a room's name.
pub(in crate::app) const QUERY_CHARS: usize = 128;

/// What is looked for, as it is being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    line: Editor,
}

/// What a key did to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Edited {
    /// It is another one, perhaps.
    Changed,
    /// The cursor moved, if anything.
    Kept,
    /// There is no room for more.
    Full,
    /// The key does not edit.
    Passed,
}

impl Query {
    /// The line, as it was typed.
    #[must_use]
    pub const fn line(&self) -> &Editor {
        &self.line
    }

    /// What is typed.
    #[must_use]
    pub fn text(&self) -> &str {
        self.line.text()
    }

    /// Writes at the cursor, in one line.
    ///
    /// # Errors
    ///
    /// What does not fit is left out as a whole.
    pub(in crate::app) fn write(&mut self, text: &str) -> Result<(), Full> {
        let line = text.chars().map(|c| if is_break(c) { ' ' } else { c });
        let line: String = line.filter(|c| !c.is_control()).collect();
        if self.text().chars().count() + line.chars().count() > QUERY_CHARS {
            return Err(Full);
        }
        self.line.insert(&line)
    }

    /// Does what a key asks for, where it edits.
    pub(in crate::app) fn on_key(&mut self, action: Action) -> Edited {
        match action {
            Action::Insert(c) => {
                if self.write(c.encode_utf8(&mut [0; 4])).is_err() {
                    return Edited::Full;
                }
            }
            Action::Delete(motion) => self.line.delete(motion),
            Action::Cut(motion) => self.line.cut(motion),
            Action::Move(motion) => {
                self.line.go(motion);
                return Edited::Kept;
            }
            _ => return Edited::Passed,
        }
        Edited::Changed
    }
}

/// Whether it parts lines, or columns.
const fn is_break(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
