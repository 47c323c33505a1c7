//! The composer of one room: the draft, and the history of sent texts.
//!
//! Going back through the history keeps the draft.

use std::collections::VecDeque;

use crate::app::editor::{Editor, Motion};

/// Sent texts that a room keeps.
const REMEMBERED: usize = 100;

/// A draft with its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composer {
    /// The text that is shown: the draft, or a text of the history.
    pub editor: Editor,
    sent: VecDeque<String>,
    /// While going through the history: the index in `sent`, and the draft.
    back: Option<(usize, String)>,
}

impl Composer {
    /// Takes the text that is shown and adds it to the history. If it came from the history, the draft is shown next.
    pub fn take(&mut self) -> String {
        let text = self.editor.take();
        if let Some((_, draft)) = self.back.take() {
            self.editor.set(draft);
        }
        if !text.trim().is_empty() && self.sent.back() != Some(&text) {
            if self.sent.len() == REMEMBERED {
                self.sent.pop_front();
            }
            self.sent.push_back(text.clone());
        }
        text
    }

    /// Goes one line up; from the first line, one text back in the history.
    pub fn up(&mut self) {
        if self.editor.go(Motion::Up) {
            return;
        }
        let index = self.back.as_ref().map_or(self.sent.len(), |(index, _)| *index);
        let Some(index) = index.checked_sub(1) else { return };
        let shown = self.editor.take();
        self.back = match self.back.take() {
            Some((at, draft)) => {
                self.keep_change(at, shown);
                Some((index, draft))
            }
            None => Some((index, shown)),
        };
        self.editor.set(self.sent[index].clone());
    }

    /// Goes one line down; from the last line, one text forward in the history, and at its end back to the draft.
    pub fn down(&mut self) {
        if self.editor.go(Motion::Down) {
            return;
        }
        let Some((index, draft)) = self.back.take() else { return };
        let shown = self.editor.take();
        self.keep_change(index, shown);
        if index + 1 < self.sent.len() {
            self.editor.set(self.sent[index + 1].clone());
            self.back = Some((index + 1, draft));
        } else {
            self.editor.set(draft);
        }
    }

    /// Returns true if there is text that was not sent.
    #[must_use]
    pub fn has_draft(&self) -> bool {
        self.drafts().next().is_some()
    }

    /// Returns the texts that were not sent: the draft, and a text of the history that was changed.
    pub fn drafts(&self) -> impl Iterator<Item = &str> {
        let shown = self.editor.text();
        let (waiting, shown) = match &self.back {
            None => (None, Some(shown)),
            Some((index, draft)) => {
                let is_changed = self.sent.get(*index).is_some_and(|sent| sent != shown);
                (Some(draft.as_str()), is_changed.then_some(shown))
            }
        };
        [waiting, shown].into_iter().flatten().filter(|text| !text.trim().is_empty())
    }

    /// Keeps a changed text of the history.
    fn keep_change(&mut self, index: usize, shown: String) {
        if let Some(sent) = self.sent.get_mut(index) {
            *sent = shown;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(composer: &mut Composer, text: &str) {
        composer.editor.insert(text).expect("short");
    }

    #[test]
    fn going_back_in_the_history_keeps_the_draft() {
        let mut composer = Composer::default();
        for text in ["one", "two\nlines"] {
            write(&mut composer, text);
            assert_eq!(composer.take(), text);
        }
        write(&mut composer, "draft");
        composer.up();
        assert_eq!(composer.editor.text(), "two\nlines");
        assert!(composer.has_draft());
        composer.up();
        assert_eq!(composer.editor.text(), "two\nlines", "first to the upper line");
        composer.up();
        assert_eq!(composer.editor.text(), "one");
        composer.up();
        assert_eq!(composer.editor.text(), "one", "nothing older");
        composer.down();
        composer.down();
        assert_eq!(composer.editor.text(), "draft");
        composer.down();
        assert_eq!(composer.editor.text(), "draft");
    }

    #[test]
    fn sending_a_text_again_keeps_the_draft() {
        let mut composer = Composer::default();
        write(&mut composer, "sent");
        composer.take();
        write(&mut composer, "draft");
        composer.up();
        assert_eq!(composer.take(), "sent");
        assert_eq!(composer.editor.text(), "draft");
        assert_eq!(composer.take(), "draft");
        assert!(composer.editor.is_empty());
    }

    #[test]
    fn a_changed_text_of_the_history_is_kept() {
        let mut composer = Composer::default();
        for text in ["one", "two"] {
            write(&mut composer, text);
            composer.take();
        }
        composer.up();
        write(&mut composer, "!");
        composer.up();
        composer.down();
        assert_eq!(composer.editor.text(), "two!");
        assert_eq!(composer.take(), "two!");
        assert!(!composer.has_draft());
    }
}
