//! Checks of the bytes that a client writes to a terminal: only frames of its own drawing are allowed.
//!
//! This module knows the sequences of the client's drawing and the forbidden characters. It does not know how the
//! client sanitizes text.

use unicode_width::UnicodeWidthChar;

/// Begins a frame. The terminal shows a frame at its end.
pub(crate) const FRAME_BEGINS: &str = "\x1b[?2026h";
/// Ends a frame.
pub(crate) const FRAME_ENDS: &str = "\x1b[?2026l";

/// Ends a link. A link contains only text.
const LINK_ENDS: &str = "\x1b]8;;\x1b\\";

/// Limit of combining marks in a row.
const MARKS: usize = 4;

/// Characters that are invisible or change others: first and last of each range. From the Unicode character database:
/// `Cc`, `Cf`, `Zl`, `Zp`, `Default_Ignorable_Code_Point`, without the joiner of emoji.
const FORBIDDEN: &[(char, char)] = &[
    ('\0', '\u{1F}'),
    ('\u{7F}', '\u{9F}'),
    ('\u{AD}', '\u{AD}'),
    ('\u{34F}', '\u{34F}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{200B}', '\u{200C}'),
    ('\u{200E}', '\u{200F}'),
    ('\u{2028}', '\u{202E}'),
    ('\u{2060}', '\u{206F}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
];

/// Faults in whole frames: sequences that the client does not draw with, and forbidden characters.
pub(crate) fn faults(written: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(written) else { return vec!["not UTF-8".to_owned()] };
    let mut faults = Vec::new();
    let mut is_open = false;
    let mut is_link = false;
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\x1b' {
            check_text(&std::mem::take(&mut plain), &mut faults);
            let length = sequence_len(rest);
            let sequence = &rest[..length];
            match sequence {
                FRAME_BEGINS if !is_open => is_open = true,
                FRAME_ENDS if is_open && !is_link => is_open = false,
                LINK_ENDS if is_link => is_link = false,
                _ if is_open && !is_link && is_link_start(sequence) => is_link = true,
                _ if is_link => faults.push(format!("in a link: the sequence {sequence:?}")),
                _ if is_open && is_drawing(sequence) => {}
                _ if !is_open
                    && notified_text(sequence).is_some_and(|text| {
                        check_text(text, &mut faults);
                        true
                    }) => {}
                _ => faults.push(format!("the sequence {sequence:?}")),
            }
            rest = &rest[length..];
        } else if c == '\x07' && !is_open {
            // The bell. Text of others is inside frames, so it cannot contain this one.
            rest = &rest[1..];
        } else {
            if !is_open {
                faults.push(format!("{c:?} outside of a frame"));
            }
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    check_text(&plain, &mut faults);
    faults
}

/// Number of frames.
pub(crate) fn frames(written: &[u8]) -> usize {
    written.windows(FRAME_BEGINS.len()).filter(|window| *window == FRAME_BEGINS.as_bytes()).count()
}

/// Length of the first frame, sequence or character of `written`. `None`: it is incomplete, because a read may end
/// anywhere.
pub(crate) fn whole(written: &[u8]) -> Option<usize> {
    let end_of = |mark: &str| {
        let place = written.windows(mark.len()).position(|window| window == mark.as_bytes());
        place.map(|at| at + mark.len())
    };
    let begins = |mark: &str| written.starts_with(mark.as_bytes());
    match written {
        [] | [0x1b] => None,
        _ if begins(FRAME_BEGINS) => end_of(FRAME_ENDS),
        [0x1b, b'[', rest @ ..] => rest.iter().position(|byte| (0x40..=0x7e).contains(byte)).map(|at| at + 3),
        [0x1b, b']', ..] => [end_of("\x1b\\"), end_of("\x07")].into_iter().flatten().min(),
        [0x1b, ..] => Some(2),
        [0xc0..=0xdf, ..] => (written.len() >= 2).then_some(2),
        [0xe0..=0xef, ..] => (written.len() >= 3).then_some(3),
        [0xf0..=0xff, ..] => (written.len() >= 4).then_some(4),
        _ => Some(1),
    }
}

/// Length of a control sequence, a link, a title or a notification. 1 for any other text after an escape.
fn sequence_len(text: &str) -> usize {
    if ["\x1b]8;", "\x1b]2;", "\x1b]9;"].iter().any(|begin| text.starts_with(begin)) {
        return text.find("\x1b\\").map_or(1, |end| end + "\x1b\\".len());
    }
    let is_final = |c: char| ('\u{40}'..='\u{7E}').contains(&c);
    text.strip_prefix("\x1b[")
        .and_then(|rest| rest.find(|c: char| !('\u{20}'..='\u{3F}').contains(&c)).map(|at| (at, rest)))
        .filter(|(at, rest)| rest[*at..].starts_with(is_final))
        .map_or(1, |(at, _)| "\x1b[".len() + at + 1)
}

/// Text of a title or a notification.
fn notified_text(sequence: &str) -> Option<&str> {
    let body = ["\x1b]2;", "\x1b]9;"].iter().find_map(|begin| sequence.strip_prefix(begin));
    body.and_then(|body| body.strip_suffix("\x1b\\"))
}

/// True for the begin of a link with a safe address.
fn is_link_start(sequence: &str) -> bool {
    let address = sequence.strip_prefix("\x1b]8;id=link;").and_then(|rest| rest.strip_suffix("\x1b\\"));
    address.is_some_and(|address| {
        let scheme = address.split(':').next().unwrap_or_default().to_ascii_lowercase();
        address.len() <= 512
            && address.chars().all(|c| c.is_ascii_graphic() && c != '\\')
            && ["http", "https", "mailto"].contains(&scheme.as_str())
    })
}

/// True for sequences of the client's drawing: cursor positions, colours and styles, cursor on or off.
fn is_drawing(sequence: &str) -> bool {
    let Some(body) = sequence.strip_prefix("\x1b[") else { return false };
    if matches!(body, "?25h" | "?25l") {
        return true;
    }
    let numbers =
        |text: &str| text.split(';').map(|number| number.parse().ok()).collect::<Option<Vec<u16>>>();
    if let Some(place) = body.strip_suffix('H').and_then(numbers) {
        return place.len() == 2;
    }
    body.strip_suffix('m').and_then(numbers).is_some_and(|numbers| is_look(&numbers))
}

/// True for colours of the palette of 256, the default colour, bold, faint, italic, underlined, reversed, and their
/// ends.
fn is_look(numbers: &[u16]) -> bool {
    match numbers {
        [] => true,
        [38, 5, color, rest @ ..] => *color < 256 && is_look(rest),
        [0..=4 | 7 | 22..=24 | 27 | 39 | 49 | 59, rest @ ..] => is_look(rest),
        _ => false,
    }
}

fn check_text(text: &str, faults: &mut Vec<String>) {
    let chars: Vec<char> = text.chars().collect();
    let mut marks = 0;
    for (at, &c) in chars.iter().enumerate() {
        let is_noncharacter = matches!(c, '\u{FDD0}'..='\u{FDEF}') || u32::from(c) & 0xFFFE == 0xFFFE;
        if is_noncharacter || FORBIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c)) {
            faults.push(format!("U+{:04X}", u32::from(c)));
        }
        let is_emoji = |c: Option<&char>| c.is_some_and(|c| !c.is_ascii() && !c.is_alphanumeric());
        if c == '\u{200D}' && !(at > 0 && is_emoji(chars.get(at - 1)) && is_emoji(chars.get(at + 1))) {
            faults.push("a joiner that is not between emoji".to_owned());
        }
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks == MARKS + 1 {
            faults.push("too many combining marks".to_owned());
        }
    }
}

