//! A plain text editor: text, a cursor between two graphemes, and the changes that can be undone.
//!
//! Each change keeps the text before it. Typing one word is one change. The text is kept as it was typed; the
//! composer's pane cleans it for the screen.

use std::collections::VecDeque;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Characters of the longest draft: four messages. A text that does not fit is refused as a whole.
pub const DRAFT_CHARS: usize = 16_000;

/// Changes that can be undone, and the bytes that they may take together.
const UNDONE: usize = 200;
const UNDONE_BYTES: usize = 256 * 1024;

/// A plain text editor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Editor {
    text: String,
    /// Byte offset, always between two graphemes.
    cursor: usize,
    /// The text before each change, the last change at the end.
    before: VecDeque<Snapshot>,
    /// The text before each undo.
    after: Vec<Snapshot>,
    /// End of the word that is being typed. Text typed there belongs to the same change.
    typing_at: Option<usize>,
}

/// A former text with its cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snapshot {
    text: String,
    cursor: usize,
}

/// A target for moving the cursor or for cutting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Motion {
    Left,
    Right,
    WordLeft,
    WordRight,
    /// One line up in the same column.
    Up,
    /// One line down in the same column.
    Down,
    LineStart,
    LineEnd,
}

/// Error: the text does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Editor {
    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the byte offset of the cursor.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Returns true if the text is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Starts over with `text`, with the cursor at its end. Earlier changes can no longer be undone.
    pub fn set(&mut self, text: String) {
        self.forget_changes();
        self.cursor = text.len();
        self.text = text;
    }

    /// Replaces the whole text, as a change that can be undone.
    pub fn rewrite(&mut self, text: String) {
        if text != self.text {
            self.change();
            self.cursor = text.len();
            self.text = text;
        }
    }

    /// Takes the text and leaves the editor empty.
    pub fn take(&mut self) -> String {
        self.forget_changes();
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Undoes the last change. Returns false if there is none.
    pub fn undo(&mut self) -> bool {
        self.typing_at = None;
        let Some(snapshot) = self.before.pop_back() else { return false };
        let now = self.swap(snapshot);
        self.after.push(now);
        true
    }

    /// Repeats the change that was undone last. Returns false if there is none.
    pub fn redo(&mut self) -> bool {
        self.typing_at = None;
        let Some(snapshot) = self.after.pop() else { return false };
        let now = self.swap(snapshot);
        self.before.push_back(now);
        true
    }

    /// Restores a snapshot and returns one of the current state.
    fn swap(&mut self, snapshot: Snapshot) -> Snapshot {
        Snapshot {
            text: std::mem::replace(&mut self.text, snapshot.text),
            cursor: std::mem::replace(&mut self.cursor, snapshot.cursor),
        }
    }

    /// Keeps the current text before a change.
    fn change(&mut self) {
        self.typing_at = None;
        self.after.clear();
        let mut bytes =
            self.text.len() + self.before.iter().map(|snapshot| snapshot.text.len()).sum::<usize>();
        while self.before.len() >= UNDONE || bytes > UNDONE_BYTES {
            let Some(oldest) = self.before.pop_front() else { break };
            bytes -= oldest.text.len();
        }
        self.before.push_back(Snapshot { text: self.text.clone(), cursor: self.cursor });
    }

    fn forget_changes(&mut self) {
        (self.before, self.after, self.typing_at) = (VecDeque::new(), Vec::new(), None);
    }

    /// Inserts text at the cursor.
    pub fn insert(&mut self, text: &str) -> Result<(), Full> {
        if self.text.len() + text.len() > DRAFT_CHARS
            && self.text.chars().count() + text.chars().count() > DRAFT_CHARS
        {
            return Err(Full);
        }
        if text.is_empty() {
            return Ok(());
        }
        let mut letters = text.chars();
        let letter = letters.next().filter(|_| letters.as_str().is_empty());
        // A space belongs to the word before it.
        let is_same_word = letter.is_some_and(|letter| letter != '\n') && self.typing_at == Some(self.cursor);
        if !is_same_word {
            self.change();
        }
        self.text.insert_str(self.cursor, text);
        self.cursor = self.boundary_at_or_after(self.cursor + text.len());
        self.typing_at = letter.filter(|letter| !letter.is_whitespace()).map(|_| self.cursor);
        Ok(())
    }

    /// Replaces `range`, which must begin and end between graphemes, and puts the cursor after the new text.
    pub fn replace(&mut self, range: Range<usize>, text: &str) -> Result<(), Full> {
        let chars = |text: &str| text.chars().count();
        if chars(&self.text) - chars(&self.text[range.clone()]) + chars(text) > DRAFT_CHARS {
            return Err(Full);
        }
        self.change();
        let end = range.start + text.len();
        self.text.replace_range(range, text);
        self.cursor = self.boundary_at_or_after(end);
        Ok(())
    }

    /// Moves the cursor. Returns false if it stays where it is.
    pub fn go(&mut self, motion: Motion) -> bool {
        let to = self.target(motion);
        let moved = to != self.cursor;
        self.cursor = to;
        moved
    }

    /// Moves the cursor to a byte offset, or to the next offset between two graphemes.
    pub fn go_to(&mut self, at: usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        self.cursor = self.boundary_at_or_after(at);
    }

    /// Deletes from the cursor to the target.
    pub fn delete(&mut self, motion: Motion) {
        self.remove(motion);
    }

    /// Deletes from the cursor to the target. Returns the deleted text.
    pub fn cut(&mut self, motion: Motion) -> String {
        self.remove(motion)
    }

    fn remove(&mut self, motion: Motion) -> String {
        let to = self.target(motion);
        let range = to.min(self.cursor)..to.max(self.cursor);
        if range.is_empty() {
            return String::new();
        }
        self.change();
        self.cursor = range.start;
        let removed = self.text.drain(range).collect();
        self.cursor = self.boundary_at_or_after(self.cursor);
        removed
    }

    fn target(&self, motion: Motion) -> usize {
        let (before, after) = self.text.split_at(self.cursor);
        match motion {
            Motion::Left => before.grapheme_indices(true).next_back().map_or(0, |(at, _)| at),
            Motion::Right => self.cursor + after.graphemes(true).next().map_or(0, str::len),
            Motion::WordLeft => self.boundary_at_or_before(
                before
                    .split_word_bound_indices()
                    .rfind(|(_, word)| !word.trim().is_empty())
                    .map_or(0, |(at, _)| at),
            ),
            Motion::WordRight => self.boundary_at_or_after(
                after
                    .split_word_bound_indices()
                    .find(|(_, word)| !word.trim().is_empty())
                    .map_or(self.text.len(), |(at, word)| self.cursor + at + word.len()),
            ),
            Motion::LineStart => self.line_start(self.cursor),
            Motion::LineEnd => self.line_end(self.cursor),
            Motion::Up => match self.line_start(self.cursor) {
                0 => self.cursor,
                start => self.column_of(self.line_start(start - 1), self.column()),
            },
            Motion::Down => match self.line_end(self.cursor) {
                end if end == self.text.len() => self.cursor,
                end => self.column_of(end + 1, self.column()),
            },
        }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline)
    }

    /// Returns the number of graphemes before the cursor in its line.
    fn column(&self) -> usize {
        self.text[self.line_start(self.cursor)..self.cursor].graphemes(true).count()
    }

    /// Returns the offset of `column` in the line that starts at `start`, or the end of that line.
    fn column_of(&self, start: usize, column: usize) -> usize {
        let line = &self.text[start..self.line_end(start)];
        start + line.grapheme_indices(true).nth(column).map_or(line.len(), |(at, _)| at)
    }

    /// Returns `at` or the next offset between two graphemes. A combining mark joins the letter before it.
    fn boundary_at_or_after(&self, at: usize) -> usize {
        self.boundaries(at).find(|&index| index >= at).unwrap_or(self.text.len())
    }

    /// Returns `at` or the last offset between two graphemes before it. A flag has a word boundary inside of its
    /// grapheme.
    fn boundary_at_or_before(&self, at: usize) -> usize {
        self.boundaries(at).take_while(|&index| index <= at).last().unwrap_or(at)
    }

    /// Returns the offsets at which graphemes begin, from the line of `at` on.
    fn boundaries(&self, at: usize) -> impl Iterator<Item = usize> {
        let start = self.line_start(at);
        self.text[start..].grapheme_indices(true).map(move |(index, _)| start + index)
    }
}

#[cfg(test)]
mod tests;
