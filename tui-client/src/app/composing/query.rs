//! The query line of a list or of a search.

use crate::app::editor::{Editor, Full};
use crate::app::keys::Action;

/// Characters of the longest query: twice the longest room name.
pub(in crate::app) const QUERY_CHARS: usize = 128;

/// A query that is being typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    line: Editor,
}

/// The result of a key in a query line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum QueryEdit {
    /// The query may have changed.
    Changed,
    /// The query is the same; the cursor may have moved.
    Kept,
    /// The character did not fit.
    Full,
    /// The key does not belong to the query line.
    Passed,
}

impl Query {
    /// Returns the editor of the line.
    #[must_use]
    pub const fn line(&self) -> &Editor {
        &self.line
    }

    /// Returns the text of the query.
    #[must_use]
    pub fn text(&self) -> &str {
        self.line.text()
    }

    /// Inserts text at the cursor. Line breaks become spaces. A text that does not fit is refused as a whole.
    pub(in crate::app) fn write(&mut self, text: &str) -> Result<(), Full> {
        let line = text.chars().map(|c| if is_break(c) { ' ' } else { c });
        let line: String = line.filter(|c| !c.is_control()).collect();
        if self.text().chars().count() + line.chars().count() > QUERY_CHARS {
            return Err(Full);
        }
        self.line.insert(&line)
    }

    /// Handles an action that edits the line.
    pub(in crate::app) fn on_key(&mut self, action: Action) -> QueryEdit {
        match action {
            Action::Insert(c) => {
                if self.write(c.encode_utf8(&mut [0; 4])).is_err() {
                    return QueryEdit::Full;
                }
            }
            Action::Delete(motion) | Action::Cut(motion) => self.line.delete(motion),
            Action::Move(motion) => {
                self.line.go(motion);
                return QueryEdit::Kept;
            }
            _ => return QueryEdit::Passed,
        }
        QueryEdit::Changed
    }
}

/// Returns true for a tab and all kinds of line breaks.
const fn is_break(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
