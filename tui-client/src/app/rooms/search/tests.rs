//! The search: the query, stepping through hits, and its end.

mod loading;
mod query;

use std::time::Duration;

use crate::terminal_input::{KeyCode, KeyModifiers};
use proptest::prelude::*;
use realtime_shared::{Recovery, Text};

use super::*;
use crate::app::rooms::timeline::{Body, HELD, Item};
use crate::app::testing::Client;
use crate::app::{Input, Overlay};
use crate::net::SendState;

fn client(texts: &[&str]) -> Client {
    let mut client = Client::online(&["chat", "dev"]);
    for text in texts {
        client.receive("chat", "bob", text);
    }
    client
}

fn found(client: &Client) -> (usize, usize) {
    match client.model.pane().search_result() {
        SearchResult::Some { at, of } => (at.unwrap_or(0), of),
        SearchResult::None { .. } => (0, 0),
        SearchResult::Idle => panic!("nothing is looked for"),
    }
}

/// The text of the selected hit.
fn at(client: &Client) -> String {
    let pane = client.model.pane();
    let index = pane.timeline.index_of(pane.timeline.selected_hit().expect("a match"));
    match pane.timeline.get(index).expect("an item") {
        Item::Outgoing(item) => item.text.to_string(),
        Item::Row(row) => match &row.body {
            Body::Message(said) => said.text.to_string(),
            other => panic!("{other:?} is found"),
        },
    }
}

fn is_open(client: &Client) -> bool {
    client.model.pane().search.is_some()
}

fn search(client: &mut Client, text: &str) -> Vec<Effect> {
    client.ctrl('f');
    client.write(text)
}

#[test]
fn typing_selects_the_newest_hit() {
    let mut client = client(&["the fix", "nothing", "a FIX too", "fig"]);
    assert_eq!(client.ctrl('f')[0], Effect::JumpView(ViewJump::Save));
    let effects = client.write("fi");
    let hit = client.model.pane().timeline.selected_hit().expect("a match");
    assert_eq!(effects, vec![Effect::JumpView(ViewJump::Hit(hit)); 2]);
    assert_eq!((at(&client), found(&client)), ("fig".into(), (1, 3)));
    client.write("x");
    assert_eq!((at(&client), found(&client)), ("a FIX too".into(), (1, 2)));
    client.press(KeyCode::Backspace);
    assert_eq!(at(&client), "fig");
    client.ctrl('u');
    assert_eq!(client.model.pane().search_result(), SearchResult::Idle);
    client.write("F");
    assert_eq!((at(&client), found(&client)), ("a FIX too".into(), (1, 1)), "a capital counts");
    assert_eq!(client.write("z"), [Effect::JumpView(ViewJump::Restore)], "nothing: back where one was");
    assert_eq!(client.model.pane().search_result(), SearchResult::None { among: 4 });
    assert_eq!(client.draft(), "");
}

#[test]
fn scrolled_back_the_search_begins_at_the_visible_messages() {
    let mut client = client(&["x1", "-", "x2", "-", "x3"]);
    let viewed = client.viewed(0, 3);
    client.input(viewed);
    search(&mut client, "x");
    assert_eq!((at(&client), found(&client)), ("x2".into(), (2, 3)));
    client.ctrl('u');
    client.write("x3");
    assert_eq!(at(&client), "x3", "below, where there is nothing above");
}

#[test]
fn keys_step_from_hit_to_hit() {
    let mut client = client(&["x1", "-", "x2", "x3"]);
    search(&mut client, "x");
    client.press(KeyCode::Up);
    assert_eq!((at(&client), found(&client)), ("x2".into(), (2, 3)));
    client.ctrl('f');
    assert_eq!((at(&client), found(&client)), ("x1".into(), (3, 3)));
    assert!(client.press(KeyCode::Up).is_empty());
    assert!(client.hint().contains("no older"), "{}", client.hint());
    client.press(KeyCode::Down);
    assert_eq!(at(&client), "x2");
    assert!(client.press(KeyCode::Enter).is_empty());
    client.write("n");
    assert_eq!(at(&client), "x1");
    client.write("NN");
    assert_eq!(at(&client), "x3");
    assert!(client.write("N").is_empty());
    assert!(client.hint().contains("no newer match"), "{}", client.hint());
    client.ctrl('f');
    client.write("2");
    assert_eq!((at(&client), found(&client)), ("x2".into(), (1, 1)), "the query goes on");
}

