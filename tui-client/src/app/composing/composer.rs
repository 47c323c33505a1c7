//! The composer of one room: the draft, and the history of sent texts.
//!
//! Going back through the history keeps the draft.

use std::collections::VecDeque;

use crate::app::editor::{Editor, Motion};
use crate::kept_texts::ChangedText;

/// Sent texts that a room keeps.
const REMEMBERED: usize = 100;

/// A draft with its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composer {
    /// The text that is shown: the draft, or a text of the history.
    pub editor: Editor,
    sent: VecDeque<SentText>,
    /// While going through the history: the index in `sent`, and the draft.
    back: Option<(usize, String)>,
}

/// A text of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SentText {
    /// Empty if the text was never sent.
    sent: String,
    /// The text after a change that was not sent.
    changed: Option<String>,
}

impl SentText {
    fn shown(&self) -> &str {
        self.changed.as_ref().unwrap_or(&self.sent)
    }
}

impl Composer {
    /// Takes the text that is shown and adds it to the history. If it came from the history, the draft is shown next,
    /// and the text of the history is again as it was sent.
    pub fn take(&mut self) -> String {
        let text = self.editor.take();
        if let Some((index, draft)) = self.back.take() {
            self.editor.set(draft);
            self.revert(index);
        }
        if !text.trim().is_empty() && self.sent.back().is_none_or(|last| last.sent != text) {
            self.remember(SentText { sent: text.clone(), changed: None });
        }
        text
    }

