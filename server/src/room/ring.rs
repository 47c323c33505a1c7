//! The ring of a room: its newest frames, encoded, in the order in which members receive them.
//!
//! Frames lie one after the other in [segments](Segment). A [`RingOffset`] counts the bytes appended before a frame, so a
//! reader's cursor is one number, and delivery is a copy of bytes. The first frames of a ring are not copied: their
//! segment shares the payloads. Most rooms are small, and need no more. Entries are for all readers. Signals are not: a
//! reader may be skipped, and a replay leaves them out. A sorted list beside the segments holds their spans. Another one
//! holds the entries that were deleted: their spans stay, with zeros, and readers get another frame in their place.
//!
//! Invariants:
//!
//! - A frame lies within one segment, and every offset that leaves this module is between two frames.
//! - `marks` are the entries whose frames are held. Their seqs are contiguous up to the head.
//! - Frames leave at the front only, a whole segment at a time.
//! - Offsets only grow, also when the ring is replaced by the ring of another log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::{EntryId, Epoch, Position, Seq, UserId};

pub(crate) use super::segment::RingOffset;
use super::segment::{SHARED_BYTES, Segment};
use crate::broker::{Entry, Signal, Skip};
use crate::faults::{self, Fault};
use crate::{framing, small_queue};

/// Bytes of the smallest segment of encoded frames. Each segment doubles the ring, up to [`LARGEST_SEGMENT`].
const SMALLEST_SEGMENT: usize = SHARED_BYTES;
/// Large enough that most copies are from one segment, small enough to be trimmed soon.
const LARGEST_SEGMENT: usize = 64 * 1024;

/// The newest frames of a room, and the head of its log.
pub(crate) struct RoomRing {
    segments: VecDeque<Segment>,
    /// Offset of the next frame.
    end: RingOffset,
    head: Position,
    marks: VecDeque<EntryMark>,
    signals: VecDeque<SignalSpan>,
    /// Sorted by their starts.
    replaced: VecDeque<ReplacedSpan>,
    /// Bytes of the segments, and bytes of replacement frames.
    bytes: usize,
    /// Number of signals that have been trimmed.
    trimmed_signals: u64,
    /// The offset of the first frame that the ring has had. Offsets before it belong to a discarded ring.
    began: RingOffset,
    /// Offset at which the log was last replaced. Readers before it continue there.
    reset_at: Option<RingOffset>,
}

/// An entry whose frame is in the ring.
struct EntryMark {
    id: EntryId,
    /// End of its frame.
    end: RingOffset,
}

/// A signal in the ring.
struct SignalSpan {
    start: RingOffset,
    end: RingOffset,
    skip: Skip,
    presence_version: u64,
}

/// An entry that was deleted.
struct ReplacedSpan {
    start: RingOffset,
    end: RingOffset,
    /// The frame that readers get instead.
    frame: Vec<u8>,
}

/// The state of the room at the join of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The end of the ring. A reader receives no signals from before it.
    pub(crate) offset: RingOffset,
    /// The presence version of the answer to the join; see [`Signal::presence_version`].
    pub(crate) presence_version: u64,
}

/// The properties of a reader by which signals are skipped.
pub(crate) struct Reader<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) arrival: Arrival,
}

/// The outcome of an append to the ring.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RingAppend {
    /// The entry was the next one.
    Appended,
    /// The entry is in the log already.
    Duplicate,
    /// The entry does not follow: entries are missing before it, or another entry has its seq.
    Rejected,
}

/// The identity of the log of a ring. While a room is open, each of its logs has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogIdentity {
    began: RingOffset,
    reset_at: Option<RingOffset>,
}

/// The frames of a ring that a reader has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The newest entry; the head of the log if the ring has had none.
    pub(crate) entry: Seq,
    /// Number of signals, with all those from before the arrival, which the reader does not receive.
    pub(crate) signals: u64,
}

/// The ring no longer holds the reader's offset.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overtaken;

impl RoomRing {
    /// An empty ring of a log with this head.
    #[cfg(test)]
    pub(crate) fn new(head: Position) -> Self {
        Self::starting_at(head, 0)
    }

