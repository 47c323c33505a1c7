//! Completing what is begun.

use crossterm::event::{KeyCode, KeyModifiers};

use super::super::testing::{Client, sent};
use super::{commands, typing};
use crate::net::Command;

/// Presses Tab; the draft.
fn tab(client: &mut Client) -> String {
    client.press(KeyCode::Tab);
    client.draft().to_owned()
}

fn tab_back(client: &mut Client) -> String {
    client.key(KeyCode::BackTab, KeyModifiers::SHIFT);
    client.draft().to_owned()
}

/// What there is to choose from, the chosen one in brackets.
fn shown(client: &Client) -> Vec<String> {
    let Some(completion) = client.model.completion() else { return Vec::new() };
    let mark =
        |(index, name)| if index == completion.chosen { format!("[{name}]") } else { format!("{name}") };
    completion.candidates.iter().map(|candidate| &candidate.shown).enumerate().map(mark).collect()
}

#[test]
fn one_goes_round_through_nicks_who_spoke_last_in_front() {
    let mut client = Client::online(&["chat"]);
    client.comes("chat", "carl");
    client.comes("chat", "you");
    client.says("chat", "carol", "hello");
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
    assert_eq!(client.draft(), "carl: hi y", "not oneself");
    assert!(client.hint().contains("no completion"), "{}", client.hint());
}

#[test]
fn the_space_behind_what_was_completed_is_not_sent() {
    let mut client = Client::online(&["chat"]);
    client.write("ask al");
    assert_eq!(tab(&mut client), "ask alice ");
    let (text, _) = sent(&client.press(KeyCode::Enter)).expect("sent");
    assert_eq!(text, "ask alice");
}

#[test]
fn what_was_typed_comes_back() {
    let mut client = Client::online(&["chat"]);
    client.write("ask AL");
    assert_eq!(tab(&mut client), "ask alice ");
    client.press(KeyCode::Esc);
    assert_eq!((client.draft(), shown(&client)), ("ask AL", Vec::new()));
    assert_eq!(tab_back(&mut client), "ask alice ");
}

#[test]
fn one_that_is_alone_stays() {
    let mut client = Client::online(&["chat"]);
    client.write("bo");
    assert_eq!(tab(&mut client), "bob: ");
    assert_eq!(tab(&mut client), "bob: ", "no tab after it");
}

#[test]
fn a_tab_is_text_where_nothing_is_begun() {
    let mut client = Client::online(&["chat"]);
    assert_eq!(tab(&mut client), "\t");
    client.write("a ");
    assert_eq!(tab(&mut client), "\ta \t");
    assert_eq!(tab_back(&mut client), "\ta \t");
}

#[test]
fn the_server_is_asked_for_rooms_when_they_are_wanted() {
    let mut client = Client::online(&["chat"]);
    client.write("/join o");
    let asked = commands(client.press(KeyCode::Tab));
    assert_eq!(asked, [Command::ListRooms { prefix: None }]);
    assert!(client.hint().contains("asking the server"), "{}", client.hint());
    client.lists(&["ops", "chat"], false);
    assert_eq!(tab(&mut client), "/join ops");
    client.ctrl('u');
    client.write("see #");
    assert_eq!(tab(&mut client), "see #chat ");
    assert_eq!(tab(&mut client), "see #ops ");
}

#[test]
fn the_others_are_told_of_a_completion_as_of_typing() {
    let mut client = Client::online(&["chat"]);
    client.write("b");
    client.pass(10_000);
    assert_eq!(commands(client.press(KeyCode::Tab)), [typing(true)]);
}

#[test]
fn what_changes_the_draft_meanwhile_is_kept() {
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
    assert_eq!(client.draft(), "carol: too", "that was in another room");
}

#[test]
fn tab_goes_down_in_a_list() {
    let mut client = Client::online(&["chat", "dev"]);
    client.ctrl('k');
    client.press(KeyCode::Tab);
    client.press(KeyCode::Enter);
    assert_eq!(client.model.pane().title.as_str(), "dev");
}
