//! Clearing the screen, and restoring it.

use std::time::Duration;

use crate::terminal_input::KeyCode;
use realtime_shared::{HistoryRequest, Recovery, Resync, Seq, ServerEvent, SystemEvent};

use super::super::testing::{Client, at, room};
use super::super::{Effect, Input, Scroll, Viewed};
use super::{commands, shown};
use crate::net::Command;

fn client(texts: &[&str]) -> Client {
    let mut client = Client::online(&["chat", "dev"]);
    for text in texts {
        client.receive("chat", "bob", text);
    }
    let end = client.viewed(0, texts.len() - 1);
    client.input(end);
    client
}

/// The items that are not cleared.
fn not_cleared(client: &Client) -> Vec<String> {
    shown(client).split_off(client.model.pane().timeline.first_not_cleared())
}

#[test]
fn cleared_rows_are_hidden_until_page_up() {
    let mut client = client(&["one", "two"]);
    assert_eq!(client.enter("/clear"), [Effect::Scroll(Scroll::Bottom)]);
    assert_eq!((not_cleared(&client), client.draft()), (vec![], ""));
    client.receive("chat", "bob", "three");
    assert_eq!(not_cleared(&client), ["bob: three"]);
    let Input::Viewed(viewed) = client.viewed(2, 2) else { panic!("nothing was drawn") };
    client.input(Input::Viewed(Viewed { is_full: false, ..viewed }));
    assert!(client.press(KeyCode::PageUp).is_empty(), "cleared rows are restored, and nothing moves");
    assert_eq!(not_cleared(&client), ["bob: one", "bob: two", "bob: three"]);
    assert_eq!(client.press(KeyCode::PageUp), [Effect::Scroll(Scroll::PageUp)]);
}

#[test]
fn with_a_full_screen_of_new_rows_page_up_scrolls() {
    let mut client = client(&["one"]);
    client.enter("/clear");
    for text in ["two", "three", "four"] {
        client.receive("chat", "bob", text);
    }
    let viewed = client.viewed(2, 3);
    client.input(viewed);
    assert_eq!(client.press(KeyCode::PageUp), [Effect::Scroll(Scroll::PageUp)]);
    assert_eq!(not_cleared(&client).len(), 3);
    assert_eq!(client.press(KeyCode::Home), [Effect::Scroll(Scroll::Top)]);
    assert_eq!(not_cleared(&client).len(), 4);
}

#[test]
fn clear_keeps_outgoing_messages_and_unread_counts() {
    let mut client = client(&["one"]);
    client.send("mine");
    client.enter("/clear");
    assert_eq!(not_cleared(&client), ["mine Queued"]);
    client.alt('2');
    client.receive("chat", "bob", "new");
    assert_eq!(client.model.rooms[0].reading.unread, 1);
    client.alt('1');
    assert_eq!(not_cleared(&client), ["bob: new", "mine Queued"]);
    let ruler = client.model.rooms[0].reading.ruler.expect("a ruler");
    assert_eq!(ruler.count, 1);
}

#[test]
fn older_messages_load_above_a_cleared_screen() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.skip("chat", 10);
    client.joined("chat", None, None);
    let message = client.next_message("chat", "bob", "eleven");
    client.history("chat", &[message], true);
    client.enter("/clear");
    assert!(client.press(KeyCode::PageUp).is_empty());
    let viewed = client.viewed(0, 0);
    let page = Command::History(HistoryRequest::before(room("chat"), Some(Seq::new(11)), 50));
    assert_eq!(commands(client.input(viewed)), [page]);
}

#[test]
fn a_reset_shows_the_new_log_from_its_beginning() {
    let mut client = client(&["one", "two", "three"]);
    client.enter("/clear");
    let recovery = Some(Recovery::Reset { replayed: 1 });
    client.joined_at("chat", 1, recovery, Some(Duration::from_secs(1)));
    let message = client.message("chat", "bob", "anew", 1);
    client.deliver(message, true);
    assert_eq!(not_cleared(&client).last().map(String::as_str), Some("bob: anew"));
    assert_eq!(not_cleared(&client), shown(&client));
}

#[test]
fn a_resync_shows_the_changed_part_of_the_log() {
    let mut client = client(&["one", "two", "three"]);
    client.enter("/clear");
    client.server(ServerEvent::System(SystemEvent::Resync(Resync {
        message: String::new(),
        room: room("chat"),
        position: at(2),
        recovery: Recovery::Complete { replayed: 1 },
    })));
    let message = client.message("chat", "bob", "another two", 2);
    client.deliver(message, true);
    assert_eq!(not_cleared(&client), ["history changed · 1 recovered", "bob: another two"]);
}

#[test]
fn page_up_from_a_hit_scrolls() {
    let mut client = client(&["one", "two", "three"]);
    client.enter("/clear");
    client.ctrl('f');
    client.write("two");
    let viewed = client.viewed(1, 2);
    client.input(viewed);
    assert_eq!(client.press(KeyCode::PageUp), [Effect::Scroll(Scroll::PageUp)]);
}

#[test]
fn ending_a_search_at_a_cleared_hit_restores_the_rows() {
    let mut client = client(&["one", "two"]);
    client.enter("/clear");
    for (last, count) in [(KeyCode::Esc, 0), (KeyCode::Enter, 2)] {
        client.ctrl('f');
        client.write("one");
        client.press(KeyCode::Enter);
        client.press(last);
        assert_eq!(not_cleared(&client).len(), count, "{last:?}");
    }
}

#[test]
fn ending_a_search_at_a_hit_on_the_screen_keeps_the_rows_cleared() {
    let mut client = client(&["one", "two"]);
    client.enter("/clear");
    client.receive("chat", "bob", "three");
    client.ctrl('f');
    client.write("three");
    client.press(KeyCode::Enter);
    client.press(KeyCode::Enter);
    assert_eq!(not_cleared(&client), ["bob: three"]);
}