    /// An empty ring of a log with this head. Its first frame gets the offset `end`.
    pub(crate) fn starting_at(head: Position, end: RingOffset) -> Self {
        Self {
            segments: VecDeque::new(),
            end,
            head,
            marks: VecDeque::new(),
            signals: VecDeque::new(),
            replaced: VecDeque::new(),
            bytes: 0,
            trimmed_signals: 0,
            began: end,
            reset_at: None,
        }
    }

    /// The position of the newest entry.
    pub(crate) fn head(&self) -> &Position {
        &self.head
    }

    pub(crate) fn log(&self) -> LogIdentity {
        LogIdentity { began: self.began, reset_at: self.reset_at }
    }

    /// The offset of the next frame.
    pub(crate) fn end(&self) -> RingOffset {
        self.end
    }

    /// Bytes that the segments occupy.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the frame of an entry, if it is the next one of the log.
    pub(crate) fn append(&mut self, epoch: &Epoch, entry: &Entry, now: Instant) -> RingAppend {
        let head = self.head.seq();
        let same_log = self.head.epoch().is_none_or(|own| own == epoch);
        if !same_log || (entry.seq > head.next() && !faults::breaks(Fault::NoGapFill)) {
            return RingAppend::Rejected;
        }
        if entry.seq <= head {
            let other = self.id_at(entry.seq).is_some_and(|id| id != entry.id);
            return if other { RingAppend::Rejected } else { RingAppend::Duplicate };
        }
        self.push(&entry.json, now);
        small_queue::push(&mut self.marks, EntryMark { id: entry.id, end: self.end });
        self.head = Position::At { epoch: epoch.clone(), seq: entry.seq, id: entry.id };
        RingAppend::Appended
    }

    /// Gives an entry another frame, if the ring has it. No offset moves: the old bytes become zeros.
    pub(crate) fn replace(&mut self, entry: &Entry) {
        let Some(index) = entry.seq.checked_since(self.first()).and_then(|index| usize::try_from(index).ok())
        else {
            return;
        };
        let Some(&EntryMark { id, end }) = self.marks.get(index) else { return };
        if id != entry.id {
            return;
        }
        // The entry lies after the frame before it, which is an entry or a signal.
        let before = index.checked_sub(1).map_or(self.start(), |before| self.marks[before].end);
        let signal = self.signals.partition_point(|signal| signal.end <= end);
        let signal = signal.checked_sub(1).map_or(0, |signal| self.signals[signal].end);
        let start = before.max(signal).max(self.start());
        let segment = self.segments.partition_point(|segment| segment.start <= start).saturating_sub(1);
        self.segments[segment].erase(start, end);
        let mut frame = Vec::new();
        framing::text(&mut frame, &entry.json);
        self.bytes += frame.len();
        let replacement = ReplacedSpan { start, end, frame };
        match self.replaced.binary_search_by_key(&start, |replaced| replaced.start) {
            Ok(known) => {
                self.bytes -= self.replaced[known].frame.len();
                self.replaced[known] = replacement;
            }
            Err(place) => self.replaced.insert(place, replacement),
        }
    }

    /// Returns true if the memory of the ring has these bytes.
    #[cfg(test)]
    pub(crate) fn has_bytes(&self, bytes: &[u8]) -> bool {
        let is_in = |frames: &[u8]| frames.windows(bytes.len()).any(|window| window == bytes);
        let in_segment = |segment: &Segment| {
            let mut frames = Vec::new();
            segment.copy(segment.start, segment.end(), &mut frames);
            is_in(&frames)
        };
        self.segments.iter().any(in_segment) || self.replaced.iter().any(|replaced| is_in(&replaced.frame))
    }

    /// Appends the frame of a signal.
    pub(crate) fn signal(&mut self, signal: &Signal, now: Instant) {
        let start = self.end;
        self.push(&signal.json, now);
        let (skip, presence_version) = (signal.skip.clone(), signal.presence_version);
        small_queue::push(&mut self.signals, SignalSpan { start, end: self.end, skip, presence_version });
    }

