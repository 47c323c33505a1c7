//! Entries of unknown kinds: they have a seq in the log and no row.

use crate::terminal_input::KeyCode;
use realtime_shared::{HistoryRequest, Seq};

use super::super::testing::{Client, room, unknown_entry};
use super::{commands, shown};
use crate::app::rooms::scrollback::PAGES_WITHOUT_ROWS;
use crate::app::rooms::timeline::{ItemKey, Top};
use crate::app::{Input, Viewed};
use crate::net::Command;

#[test]
fn an_unknown_entry_between_two_messages_is_not_shown() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "one");
    client.next_unknown("chat", false);
    client.receive("chat", "bob", "two");
    assert_eq!(shown(&client), ["bob: one", "bob: two"]);
}

/// Loads a page of entries of unknown kinds and returns the commands.
fn unknown_page(client: &mut Client, seqs: std::ops::RangeInclusive<u64>, has_more: bool) -> Vec<Command> {
    let entries = seqs.map(|seq| unknown_entry("chat", seq)).collect();
    commands(client.deliver_page("chat", entries, has_more))
}

#[test]
fn after_a_page_of_unknown_entries_the_page_before_it_is_requested() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined_at("chat", 300, None, None);
    let history =
        |before| Command::History(HistoryRequest::before(room("chat"), Some(Seq::new(before)), 200));
    assert_eq!(unknown_page(&mut client, 251..=300, true), [history(251)]);
    assert!(client.model.rooms[0].is_loading());
    assert_eq!(unknown_page(&mut client, 51..=250, true), [history(51)]);
    assert_eq!(
        unknown_page(&mut client, 51..=250, true),
        [],
        "a page without progress is not requested again"
    );
}

#[test]
fn a_key_loads_a_limited_number_of_pages_without_rows() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined_at("chat", 9_000, None, None);
    let mut pages = 1;
    let mut oldest = 9_000;
    while !unknown_page(&mut client, oldest - 9..=oldest, true).is_empty() {
        (pages, oldest) = (pages + 1, oldest - 10);
    }
    assert_eq!(pages, 1 + PAGES_WITHOUT_ROWS);
    client.press(KeyCode::PageUp);
    let ends = (ItemKey::default(), ItemKey::default());
    let viewed = Viewed {
        pane: client.model.pane().id,
        first: ends.0,
        last: ends.1,
        is_full: false,
        has_long: false,
        follows: true,
    };
    let next = Command::History(HistoryRequest::before(room("chat"), Some(Seq::new(oldest - 9)), 50));
    assert_eq!(commands(client.input(Input::Viewed(viewed))), [next], "the next key continues");
}

#[test]
fn a_page_of_unknown_entries_at_the_beginning_is_the_last_one() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined_at("chat", 3, None, None);
    assert_eq!(unknown_page(&mut client, 1..=3, false), []);
    assert_eq!(client.model.rooms[0].pane.timeline.top(), Top::Beginning);
}
