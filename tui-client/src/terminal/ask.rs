//! Asking the terminal whether it is light or dark.
//!
//! ```text
//!  asked:     ESC ] 11 ; ? BEL                        what the background is (OSC 11)
//!  answered:  ESC ] 11 ; rgb:1e1e/1e1e/1e1e BEL       by most; also with ESC \ at its end
//! ```
//!
//! The answer comes among what is typed, after a round trip or never; who reads the keys takes it out of them. Nothing
//! waits for it.

use std::io::{self, Write};

use super::capabilities::{Depth, Ground};

const QUESTION: &[u8] = b"\x1b]11;?\x07";

/// Whether a terminal of this name answers, and has use for the answer. Not asked are those that are known to show the
/// question or to swallow it: the console of Linux, GNU Screen, Emacs.
#[must_use]
pub fn can_be_asked(depth: Depth, variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let is_tmux = variable("TMUX").is_some_and(|socket| !socket.is_empty());
    let is_silent = term == "linux" || term.starts_with("eterm") || (term.starts_with("screen") && !is_tmux);
    depth != Depth::Two && !is_silent
}

/// Asks the terminal on standard output. It has to be in raw mode, or else it shows its own answer.
pub fn ask() -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(QUESTION)?;
    out.flush()
}

/// The background that is told: `rgb:` or `rgba:` and parts of one to four hexadecimal digits.
#[must_use]
pub fn background(color: &str) -> Option<Ground> {
    let parts = color.strip_prefix("rgba:").or_else(|| color.strip_prefix("rgb:"))?;
    let mut parts = parts.split('/').map(part);
    let rgb = [parts.next()??, parts.next()??, parts.next()??];
    Some(Ground::of(rgb))
}

/// A part of the colour, from 0 to 1.
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

    #[test]
    fn terminals_tell_colours_in_several_ways() {
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
            assert_eq!(background(color), ground, "{color:?}");
        }
    }
}
