//! A list to choose from, with a line where one writes what is looked for.
//!
//! It knows the number of entries and not the entries. Its owner finds them with the query, and acts on the choice.

use crate::app::composing::query::{Query, QueryEdit};
use crate::app::editor::Editor;
use crate::app::keys::Action;

/// Entries of a page: fewer than a small screen has.
const PAGE: usize = 5;

/// What is looked for, and which of what was found is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picker {
    query: Query,
    selected: usize,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Reply {
    /// It is done.
    Done,
    /// Something else is looked for.
    Queried,
    /// The chosen one is wanted.
    Chosen,
    /// It means nothing here.
    Passed,
}

impl Picker {
    /// One that looks for `query`.
    pub(in crate::app) fn new(query: &str, selected: usize) -> Self {
        let mut picker = Self::default();
        picker.write(query);
        picker.selected = selected;
        picker
    }

    /// The line of what is looked for, as it was typed.
    #[must_use]
    pub const fn query(&self) -> &Editor {
        self.query.line()
    }

    /// The chosen one, from 0; there may be fewer.
    #[must_use]
    pub const fn selected(&self) -> usize {
        self.selected
    }

    pub(in crate::app) const fn select(&mut self, index: usize) {
        self.selected = index;
    }

    /// Writes into the query, where it fits, and chooses the best.
    pub(in crate::app) fn write(&mut self, text: &str) {
        let _fits = self.query.write(text);
        self.selected = 0;
    }

    /// Does what a key asks for, where there are `count` to choose from.
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
