//! Entries of unknown kinds: they have a seq in the log and no row.

use realtime_shared::{EntryId, EntryRef, Epoch, History, Seq, ServerEvent};

use super::super::testing::{Client, room};
use super::{commands, shown};
use crate::app::rooms::timeline::Top;
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
    let entry = |seq| EntryRef {
        room: room("chat"),
        seq: Seq::new(seq),
        id: EntryId::from_u128(seq.into()),
        epoch: None,
        kind: None,
    };
    let messages = seqs.map(|seq| ServerEvent::Unknown { entry: Some(entry(seq)) }).collect();
    let page = History { room: room("chat"), epoch: Epoch::new("e"), messages, has_more };
    commands(client.server(ServerEvent::History(page)))
}

#[test]
fn after_a_page_of_unknown_entries_the_page_before_it_is_requested() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined_at("chat", 300, None, None);
    let history =
        |before| Command::History { room: room("chat"), before: Some(Seq::new(before)), limit: 200 };
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
fn a_page_of_unknown_entries_at_the_beginning_is_the_last_one() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined_at("chat", 3, None, None);
    assert_eq!(unknown_page(&mut client, 1..=3, false), []);
    assert_eq!(client.model.rooms[0].pane.timeline.top(), Top::Beginning);
}
