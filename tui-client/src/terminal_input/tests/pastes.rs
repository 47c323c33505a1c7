//! Pastes, whole, split and cut off.

use super::*;

const PASTE: &[u8] = b"\x1b[200~one\rtwo\r\x1b[201~";

fn is_sent(events: &[String]) -> bool {
    events.iter().any(|event| event.contains("Enter") || event == "control-j")
}

#[test]
fn a_paste_is_one_event_at_every_split_point() {
    assert_eq!(events(PASTE), [r#"paste "one\rtwo\r""#]);
    assert_eq!(byte_by_byte(PASTE, SHORT), [r#"paste "one\rtwo\r""#]);
    for at in 1..PASTE.len() {
        let (first, second) = PASTE.split_at(at);
        assert_eq!(split(first, SHORT, second), [r#"paste "one\rtwo\r""#], "split at {at}");
    }
}

#[test]
fn an_opening_mark_that_is_split_by_any_pause_begins_a_paste() {
    for millis in [100, 499, 500, 10_000] {
        for at in 1..6 {
            let (first, second) = PASTE.split_at(at);
            let events = split(first, millis, second);
            assert!(!is_sent(&events), "{millis} at {at}: {events:?}");
            assert_eq!(events.last().map(String::as_str), Some(r#"paste "one\rtwo\r""#), "{millis} at {at}");
        }
        let mut input = TestInput::new();
        for byte in &PASTE[..6] {
            input.send(&[*byte]);
            input.pass(millis);
        }
        assert!(!input.events.iter().any(|event| event == "~"), "the last byte is not text");
    }
}

#[test]
fn a_paste_without_an_end_ends_after_a_second() {
    let mut input = TestInput::new();
    input.send(b"\x1b[200~one\r");
    input.pass(999);
    input.send(b"two\x1b[20");
    input.pass(999);
    assert_eq!(input.events, Vec::<String>::new());
    input.pass(1);
    assert_eq!(input.events, [r#"paste "one\rtwo""#]);
    input.send(b"x");
    assert_eq!(input.ended(), [r#"paste "one\rtwo""#, "x"]);
}

#[test]
fn the_rest_of_a_paste_after_a_pause_is_recognized_by_its_closing_mark() {
    let mut input = TestInput::new();
    input.send(b"\x1b[200~one\r");
    input.pass(2_000);
    input.send(b"two\r\x1b[201~\r");
    assert_eq!(input.ended(), [r#"paste "one\r""#, r#"paste "two\r""#, "Enter"]);
}

#[test]
fn a_paste_without_its_opening_mark_is_recognized_by_its_closing_mark() {
    for start in 1..PASTE.len() {
        let events = events(&PASTE[start..]);
        assert!(!is_sent(&events), "{start}: {events:?}");
    }
}

#[test]
fn ctrl_c_within_a_paste_is_dropped_and_does_not_prolong_it() {
    assert_eq!(events(b"\x1b[200~a\x03b\x1b[2\x0301~\x03"), [r#"paste "ab""#, "control-c"]);
    let mut input = TestInput::new();
    input.send(b"\x1b[200~a");
    for _ in 0..10 {
        input.pass(100);
        input.send(b"\x03");
    }
    assert_eq!(input.ended(), [r#"paste "a""#, "control-c"]);
}

#[test]
fn sequences_within_a_paste_are_its_text() {
    assert_eq!(
        events(b"\x1b[200~a\x1b[A\x1b\x1b[\x1b[200~\x1b]0;x\x07\xff\x1b[201~b"),
        [r#"paste "a\u{1b}[A\u{1b}\u{1b}[\u{1b}[200~\u{1b}]0;x\u{7}�""#, "b"]
    );
}

#[test]
fn pastes_and_keys_in_one_piece_are_kept_apart() {
    let bytes = [b"a", PASTE, b"\x1b[A", PASTE, b"\x1b[201~\x1b[200~\x1b[201~b"].concat();
    let paste = r#"paste "one\rtwo\r""#;
    assert_eq!(events(&bytes), ["a", paste, "Up", paste, "b"]);
}

#[test]
fn a_long_paste_is_cut() {
    let text = "x".repeat(3 << 20);
    let events = events(format!("\x1b[200~{text}\x1b[201~y").as_bytes());
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].len(), events[1].as_str()), ((1 << 20) + r#"paste """#.len(), "y"));
}

#[test]
fn a_mark_of_eight_bits_begins_a_paste() {
    assert_eq!(split(b"\x9b200~one\r", 0, b"two\x1b[201~"), [r#"paste "one\rtwo""#]);
}

/// The rest of a paste after pauses, in reads of any size.
#[test]
fn the_rest_of_a_paste_in_several_reads_is_not_keys() {
    for millis in [0, 500, 2_000, 9_000] {
        // Single letters are keys, and do not prolong the wait.
        for size in if millis > 500 { 2..9 } else { 1..9 } {
            let mut input = TestInput::new();
            input.send(b"\x1b[200~one\r");
            input.pass(2_000);
            for read in b"two\rthree\r\nfour\r\x1b[201~".chunks(size) {
                input.send(read);
                input.pass(millis);
            }
            assert!(!is_sent(&input.events), "{size} bytes each {millis} ms: {:?}", input.events);
        }
    }
}

#[test]
fn a_line_end_alone_after_an_unclosed_paste_is_text_for_ten_seconds() {
    let after = |pause: u64, bytes: &[u8]| {
        let mut input = TestInput::new();
        input.send(b"\x1b[200~one");
        input.pass(1_000);
        input.events.clear();
        input.pass(pause);
        input.send(bytes);
        input.ended()
    };
    assert_eq!(after(9_999, b"\r"), [r#"paste "\r""#]);
    assert_eq!(after(10_000, b"\r"), ["Enter"]);
    // Reports do not show that the rest will not come.
    assert_eq!(after(0, b"\x1b[I\x1b[?997;1n\r"), ["Focus(true)", r#"paste "\r""#]);
    assert_eq!(after(0, b"\x1b[Itwo\r"), ["Focus(true)", r#"paste "two\r""#]);
    assert_eq!(after(0, b"\x1b[201~\r"), ["Enter"]);
}

#[test]
fn a_key_that_no_paste_contains_ends_the_wait_for_its_rest() {
    for (key, shown) in [
        (&b"\x03"[..], "control-c"),
        (b"\x7f", "Backspace"),
        (b"\x1b[A", "Up"),
        (b"\x15", "control-u"),
        (b"\x1bx", "alt-x"),
    ] {
        let mut input = TestInput::new();
        input.send(b"\x1b[200~one");
        input.pass(1_000);
        input.events.clear();
        input.send(key);
        input.send(b"ab\r");
        assert_eq!(input.ended(), [shown, "a", "b", "Enter"]);
    }
}

#[test]
fn a_split_closing_mark_ends_the_wait_for_the_rest() {
    let mark = b"\x1b[201~";
    for at in 1..mark.len() {
        let mut input = TestInput::new();
        input.send(b"\x1b[200~one");
        input.pass(1_000);
        input.events.clear();
        input.send(&mark[..at]);
        input.pass(SHORT);
        input.send(&mark[at..]);
        input.send(b"\r");
        assert_eq!(input.ended(), ["Enter"], "split at {at}");
    }
}
