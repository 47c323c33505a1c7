//! The draft: keys that move or undo, texts from elsewhere, limits, and quitting with a draft.

use crate::terminal_input::{KeyCode, KeyModifiers};
use realtime_shared::{Limits, Seq};

use super::super::testing::{Client, sent, user};
use super::super::{Input, Scroll};
use super::{Effect, commands};
use crate::net::{Command, ConnectionState, Event, SendState};

fn cursor(client: &Client) -> usize {
    client.model.pane().composer.editor.cursor()
}

#[test]
fn home_and_end_move_in_the_line_and_then_scroll() {
    let mut client = Client::online(&["chat"]);
    client.write("ab");
    assert!(client.press(KeyCode::Home).is_empty());
    assert_eq!(cursor(&client), 0);
    assert_eq!(client.press(KeyCode::Home), [Effect::Scroll(Scroll::Top)]);
    assert!(client.press(KeyCode::End).is_empty());
    assert_eq!(cursor(&client), 2);
    assert_eq!(client.press(KeyCode::End), [Effect::Scroll(Scroll::Bottom)]);
}

#[test]
fn a_hint_reports_that_nothing_can_be_undone() {
    let mut client = Client::online(&["chat"]);
    client.write("x");
    client.ctrl('/');
    assert_eq!((client.draft(), client.hint()), ("", ""));
    client.ctrl('/');
    assert_eq!(client.hint(), "nothing to undo");
    client.alt('/');
    assert_eq!((client.draft(), client.hint()), ("x", ""));
    client.alt('/');
    assert_eq!(client.hint(), "nothing to redo");
}

#[test]
fn a_text_from_an_editor_replaces_the_draft() {
    let mut client = Client::online(&["chat"]);
    client.write("one");
    client.input(Input::Edited(Ok("two\r\nlines\u{1b}\n".to_owned())));
    assert_eq!(client.draft(), "two\nlines");
    assert!(client.hint().contains("control characters were removed"));
    client.input(Input::Edited(Err("the editor failed".to_owned())));
    assert_eq!((client.draft(), client.hint()), ("two\nlines", "the editor failed"));
    client.ctrl('/');
    assert_eq!(client.draft(), "one");
}

#[test]
fn a_paste_without_control_characters_shows_no_hint() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Paste("a\tb\n".to_owned()));
    assert_eq!((client.draft(), client.hint()), ("a\tb\n", ""));
}

#[test]
fn the_limit_of_the_server_on_texts_is_kept() {
    let mut client = Client::offline(&["chat"]);
    let limits = Limits { text_chars: 10, frame_bytes: 65_536, rooms: 128, messages_per_second: 50 };
    let state =
        ConnectionState::Connected { user_id: user("you"), online_count: 4, limits, features: Vec::new() };
    client.net(Event::State(state));
    client.joined("chat", None, None);
    assert!(client.enter(&"ü".repeat(11)).is_empty());
    assert_eq!(client.hint(), "not sent: 11 characters; a message has at most 10");
    assert_eq!(client.draft().chars().count(), 11);
    client.press(KeyCode::Backspace);
    assert!(sent(&client.press(KeyCode::Enter)).is_some());
}

#[test]
fn a_text_sent_twice_is_once_in_the_history() {
    let mut client = Client::online(&["chat"]);
    for text in ["one", "two", "two"] {
        client.send(text);
    }
    client.press(KeyCode::Up);
    assert_eq!(client.draft(), "two");
    client.press(KeyCode::Up);
    assert_eq!(client.draft(), "one");
}

#[test]
fn a_message_on_its_way_cannot_be_taken_back() {
    let mut client = Client::online(&["chat"]);
    client.ctrl('x');
    assert_eq!(client.hint(), "no unsent message here");
    let id = client.send("hello");
    client.state(&id, SendState::Sent);
    assert!(client.ctrl('x').is_empty());
    assert_eq!(client.hint(), "the message is already on its way");
    client.state(&id, SendState::Stored(Seq::new(1)));
    client.ctrl('x');
    assert_eq!(client.hint(), "no unsent message here");
}

#[test]
fn quitting_in_the_lobby_confirms_before_its_draft_is_lost() {
    let quit = [Effect::Net(Command::Close), Effect::Quit];
    let mut client = Client::online(&["chat"]);
    assert_eq!(client.ctrl('c'), quit, "no text is lost");
    client.enter("/leave");
    assert_eq!(client.ctrl('c'), quit);
    client.write("half a tho");
    assert!(client.ctrl('c').is_empty());
    assert!(client.hint().starts_with("unsent text in "), "{}", client.hint());
    client.ctrl('u');
    assert_eq!(client.enter("/quit"), quit, "a command is not a draft");
}

#[test]
fn shift_tab_goes_back_through_three_candidates() {
    let mut client = Client::online(&["chat"]);
    client.press(KeyCode::Tab);
    client.ctrl('u');
    client.write("@");
    client.press(KeyCode::Tab);
    assert_eq!(client.draft(), "@alice ");
    client.key(KeyCode::Tab, KeyModifiers::SHIFT);
    assert_eq!(client.draft(), "@carol ");
    client.key(KeyCode::Tab, KeyModifiers::SHIFT);
    assert_eq!(client.draft(), "@bob ");
}

#[test]
fn a_colon_alone_completes_to_no_emoji() {
    let mut client = Client::online(&["chat"]);
    client.write("hi :");
    client.press(KeyCode::Tab);
    assert_eq!((client.draft(), client.hint()), ("hi :", "no completion"));
}

#[test]
fn a_room_in_the_first_line_only_is_completed() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Paste("/join c\nh".to_owned()));
    assert!(commands(client.press(KeyCode::Tab)).is_empty(), "the second line is text");
}
