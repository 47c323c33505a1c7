//! Long messages: folded to their first rows, and opened by a key or a click.

use super::mouse::{DRAG, PRESS, RELEASE, place_of};
use super::*;

const CHAT: &str = "chat";

/// A text of `count` lines, from `line 1` on.
fn lines(count: usize) -> String {
    (1..=count).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n")
}

/// A client with a message of 60 rows between two others.
fn client() -> Client {
    let mut client = Client::online(&[CHAT]);
    for number in 1..=20 {
        client.receive(CHAT, "alice", &format!("before {number}"));
    }
    client.receive(CHAT, "bob", &format!("look:\n```log\n{}\n```", lines(58)));
    client.receive(CHAT, "alice", "after");
    client
}

fn fold_key(screen: &mut TestScreen) {
    let effects = screen.client.alt('l');
    screen.run(effects);
    screen.draw();
}

#[test]
fn a_long_message_is_folded() {
    snapshots("folded", client);
}

#[test]
fn a_key_opens_and_folds_a_long_message_in_its_place() {
    for size in [SIZES[0], SIZES[1]] {
        let mut screen = TestScreen::new(client(), size);
        let folded = screen.text();
        assert!(folded.contains("… 40 more rows · Alt-L opens them"), "{folded}");
        assert!(folded.contains("Alt-L opens the long message"), "{folded}");
        assert!(folded.contains("line 18") && !folded.contains("line 19"), "{folded}");
        let at = place_of(&mut screen, "line 12");
        fold_key(&mut screen);
        let text = screen.text();
        assert_eq!(place_of(&mut screen, "line 12"), at, "its place");
        let last = if size == SIZES[0] { "line 20" } else { "line 19" };
        assert!(text.contains(last) && !text.contains("more rows"), "{text}");
        assert!(text.contains("1 newer (End)") && text.contains("Alt-L folds the long message"), "{text}");
        for _ in 0..2 {
            screen.press(KeyCode::PageDown);
            screen.draw();
        }
        assert!(screen.text().contains("line 58"), "all rows are there: {}", screen.text());
        fold_key(&mut screen);
        let text = screen.text();
        assert!(text.contains("40 more rows") && text.contains("after"), "{text}");
    }
}

#[test]
fn a_message_of_4000_rows_takes_few_rows() {
    let mut client = Client::online(&[CHAT]);
    client.receive(CHAT, "bob", &"\n.".repeat(1_999));
    client.receive(CHAT, "bob", &".\n".repeat(2_000));
    for size in SIZES {
        let mut screen = TestScreen::new(client, size);
        let text = screen.text();
        assert!(text.contains("… 1980 more rows") || text.contains("… 1981 more"), "{text}");
        client = screen.client;
    }
}

#[test]
fn a_click_on_the_fold_opens_it() {
    for size in SIZES {
        let mut screen = TestScreen::new(client(), size);
        let at = place_of(&mut screen, "40 more rows");
        screen.mouse(PRESS, at);
        assert_eq!(screen.mouse(RELEASE, at), []);
        assert!(screen.text().contains("line 19"), "{}", screen.text());
        assert!(screen.client.model.overlay.is_none() && screen.state.viewed().is_some());
    }
}

#[test]
fn the_present_width_decides() {
    let mut client = Client::online(&[CHAT]);
    client.receive(CHAT, "bob", &vec!["words of a line that is wrapped in a narrow window"; 30].join("\n"));
    let mut screen = TestScreen::new(client, SIZES[0]);
    assert!(!screen.text().contains("more rows"));
    screen.terminal.backend_mut().resize(40, 30);
    assert!(screen.text().contains("… 40 more rows · Alt-L opens them"), "{}", screen.text());
    screen.terminal.backend_mut().resize(24, 30);
    assert!(screen.text().contains("… 100 (Alt-L)"), "{}", screen.text());
    screen.terminal.backend_mut().resize(120, 40);
    assert!(!screen.text().contains("more"));
}

