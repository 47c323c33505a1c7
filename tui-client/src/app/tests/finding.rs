//! Looking for something, and going there.

use crossterm::event::{KeyCode, KeyModifiers};

use super::super::testing::{Client, room};
use super::super::{Action, Effect, Input, Overlay, RoomKind};
use super::commands;
use crate::net::Command;

/// The rooms to choose from, by name.
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
        client.lists(&["chat", "ops"], false);
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
fn a_few_letters_find_a_room() {
    let mut client = Client::online(&["chat-general", "dev", "devops"]);
    client.says("devops", "bob", "you?");
    client.says("devops", "bob", "hello");
    client.write("a draft");
    client.ctrl('k');
    client.write("dop");
    assert_eq!(titles(&client), ["devops", "dop"]);
    let choice = &client.model.choices()[0];
    assert_eq!((choice.mentions, choice.unread, choice.matched.as_slice()), (1, 2, [0, 3, 4].as_slice()));
    let entered = |command: &Command| matches!(command, Command::Join { .. });
    assert!(!commands(client.press(KeyCode::Enter)).iter().any(entered), "that it is already");
    assert_eq!((at(&client), client.draft()), ("devops", ""));
    client.alt('1');
    assert_eq!(client.draft(), "a draft");
}

#[test]
fn a_room_that_nobody_has_is_entered_by_its_name() {
    let mut client = Client::online(&["development"]);
    client.ctrl('k');
    client.lists(&["devops"], false);
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
    assert_eq!(titles(&client), ["chat", "dev"], "no room has so long a name");
    client.press(KeyCode::Esc);
    assert_eq!((&client.model.overlay, client.draft()), (&None, ""));
}

#[test]
fn what_was_chosen_stays_chosen_when_the_list_comes() {
    let mut client = Client::online(&["dev"]);
    client.ctrl('k');
    client.write("de");
    client.press(KeyCode::Down);
    client.lists(&["deck", "den"], false);
    assert_eq!(titles(&client).last().map(String::as_str), Some("de"));
    assert_eq!(commands(client.press(KeyCode::Enter)), [join("de")]);

    client.ctrl('k');
    client.write("dec");
    assert_eq!(titles(&client), ["dec"]);
    client.lists(&["deck"], false);
    assert_eq!(commands(client.press(KeyCode::Enter)), [join("deck")], "the first is the best");
}

#[test]
fn the_server_is_asked_anew_for_other_names() {
    let mut client = Client::online(&["chat"]);
    let prefix = Some("ch".to_owned());
    assert_eq!(commands(client.enter("/rooms ch")), [Command::ListRooms { prefix }]);
    client.lists(&["chess"], false);
    assert_eq!(titles(&client), ["chat", "chess", "ch"]);
    assert!(client.write("e").is_empty(), "they are among those that were told");
    client.press(KeyCode::Backspace);
    assert_eq!(commands(client.press(KeyCode::Backspace)), [list_all()]);
    assert!(client.write("x").is_empty());
}

#[test]
fn the_key_that_opens_closes_and_others_go_on_below() {
    let mut client = Client::online(&["chat", "dev"]);
    client.ctrl('k');
    client.ctrl('k');
    assert_eq!(client.model.overlay, None);
    client.ctrl('k');
    client.alt('2');
    assert_eq!((&client.model.overlay, at(&client)), (&None, "dev"));
}

/// What the palette offers for `query`.
fn offered(client: &mut Client, query: &str) -> Vec<String> {
    client.ctrl('p');
    client.write(query);
    client.model.offers().into_iter().map(|offer| offer.title).collect()
}

#[test]
fn the_palette_has_all_that_can_be_done_with_its_keys() {
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
    assert_eq!(keys("/rooms [PREFIX]"), "Ctrl-K F2", "the command that an action is, too");
    assert_eq!(keys("/me ACTION"), "");
    assert_eq!(all.iter().filter(|title| title.contains("help")).count(), 1, "and once");
}

#[test]
fn what_is_chosen_in_the_palette_is_done() {
    let mut client = Client::online(&["chat", "dev"]);
    client.write("a draft");
    assert_eq!(offered(&mut client, "next room")[0], "next room");
    client.press(KeyCode::Enter);
    assert_eq!((at(&client), &client.model.overlay), ("dev", &None));
    assert_eq!(offered(&mut client, "/help")[0], "/help");
    client.press(KeyCode::Enter);
    assert_eq!(client.model.overlay, Some(Overlay::Help));
    client.press(KeyCode::Esc);
    offered(&mut client, "/leave");
    assert_eq!(commands(client.press(KeyCode::Enter)), [Command::Leave(room("dev"))]);
    assert_eq!(offered(&mut client, "explanation of nothing"), [""; 0]);
    assert!(client.press(KeyCode::Enter).is_empty());
    client.ctrl('p');
    assert_eq!((&client.model.overlay, client.draft()), (&None, "a draft"));
}

#[test]
fn a_command_that_needs_more_is_put_where_one_writes() {
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
fn the_palette_asks_again_where_text_would_be_lost() {
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
