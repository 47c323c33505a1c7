//! Asking the terminal whether it is light or dark.
//!
//! It is asked once, in raw mode and before anything else reads what is typed. Terminals answer within a round trip; what
//! is asked last is answered by all of them, so the wait ends with the answer, and its limit is for what is no terminal.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};

use super::answer::{QUESTION, Reading};
use super::{Depth, Ground};

/// What the terminal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What its background is like, where it tells.
    pub ground: Option<Ground>,
    /// Whether nothing more is to come. Otherwise the answer may follow among what is typed.
    pub is_whole: bool,
    /// What was typed meanwhile, without keys that are no text.
    pub typed: Vec<u8>,
}

/// Whether a terminal of this name answers, and has use for the answer. Not asked are those that are known to show the
/// question or to swallow it: the console of Linux, GNU Screen, Emacs.
#[must_use]
pub fn can_be_asked(depth: Depth, variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let is_tmux = variable("TMUX").is_some_and(|socket| !socket.is_empty());
    let is_silent = term == "linux" || term.starts_with("eterm") || (term.starts_with("screen") && !is_tmux);
    depth != Depth::Two && !is_silent
}

/// Asks the terminal on standard output, and reads from standard input until it has answered, at most for `limit`. Blocks
/// meanwhile. The terminal has to be in raw mode.
pub fn ask(limit: Duration) -> io::Result<Answer> {
    let deadline = Instant::now() + limit;
    let mut out = io::stdout();
    out.write_all(QUESTION)?;
    out.flush()?;
    let input = io::stdin();
    let mut reading = Reading::default();
    let mut bytes = [0; 256];
    while !reading.is_done && is_readable(&input, deadline)? {
        match read(&input, &mut bytes) {
            Ok(0) => break,
            Ok(count) => reading.add(&bytes[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Answer { ground: reading.ground, is_whole: reading.is_done, typed: reading.typed })
}

/// Waits until there is something to read; `false` where there is nothing until `deadline`.
fn is_readable(input: &impl AsFd, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_not_asked() {
        let can = |term: &str, tmux: &str| {
            can_be_asked(Depth::Sixteen, |name| match name {
                "TERM" => Some(term.to_owned()),
                "TMUX" => Some(tmux.to_owned()),
                _ => None,
            })
        };
        assert!(can("xterm", "") && can("tmux-256color", "/tmp/t") && can("screen-256color", "/tmp/t"));
        assert!(!can("linux", "") && !can("screen-256color", "") && !can("eterm-color", ""));
        assert!(!can_be_asked(Depth::Two, |_| Some("vt220".to_owned())));
    }
}
