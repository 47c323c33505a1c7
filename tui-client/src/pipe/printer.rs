//! Standard output and standard error, written on a separate thread. Another thread detects a closed output.
//!
//! Both outputs share one queue, so that a note keeps its place among the lines. Output is flushed when the queue is
//! empty. A blocked pipe blocks only this thread: [`PRINTS`] more wait here, and then the network's backpressure acts.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};

/// Capacity of the queue.
pub(super) const PRINTS: usize = 256;

/// Output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Print {
    Line(String),
    /// To standard error, behind the program's name.
    Note(String),
}

/// Queue of the printer.
pub(super) struct Prints(mpsc::Sender<Print>);

/// Reports the end of standard output.
pub(super) struct Closed {
    ended: oneshot::Receiver<io::Result<()>>,
    /// Resolves when standard output is closed, or when polling it fails.
    closed: oneshot::Receiver<io::Result<()>>,
}

/// Starts the threads. Must run on a tokio runtime.
pub(super) fn start() -> (Prints, Closed) {
    let (prints, waiting) = mpsc::channel(PRINTS);
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // The receiver may have been dropped.
        let _ = end.send(write_all(waiting));
    });
    let (hang_up, closed) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = hang_up.send(wait_until_closed());
    });
    (Prints(prints), Closed { ended, closed })
}

impl Prints {
    /// Queues the first of these when there is room. After a failed write it is dropped; [`Closed`] reports the failure.
    /// Cancel safe: nothing is taken before it is queued.
    pub(super) async fn queue_first(&self, waiting: &mut VecDeque<Print>) {
        let permit = self.0.reserve().await;
        if let (Some(print), Ok(permit)) = (waiting.pop_front(), permit) {
            permit.send(print);
        }
    }
}

impl Closed {
    /// Waits until standard output is closed (`Ok`) or cannot be written. Must not be called again after that.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        tokio::select! {
            ended = &mut self.ended => ended.unwrap_or(Ok(())),
            closed = &mut self.closed => closed.unwrap_or(Ok(())),
        }
    }

    /// Waits until everything is written, after the [`Prints`] are dropped.
    pub(super) async fn written(self) -> io::Result<()> {
        self.ended.await.unwrap_or(Ok(()))
    }
}

/// Blocks until standard output is closed; for ever if it is a file. Runs on a separate thread, which ends with the
/// process.
fn wait_until_closed() -> io::Result<()> {
    let output = io::stdout();
    loop {
        // Without requested events poll returns for an error or a hangup only.
        match poll(&mut [PollFd::new(&output, PollFlags::empty())], None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes until the queue is closed. `Ok` as well if the output was closed.
fn write_all(mut prints: mpsc::Receiver<Print>) -> io::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    while let Some(print) = prints.blocking_recv() {
        let written = match print {
            Print::Line(line) => writeln!(output, "{line}"),
            Print::Note(note) => output.flush().map(|()| {
                // If standard error is closed, the note is lost.
                let _ = writeln!(io::stderr(), "realtime-tui: {note}");
            }),
        };
        let flushed = written.and_then(|()| if prints.is_empty() { output.flush() } else { Ok(()) });
        match flushed {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            flushed => flushed?,
        }
    }
    output.flush()
}
