//! Segments of a ring: frames that lie one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::{framing, small_queue};

/// A point between two frames: the bytes that were appended to the ring before it.
pub(crate) type RingOffset = u64;

/// Bytes of a segment with shared payloads.
pub(super) const SHARED_BYTES: usize = 4 * 1024;

/// A part of a ring.
pub(super) struct Segment {
    pub(super) start: RingOffset,
    frames: Frames,
    /// Time of the last append.
    pub(super) touched: Instant,
}

enum Frames {
    /// Payloads of frames, and the bytes of the frames. The memory engine has the same payloads in its log, so a small
    /// room needs each of them once.
    Shared { payloads: VecDeque<Arc<str>>, bytes: usize },
    /// Encoded frames. One copy delivers many of them.
    Encoded(Vec<u8>),
}

impl Segment {
    /// An empty segment with shared payloads.
    pub(super) fn shared(start: RingOffset, now: Instant) -> Self {
        let frames = Frames::Shared { payloads: VecDeque::new(), bytes: 0 };
        Self { start, frames, touched: now }
    }

    /// An empty segment for encoded frames of this many bytes.
    pub(super) fn encoded(start: RingOffset, capacity: usize, now: Instant) -> Self {
        Self { start, frames: Frames::Encoded(Vec::with_capacity(capacity)), touched: now }
    }

    /// The end of its frames.
    pub(super) fn end(&self) -> RingOffset {
        let bytes = match &self.frames {
            Frames::Shared { bytes, .. } => *bytes,
            Frames::Encoded(frames) => frames.len(),
        };
        self.start + bytes as u64
    }

    /// Bytes that it occupies. Shared payloads count here, although others may have them too.
    pub(super) fn bytes(&self) -> usize {
        match &self.frames {
            Frames::Shared { bytes, .. } => *bytes,
            Frames::Encoded(frames) => frames.capacity(),
        }
    }

    /// Returns true if a frame of `len` bytes fits. A frame of any length fits into an empty segment with shared payloads.
    pub(super) fn fits(&self, len: usize) -> bool {
        match &self.frames {
            Frames::Shared { bytes, .. } => *bytes == 0 || bytes + len <= SHARED_BYTES,
            Frames::Encoded(frames) => frames.capacity() - frames.len() >= len,
        }
    }

    /// Appends a frame, which fits.
    pub(super) fn push(&mut self, payload: &Arc<str>, now: Instant) {
        self.touched = now;
        match &mut self.frames {
            Frames::Shared { payloads, bytes } => {
                small_queue::push(payloads, payload.clone());
                *bytes += framing::framed_len(payload.len());
            }
            Frames::Encoded(frames) => framing::text(frames, payload),
        }
    }

    /// Copies the frames between two offsets that are between frames.
    pub(super) fn copy(&self, from: RingOffset, to: RingOffset, out: &mut Vec<u8>) {
        match &self.frames {
            Frames::Shared { payloads, .. } => {
                // Most readers are near the end.
                let (mut first, mut start) = (payloads.len(), self.end());
                while start > from {
                    first -= 1;
                    start -= framing::framed_len(payloads[first].len()) as u64;
                }
                let mut at = from;
                for payload in payloads.range(first..) {
                    if at >= to {
                        break;
                    }
                    framing::text(out, payload);
                    at += framing::framed_len(payload.len()) as u64;
                }
            }
            Frames::Encoded(frames) => out.extend_from_slice(&frames[self.index(from)..self.index(to)]),
        }
    }

    /// Replaces the bytes of a frame by zeros. Its length stays.
    pub(super) fn erase(&mut self, from: RingOffset, to: RingOffset) {
        let (first, last) = (self.index(from), self.index(to));
        match &mut self.frames {
            Frames::Shared { payloads, .. } => {
                let mut start = 0;
                for payload in payloads {
                    if start == first {
                        *payload = "\0".repeat(payload.len()).into();
                        return;
                    }
                    start += framing::framed_len(payload.len());
                }
            }
            Frames::Encoded(frames) => frames[first..last].fill(0),
        }
    }

    /// The index of an offset in the bytes of the frames.
    fn index(&self, offset: RingOffset) -> usize {
        usize::try_from(offset - self.start).expect("an offset within its segment")
    }
}
