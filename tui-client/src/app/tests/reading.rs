//! Unread counts, saved read positions, and notes about gaps.

use std::time::Duration;

use crate::terminal_input::KeyCode;
use realtime_shared::{HistoryRequest, Position, Recovery, Resync, Seq, ServerEvent, SystemEvent};

use super::super::testing::{Client, at, room};
use super::super::{Input, Membership, ReadMark, Scroll, timeline};
use super::{Effect, commands, error, shown};
use crate::net::Command;

const MINUTES: Duration = Duration::from_mins(3);

const fn complete(replayed: u64) -> Recovery {
    Recovery::Complete { replayed }
}

fn history(before: Option<u64>) -> Vec<Command> {
    vec![Command::History(HistoryRequest::before(room("chat"), before.map(Seq::new), 50))]
}

/// The marks to save for `chat`.
fn kept(effects: &[Effect]) -> Vec<ReadMark> {
    let marks = effects.iter().filter_map(|effect| match effect {
        Effect::Keep(name, mark) if *name == room("chat") => Some(mark.clone()),
        _ => None,
    });
    marks.collect()
}

fn mark(seq: u64) -> ReadMark {
    ReadMark { position: at(seq), anew: false }
}

/// Of the room at `index`: unread messages, mentions, and messages below the ruler.
fn counts(client: &Client, index: usize) -> (u64, u64, Option<u64>) {
    let reading = &client.model.rooms[index].reading;
    (reading.unread, reading.mentions, reading.ruler.map(|ruler| ruler.count))
}

/// Replays `text` of bob as the next entry.
fn replay(client: &mut Client, name: &str, text: &str) -> Vec<Effect> {
    let message = client.next_message(name, "bob", text);
    client.deliver(message, true)
}

/// A client in `chat`, where an earlier run read ten messages, and in `dev`, where it read three.
fn returning() -> Client {
    let mut client = Client::returning(&["chat", "dev"], &[("chat", 10), ("dev", 3)]);
    client.skip("chat", 10);
    client.skip("dev", 3);
    client.connect();
    client
}

#[test]
fn a_first_join_has_no_unread_messages() {
    let mut client = Client::offline(&["chat", "dev"]);
    client.connect();
    let effects = client.joined_at("chat", 7, None, None);
    assert_eq!(kept(&effects), [mark(7)], "the next start begins here");
    client.joined_at("dev", 3, None, None);
    client.skip("dev", 3);
    client.receive("dev", "bob", "while the page is not requested");
    let page = [client.message("dev", "bob", "old", 3)];
    assert_eq!(counts(&client, 1), (1, 0, None));
    client.alt('2');
    client.history("dev", &page, false);
    let ruler = client.model.rooms[1].reading.ruler.expect("a ruler");
    assert_eq!(
        ruler.after,
        client.model.pane().timeline.get(0).expect("an item").key(),
        "after the old message"
    );
}

#[test]
fn messages_since_the_last_run_are_unread() {
    let mut client = returning();
    client.joined("dev", Some(complete(3)), None);
    for text in ["one", "hey you", "three"] {
        assert!(kept(&replay(&mut client, "dev", text)).is_empty());
    }
    assert_eq!(counts(&client, 1), (3, 1, None));
    let effects = client.alt('2');
    assert!(effects.contains(&Effect::Keep(room("dev"), mark(6))), "{effects:?}");
    assert_eq!(counts(&client, 1), (0, 0, Some(3)));
}

#[test]
fn in_the_shown_room_replayed_messages_go_below_a_ruler() {
    let mut client = returning();
    assert_eq!(
        commands(client.joined("chat", Some(complete(2)), None)),
        history(Some(11)),
        "what was read, above"
    );
    assert_eq!(shown(&client).len(), 0, "no note about the time between two runs");
    replay(&mut client, "chat", "new");
    assert_eq!(kept(&replay(&mut client, "chat", "newer")), [mark(12)]);
    client.receive("chat", "bob", "live");
    assert_eq!(counts(&client, 0), (0, 0, Some(2)), "messages that arrive on the screen are not unread");
    let page = [client.message("chat", "bob", "read", 10)];
    client.history("chat", &page, true);
    assert_eq!(shown(&client), ["bob: read", "bob: new", "bob: newer", "bob: live"]);
    let ruler = client.model.rooms[0].reading.ruler.expect("a ruler");
    assert_eq!(ruler.after, client.model.pane().timeline.get(0).expect("an item").key());
}

