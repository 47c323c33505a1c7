//! Changes of messages: they have no row, and change that of their message.

use realtime_shared::{
    Change, ChangeEntry, Covers, Delete, Edit, Emoji, EntryFields, EntryId, Epoch, History, Message,
    MessageContent, Pin, Reaction, RoomChange, RoomSettings, Seq, ServerEvent, Text, Timestamp,
};

use super::super::testing::{Client, at, room, user};
use super::{commands, shown};
use crate::app::rooms::timeline::{Body, Top};
use crate::net::{Entry, Event};

fn entry(seq: u64, from: &str, change: Change) -> ChangeEntry {
    let id = EntryId::from_u128(seq.into());
    let ts = Timestamp::from_millis(0);
    ChangeEntry {
        room: room("chat"),
        from: user(from),
        change,
        seq: Seq::new(seq),
        id,
        ts,
        client_msg_id: None,
        epoch: None,
    }
}

fn change(client: &mut Client, seq: u64, from: &str, change: Change) {
    client.skip("chat", 1);
    let entry = Entry::Change(entry(seq, from, change));
    client.net(Event::Entry { entry, position: Some(at(seq)), replayed: false });
}

fn edit(target: u64, text: &str) -> Change {
    let text = Text::new(text).expect("a text");
    Change::Edit(Edit { target: Seq::new(target), target_id: None, text, mentions: None, deleted: false })
}

fn reaction(target: u64, emoji: &str, removed: bool) -> Change {
    let emoji = Emoji::new(emoji).expect("an emoji");
    Change::Reaction(Reaction { target: Seq::new(target), target_id: None, emoji, removed })
}

fn delete(target: u64) -> Change {
    Change::Delete(Delete { target: Seq::new(target), target_id: None, reason: None })
}

/// The facts behind the message with this seq.
fn facts(client: &Client, seq: u64) -> Option<String> {
    let rows = &client.model.rooms[0].pane.timeline;
    let found = (0..rows.len()).find_map(|index| match rows.get(index) {
        Some(crate::app::timeline::Item::Row(row)) => match &row.body {
            Body::Message(message) if row.key == crate::app::timeline::ItemKey::message(Seq::new(seq)) => {
                Some(message.facts())
            }
            _ => None,
        },
        _ => None,
    });
    found.expect("the message")
}

#[test]
fn changes_are_shown_at_their_message() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "one");
    client.receive("chat", "bob", "two");
    change(&mut client, 3, "bob", edit(1, "first"));
    change(&mut client, 4, "bob", reaction(1, "👍", false));
    change(&mut client, 5, "you", reaction(1, "👍", false));
    change(&mut client, 6, "bob", Change::Pin(Pin { target: Seq::new(1), target_id: None, removed: false }));
    assert_eq!(shown(&client), ["bob: first", "bob: two"]);
    assert_eq!(facts(&client, 1).as_deref(), Some("edited, pinned, 👍 2 (you)"));
    assert_eq!(facts(&client, 2), None);
    change(&mut client, 7, "you", reaction(1, "👍", true));
    assert_eq!(facts(&client, 1).as_deref(), Some("edited, pinned, 👍 1"));
    change(&mut client, 8, "bob", delete(1));
    assert_eq!(shown(&client), ["bob: ", "bob: two"]);
    assert_eq!(facts(&client, 1).as_deref(), Some("deleted by bob"));
    change(&mut client, 9, "bob", edit(1, "again"));
    assert_eq!(shown(&client)[0], "bob: ", "a deletion is final");
    change(&mut client, 10, "bob", edit(77, "unknown"));
    assert_eq!(shown(&client).len(), 2, "there is no row of the message");
}

#[test]
fn an_edit_decides_again_if_the_message_names_the_user() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "hello");
    client.receive("chat", "you", "mine");
    let is_mention = |client: &Client, index: usize| match client.model.rooms[0].pane.timeline.get(index) {
        Some(crate::app::timeline::Item::Row(row)) => {
            matches!(&row.body, Body::Message(message) if message.mention)
        }
        item => panic!("{item:?}"),
    };
    assert!(!is_mention(&client, 0));
    change(&mut client, 3, "bob", edit(1, "hello, you"));
    assert!(is_mention(&client, 0));
    change(&mut client, 4, "bob", reaction(1, "👍", false));
    assert!(is_mention(&client, 0), "a reaction leaves the text");
    change(&mut client, 5, "bob", edit(1, "hello, all"));
    assert!(!is_mention(&client, 0));
    change(&mut client, 6, "you", edit(2, "you"));
    assert!(!is_mention(&client, 1), "the user's own text");
}

