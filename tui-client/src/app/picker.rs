//! A list to choose from, with a line where one writes what is looked for.
//!
//! It knows how many there are to choose from, and not what they are: whoever opens it finds them with the query, and
//! does what is chosen.

use super::editor::Editor;
use super::keys::Action;
use super::{Effect, Model};

/// The longest query, in characters: twice as long as a room's name.
const QUERY_CHARS: usize = 128;
/// Entries of a page: fewer than a small screen has.
const PAGE: usize = 5;

/// What is looked for, and which of what was found is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picker {
    query: Editor,
    selected: usize,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
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
    pub(super) fn new(query: &str, selected: usize) -> Self {
        let mut picker = Self::default();
        picker.write(query);
        picker.selected = selected;
        picker
    }

    /// The line of what is looked for, as it was typed.
    #[must_use]
    pub const fn query(&self) -> &Editor {
        &self.query
    }

    /// The chosen one, from 0; there may be fewer.
    #[must_use]
    pub const fn selected(&self) -> usize {
        self.selected
    }

    pub(super) const fn select(&mut self, index: usize) {
        self.selected = index;
    }

    /// Writes into the query, in one line; what does not fit is left out as a whole. The best is chosen then.
    pub(super) fn write(&mut self, text: &str) {
        let line = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
        let line: String = line.filter(|c| !c.is_control()).collect();
        if self.query.text().chars().count() + line.chars().count() <= QUERY_CHARS {
            let _fits = self.query.insert(&line);
        }
        self.selected = 0;
    }

    /// Does what a key asks for, where there are `count` to choose from.
    pub(super) fn on_key(&mut self, action: Action, count: usize) -> Reply {
        let last = count.saturating_sub(1);
        let at = self.selected.min(last);
        match action {
            Action::Up | Action::CompleteBack => self.selected = at.saturating_sub(1),
            Action::Down | Action::Complete => self.selected = (at + 1).min(last),
            Action::PageUp => self.selected = at.saturating_sub(PAGE),
            Action::PageDown => self.selected = (at + PAGE).min(last),
            Action::Home => self.selected = 0,
            Action::End => self.selected = last,
            Action::Move(motion) => {
                self.query.go(motion);
            }
            Action::Insert(c) => return self.change(|picker| picker.write(c.encode_utf8(&mut [0; 4]))),
            Action::Delete(motion) => return self.change(|picker| picker.query.delete(motion)),
            Action::Cut(motion) => return self.change(|picker| picker.query.cut(motion)),
            Action::Submit => return Reply::Chosen,
            _ => return Reply::Passed,
        }
        Reply::Done
    }

    fn change(&mut self, change: impl FnOnce(&mut Self)) -> Reply {
        change(self);
        self.selected = 0;
        Reply::Queried
    }
}

/// Closes the picker for a key that means nothing in it. `None`: the key is for what is below, and not that of `opens`.
pub(super) fn leave(model: &mut Model, action: Action, opens: Action) -> Option<Vec<Effect>> {
    if matches!(action, Action::Redraw | Action::Suspend) {
        return None;
    }
    model.overlay = None;
    (action == Action::Close || action == opens).then(Vec::new)
}
