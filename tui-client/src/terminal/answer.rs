//! What a terminal answers that was asked for its background, among what is typed meanwhile.
//!
//! ```text
//!  asked:     ESC ] 11 ; ? BEL                        what the background is (OSC 11)
//!             ESC [ c                                 what the terminal is (DA1)
//!  answered:  ESC ] 11 ; rgb:1e1e/1e1e/1e1e BEL       by most
//!             ESC [ ? 64 ; 1 ; 2 c                    by all, in the order in which they were asked
//! ```
//!
//! So after the second answer there is none to come, whether the first one came or not.

use super::Ground;

/// What is written to ask.
pub(super) const QUESTION: &[u8] = b"\x1b]11;?\x07\x1b[c";
/// A sequence that goes on for longer than this is none.
const SEQUENCE_BYTES: usize = 256;

/// What was read so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The background, where the terminal tells it.
    pub(super) ground: Option<Ground>,
    /// Whether all answers were read.
    pub(super) is_done: bool,
    /// What was typed meanwhile, without keys that are no text.
    pub(super) typed: Vec<u8>,
    /// The beginning of a sequence.
    begun: Vec<u8>,
}

impl Reading {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.begun.is_empty() && byte != 0x1b {
                self.typed.push(byte);
                continue;
            }
            self.begun.push(byte);
            if is_whole(&self.begun) || self.begun.len() > SEQUENCE_BYTES {
                let sequence = std::mem::take(&mut self.begun);
                self.take(&sequence);
            }
        }
    }

    fn take(&mut self, sequence: &[u8]) {
        if let Some(color) = sequence.strip_prefix(b"\x1b]11;") {
            self.ground = std::str::from_utf8(color).ok().and_then(background);
        } else if sequence.starts_with(b"\x1b[?") && sequence.ends_with(b"c") {
            self.is_done = true;
        }
    }
}

/// Whether a sequence has its end.
fn is_whole(sequence: &[u8]) -> bool {
    match sequence {
        [0x1b, b']', rest @ ..] => rest.ends_with(b"\x07") || rest.ends_with(b"\x1b\\"),
        [0x1b, b'[', .., last] if sequence.len() > 2 => matches!(last, 0x40..=0x7e),
        [0x1b] | [0x1b, b'[' | b'O'] => false,
        _ => true,
    }
}

/// The background that is told: `rgb:` or `rgba:` and parts of one to four hexadecimal digits. What ends the sequence may
/// stand behind it.
#[must_use]
pub fn background(color: &str) -> Option<Ground> {
    let color = color.trim_end_matches(['\x07', '\x1b', '\\']);
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
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Reading {
        let mut reading = Reading::default();
        reading.add(bytes);
        reading
    }

    #[test]
    fn terminals_answer_in_several_ways() {
        for (answer, ground) in [
            ("\x1b]11;rgb:1e1e/1e1e/1e1e\x07\x1b[?64;1;2c", Some(Ground::Dark)),
            ("\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?1;2c", Some(Ground::Light)),
            ("\x1b]11;rgb:fd/f6/e3\x1b\\\x1b[?62c", Some(Ground::Light)),
            ("\x1b]11;rgba:0000/0000/0000/cccc\x1b\\\x1b[?62c", Some(Ground::Dark)),
            ("\x1b[?6c", None),
            ("\x1b]11;rgb:zz/f6/e3\x07\x1b[?62c", None),
            ("\x1b]11;\x07\x1b[?62c", None),
        ] {
            let expected = Reading { ground, is_done: true, ..Reading::default() };
            assert_eq!(read(answer.as_bytes()), expected, "{answer:?}");
        }
    }

    #[test]
    fn what_is_typed_meanwhile_is_kept() {
        let reading = read("he\x1b[Al\x1b]11;rgb:0/0/0\x07\x1b[1;5Dlo \x1bOPü\x1b[?62c!\x03".as_bytes());
        assert_eq!(reading.typed, "hello ü!\x03".as_bytes());
        assert_eq!((reading.ground, reading.is_done), (Some(Ground::Dark), true));
    }

    #[test]
    fn an_answer_that_has_not_ended_is_waited_for() {
        assert!(!read(b"\x1b]11;rgb:0/0/0\x07\x1b[?62").is_done);
        assert!(!read(b"\x1b[c\x1b[5c").is_done, "a key");
    }

    proptest! {
        #[test]
        fn answers_may_come_in_pieces(typed in "[a-z ]{0,9}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let bytes = format!("{typed}\x1b]11;rgb:ffff/ffff/ffff\x1b\\{typed}\x1b[?64;1;2c{typed}").into_bytes();
            let mut reading = Reading::default();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                reading.add(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(reading, read(&bytes));
        }

        #[test]
        fn nothing_that_comes_is_too_much(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let reading = read(&bytes);
            prop_assert!(reading.begun.len() <= SEQUENCE_BYTES && reading.typed.len() <= bytes.len());
        }
    }
}
