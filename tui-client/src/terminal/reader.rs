//! Reader of the terminal's input: standard input, without threads and without polling.
//!
//! Standard input shares its file description with the shell, so it stays in blocking mode. It is read only after `poll`
//! has reported input.

use std::io::{self, Stdin};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant as TokioInstant, sleep_until};

use crate::terminal_input::{Decoder, Report, TerminalEvent};

/// Most bytes that are decoded at once.
const CHUNK: usize = 4_096;

/// Reader of the events of the terminal on standard input.
#[derive(Debug)]
pub struct Reader {
    stdin: AsyncFd<Stdin>,
    decoder: Decoder,
}

/// Result of a read that does not wait.
enum ReadResult {
    Bytes(usize),
    Empty,
    Hangup,
}

impl Reader {
    pub fn new(escape_delay: Duration) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe for descriptors that are closed; this one stays open"
        )]
        let stdin = AsyncFd::with_interest(io::stdin(), Interest::READABLE)?;
        Ok(Self { stdin, decoder: Decoder::new(escape_delay) })
    }

    /// Waits for the next events. Cancelling it loses none.
    pub async fn next(&mut self) -> io::Result<Vec<TerminalEvent>> {
        loop {
            let wake = self.decoder.wake();
            tokio::select! {
                biased;
                ready = self.stdin.readable() => {
                    let mut ready = ready?;
                    let mut bytes = [0; CHUNK];
                    match read_available(ready.get_inner(), &mut bytes, Duration::ZERO)? {
                        ReadResult::Empty => ready.clear_ready(),
                        ReadResult::Hangup => return Ok(vec![TerminalEvent::Hangup]),
                        ReadResult::Bytes(count) => {
                            let events = self.decoder.feed(&bytes[..count], Instant::now());
                            if !events.is_empty() {
                                return Ok(events);
                            }
                        }
                    }
                }
                () = sleep(wake) => {
                    let events = self.expire()?;
                    if !events.is_empty() {
                        return Ok(events);
                    }
                }
            }
        }
    }

    /// Ends unfinished input, unless its rest has arrived meanwhile.
    fn expire(&mut self) -> io::Result<Vec<TerminalEvent>> {
        let mut bytes = [0; CHUNK];
        let now = Instant::now();
        Ok(match read_available(self.stdin.get_ref(), &mut bytes, Duration::ZERO)? {
            ReadResult::Bytes(count) => self.decoder.feed(&bytes[..count], now),
            ReadResult::Empty => self.decoder.expire(now),
            ReadResult::Hangup => vec![TerminalEvent::Hangup],
        })
    }

    /// Discards input until the terminal has answered all queries, or the time is over.
    pub fn discard_answers(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut bytes = [0; CHUNK];
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let Ok(ReadResult::Bytes(count)) = read_available(self.stdin.get_ref(), &mut bytes, left) else {
                return;
            };
            let events = self.decoder.feed(&bytes[..count], Instant::now());
            if events.contains(&TerminalEvent::Report(Report::DeviceAttributes)) {
                return;
            }
        }
    }
}

/// Sleeps until `wake`; without it, for ever.
async fn sleep(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(TokioInstant::from_std(at)).await,
        None => std::future::pending().await,
    }
}

/// Reads what is there, after at most `wait`.
fn read_available(stdin: &Stdin, bytes: &mut [u8], wait: Duration) -> io::Result<ReadResult> {
    let wait =
        Timespec { tv_sec: wait.as_secs().try_into().unwrap_or(0), tv_nsec: wait.subsec_nanos().into() };
    let mut polled = [PollFd::new(stdin, PollFlags::IN)];
    match poll(&mut polled, Some(&wait)) {
        Ok(0) | Err(Errno::INTR) => return Ok(ReadResult::Empty),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    if !polled[0].revents().contains(PollFlags::IN) {
        return Ok(ReadResult::Hangup);
    }
    match read(stdin, bytes) {
        Ok(0) | Err(Errno::IO) => Ok(ReadResult::Hangup),
        Ok(count) => Ok(ReadResult::Bytes(count)),
        Err(Errno::INTR | Errno::AGAIN) => Ok(ReadResult::Empty),
        Err(error) => Err(error.into()),
    }
}
