//! Keys of all terminals, and the waits that tell them apart.

use super::*;

/// Keys with their bytes. A name of a key stands in the order of [`modifiers`].
const KEYS: &[(&str, &str)] = &[
    // Characters and controls.
    ("a", "a"),
    ("ä", "ä"),
    ("語", "語"),
    ("🎉", "🎉"),
    ("\r", "Enter"),
    ("\t", "Tab"),
    ("\x7f", "Backspace"),
    ("\0", "control- "),
    ("\x01", "control-a"),
    ("\n", "control-j"),
    ("\x1a", "control-z"),
    ("\x1c", "control-4"),
    ("\x1f", "control-7"),
    // Alt as an ESC.
    ("\x1ba", "alt-a"),
    ("\x1bä", "alt-ä"),
    ("\x1b\r", "alt-Enter"),
    ("\x1b\x7f", "alt-Backspace"),
    ("\x1b\x01", "alt-control-a"),
    ("\x1b\\", "alt-\\"),
    // xterm, in both modes of the cursor keys.
    ("\x1b[A", "Up"),
    ("\x1b[B", "Down"),
    ("\x1b[C", "Right"),
    ("\x1b[D", "Left"),
    ("\x1b[H", "Home"),
    ("\x1b[F", "End"),
    ("\x1bOA", "Up"),
    ("\x1bOH", "Home"),
    ("\x1bOP", "F1"),
    ("\x1bOS", "F4"),
    ("\x1b[1;2A", "shift-Up"),
    ("\x1b[1;3A", "alt-Up"),
    ("\x1b[1;5D", "control-Left"),
    ("\x1b[1;8F", "shift-alt-control-End"),
    ("\x1b[1;2P", "shift-F1"),
    ("\x1b[1;5R", "control-F3"),
    ("\x1b[5;5~", "control-PageUp"),
    ("\x1b[2~", "Insert"),
    ("\x1b[3~", "Delete"),
    ("\x1b[5~", "PageUp"),
    ("\x1b[6~", "PageDown"),
    ("\x1b[15~", "F5"),
    ("\x1b[17~", "F6"),
    ("\x1b[21~", "F10"),
    ("\x1b[23~", "F11"),
    ("\x1b[24~", "F12"),
    ("\x1b[24;2~", "shift-F12"),
    ("\x1b[Z", "shift-Tab"),
    ("\x1b[1;6Z", "shift-control-Tab"),
    // Old modes: only the modifiers, and SS3 with modifiers.
    ("\x1b[5A", "control-Up"),
    ("\x1bO5A", "control-Up"),
    ("\x1bO1;2P", "shift-F1"),
    // VT220 and PuTTY.
    ("\x1b[1~", "Home"),
    ("\x1b[4~", "End"),
    ("\x1b[11~", "F1"),
    ("\x1b[14~", "F4"),
    ("\x1b[25~", "F13"),
    ("\x1b[29~", "F16"),
    ("\x1b[34~", "F20"),
    // rxvt.
    ("\x1b[7~", "Home"),
    ("\x1b[8~", "End"),
    ("\x1b[a", "shift-Up"),
    ("\x1b[d", "shift-Left"),
    ("\x1bOa", "control-Up"),
    ("\x1bOd", "control-Left"),
    ("\x1b[7$", "shift-Home"),
    ("\x1b[5^", "control-PageUp"),
    ("\x1b[3@", "shift-control-Delete"),
    // The Linux console.
    ("\x1b[[A", "F1"),
    ("\x1b[[E", "F5"),
    // The keypad in its application mode.
    ("\x1bOM", "Enter"),
    ("\x1bOI", "Tab"),
    ("\x1bO ", " "),
    ("\x1bOj", "*"),
    ("\x1bOk", "+"),
    ("\x1bOm", "-"),
    ("\x1bOo", "/"),
    ("\x1bOp", "0"),
    ("\x1bOy", "9"),
    ("\x1bOX", "="),
    // Alt as an ESC before a sequence: PuTTY, rxvt, iTerm2, Terminal.app.
    ("\x1b\x1b[A", "alt-Up"),
    ("\x1b\x1bOA", "alt-Up"),
    ("\x1b\x1b[5~", "alt-PageUp"),
    ("\x1b\x1b[5^", "alt-control-PageUp"),
    ("\x1b\x1b[[A", "alt-F1"),
    // The kitty protocol.
    ("\x1b[27u", "Esc"),
    ("\x1b[13u", "Enter"),
    ("\x1b[13;2u", "shift-Enter"),
    ("\x1b[9;5u", "control-Tab"),
    ("\x1b[127;3u", "alt-Backspace"),
    ("\x1b[97u", "a"),
    ("\x1b[107;5u", "control-k"),
    ("\x1b[97;2u", "shift-A"),
    ("\x1b[97:65;2u", "shift-A"),
    ("\x1b[49:33;2u", "shift-!"),
    ("\x1b[97;65u", "A"),
    ("\x1b[97;66u", "shift-a"),
    ("\x1b[228;3u", "alt-ä"),
    ("\x1b[1083::107;5u", "control-л base k"),
    ("\x1b[1092:1060:97;6u", "shift-control-ф shifted Ф base a"),
    ("\x1b[55:47;6u", "shift-control-7 shifted /"),
    ("\x1b[97;9u", "super-a"),
    ("\x1b[97;17u", "hyper-a"),
    ("\x1b[97;33u", "meta-a"),
    ("\x1b[97;133u", "control-a"),
    ("\x1b[97;5:1u", "control-a"),
    ("\x1b[97;5:2u", "control-a"),
    ("\x1b[1;3:2A", "alt-Up"),
    ("\x1b[57399u", "0"),
    ("\x1b[57414u", "Enter"),
    ("\x1b[57417;5u", "control-Left"),
    ("\x1b[57376u", "F13"),
    // modifyOtherKeys.
    ("\x1b[27;5;107~", "control-k"),
    ("\x1b[27;2;13~", "shift-Enter"),
    ("\x1b[27;6;65~", "shift-control-A"),
    ("\x1b[27;2;33~", "shift-!"),
    ("\x1b[27;9;97~", "super-a"),
];