#[test]
fn without_missed_messages_the_newest_page_is_loaded() {
    let mut client = returning();
    assert_eq!(client.model.rooms[0].reading.read(), Some(&at(10)));
    let effects = client.joined("chat", Some(complete(0)), None);
    assert!(kept(&effects).is_empty(), "nothing changed");
    assert_eq!(commands(effects), history(None));
    assert_eq!(counts(&client, 0), (0, 0, None));
}

#[test]
fn missed_messages_without_replay_are_counted() {
    let mut client = returning();
    client.joined_at("dev", 103, Some(Recovery::Truncated { replayed: 1 }), None);
    client.skip("dev", 99);
    replay(&mut client, "dev", "the hundredth");
    assert_eq!(counts(&client, 1), (100, 0, None));
    let effects = client.joined_at("chat", 100, Some(Recovery::Truncated { replayed: 1 }), None);
    assert_eq!(commands(effects), history(Some(100)), "older messages for the screen");
    client.skip("chat", 89);
    replay(&mut client, "chat", "the ninetieth");
    assert_eq!(counts(&client, 0), (0, 0, Some(90)));
}

#[test]
fn missed_messages_are_counted_once_if_a_replay_is_interrupted() {
    let mut client = returning();
    let truncated = Some(Recovery::Truncated { replayed: 1 });
    client.joined_at("dev", 103, truncated, None);
    for head in [103, 104] {
        client.lose_connection(Duration::ZERO);
        client.connect();
        client.joined_at("dev", head, truncated, Some(MINUTES));
    }
    assert_eq!(counts(&client, 1), (100, 0, None), "4 to 103");
}

#[test]
fn a_message_is_unread_once_even_if_a_page_brought_it_first() {
    let mut client = Client::offline(&["chat", "dev"]);
    client.connect();
    client.joined("dev", None, None);
    let message = client.next_message("dev", "bob", "new");
    client.history("dev", std::slice::from_ref(&message), false);
    assert_eq!(counts(&client, 1), (0, 0, None));
    for _ in 0..2 {
        client.deliver(message.clone(), false);
        assert_eq!(counts(&client, 1), (1, 0, None));
    }
}

#[test]
fn own_messages_from_another_client_are_not_unread() {
    let mut client = returning();
    client.joined("dev", Some(complete(1)), None);
    let message = client.next_message("dev", "you", "from the other machine");
    client.deliver(message, true);
    assert_eq!(counts(&client, 1), (0, 0, None));
}

#[test]
fn the_saved_position_is_the_last_seen_entry() {
    let mut client = Client::online(&["chat", "dev"]);
    let receive = |client: &mut Client, text: &str| {
        let message = client.next_message("chat", "bob", text);
        client.deliver(message, false)
    };
    assert_eq!(kept(&receive(&mut client, "1")), [mark(1)]);
    client.input(Input::Focus(false));
    assert!(kept(&receive(&mut client, "2")).is_empty());
    assert_eq!(kept(&client.input(Input::Focus(true))), [mark(2)]);
    client.alt('2');
    assert!(kept(&receive(&mut client, "3")).is_empty());
    assert_eq!(kept(&client.alt('1')), [mark(3)]);
}

