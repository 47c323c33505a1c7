//! A list with a query line.
//!
//! The picker knows the number of rows, not the rows. Its owner finds the rows with the query and acts on the choice.

use crate::app::composing::query::{Query, QueryEdit};
use crate::app::editor::Editor;
use crate::app::keys::Action;

/// Rows of a page: fewer than a small screen has.
const PAGE: usize = 5;

/// A query and the selected row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picker {
    query: Query,
    selected: usize,
}

/// The result of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Reply {
    /// The picker handled the key.
    Done,
    /// The query changed.
    Queried,
    /// The user chose the selected row.
    Chosen,
    /// The key has no meaning in a picker.
    Passed,
}

impl Picker {
    /// Creates a picker with a query.
    pub(in crate::app) fn new(query: &str, selected: usize) -> Self {
        let mut picker = Self::default();
        picker.write(query);
        picker.selected = selected;
        picker
    }

    /// Returns the editor of the query line.
    #[must_use]
    pub const fn query(&self) -> &Editor {
        self.query.line()
    }

    /// Returns the index of the selected row, which may be beyond the last row.
    #[must_use]
    pub const fn selected(&self) -> usize {
        self.selected
    }

    pub(in crate::app) const fn select(&mut self, index: usize) {
        self.selected = index;
    }

    /// Inserts text into the query if it fits, and selects the first row.
    pub(in crate::app) fn write(&mut self, text: &str) {
        let _fits = self.query.write(text);
        self.selected = 0;
    }

    /// Handles an action. `count` is the number of rows.
    pub(in crate::app) fn on_key(&mut self, action: Action, count: usize) -> Reply {
        let last = count.saturating_sub(1);
        let at = self.selected.min(last);
        match action {
            Action::Up | Action::CompleteBack => self.selected = at.saturating_sub(1),
            Action::Down | Action::Complete => self.selected = (at + 1).min(last),
            Action::PageUp => self.selected = at.saturating_sub(PAGE),
            Action::PageDown => self.selected = (at + PAGE).min(last),
            Action::Home => self.selected = 0,
            Action::End => self.selected = last,
            Action::Submit => return Reply::Chosen,
            _ => match self.query.on_key(action) {
                QueryEdit::Changed => {
                    self.selected = 0;
                    return Reply::Queried;
                }
                QueryEdit::Kept | QueryEdit::Full => {}
                QueryEdit::Passed => return Reply::Passed,
            },
        }
        Reply::Done
    }
}