/// Mouse and focus reports.
const REPORTS: &[(&[u8], &str)] = &[
    (b"\x1b[<0;3;4M", "Down(Left) at 2,3"),
    (b"\x1b[<0;3;4m", "Up(Left) at 2,3"),
    (b"\x1b[<2;1;1M", "Down(Right) at 0,0"),
    (b"\x1b[<32;300;200M", "Drag(Left) at 299,199"),
    (b"\x1b[<32;0;70000M", "Drag(Left) at 0,65535"),
    (b"\x1b[<0;0;0m", "Up(Left) at 0,0"),
    (b"\x1b[<35;1;1M", "Moved at 0,0"),
    (b"\x1b[<64;1;1M", "ScrollUp at 0,0"),
    (b"\x1b[<81;1;1M", "control-ScrollDown at 0,0"),
    (b"\x1b[32;3;4M", "Down(Left) at 2,3"),
    (b"\x1b[35;3;4M", "Up(Left) at 2,3"),
    (b"\x1b[96;1;1M", "ScrollUp at 0,0"),
    (b"\x1b[M !!", "Down(Left) at 0,0"),
    (b"\x1b[M#\"\xdf", "Up(Left) at 1,190"),
    (b"\x1b[M`!!", "ScrollUp at 0,0"),
    (b"\x1b[I", "Focus(true)"),
    (b"\x1b[O", "Focus(false)"),
];

/// Asserts the event of these bytes, also split at each place and byte by byte, with pauses shorter than the waits.
#[track_caller]
fn check_splits(bytes: &[u8], event: &str) {
    let shown = String::from_utf8_lossy(bytes);
    assert_eq!(events(bytes), [event], "{shown:?}");
    assert_eq!(byte_by_byte(bytes, SHORT), [event], "{shown:?} byte by byte");
    for at in 1..bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(split(first, SHORT, second), [event], "{shown:?} split at {at}");
    }
}

#[test]
fn each_key_is_recognized_at_every_split_point() {
    for (bytes, event) in KEYS {
        check_splits(bytes.as_bytes(), event);
    }
}

#[test]
fn each_mouse_and_focus_report_is_recognized_at_every_split_point() {
    for (bytes, event) in REPORTS {
        check_splits(bytes, event);
    }
}

#[test]
fn keys_in_one_piece_are_kept_apart() {
    let bytes: String = KEYS.iter().map(|(bytes, _)| *bytes).collect();
    let names: Vec<_> = KEYS.iter().map(|(_, name)| *name).collect();
    assert_eq!(events(bytes.as_bytes()), names);
}

#[test]
fn an_escape_is_a_key_after_its_wait() {
    let mut input = TestInput::new();
    input.send(b"\x1b");
    input.pass(99);
    assert_eq!(input.events, Vec::<String>::new());
    input.pass(1);
    assert_eq!(input.events, ["Esc"]);
    input.send(b"[A");
    assert_eq!(input.ended(), ["Esc", "[", "A"]);
}

#[test]
fn repeated_escapes_are_as_many_keys() {
    for count in 1..6 {
        assert_eq!(events("\x1b".repeat(count).as_bytes()), vec!["Esc"; count]);
    }
    assert_eq!(events(b"\x1b\x1ba"), ["Esc", "alt-a"]);
    assert_eq!(events(b"\x1b\x1b\x1b[A"), ["Esc", "alt-Up"]);
}

#[test]
fn an_escape_before_a_report_is_a_key() {
    assert_eq!(events(b"\x1b\x1b[I"), ["Esc", "Focus(true)"]);
    assert_eq!(events(b"\x1b\x1b[<0;1;1M"), ["Esc", "Down(Left) at 0,0"]);
    assert_eq!(events(b"\x1b\x1b[200~x\x1b[201~"), ["Esc", "paste \"x\""]);
    assert_eq!(events(b"\x1b\x1b[?997;1n"), ["Esc"]);
    assert_eq!(events(b"\x1b\x1b[107;5u"), ["Esc", "control-k"]);
}