#[test]
fn a_new_log_is_unread_from_its_beginning() {
    let mut client = returning();
    let reset = Some(Recovery::Reset { replayed: 1 });
    let effects = client.joined_at("chat", 40, reset, None);
    assert_eq!(kept(&effects), [ReadMark { position: Position::Start, anew: true }]);
    assert_eq!(shown(&client), ["history was reset"]);
    assert_eq!(client.model.rooms[0].reading.newest(), Some(&Position::Start), "nothing of the log arrived");
    let mut client = returning();
    client.joined_at("dev", 40, reset, None);
    let message = client.message("dev", "bob", "of the new log", 40);
    client.deliver(message, true);
    assert_eq!(counts(&client, 1), (40, 0, None));
}

#[test]
fn a_reset_drops_the_unread_count_of_the_old_log() {
    let mut client = Client::online(&["chat", "dev"]);
    client.receive("dev", "bob", "you!");
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    let effects = client.joined_at("dev", 0, Some(Recovery::Reset { replayed: 0 }), Some(MINUTES));
    assert_eq!(counts(&client, 1), (0, 0, None));
    assert!(commands(effects).is_empty());
    assert_eq!(
        commands(client.alt('2')),
        [Command::History(HistoryRequest::before(room("dev"), None, 50))],
        "to see that there is nothing"
    );
}

#[test]
fn a_user_who_leaves_and_joins_again_keeps_the_read_position() {
    let mut client = Client::online(&["chat", "dev"]);
    client.receive("dev", "bob", "read");
    client.alt('2');
    client.alt('1');
    client.receive("dev", "bob", "not read");
    client.enter("/leave dev");
    let since = Some(at(1));
    assert_eq!(commands(client.enter("/join dev")), [Command::Join { room: room("dev"), since }]);
}

#[test]
fn a_removed_user_who_joins_again_misses_nothing() {
    let mut client = Client::online(&["chat", "dev"]);
    client.alt('2');
    client.receive("chat", "bob", "held, and not read");
    client.member_leaves("chat", "you");
    assert_eq!(client.model.rooms[0].membership, Membership::Outside);
    let since = Some(at(1));
    assert_eq!(commands(client.enter("/join chat")), [Command::Join { room: room("chat"), since }]);
}

#[test]
fn the_note_about_a_gap_has_the_counts() {
    let mut client = Client::online(&["chat", "dev"]);
    client.receive("chat", "bob", "1");
    let back = |client: &mut Client, head, recovery, offline| {
        client.lose_connection(Duration::from_secs(1));
        client.connect();
        client.joined_at("chat", head, recovery, Some(Duration::from_millis(offline)));
        shown(client).pop().expect("a note")
    };
    assert_eq!(back(&mut client, 1, Some(complete(0)), 12_000), "offline 12 s · nothing missed");
    assert_eq!(back(&mut client, 1, Some(complete(0)), 1_000), "offline 1 s · nothing missed");
    assert_eq!(
        back(&mut client, 1, Some(complete(0)), 999),
        "offline 1 s · nothing missed",
        "no second note"
    );
    assert_eq!(back(&mut client, 38, Some(complete(37)), 12_000), "offline 12 s · 37 recovered");
    assert_eq!(
        back(&mut client, 4_322, Some(Recovery::Truncated { replayed: 1_000 }), 200_000),
        "offline 3 min · 1000 of 4321 recovered"
    );
    assert_eq!(
        back(&mut client, 5_000, Some(Recovery::Truncated { replayed: 0 }), 12_000),
        "offline 12 s · 0 of 4999 recovered"
    );
    client.joined("dev", Some(complete(0)), Some(MINUTES));
    client.alt('2');
    assert_eq!(shown(&client), ["offline 3 min · nothing missed"], "each room on its own");
}

