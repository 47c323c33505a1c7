//! Answers and reports of terminals: none is text, none blocks the keyboard.

use super::*;

/// Answers that are used, with their events.
const USED: &[(&str, &str)] = &[
    ("\x1b]11;rgb:1e1e/1e1e/1e1e\x07", "Report(Background(\"rgb:1e1e/1e1e/1e1e\"))"),
    ("\x1b]11;rgb:ff/ff/ff\x1b\\", "Report(Background(\"rgb:ff/ff/ff\"))"),
    ("\x1b[?0u", "Report(KeyboardProtocol)"),
    ("\x1b[?5u", "Report(KeyboardProtocol)"),
    ("\x1b[?62;22c", "Report(DeviceAttributes)"),
    ("\x1b[?1;2c", "Report(DeviceAttributes)"),
];

/// Answers and reports that are not used, or unknown.
const UNUSED: &[&str] = &[
    // Theme changes, modes, sizes, positions, attributes.
    "\x1b[?997;1n",
    "\x1b[?2026;2$y",
    "\x1b[4;1$y",
    "\x1b[0n",
    "\x1b[24;80R",
    "\x1b[?24;80;1R",
    "\x1b[8;24;80t",
    "\x1b[48;24;80;480;800t",
    "\x1b[>1;4000;29c",
    "\x1b[=1;0c",
    "\x1b[>4;2m",
    "\x1b[?25h",
    "\x1b[?1;2;256S",
    "\x1b[1;1;1;1x",
    "\x1b[12;34H",
    "\x1b[99~",
    "\x1b[1!p",
    "\x1b[ q",
    // Strings.
    "\x1bP1$r0m\x1b\\",
    "\x1bP>|XTerm(370)\x1b\\",
    "\x1bP1+r544e=787465726d\x1b\\",
    "\x1bP!|00000000\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1b^private\x1b\\",
    "\x1bXstart of string\x1b\\",
    "\x1b]10;rgb:0000/0000/0000\x1b\\",
    "\x1b]4;1;rgb:cdcd/0000/0000\x07",
    "\x1b]52;c;aGVsbG8=\x07",
    "\x1b]Lwindow\x1b\\",
    "\x1b]0;日本語\x07",
    "\x1b]111;rgb:0/0/0\x07",
];

#[test]
fn an_answer_is_an_event_at_every_split_point() {
    for (bytes, event) in USED {
        assert_eq!(events(bytes.as_bytes()), [*event], "{bytes:?}");
        for at in 1..bytes.len() {
            let (first, second) = bytes.as_bytes().split_at(at);
            assert_eq!(split(first, SHORT, second), [*event], "{bytes:?} split at {at}");
        }
    }
}

#[test]
fn an_unused_report_is_nothing_at_every_split_point() {
    for bytes in UNUSED.iter().map(|text| text.as_bytes()) {
        for at in 1..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            let mut events = split(first, SHORT, &[second, b"x"].concat());
            assert_eq!(events.pop().as_deref(), Some("x"), "{bytes:?} split at {at}");
            assert_eq!(events, Vec::<String>::new(), "{bytes:?} split at {at}");
        }
    }
}

#[test]
fn a_report_that_is_cut_off_is_never_text() {
    let all = USED.iter().map(|(bytes, _)| *bytes).chain(UNUSED.iter().copied()).map(str::as_bytes);
    for bytes in all {
        for end in 3..bytes.len() {
            let events = events(&bytes[..end]);
            assert!(
                events.iter().all(|event| event.starts_with("Report")),
                "{bytes:?} cut at {end}: {events:?}"
            );
        }
    }
}

#[test]
fn strings_of_eight_bits_are_not_text() {
    assert_eq!(
        events(b"\x9b?997;1nx\x9d11;rgb:0/0/0\x9cy\x90q\x9cz\x9fG\x1b\\."),
        ["x", "Report(Background(\"rgb:0/0/0\"))", "y", "z", "."]
    );
    // A lone introducer is not a key.
    assert_eq!(events(b"\x9b"), Vec::<String>::new());
}

#[test]
fn a_string_is_ended_by_cancel() {
    assert_eq!(events(b"\x1bPabc\x18x\x1b]11;rgb\x1ay"), ["x", "y"]);
}

#[test]
fn sequences_and_strings_beyond_the_limits_are_read_to_their_end() {
    let long = |begin: &str, end: &str| format!("{begin}{}{end}x", "1".repeat(1 << 20));
    for (begin, end) in
        [("\x1b[", "A"), ("\x1b[1;", "u"), ("\x1bO", "A"), ("\x1b]11;", "\x07"), ("\x1bP", "\x1b\\")]
    {
        assert_eq!(events(long(begin, end).as_bytes()), ["x"], "{begin:?}");
    }
}

/// Alt with a letter that introduces strings, and keys behind it.
#[test]
fn keys_after_alt_with_an_introducer_are_keys() {
    for (letter, shown) in [("]", "alt-]"), ("P", "alt-P"), ("_", "alt-_"), ("^", "alt-^"), ("X", "alt-X")] {
        for (next, key) in
            [("h", "h"), ("é", "é"), ("\r", "Enter"), ("\x7f", "Backspace"), ("\x15", "control-u")]
        {
            let alt = format!("\x1b{letter}");
            let events = split(alt.as_bytes(), 20, format!("{next}a").as_bytes());
            assert_eq!(events, [shown, key, "a"], "{letter:?} {next:?}");
            let events = byte_by_byte(format!("{alt}{next}a").as_bytes(), 20);
            assert_eq!(events, [shown, key, "a"], "{letter:?} {next:?}");
        }
    }
    assert_eq!(events(b"\x1b]hello"), ["alt-]", "h", "e", "l", "l", "o"]);
    assert_eq!(split(b"\x1b\x1b]", 20, b"h"), ["Esc", "alt-]", "h"]);
}
