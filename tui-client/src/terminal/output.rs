//! Output to the terminal, written by a thread of its own.
//!
//! A terminal may stop to read: a stopped ssh, a multiplexer that hangs. A write then blocks, also with `O_NONBLOCK` on
//! Linux when the terminal's lock is taken, and that flag would change the shell's descriptor as well. So only the thread
//! writes. [`Output::send`] never waits. The caller sends a frame when the last one [is written](Output::is_written), so
//! at most one frame waits, and the next one is the newest.
//!
//! [`Output::finish`] waits, for a bounded time. If the terminal does not read by then, it drops what is unwritten and
//! makes room in the terminal's queue.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, mem};

use rustix::io::Errno;
use rustix::termios::{Action, QueueSelector, tcflow, tcflush};
use tokio::sync::Notify;

/// Most bytes of a write, less than the queue of a terminal holds. So dropping the queue lets a blocked write return.
const CHUNK: usize = 4_096;
/// Buffers that are larger are freed after use.
const KEPT: usize = 64 * 1_024;
/// Pause between two attempts if the descriptor was set to `O_NONBLOCK` by another program. A full pseudo-terminal of
/// Linux reports that it can be written to, so the thread cannot wait for an event.
const RETRY: Duration = Duration::from_millis(10);
/// Stack of the thread, which calls nothing deep.
const STACK: usize = 64 * 1_024;
/// Ends a control sequence that was cut off.
const CANCEL: u8 = 0x18;

/// Output to a terminal.
#[derive(Debug)]
pub struct Output {
    terminal: OwnedFd,
    state: Mutex<State>,
    /// Bytes wait, and the thread sleeps.
    filled: Condvar,
    /// All is written, and somebody waits for it.
    emptied: Condvar,
    /// All is written.
    written: Notify,
    /// The bytes that are being written are to be dropped.
    drops: AtomicBool,
    /// The terminal did not read in time when it was to be restored.
    gave_up: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that are not written yet, without those of the running write.
    pending: Vec<u8>,
    /// Bytes of the running write.
    writing: usize,
    /// Failure of a write. Later bytes are dropped.
    failure: Option<Errno>,
    /// The thread waits for bytes. To wake a condition costs a system call, also if nobody waits.
    is_asleep: bool,
    /// Calls that wait until all is written.
    waiting: usize,
}

/// Output on standard output. Its thread starts with the first call.
///
/// # Errors
///
/// The thread cannot be started.
pub fn output() -> io::Result<&'static Output> {
    static OUTPUT: OnceLock<Arc<Output>> = OnceLock::new();
    if let Some(output) = OUTPUT.get() {
        return Ok(output);
    }
    let started = Output::start(io::stdout().as_fd().try_clone_to_owned()?)?;
    Ok(OUTPUT.get_or_init(|| started))
}

impl Output {
    /// Starts the thread that writes to `terminal`.
    fn start(terminal: OwnedFd) -> io::Result<Arc<Self>> {
        let output = Arc::new(Self {
            terminal,
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            written: Notify::new(),
            drops: AtomicBool::new(false),
            gave_up: AtomicBool::new(false),
        });
        let writing = Arc::clone(&output);
        thread::Builder::new().name("output".to_owned()).stack_size(STACK).spawn(move || writing.run())?;
        Ok(output)
    }

    /// Appends bytes to those that are to be written. Never waits.
    ///
    /// # Errors
    ///
    /// An earlier write failed.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.check()?;
        state.pending.extend_from_slice(bytes);
        let wakes = mem::take(&mut state.is_asleep);
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Appends a notice, unless so many bytes wait already that the terminal evidently does not read.
    ///
    /// # Errors
    ///
    /// An earlier write failed.
    pub fn offer(&self, notice: &[u8]) -> io::Result<()> {
        if self.lock().unwritten() > KEPT { Ok(()) } else { self.send(notice) }
    }

    /// True if all bytes are written, or dropped after a failure.
    pub fn is_written(&self) -> bool {
        self.lock().is_idle()
    }

    /// Waits until all bytes are written.
    pub async fn written(&self) {
        while !self.is_written() {
            self.written.notified().await;
        }
    }

    /// Writes `bytes` after all others and waits until they are written. After `limit` it drops what is unwritten and
    /// tries once more. Returns false if the terminal still does not read.
    pub fn finish(&self, bytes: &[u8], limit: Duration) -> bool {
        if self.send(bytes).is_err() {
            return false;
        }
        if self.wait(limit) {
            return true;
        }
        self.gave_up.store(true, Ordering::SeqCst);
        let mut state = self.lock();
        state.pending.clear();
        // The thread clears the mark after its write.
        self.drops.store(state.writing > 0, Ordering::SeqCst);
        drop(state);
        // Makes room, and wakes a blocked write. It fails if this is no terminal.
        let _ = tcflush(&self.terminal, QueueSelector::OFlush)
            .and_then(|()| tcflow(&self.terminal, Action::OOff))
            .and_then(|()| tcflow(&self.terminal, Action::OOn));
        if !self.wait(limit) {
            return false;
        }
        let again = [&[CANCEL], bytes].concat();
        self.send(&again).is_ok() && self.wait(limit)
    }

