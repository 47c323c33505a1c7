//! Writing: cut text, clearing, names of emoji, parts of a long text, members that the server does not name.

use crate::terminal_input::KeyCode;

use super::super::testing::{Client, room, user};
use super::super::{Effect, Input};
use crate::net::{Command, Event};

/// The texts that the effects send.
fn sent_texts(effects: &[Effect]) -> Vec<&str> {
    let text = |effect| match effect {
        &Effect::Net(Command::Send { ref text, .. }) => Some(text.as_str()),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

#[test]
fn cut_text_is_one_for_all_rooms() {
    let mut client = Client::online(&["chat", "dev"]);
    client.write("one two");
    client.ctrl('w');
    client.alt('2');
    client.ctrl('y');
    assert_eq!(client.draft(), "two");
    client.ctrl('u');
    client.ctrl('u');
    client.alt('1');
    client.ctrl('y');
    assert_eq!(client.draft(), "one two", "a cut of nothing keeps the text");
}

#[test]
fn a_key_clears_the_draft_and_undo_brings_it_back() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Paste("two\nlines".to_owned()));
    client.ctrl('g');
    assert_eq!(client.draft(), "");
    client.ctrl('/');
    assert_eq!(client.draft(), "two\nlines");
}

#[test]
fn a_typed_name_of_an_emoji_becomes_the_emoji() {
    let mut client = Client::online(&["chat"]);
    client.write("yes :tada:");
    assert_eq!(client.draft(), "yes 🎉");
    client.ctrl('/');
    assert_eq!(client.draft(), "yes :tada:");
    client.write("!");
    assert_eq!(sent_texts(&client.press(KeyCode::Enter)), ["yes :tada:!"]);
    client.write("`:tada:`");
    assert_eq!(client.draft(), "`:tada:`", "code stays");
    client.ctrl('g');
    client.input(Input::Paste(":tada:".to_owned()));
    assert_eq!(client.draft(), ":tada:", "pasted text stays");
}

#[test]
fn a_long_text_is_sent_in_parts() {
    let mut client = Client::online(&["chat"]);
    let text = format!("{} {}", "long ".repeat(700).trim(), "text ".repeat(300).trim());
    client.input(Input::Paste(text.clone()));
    assert!(sent_texts(&client.press(KeyCode::Enter)).is_empty());
    assert!(client.hint().ends_with("Alt-S sends it in 2 parts"), "{}", client.hint());
    let effects = client.alt('s');
    let parts = sent_texts(&effects);
    assert_eq!(parts.len(), 2);
    assert_eq!(parts.join(" "), text);
    assert_eq!((client.draft(), client.model.queued()), ("", 2));
    client.press(KeyCode::Up);
    assert_eq!(client.draft(), text, "one text of the history");
}

#[test]
fn a_text_that_fits_is_one_part_and_a_command_is_none() {
    let mut client = Client::online(&["chat"]);
    client.write("short");
    assert_eq!(sent_texts(&client.alt('s')), ["short"]);
    assert!(client.alt('s').is_empty());
    client.write("/me waves");
    assert!(client.alt('s').is_empty());
    assert_eq!((client.draft(), client.hint()), ("/me waves", "a command is not sent in parts"));
}

#[test]
fn a_hint_reports_members_that_the_server_does_not_name() {
    let mut client = Client::online(&["chat"]);
    client.write("zo");
    client.press(KeyCode::Tab);
    assert_eq!(client.hint(), "no completion");
    let members = ["alice", "you"].map(user).to_vec();
    client.net(Event::Joined {
        room: room("chat"),
        members,
        member_count: 5_000,
        head: None,
        recovery: None,
        offline: None,
        read_seq: None,
    });
    client.press(KeyCode::Tab);
    assert_eq!(client.hint(), "no completion; 2 of 5000 members are known");
    client.receive("chat", "zoe", "hello");
    client.press(KeyCode::Tab);
    assert_eq!(client.draft(), "zoe: ", "senders are known");
}