#[test]
fn a_key_for_the_draft_ends_the_search() {
    let mut client = client(&["x1", "x2"]);
    client.write("half a tho");
    search(&mut client, "x");
    client.press(KeyCode::Enter);
    assert_eq!(client.draft(), "half a tho");
    assert!(client.press(KeyCode::Enter).is_empty(), "the draft is not sent");
    assert!(!is_open(&client));
    search(&mut client, "x");
    client.press(KeyCode::Enter);
    client.write("ught");
    assert_eq!((is_open(&client), client.draft()), (false, "half a thought"));
    search(&mut client, "x");
    client.press(KeyCode::Enter);
    client.input(Input::Paste(" pasted".to_owned()));
    assert_eq!((is_open(&client), client.draft()), (false, "half a thought pasted"));
    client.press(KeyCode::Enter);
    search(&mut client, "x");
    client.press(KeyCode::Enter);
    client.press(KeyCode::Up);
    assert_eq!((is_open(&client), client.draft()), (false, "half a thought pasted"), "what was sent");
}

#[test]
fn escape_restores_the_view() {
    for keys in [&[][..], &[KeyCode::Enter], &[KeyCode::Up, KeyCode::Enter]] {
        let mut client = client(&["x1", "x2"]);
        client.write("a draft");
        search(&mut client, "x");
        for key in keys {
            client.press(*key);
        }
        assert_eq!(client.press(KeyCode::Esc), [Effect::JumpView(ViewJump::Restore)]);
        assert_eq!((is_open(&client), client.draft()), (false, "a draft"));
        assert_eq!(client.model.pane().timeline.pattern(), None, "the search has ended");
    }
}

#[test]
fn the_query_is_edited_in_its_line() {
    let mut client = client(&["one two"]);
    client.write("draft");
    search(&mut client, "two");
    client.press(KeyCode::Home);
    client.input(Input::Paste("one\n".to_owned()));
    client.write(" ");
    assert_eq!(client.model.pane().search.as_ref().map(|search| search.query.text()), Some("one two"));
    assert_eq!(found(&client), (1, 1));
    for key in [KeyCode::Tab, KeyCode::End, KeyCode::Left] {
        client.press(key);
    }
    client.key(KeyCode::Enter, KeyModifiers::ALT);
    client.ctrl('y');
    assert_eq!((found(&client), client.draft()), ((1, 1), "draft"));
    client.ctrl('u');
    client.ctrl('e');
    client.ctrl('u');
    client.press(KeyCode::Enter);
    assert!(!is_open(&client), "nothing is looked for");
}

#[test]
fn a_command_searches_at_once() {
    let mut client = client(&["x1", "x n2"]);
    client.enter("/search x");
    assert_eq!((at(&client), client.draft()), ("x n2".into(), ""));
    client.write("n");
    assert_eq!(at(&client), "x1");
    client.press(KeyCode::Esc);
    client.enter("/search");
    client.write("n2");
    assert_eq!(at(&client), "x n2");
    client.press(KeyCode::Esc);
    client.enter("/search nowhere");
    client.ctrl('u');
    client.write("x1");
    assert_eq!(at(&client), "x1", "it can be corrected");
}

#[test]
fn nicks_and_outgoing_messages_are_found() {
    let mut client = client(&["hello"]);
    client.receive("chat", "carol", "good evening");
    let waiting = client.send("mine, hello");
    search(&mut client, "hello");
    assert_eq!((at(&client), found(&client)), ("mine, hello".into(), (1, 2)));
    client.ctrl('u');
    client.write("you");
    assert_eq!((at(&client), found(&client)), ("mine, hello".into(), (1, 1)));
    client.ctrl('u');
    client.write("hello");
    client.state(&waiting, SendState::Sent);
    client.deliver_copy("chat", &waiting, "mine, hello");
    assert_eq!((at(&client), found(&client)), ("mine, hello".into(), (1, 2)), "it has its place now");
    client.ctrl('u');
    client.write("carol");
    assert_eq!(at(&client), "good evening");
    client.ctrl('u');
    client.write("you");
    assert_eq!(at(&client), "mine, hello");
}

