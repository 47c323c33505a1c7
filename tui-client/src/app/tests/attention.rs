//! Tests of the rows that count as read: with and without reports of the focus, behind overlays, scrolled back, elsewhere.

use std::time::Duration;

use realtime_shared::{Recovery, ServerEvent, SystemEvent};

use super::super::testing::{Client, at, notified, room, user};
use super::super::{Input, NotifyOn};
use super::{Effect, shown};
use crate::terminal_input::KeyCode;

/// Of the room at `index`: unread messages, mentions, and messages below the ruler.
fn counts(client: &Client, index: usize) -> (u64, u64, Option<u64>) {
    let reading = &client.model.rooms[index].reading;
    (reading.unread, reading.mentions, reading.ruler.map(|ruler| ruler.count))
}

/// The seq up to which `chat` is read.
fn read(client: &Client) -> u64 {
    client.model.rooms[0].reading.read().map_or(0, |position| position.seq().get())
}

#[test]
fn without_reports_of_the_focus_messages_are_read_for_thirty_seconds_after_a_key() {
    let mut client = Client::online(&["chat"]);
    client.pass(29_000);
    client.receive("chat", "bob", "you, 29 s after the start");
    assert_eq!((counts(&client, 0), read(&client)), ((0, 0, None), 1));
    client.pass(1_000);
    assert_eq!(client.model.next_tick(), None, "no timer reads anything");
    client.receive("chat", "bob", "you, unseen");
    assert_eq!((counts(&client, 0), read(&client)), ((1, 1, None), 1));
    assert_eq!(client.model.window_title(), "(1) chat - realtime");
    client.write("x");
    assert_eq!((counts(&client, 0), read(&client)), ((0, 0, Some(1)), 2));
    assert_eq!(client.model.window_title(), "chat - realtime");
    client.pass(29_000);
    client.receive("chat", "bob", "seen");
    assert_eq!((counts(&client, 0), read(&client)), ((0, 0, Some(1)), 3));
    for touch in [
        Input::Wheel { up: false },
        Input::Paste("text".to_owned()),
        Input::Dragged,
        Input::Selected("text".to_owned()),
    ] {
        client.pass(30_000);
        client.receive("chat", "bob", "unseen");
        assert_eq!(counts(&client, 0).0, 1);
        client.input(touch);
        assert_eq!(counts(&client, 0).0, 0);
    }
}

#[test]
fn the_bell_and_the_read_position_agree() {
    for (focus, pause, is_read) in
        [(None, 0, true), (None, 30_000, false), (Some(true), 300_000, true), (Some(false), 0, false)]
    {
        let mut client = Client::online(&["chat"]);
        client.write("x");
        if let Some(has_focus) = focus {
            client.input(Input::Focus(has_focus));
        }
        client.pass(pause);
        let rings = !notified(&client.receive("chat", "bob", "you?")).is_empty();
        assert_eq!((rings, counts(&client, 0).0 == 0), (!is_read, is_read), "{focus:?} {pause}");
    }
}

#[test]
fn typing_in_a_window_without_the_focus_reads_it() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Focus(false));
    client.receive("chat", "bob", "unseen");
    assert_eq!(counts(&client, 0), (1, 0, None));
    client.write("x");
    assert_eq!(counts(&client, 0), (0, 0, Some(1)));
    assert!(notified(&client.receive("chat", "bob", "you there?")).is_empty());
    assert_eq!(read(&client), 2);
    client.pass(30_000);
    assert_eq!(notified(&client.receive("chat", "bob", "you there?")).len(), 1);
    assert_eq!(read(&client), 2);
}

#[test]
fn rows_behind_an_overlay_or_an_editor_are_not_read() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Focus(true));
    client.press(KeyCode::F(1));
    client.receive("chat", "bob", "behind the help");
    assert_eq!(counts(&client, 0), (1, 0, None));
    client.press(KeyCode::Esc);
    assert_eq!(counts(&client, 0), (0, 0, Some(1)));
    client.ctrl('o');
    assert!(
        notified(&client.receive("chat", "bob", "you, behind the editor")).is_empty(),
        "it has the focus"
    );
    assert_eq!((counts(&client, 0), read(&client)), ((1, 1, Some(1)), 1));
    client.input(Input::Edited(Err("it failed".to_owned())));
    assert_eq!((counts(&client, 0), read(&client)), ((0, 0, Some(1)), 2));
}

