//! The line of the query: its keys, pastes, and keys that are for the draft.

use crate::terminal_input::KeyCode;

use super::super::*;
use super::{client, is_open, search};
use crate::app::Input;
use crate::net::SendState;

#[test]
fn home_and_end_move_in_the_query() {
    let mut client = client(&["abcd"]);
    search(&mut client, "bc");
    client.press(KeyCode::Home);
    client.write("a");
    client.press(KeyCode::End);
    client.write("d");
    assert_eq!(client.model.pane().search.as_ref().map(|search| search.query.text()), Some("abcd"));
}

#[test]
fn a_line_break_in_a_pasted_query_is_a_space() {
    let mut client = client(&["one two"]);
    client.ctrl('f');
    client.input(Input::Paste("one\ntwo\n".to_owned()));
    assert_eq!(client.model.pane().search.as_ref().map(|search| search.query.text()), Some("one two"));
}

#[test]
fn keys_for_the_draft_end_the_search_while_the_query_is_typed() {
    let mut client = client(&["x1"]);
    let id = client.send("refused");
    client.state(&id, SendState::Refused("no".to_owned()));
    search(&mut client, "x");
    client.ctrl('x');
    assert_eq!((is_open(&client), client.draft()), (false, "refused"));
    search(&mut client, "x");
    assert_eq!(client.ctrl('o'), [Effect::Edit("refused".to_owned())]);
    assert!(!is_open(&client));
}

#[test]
fn without_a_query_a_step_to_older_hits_does_nothing() {
    let mut client = client(&["x1"]);
    client.ctrl('f');
    assert!(client.press(KeyCode::Up).is_empty());
    assert_eq!(client.hint(), "");
}

#[test]
fn a_whole_history_has_no_page_to_search() {
    let mut client = client(&["x1"]);
    search(&mut client, "x");
    assert!(!client.model.pane().can_search_older());
}
