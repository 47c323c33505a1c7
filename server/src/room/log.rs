//! The ring: a room's newest frames, encoded, in the order in which members get them.
//!
//! Frames lie one after the other in segments; a [`Place`] is a byte's number since the log began, so a reader's
//! cursor is one number and delivery is a copy. Most frames are for everybody; the few that somebody does not get, or
//! that a replay leaves out, are the **specials**, in a short sorted list beside. Invariants:
//!
//! - a frame lies in one segment; places between frames are the only ones that are handed out;
//! - `marks` are the numbered entries whose frames are still here, contiguous up to the head;
//! - frames leave at the front only, a segment at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use realtime_shared::{EntryId, Epoch, Position, Seq, UserId};

use crate::broker::{Entry, Signal, Skip};
use crate::faults::{self, Fault};
use crate::framing;

/// The first segment's size; each next one is twice as large, up to [`LARGEST_SEGMENT`].
const SMALLEST_SEGMENT: usize = 1024;
/// Large enough that most copies are from one segment, small enough to leave soon.
const LARGEST_SEGMENT: usize = 64 * 1024;

/// Between two frames: how many bytes were appended before.
pub(crate) type Place = u64;

/// A room's newest frames.
pub(crate) struct RoomLog {
    segments: VecDeque<Segment>,
    /// Where the next frame goes.
    end: Place,
    head: Position,
    marks: VecDeque<Mark>,
    specials: VecDeque<Special>,
    bytes: usize,
    /// Where it last became another log: who was before it goes on there.
    reset_at: Option<Place>,
}

struct Segment {
    start: Place,
    frames: Vec<u8>,
    /// When the last frame came.
    touched: Instant,
}

/// A numbered entry.
struct Mark {
    id: EntryId,
    /// Just after its frame.
    end: Place,
}

/// A frame that not everybody gets.
struct Special {
    start: Place,
    end: Place,
    skip: Skip,
    presence_version: u64,
}

/// When a reader came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Where the log ended: specials before that were shown already.
    pub(crate) place: Place,
    /// The presence version at which it joined; see [`Signal::presence_version`].
    pub(crate) presence_version: u64,
}

/// Who reads.
pub(crate) struct Reader<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) arrival: Arrival,
}

/// What an entry is to the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The next one.
    Next,
    /// One that is here already.
    Known,
    /// One that cannot be here: entries are missing before it, or another one has its number.
    Broken,
}

/// The reader's place is not here any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overtaken;

impl RoomLog {
    /// A log whose next entry is the one after `head`.
    #[cfg(test)]
    pub(crate) fn new(head: Position) -> Self {
        Self::starting_at(head, 0)
    }

    /// A log whose next entry is the one after `head`, and whose first frame goes to `end`.
    pub(crate) fn starting_at(head: Position, end: Place) -> Self {
        Self {
            segments: VecDeque::new(),
            end,
            head,
            marks: VecDeque::new(),
            specials: VecDeque::new(),
            bytes: 0,
            reset_at: None,
        }
    }

    /// The newest entry.
    pub(crate) fn head(&self) -> &Position {
        &self.head
    }

    /// Where the next frame goes.
    pub(crate) fn end(&self) -> Place {
        self.end
    }

    /// Bytes that the frames take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends an entry's frame, where it is the next one.
    pub(crate) fn append(&mut self, epoch: &Epoch, entry: &Entry, now: Instant) -> Appended {
        let head = self.head.seq();
        let same_log = self.head.epoch().is_none_or(|ours| ours == epoch);
        if !same_log || (entry.seq > head.next() && !faults::breaks(Fault::NoGapFill)) {
            return Appended::Broken;
        }
        if entry.seq <= head {
            let other = self.id_at(entry.seq).is_some_and(|id| id != entry.id);
            return if other { Appended::Broken } else { Appended::Known };
        }
        self.push(&entry.json, now);
        self.marks.push_back(Mark { id: entry.id, end: self.end });
        self.head = Position::At { epoch: epoch.clone(), seq: entry.seq, id: entry.id };
        Appended::Next
    }

    /// Appends what is shown once and not kept.
    pub(crate) fn signal(&mut self, signal: &Signal, now: Instant) {
        let start = self.end;
        self.push(&signal.json, now);
        self.specials.push_back(Special {
            start,
            end: self.end,
            skip: signal.skip.clone(),
            presence_version: signal.presence_version,
        });
    }

    /// Becomes another log, whose next entry is the one after `head`, and says so first. Places go on.
    pub(crate) fn reset(&mut self, head: Position, said: &Signal, now: Instant) {
        *self = Self { reset_at: Some(self.end), ..Self::starting_at(head, self.end) };
        self.signal(said, now);
    }

    /// Where a reader has to go on that came when the log ended at `place`, if it has become another one since.
    pub(crate) fn reset_since(&self, place: Place) -> Option<Place> {
        self.reset_at.filter(|reset| place <= *reset)
    }

