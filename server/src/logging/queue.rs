//! Queue of the log: lines wait here for the thread that writes them, so that no other thread waits for the reader of the
//! log.
//!
//! Bounded in bytes. A full queue drops new lines, counts them, and reports the number in the log once there is room.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use realtime_server::metrics::{DroppedLine, LogDrops};

/// Limit on the bytes of the lines that wait.
pub(super) const QUEUE_BYTES: usize = 1024 * 1024;
/// Largest write of several lines. Writes of this size to a pipe are atomic, also if other programs share it.
const WRITE_BYTES: usize = 4096;
/// Capacity that an empty buffer keeps.
const KEPT_BYTES: usize = 64 * 1024;
/// Pause before a write is repeated on a file that another program has made non-blocking.
const WRITE_AGAIN: Duration = Duration::from_millis(10);

/// Lines that wait to be written.
pub(super) struct Queue {
    state: Mutex<State>,
    /// The writer has something to do.
    filled: Condvar,
    /// All is written.
    written: Condvar,
    limit: usize,
    drops: LogDrops,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    pending: String,
    /// Lines dropped after those in `pending`. Until they are taken, all lines are dropped, so that the order is right.
    dropped: u64,
    /// The writer has taken lines and not written all of them yet.
    writing: bool,
    /// The writer has to look at its clock again.
    woken: bool,
}

impl Queue {
    pub(super) fn new(limit: usize, drops: LogDrops) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
            limit,
            drops,
        })
    }

    /// Adds a line, which ends with a newline. Never waits for a write.
    pub(super) fn push(&self, line: &str) {
        let mut state = self.state.lock();
        if state.dropped > 0 || state.pending.len() + line.len() > self.limit {
            state.dropped += 1;
            drop(state);
            return self.drops.inc(DroppedLine::QueueFull);
        }
        state.pending.push_str(line);
        drop(state);
        self.filled.notify_one();
    }

    /// Counts a line that its limit has left out.
    pub(super) fn count_left_out(&self) {
        self.drops.inc(DroppedLine::Repeated);
    }

    /// Makes the writer call its `ended` again.
    pub(super) fn wake(&self) {
        self.state.lock().woken = true;
        self.filled.notify_one();
    }

    /// Waits until all lines are written, for at most `limit`. Returns false if some are not.
    pub(super) fn wait_until_written(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock();
        while !state.is_written() {
            if self.written.wait_until(&mut state, deadline).timed_out() {
                return state.is_written();
            }
        }
        true
    }

    /// Starts the thread that writes to `out`.
    ///
    /// `timed` is called after each wait: it adds the lines that are due to its argument, and returns the time of the next
    /// call, if lines will be due. `notice` makes the line about dropped ones.
    pub(super) fn start_writer(
        self: &Arc<Self>,
        out: impl Write + Send + 'static,
        timed: impl FnMut(&mut String) -> Option<Instant> + Send + 'static,
        notice: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<()> {
        let writer = Writer { queue: self.clone(), out, notice, untold: 0, torn: false };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(timed))?;
        Ok(())
    }
}

impl State {
    fn is_written(&self) -> bool {
        self.pending.is_empty() && self.dropped == 0 && !self.writing
    }
}

struct Writer<W, N> {
    queue: Arc<Queue>,
    out: W,
    notice: N,
    /// Lines that were dropped, and whose notice is not written yet.
    untold: u64,
    /// The last write ended within a line.
    torn: bool,
}

impl<W: Write, N: Fn(u64) -> String> Writer<W, N> {
    fn run(mut self, mut timed: impl FnMut(&mut String) -> Option<Instant>) {
        let mut lines = String::new();
        let mut next = None;
        loop {
            let dropped = self.take(&mut lines, next);
            next = timed(&mut lines);
            self.write_lines(&lines);
            self.untold += dropped;
            self.write_notice();
            lines.clear();
            lines.shrink_to(KEPT_BYTES);
        }
    }

    /// Waits for lines, a wake-up or `until`, and swaps the lines into the empty `lines`. Returns the number of lines that
    /// were dropped after them.
    fn take(&self, lines: &mut String, until: Option<Instant>) -> u64 {
        let mut state = self.queue.state.lock();
        state.writing = false;
        while state.is_written() && !state.woken {
            self.queue.written.notify_all();
            match until {
                None => self.queue.filled.wait(&mut state),
                Some(until) => {
                    if self.queue.filled.wait_until(&mut state, until).timed_out() {
                        break;
                    }
                }
            }
        }
        state.woken = false;
        state.writing = true;
        std::mem::swap(&mut state.pending, lines);
        std::mem::take(&mut state.dropped)
    }