#[test]
fn a_visible_gap_is_filled_before_the_view_moves() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "1");
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    client.joined_at("chat", 9, Some(Recovery::Truncated { replayed: 1 }), Some(MINUTES));
    client.skip("chat", 7);
    replay(&mut client, "chat", "9");
    let note = "offline 3 min · 1 of 8 recovered";
    assert_eq!(shown(&client), ["bob: 1", note, "|", "bob: 9"]);
    let viewed = client.viewed(0, 3);
    client.input(viewed);
    assert_eq!(client.press(KeyCode::PageUp), [Effect::Net(history(Some(9)).remove(0))]);
    assert_eq!(client.model.rooms[0].filled_gap(), Some(2));
    assert_eq!(client.press(KeyCode::PageUp), [Effect::Scroll(Scroll::PageUp)], "one page at a time");
    let page: Vec<_> = (5..=8).map(|seq| client.message("chat", "bob", &seq.to_string(), seq)).collect();
    client.history("chat", &page, true);
    let filled = ["bob: 1", note, "|", "bob: 5", "bob: 6", "bob: 7", "bob: 8", "bob: 9"];
    assert_eq!(shown(&client), filled);
    let page: Vec<_> = (1..=4).map(|seq| client.message("chat", "bob", &seq.to_string(), seq)).collect();
    client.press(KeyCode::PageUp);
    client.history("chat", &page, false);
    assert_eq!(shown(&client)[..4], ["bob: 1", note, "bob: 2", "bob: 3"]);
    assert_eq!(counts(&client, 0), (0, 0, None), "loaded history is not unread");
}

#[test]
fn a_first_page_that_failed_is_requested_by_the_next_key() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined("chat", None, None);
    client.server(error(Some("chat"), "a refusal of something else"));
    assert!(client.model.rooms[0].is_loading());
    client.page_fails("chat", "the store cannot be reached\u{1b}");
    let (reason, gap) = client.model.rooms[0].failed_page().expect("failed");
    assert_eq!((reason.as_str(), gap), ("the store cannot be reached\u{fffd}", None));
    let viewed = client.viewed(0, 0);
    assert!(client.input(viewed.clone()).is_empty());
    client.press(KeyCode::PageUp);
    assert_eq!(commands(client.input(viewed)), history(None));
    assert!(client.model.rooms[0].failed_page().is_none());
    client.page_fails("chat", "no answer in 20 s");
    assert_eq!(commands(client.ctrl('r')), history(None), "the key on the screen");
}