#[test]
fn no_frame_sequence_or_character_is_split_by_a_read() {
    for unit in [
        "a",
        "é",
        "日",
        "👩",
        "\x1b[?1049h",
        "\x1b[31m",
        "\x1b7",
        "\x1b]2;(1) chat\x1b\\",
        "\x1b]11;?\x07",
        "\x1b[?2026h\x1b[1;1Ha\x1b]8;;\x1b\\b\x1b[?2026l",
    ] {
        let written = format!("{unit}{unit}");
        for length in 0..=written.len() {
            let expected = (length >= unit.len()).then_some(unit.len());
            assert_eq!(whole(&written.as_bytes()[..length]), expected, "{unit:?}, {length}");
        }
    }
}

#[test]
fn frames_of_the_client_have_no_faults() {
    for good in [
        "",
        "\x1b[?2026h\x1b[?25l\x1b[3;18Hhe said \x1b[1m\x1b[38;5;130;49mhi\x1b[39m\x1b[49m\x1b[0m\x1b[?2026l",
        "\x1b[?2026h\x1b[4m\x1b]8;id=link;https://x.y/%20\x1b\\a日\x1b]8;;\x1b\\\x1b[24m\x1b[?2026l",
        "\x1b]2;(1) chat - realtime\x1b\\\x1b]9;bob in chat: hi\x1b\\\x07",
        "\x1b[?2026h日本 e\u{301} 👩\u{200D}👧\x1b[?25h\x1b[?2026l",
    ] {
        assert_eq!(faults(good.as_bytes()), Vec::<String>::new(), "{good:?}");
    }
}

