//! The composer on the screen: rows of words, steps between rows, the counter.

use super::*;

fn screen(size: (u16, u16), draft: &str) -> TestScreen {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Paste(draft.to_owned()));
    let mut screen = TestScreen::new(client, size);
    screen.draw();
    screen
}

/// The draft up to the cursor.
fn before(screen: &TestScreen) -> &str {
    let editor = &screen.client.model.pane().composer.editor;
    &editor.text()[..editor.cursor()]
}

#[test]
fn a_draft_is_wrapped_at_words() {
    let draft = "The quick brown fox jumps over the lazy dog and runs away";
    for size in SIZES {
        let text = screen(size, draft).text();
        let words = text.split_whitespace().filter(|word| draft.split(' ').any(|whole| whole == *word));
        assert_eq!(words.count(), 12, "each word is in one row: {text}");
    }
}

#[test]
fn up_and_down_go_by_rows_and_then_through_the_history() {
    let mut screen = screen((40, 10), "sent before");
    screen.press(KeyCode::Enter);
    screen.client.input(Input::Paste("one two three four five six seven eight nine ten eleven".to_owned()));
    let text = screen.text();
    let rows: Vec<&str> = text.lines().skip_while(|row| !row.contains("one")).collect();
    assert_eq!(rows.len(), 2, "{text}");
    screen.press(KeyCode::Up);
    let first = before(&screen).to_owned();
    assert!(first.starts_with("one") && !first.contains("eleven"), "{first:?}");
    screen.press(KeyCode::Down);
    assert!(before(&screen).ends_with("ten eleven"));
    screen.press(KeyCode::Up);
    screen.press(KeyCode::Up);
    assert_eq!(screen.client.draft(), "sent before");
    screen.press(KeyCode::Down);
    assert!(screen.client.draft().starts_with("one two"));
}

#[test]
fn a_step_over_a_short_row_keeps_its_column() {
    let mut screen = screen((40, 10), "a long row\nb\nanother one");
    screen.press(KeyCode::Up);
    assert_eq!(before(&screen), "a long row\nb");
    screen.press(KeyCode::Up);
    assert_eq!(before(&screen), "a long row");
    screen.press(KeyCode::Left);
    screen.press(KeyCode::Down);
    screen.press(KeyCode::Down);
    assert_eq!(before(&screen), "a long row\nb\nanother o");
}

#[test]
fn a_nearly_too_long_draft_shows_its_length() {
    for size in SIZES {
        for (length, counter) in [(3_599, None), (3_600, Some(" 3600/4000")), (4_001, Some(" 4001/4000"))] {
            let text = screen(size, &"x".repeat(length)).text();
            match counter {
                Some(counter) => assert!(text.contains(counter), "{text}"),
                None => assert!(!text.contains("/4000"), "{text}"),
            }
        }
    }
}
