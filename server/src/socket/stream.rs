//! Stream of one WebSocket with its pending input and output.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame_reader::{Bounds, FrameReader, Incoming, Violation};

/// Limit on the bytes of one read.
const READ_CHUNK: usize = 16 * 1024;
/// Target for the bytes of one write.
const WRITE_CHUNK: usize = 64 * 1024;
/// Bytes of pending output that a peer must accept, within the time limit of the owner, to count as reading.
const PROGRESS_BYTES: usize = 64 * 1024;
/// Capacity up to which a buffer is kept while it is in use.
const KEEP_CAPACITY: usize = 4 * 1024;

thread_local! {
    // Shared scratch buffers: a connection owns a buffer only while something in it is incomplete.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_CHUNK].into());
    static WRITE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(WRITE_CHUNK));
}

/// Result of a read.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Number of bytes read; take them with [`Socket::next_message`].
    Some(usize),
    /// The peer has closed its sending half.
    End,
}

/// Result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// True if the peer reads: it accepted everything, or 64 KiB since the last progress.
    pub progress: bool,
    /// True if everything was written.
    pub all: bool,
}

/// One WebSocket over a stream.
#[derive(Debug)]
pub struct Socket<S> {
    stream: S,
    reader: FrameReader,
    /// Bytes read; those before `taken` are parsed.
    input: Vec<u8>,
    taken: usize,
    /// The input holds no whole frame.
    starved: bool,
    /// Whole frames; the first may be partly written.
    output: Vec<u8>,
    /// The last write left a remainder.
    blocked: bool,
    /// Bytes written since the last progress.
    bytes_since_progress: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Socket after its handshake; `early` was received together with the request.
    pub fn new(stream: S, early: &[u8], bounds: Bounds) -> Self {
        Self {
            stream,
            reader: FrameReader::new(bounds),
            input: early.to_vec(),
            taken: 0,
            starved: early.is_empty(),
            output: Vec::new(),
            blocked: false,
            bytes_since_progress: 0,
        }
    }

    /// True if a frame or a fragmented message is incomplete.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.input.is_empty() || self.reader.in_message()
    }

    /// Reads up to 16 KiB for [`Socket::next_message`].
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Read>> {
        READ.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(Read::End));
            }
            self.input.extend_from_slice(read);
            self.starved = false;
            Poll::Ready(Ok(Read::Some(read.len())))
        })
    }

    /// Next message of the bytes read. `None`: more must be read.
    pub fn next_message(&mut self) -> Option<Result<Incoming, Violation>> {
        loop {
            match self.reader.next(&self.input[self.taken..]) {
                Ok(Some((length, message))) => {
                    self.taken += length;
                    if let Some(message) = message {
                        return Some(Ok(message));
                    }
                }
                Ok(None) => {
                    self.input.drain(..self.taken);
                    self.taken = 0;
                    self.starved = true;
                    shrink(&mut self.input);
                    return None;
                }
                Err(violation) => {
                    (self.input, self.taken) = (Vec::new(), 0);
                    return Some(Err(violation));
                }
            }
        }
    }

    /// Takes the number of thin fragments that were read; see [`FrameReader::take_thin_fragments`].
    pub fn take_thin_fragments(&mut self) -> u32 {
        self.reader.take_thin_fragments()
    }

    /// True if [`Socket::next_message`] may return a message without another read.
    #[must_use]
    pub fn has_input(&self) -> bool {
        !self.starved
    }

    /// Reads and discards, while the connection closes. Ready when the peer has closed its sending half.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (self.input, self.taken) = (Vec::new(), 0);
        READ.with_borrow_mut(|scratch| {
            // Bounded for each turn; the last pending read has registered the waker.
            for _ in 0..16 {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Bytes of pending output.
    #[must_use]
    pub fn pending_output(&self) -> usize {
        self.output.len()
    }

    /// Buffer for frames to be written next.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Writes the pending output. If no remainder was pending, `fill` adds to it, and all goes out in one call. Registers the
    /// waker if a remainder is left.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        fill: impl FnOnce(&mut Vec<u8>, usize),
    ) -> io::Result<Written> {
        if self.blocked || self.output.len() >= WRITE_CHUNK {
            let written = write(&mut self.stream, cx, &self.output)?;
            self.output.drain(..written);
            shrink(&mut self.output);
            return Ok(self.record_write(written));
        }
        WRITE.with_borrow_mut(|scratch| {
            scratch.clear();
            scratch.append(&mut self.output);
            shrink(&mut self.output);
            fill(scratch, WRITE_CHUNK);
            let written = write(&mut self.stream, cx, scratch)?;
            self.output.extend_from_slice(&scratch[written..]);
            Ok(self.record_write(written))
        })
    }

    fn record_write(&mut self, bytes: usize) -> Written {
        self.blocked = !self.output.is_empty();
        self.bytes_since_progress += bytes;
        let progress = !self.blocked || self.bytes_since_progress >= PROGRESS_BYTES;
        if progress {
            self.bytes_since_progress = 0;
        }
        Written { progress, all: !self.blocked }
    }

    /// Closes the sending half.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
impl<S> Socket<S> {
    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Capacity of the buffers that the socket holds, for reading and for writing.
    pub(super) fn buffers(&self) -> (usize, usize) {
        (self.input.capacity(), self.output.capacity())
    }
}

/// Writes as much as the stream accepts now.
fn write<S: AsyncWrite + Unpin>(stream: &mut S, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match Pin::new(&mut *stream).poll_write(cx, &bytes[written..]) {
            Poll::Pending => break,
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => written += count,
            Poll::Ready(Err(error)) => return Err(error),
        }
    }
    Ok(written)
}

fn shrink(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > 0 {
        *buffer = Vec::new();
    } else if buffer.capacity() > KEEP_CAPACITY && buffer.len() < buffer.capacity() / 4 {
        buffer.shrink_to(KEEP_CAPACITY);
    }
}
