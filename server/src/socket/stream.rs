//! One WebSocket's stream, the bytes that have come and are no frame yet, and those that are on their way out.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::reader::{Bounds, Incoming, Reader, Violation};

/// Read at once.
const READ_CHUNK: usize = 16 * 1024;
/// Written at once.
const CHUNK: usize = 64 * 1024;
/// What a peer has to take of what waits for it, within the time that its owner gives it.
const FAIR: usize = 16 * 1024;
/// A buffer that grew beyond this is given back when it is empty.
const KEEP: usize = 4 * 1024;

thread_local! {
    // A connection owns a buffer only while something in it is incomplete.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_CHUNK].into());
    static WRITE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(CHUNK));
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// As many bytes, which are to be taken as messages.
    Some(usize),
    /// The peer will send no more.
    End,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Whether the peer takes what is there for it: all of it, or 16 KiB since it did last.
    pub progress: bool,
    /// Whether all of it went out.
    pub all: bool,
}

/// One WebSocket over a stream.
#[derive(Debug)]
pub struct Socket<S> {
    stream: S,
    reader: Reader,
    /// What has come; before `taken` it has been taken as messages.
    input: Vec<u8>,
    taken: usize,
    /// There is no whole frame in the input.
    starved: bool,
    /// Whole frames, the first of them maybe partly written.
    output: Vec<u8>,
    /// The last write left something.
    blocked: bool,
    /// Bytes that went out since the last progress.
    taken_by_peer: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// A socket after its handshake; `early` came together with the request.
    pub fn new(stream: S, early: &[u8], bounds: Bounds) -> Self {
        Self {
            stream,
            reader: Reader::new(bounds),
            input: early.to_vec(),
            taken: 0,
            starved: early.is_empty(),
            output: Vec::new(),
            blocked: false,
            taken_by_peer: 0,
        }
    }

    /// Whether a frame or a message has begun, and its rest has not come.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.input.is_empty() || self.reader.in_message()
    }

    /// Reads what there is, up to 16 KiB, for [`Socket::next_message`].
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

    /// The next message of what has been read. `None`: more has to be read.
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
                    give_back(&mut self.input);
                    return None;
                }
                Err(violation) => {
                    (self.input, self.taken) = (Vec::new(), 0);
                    return Some(Err(violation));
                }
            }
        }
    }

    /// Whether [`Socket::next_message`] may have a message without another read.
    #[must_use]
    pub fn has_input(&self) -> bool {
        !self.starved
    }

    /// Reads and throws away: for a peer that is being closed. Ready when it will send no more.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (self.input, self.taken) = (Vec::new(), 0);
        READ.with_borrow_mut(|scratch| {
            // Bounded for each turn; the waker was registered by the last read that was pending.
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

    /// Bytes that are on their way out.
    #[must_use]
    pub fn pending_output(&self) -> usize {
        self.output.len()
    }

    /// Where frames are put that go out next.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Writes what is on its way out and, where nothing of it was held up before, what `fill` adds to it, in one call.
    /// What does not go out stays on its way; the waker is then registered.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        fill: impl FnOnce(&mut Vec<u8>, usize),
    ) -> io::Result<Written> {
        if self.blocked || self.output.len() >= CHUNK {
            let written = write(&mut self.stream, cx, &self.output)?;
            self.output.drain(..written);
            give_back(&mut self.output);
            return Ok(self.wrote(written));
        }
        WRITE.with_borrow_mut(|scratch| {
            scratch.clear();
            scratch.append(&mut self.output);
            give_back(&mut self.output);
            fill(scratch, CHUNK);
            let written = write(&mut self.stream, cx, scratch)?;
            self.output.extend_from_slice(&scratch[written..]);
            Ok(self.wrote(written))
        })
    }

    fn wrote(&mut self, bytes: usize) -> Written {
        self.blocked = !self.output.is_empty();
        self.taken_by_peer += bytes;
        let progress = !self.blocked || self.taken_by_peer >= FAIR;
        if progress {
            self.taken_by_peer = 0;
        }
        Written { progress, all: !self.blocked }
    }

    /// Ends the sending half.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
impl<S> Socket<S> {
    /// Bytes that the socket holds on to, for reading and for writing.
    pub(super) fn buffers(&self) -> (usize, usize) {
        (self.input.capacity(), self.output.capacity())
    }
}

/// Writes as much as goes out now.
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

fn give_back(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > 0 {
        *buffer = Vec::new();
    } else if buffer.capacity() > KEEP && buffer.len() < buffer.capacity() / 4 {
        buffer.shrink_to(KEEP);
    }
}
