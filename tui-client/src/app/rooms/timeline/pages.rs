//! Pages of history: adding a page, choosing the next one, and updating the gaps.

use realtime_shared::{Seq, Timestamp};

use super::item::{Body, ItemKey, LogRow, ShownMessage, Top};
use super::storage::{HELD, Timeline};

/// Entries of the largest page that a server sends. A page is requested only if it fits.
const PAGE: usize = 200;
/// Memory of the largest page, in bytes: 4,000 characters of four bytes in each entry.
const PAGE_BYTES: usize = PAGE * 16_000;
/// Rows between the top of the view and a missing page at which the page is requested.
const NEAR: usize = 30;

/// An entry of a page of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedEntry {
    pub seq: Seq,
    /// The row of the entry; `None` for an entry of an unknown kind.
    pub row: Option<(Timestamp, ShownMessage)>,
}

impl Timeline {
    /// Returns true if another page does not fit, so that no older one is loaded.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows.len() + PAGE > HELD || self.bytes() + PAGE_BYTES > self.bound.0
    }

    /// Holds the seq of a new entry that has no row.
    pub fn hold(&mut self, seq: Seq) {
        self.held.add(seq.get(), seq.get());
        let next = self.row_from(seq);
        if self.rows.range(..next).any(LogRow::is_entry) {
            self.update_gap(next, true);
        } else if seq == Seq::new(1) {
            self.top = Top::Beginning;
        }
    }

    /// Adds a page of history: the entries before `before`, or the newest ones if it is `None`. `has_more` means that
    /// older entries can be loaded. An empty page with `has_more` changes nothing.
    pub fn add_page(&mut self, before: Option<Seq>, page: Vec<LoadedEntry>, has_more: bool) {
        let (Some(first), Some(last)) =
            (page.iter().map(|entry| entry.seq).min(), page.iter().map(|entry| entry.seq).max())
        else {
            if !has_more {
                self.add_empty_page(before);
            }
            return;
        };
        if self.top == Top::Unknown {
            self.move_early_notes(last);
        }
        // A page has no holes, and no entry lies between it and `before`.
        let up_to = before.map_or(last.get(), |before| last.get().max(before.get().saturating_sub(1)));
        self.held.add(first.get(), up_to);
        let mut rows = Vec::new();
        for LoadedEntry { seq, row } in page {
            if let Some((ts, message)) = row {
                self.insert(seq, ts, message);
                rows.push(seq);
            }
        }
        let oldest = self.row_from(first);
        let oldest_seq = self.rows.get(oldest).map(|row| row.key.seq);
        self.update_gap(oldest, has_more);
        for seq in rows.into_iter().filter(|seq| Some(seq.get()) != oldest_seq) {
            self.update_gap(self.row_from(seq), true);
        }
        let next = self.row_from(Seq::new(up_to).next());
        if next != self.row_from(first) {
            self.update_gap(next, true);
        }
        self.trim();
    }

    /// Adds an empty page: no entry exists before `before`, or none at all.
    fn add_empty_page(&mut self, before: Option<Seq>) {
        match before {
            Some(before) if self.held.run_start(before.get()).is_some() => {
                self.update_gap(self.row_from(before), false);
            }
            Some(before) if self.top == Top::Unknown => self.top = start(before.get()),
            None if self.held.last().is_none() => self.top = Top::Beginning,
            Some(_) | None => {}
        }
    }

    /// Returns the first seq of the run of held seqs that contains `seq`; `seq` itself if it is not held.
    #[must_use]
    pub fn held_from(&self, seq: Seq) -> Seq {
        Seq::new(self.held.run_start(seq.get()).unwrap_or(seq.get()))
    }

    /// Returns the first seq of the run of held seqs that ends before `seq`; `seq` itself if the entry before it is not
    /// held.
    #[must_use]
    pub fn held_before(&self, seq: Seq) -> Seq {
        let before = seq.get().saturating_sub(1);
        self.held.run_start(before).filter(|_| before > 0).map_or(seq, Seq::new)
    }

    /// Returns the seq before which a page is missing, if the top of the view is close below that place.
    #[must_use]
    pub fn wanted_near(&self, top: ItemKey) -> Option<Seq> {
        let end = self.index_of(top).min(self.rows.len());
        let from = end.saturating_sub(NEAR);
        match self.lowest_gap(from, end) {
            _ if self.is_full() => None,
            Some(gap) => self.missing_before(gap),
            None if from == 0 && self.top == Top::Older => self.missing_before(0),
            None => None,
        }
    }

    /// Returns the seq before which a page is missing, if that place is among the items from `first` to `last`.
    #[must_use]
    pub fn wanted_in(&self, (first, last): (ItemKey, ItemKey)) -> Option<Seq> {
        let end = (self.index_of(last) + 1).min(self.rows.len());
        let gap = self.lowest_gap(self.index_of(first).min(end), end).filter(|_| !self.is_full())?;
        self.missing_before(gap)
    }

    /// Returns the seq before which a page is missing: the newest place above `key`.
    #[must_use]
    pub fn wanted_before(&self, key: ItemKey) -> Option<Seq> {
        match self.lowest_gap(0, self.index_of(key).min(self.rows.len())) {
            _ if self.is_full() => None,
            Some(gap) => self.missing_before(gap),
            None if self.top == Top::Older => self.missing_before(0),
            None => None,
        }
    }

    fn lowest_gap(&self, from: usize, end: usize) -> Option<usize> {
        let gap = self.rows.range(from..end).rposition(|row| row.body == Body::Gap)?;
        Some(from + gap)
    }

    /// Returns the index of the gap that a page before `seq` fills.
    #[must_use]
    pub fn gap_before(&self, seq: Seq) -> Option<usize> {
        let index = self.row_from(seq);
        let mut between = (0..index).rev().map(|at| (at, &self.rows[at]));
        between
            .find(|(_, row)| row.is_entry() || row.body == Body::Gap)
            .filter(|(_, row)| row.body == Body::Gap)
            .map(|(at, _)| at)
    }

    /// Returns the seq before which a page is missing: above the first entry from `index` on, or above the end.
    fn missing_before(&self, index: usize) -> Option<Seq> {
        let entry = self.rows.range(index..).find(|row| row.is_entry());
        let seq = entry.map(|row| row.key.seq).or_else(|| self.held.last())?;
        Some(self.held_from(Seq::new(seq)))
    }

    /// Returns the index of the first row of an entry from `seq` on, or the end.
    fn row_from(&self, seq: Seq) -> usize {
        let from = self.rows.partition_point(|row| row.key < ItemKey::message(seq));
        let entry = self.rows.range(from..).position(LogRow::is_entry);
        entry.map_or(self.rows.len(), |at| from + at)
    }

    /// Moves the notes from before the first page behind that page and before the messages that arrived since.
    fn move_early_notes(&mut self, last: Seq) {
        let early = self.rows.partition_point(|row| row.key.seq == 0);
        self.rekeyed += u32::from(early > 0);
        let next = self.rows.get(early).map_or(u64::MAX, |row| row.key.seq);
        for row in self.rows.range_mut(..early) {
            row.key.seq = last.get().min(next - 1);
        }
    }

    /// Updates the gaps before and after an entry that was not part of a page. No gap is shown before the first one:
    /// nothing is known of the history there.
    pub(super) fn update_gaps_around(&mut self, index: usize) {
        let mut index = index;
        if self.rows.range(..index).rev().any(LogRow::is_entry) {
            let held = self.rows.len();
            self.update_gap(index, true);
            index = index + self.rows.len() - held;
        }
        let next = self.rows.range(index + 1..).position(LogRow::is_entry);
        self.update_gap(next.map_or(self.rows.len(), |next| index + 1 + next), true);
    }

    /// Updates the gap after the last entry.
    pub(super) fn update_last_gap(&mut self) {
        if self.rows.iter().any(LogRow::is_entry) {
            self.update_gap(self.rows.len(), true);
        }
    }

    /// Updates the gap between the entry at `index` (or the end) and the entry before it. Without an entry before it,
    /// updates the top. `open` means that more can be loaded there.
    fn update_gap(&mut self, index: usize, open: bool) {
        let newest = self.held.last().unwrap_or_default();
        let end = self.rows.get(index).map_or(newest.saturating_add(1), |row| row.key.seq);
        let mut gap = None;
        let mut before = None;
        for (at, row) in self.rows.range(..index).enumerate().rev() {
            if row.is_entry() {
                before = Some(row.key.seq);
                break;
            }
            if row.body == Body::Gap {
                gap = Some(at);
            }
        }
        let is_gap = if let Some(before) = before {
            let (first, last) = (before.saturating_add(1), end.saturating_sub(1));
            if !open {
                self.held.add(first, last);
            }
            !self.held.covers(first, last)
        } else {
            let oldest = self.held.run_start(end.min(newest)).unwrap_or(end);
            self.top = if open && oldest > 1 { Top::Older } else { start(oldest) };
            false
        };
        match gap {
            Some(at) if !is_gap => {
                self.rows.remove(at);
            }
            None if is_gap => {
                let LogRow { key, ts, .. } = &self.rows[index - 1];
                let ts = self.rows.get(index).map_or(*ts, |row| row.ts);
                let gap = LogRow { key: key.next(), ts, body: Body::Gap };
                self.rows.insert(index, gap);
            }
            Some(_) | None => {}
        }
    }
}

/// The state of the history before the entry `seq`, if no older entry can be loaded.
const fn start(seq: u64) -> Top {
    if seq > 1 { Top::Gone } else { Top::Beginning }
}