#[test]
fn foreign_sequences_and_characters_are_faults() {
    for bad in [
        "\x1b[31m",
        "\x1b[9m",
        "\x1b[48;5;1m",
        "\x1b[38;2;1;2;3m",
        "\x1b[2J",
        "\x1b[6n",
        "\x1b[H",
        "\x1b[1A",
        "\x1b[?1049l",
        "\x1b[?1000h",
        "\x1b[>1u",
        "\x1b[1;2",
        "\x1b]0;x\x07",
        "\x1b]2;a\u{202e}\x1b\\",
        "\x1b]2;a\x1b[31m\x1b\\",
        "\x1b]9;a",
        "\x1b[?2026h\x1b]2;a\x1b\\\x1b[?2026l",
        "\x1b[?2026h\x07\x1b[?2026l",
        "\x1b]52;c;eA==\x07",
        "\x1b]8;;x\x1b\\",
        "\x1b]8;;\x1b\\",
        "\x1b]8;id=link;https://x",
        "\x1b]8;id=link;https://x\x1b\\a",
        "\x1b]8;id=link;https://x\x1b\\\x1b[1;1Ha\x1b]8;;\x1b\\",
        "\x1b]8;id=link;https://x\x1b\\\x1b]8;id=link;https://y\x1b\\\x1b]8;;\x1b\\",
        "\x1b]8;id=link;https://x y\x1b\\a\x1b]8;;\x1b\\",
        "\x1b]8;id=link;https://é\x1b\\a\x1b]8;;\x1b\\",
        "\x1b]8;id=link;file:///x\x1b\\a\x1b]8;;\x1b\\",
        "\x1bPq\x1b\\",
        "\x1bc",
        "\x1b(0",
        "\x1b",
        "\x07",
        "\r",
        "\n",
        "\x7f",
        "\u{9b}1A",
        "\u{85}",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "a\u{200d}b",
        "👩\u{200d}",
        "\u{fe0f}",
        "\u{e0041}",
        "\u{feff}",
        "\u{ad}",
        "\u{fffe}",
        "a\u{301}\u{301}\u{301}\u{301}\u{301}",
    ] {
        assert!(!faults(format!("{FRAME_BEGINS}{bad}{FRAME_ENDS}").as_bytes()).is_empty(), "{bad:?}");
    }
    for bad in ["text", "\x1b[1;1H", FRAME_ENDS] {
        assert!(!faults(bad.as_bytes()).is_empty(), "{bad:?}");
    }
    assert!(!faults(b"\x1b[?2026h\x9b\x1b[?2026l").is_empty());
    assert_eq!(frames(format!("{FRAME_BEGINS}{FRAME_ENDS}").repeat(3).as_bytes()), 3);
}
