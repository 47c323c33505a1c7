//! The room switcher and the palette.

use crate::terminal_input::{KeyCode, KeyModifiers};

use super::super::testing::{Client, room};
use super::super::{Action, Effect, Input, Overlay, RoomKind};
use super::commands;
use crate::net::Command;

/// The names of the listed rooms.
fn titles(client: &Client) -> Vec<String> {
    client.model.choices().into_iter().map(|choice| choice.title.to_string()).collect()
}

fn join(name: &str) -> Command {
    Command::Join { room: room(name), since: None }
}

fn list_all() -> Command {
    Command::ListRooms { prefix: None }
}

fn at(client: &Client) -> &str {
    client.model.pane().title.as_str()
}

#[test]
fn a_listed_room_is_chosen_with_the_arrows() {
    for open in [KeyCode::F(2), KeyCode::Char('k')] {
        let mut client = Client::online(&["chat"]);
        let modifiers = if open == KeyCode::F(2) { KeyModifiers::NONE } else { KeyModifiers::CONTROL };
        assert_eq!(commands(client.key(open, modifiers)), [list_all()]);
        client.deliver_rooms(&["chat", "ops"], false);
        let places: Vec<_> = client.model.choices().iter().map(|choice| choice.kind).collect();
        assert_eq!(
            (titles(&client), places),
            (vec!["chat".into(), "ops".into()], vec![RoomKind::Shown, RoomKind::Listed])
        );
        client.press(KeyCode::Down);
        client.press(KeyCode::Down);
        assert_eq!(commands(client.press(KeyCode::Enter)), [join("ops")]);
        assert_eq!((at(&client), &client.model.overlay), ("ops", &None));
    }
}

#[test]
fn letters_in_order_find_a_room() {
    let mut client = Client::online(&["chat-general", "dev", "devops"]);
    client.receive("devops", "bob", "you?");
    client.receive("devops", "bob", "hello");
    client.write("a draft");
    client.ctrl('k');
    client.write("dop");
    assert_eq!(titles(&client), ["devops", "dop"]);
    let choice = &client.model.choices()[0];
    assert_eq!((choice.mentions, choice.unread, choice.matched.as_slice()), (1, 2, [0, 3, 4].as_slice()));
    let entered = |command: &Command| matches!(command, Command::Join { .. });
    assert!(!commands(client.press(KeyCode::Enter)).iter().any(entered), "the user is in it already");
    assert_eq!((at(&client), client.draft()), ("devops", ""));
    client.alt('1');
    assert_eq!(client.draft(), "a draft");
}

#[test]
fn a_new_room_is_joined_by_its_name() {
    let mut client = Client::online(&["development"]);
    client.ctrl('k');
    client.deliver_rooms(&["devops"], false);
    client.write("dev");
    assert_eq!(titles(&client), ["development", "devops", "dev"]);
    client.press(KeyCode::End);
    assert_eq!(commands(client.press(KeyCode::Enter)), [join("dev")]);

    client.ctrl('k');
    client.write("dm:bob");
    assert_eq!(titles(&client), [""; 0]);
    assert!(client.model.no_name().is_some_and(|why| why.as_str().contains("dm:")));
    assert!(client.press(KeyCode::Enter).is_empty());
    assert!(client.model.overlay.is_some(), "it can be corrected");
}

#[test]
fn the_query_is_edited_in_place() {
    let mut client = Client::online(&["chat", "dev"]);
    client.ctrl('k');
    client.input(Input::Paste(" xdev\n".to_owned()));
    assert_eq!(titles(&client), ["xdev"]);
    client.ctrl('a');
    client.press(KeyCode::Delete);
    assert_eq!(titles(&client), ["dev"]);
    client.ctrl('e');
    client.ctrl('u');
    assert_eq!(titles(&client), ["chat", "dev"]);
    client.input(Input::Paste("x".repeat(10_000)));
    assert_eq!(titles(&client), ["chat", "dev"], "longer than any room name");
    client.press(KeyCode::Esc);
    assert_eq!((&client.model.overlay, client.draft()), (&None, ""));
}

#[test]
fn the_selected_room_stays_selected_when_the_list_arrives() {
    let mut client = Client::online(&["dev"]);
    client.ctrl('k');
    client.write("de");
    client.press(KeyCode::Down);
    client.deliver_rooms(&["deck", "den"], false);
    assert_eq!(titles(&client).last().map(String::as_str), Some("de"));
    assert_eq!(commands(client.press(KeyCode::Enter)), [join("de")]);

    client.ctrl('k');
    client.write("dec");
    assert_eq!(titles(&client), ["dec"]);
    client.deliver_rooms(&["deck"], false);
    assert_eq!(commands(client.press(KeyCode::Enter)), [join("deck")], "the first is the best");
}