    /// Removes the text that is shown and keeps no trace of it. If it came from the history, the draft is shown next.
    pub fn discard(&mut self) {
        self.editor.take();
        if let Some((index, draft)) = self.back.take() {
            self.editor.set(draft);
            self.revert(index);
        }
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
        self.editor.set(self.sent[index].shown().to_owned());
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
            self.editor.set(self.sent[index + 1].shown().to_owned());
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

    /// Returns true if another text in the place of the shown one would replace text that was not sent.
    #[must_use]
    pub fn has_open_draft(&self) -> bool {
        let (draft, shown) = self.open_drafts();
        [draft, shown].into_iter().flatten().any(is_text)
    }

    /// Returns true if there is text that was not sent, besides the text that is shown.
    #[must_use]
    pub fn has_hidden_draft(&self) -> bool {
        let draft = self.back.as_ref().map(|(_, draft)| draft.as_str());
        draft.into_iter().chain(self.hidden_changes().map(SentText::shown)).any(is_text)
    }

    /// Returns the texts that were not sent: the draft, and texts of the history that were changed.
    pub fn drafts(&self) -> impl Iterator<Item = &str> {
        let (draft, shown) = self.open_drafts();
        let hidden = self.hidden_changes().map(SentText::shown);
        draft.into_iter().chain(shown).chain(hidden).filter(|text| is_text(text))
    }

    /// Returns the texts that were not sent, for [`Composer::restore`].
    pub(super) fn keep(&self) -> (String, Vec<ChangedText>, Option<usize>) {
        let kept =
            |sent: &SentText, text: &str| ChangedText { sent: sent.sent.clone(), text: text.to_owned() };
        let (draft, shown) = self.open_drafts();
        let mut changes: Vec<_> = self.hidden_changes().map(|sent| kept(sent, sent.shown())).collect();
        let shown = shown.filter(|text| is_text(text)).zip(self.back.as_ref());
        let index = shown.map(|(text, (index, _))| {
            changes.push(kept(&self.sent[*index], text));
            changes.len() - 1
        });
        (draft.filter(|text| is_text(text)).unwrap_or_default().to_owned(), changes, index)
    }

    /// Adds the texts of an earlier run. A draft stays; the earlier one then becomes a text of the history.
    pub(super) fn restore(&mut self, draft: String, changed: Vec<ChangedText>, shown: Option<usize>) {
        let is_free = self.editor.is_empty() && self.back.is_none();
        let count = changed.len();
        for ChangedText { sent, text } in changed {
            self.remember(SentText { sent, changed: Some(text) });
        }
        if is_free {
            self.editor.set(draft);
            if let Some(shown) = shown.filter(|shown| *shown < count && count <= self.sent.len()) {
                let index = self.sent.len() - count + shown;
                let draft = self.editor.take();
                self.editor.set(self.sent[index].shown().to_owned());
                self.back = Some((index, draft));
            }
        } else if is_text(&draft) {
            self.remember(SentText { sent: String::new(), changed: Some(draft) });
        }
    }

    /// The draft, and the shown text of the history if it is changed.
    fn open_drafts(&self) -> (Option<&str>, Option<&str>) {
        let shown = self.editor.text();
        match &self.back {
            None => (Some(shown), None),
            Some((index, draft)) => {
                let is_changed = self.sent.get(*index).is_some_and(|sent| sent.sent != shown);
                (Some(draft), is_changed.then_some(shown))
            }
        }
    }

    /// The changed texts of the history that are not shown.
    fn hidden_changes(&self) -> impl Iterator<Item = &SentText> {
        let shown = self.back.as_ref().map(|(index, _)| *index);
        let hidden = self.sent.iter().enumerate().filter(move |(index, _)| Some(*index) != shown);
        hidden.map(|(_, sent)| sent).filter(|sent| sent.changed.is_some())
    }

    /// Keeps a changed text of the history. An empty one is as it was sent.
    fn keep_change(&mut self, index: usize, shown: String) {
        if let Some(sent) = self.sent.get_mut(index) {
            sent.changed = (is_text(&shown) && shown != sent.sent).then_some(shown);
        }
    }

    /// Drops the change of a text of the history.
    fn revert(&mut self, index: usize) {
        if let Some(sent) = self.sent.get_mut(index) {
            sent.changed = None;
            if sent.sent.is_empty() {
                self.sent.remove(index);
            }
        }
    }

    /// Adds a text to the history. The oldest text goes; one with a change goes only if all have one.
    fn remember(&mut self, sent: SentText) {
        if self.sent.len() == REMEMBERED {
            let unchanged = self.sent.iter().position(|sent| sent.changed.is_none());
            let oldest = unchanged.unwrap_or_default();
            self.sent.remove(oldest);
            if let Some((index, _)) = self.back.as_mut().filter(|(index, _)| *index > oldest) {
                *index -= 1;
            }
        }
        self.sent.push_back(sent);
    }
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty()
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

    /// A composer from which these texts were sent.
    fn with_history(texts: &[&str]) -> Composer {
        let mut composer = Composer::default();
        for text in texts {
            write(&mut composer, text);
            composer.take();
        }
        composer
    }

    #[test]
    fn a_changed_text_of_the_history_is_kept() {
        let mut composer = with_history(&["one", "two"]);
        composer.up();
        write(&mut composer, "!");
        composer.up();
        composer.down();
        assert_eq!(composer.editor.text(), "two!");
        assert_eq!(composer.take(), "two!");
        assert!(!composer.has_draft());
        composer.up();
        composer.up();
        assert_eq!(composer.editor.text(), "two", "as it was sent");
    }

    #[test]
    fn a_changed_text_of_the_history_is_a_draft_wherever_the_cursor_is() {
        let mut composer = with_history(&["one", "two"]);
        composer.up();
        write(&mut composer, "!");
        composer.up();
        assert_eq!(composer.drafts().collect::<Vec<_>>(), ["two!"]);
        composer.down();
        composer.down();
        assert_eq!(composer.drafts().collect::<Vec<_>>(), ["two!"]);
        assert!(composer.has_hidden_draft() && !composer.has_open_draft());
        for text in 0..2 * REMEMBERED {
            write(&mut composer, &text.to_string());
            composer.take();
        }
        assert_eq!(composer.drafts().collect::<Vec<_>>(), ["two!"], "not dropped with the history");
    }

    #[test]
    fn kept_texts_are_restored_as_they_were() {
        let mut composer = Composer::default();
        for text in ["one", "two", "three"] {
            write(&mut composer, text);
            composer.take();
        }
        write(&mut composer, "draft");
        composer.up();
        write(&mut composer, "!");
        composer.up();
        write(&mut composer, "?");
        let (draft, changed, shown) = composer.keep();
        let mut next = Composer::default();
        next.restore(draft.clone(), changed.clone(), shown);
        assert_eq!(next.keep(), (draft.clone(), changed.clone(), shown));
        assert_eq!(next.editor.text(), "two?");
        next.down();
        next.down();
        assert_eq!(next.editor.text(), "draft");

        let mut busy = Composer::default();
        write(&mut busy, "busy");
        busy.restore(draft, changed, shown);
        assert_eq!(busy.drafts().collect::<Vec<_>>(), ["busy", "three!", "two?", "draft"]);
        assert_eq!(busy.editor.text(), "busy");
    }
}