#[test]
fn an_outgoing_message_stays_selected_when_it_is_stored() {
    let mut client = client(&["x1"]);
    let mine = client.send("x mine");
    search(&mut client, "x");
    client.state(&mine, SendState::Sent);
    client.receive("chat", "bob", "x2");
    assert_eq!((at(&client), found(&client)), ("x mine".into(), (1, 3)));
    client.deliver_copy("chat", &mine, "x mine");
    client.receive("chat", "bob", "x3");
    assert_eq!((at(&client), found(&client)), ("x mine".into(), (2, 4)));
    client.write("n");
    assert_eq!(found(&client).1, 0, "what is written goes on");
}

#[test]
fn the_nearest_hit_is_selected_when_the_selected_one_is_removed() {
    let mut client = client(&["x1"]);
    let mine = client.send("x mine");
    client.send("x later");
    search(&mut client, "x");
    client.press(KeyCode::Up);
    assert_eq!((at(&client), found(&client)), ("x mine".into(), (2, 3)));
    client.model.pane_mut().timeline.take_outgoing(&mine);
    client.receive("chat", "bob", "x2");
    assert_eq!((at(&client), found(&client)), ("x1".into(), (3, 3)));
}

#[test]
fn a_hit_that_arrived_late_can_be_selected() {
    let mut client = client(&["-"]);
    search(&mut client, "x");
    assert!(client.press(KeyCode::Enter).is_empty());
    client.receive("chat", "bob", "x1");
    let effects = client.press(KeyCode::Enter);
    assert!(matches!(effects[..], [Effect::JumpView(ViewJump::Hit(_))]), "{effects:?}");
    assert_eq!((at(&client), found(&client)), ("x1".into(), (1, 1)));
    client.receive("chat", "bob", "x2");
    client.write("N");
    assert_eq!(at(&client), "x2", "it steps");
}

#[test]
fn a_query_that_is_too_long_is_refused_with_a_hint() {
    let mut client = client(&["x1"]);
    let long = "x".repeat(QUERY_CHARS + 1);
    client.enter(&format!("/search {long}"));
    assert!(!is_open(&client) && client.hint().contains("at most 128") && client.draft().contains(&long));
    client.ctrl('u');
    client.enter(&format!("/search {}", &long[1..]));
    assert_eq!(found(&client), (0, 0));
    client.write("y");
    assert!(client.hint().contains("at most 128"), "{}", client.hint());
    client.ctrl('u');
    client.input(Input::Paste(long));
    assert!(client.hint().contains("at most 128"), "{}", client.hint());
    assert_eq!(client.model.pane().search_result(), SearchResult::Idle);
}

#[test]
fn a_command_from_the_palette_keeps_the_view_of_the_search() {
    let choose = |client: &mut Client, what: &str| {
        client.ctrl('p');
        client.write(what);
        client.press(KeyCode::Enter);
    };
    for is_typing in [true, false] {
        let mut client = client(&["x1", "x2"]);
        search(&mut client, "x");
        if !is_typing {
            client.press(KeyCode::Enter);
        }
        choose(&mut client, "/search");
        assert_eq!(found(&client).1, 2, "it is open already");
        choose(&mut client, "/join");
        assert_eq!((is_open(&client), client.draft()), (false, "/join "), "the draft can be seen");
        client.ctrl('u');
        search(&mut client, "x");
        choose(&mut client, "/clear");
        let pane = client.model.pane();
        assert_eq!((is_open(&client), pane.timeline.first_not_cleared()), (false, pane.timeline.len()));
    }
}

#[test]
fn a_search_stays_open_while_another_room_is_shown() {
    let mut client = client(&["x1", "x2"]);
    client.receive("dev", "bob", "@you");
    search(&mut client, "x");
    client.press(KeyCode::Enter);
    client.alt('2');
    assert!(!is_open(&client));
    client.alt('1');
    client.alt('a');
    client.ctrl('k');
    client.press(KeyCode::Esc);
    client.alt('1');
    client.press(KeyCode::F(1));
    client.press(KeyCode::Esc);
    client.write("n");
    assert_eq!((at(&client), client.draft()), ("x1".into(), ""));
}

