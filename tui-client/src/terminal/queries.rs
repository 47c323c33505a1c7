//! Queries to the terminal.
//!
//! ```text
//!  background            ESC ] 11 ; ? BEL      answer ESC ] 11 ; rgb:1e1e/1e1e/1e1e BEL, or with ESC \ at its end
//!  keyboard protocol     ESC [ ? u             answer ESC [ ? flags u
//!  device attributes     ESC [ c               answer ESC [ ? 62 ; 22 c
//! ```
//!
//! The answers arrive among typed keys after a round trip, or never. [`crate::terminal_input`] tells them apart. Nothing
//! waits for them. A terminal answers in the order of the queries, and nearly every one reports its attributes, so this
//! answer shows that no other one will come.

use std::io;

use super::capabilities::{Depth, Ground, is_plain};
use super::output::output;

const BACKGROUND: &[u8] = b"\x1b]11;?\x07";
const KEYBOARD: &[u8] = b"\x1b[?u";
const ATTRIBUTES: &[u8] = b"\x1b[c";

/// Queries of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queries {
    pub background: bool,
    pub keyboard: bool,
}

impl Queries {
    /// Sends the queries to the terminal. In raw mode only, or else the terminal echoes the answers.
    pub fn send(self) -> io::Result<()> {
        let queries = [(self.background, BACKGROUND), (self.keyboard, KEYBOARD), (true, ATTRIBUTES)];
        let queries: Vec<_> =
            queries.into_iter().filter(|(is_sent, _)| *is_sent).map(|(_, query)| query).collect();
        output()?.send(&queries.concat())
    }
}

/// True if a terminal of this name answers. Plain ones and GNU Screen show or swallow queries.
#[must_use]
pub fn answers_queries(depth: Depth, variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let is_tmux = variable("TMUX").is_some_and(|socket| !socket.is_empty());
    let is_silent = is_plain(&term) || (term.starts_with("screen") && !is_tmux);
    depth != Depth::Two && !is_silent
}

/// Background of an answer: `rgb:` or `rgba:` and components of one to four hexadecimal digits.
#[must_use]
pub fn parse_background(color: &str) -> Option<Ground> {
    let parts = color.strip_prefix("rgba:").or_else(|| color.strip_prefix("rgb:"))?;
    let mut parts = parts.split('/').map(part);
    let rgb = [parts.next()??, parts.next()??, parts.next()??];
    Some(Ground::of(rgb))
}

/// A component of the colour, from 0 to 1.
fn part(digits: &str) -> Option<f64> {
    let most = match digits.len() {
        1 => 0xf,
        2 => 0xff,
        3 => 0xfff,
        4 => 0xffff,
        _ => return None,
    };
    let value = u16::from_str_radix(digits, 16).ok()?;
    Some(f64::from(value) / f64::from(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_known_not_to_answer_are_not_queried() {
        let can = |term: &str, tmux: &str| {
            answers_queries(Depth::Sixteen, |name| match name {
                "TERM" => Some(term.to_owned()),
                "TMUX" => Some(tmux.to_owned()),
                _ => None,
            })
        };
        assert!(can("xterm", "") && can("tmux-256color", "/tmp/t") && can("screen-256color", "/tmp/t"));
        assert!(
            !can("linux", "") && !can("screen-256color", "") && !can("eterm-color", "") && !can("ansi", "")
        );
        assert!(!answers_queries(Depth::Two, |_| Some("vt220".to_owned())));
    }

    #[test]
    fn answers_in_all_colour_formats_are_parsed() {
        for (color, ground) in [
            ("rgb:1e1e/1e1e/1e1e", Some(Ground::Dark)),
            ("rgb:ffff/ffff/ffff", Some(Ground::Light)),
            ("rgb:FD/F6/E3", Some(Ground::Light)),
            ("rgb:0/0/0", Some(Ground::Dark)),
            ("rgba:0000/0000/0000/cccc", Some(Ground::Dark)),
            ("rgb:zz/f6/e3", None),
            ("rgb:f6/e3", None),
            ("rgb:00000/0/0", None),
            ("", None),
        ] {
            assert_eq!(parse_background(color), ground, "{color:?}");
        }
    }
}