#[test]
fn the_page_of_a_room_is_requested_when_the_room_is_shown() {
    let names: Vec<String> = (0..55).map(|number| format!("r{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut client = Client::offline(&names);
    client.connect();
    let effects: Vec<_> = names.iter().flat_map(|name| client.joined_at(name, 9, None, None)).collect();
    let page = |name: &str, before: Option<u64>| {
        Command::History(HistoryRequest::before(room(name), before.map(Seq::new), 50))
    };
    assert_eq!(commands(effects), [page("r0", None)]);
    client.skip("r1", 9);
    client.receive("r1", "bob", "you, look");
    assert_eq!(counts(&client, 1), (1, 1, None), "unread messages are counted without the page");
    assert_eq!(commands(client.alt('2')), [page("r1", Some(10))]);
    let old = [client.message("r1", "bob", "old", 9)];
    client.history("r1", &old, true);
    assert_eq!(shown(&client), ["bob: old", "bob: you, look"]);
    assert!(commands(client.alt('1')).is_empty(), "that page is on its way");
    assert!(commands(client.alt('2')).is_empty());
    client.alt('3');
    client.page_fails("r2", "no");
    client.alt('1');
    assert_eq!(commands(client.alt('3')), [page("r2", Some(10))], "a failed page is requested again");
}

#[test]
fn a_page_that_waited_for_its_room_begins_before_the_messages_that_arrived_since() {
    let mut client = Client::offline(&["chat", "dev"]);
    client.connect();
    client.joined_at("chat", 0, None, None);
    client.joined_at("dev", 9, None, None);
    client.skip("dev", 9);
    (0..60).for_each(|_| drop(client.receive("dev", "bob", "new")));
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    client.joined("dev", Some(complete(0)), Some(Duration::from_secs(1)));
    let before = Some(Seq::new(10));
    assert_eq!(
        commands(client.alt('2')),
        [Command::History(HistoryRequest::before(room("dev"), before, 50))]
    );
}

#[test]
fn a_warning_about_the_state_file_stays_on_the_screen() {
    let mut client = returning();
    client.input(Input::Warning("read.json is broken".to_owned()));
    client.joined("chat", Some(complete(1)), None);
    replay(&mut client, "chat", "new");
    let page = [client.message("chat", "bob", "read", 10)];
    client.history("chat", &page, true);
    client.write("x");
    assert_eq!(shown(&client), ["bob: read", "read.json is broken", "bob: new"]);
}

#[test]
fn an_entry_of_an_unknown_kind_is_not_unread_and_its_position_is_kept() {
    let mut client = returning();
    client.joined("chat", Some(complete(2)), None);
    client.joined("dev", Some(complete(1)), None);
    assert!(client.next_unknown("dev", true).is_empty(), "the user does not look at the room");
    assert_eq!(counts(&client, 1), (0, 0, None));
    client.next_unknown("dev", false);
    assert_eq!(counts(&client, 1), (0, 0, None));
    assert_eq!(kept(&client.next_unknown("chat", true)), [mark(11)], "the user looks at the room");
    assert_eq!(counts(&client, 0), (0, 0, None));
    replay(&mut client, "chat", "new");
    assert_eq!(counts(&client, 0), (0, 0, Some(1)), "a message still goes below the ruler");
}

/// Changes the log of a room after the position at which the replay of `replayed` entries begins.
fn resync(client: &mut Client, name: &str, position: Position, replayed: u64) -> Vec<Effect> {
    client.server(ServerEvent::System(SystemEvent::Resync(Resync {
        message: String::new(),
        room: room(name),
        position,
        recovery: complete(replayed),
    })))
}

#[test]
fn the_read_position_goes_back_to_the_place_where_the_log_changed() {
    let mut client = Client::online(&["chat", "dev"]);
    for _ in 0..3 {
        client.receive("chat", "bob", "read");
        client.receive("dev", "bob", "not read");
    }
    assert_eq!(kept(&resync(&mut client, "chat", at(2), 0)), [ReadMark { position: at(2), anew: true }]);
    assert_eq!(client.model.rooms[0].reading.newest(), Some(&at(2)));
    assert!(resync(&mut client, "dev", at(2), 0).is_empty(), "nothing was read");
    assert_eq!(counts(&client, 1), (2, 0, None), "the third message left the log");
    // The log changed after the newest entry.
    assert!(kept(&resync(&mut client, "chat", at(2), 0)).is_empty());
    // Entry 2 is another one now. It arrives later.
    assert!(kept(&resync(&mut client, "chat", at(2), 1)).is_empty());
    assert_eq!(client.model.rooms[0].reading.newest(), None);
}

#[test]
fn the_ruler_is_after_the_last_seen_entry_that_is_left_in_the_log() {
    let mut client = Client::online(&["chat", "dev"]);
    client.alt('2');
    for _ in 0..3 {
        client.receive("dev", "bob", "seen");
    }
    client.alt('1');
    resync(&mut client, "dev", at(2), 0);
    let message = client.message("dev", "bob", "of the changed log", 3);
    client.deliver(message, false);
    client.alt('2');
    let ruler = client.model.rooms[1].reading.ruler.expect("a ruler");
    let key = |seq| timeline::ItemKey::message(Seq::new(seq));
    assert!(ruler.after >= key(2) && ruler.after < key(3), "{ruler:?}");
}

#[test]
fn a_ruler_stays_when_the_window_loses_and_regains_the_focus() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Focus(false));
    client.receive("chat", "bob", "new");
    for _ in 0..2 {
        client.input(Input::Focus(true));
        assert_eq!(counts(&client, 0), (0, 0, Some(1)));
        client.input(Input::Focus(false));
    }
}

#[test]
fn the_room_that_is_shown_after_a_leave_is_read() {
    let mut client = Client::online(&["chat", "dev"]);
    client.receive("dev", "bob", "new");
    let effects = client.enter("/leave chat");
    assert!(effects.contains(&Effect::Keep(room("dev"), mark(1))), "{effects:?}");
    assert_eq!(counts(&client, 0), (0, 0, Some(1)));
}
