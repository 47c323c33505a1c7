//! Rooms with unread messages: they open at the ruler above these.

use super::*;
use crate::net::Command;

/// A client in `chat`, with 40 messages in `dev` that it has seen and `unread` that it has not.
fn client(unread: usize) -> Client {
    let mut client = Client::online(&["chat", "dev"]);
    client.alt('2');
    for number in 1..=40 {
        client.receive("dev", "bob", &format!("seen {number}"));
    }
    client.alt('1');
    for number in 1..=unread {
        client.receive("dev", "alice", &format!("unread {number}."));
    }
    client
}

fn alt(screen: &mut TestScreen, code: KeyCode) -> String {
    let effects = screen.client.key(code, KeyModifiers::ALT);
    screen.run(effects);
    screen.text()
}

/// Rows of the timeline and the members: without the header and the lines below.
fn rows(text: &str) -> Vec<&str> {
    // The rooms beside it have counts.
    let beside = |row| str::split_once(row, '│').map_or(row, |(_, timeline)| timeline);
    let rows: Vec<&str> = text.lines().map(beside).collect();
    rows[1..rows.len() - 2].to_vec()
}

#[test]
fn a_room_with_more_unread_messages_than_fit() {
    snapshots("unread", || {
        let mut client = client(100);
        client.alt('2');
        client
    });
}

#[test]
fn a_room_opens_at_its_first_unread_message() {
    for size in SIZES {
        let mut screen = TestScreen::new(client(100), size);
        screen.draw();
        let text = alt(&mut screen, KeyCode::Char('2'));
        let shown = rows(&text);
        let ruler = shown.iter().position(|row| row.contains("100 new")).expect("the ruler");
        assert!(ruler <= 2 && shown[ruler + 1].contains("unread 1."), "{text}");
        assert!(shown[ruler - 1].contains("seen 40"), "with what precedes it: {text}");
        screen.client.receive("dev", "carol", "meanwhile");
        assert_eq!(rows(&screen.text()), shown, "it stays there");
        // To the newest message and back.
        let text = alt(&mut screen, KeyCode::End);
        assert!(text.contains("meanwhile") && !text.contains("newer"), "{text}");
        assert_eq!(rows(&alt(&mut screen, KeyCode::Char('u'))), shown);
        screen.press(KeyCode::PageDown);
        assert!(!screen.text().contains("100 new"), "a key moves it");
        let text = alt(&mut screen, KeyCode::End);
        screen.client.receive("dev", "carol", "the end");
        assert!(text.contains("meanwhile") && screen.text().contains("the end"), "it follows again");
    }
}

#[test]
fn a_room_whose_unread_messages_fit_opens_at_the_end() {
    for (size, unread) in SIZES.into_iter().zip([20, 12, 4]) {
        let mut screen = TestScreen::new(client(unread), size);
        screen.draw();
        let text = alt(&mut screen, KeyCode::Char('2'));
        assert!(
            text.contains(&format!("{unread} new")) && text.contains(&format!("unread {unread}.")),
            "{text}"
        );
        assert!(!text.contains("newer"), "{text}");
        for number in 1..=60 {
            screen.client.receive("dev", "alice", &format!("live {number}."));
            if number % 3 == 0 {
                screen.draw();
            }
        }
        assert!(screen.text().contains("live 60."), "the view follows: {}", screen.text());
        let text = alt(&mut screen, KeyCode::Char('u'));
        assert!(text.contains("unread 1.") && text.contains("newer"), "{text}");
    }
}

#[test]
fn without_new_messages_the_key_says_so() {
    let mut screen = TestScreen::new(client(0), SIZES[1]);
    screen.draw();
    alt(&mut screen, KeyCode::Char('u'));
    assert_eq!(screen.client.hint(), "no new messages in this room");
}

