//! Actions of the user: writing, commands, rooms, links.

use std::time::Duration;

use crate::terminal_input::{KeyCode, KeyModifiers};
use realtime_shared::{Members, Seq, ServerEvent};

use super::super::testing::{Client, EXTENSIONS, room, sent, user};
use super::super::{DRAFT_CHARS, Input, Overlay};
use super::{Effect, commands, error, shown, typing};
use crate::markup::Target;
use crate::net::{Command, SendState};

#[test]
fn keys_go_to_rooms() {
    let mut client = Client::online(&["a", "b", "c"]);
    let title = |client: &Client| client.model.pane().title.to_string();
    client.key(KeyCode::Up, KeyModifiers::ALT);
    assert_eq!(title(&client), "c");
    client.key(KeyCode::Down, KeyModifiers::ALT);
    assert_eq!(title(&client), "a");
    client.alt('9');
    assert_eq!(title(&client), "a");
    client.receive("b", "bob", "one");
    client.receive("c", "bob", "you!");
    client.alt('a');
    assert_eq!(title(&client), "c", "the room with a mention first");
    client.alt('a');
    assert_eq!(title(&client), "b");
    client.alt('a');
    assert!(client.hint().contains("no unread"));
}

#[test]
fn each_room_keeps_its_draft() {
    let mut client = Client::online(&["chat", "dev"]);
    client.write("half a tho");
    client.alt('2');
    assert_eq!(client.draft(), "");
    client.write("other");
    client.alt('1');
    assert_eq!(client.draft(), "half a tho");
    client.alt('2');
    assert_eq!(client.draft(), "other");
}

#[test]
fn a_paste_is_one_draft() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Paste("one\r\ntwo\rthree\tfour\u{1b}[31m\n".to_owned()));
    assert_eq!(client.draft(), "one\ntwo\nthree\tfour[31m\n");
    assert!(client.hint().contains("control characters"));
    let (text, _) = sent(&client.press(KeyCode::Enter)).expect("sent");
    assert_eq!(text, "one\ntwo\nthree\tfour[31m");
}

#[test]
fn new_line_keys_write_and_do_not_send() {
    let mut client = Client::online(&["chat"]);
    client.write("a");
    for (code, modifiers) in [
        (KeyCode::Enter, KeyModifiers::ALT),
        (KeyCode::Enter, KeyModifiers::SHIFT),
        (KeyCode::Char('j'), KeyModifiers::CONTROL),
    ] {
        assert_eq!(sent(&client.key(code, modifiers)), None);
    }
    assert_eq!(client.draft(), "a\n\n\n");
}

#[test]
fn a_text_that_is_too_long_stays_a_draft() {
    let mut client = Client::online(&["chat"]);
    let long = "ü".repeat(4_001);
    client.input(Input::Paste(long.clone()));
    assert_eq!(sent(&client.press(KeyCode::Enter)), None);
    assert_eq!(client.draft(), long);
    assert!(client.hint().contains("4001 characters"), "{}", client.hint());
    client.press(KeyCode::Backspace);
    assert!(sent(&client.press(KeyCode::Enter)).is_some());
    client.input(Input::Paste("x".repeat(DRAFT_CHARS + 1)));
    assert_eq!(client.draft(), "");
    assert!(client.hint().contains("does not fit"));
}

#[test]
fn blank_texts_are_not_sent() {
    let mut client = Client::online(&["chat"]);
    assert!(client.enter("  ").is_empty());
    assert_eq!(client.draft(), "  ");
}

#[test]
fn typing_sends_a_signal_every_three_seconds() {
    let mut client = Client::online(&["chat"]);
    assert_eq!(commands(client.write("hel")), [typing(true)], "once");
    client.pass(2_999);
    assert!(client.write("l").is_empty());
    client.pass(1);
    assert_eq!(commands(client.write("o")), [typing(true)], "again after 3 s");
    let effects = commands(client.press(KeyCode::Enter));
    assert_eq!(effects[0], typing(false), "sending ends it");
    assert!(matches!(effects[1], Command::Send { .. }));
    assert_eq!(client.model.next_tick(), None);
}

#[test]
fn typing_signals_can_be_switched_off() {
    let mut client = Client::online(&["chat"]);
    client.model.sends_typing = false;
    assert!(commands(client.write("hello")).is_empty());
    assert_eq!(client.model.next_tick(), None);
    assert!(matches!(commands(client.press(KeyCode::Enter))[..], [Command::Send { .. }]));
}

#[test]
fn a_pause_ends_the_typing_signal() {
    let mut client = Client::online(&["chat", "dev"]);
    client.write("x");
    assert_eq!(client.model.next_tick(), Some(client.mono() + Duration::from_secs(5)));
    assert_eq!(commands(client.pass(5_000)), [typing(false)]);
    assert_eq!(commands(client.write("y")), [typing(true)]);
    client.press(KeyCode::Backspace);
    assert_eq!(commands(client.press(KeyCode::Backspace)), [typing(false)], "nothing is written");
    client.write("z");
    assert_eq!(commands(client.alt('2')), [typing(false)], "another room");
}