#[test]
fn another_prefix_requests_the_list_again() {
    let mut client = Client::online(&["chat"]);
    let prefix = Some("ch".to_owned());
    assert_eq!(commands(client.enter("/rooms ch")), [Command::ListRooms { prefix }]);
    client.deliver_rooms(&["chess"], false);
    assert_eq!(titles(&client), ["chat", "chess", "ch"]);
    assert!(client.write("e").is_empty(), "the server listed them already");
    client.press(KeyCode::Backspace);
    assert_eq!(commands(client.press(KeyCode::Backspace)), [list_all()]);
    assert!(client.write("x").is_empty());
}

#[test]
fn its_key_closes_the_switcher_and_other_keys_reach_the_screen() {
    let mut client = Client::online(&["chat", "dev"]);
    client.ctrl('k');
    client.ctrl('k');
    assert_eq!(client.model.overlay, None);
    client.ctrl('k');
    client.alt('2');
    assert_eq!((&client.model.overlay, at(&client)), (&None, "dev"));
}

/// The titles in the palette for `query`.
fn offered(client: &mut Client, query: &str) -> Vec<String> {
    client.ctrl('p');
    client.write(query);
    client.model.offers().into_iter().map(|offer| offer.title).collect()
}

#[test]
fn the_palette_lists_commands_and_actions_with_their_keys() {
    let mut client = Client::online(&["chat"]);
    client.model.keymap.remap("retry", &["Ctrl-G"]).expect("an action");
    let all = offered(&mut client, "");
    for title in ["/join ROOM", "/leave [ROOM]", "next unread", "word left", "retry", "send"] {
        assert!(all.iter().any(|offer| offer == title), "{title} is not in {all:?}");
    }
    let keys = |title: &str| {
        let offer = client.model.offers().into_iter().find(|offer| offer.title == title);
        offer.expect(title).keys.join(" ")
    };
    assert_eq!(keys("retry"), "Ctrl-G");
    assert_eq!(keys("/rooms [PREFIX]"), "Ctrl-K F2", "a command that equals an action");
    assert_eq!(keys("/me ACTION"), "");
    assert_eq!(all.iter().filter(|title| title.contains("help")).count(), 1, "listed once");
}

#[test]
fn the_chosen_action_of_the_palette_is_run() {
    let mut client = Client::online(&["chat", "dev"]);
    client.write("a draft");
    assert_eq!(offered(&mut client, "next room")[0], "next room");
    client.press(KeyCode::Enter);
    assert_eq!((at(&client), &client.model.overlay), ("dev", &None));
    assert_eq!(offered(&mut client, "/help")[0], "/help");
    client.press(KeyCode::Enter);
    assert!(matches!(client.model.overlay, Some(Overlay::Help(_))));
    client.press(KeyCode::Esc);
    offered(&mut client, "/leave");
    assert_eq!(commands(client.press(KeyCode::Enter)), [Command::Leave(room("dev"))]);
    assert_eq!(offered(&mut client, "explanation of nothing"), [""; 0]);
    assert!(client.press(KeyCode::Enter).is_empty());
    client.ctrl('p');
    assert_eq!((&client.model.overlay, client.draft()), (&None, "a draft"));
}

#[test]
fn a_command_that_needs_an_argument_begins_the_draft() {
    let mut client = Client::online(&["chat"]);
    offered(&mut client, "join");
    assert!(client.press(KeyCode::Enter).is_empty());
    assert_eq!((client.draft(), &client.model.overlay), ("/join ", &None));
    assert_eq!(commands(client.enter("dev")), [join("dev")]);
    offered(&mut client, "//text");
    client.press(KeyCode::Enter);
    assert_eq!(client.draft(), "//");
    client.write("etc");
    offered(&mut client, "/join");
    client.press(KeyCode::Enter);
    assert_eq!(client.draft(), "//etc", "a draft is kept");
    assert!(client.hint().contains("draft"), "{}", client.hint());
}

#[test]
fn the_palette_confirms_before_text_is_lost() {
    let mut client = Client::online(&["chat", "dev"]);
    client.send("on its way");
    offered(&mut client, "/leave");
    assert!(client.press(KeyCode::Enter).is_empty());
    assert_eq!(client.draft(), "/leave");
    assert_eq!(commands(client.press(KeyCode::Enter)), [Command::Leave(room("chat"))]);

    client.write("half a tho");
    offered(&mut client, "/quit");
    assert!(client.press(KeyCode::Enter).is_empty());
    let quit = client.model.keymap.key(Action::Quit).expect("a key");
    assert_eq!(client.input(Input::Key(quit.event())).last(), Some(&Effect::Quit));
}
