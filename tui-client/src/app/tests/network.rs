//! Events of the connection: joins, messages, notices, and the loss of the connection.

use std::time::Duration;

use crate::terminal_input::KeyCode;
use realtime_shared::{
    EntryId, ErrorCode, ErrorEvent, HistoryRequest, Notice, Position, Recovery, Resync, Seq, ServerEvent,
    SystemEvent, Text, Timestamp, codec,
};

use super::super::testing::{Client, START, room, user};
use super::super::{Input, Membership, Scroll};
use super::{Effect, commands, error, shown};
use crate::net::{Command, Event, SendState};

fn position() -> Position {
    let epoch = realtime_shared::Epoch::new("e").expect("an epoch");
    Position::At { epoch, seq: Seq::new(1), id: EntryId::from_u128(1) }
}

#[test]
fn a_first_join_requests_the_newest_history() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    let effects = client.joined("chat", None, None);
    assert_eq!(commands(effects), [Command::History(HistoryRequest::before(room("chat"), None, 50))]);
    let old = client.message("chat", "bob", "old", 1);
    client.skip("chat", 1);
    client.receive("chat", "alice", "new");
    client.history("chat", &[old], false);
    assert_eq!(shown(&client), ["bob: old", "alice: new"]);
}

#[test]
fn an_own_message_is_shown_at_once_and_moves_to_its_place() {
    let mut client = Client::online(&["chat"]);
    let id = client.send("hi");
    assert_eq!(shown(&client), ["hi Queued"]);
    client.state(&id, SendState::Sent);
    client.receive("chat", "bob", "first");
    assert_eq!(shown(&client), ["bob: first", "hi Sent"]);
    client.state(&id, SendState::Stored(Seq::new(2)));
    assert_eq!(shown(&client), ["bob: first", "hi Stored"]);
    client.deliver_copy("chat", &id, "hi");
    assert_eq!(shown(&client), ["bob: first", "you: hi ✓"]);
    client.state(&id, SendState::Stored(Seq::new(2)));
    assert_eq!(shown(&client), ["bob: first", "you: hi ✓"]);
}

#[test]
fn the_copy_may_arrive_before_the_ack_and_ids_of_other_users_are_ignored() {
    let mut client = Client::online(&["chat"]);
    let id = client.send("hi");
    let mut forged = client.message("chat", "mallory", "hi", 1);
    forged.client_msg_id = Some(id.clone());
    client.deliver(forged, false);
    client.skip("chat", 1);
    assert_eq!(shown(&client), ["mallory: hi", "hi Queued"]);
    client.deliver_copy("chat", &id, "hi");
    assert_eq!(shown(&client), ["mallory: hi", "you: hi ✓"]);
}

#[test]
fn message_ids_are_unique() {
    let mut client = Client::online(&["chat"]);
    assert_ne!(client.send("a"), client.send("a"));
}

#[test]
fn a_refused_message_is_sent_again_or_taken_back() {
    let mut client = Client::online(&["chat"]);
    let id = client.send("retry?");
    client.state(&id, SendState::Refused("may not\u{1b}[2J".to_owned()));
    assert_eq!(shown(&client), ["retry? Refused(\"may not\u{FFFD}\")"]);
    assert_eq!(commands(client.ctrl('r')), [Command::Resend(id.clone())]);
    client.state(&id, SendState::Queued);
    assert_eq!(shown(&client), ["retry? Queued"]);
    client.state(&id, SendState::Refused("no".to_owned()));
    client.ctrl('x');
    assert_eq!((shown(&client).len(), client.draft()), (0, "retry?"));
    assert!(client.ctrl('r').is_empty());
    assert!(client.hint().contains("no refused message"));
}

#[test]
fn offline_messages_are_queued_and_ctrl_r_connects() {
    let mut client = Client::online(&["chat"]);
    client.lose_connection(Duration::from_secs(12));
    client.send("later");
    assert_eq!((client.model.queued(), shown(&client)), (1, vec!["later Queued".to_owned()]));
    client.send("and later");
    assert_eq!(client.model.queued(), 2);
    assert_eq!(commands(client.ctrl('r')), [Command::RetryNow]);
}

#[test]
fn a_note_reports_the_time_offline() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "1");
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    let effects =
        client.joined("chat", Some(Recovery::Complete { replayed: 37 }), Some(Duration::from_secs(12)));
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(shown(&client), ["bob: 1", "offline 12 s · 37 recovered"]);

    client.joined("chat", Some(Recovery::Truncated { replayed: 1 }), Some(Duration::from_secs(200)));
    client.skip("chat", 5);
    client.receive("chat", "bob", "7");
    assert_eq!(shown(&client)[2..], ["offline 3 min · 1 recovered", "|", "bob: 7"]);

    client.joined("chat", Some(Recovery::Reset { replayed: 1 }), Some(Duration::from_secs(1)));
    client.receive("chat", "bob", "8");
    assert_eq!(shown(&client), ["history was reset", "bob: 8"]);
}