    /// Replaces the log by another one with this head. Its first frame is `notice`. Offsets continue.
    pub(crate) fn reset(&mut self, head: Position, notice: &Signal, now: Instant) {
        *self = Self { reset_at: Some(self.end), ..Self::starting_at(head, self.end) };
        self.signal(notice, now);
    }

    /// The offset at which a reader at `offset` has to continue, if the log was replaced after that.
    pub(crate) fn reset_since(&self, offset: RingOffset) -> Option<RingOffset> {
        self.reset_at.filter(|reset| offset <= *reset)
    }

    fn push(&mut self, json: &Arc<str>, now: Instant) {
        let len = framing::framed_len(json.len());
        let Self { segments, end, bytes, .. } = self;
        if segments.back().is_none_or(|last| !last.fits(len)) {
            let segment = if segments.is_empty() {
                Segment::shared(*end, now)
            } else {
                let size = (*bytes).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT).max(len);
                Segment::encoded(*end, size, now)
            };
            *bytes += segment.bytes();
            small_queue::push(segments, segment);
        }
        let last = segments.back_mut().expect("a segment that fits the frame");
        let before = last.bytes();
        last.push(json, now);
        *bytes += last.bytes() - before;
        *end += len as u64;
    }

    /// Drops the oldest segments while the ring has more than `bytes`, except the newest one. Also drops segments
    /// whose last append was more than `keep` ago.
    pub(crate) fn trim(&mut self, bytes: usize, keep: Duration, now: Instant) {
        while let Some(first) = self.segments.front() {
            let old = now.saturating_duration_since(first.touched) > keep;
            let beyond = self.bytes > bytes && self.segments.len() > 1;
            if !old && !beyond {
                break;
            }
            self.bytes -= first.bytes();
            self.segments.pop_front();
        }
        let start = self.start();
        while self.marks.front().is_some_and(|mark| mark.end <= start) {
            self.marks.pop_front();
        }
        while self.signals.front().is_some_and(|signal| signal.end <= start) {
            self.signals.pop_front();
            self.trimmed_signals += 1;
        }
        while let Some(replaced) = self.replaced.front().filter(|replaced| replaced.end <= start) {
            self.bytes -= replaced.frame.len();
            self.replaced.pop_front();
        }
        if self.segments.is_empty() {
            self.segments.shrink_to_fit();
            self.marks.shrink_to_fit();
            self.signals.shrink_to_fit();
            self.replaced.shrink_to_fit();
        }
    }

    /// The offset of the oldest frame.
    fn start(&self) -> RingOffset {
        self.segments.front().map_or(self.end, |first| first.start)
    }

    /// The seq of the oldest entry in the ring; of the next entry if there is none.
    fn first(&self) -> Seq {
        self.head.seq().next().back(self.marks.len() as u64)
    }

    fn mark(&self, seq: Seq) -> Option<&EntryMark> {
        let index = seq.checked_since(self.first())?;
        self.marks.get(usize::try_from(index).ok()?)
    }

    /// The id of an entry that is in the ring, or is the head.
    pub(crate) fn id_at(&self, seq: Seq) -> Option<EntryId> {
        match &self.head {
            Position::At { seq: head, id, .. } if *head == seq => Some(*id),
            _ => self.mark(seq).map(|mark| mark.id),
        }
    }

    /// The offset of the first frame after the entry `seq`; `None` if the ring does not hold that frame.
    pub(crate) fn offset_after(&self, seq: Seq) -> Option<RingOffset> {
        match self.mark(seq) {
            Some(mark) => Some(mark.end),
            // The ring begins after that entry, perhaps with signals that followed it.
            None if seq.next() == self.first() => Some(self.start()),
            None => None,
        }
    }

    /// Returns true if the offset belongs to a ring that was discarded.
    pub(crate) fn is_foreign(&self, offset: RingOffset) -> bool {
        offset < self.began
    }

    /// The frames that a reader has passed at an offset that the ring holds.
    pub(crate) fn passed(&self, offset: RingOffset, arrival: &Arrival) -> Passed {
        let signals = self.signals_before(offset.max(arrival.offset));
        Passed { entry: self.entry_before(offset), signals }
    }

    /// The newest entry before an offset that the ring holds.
    pub(crate) fn entry_before(&self, offset: RingOffset) -> Seq {
        self.head.seq().back(self.entries_after(offset) as u64)
    }

    /// The number of signals before an offset. Exact if the ring holds the offset.
    pub(crate) fn signals_before(&self, offset: RingOffset) -> u64 {
        self.trimmed_signals + self.signals.partition_point(|signal| signal.start < offset) as u64
    }

    /// Returns true if no frame after the offset has been trimmed.
    pub(crate) fn holds(&self, offset: RingOffset) -> bool {
        offset >= self.start()
    }

    /// Copies the reader's frames from `from` up to `until`, whole ones only, until `out` has at least `limit` bytes.
    /// Returns the offset at which to continue.
    pub(crate) fn copy(
        &self,
        from: RingOffset,
        until: RingOffset,
        reader: &Reader<'_>,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<RingOffset, Overtaken> {
        if !self.holds(from) {
            return Err(Overtaken);
        }
        let until = until.min(self.end);
        let mut at = from;
        let mut segment = self.segments.partition_point(|segment| segment.start <= from).saturating_sub(1);
        let mut signal = self.signals.partition_point(|signal| signal.start < from);
        let mut replaced = self.replaced.partition_point(|replaced| replaced.start < from);
        while at < until && out.len() < limit {
            let source = &self.segments[segment];
            let segment_end = source.end();
            if at == segment_end {
                segment += 1;
                continue;
            }
            let deleted = self.replaced.get(replaced);
            if let Some(deleted) = deleted.filter(|deleted| deleted.start == at) {
                replaced += 1;
                out.extend_from_slice(&deleted.frame);
                at = deleted.end;
                continue;
            }
            let until = deleted.map_or(until, |deleted| until.min(deleted.start));
            let next = self.signals.get(signal);
            let stop = match next {
                Some(next) if next.start == at => {
                    signal += 1;
                    if skips(next, reader) {
                        at = next.end;
                        continue;
                    }
                    next.end
                }
                Some(next) => next.start.min(segment_end).min(until),
                None => segment_end.min(until),
            };
            let stop = self.cut(at, stop, limit - out.len());
            source.copy(at, stop, out);
            at = stop;
        }
        Ok(at)
    }

    /// The number of entries between two offsets; 0 if `to` is before `from`. Fast near the end, where most readers
    /// are.
    pub(crate) fn entries_between(&self, from: RingOffset, to: RingOffset) -> u64 {
        self.entries_after(from).saturating_sub(self.entries_after(to)) as u64
    }

    /// The number of entries after an offset, by galloping search from the end.
    fn entries_after(&self, offset: RingOffset) -> usize {
        let all = self.marks.len();
        let is_after = |index: usize| self.marks[index].end > offset;
        let mut back = 1;
        while back <= all && is_after(all - back) {
            back *= 2;
        }
        let (mut low, mut high) = (all.saturating_sub(back), all - back / 2);
        while low < high {
            let middle = low.midpoint(high);
            if is_after(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        all - low
    }

    /// The end of the first frame that fills `space` bytes from `from`; `to` if the frames up to it do not fill them.
    fn cut(&self, from: RingOffset, to: RingOffset, space: usize) -> RingOffset {
        let filled = from.saturating_add(space as u64);
        if to <= filled {
            return to;
        }
        // The range is one signal, or entries only. Their ends are the marks.
        let mark = self.marks.partition_point(|mark| mark.end < filled);
        self.marks.get(mark).map_or(to, |mark| mark.end.clamp(from, to))
    }
}

fn skips(signal: &SignalSpan, reader: &Reader<'_>) -> bool {
    let is_known = signal.presence_version > 0 && signal.presence_version <= reader.arrival.presence_version;
    is_known
        || signal.start < reader.arrival.offset
        || matches!(&signal.skip, Skip::User(user) if user == reader.user)
}
