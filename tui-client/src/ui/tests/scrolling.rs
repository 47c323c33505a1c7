//! Scrolling, and loading while scrolled back.

use super::*;

/// 100 messages of one row each.
pub(super) fn long() -> Client {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined("chat", None, None);
    let page: Vec<_> =
        (101..=200).map(|seq| client.message("chat", "bob", &format!("m{seq}"), seq)).collect();
    client.history("chat", &page, true);
    client.skip("chat", 200);
    client
}

/// Numbers of the visible messages.
fn visible(text: &str) -> Vec<u64> {
    text.split_whitespace().filter_map(|word| word.strip_prefix('m')?.parse().ok()).collect()
}

#[test]
fn a_screen_that_is_scrolled_back() {
    snapshots_of("back", |size| {
        let mut screen = TestScreen::new(long(), size);
        screen.draw();
        screen.press(KeyCode::PageUp);
        screen.draw();
        screen.client.receive("chat", "alice", "news");
        screen
    });
}

#[test]
fn a_scrolled_back_view_does_not_move() {
    let mut screen = TestScreen::new(long(), (80, 24));
    let end = visible(&screen.text());
    assert_eq!(end.last(), Some(&200));
    screen.press(KeyCode::PageUp);
    let page = visible(&screen.text());
    assert_eq!(page.last(), Some(&(end[0] + 1)), "a page is a screen less two rows of overlap");
    screen.client.receive("chat", "alice", "news");
    let text = screen.text();
    assert_eq!(visible(&text), page, "pinned");
    let below = 200 - page.last().expect("some") + 1;
    assert!(text.contains(&format!("↓ {below} newer (End)")), "{text}");
    screen.press(KeyCode::PageDown);
    assert_eq!(visible(&screen.text()).last(), Some(&200), "the newest but one");
    screen.press(KeyCode::End);
    let text = screen.text();
    assert!(text.contains("news") && !text.contains("newer"), "{text}");
    screen.client.receive("chat", "alice", "follows");
    assert!(screen.text().contains("follows"), "at the end the view follows new messages");
}

#[test]
fn each_of_several_keys_in_a_frame_scrolls() {
    let keys = [KeyCode::PageUp, KeyCode::PageUp, KeyCode::PageUp, KeyCode::PageDown];
    let scrolled = |is_drawn_between: bool| {
        let mut screen = TestScreen::new(long(), (80, 24));
        screen.draw();
        for key in keys {
            screen.press(key);
            if is_drawn_between {
                screen.draw();
            }
        }
        let page = screen.text();
        screen.press(KeyCode::F(1));
        for key in keys {
            screen.press(key);
            if is_drawn_between {
                screen.draw();
            }
        }
        (page, screen.text())
    };
    assert_eq!(scrolled(false), scrolled(true));
}

#[test]
fn a_room_that_is_switched_away_still_scrolls() {
    let mut client = long();
    client.enter("/join dev");
    for seq in 1..60 {
        client.receive("dev", "bob", &format!("m{seq}"));
    }
    client.alt('1');
    let mut screen = TestScreen::new(client, (80, 24));
    screen.draw();
    screen.press(KeyCode::PageUp);
    screen.client.alt('2');
    assert_eq!(visible(&screen.text()).last(), Some(&59));
    screen.client.alt('1');
    assert!(!visible(&screen.text()).contains(&200));
}

#[test]
fn a_larger_window_shows_everything_at_the_end() {
    let mut client = Client::online(&["chat"]);
    for seq in 1..=9 {
        client.receive("chat", "bob", &format!("m{seq}"));
    }
    let mut screen = TestScreen::new(client, (40, 8));
    screen.draw();
    screen.press(KeyCode::PageUp);
    assert!(!visible(&screen.text()).contains(&9));
    screen.terminal.backend_mut().resize(40, 20);
    let text = screen.text();
    assert!(text.contains("m1") && text.contains("m9") && !text.contains("newer"), "{text}");
}

#[test]
fn loaded_older_messages_do_not_move_the_view() {
    let mut screen = TestScreen::new(long(), (80, 24));
    screen.text();
    screen.press(KeyCode::Home);
    let top = visible(&screen.text());
    assert_eq!(top.first(), Some(&101));
    screen.press(KeyCode::PageUp);
    let effects = {
        screen.draw();
        screen.state.viewed().map(|viewed| screen.client.input(viewed)).unwrap_or_default()
    };
    assert!(effects.is_empty(), "requested already");
    let page: Vec<_> =
        (51..=100).map(|seq| screen.client.message("chat", "bob", &format!("m{seq}"), seq)).collect();
    screen.client.history("chat", &page, true);
    assert_eq!(visible(&screen.text()).last(), top.last(), "the visible messages do not move");
    screen.press(KeyCode::PageUp);
    assert_eq!(visible(&screen.text()).last(), Some(&100));
    assert_eq!(screen.client.model.room().map(|room| room.pane.timeline.last_seq()), Some(Seq::new(200)));
}