#[test]
fn a_resync_removes_entries_that_left_the_log() {
    let mut client = Client::online(&["chat"]);
    for text in ["1", "2", "3"] {
        client.receive("chat", "bob", text);
    }
    let Position::At { epoch, id, .. } = position() else { panic!("a position") };
    client.server(ServerEvent::System(SystemEvent::Resync(Resync {
        message: String::new(),
        room: room("chat"),
        position: Position::At { epoch, seq: Seq::new(2), id },
        recovery: Recovery::Complete { replayed: 0 },
    })));
    assert_eq!(shown(&client), ["bob: 1", "bob: 2", "history changed · 0 recovered"]);
}

#[test]
fn a_page_that_was_requested_before_a_reset_is_ignored() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined_at("chat", 300, None, None);
    client.history("chat", &[client.message("chat", "bob", "300", 300)], true);
    let viewed = client.viewed(0, 0);
    client.press(KeyCode::PageUp);
    assert_eq!(commands(client.input(viewed)).len(), 1);
    client.server(ServerEvent::System(SystemEvent::Resync(Resync {
        message: String::new(),
        room: room("chat"),
        position: position(),
        recovery: Recovery::Reset { replayed: 1 },
    })));
    assert!(!client.model.rooms[0].is_loading());
    client.receive("chat", "bob", "1");
    // The server answers from the new log.
    client.history("chat", &[client.message("chat", "bob", "1", 1)], false);
    client.skip("chat", 8);
    client.receive("chat", "bob", "10");
    assert_eq!(shown(&client), ["history was reset", "bob: 1", "|", "bob: 10"], "2 to 9 are missing");
}

#[test]
fn scrolling_up_loads_older_messages_once() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined("chat", None, None);
    let page = [client.message("chat", "bob", "9", 9), client.message("chat", "bob", "10", 10)];
    client.history("chat", &page, true);
    let viewed = client.viewed(0, 0);
    assert!(client.input(viewed.clone()).is_empty(), "the user did not scroll up");
    assert_eq!(client.press(KeyCode::PageUp), [Effect::Scroll(Scroll::PageUp)]);
    let ask = Command::History(HistoryRequest::before(room("chat"), Some(Seq::new(9)), 50));
    assert_eq!(commands(client.input(viewed.clone())), [ask]);
    client.press(KeyCode::PageUp);
    assert!(client.input(viewed.clone()).is_empty(), "one page at a time");
    client.history("chat", &[client.message("chat", "bob", "8", 8)], false);
    assert_eq!(shown(&client), ["bob: 8", "bob: 9", "bob: 10"]);
    assert!(client.input(viewed).is_empty(), "that was the beginning");
}

#[test]
fn a_refused_page_is_requested_again_only_by_the_next_key() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined("chat", None, None);
    client.history("chat", &[client.message("chat", "bob", "9", 9)], true);
    let viewed = client.viewed(0, 0);
    client.press(KeyCode::PageUp);
    assert_eq!(client.input(viewed.clone()).len(), 1);
    client.page_fails("chat", "slow down");
    assert!(client.input(viewed.clone()).is_empty());
    client.press(KeyCode::PageUp);
    assert_eq!(client.input(viewed).len(), 1);
}

#[test]
fn unread_messages_are_counted_and_go_below_a_ruler_that_stays() {
    let mut client = Client::online(&["chat", "dev"]);
    client.receive("dev", "bob", "seen by nobody");
    client.receive("dev", "bob", "Hey YOU, look");
    client.receive("dev", "bob", "your own word");
    assert_eq!((client.model.rooms[1].reading.unread, client.model.rooms[1].reading.mentions), (3, 1));
    client.alt('2');
    assert_eq!((client.model.rooms[1].reading.unread, client.model.rooms[1].reading.mentions), (0, 0));
    assert_eq!(client.model.rooms[1].reading.ruler.map(|ruler| ruler.count), Some(3));
    client.receive("dev", "bob", "while looking");
    assert_eq!(client.model.rooms[1].reading.ruler.map(|ruler| ruler.count), Some(3), "frozen");
    client.alt('1');
    client.alt('2');
    assert_eq!(client.model.rooms[1].reading.ruler, None);
}

#[test]
fn messages_are_unread_while_the_window_has_no_focus() {
    let mut client = Client::online(&["chat"]);
    client.input(Input::Focus(false));
    client.receive("chat", "bob", "psst");
    assert_eq!(client.model.rooms[0].reading.unread, 1);
    client.input(Input::Focus(true));
    assert_eq!(
        (client.model.rooms[0].reading.unread, client.model.rooms[0].reading.ruler.map(|r| r.count)),
        (0, Some(1))
    );
}