#[test]
fn a_row_keeps_the_version_of_its_message_with_the_larger_rev() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "one");
    change(&mut client, 2, "bob", edit(1, "new"));
    let raw = client.message("chat", "bob", "one", 1);
    client.deliver(raw.clone(), true);
    assert_eq!(shown(&client), ["bob: new"]);
    let mut newer = Message { text: Text::new("newer").expect("a text"), rev: Some(Seq::new(5)), ..raw };
    newer.edited_ts = Some(Timestamp::from_millis(0));
    client.deliver(newer, false);
    assert_eq!(shown(&client), ["bob: newer"]);
    change(&mut client, 3, "bob", edit(1, "late"));
    assert_eq!(shown(&client), ["bob: newer"], "the message has this edit already");
}

#[test]
fn a_message_that_was_deleted_before_it_arrived_is_a_row() {
    let mut client = Client::online(&["chat"]);
    let message = client.next_message("chat", "bob", "secret");
    client.deliver(message.tombstone(&user("eve"), Timestamp::from_millis(0)), true);
    assert_eq!(shown(&client), ["bob: "]);
    assert_eq!(facts(&client, 1).as_deref(), Some("deleted by eve"));
}

#[test]
fn a_reply_has_the_number_of_its_message() {
    let mut client = Client::online(&["chat"]);
    let content = MessageContent { reply_to: Some(Seq::new(7)), ..Text::new("yes").expect("a text").into() };
    let seq = Seq::new(1);
    let fields = EntryFields {
        room: room("chat"),
        from: user("bob"),
        seq,
        id: EntryId::from_u128(1),
        ts: Timestamp::from_millis(0),
        client_msg_id: None,
        epoch: Epoch::new("e"),
    };
    client.deliver(Message::new(content, fields), false);
    assert_eq!(facts(&client, 1).as_deref(), Some("reply to 7"));
}

#[test]
fn new_settings_are_a_note() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "one");
    let topic = Some("a \u{1b}[2J topic".replace('\u{1b}', "").parse().expect("a line"));
    change(&mut client, 2, "bob", Change::Room(RoomChange { topic, slow_mode: None, posting: None }));
    assert!(
        shown(&client).last().is_some_and(|note| note.contains("bob: topic: a [2J topic")),
        "{:?}",
        shown(&client)
    );
}

/// A page of the newest messages with these settings.
fn page_with(settings: RoomSettings) -> History {
    History {
        room: room("chat"),
        epoch: Epoch::new("e"),
        messages: Vec::new(),
        has_more: false,
        has_newer: false,
        covers: None,
        settings: Some(settings),
    }
}

#[test]
fn the_topic_of_a_page_is_a_note_once() {
    let mut client = Client::online(&["chat"]);
    let settings = |topic: &str, rev: u64| RoomSettings {
        topic: topic.parse().expect("a line"),
        rev: Seq::new(rev),
        ..RoomSettings::default()
    };
    for settings in [settings("News", 1), settings("News", 1), settings("Old", 0)] {
        client.server(ServerEvent::History(page_with(settings)));
    }
    assert_eq!(shown(&client), ["topic: News"]);
    client.receive("chat", "bob", "one");
    let topic = Some("More news".parse().expect("a line"));
    change(&mut client, 2, "bob", Change::Room(RoomChange { topic, slow_mode: None, posting: None }));
    client.server(ServerEvent::History(page_with(settings("More news", 2))));
    assert_eq!(shown(&client), ["topic: News", "bob: one", "bob: topic: More news"]);
    client.server(ServerEvent::History(page_with(settings("", 3))));
    assert_eq!(shown(&client).len(), 3, "a room without a topic");
}

#[test]
fn a_page_covers_the_changes_around_its_messages() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined_at("chat", 9, None, None);
    let message = client.message("chat", "bob", "one", 4);
    let page = History {
        room: room("chat"),
        epoch: Epoch::new("e"),
        messages: vec![ServerEvent::from(message)],
        has_more: false,
        has_newer: false,
        covers: Some(Covers { from: Seq::new(1), to: Seq::new(9), as_of: Seq::new(9) }),
        settings: None,
    };
    assert_eq!(commands(client.server(ServerEvent::History(page))), []);
    let next = client.message("chat", "bob", "two", 10);
    client.deliver(next, false);
    assert_eq!(shown(&client), ["bob: one", "bob: two"], "there is no gap");
    assert_eq!(client.model.rooms[0].pane.timeline.top(), Top::Beginning);
}