#[test]
fn what_is_below_the_screen_is_read_when_it_comes_into_sight() {
    let mut client = Client::online(&["chat", "dev"]);
    client.input(Input::Focus(true));
    for number in 1..=10 {
        client.receive("chat", "bob", &format!("{number}"));
    }
    let scrolled = |client: &mut Client, last: usize| {
        let Input::Viewed(viewed) = client.viewed(0, last) else { panic!("a view") };
        client.input(Input::Viewed(crate::app::Viewed { follows: false, ..viewed }))
    };
    client.press(KeyCode::PageUp);
    scrolled(&mut client, 4);
    assert_eq!(read(&client), 10, "what was seen stays read");
    for number in 11..=20 {
        client.receive("chat", "bob", &format!("you {number}"));
    }
    assert_eq!((counts(&client, 0), read(&client)), ((10, 10, None), 10));
    client.alt('2');
    client.alt('1');
    assert_eq!(read(&client), 20, "the test's frame is at the end");
    let mut client = Client::online(&["chat", "dev"]);
    for number in 1..=10 {
        client.receive("chat", "bob", &format!("{number}"));
    }
    scrolled(&mut client, 4);
    for number in 11..=20 {
        client.receive("chat", "bob", &format!("{number}"));
    }
    let effects = scrolled(&mut client, 14);
    assert_eq!((counts(&client, 0), read(&client)), ((5, 0, None), 15));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Keep(name, mark)
        if *name == room("chat") && mark.position == at(15) && !mark.anew)));
    client.alt('2');
    assert_eq!((counts(&client, 0), read(&client)), ((5, 0, None), 15), "leaving reads nothing");
}

#[test]
fn a_message_of_the_user_from_elsewhere_reads_the_room_up_to_it() {
    let mut client = Client::online(&["chat", "dev"]);
    client.alt('2');
    client.receive("chat", "bob", "you 1");
    client.receive("chat", "bob", "2");
    client.receive("chat", "you", "answered on the phone");
    assert_eq!((counts(&client, 0), read(&client)), ((0, 0, None), 3));
    client.receive("chat", "bob", "4");
    assert_eq!((counts(&client, 0), read(&client)), ((1, 0, None), 3));
    client.alt('1');
    assert_eq!(counts(&client, 0), (0, 0, Some(1)));
    client.receive("chat", "you", "again");
    assert_eq!(counts(&client, 0), (0, 0, None), "the ruler is above messages that were seen there");
}

#[test]
fn a_replayed_message_of_the_user_ends_the_ruler_above_it() {
    let mut client = Client::returning(&["chat"], &[("chat", 10)]);
    client.skip("chat", 10);
    client.connect();
    client.joined("chat", Some(Recovery::Complete { replayed: 4 }), None);
    for (from, text) in [("bob", "11"), ("bob", "12"), ("you", "13"), ("bob", "14")] {
        let message = client.next_message("chat", from, text);
        client.deliver(message, true);
    }
    assert_eq!(counts(&client, 0), (0, 0, Some(1)), "only what followed");
}

/// A client that was offline, and to which the rooms return with these numbers of missed messages.
fn returned(client: &mut Client, missed: &[(&str, u64)]) {
    client.lose_connection(Duration::from_secs(1));
    client.pass(60_000);
    client.connect();
    for (name, replayed) in missed {
        client.joined(name, Some(Recovery::Complete { replayed: *replayed }), Some(Duration::from_mins(1)));
    }
}

fn replay(client: &mut Client, name: &str, from: &str, text: &str) -> Vec<String> {
    let message = client.next_message(name, from, text);
    notified(&client.deliver(message, true))
}

#[test]
fn mentions_in_a_gap_ring_once() {
    let mut client = Client::online(&["chat", "dev"]);
    client.input(Input::Focus(false));
    returned(&mut client, &[("chat", 3), ("dev", 1)]);
    assert_eq!(replay(&mut client, "chat", "bob", "you 1"), [""; 0]);
    assert_eq!(replay(&mut client, "chat", "carol", "you 2"), [""; 0]);
    assert_eq!(replay(&mut client, "chat", "carol", "nothing"), [""; 0]);
    let rung = replay(&mut client, "dev", "bob", "you 3");
    assert_eq!(rung, ["3 mentions while offline: bob, carol in chat; bob in dev"]);
    assert_eq!(notified(&client.pass(60_000)), [""; 0]);
    assert_eq!(client.model.next_tick(), None);
}

#[test]
fn a_single_mention_in_a_gap_rings_as_a_live_one() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Focus(false));
    returned(&mut client, &[("chat", 2)]);
    replay(&mut client, "chat", "bob", "you?");
    assert_eq!(replay(&mut client, "chat", "bob", "nothing"), ["bob in chat: you?"]);
}

#[test]
fn mentions_in_a_gap_do_not_wait_for_a_room_that_does_not_return() {
    let mut client = Client::online(&["chat", "dev"]);
    client.input(Input::Focus(false));
    returned(&mut client, &[("chat", 1)]);
    assert_eq!(replay(&mut client, "chat", "bob", "you?"), [""; 0]);
    let tick = client.model.next_tick().expect("a timer");
    let wait = u64::try_from(tick.saturating_sub(client.mono()).as_millis()).expect("short");
    assert!(wait <= 5_000, "{wait}");
    assert_eq!(notified(&client.pass(5_000)), ["bob in chat: you?"]);
}

