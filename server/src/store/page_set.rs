//! Set of page numbers.

use std::ops::Range;

/// Pages in one word of the set.
const WORD: u32 = u64::BITS;

/// Page numbers. One bit a page: a set for a database of 1 GiB takes 32 KiB.
#[derive(Debug, Default)]
pub(crate) struct PageSet {
    words: Vec<u64>,
    /// Words before this index are zero.
    first: usize,
    /// The set also has all pages from this one to the end of the file.
    rest: Option<u32>,
}

impl PageSet {
    /// All pages of a file.
    pub(super) fn all() -> Self {
        Self { rest: Some(1), ..Self::default() }
    }

    /// Adds a page. A number beyond `most` is left out.
    pub(super) fn insert(&mut self, page: u32, most: u32) {
        if page > most {
            return;
        }
        let index = (page / WORD) as usize;
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        self.words[index] |= 1 << (page % WORD);
        self.first = self.first.min(index);
    }

    /// Adds all pages of another set.
    pub(super) fn insert_all(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, added) in self.words.iter_mut().zip(&other.words) {
            *word |= added;
        }
        self.first = self.first.min(other.first);
        self.rest = [self.rest, other.rest].into_iter().flatten().min();
    }

    /// Leaves out the pages that are only in the set as the rest of the file.
    pub(crate) fn without_rest(self) -> Self {
        Self { rest: None, ..self }
    }

    /// Removes a run of at most `most` pages, which is the first in a file of `pages` pages. `None`: the set has none, and
    /// is now empty.
    pub(crate) fn take_run(&mut self, most: u32, pages: u32) -> Option<Range<u32>> {
        while self.words.get(self.first).is_some_and(|word| *word == 0) {
            self.first += 1;
        }
        let Some(word) = self.words.get(self.first) else {
            let first = self.rest.filter(|first| *first <= pages);
            let end = first.map(|first| first.saturating_add(most).min(pages + 1));
            self.rest = end;
            return first.zip(end).map(|(first, end)| first..end);
        };
        let first =
            u32::try_from(self.first).unwrap_or(u32::MAX).saturating_mul(WORD) + word.trailing_zeros();
        let mut end = first;
        while end - first < most && self.remove(end) {
            end += 1;
        }
        Some(first..end)
    }

    fn remove(&mut self, page: u32) -> bool {
        let bit = 1 << (page % WORD);
        let Some(word) = self.words.get_mut((page / WORD) as usize) else { return false };
        let found = *word & bit != 0;
        *word &= !bit;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(set: &mut PageSet, most: u32, pages: u32) -> Vec<Range<u32>> {
        std::iter::from_fn(|| set.take_run(most, pages)).collect()
    }

    #[test]
    fn runs_are_taken_in_order_and_only_once() {
        let mut set = PageSet::default();
        for page in [200, 1, 2, 63, 64, 65, 130, 5_000] {
            set.insert(page, 4_000);
        }
        assert_eq!(taken(&mut set, 2, 4_000), [1..3, 63..65, 65..66, 130..131, 200..201]);
        set.insert(3, 4_000);
        let mut other = PageSet::default();
        other.insert(700, 4_000);
        set.insert_all(&other);
        assert_eq!(taken(&mut set, 2, 4_000), [3..4, 700..701]);
    }

    #[test]
    fn the_rest_of_a_file_ends_where_the_file_ends() {
        let mut set = PageSet::all();
        set.insert(2, 100);
        let mut copy = PageSet::default();
        copy.insert_all(&set);
        let mut copy = copy.without_rest();
        assert_eq!((copy.take_run(4, 10), copy.take_run(4, 10)), (Some(2..3), None));
        assert_eq!(taken(&mut set, 4, 10), [2..3, 1..5, 5..9, 9..11]);
        assert_eq!(set.take_run(4, 20), None, "the set is empty");
    }
}