#[test]
fn the_fold_names_the_current_key() {
    let mut screen = TestScreen::new(client(), SIZES[0]);
    screen.client.model.keymap.remap("fold", &["F9"]).expect("an action");
    assert!(screen.text().contains("F9 opens them") && screen.text().contains("F9 opens the long message"));
    screen.press(KeyCode::F(9));
    assert!(screen.text().contains("line 19"));
    screen.client.model.keymap.remap("fold", &[]).expect("an action");
    screen.press(KeyCode::End);
    screen.draw();
    assert!(!screen.text().contains("Alt-L"));
}

#[test]
fn without_a_long_message_the_key_says_so() {
    let mut screen = TestScreen::new(lively(), SIZES[0]);
    screen.draw();
    fold_key(&mut screen);
    assert_eq!(screen.client.hint(), "no long message on the screen");
}

#[test]
fn a_match_below_the_fold_is_shown() {
    for size in SIZES {
        let mut screen = TestScreen::new(client(), size);
        screen.draw();
        for c in "/search line 47".chars() {
            screen.press(KeyCode::Char(c));
        }
        screen.press(KeyCode::Enter);
        let text = screen.text();
        assert!(text.contains("line 47"), "{text}");
        screen.press(KeyCode::Enter);
        assert!(screen.text().contains("line 47"), "it stays open after the search");

        let mut screen = TestScreen::new(client(), size);
        screen.draw();
        for c in "/search line 3\r".chars() {
            let code = if c == '\r' { KeyCode::Enter } else { KeyCode::Char(c) };
            screen.press(code);
        }
        screen.draw();
        fold_key(&mut screen);
        assert!(screen.text().contains("line 3"), "the key works during a search: {}", screen.text());
    }
}

#[test]
fn a_refused_long_message_shows_the_reason() {
    let mut client = Client::online(&[CHAT]);
    let text = lines(50);
    client.input(Input::Paste(text.clone()));
    let id = client.send("");
    client.state(&id, SendState::Refused("too long".to_owned()));
    let mut screen = TestScreen::new(client, SIZES[0]);
    let shown = screen.text();
    assert!(shown.contains("30 more rows") && shown.contains("✗ not sent: too long"), "{shown}");
    screen.client.state(&id, SendState::Sent);
    screen.terminal.backend_mut().resize(40, 10);
    assert!(screen.text().contains("… 30 more (Alt-L) …\n"), "the sign has its cells: {}", screen.text());
    screen.terminal.backend_mut().resize(120, 40);
    screen.draw();
    // It stays open when it is stored after all.
    fold_key(&mut screen);
    screen.client.deliver_copy(CHAT, &id, &text);
    assert!(!screen.text().contains("more rows"), "{}", screen.text());
}

#[test]
fn a_long_note_is_folded_in_a_room_and_outside_of_rooms() {
    for mut client in [Client::online(&[CHAT]), Client::offline(&[])] {
        client.input(Input::Warning(lines(60)));
        let mut screen = TestScreen::new(client, SIZES[0]);
        assert!(screen.text().contains("… 40 more rows"), "{}", screen.text());
        fold_key(&mut screen);
        assert!(screen.text().contains("line 21"));
    }
}

#[test]
fn a_selection_over_a_fold_has_all_rows() {
    let mut screen = TestScreen::new(client(), SIZES[0]);
    let from = place_of(&mut screen, "look");
    let to = place_of(&mut screen, "after");
    screen.mouse(PRESS, from);
    screen.mouse(DRAG, (to.0 + 4, to.1));
    let copied = format!("look:\n{}\nafter", lines(58));
    assert_eq!(screen.mouse(RELEASE, to), [Effect::Copy(copied)]);
    // A drag that ends at the fold ends with the rows that are shown.
    let fold = place_of(&mut screen, "40 more");
    screen.mouse(PRESS, from);
    screen.mouse(DRAG, fold);
    let copied = format!("look:\n{}", lines(18));
    assert_eq!(screen.mouse(RELEASE, to), [Effect::Copy(copied)]);
}