#[test]
fn commands_and_offline_typing_send_no_signal() {
    let mut client = Client::online(&["chat"]);
    assert!(client.write("/join x").is_empty());
    client.ctrl('u');
    client.lose_connection(Duration::from_secs(9));
    assert!(client.write("hello").is_empty());
}

#[test]
fn commands_are_run() {
    let mut client = Client::online(&["chat"]);
    assert_eq!(commands(client.enter("/join dev")), [Command::Join { room: room("dev"), since: None }]);
    assert_eq!(client.model.pane().title.as_str(), "dev");
    assert_eq!(commands(client.enter("/join chat")), [], "already in the room");
    assert_eq!(client.model.pane().title.as_str(), "chat");
    assert_eq!(commands(client.enter("/leave dev")), [Command::Leave(room("dev"))]);
    assert_eq!(client.model.rooms.len(), 1);
    assert_eq!(commands(client.enter("/rooms ch")), [Command::ListRooms { prefix: Some("ch".to_owned()) }]);
    client.press(KeyCode::Esc);
    assert_eq!(commands(client.enter("/who")), [Command::Members(room("chat"))]);
    client.press(KeyCode::Esc);
    client.enter("/help");
    assert!(matches!(client.model.overlay, Some(Overlay::Help(_))));
    client.press(KeyCode::Esc);
    assert_eq!(client.enter("/quit"), [Effect::Net(Command::Close), Effect::Quit]);
}

#[test]
fn an_unknown_command_is_not_sent_and_stays_a_draft() {
    let mut client = Client::online(&["chat"]);
    assert!(client.enter("/jion dev").is_empty());
    assert_eq!(client.draft(), "/jion dev");
    assert!(client.hint().contains("no command /jion"));
    client.ctrl('u');
    assert_eq!(sent(&client.enter("//etc")).map(|(text, _)| text), Some("/etc".to_owned()));
}

#[test]
fn without_a_room_the_lobby_is_shown() {
    let mut client = Client::online(&["chat"]);
    client.enter("/leave");
    assert_eq!((client.model.rooms.len(), client.model.current()), (0, None));
    assert!(client.enter("hello").is_empty());
    assert_eq!(client.draft(), "hello");
    assert!(client.hint().contains("no room"));
    client.ctrl('u');
    client.server(error(None, "for all"));
    assert_eq!(shown(&client), ["for all"]);
    client.enter("/join dev");
    assert_eq!(client.model.pane().title.as_str(), "dev");
}

#[test]
fn quit_and_leave_confirm_before_text_is_lost() {
    let mut client = Client::online(&["chat", "dev"]);
    client.write("half a tho");
    client.alt('2');
    assert!(client.ctrl('c').is_empty());
    assert!(client.hint().contains("chat"));
    client.press(KeyCode::Left);
    assert!(client.ctrl('c').is_empty(), "another key cancels the confirmation");
    assert_eq!(client.ctrl('q').last(), Some(&Effect::Quit));

    assert!(client.enter("/leave chat").is_empty());
    assert!(client.hint().contains("Enter again"));
    assert_eq!(commands(client.press(KeyCode::Enter)), [Command::Leave(room("chat"))]);

    client.send("on its way");
    assert!(client.enter("/quit").is_empty());
    assert_eq!(client.model.unsent().len(), 1, "a command is not a draft");
    assert_eq!(client.press(KeyCode::Enter).last(), Some(&Effect::Quit));
}

#[test]
fn who_shows_the_members_of_another_room() {
    let mut client = Client::online(&["chat"]);
    assert_eq!(commands(client.enter("/who ops")), [Command::Members(room("ops"))]);
    let members = Members { room: room("ops"), members: vec![user("zoe")], member_count: 9, has_more: None };
    client.server(ServerEvent::Members(members));
    let Some(Overlay::Members { members: Some((names, 9)), .. }) = &client.model.overlay else {
        panic!("{:?}", client.model.overlay)
    };
    assert_eq!(names[0].nick.as_str(), "zoe");
    client.write("x");
    assert_eq!((&client.model.overlay, client.draft()), (&None, "x"), "the key reaches the draft");
}

