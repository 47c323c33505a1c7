//! Lines of standard input, read on a separate thread.

use std::io::{self, BufRead, Read};

use realtime_shared::name::TEXT_CHARS;
use tokio::sync::mpsc;

/// Most bytes that are kept of a line: more than the longest text has, so that a longer line is refused and not cut.
const LINE_BYTES: u64 = 4 * TEXT_CHARS as u64 + 8;

/// A line of the input, without its line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InputLine {
    /// Counted from 1.
    pub(super) number: u64,
    /// Only its beginning, if the line is longer than any text may be.
    pub(super) text: String,
    /// False if the line was not UTF-8; invalid bytes are replaced in the text.
    pub(super) is_utf8: bool,
}

/// Starts to read standard input. The channel ends with the input, or after an error.
pub(super) fn lines() -> mpsc::Receiver<io::Result<InputLine>> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        for number in 1.. {
            match line(&mut input, number).transpose() {
                Some(line) => {
                    let is_last = line.is_err();
                    if sender.blocking_send(line).is_err() || is_last {
                        return;
                    }
                }
                None => return,
            }
        }
    });
    lines
}

/// Byte order mark in UTF-8. Programs on Windows begin files with it.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The next line; `None` at the end. The first one loses its byte order mark.
fn line(input: &mut impl BufRead, number: u64) -> io::Result<Option<InputLine>> {
    let mut bytes = Vec::new();
    if input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        bytes.pop_if(|last| *last == b'\r');
    } else {
        input.skip_until(b'\n')?;
    }
    if number == 1 && bytes.starts_with(BOM) {
        bytes.drain(..BOM.len());
    }
    let is_utf8 = std::str::from_utf8(&bytes).is_ok();
    Ok(Some(InputLine { number, text: String::from_utf8_lossy(&bytes).into_owned(), is_utf8 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Vec<InputLine> {
        (1..).map_while(|number| line(&mut input, number).expect("bytes")).collect()
    }

    #[test]
    fn lines_are_numbered_and_lose_their_breaks() {
        let lines = all(b"a\nb\r\n\nlast");
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["a", "b", "", "last"]);
        assert_eq!(lines[3].number, 4);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let lines = all(&[&b"x".repeat(1_000_000), &b"\nnext\n"[..]].concat());
        assert_eq!((lines.len(), lines[1].text.as_str()), (2, "next"));
        assert!(lines[0].text.chars().count() > TEXT_CHARS && lines[0].text.len() < 100_000);
        let longest = "🦀".repeat(TEXT_CHARS);
        assert_eq!(all(format!("{longest}\r\nnext").as_bytes())[0].text, longest);
    }

    #[test]
    fn a_byte_order_mark_at_the_beginning_is_dropped() {
        let texts = |bytes: &[u8]| all(bytes).into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(texts("\u{feff}one\n\u{feff}two\n".as_bytes()), ["one", "\u{feff}two"]);
        assert_eq!(texts("\u{feff}\r\none".as_bytes()), ["", "one"]);
        assert_eq!(texts("\u{feff}".as_bytes()), [""]);
        assert_eq!(texts("\u{feff}\u{feff}one".as_bytes()), ["\u{feff}one"], "one mark");
        let longest = "🦀".repeat(TEXT_CHARS);
        assert_eq!(texts(format!("\u{feff}{longest}\r\nnext").as_bytes()), [longest.as_str(), "next"]);
    }

    #[test]
    fn invalid_utf8_is_marked() {
        let lines = all(b"a\xffb\nc\n");
        assert!(!lines[0].is_utf8 && lines[1].is_utf8);
        // A line that is cut within a character is still too long.
        assert!(all("é".repeat(20_000).as_bytes())[0].text.chars().count() > TEXT_CHARS);
    }
}