#[test]
fn new_hits_are_counted_and_move_nothing() {
    let mut client = client(&["x1"]);
    search(&mut client, "x");
    let hit = client.model.pane().timeline.selected_hit();
    client.receive("chat", "bob", "x2");
    client.receive("chat", "bob", "-");
    client.receive("dev", "bob", "x elsewhere");
    assert_eq!((client.model.pane().timeline.selected_hit(), found(&client)), (hit, (2, 2)));
    client.ctrl('u');
    client.write("later");
    client.receive("chat", "bob", "later");
    assert_eq!(found(&client), (0, 1));
    client.press(KeyCode::Up);
    assert_eq!(at(&client), "later");
}

#[test]
fn each_room_has_its_own_search() {
    let mut client = client(&["x1", "x2"]);
    client.receive("dev", "bob", "y1");
    client.write("a draft");
    search(&mut client, "x");
    client.alt('2');
    assert!(!is_open(&client));
    client.write("in dev");
    search(&mut client, "y");
    assert_eq!(found(&client), (1, 1));
    client.receive("chat", "bob", "x3");
    client.alt('1');
    assert_eq!((at(&client), found(&client)), ("x2".into(), (2, 3)));
    client.press(KeyCode::Esc);
    assert_eq!(client.draft(), "a draft");
    client.alt('2');
    assert_eq!((at(&client), client.draft()), ("y1".into(), "in dev"));
}

#[test]
fn a_reset_drops_the_hits_of_the_old_log() {
    let mut client = client(&["x1", "x2"]);
    search(&mut client, "x");
    client.joined_at("chat", 0, Some(Recovery::Reset { replayed: 0 }), Some(Duration::from_secs(1)));
    assert_eq!(client.model.pane().search_result(), SearchResult::None { among: 0 });
    client.history("chat", &[], false);
    let message = client.message("chat", "bob", "x anew", 1);
    client.deliver(message, false);
    assert_eq!(found(&client).1, 1);
}

#[test]
fn hits_of_trimmed_rows_are_dropped() {
    let mut client = client(&["x1"]);
    search(&mut client, "x");
    for _ in 0..HELD {
        client.receive("chat", "bob", "-");
    }
    assert_eq!(client.model.pane().search_result(), SearchResult::None { among: HELD });
}

#[test]
fn an_overlay_handles_keys_before_the_search() {
    let mut client = client(&["x1", "x2"]);
    search(&mut client, "x");
    client.press(KeyCode::F(1));
    assert!(matches!(client.model.overlay, Some(Overlay::Help(_))));
    client.press(KeyCode::Esc);
    assert_eq!((&client.model.overlay, found(&client)), (&None, (1, 2)));
    client.ctrl('l');
    client.press(KeyCode::PageUp);
    assert!(is_open(&client));
}

#[test]
fn without_a_room_no_search_opens() {
    let mut client = Client::offline(&[]);
    client.ctrl('f');
    assert!(client.hint().contains("no room") && !is_open(&client));
}

proptest! {
    #[test]
    fn incremental_hits_equal_a_new_search(
        steps in prop::collection::vec((1_u64..40, "[xy]{1,2}", 0..6_u8), 0..40)
    ) {
        let mut client = client(&[]);
        search(&mut client, "x");
        let mut sent = Vec::new();
        for (seq, text, step) in &steps {
            match step {
                0 => {
                    let (id, ts) = (client.model.message_id(), client.model.time());
                    let written = Text::new(text).expect("a text");
                    client.model.pane_mut().timeline.add_outgoing(id.clone(), ts, written);
                    sent.push((id, text));
                }
                1 => if let Some((id, text)) = sent.pop() {
                    client.deliver_copy("chat", &id, text);
                },
                2 => {
                    let message = client.message("chat", "bob", text, *seq);
                    client.deliver_history("chat", &[message], true);
                }
                3 if *seq == 1 => {
                    let recovery = Some(Recovery::Reset { replayed: 0 });
                    client.joined_at("chat", 0, recovery, Some(Duration::from_secs(1)));
                }
                _ => {
                    let message = client.message("chat", "bob", text, *seq);
                    client.deliver(message, true);
                }
            }
        }
        let pane = client.model.pane();
        let mut again = pane.timeline.clone();
        again.set_pattern(Pattern::new("x"), "you");
        prop_assert_eq!(&again, &pane.timeline);
    }
}
