//! What is being written in one room, and what was written there before.
//!
//! Nothing that was typed is lost on the way: to look back through what was sent keeps the draft, and leaves it
//! where looking back began.

use std::collections::VecDeque;

use crate::app::editor::{Editor, Motion};

/// Sent texts that a room remembers.
const REMEMBERED: usize = 100;

/// A draft with its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composer {
    /// What is being written.
    pub editor: Editor,
    sent: VecDeque<String>,
    /// Looking back: at which of `sent`, and the draft meanwhile.
    back: Option<(usize, String)>,
}

impl Composer {
    /// Takes what is shown out, and remembers it. A draft that waited while one looked back is what is written then.
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

    /// One line up; from the first line, one text back.
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

    /// One line down; from the last line, one text on, and in the end back to the draft.
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

    /// Whether something is written here that was not sent.
    #[must_use]
    pub fn has_draft(&self) -> bool {
        self.drafts().next().is_some()
    }

    /// What is written here and was not sent: the draft, also one that waits while one looks back, and a text of the
    /// past that was changed.
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

    /// A text of the past that was changed is kept as changed.
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
    fn looking_back_keeps_the_draft() {
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
    fn what_is_sent_again_leaves_the_draft() {
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
    fn what_is_changed_while_looking_back_is_kept() {
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
