//! Standard output and standard error, written on a thread of their own; another one looks whether somebody reads.
//!
//! In one order, so that a note stands where it belongs among the lines. Lines are flushed when no other one waits. A
//! pipe that nobody empties holds up this thread alone; then [`PRINTS`] more wait here, and what follows is left to the
//! network's backpressure.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};

/// What waits to be written, at most.
pub(super) const PRINTS: usize = 256;

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Print {
    /// To standard output.
    Line(String),
    /// To standard error, as said by this program.
    Note(String),
}

/// Where [`Print`]s go.
pub(super) struct Prints(mpsc::Sender<Print>);

/// Tells when standard output takes nothing more.
pub(super) struct Closed {
    ended: oneshot::Receiver<io::Result<()>>,
    /// Nobody reads standard output any more, or that cannot be known.
    deaf: oneshot::Receiver<io::Result<()>>,
}

/// Starts the thread. On a runtime of tokio.
pub(super) fn start() -> (Prints, Closed) {
    let (prints, waiting) = mpsc::channel(PRINTS);
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // Where nobody waits for the end any more, nobody has to be told.
        let _ = end.send(write_all(waiting));
    });
    let (hang_up, deaf) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = hang_up.send(wait_until_deaf());
    });
    (Prints(prints), Closed { ended, deaf })
}

impl Prints {
    /// Gives the first of these, when there is room. After a write has failed it is dropped: [`Closed`] tells. May be
    /// dropped before it is done: then all are still there.
    pub(super) async fn give(&self, waiting: &mut VecDeque<Print>) {
        let permit = self.0.reserve().await;
        if let (Some(print), Ok(permit)) = (waiting.pop_front(), permit) {
            permit.send(print);
        }
    }
}

impl Closed {
    /// Waits until nobody reads standard output any more, or nothing more can be written. `Ok` in the first case. Not to
    /// be waited for again after that.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        tokio::select! {
            ended = &mut self.ended => ended.unwrap_or(Ok(())),
            deaf = &mut self.deaf => deaf.unwrap_or(Ok(())),
        }
    }

    /// Waits until all is written, once the [`Prints`] are dropped.
    pub(super) async fn written(self) -> io::Result<()> {
        self.ended.await.unwrap_or(Ok(()))
    }
}

/// Waits until nobody reads standard output any more; for ever where it is a file. On a thread of its own, which ends
/// with the process.
fn wait_until_deaf() -> io::Result<()> {
    let output = io::stdout();
    loop {
        // Without a wish of its own it returns for an error or a hangup alone.
        match poll(&mut [PollFd::new(&output, PollFlags::empty())], None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes what comes until no more does. `Ok` also where nobody reads it any more.
fn write_all(mut prints: mpsc::Receiver<Print>) -> io::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    while let Some(print) = prints.blocking_recv() {
        let written = match print {
            Print::Line(line) => writeln!(output, "{line}"),
            Print::Note(note) => output.flush().map(|()| {
                // Where standard error is gone, nobody can be told.
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