#[test]
fn mentions_in_a_gap_that_the_user_sees_or_has_answered_do_not_ring() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Focus(true));
    returned(&mut client, &[("chat", 1)]);
    assert_eq!(replay(&mut client, "chat", "bob", "you?"), [""; 0]);
    client.input(Input::Focus(false));
    assert_eq!(notified(&client.pass(10_000)), [""; 0]);
    returned(&mut client, &[("chat", 2)]);
    replay(&mut client, "chat", "bob", "you?");
    assert_eq!(replay(&mut client, "chat", "you", "yes"), [""; 0], "answered elsewhere");
    client.model.notify_on = NotifyOn::Nothing;
    returned(&mut client, &[("chat", 1)]);
    assert_eq!(replay(&mut client, "chat", "bob", "you?"), [""; 0]);
    client.model.notify_on = NotifyOn::All;
    returned(&mut client, &[("chat", 2)]);
    replay(&mut client, "chat", "bob", "a");
    assert_eq!(replay(&mut client, "chat", "bob", "b"), ["2 messages while offline: bob in chat"]);
}

/// Members with these names, the user included.
fn rejoin(client: &mut Client, names: &[&str], offline: u64) {
    let members: Vec<_> = names.iter().map(|name| user(name)).collect();
    client.net(crate::net::Event::Joined {
        room: room("chat"),
        member_count: members.len() as u64,
        members,
        head: Some(at(0)),
        recovery: Some(Recovery::Complete { replayed: 0 }),
        offline: Some(Duration::from_secs(offline)),
        read_seq: None,
    });
}

/// A member joins, as the one that makes `count` of them.
fn comes(client: &mut Client, name: &str, count: u64) {
    client.server(ServerEvent::System(SystemEvent::Joined(realtime_shared::Joined {
        message: String::new(),
        room: room("chat"),
        user_id: user(name),
        members: Vec::new(),
        member_count: count,
        others: Vec::new(),
        others_count: 0,
        position: None,
        read_seq: None,
        recovery: None,
    })));
}

/// Texts of the lines about joins and leaves.
fn presences(client: &Client) -> Vec<String> {
    shown(client)
        .into_iter()
        .filter(|row| row.contains('+') || row.contains('−') || row.contains("came"))
        .collect()
}

#[test]
fn members_who_return_after_a_restart_are_no_news() {
    let mut client = Client::online(&["chat"]);
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    rejoin(&mut client, &["you"], 2);
    for (name, count) in [("carol", 2), ("alice", 3), ("bob", 4)] {
        client.pass(500);
        comes(&mut client, name, count);
    }
    assert_eq!(presences(&client), [""; 0]);
    assert_eq!(client.model.next_tick(), None, "all are back");
    comes(&mut client, "dave", 5);
    assert_eq!(presences(&client), ["+dave"], "and this is news");
}

#[test]
fn after_the_grace_the_difference_is_told() {
    let mut client = Client::online(&["chat"]);
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    rejoin(&mut client, &["you", "erin"], 2);
    comes(&mut client, "carol", 3);
    comes(&mut client, "dave", 4);
    client.member_leaves("chat", "dave");
    client.pass(4_999);
    assert_eq!(presences(&client), [""; 0]);
    client.pass(1);
    assert_eq!(presences(&client), ["+erin −alice −bob"]);
    comes(&mut client, "alice", 4);
    assert_eq!(presences(&client), ["+erin −bob (1 left and came back)"]);
}

#[test]
fn a_second_loss_within_the_grace_compares_with_the_first() {
    let mut client = Client::online(&["chat"]);
    for _ in 0..2 {
        client.lose_connection(Duration::from_secs(1));
        client.pass(60_000);
        client.connect();
        rejoin(&mut client, &["you"], 2);
    }
    for (name, count) in [("alice", 2), ("bob", 3), ("carol", 4)] {
        comes(&mut client, name, count);
    }
    client.pass(60_000);
    assert_eq!(presences(&client), [""; 0]);
}

#[test]
fn a_notice_is_unread_until_it_is_seen() {
    let mut client = Client::online(&["chat", "dev"]);
    let notice = |client: &mut Client, name: &str| {
        client.server(ServerEvent::System(SystemEvent::Notice(realtime_shared::Notice {
            message: realtime_shared::Text::new("maintenance").expect("a text"),
            from: user("admin"),
            room: Some(room(name)),
        })));
    };
    notice(&mut client, "chat");
    assert_eq!(counts(&client, 0), (0, 0, None));
    notice(&mut client, "dev");
    assert_eq!(counts(&client, 1), (1, 0, None));
    client.alt('2');
    assert_eq!(counts(&client, 1), (0, 0, Some(1)));
}