    fn write_lines(&mut self, lines: &str) {
        let mut rest = lines;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(end_of_chunk(rest));
            let lost = self.write(chunk.as_bytes()).split_inclusive(|byte| *byte == b'\n').count() as u64;
            if lost > 0 {
                self.untold += lost;
                self.queue.drops.add(DroppedLine::WriteFailed, lost);
            }
            rest = after;
        }
    }

    fn write_notice(&mut self) {
        if self.untold > 0 {
            let notice = (self.notice)(self.untold);
            if self.write(notice.as_bytes()).is_empty() {
                self.untold = 0;
            }
        }
    }

    /// Writes whole lines, after the end of a line that a failed write has torn. Returns what could not be written.
    fn write<'a>(&mut self, lines: &'a [u8]) -> &'a [u8] {
        if self.torn && !self.write_bytes(b"\n").is_empty() {
            return lines;
        }
        let unwritten = self.write_bytes(lines);
        self.torn = !unwritten.is_empty() && unwritten.len() < lines.len();
        unwritten
    }

    fn write_bytes<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty() {
            match self.out.write(bytes) {
                Ok(0) => break,
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(WRITE_AGAIN),
                Err(_) => break,
            }
        }
        bytes
    }
}

/// End of the last line within [`WRITE_BYTES`], or of the first line if that is longer.
fn end_of_chunk(lines: &str) -> usize {
    let bytes = lines.as_bytes();
    let within = &bytes[..bytes.len().min(WRITE_BYTES)];
    let last = within.iter().rposition(|byte| *byte == b'\n');
    let end = last.or_else(|| bytes.iter().position(|byte| *byte == b'\n'));
    end.map_or(bytes.len(), |newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, PipeReader, Read};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    fn notice(dropped: u64) -> String {
        format!("{dropped} dropped\n")
    }

    /// Queue of 100 bytes, whose writer is started by the test.
    fn queue() -> (Arc<Queue>, LogDrops) {
        let drops = LogDrops::default();
        (Queue::new(100, drops.clone()), drops)
    }

    /// Output that blocks in each write until the test permits it, and then has the outcome that the test gives.
    struct Gate {
        begun: SyncSender<String>,
        permits: Receiver<io::Result<usize>>,
    }

    /// The test's side of a [`Gate`].
    struct Keeper {
        begun: Receiver<String>,
        permits: SyncSender<io::Result<usize>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(String::from_utf8_lossy(bytes).into_owned());
            let permit = self.permits.recv().unwrap_or_else(|_| Err(ErrorKind::BrokenPipe.into()));
            permit.map(|most| most.min(bytes.len()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Keeper {
        /// Waits for a write, and lets it return `result`. Returns the bytes of the write.
        fn permit(&self, result: io::Result<usize>) -> String {
            let begun = self.begun.recv().expect("a write");
            self.permits.send(result).expect("a writer");
            begun
        }
    }

    fn gated(queue: &Arc<Queue>) -> Keeper {
        let (writes, begun) = sync_channel(0);
        let (permit, permits) = sync_channel(0);
        queue.start_writer(Gate { begun: writes, permits }, |_| None, notice).expect("a thread");
        Keeper { begun, permits: permit }
    }

    #[test]
    fn a_full_queue_drops_lines_and_says_so_at_their_place() {
        let (queue, drops) = queue();
        let keeper = gated(&queue);
        queue.push("first\n");
        assert_eq!(keeper.begun.recv().expect("a write"), "first\n");
        // Nobody reads now.
        let line = format!("{}\n", "x".repeat(59));
        queue.push(&line);
        queue.push(&line);
        queue.push("short, but after a dropped line\n");
        assert_eq!((drops.of(DroppedLine::QueueFull), drops.of(DroppedLine::WriteFailed)), (2, 0));
        assert!(!queue.wait_until_written(Duration::ZERO));
        keeper.permits.send(Ok(usize::MAX)).expect("a writer");
        assert_eq!(keeper.permit(Ok(usize::MAX)), line);
        assert_eq!(keeper.permit(Ok(usize::MAX)), "2 dropped\n");
        queue.push("last\n");
        assert_eq!(keeper.permit(Ok(usize::MAX)), "last\n");
        assert!(queue.wait_until_written(Duration::from_mins(1)));
    }

    #[test]
    fn a_line_that_is_longer_than_the_queue_is_dropped() {
        let (queue, drops) = queue();
        queue.push(&format!("{}\n", "x".repeat(100)));
        assert_eq!(drops.of(DroppedLine::QueueFull), 1);
        assert_eq!(gated(&queue).permit(Ok(usize::MAX)), "1 dropped\n");
    }

    #[test]
    fn a_failed_write_is_counted_and_its_torn_line_is_ended() {
        let (queue, drops) = queue();
        queue.push("first\nsecond\n");
        let keeper = gated(&queue);
        assert_eq!(keeper.permit(Ok(8)), "first\nsecond\n");
        assert_eq!(keeper.permit(Err(ErrorKind::StorageFull.into())), "cond\n");
        assert_eq!(keeper.permit(Err(ErrorKind::StorageFull.into())), "\n", "before the notice");
        queue.push("third\n");
        assert_eq!(keeper.permit(Ok(1)), "\n");
        assert_eq!(keeper.permit(Ok(usize::MAX)), "third\n");
        assert_eq!(keeper.permit(Ok(usize::MAX)), "1 dropped\n");
        assert_eq!(drops.of(DroppedLine::WriteFailed), 1);
    }

    #[test]
    fn a_write_that_would_block_is_repeated() {
        let (queue, drops) = queue();
        queue.push("line\n");
        let keeper = gated(&queue);
        for kind in [ErrorKind::WouldBlock, ErrorKind::Interrupted] {
            assert_eq!(keeper.permit(Err(kind.into())), "line\n");
        }
        assert_eq!(keeper.permit(Ok(usize::MAX)), "line\n");
        assert!(queue.wait_until_written(Duration::from_mins(1)));
        assert_eq!(drops.of(DroppedLine::WriteFailed), 0);
    }

    #[test]
    fn lines_that_are_due_are_written_after_a_wake_up_and_at_their_time() {
        let (queue, _) = queue();
        let (reader, out) = io::pipe().expect("a pipe");
        let mut calls = 0;
        let timed = move |lines: &mut String| {
            calls += 1;
            lines.extend(["call ", &calls.to_string(), "\n"]);
            // The next call is due at once, but once only.
            (calls == 2).then(Instant::now)
        };
        queue.start_writer(out, timed, notice).expect("a thread");
        let mut reader = BufReader::new(reader);
        queue.push("a line\n");
        assert_eq!(next(&mut reader), "a line\n");
        assert_eq!(next(&mut reader), "call 1\n");
        queue.wake();
        assert_eq!(next(&mut reader), "call 2\n");
        assert_eq!(next(&mut reader), "call 3\n", "without a wake-up");
    }

    fn next(reader: &mut BufReader<PipeReader>) -> String {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        line
    }

    #[test]
    fn writes_have_whole_lines_and_at_most_the_size_of_an_atomic_one() {
        let long = format!("{}\n", "x".repeat(2 * WRITE_BYTES));
        assert_eq!(end_of_chunk(&long), long.len());
        let half = format!("{}\n", "x".repeat(WRITE_BYTES / 2));
        assert_eq!(end_of_chunk(&half.repeat(3)), half.len());
        assert_eq!(end_of_chunk("a\nb\n"), 4);
        assert_eq!(end_of_chunk(&format!("a\n{long}")), 2);
    }

    #[test]
    fn all_lines_reach_a_reader_in_their_order() {
        let (reader, out) = io::pipe().expect("a pipe");
        let queue = Queue::new(QUEUE_BYTES, LogDrops::default());
        queue.start_writer(out, |_| None, notice).expect("a thread");
        let lines: Vec<_> = (0..1_000).map(|number| format!("line {number}\n")).collect();
        for line in &lines {
            queue.push(line);
        }
        let all = lines.concat();
        let mut read = vec![0; all.len()];
        { reader }.read_exact(&mut read).expect("all lines");
        assert_eq!(String::from_utf8_lossy(&read), all);
    }
}
