//! Pages of history that a search loads: one for each key.

use std::time::Duration;

use crate::terminal_input::KeyCode;
use realtime_shared::{HistoryRequest, Recovery, Seq};

use super::super::*;
use super::{at, found, search};
use crate::app::testing::{Client, room};
use crate::app::{Hit, Input, Room, Scroll};
use crate::net::Command;

/// A client in `chat`, where only the newest messages are loaded, with these texts.
fn partly_loaded(before: u64, texts: &[&str]) -> Client {
    let mut client = Client::offline(&["chat", "dev"]);
    client.connect();
    client.skip("chat", before);
    client.joined("chat", None, None);
    let messages: Vec<_> = texts.iter().map(|text| client.next_message("chat", "bob", text)).collect();
    client.history("chat", &messages, true);
    client
}

/// Loads messages with these texts, the last with seq `last`, and returns the effects.
fn load(client: &mut Client, last: u64, texts: &[&str], has_more: bool) -> Vec<Effect> {
    let first = last + 1 - texts.len() as u64;
    let message = |(text, seq): (&&str, u64)| client.message("chat", "bob", text, seq);
    let messages: Vec<_> = texts.iter().zip(first..).map(message).collect();
    client.deliver_history("chat", &messages, has_more)
}

fn history(before: u64) -> Effect {
    let before = Some(Seq::new(before));
    Effect::Net(Command::History(HistoryRequest::before(room("chat"), before, 200)))
}

#[test]
fn beyond_the_oldest_hit_a_key_loads_a_page_and_searches_it() {
    let mut client = partly_loaded(1_000, &["x1001", "-", "x1003"]);
    search(&mut client, "x");
    client.press(KeyCode::Up);
    assert_eq!(client.press(KeyCode::Up), [history(1_001)]);
    assert!(client.model.room().is_some_and(Room::is_searching_older));
    let effects = load(&mut client, 1_000, &["x998", "-", "x1000"], true);
    assert_eq!(at(&client), "x1000");
    assert!(matches!(effects[..], [Effect::JumpView(ViewJump::Hit(_))]), "{effects:?}");
    assert_eq!(found(&client), (3, 4));
    client.press(KeyCode::Up);
    assert_eq!(client.press(KeyCode::Up), [history(998)]);
    assert!(load(&mut client, 997, &["-", "-"], true).is_empty(), "one page for each key");
    assert!(client.hint().contains("in 8 loaded messages"), "{}", client.hint());
    assert_eq!(client.press(KeyCode::Up), [history(996)]);
    load(&mut client, 995, &["-"], false);
    assert!(client.hint().contains("server keeps"), "{}", client.hint());
    assert!(client.press(KeyCode::Up).is_empty());
}

#[test]
fn a_search_before_the_first_page_loads_the_newest_one() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined_at("chat", 7, None, None);
    client.page_fails("chat", "try again later");
    search(&mut client, "x");
    let newest = Command::History(HistoryRequest::before(room("chat"), None, 200));
    assert_eq!(client.press(KeyCode::Up), [Effect::Net(newest)]);
    assert!(load(&mut client, 7, &["-", "-"], true).is_empty());
    assert_eq!(client.hint(), "", "the line of the search has the result");
}

#[test]
fn without_a_hit_page_up_loads_a_page() {
    let mut client = partly_loaded(1_000, &["-", "-"]);
    search(&mut client, "x");
    assert_eq!(client.model.pane().search_result(), SearchResult::None { among: 2 });
    assert_eq!(client.press(KeyCode::PageUp), [history(1_001)]);
    assert!(client.press(KeyCode::PageUp).is_empty(), "a page is already requested");
    load(&mut client, 1_000, &["x999", "-"], true);
    assert_eq!((at(&client), found(&client)), ("x999".into(), (1, 1)));
    assert_eq!(client.press(KeyCode::PageUp), [Effect::Scroll(Scroll::PageUp)]);
}

#[test]
fn a_search_loads_gaps() {
    let mut client = partly_loaded(10, &["x11"]);
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    client.joined_at("chat", 500, Some(Recovery::Truncated { replayed: 1 }), Some(Duration::from_secs(9)));
    client.skip("chat", 488);
    client.receive("chat", "bob", "x500");
    client.deliver_history("chat", &[], false);
    search(&mut client, "x4");
    assert!(client.model.pane().can_search_older());
    assert_eq!(client.press(KeyCode::Up), [history(500)]);
    load(&mut client, 499, &["x499"], true);
    assert_eq!(at(&client), "x499");
    assert_eq!(client.press(KeyCode::Up), [history(499)]);
    load(&mut client, 498, &["x498"], false);
    client.ctrl('u');
    client.write("nowhere");
    assert!(client.model.pane().can_search_older(), "the top is known, but a gap is not loaded");
}

#[test]
fn another_input_ends_the_search_in_the_requested_page() {
    for key in [KeyCode::Char('-'), KeyCode::Down, KeyCode::PageDown, KeyCode::Esc] {
        let mut client = partly_loaded(1_000, &["x1001"]);
        search(&mut client, "x");
        client.press(KeyCode::Up);
        client.press(key);
        assert!(load(&mut client, 1_000, &["x1000"], true).is_empty(), "{key:?}");
    }
    for input in [Input::Click(Hit::Room(1)), Input::Wheel { up: false }, Input::Paste("0".to_owned())] {
        let mut client = partly_loaded(1_000, &["x1001"]);
        search(&mut client, "x");
        client.press(KeyCode::Up);
        client.input(input.clone());
        assert!(load(&mut client, 1_000, &["x1000"], true).is_empty(), "{input:?}");
    }
}

#[test]
fn a_refused_page_can_be_requested_again() {
    let mut client = partly_loaded(1_000, &["x1001"]);
    search(&mut client, "x");
    client.press(KeyCode::Up);
    client.page_fails("chat", "not now");
    assert!(!client.model.room().is_some_and(Room::is_searching_older));
    assert_eq!(client.press(KeyCode::Up), [history(1_001)]);
    client.lose_connection(Duration::from_secs(1));
    assert!(client.press(KeyCode::Up).is_empty());
    assert!(client.hint().contains("connection"), "{}", client.hint());
}

#[test]
fn a_search_does_not_continue_in_a_later_page_after_a_lost_connection() {
    let mut client = partly_loaded(1_000, &["x1001"]);
    search(&mut client, "x");
    client.press(KeyCode::Up);
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    client.joined_at("chat", 1_001, Some(Recovery::Complete { replayed: 0 }), Some(Duration::from_secs(2)));
    let viewed = client.viewed(0, 0);
    client.input(Input::Wheel { up: true });
    assert!(!client.input(viewed).is_empty(), "scrolling up loads a page");
    assert!(load(&mut client, 1_000, &["x1000"], true).is_empty(), "the view does not move");
}
