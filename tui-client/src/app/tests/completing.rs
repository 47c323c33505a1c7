//! Completion of nicks, rooms and commands.

use crate::terminal_input::{KeyCode, KeyModifiers};

use super::super::testing::{Client, sent};
use super::{commands, typing};
use crate::net::Command;

/// Presses Tab and returns the draft.
fn tab(client: &mut Client) -> String {
    client.press(KeyCode::Tab);
    client.draft().to_owned()
}

fn tab_back(client: &mut Client) -> String {
    client.key(KeyCode::Tab, KeyModifiers::SHIFT);
    client.draft().to_owned()
}

/// The candidates, the chosen one in brackets.
fn shown(client: &Client) -> Vec<String> {
    let Some(completion) = client.model.completion() else { return Vec::new() };
    let mark =
        |(index, name)| if index == completion.chosen { format!("[{name}]") } else { format!("{name}") };
    completion.candidates.iter().map(|candidate| &candidate.shown).enumerate().map(mark).collect()
}

#[test]
fn tab_cycles_through_nicks_the_last_sender_first() {
    let mut client = Client::online(&["chat"]);
    client.member_joins("chat", "carl");
    client.member_joins("chat", "you");
    client.receive("chat", "carol", "hello");
    client.write("ca");
    assert_eq!(tab(&mut client), "carol: ");
    assert_eq!(shown(&client), ["[carol]", "carl"]);
    assert_eq!(tab(&mut client), "carl: ");
    assert_eq!(tab(&mut client), "carol: ");
    assert_eq!(tab_back(&mut client), "carl: ");
    client.write("hi");
    assert_eq!(shown(&client), [""; 0], "another key ends it");
    client.write(" y");
    tab(&mut client);
    assert_eq!(client.draft(), "carl: hi y", "the user is not a candidate");
    assert!(client.hint().contains("no completion"), "{}", client.hint());
}

#[test]
fn the_space_after_a_completion_is_not_sent() {
    let mut client = Client::online(&["chat"]);
    client.write("ask al");
    assert_eq!(tab(&mut client), "ask alice ");
    let (text, _) = sent(&client.press(KeyCode::Enter)).expect("sent");
    assert_eq!(text, "ask alice");
}

#[test]
fn escape_undoes_a_completion() {
    let mut client = Client::online(&["chat"]);
    client.write("ask AL");
    assert_eq!(tab(&mut client), "ask alice ");
    client.press(KeyCode::Esc);
    assert_eq!((client.draft(), shown(&client)), ("ask AL", Vec::new()));
    assert_eq!(tab_back(&mut client), "ask alice ");
}

#[test]
fn a_single_candidate_stays() {
    let mut client = Client::online(&["chat"]);
    client.write("bo");
    assert_eq!(tab(&mut client), "bob: ");
    assert_eq!(tab(&mut client), "bob: ", "no tab is written");
}

#[test]
fn without_a_word_tab_writes_a_tab() {
    let mut client = Client::online(&["chat"]);
    assert_eq!(tab(&mut client), "\t");
    client.write("a ");
    assert_eq!(tab(&mut client), "\ta \t");
    assert_eq!(tab_back(&mut client), "\ta \t");
}

#[test]
fn completing_a_room_requests_the_list_of_rooms() {
    let mut client = Client::online(&["chat"]);
    client.write("/join o");
    let asked = commands(client.press(KeyCode::Tab));
    assert_eq!(asked, [Command::ListRooms { prefix: None }]);
    assert!(client.hint().contains("asking the server"), "{}", client.hint());
    client.deliver_rooms(&["ops", "chat"], false);
    assert_eq!(tab(&mut client), "/join ops");
    client.ctrl('u');
    client.write("see #");
    assert_eq!(tab(&mut client), "see #chat ");
    assert_eq!(tab(&mut client), "see #ops ");
}

#[test]
fn a_completion_sends_a_typing_signal() {
    let mut client = Client::online(&["chat"]);
    client.write("b");
    client.pass(10_000);
    assert_eq!(commands(client.press(KeyCode::Tab)), [typing(true)]);
}

#[test]
fn a_changed_draft_ends_the_completion() {
    let mut client = Client::online(&["chat", "dev"]);
    client.alt('2');
    client.write("carol: too");
    client.alt('1');
    let id = client.send("taken back");
    client.write("c");
    tab(&mut client);
    client.state(&id, crate::net::SendState::TakenBack { was_sent: false });
    client.press(KeyCode::Esc);
    assert_eq!(client.draft(), "ctaken back");
    client.ctrl('a');
    client.press(KeyCode::Right);
    assert_eq!(tab(&mut client), "carol: taken back");
    client.model.show(1);
    assert_eq!(shown(&client), [""; 0]);
    client.press(KeyCode::Esc);
    assert_eq!(client.draft(), "carol: too", "the completion was in another room");
}

#[test]
fn tab_moves_down_in_a_list() {
    let mut client = Client::online(&["chat", "dev"]);
    client.ctrl('k');
    client.press(KeyCode::Tab);
    client.press(KeyCode::Enter);
    assert_eq!(client.model.pane().title.as_str(), "dev");
}
