//! The text that is being written: a string, a cursor between two graphemes, what was cut last, and what was there
//! before.
//!
//! Each change remembers the text before it. What is typed is one change as long as it is one word.
//!
//! It keeps what was typed as it was typed; the composer's pane cleans it for the screen.

use std::collections::VecDeque;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// The longest draft, in characters: four messages. What does not fit is refused as a whole and stays where it
/// came from.
pub const DRAFT_CHARS: usize = 16_000;

/// Changes that can be undone, and bytes that are kept for that.
const UNDONE: usize = 200;
const UNDONE_BYTES: usize = 256 * 1024;

/// A small editor of plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Editor {
    text: String,
    /// In bytes, between two graphemes.
    cursor: usize,
    cut: String,
    /// What was there before each change, the last one at the end.
    before: VecDeque<Past>,
    /// What was there before each undo.
    after: Vec<Past>,
    /// Where a word that is being typed ends: what is typed there is part of the same change.
    typing_at: Option<usize>,
}

/// A text that was there, and where the cursor was.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Past {
    text: String,
    cursor: usize,
}

/// Where to move to, or up to where to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Motion {
    /// One grapheme back.
    Left,
    /// One grapheme on.
    Right,
    /// To the start of the word.
    WordLeft,
    /// To the end of the word.
    WordRight,
    /// One line up, in the same column.
    Up,
    /// One line down, in the same column.
    Down,
    /// To the start of the line.
    LineStart,
    /// To the end of the line.
    LineEnd,
}

/// What was to be inserted does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Editor {
    /// What is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor is, in bytes.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether nothing is written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether nothing but white space is written.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Puts `text` in the place of what is written, with the cursor at its end. It is another text: what was written
    /// before is not come back to.
    pub fn set(&mut self, text: String) {
        self.forget();
        self.cursor = text.len();
        self.text = text;
    }

    /// Puts `text` in the place of what is written, as a change.
    pub fn rewrite(&mut self, text: String) {
        if text != self.text {
            self.change();
            self.cursor = text.len();
            self.text = text;
        }
    }

    /// Takes what is written out, and leaves nothing.
    pub fn take(&mut self) -> String {
        self.forget();
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Takes the last change back; whether there was one.
    pub fn undo(&mut self) -> bool {
        self.typing_at = None;
        let Some(past) = self.before.pop_back() else { return false };
        let now = self.put(past);
        self.after.push(now);
        true
    }

    /// Makes the change again that was taken back last; whether there was one.
    pub fn redo(&mut self) -> bool {
        self.typing_at = None;
        let Some(past) = self.after.pop() else { return false };
        let now = self.put(past);
        self.before.push_back(now);
        true
    }

    /// What is there now, in the place of which `past` is put.
    fn put(&mut self, past: Past) -> Past {
        Past {
            text: std::mem::replace(&mut self.text, past.text),
            cursor: std::mem::replace(&mut self.cursor, past.cursor),
        }
    }

    /// Remembers what is there: it is about to change.
    fn change(&mut self) {
        self.typing_at = None;
        self.after.clear();
        let mut bytes = self.text.len() + self.before.iter().map(|past| past.text.len()).sum::<usize>();
        while self.before.len() >= UNDONE || bytes > UNDONE_BYTES {
            let Some(oldest) = self.before.pop_front() else { break };
            bytes -= oldest.text.len();
        }
        self.before.push_back(Past { text: self.text.clone(), cursor: self.cursor });
    }

    fn forget(&mut self) {
        (self.before, self.after, self.typing_at) = (VecDeque::new(), Vec::new(), None);
    }

    /// Writes at the cursor.
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
        let goes_on = letter.is_some_and(|letter| letter != '\n') && self.typing_at == Some(self.cursor);
        if !goes_on {
            self.change();
        }
        self.text.insert_str(self.cursor, text);
        self.cursor = self.boundary_at_or_after(self.cursor + text.len());
        self.typing_at = letter.filter(|letter| !letter.is_whitespace()).map(|_| self.cursor);
        Ok(())
    }

    /// Writes `text` in the place of `range`, which is between graphemes, and puts the cursor after it.
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

    /// Moves the cursor; whether it did.
    pub fn go(&mut self, motion: Motion) -> bool {
        let to = self.target(motion);
        let moved = to != self.cursor;
        self.cursor = to;
        moved
    }

    /// Moves the cursor to a place in the text, in bytes, or to the next one between two graphemes.
    pub fn go_to(&mut self, at: usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        self.cursor = self.boundary_at_or_after(at);
    }

    /// Deletes one grapheme before the cursor or after it.
    pub fn delete(&mut self, motion: Motion) {
        self.remove(motion);
    }

    /// Deletes from the cursor to where the motion leads, and keeps it for [`Editor::paste_cut`].
    pub fn cut(&mut self, motion: Motion) {
        let removed = self.remove(motion);
        if !removed.is_empty() {
            self.cut = removed;
        }
    }

    /// Writes what was cut last.
    pub fn paste_cut(&mut self) -> Result<(), Full> {
        let cut = self.cut.clone();
        self.insert(&cut)
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

    /// Graphemes before the cursor in its line.
    fn column(&self) -> usize {
        self.text[self.line_start(self.cursor)..self.cursor].graphemes(true).count()
    }

    /// The place of `column` in the line that starts at `start`, or that line's end.
    fn column_of(&self, start: usize, column: usize) -> usize {
        let line = &self.text[start..self.line_end(start)];
        start + line.grapheme_indices(true).nth(column).map_or(line.len(), |(at, _)| at)
    }

    /// A combining mark typed after a letter makes one grapheme of both: the cursor stays outside.
    fn boundary_at_or_after(&self, at: usize) -> usize {
        self.boundaries(at).find(|&index| index >= at).unwrap_or(self.text.len())
    }

    /// A word's bound may be inside of a grapheme (flags).
    fn boundary_at_or_before(&self, at: usize) -> usize {
        self.boundaries(at).take_while(|&index| index <= at).last().unwrap_or(at)
    }

    /// Where graphemes begin, from the line of `at` on.
    fn boundaries(&self, at: usize) -> impl Iterator<Item = usize> {
        let start = self.line_start(at);
        self.text[start..].grapheme_indices(true).map(move |(index, _)| start + index)
    }
}

#[cfg(test)]
mod tests;