#[test]
fn an_introducer_without_a_sequence_is_a_key_with_alt() {
    for c in ['[', 'O', ']', 'P', '_', '^', 'X'] {
        let mut input = TestInput::new();
        input.send(format!("\x1b{c}").as_bytes());
        input.pass(100);
        input.send(b"x");
        assert_eq!(input.ended(), [format!("alt-{c}"), "x".to_owned()]);
        assert_eq!(events(format!("\x1b\x1b{c}").as_bytes()), ["Esc".to_owned(), format!("alt-{c}")]);
    }
}

#[test]
fn a_sequence_without_an_end_is_dropped_after_its_wait() {
    for begun in [
        "\x1b[1",
        "\x1b[1;",
        "\x1b[<0;1",
        "\x1b[[",
        "\x1b[M!",
        "\x1bO1",
        "\x1b\x1b[1",
        "\x1b]11;rgb",
        "\x1bPq",
    ] {
        let mut input = TestInput::new();
        input.send(begun.as_bytes());
        input.pass(500);
        input.send(b"hello");
        assert_eq!(input.ended(), ["h", "e", "l", "l", "o"], "{begun:?}");
    }
}

#[test]
fn an_escape_begins_a_sequence_anew() {
    let all = KEYS.iter().map(|(bytes, _)| bytes.as_bytes()).chain(REPORTS.iter().map(|(bytes, _)| *bytes));
    for bytes in all.filter(|bytes| bytes.starts_with(b"\x1b")) {
        for end in 2..bytes.len() {
            let begun = [&bytes[..end], b"\x1b[1;5C"].concat();
            let expected = if bytes[..end] == *b"\x1b\x1b" {
                vec!["Esc", "alt-control-Right"]
            } else {
                vec!["control-Right"]
            };
            assert_eq!(events(&begun), expected, "{:?}", String::from_utf8_lossy(&begun));
        }
    }
}

#[test]
fn ctrl_c_interrupts_every_sequence() {
    let all = KEYS.iter().map(|(bytes, _)| bytes.as_bytes()).chain(REPORTS.iter().map(|(bytes, _)| *bytes));
    for bytes in
        all.chain([&b"\x1b]11;rgb:0"[..], b"\x1bP1$r", b"\x1b_G", b"\x1b^x", b"\x1bXx", b"\x1b]0;x\x1b"])
    {
        for end in 0..=bytes.len() {
            let mut input = TestInput::new();
            input.send(&bytes[..end]);
            input.send(b"\x03");
            assert_eq!(input.events.last().map(String::as_str), Some("control-c"), "{bytes:?} cut at {end}");
        }
    }
}

#[test]
fn a_control_within_a_sequence_is_dropped_with_it() {
    for control in (0..0x20).filter(|control| ![0x03, 0x1b].contains(control)) {
        assert_eq!(events(&[0x1b, b'[', b'1', control, b'x']), ["x"], "{control}");
    }
}

#[test]
fn released_keys_are_no_events() {
    for bytes in ["\x1b[97;1:3u", "\x1b[1;1:3A", "\x1b[5;1:3~"] {
        assert_eq!(events(bytes.as_bytes()), Vec::<String>::new(), "{bytes:?}");
    }
}

#[test]
fn keys_without_a_character_are_no_text() {
    // Caps Lock, a volume key, the left Shift key, a number that is no character.
    for code in ["57358", "57439", "57441", "1114112", "55296", "99999999999999999999", ""] {
        assert_eq!(events(format!("\x1b[{code}u").as_bytes()), Vec::<String>::new(), "{code}");
    }
}

#[test]
fn bytes_that_are_no_characters_are_dropped() {
    for bytes in [&b"\xff"[..], b"\xc0\xaf", b"\xe9", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xa0"] {
        assert_eq!(events(&[bytes, b"x"].concat()), ["x"], "{bytes:?}");
    }
    // U+0085 and U+009B: C1 controls.
    assert_eq!(events("a\u{85}b\u{9b}1;5Cc".as_bytes()), ["a", "b", "control-Right", "c"]);
}

#[test]
fn only_an_escape_that_may_be_a_key_of_its_own_is_a_prefix() {
    let prefixed = |bytes: &[u8]| {
        let events = Decoder::new(ESCAPE_DELAY).feed(bytes, Instant::now());
        matches!(events[..], [TerminalEvent::Key(KeyEvent { is_prefixed: true, .. })])
    };
    assert!(prefixed(b"\x1b\x1b[5~") && prefixed(b"\x1b\x1bOA"));
    assert!(!prefixed(b"\x1b[5;3~") && !prefixed(b"\x1b\r") && !prefixed(b"\x1bx") && !prefixed(b"\x1b[A"));
}
