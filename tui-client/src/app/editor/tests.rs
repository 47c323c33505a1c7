//! The editor: motions, limits, undo and redo.

use proptest::prelude::*;

use super::*;

fn editor(text: &str) -> Editor {
    let mut editor = Editor::default();
    editor.insert(text).expect("short");
    editor
}

#[test]
fn motions_go_by_graphemes_words_and_lines() {
    let mut e = editor("one two\nth👩\u{200d}👧e");
    e.go(Motion::Left);
    e.go(Motion::Left);
    assert_eq!(&e.text()[..e.cursor()], "one two\nth");
    assert!(e.go(Motion::Up));
    assert_eq!(&e.text()[..e.cursor()], "on");
    assert!(!e.go(Motion::Up));
    e.go(Motion::LineEnd);
    let cut = e.cut(Motion::WordLeft);
    assert_eq!(e.text(), "one \nth👩\u{200d}👧e");
    e.go(Motion::LineStart);
    e.insert(&cut).expect("short");
    assert_eq!(e.text(), "twoone \nth👩\u{200d}👧e");
    e.go(Motion::Down);
    e.delete(Motion::Left);
    assert_eq!(e.text(), "twoone \nthe");
}

#[test]
fn words_are_passed_with_the_spaces_before_them() {
    let mut e = editor("one  two three ");
    for (motion, at) in [
        (Motion::WordLeft, "one  two "),
        (Motion::WordLeft, "one  "),
        (Motion::WordRight, "one  two"),
        (Motion::WordRight, "one  two three"),
        (Motion::WordRight, "one  two three "),
    ] {
        assert!(e.go(motion), "{motion:?} to {at:?}");
        assert_eq!(&e.text()[..e.cursor()], at);
    }
    assert!(!e.go(Motion::WordRight));
}

#[test]
fn a_click_puts_the_cursor_between_graphemes() {
    // A letter of two bytes, and a letter with a combining mark.
    let mut e = editor("aüe\u{301}z");
    for (at, cursor) in [(1, 1), (2, 1), (3, 3), (4, 6), (5, 6), (7, 7), (8, 7), (usize::MAX, 7)] {
        e.go_to(at);
        assert_eq!(e.cursor(), cursor, "{at}");
    }
}

#[test]
fn a_replacement_that_does_not_fit_is_refused_as_a_whole() {
    let full = "x".repeat(DRAFT_CHARS);
    let mut e = editor(&full);
    for text in ["yy", "yyy"] {
        assert_eq!(e.replace(0..1, text), Err(Full));
        assert_eq!(e.text(), full);
    }
    assert_eq!(e.replace(0..1, "ü"), Ok(()));
    assert_eq!((e.text().chars().count(), e.cursor()), (DRAFT_CHARS, 2));
    let mut e = editor(&"x".repeat(DRAFT_CHARS / 2));
    assert_eq!(e.replace(0..1, "yyyy"), Ok(()), "the text has space left");
}

#[test]
fn a_text_that_does_not_fit_is_refused_as_a_whole() {
    let mut e = editor("kept");
    assert_eq!(e.insert(&"ü".repeat(DRAFT_CHARS)), Err(Full));
    assert_eq!(e.text(), "kept");
    assert_eq!(e.insert(&"ü".repeat(DRAFT_CHARS - 4)), Ok(()));
}

#[test]
fn undo_goes_back_word_by_word() {
    let mut e = Editor::default();
    for c in "one two".chars() {
        e.insert(&c.to_string()).expect("short");
    }
    e.cut(Motion::WordLeft);
    assert_eq!(e.text(), "one ");
    for text in ["one two", "one ", ""] {
        assert!(e.undo());
        assert_eq!(e.text(), text);
    }
    assert!(!e.undo());
    for text in ["one ", "one two", "one "] {
        assert!(e.redo());
        assert_eq!(e.text(), text);
    }
    e.insert("x").expect("short");
    assert!(!e.redo(), "another change was made");
    e.take();
    assert!(!e.undo(), "undo does not restore a sent text");
    e.insert("two").expect("short");
    e.undo();
    assert!(!e.undo(), "no further change");
}

#[test]
fn a_text_written_elsewhere_can_be_undone() {
    let mut e = editor("one");
    e.rewrite("one".to_owned());
    assert!(e.undo(), "the insertion");
    assert!(!e.undo(), "the same text is no change");
    e.rewrite("two words".to_owned());
    assert_eq!((e.text(), e.cursor()), ("two words", 9));
    e.undo();
    assert_eq!(e.text(), "");
}

#[test]
fn changes_of_256_kib_can_be_undone() {
    const BYTES: usize = 16 * 1024;
    let mut e = Editor::default();
    let texts: Vec<_> = ('ü'..).take(40).map(|letter| letter.to_string().repeat(BYTES / 2)).collect();
    for text in &texts {
        e.rewrite(text.clone());
    }
    let mut undone = 0;
    while e.undo() {
        undone += 1;
    }
    assert_eq!((undone, e.text()), (16, texts[23].as_str()));
}

#[test]
fn a_long_draft_keeps_fewer_changes() {
    let mut e = editor(&"x".repeat(DRAFT_CHARS - 100));
    let mut changes = 1;
    for _ in 0..40 {
        e.insert("\n").expect("short");
        changes += 1;
    }
    let mut undone = 0;
    while e.undo() {
        undone += 1;
    }
    assert!(undone < changes && undone * DRAFT_CHARS <= UNDONE_BYTES + DRAFT_CHARS, "{undone}");
}

proptest! {
    #[test]
    fn redo_restores_what_undo_removed(
        steps in prop::collection::vec((0..5u8, "[a \n日]{1,3}"), 0..40)
    ) {
        let mut e = Editor::default();
        let mut texts = vec![String::new()];
        for (step, text) in steps {
            match step {
                0 => { e.go(Motion::Left); }
                1 => e.delete(Motion::Left),
                2 => { e.cut(Motion::WordLeft); }
                _ => e.insert(&text).expect("short"),
            }
            texts.push(e.text().to_owned());
        }
        let end = e.text().to_owned();
        let mut undone = 0;
        while e.undo() {
            undone += 1;
            prop_assert!(texts.iter().any(|text| text == e.text()));
        }
        prop_assert_eq!(e.text(), "");
        for _ in 0..undone {
            prop_assert!(e.redo());
        }
        prop_assert!(!e.redo());
        prop_assert_eq!(e.text(), end);
    }

    #[test]
    fn the_cursor_is_always_between_graphemes(
        steps in prop::collection::vec((0..14u8, "[a \n\u{301}👩\u{200d}\u{1F1E6}]{0,3}"), 0..60)
    ) {
        let mut e = Editor::default();
        for (step, text) in steps {
            match step {
                0 => { e.go(Motion::Left); }
                1 => { e.go(Motion::Right); }
                2 => { e.go(Motion::WordLeft); }
                3 => { e.go(Motion::WordRight); }
                4 => { e.go(Motion::Up); }
                5 => { e.go(Motion::Down); }
                6 => e.delete(Motion::Left),
                7 => e.delete(Motion::Right),
                8 => { e.cut(Motion::WordLeft); }
                9 => { e.undo(); }
                10 => { e.redo(); }
                _ => e.insert(&text).expect("short"),
            }
            let ends = e.text().grapheme_indices(true).map(|(at, _)| at).chain([e.text().len()]);
            prop_assert!(ends.into_iter().any(|at| at == e.cursor()), "{:?} {}", e.text(), e.cursor());
        }
    }
}