/// The messages that were missed arrive after the room is on the screen.
#[test]
fn the_first_room_opens_at_what_was_missed() {
    for size in SIZES {
        let mut client = Client::returning(&["chat"], &[("chat", 10)]);
        client.skip("chat", 10);
        client.connect();
        let mut screen = TestScreen::new(client, size);
        screen.draw();
        screen.client.joined("chat", Some(Recovery::Complete { replayed: 90 }), None);
        screen.draw();
        for number in 1..=90 {
            let message = screen.client.next_message("chat", "bob", &format!("missed {number}."));
            screen.client.deliver(message, true);
            if number % 7 == 0 {
                screen.draw();
            }
        }
        let text = screen.text();
        assert!(text.contains("90 new") && text.contains("missed 1."), "{text}");
        // What precedes them is loaded.
        let page: Vec<_> =
            (1..=10).map(|seq| screen.client.message("chat", "bob", &format!("old {seq}."), seq)).collect();
        screen.client.history("chat", &page, false);
        let text = screen.text();
        assert!(text.contains("90 new") && text.contains("missed 1."), "{text}");
        screen.client.receive("chat", "bob", "live");
        assert!(screen.text().contains("missed 1."), "it stays");
    }
}

/// Only the last messages were replayed. The page of the others arrives later.
#[test]
fn unread_messages_that_are_loaded_later_come_into_sight() {
    let mut client = Client::returning(&["chat", "dev"], &[("dev", 100)]);
    client.connect();
    client.joined("chat", None, None);
    client.skip("dev", 147);
    client.joined_at("dev", 150, Some(Recovery::Truncated { replayed: 3 }), None);
    for number in 148..=150 {
        let message = client.next_message("dev", "bob", &format!("m{number}."));
        client.deliver(message, true);
    }
    let mut screen = TestScreen::new(client, SIZES[1]);
    screen.draw();
    let effects = screen.client.alt('2');
    let is_page = |effect: &Effect| matches!(effect, Effect::Net(Command::History(_)));
    assert!(effects.iter().any(is_page), "{effects:?}");
    screen.run(effects);
    assert!(screen.text().contains("m150."));
    let page: Vec<_> =
        (98..=147).map(|seq| screen.client.message("dev", "bob", &format!("m{seq}."), seq)).collect();
    screen.client.history("dev", &page, true);
    let text = screen.text();
    assert!(text.contains("m100.") && text.contains("50 new") && text.contains("m101."), "{text}");
}

#[test]
fn a_view_that_is_scrolled_back_stays_when_the_window_gets_the_focus() {
    let mut screen = TestScreen::new(client(0), SIZES[1]);
    screen.draw();
    alt(&mut screen, KeyCode::Char('2'));
    screen.press(KeyCode::PageUp);
    let before = screen.text();
    screen.client.input(Input::Focus(false));
    for number in 1..=50 {
        screen.client.receive("dev", "alice", &format!("unread {number}."));
        screen.draw();
    }
    screen.client.input(Input::Focus(true));
    assert_eq!(rows(&screen.text()), rows(&before));
    // From the end it goes to the ruler.
    alt(&mut screen, KeyCode::End);
    screen.client.input(Input::Focus(false));
    for number in 51..=99 {
        screen.client.receive("dev", "alice", &format!("unread {number}."));
    }
    assert!(screen.text().contains("unread 99."));
    screen.client.input(Input::Focus(true));
    let text = screen.text();
    assert!(text.contains("49 new") && text.contains("unread 51."), "{text}");
}

#[test]
fn a_search_that_is_open_in_the_room_stays_at_its_match() {
    let mut screen = TestScreen::new(client(0), SIZES[1]);
    screen.draw();
    alt(&mut screen, KeyCode::Char('2'));
    for code in "/search seen 3.".trim_end_matches('.').chars().map(KeyCode::Char).chain([KeyCode::Enter]) {
        screen.press(code);
    }
    for _ in 0..10 {
        screen.press(KeyCode::Char('n'));
    }
    let before = screen.text();
    assert!(before.contains("find in dev") && before.contains("seen 3\n"), "{before}");
    alt(&mut screen, KeyCode::Char('1'));
    for number in 1..=50 {
        screen.client.receive("dev", "alice", &format!("unread {number}."));
    }
    assert!(alt(&mut screen, KeyCode::Char('2')).contains("seen 3\n"), "{}", screen.text());
}