#[test]
fn members_are_shown_as_typing_for_six_seconds() {
    let mut client = Client::online(&["chat"]);
    client.member_types("chat", "bob", true);
    client.member_types("chat", "alice", true);
    client.member_types("chat", "you", true);
    let typing =
        |client: &Client| client.model.rooms[0].typing().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(typing(&client), ["bob", "alice"]);
    client.receive("chat", "alice", "there");
    assert_eq!(typing(&client), ["bob"]);
    assert_eq!(client.model.next_tick(), Some(client.mono() + Duration::from_secs(6)));
    client.pass(6_000);
    assert!(typing(&client).is_empty());
    assert_eq!(client.model.next_tick(), None);
}

#[test]
fn no_timer_runs_while_nothing_changes() {
    let mut client = Client::online(&["chat", "dev"]);
    client.receive("chat", "bob", "x");
    client.member_types("dev", "bob", true);
    assert_eq!(client.model.next_tick(), None, "typing in another room is not shown");
    client.lose_connection(Duration::from_millis(1_500));
    assert_eq!(client.model.next_tick(), Some(client.mono() + Duration::from_millis(500)));
}

#[test]
fn joins_and_leaves_are_shown_in_one_line() {
    let mut client = Client::online(&["chat"]);
    client.member_joins("chat", "dave");
    client.member_joins("chat", "dave");
    client.member_leaves("chat", "bob");
    assert_eq!(shown(&client), ["+dave −bob"]);
    let members: Vec<_> = client.model.rooms[0].members().map(ToString::to_string).collect();
    assert_eq!(members, ["alice", "carol", "dave", "you"]);
}

#[test]
fn a_removed_user_sees_a_note() {
    let mut client = Client::online(&["chat"]);
    client.member_leaves("chat", "you");
    assert_eq!(client.model.rooms[0].membership, Membership::Outside);
    assert!(shown(&client)[0].contains("no longer in this room; /join"), "{:?}", shown(&client));
    let since = Some(Position::Start);
    assert_eq!(commands(client.enter("/join chat")), [Command::Join { room: room("chat"), since }]);
}

#[test]
fn errors_and_notices_are_shown_in_their_room() {
    let mut client = Client::online(&["chat", "dev"]);
    client.server(error(Some("dev"), "no\u{202e}pe"));
    client.server(error(Some("elsewhere"), "nope"));
    let text = Text::new("back at five").expect("a text");
    client.server(ServerEvent::System(SystemEvent::Notice(Notice {
        message: text,
        from: user("root"),
        room: Some(room("dev")),
    })));
    assert_eq!(shown(&client), ["elsewhere: nope"]);
    assert_eq!(client.model.rooms[1].reading.unread, 1, "a notice counts as unread");
    client.alt('2');
    assert_eq!(shown(&client), ["nope", "root: back at five"]);
}

#[test]
fn a_refused_join_leaves_the_user_outside() {
    let mut client = Client::online(&["chat"]);
    client.enter("/join secret");
    client.server(ServerEvent::Error(ErrorEvent {
        code: ErrorCode::Forbidden,
        message: "you may not".to_owned(),
        temporary: false,
        room: Some(room("secret")),
        client_msg_id: None,
        retry_after_ms: None,
        scope: None,
    }));
    assert_eq!(client.model.room().map(|room| room.membership), Some(Membership::Outside));
    assert_eq!(shown(&client), ["you may not"]);
}

#[test]
fn users_that_joined_or_left_a_large_room_together_are_counted() {
    let mut client = Client::online(&["chat"]);
    let system = |event: &str| {
        let frame = codec::decode_server(event).expect("a frame");
        frame.event
    };
    client.server(system(
        r#"{"type":"system","event":"joined","message":"","room":"chat","user_id":"erin","members":[],
        "member_count":120,"others":["frank","you","dave"],"others_count":40}"#,
    ));
    let room = &client.model.rooms[0];
    assert_eq!(room.member_count, 120);
    let line = |client: &Client| shown(client).last().expect("a line").clone();
    assert_eq!(line(&client), "+dave +frank +erin … (40 joined)");
    client.server(system(
        r#"{"type":"system","event":"left","message":"","room":"chat","user_id":"dave","reason":"left",
        "member_count":118,"others":["frank","you"],"others_count":2}"#,
    ));
    assert_eq!(client.model.rooms[0].member_count, 118);
    assert_eq!(client.model.rooms[0].membership, Membership::Joined, "the own name among others is no leave");
}

#[test]
fn the_times_of_notes_follow_the_clock_of_the_server() {
    let mut client = Client::online(&["chat"]);
    let time = |client: &Client| client.model.time().millis();
    assert_eq!(time(&client), START);
    let server_time = Timestamp::from_millis(START + 3_600_000);
    client.net(Event::RoundTrip { time: Duration::from_millis(200), server_time });
    assert_eq!(time(&client), START + 3_600_100);
    client.pass(1_000);
    assert_eq!(time(&client), START + 3_601_100);
    for server_time in [0, u64::MAX] {
        let server_time = Timestamp::from_millis(server_time);
        client.net(Event::RoundTrip { time: Duration::ZERO, server_time });
        assert_eq!(time(&client), server_time.millis().min(i64::MAX as u64));
    }
}
