//! Texts between runs: returned to be stored, and restored.

use crate::terminal_input::KeyCode;
use realtime_shared::ClientMsgId;

use super::super::testing::{Client, room, sent};
use super::super::{Effect, Input};
use crate::kept_texts::KeptTexts;
use crate::net::{Command, SendState};

const MINUTE: u64 = 60 * 1_000;

/// Restores texts in another client, `later` milliseconds after its start.
fn restored(rooms: &[&str], texts: &KeptTexts, later: u64) -> (Client, Vec<Effect>) {
    let mut client = Client::online(rooms);
    client.pass(later);
    let effects = client.input(Input::Restored(texts.clone()));
    (client, effects)
}

fn sent_ids(effects: &[Effect]) -> Vec<&ClientMsgId> {
    let id = |effect| match effect {
        &Effect::Net(Command::Send { ref client_msg_id, .. }) => Some(client_msg_id),
        _ => None,
    };
    effects.iter().filter_map(id).collect()
}

#[test]
fn drafts_are_restored_in_their_rooms() {
    let mut client = Client::online(&["chat", "dev"]);
    client.write("half a tho");
    client.alt('2');
    client.write("other");
    let texts = client.model.kept_texts();
    let (mut next, effects) = restored(&["dev", "chat"], &texts, 0);
    assert!(effects.is_empty());
    assert_eq!(next.draft(), "other");
    next.alt('2');
    assert_eq!(next.draft(), "half a tho");
    assert_eq!(next.model.kept_texts().panes.len(), 2);
    for _ in 0.."half a tho".len() {
        next.press(KeyCode::Backspace);
    }
    next.alt('1');
    let (_, id) = sent(&next.enter("")).expect("sent");
    next.deliver_copy("dev", &id, "other");
    assert!(next.model.kept_texts().is_empty(), "the one is deleted, the other one sent");
}

#[test]
fn waiting_messages_are_sent_with_their_ids() {
    let mut client = Client::offline(&["chat"]);
    let ids = ["one", "two"].map(|text| client.send(text));
    let texts = client.model.kept_texts();
    let (mut next, effects) = restored(&["chat"], &texts, MINUTE);
    assert_eq!(sent_ids(&effects), [&ids[0], &ids[1]]);
    assert_eq!(next.model.queued(), 2);
    next.deliver_copy("chat", &ids[0], "one");
    next.state(&ids[1], SendState::Stored(realtime_shared::Seq::new(2)));
    assert!(next.model.kept_texts().is_empty());
}

#[test]
fn an_old_or_held_message_waits_for_the_user() {
    for (is_held, later) in [(false, 61 * MINUTE), (true, 0)] {
        let mut client = Client::offline(&["chat"]);
        let id = client.send("lunch?");
        let mut texts = client.model.kept_texts();
        if is_held {
            texts.hold();
        }
        let (mut next, effects) = restored(&["chat"], &texts, later);
        assert!(sent_ids(&effects).is_empty());
        assert_eq!(next.model.kept_texts().panes[0].messages[0].id, id);
        let effects = next.ctrl('r');
        assert_eq!(sent(&effects), Some(("lunch?".to_owned(), id.clone())));
        next.state(&id, SendState::Refused("no".to_owned()));
        assert_eq!(next.ctrl('r'), [Effect::Net(Command::Resend(id))], "the connection has it now");
    }
}

#[test]
fn a_message_that_was_stored_is_not_a_message_any_more() {
    let mut client = Client::online(&["chat"]);
    let id = client.send("hello");
    let texts = client.model.kept_texts();
    let mut next = Client::offline(&["chat"]);
    next.connect();
    next.input(Input::Restored(texts));
    next.joined("chat", None, None);
    let mut message = next.next_message("chat", "you", "hello");
    message.client_msg_id = Some(id);
    next.history("chat", &[message], false);
    assert_eq!((next.model.queued(), next.model.pane().timeline.outgoing().count()), (0, 0));
}

#[test]
fn texts_of_another_room_wait_until_it_is_joined() {
    let mut client = Client::offline(&["chat", "dev"]);
    client.alt('2');
    let id = client.send("later");
    client.write("draft");
    let texts = client.model.kept_texts();
    let (mut next, effects) = restored(&["chat"], &texts, MINUTE);
    assert!(sent_ids(&effects).is_empty());
    assert_eq!(next.model.kept_texts(), texts, "kept for the next run, too");
    let effects = next.enter("/join dev");
    assert_eq!(sent_ids(&effects), [&id]);
    assert_eq!(next.model.room().map(|room| &room.name), Some(&room("dev")));
    assert_eq!(next.draft(), "draft");
}

#[test]
fn commands_are_not_kept() {
    let mut client = Client::online(&["chat"]);
    for draft in ["/quit", "/join dev", "/token e30.e30.s", "/TOKEN"] {
        client.write(draft);
        assert!(client.model.kept_texts().is_empty(), "{draft}");
        for _ in 0..draft.len() {
            client.press(KeyCode::Backspace);
        }
    }
    client.write("/usr/bin is text of some kind");
    assert!(!client.model.kept_texts().is_empty());
}

#[test]
fn a_changed_text_of_the_history_needs_a_confirmation_to_quit() {
    let mut client = Client::online(&["chat"]);
    for text in ["one", "two"] {
        let id = client.send(text);
        client.deliver_copy("chat", &id, text);
    }
    client.press(KeyCode::Up);
    client.write(" more");
    client.press(KeyCode::Down);
    assert_eq!(client.draft(), "");
    assert_eq!(client.model.unsent().len(), 1);
    assert!(!client.ctrl('c').contains(&Effect::Quit));
    assert!(client.hint().contains("unsent text in chat"), "{}", client.hint());
    assert!(!client.enter("/quit").contains(&Effect::Quit));
    assert!(client.ctrl('c').contains(&Effect::Quit));
    client.press(KeyCode::Esc);
    client.ctrl('u');
    client.enter("/leave");
    assert!(client.hint().contains("unsent text in chat"), "{}", client.hint());
}