#[test]
fn unsent_texts_are_listed_at_the_end() {
    let mut client = Client::online(&["chat", "dev"]);
    let stored = client.send("stored");
    client.deliver_copy("chat", &stored, "stored");
    let acknowledged = client.send("acknowledged");
    client.state(&acknowledged, SendState::Stored(Seq::new(9)));
    let sent = client.send("sent");
    client.state(&sent, SendState::Sent);
    client.send("queued");
    let refused = client.send("refused");
    client.state(&refused, SendState::Refused("no".to_owned()));
    client.write("half a tho");
    client.press(KeyCode::Up);
    client.write("!");
    client.alt('2');
    client.write("two");
    client.key(KeyCode::Enter, KeyModifiers::ALT);
    client.write("lines");
    let unsent: Vec<_> = client.model.unsent().iter().map(ToString::to_string).collect();
    let expected = [
        "chat, on its way: sent",
        "chat: queued",
        "chat: refused",
        "chat, a draft: half a tho",
        "chat, a draft: refused!",
        "dev, a draft: two\nlines",
    ];
    assert_eq!(unsent, expected);
}

#[test]
fn links_on_the_screen_are_opened() {
    let mut client = Client::online(&["chat"]);
    client.alt('o');
    assert!(client.hint().contains("no links"));
    client.receive("chat", "bob", "https://example.org/above");
    client.receive("chat", "bob", "*http://example.org/a_(b)* `https://example.org/code`");
    client.receive("chat", "bob", "mailto:bob@example.org and http://example.org/a_(b) again");
    client.send("https://example.org/mine");
    let visible = client.viewed(1, 3);
    client.input(visible);
    let target = |text| Target::new(text).expect("an address");
    let mine = target("https://example.org/mine");
    let list = [mine.clone(), target("mailto:bob@example.org"), target("http://example.org/a_(b)")];
    client.alt('o');
    assert_eq!(client.model.overlay, Some(Overlay::Links { targets: list.to_vec(), selected: 0 }));
    client.press(KeyCode::Down);
    client.press(KeyCode::Down);
    client.press(KeyCode::Down);
    assert_eq!(client.press(KeyCode::Enter), [Effect::Open(list[2].clone())]);
    assert_eq!(client.model.overlay, None);
    client.alt('o');
    client.write("9");
    assert!(client.model.overlay.is_some(), "no ninth link");
    assert_eq!(client.write("1"), [Effect::Open(mine)]);
    assert!(client.hint().contains("opening https://example.org/mine"));
    client.alt('o');
    client.write("x");
    assert_eq!((client.model.overlay.as_ref(), client.draft()), (None, "x"), "the key reaches the draft");
}

#[test]
fn a_text_is_sent_in_the_normal_form_nfc() {
    let mut client = Client::online(&["chat"]);
    let (text, _) = sent(&client.enter("Zoe\u{308} \u{1112}\u{1161}\u{11ab} \u{212b}")).expect("sent");
    assert_eq!(text, "Zo\u{eb} \u{d55c} \u{c5}");
}

#[test]
fn a_me_command_is_sent_in_italics() {
    let mut client = Client::online(&["chat"]);
    let text = |client: &mut Client, line| sent(&client.enter(line)).expect("sent").0;
    assert_eq!(text(&mut client, "/me waves"), "*waves*");
    assert_eq!(text(&mut client, "/me says *hi*"), "_says *hi*_");
    assert_eq!(client.draft(), "");
    client.press(KeyCode::Up);
    assert_eq!(client.draft(), "/me says *hi*", "the history has the command as it was typed");
    client.enter(&" x".repeat(2_500));
    assert!(
        client.draft().starts_with("/me says") && client.hint().contains("not sent"),
        "the text stays in the draft"
    );
}

#[test]
fn a_command_of_an_extension_is_listed_and_handed_to_the_program() {
    let mut client = Client::online(&["chat"]);
    let rows =
        |client: &Client| client.model.commands().filter(|(usage, _)| usage.starts_with("/fault")).count();
    assert_eq!((rows(&client), client.enter("/fault now")), (0, vec![]));
    assert!(client.hint().contains("no command /fault"), "{}", client.hint());
    client.model.extensions = EXTENSIONS;
    let effects = client.press(KeyCode::Enter);
    let call = Effect::Extension { name: "fault", argument: "now".to_owned() };
    assert_eq!((rows(&client), &effects[0]), (2, &call));
    assert_eq!(commands(effects), [Command::Ping]);
    assert!(shown(&client).last().is_some_and(|last| last.contains("fault: now")));
}

#[test]
fn a_message_to_a_name_that_nobody_has_is_sent_with_a_hint() {
    let mut client = Client::online(&["chat"]);
    let members = |users: &[&str], count| {
        let members = users.iter().map(|name| user(name)).collect();
        ServerEvent::Members(Members { room: room("chat"), members, member_count: count, has_more: None })
    };
    client.server(members(&["you", "bob"], 2));
    client.receive("chat", "zoe", "bye");
    client.send("@bob, @zoe and @you: hi");
    assert_eq!(client.hint(), "");
    client.send("@carol: hi");
    assert_eq!(client.hint(), "sent, but nobody named carol is here");
    client.server(members(&["you", "bob"], 3));
    client.send("@dave: hi");
    assert_eq!(client.hint(), "", "the list of members is not complete");
}