    /// True if the terminal did not read in time when it was to be restored.
    pub fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::SeqCst)
    }

    /// Waits until all is written. False after `limit`.
    fn wait(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        while !state.is_idle() {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
            state.waiting += 1;
            state = self.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut bytes = Vec::new();
        loop {
            let mut state = self.lock();
            while state.pending.is_empty() {
                state.is_asleep = true;
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.is_asleep = false;
            mem::swap(&mut bytes, &mut state.pending);
            state.writing = bytes.len();
            drop(state);
            let written = self.write(&bytes);
            bytes.clear();
            bytes.shrink_to(KEPT);
            let mut state = self.lock();
            state.writing = 0;
            self.drops.store(false, Ordering::SeqCst);
            if let Err(errno) = written {
                state.failure = Some(errno);
                state.pending.clear();
            }
            if state.is_idle() {
                if state.waiting > 0 {
                    self.emptied.notify_all();
                }
                self.written.notify_one();
            }
        }
    }

    fn write(&self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() && !self.drops.load(Ordering::SeqCst) {
            match rustix::io::write(&self.terminal, &bytes[..bytes.len().min(CHUNK)]) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => thread::sleep(RETRY),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

impl State {
    const fn is_idle(&self) -> bool {
        self.unwritten() == 0
    }

    /// Bytes that wait, and those of the running write.
    const fn unwritten(&self) -> usize {
        self.pending.len() + self.writing
    }

    fn check(&self) -> io::Result<()> {
        self.failure.map_or(Ok(()), |errno| Err(errno.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);
    const SHORT: Duration = Duration::from_millis(50);

    /// An output to a pipe, and the pipe's end.
    fn piped() -> (Arc<Output>, io::PipeReader) {
        let (reader, writer) = io::pipe().expect("a pipe");
        (Output::start(writer.into()).expect("a thread"), reader)
    }

    /// More bytes than a pipe holds.
    fn much() -> Vec<u8> {
        vec![b'x'; 1_000_000]
    }

    fn read(reader: &mut io::PipeReader, count: usize) -> String {
        let mut bytes = vec![0; count];
        reader.read_exact(&mut bytes).expect("bytes");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn bytes_are_written_in_order() {
        let (output, mut reader) = piped();
        for part in ["one ", "two ", "three"] {
            output.send(part.as_bytes()).expect("sent");
        }
        assert!(output.finish(b".", LONG) && output.is_written() && !output.gave_up());
        assert_eq!(read(&mut reader, 14), "one two three.");
    }

    #[tokio::test]
    async fn a_terminal_that_does_not_read_blocks_no_sender() {
        let (output, mut reader) = piped();
        output.send(&much()).expect("sent");
        output.send(b"end").expect("sent");
        assert!(!output.is_written());
        let reading = thread::spawn(move || read(&mut reader, much().len() + 3));
        output.written().await;
        assert!(output.is_written());
        assert!(reading.join().expect("read").ends_with("xend"));
    }

    #[test]
    fn notices_are_dropped_while_the_terminal_does_not_read() {
        let (output, mut reader) = piped();
        output.send(&much()).expect("sent");
        output.send(&much()).expect("sent");
        output.offer(b"bell").expect("dropped");
        let reading = thread::spawn(move || read(&mut reader, 2 * much().len() + 5));
        assert!(output.wait(LONG));
        output.offer(b"later").expect("sent");
        assert!(reading.join().expect("read").ends_with("xlater"));
    }

    #[test]
    fn the_end_does_not_wait_for_a_terminal_that_does_not_read() {
        let (output, mut reader) = piped();
        output.send(&much()).expect("sent");
        // The thread runs, and blocks when the pipe is full.
        read(&mut reader, 1);
        assert!(!output.finish(b"restored", SHORT) && output.gave_up());
        // What was not written is dropped when the terminal reads again.
        let reading = thread::spawn(move || {
            let mut text = String::new();
            while !text.ends_with("after") {
                text.push_str(&read(&mut reader, 1));
            }
            text
        });
        assert!(output.wait(LONG));
        assert!(output.finish(b"after", LONG));
        let text = reading.join().expect("read");
        assert!(text.len() < much().len() && text.ends_with("xafter"));
    }

    #[test]
    fn a_failed_write_is_reported_once_it_is_known() {
        let (output, reader) = piped();
        drop(reader);
        output.send(b"x").expect("not known yet");
        assert!(output.wait(LONG));
        assert_eq!(output.send(b"x").expect_err("known").kind(), io::ErrorKind::BrokenPipe);
        assert!(!output.finish(b"x", LONG));
    }
}