    fn push(&mut self, json: &str, now: Instant) {
        let len = framing::framed_len(json.len());
        let fits = self.segments.back().is_some_and(|last| last.frames.capacity() - last.frames.len() >= len);
        if !fits {
            let last = self.segments.back().map_or(0, |last| last.frames.capacity());
            let size = (last * 2).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT).max(len);
            let frames = Vec::with_capacity(size);
            self.bytes += frames.capacity();
            self.segments.push_back(Segment { start: self.end, frames, touched: now });
        }
        let last = self.segments.back_mut().expect("one that fits is there");
        framing::text(&mut last.frames, json);
        last.touched = now;
        self.end += len as u64;
    }

    /// Drops the oldest segments while there are more than `bytes`, and those whose frames all came more than `keep`
    /// ago.
    pub(crate) fn trim(&mut self, bytes: usize, keep: Duration, now: Instant) {
        while let Some(first) = self.segments.front() {
            let old = now.saturating_duration_since(first.touched) > keep;
            let beyond = self.bytes > bytes && self.segments.len() > 1;
            if !old && !beyond {
                break;
            }
            self.bytes -= first.frames.capacity();
            self.segments.pop_front();
        }
        let start = self.start();
        while self.marks.front().is_some_and(|mark| mark.end <= start) {
            self.marks.pop_front();
        }
        while self.specials.front().is_some_and(|special| special.end <= start) {
            self.specials.pop_front();
        }
        if self.segments.is_empty() {
            self.segments.shrink_to_fit();
            self.marks.shrink_to_fit();
            self.specials.shrink_to_fit();
        }
    }

    fn start(&self) -> Place {
        self.segments.front().map_or(self.end, |first| first.start)
    }

    /// The number of the oldest entry that is here, or of the next one where none is.
    fn first(&self) -> Seq {
        self.head.seq().next().back(self.marks.len() as u64)
    }

    fn mark(&self, seq: Seq) -> Option<&Mark> {
        let index = seq.checked_since(self.first())?;
        self.marks.get(usize::try_from(index).ok()?)
    }

    /// The id of an entry, where the log still knows it.
    pub(crate) fn id_at(&self, seq: Seq) -> Option<EntryId> {
        match &self.head {
            Position::At { seq: head, id, .. } if *head == seq => Some(*id),
            _ => self.mark(seq).map(|mark| mark.id),
        }
    }

    /// Where a reader goes on that has seen everything up to `seq`; `None` where what follows is not here any more.
    pub(crate) fn place_after(&self, seq: Seq) -> Option<Place> {
        match self.mark(seq) {
            Some(mark) => Some(mark.end),
            // What is left begins after that entry, with specials that came after it.
            None if seq.next() == self.first() => Some(self.start()),
            None => None,
        }
    }

    /// Whether a place is still here.
    pub(crate) fn holds(&self, place: Place) -> bool {
        place >= self.start()
    }

    /// Copies what the reader gets from `from` on, up to `until`, as whole frames: stops when `out` has `limit` bytes
    /// or more. Returns where to go on.
    pub(crate) fn copy(
        &self,
        from: Place,
        until: Place,
        reader: &Reader<'_>,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Place, Overtaken> {
        if !self.holds(from) {
            return Err(Overtaken);
        }
        let until = until.min(self.end);
        let mut at = from;
        let mut segment = self.segments.partition_point(|segment| segment.start <= from).saturating_sub(1);
        let mut special = self.specials.partition_point(|special| special.start < from);
        while at < until && out.len() < limit {
            let source = &self.segments[segment];
            let segment_end = source.start + source.frames.len() as u64;
            if at == segment_end {
                segment += 1;
                continue;
            }
            let next = self.specials.get(special);
            let stop = match next {
                Some(next) if next.start == at => {
                    special += 1;
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
            out.extend_from_slice(&source.frames[offset(at, source)..offset(stop, source)]);
            at = stop;
        }
        Ok(at)
    }

    /// How many entries lie between two places; none where `to` is before `from`. Quick near the end, where readers are.
    pub(crate) fn entries_between(&self, from: Place, to: Place) -> u64 {
        self.entries_after(from).saturating_sub(self.entries_after(to)) as u64
    }

    /// How many entries lie after a place: looks back from the end, twice as far each time, and closer then.
    fn entries_after(&self, place: Place) -> usize {
        let all = self.marks.len();
        let is_after = |index: usize| self.marks[index].end > place;
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

    /// The end of the last frame between `from` and `to` with which about `room` bytes are filled, or `to`.
    fn cut(&self, from: Place, to: Place, room: usize) -> Place {
        let most = from.saturating_add(room as u64);
        if to <= most {
            return to;
        }
        // Between specials all frames are numbered entries: their ends are the marks'.
        let mark = self.marks.partition_point(|mark| mark.end < most);
        self.marks.get(mark).map_or(to, |mark| mark.end.clamp(from, to))
    }
}

fn offset(place: Place, segment: &Segment) -> usize {
    usize::try_from(place - segment.start).expect("a place within its segment")
}

fn skips(special: &Special, reader: &Reader<'_>) -> bool {
    let is_known =
        special.presence_version > 0 && special.presence_version <= reader.arrival.presence_version;
    is_known
        || special.start < reader.arrival.place
        || matches!(&special.skip, Skip::User(user) if user == reader.user)
}