#[test]
fn a_key_loads_the_history_of_a_room_without_rows() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined("chat", None, None);
    client.history("chat", &[], true);
    let mut screen = TestScreen::new(client, (80, 24));
    screen.text();
    assert!(!screen.client.model.rooms[0].is_loading());
    screen.press(KeyCode::PageUp);
    screen.draw();
    assert!(screen.client.model.rooms[0].is_loading());
}

#[test]
fn sending_a_message_scrolls_to_the_end() {
    let mut screen = TestScreen::new(long(), (80, 24));
    screen.text();
    screen.press(KeyCode::PageUp);
    screen.text();
    let effects = screen.client.enter("here");
    screen.run(effects);
    assert!(screen.text().contains("here"));
}

#[test]
fn each_room_has_its_own_scroll_position() {
    let mut client = long();
    client.enter("/join dev");
    client.alt('1');
    let mut screen = TestScreen::new(client, (80, 24));
    screen.text();
    screen.press(KeyCode::PageUp);
    let page = visible(&screen.text());
    screen.client.alt('2');
    screen.text();
    screen.client.alt('1');
    assert_eq!(visible(&screen.text()), page);
}

#[test]
fn the_note_above_the_oldest_message_names_what_precedes_it() {
    let above = |screen: &mut TestScreen| screen.text().lines().nth(1).expect("a line").to_owned();
    let mut screen = TestScreen::new(long(), (80, 24));
    screen.text();
    screen.press(KeyCode::Home);
    screen.draw();
    assert!(above(&mut screen).contains("loading…"), "on a full screen");
    screen.client.page_fails("chat", "not now");
    let failed = above(&mut screen);
    assert!(failed.contains("not loaded: not now (Ctrl-R tries again)"), "{failed}");
    screen.client.ctrl('r');
    assert!(above(&mut screen).contains("loading…"));
    screen.client.page_fails("chat", "not now");
    for (first, end) in [(40, "older messages are gone"), (1, "beginning of #chat")] {
        screen.press(KeyCode::PageUp);
        screen.draw();
        let message = |seq| screen.client.message("chat", "bob", &format!("m{seq}"), seq);
        let page: Vec<_> = (first..first + 50).map(message).collect();
        screen.client.history("chat", &page, false);
        screen.press(KeyCode::Home);
        screen.draw();
        assert!(above(&mut screen).contains(end), "{}", screen.text());
        screen.client = long();
        screen.press(KeyCode::Home);
        screen.draw();
    }
}

#[test]
fn messages_below_the_screen_are_unread_until_the_view_reaches_them() {
    for size in SIZES {
        let mut client = Client::online(&["chat", "dev"]);
        client.input(Input::Focus(true));
        for number in 1..=100 {
            client.receive("chat", "bob", &format!("m{number}"));
        }
        let mut screen = TestScreen::new(client, size);
        screen.draw();
        let state = |screen: &TestScreen| {
            let reading = &screen.client.model.rooms[0].reading;
            (reading.unread, reading.read().map_or(0, |position| position.seq().get()))
        };
        screen.press(KeyCode::PageUp);
        screen.draw();
        for number in 101..=200 {
            screen.client.receive("chat", "bob", &format!("you {number}"));
            if number % 10 == 0 {
                screen.draw();
            }
        }
        assert_eq!(state(&screen), (100, 100));
        assert_eq!(screen.client.model.window_title(), "(100) chat - realtime");
        let mut before = state(&screen);
        while before.0 > 0 {
            screen.press(KeyCode::PageDown);
            screen.draw();
            let (unread, read) = state(&screen);
            assert!(unread <= before.0 && read >= before.1 && unread + read == 200, "{unread} {read}");
            assert!(read == 100 || screen.text().contains(&format!("you {read}")), "{}", screen.text());
            before = (unread, read);
        }
        screen.client.receive("chat", "bob", "you, live");
        assert_eq!(state(&screen), (0, 201), "the view follows again");
    }
}
