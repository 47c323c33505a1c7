//! Tests of joins, positions and replays.

use realtime_shared::Recovery;

use super::*;

fn last_join(bench: &Bench) -> (Option<Recovery>, Option<Duration>) {
    let joined = bench.events.iter().rev().find_map(|event| match event {
        Event::Joined { recovery, offline, .. } => Some((*recovery, *offline)),
        _ => None,
    });
    joined.expect("a joined room")
}

#[test]
fn a_join_without_since_starts_at_the_head() {
    let mut bench = Bench::new();
    bench.join("a");
    bench.welcome(0);
    assert_eq!(bench.since(), None);
    bench.joined("a", 41, None);
    assert_eq!(last_join(&bench), (None, None));
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 41)), "the position is the head of the join");
}

#[test]
fn a_join_with_since_starts_at_that_position() {
    let mut bench = Bench::new();
    let since = serde_json::from_str(&position(EPOCH, 7)).expect("a position");
    bench.command(Command::Join { room: name("a"), since: Some(since) });
    bench.welcome(0);
    assert_eq!(bench.since(), Some(position(EPOCH, 7)));
    bench.joined("a", 9, Some(("complete", 2)));
    assert_eq!(
        last_join(&bench),
        (Some(Recovery::Complete { replayed: 2 }), None),
        "not offline before the first join"
    );
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 7)), "no entry arrived");
    bench.joined("a", 9, Some(("complete", 2)));
    for seq in 8..=9 {
        bench.entry("a", seq);
    }
    assert_eq!(bench.messages(), [(8, true), (9, true)]);
}

#[test]
fn a_message_has_the_position_after_it_and_a_join_has_the_head() {
    let mut bench = Bench::in_room("a", 0);
    bench.entry("a", 1);
    bench.entry("a", 2);
    bench.entry("b", 7);
    let positions = bench.events.iter().filter_map(|event| match event {
        Event::Entry { position, .. } => Some(serde_json::to_string(position).expect("JSON")),
        _ => None,
    });
    assert_eq!(
        positions.collect::<Vec<_>>(),
        [position(EPOCH, 1), position(EPOCH, 2), "null".to_owned()],
        "the client has not joined room b"
    );
    bench.closed(1006);
    bench.reconnected();
    bench.joined("a", 5, Some(("complete", 3)));
    let head = bench.events.iter().rev().find_map(|event| match event {
        Event::Joined { head, .. } => Some(serde_json::to_string(head).expect("JSON")),
        _ => None,
    });
    assert_eq!(head, Some(position(EPOCH, 5)));
}

#[test]
fn only_entries_move_the_position() {
    let mut bench = Bench::in_room("a", 1);
    bench.ack("a", "elsewhere", 9);
    bench.entry("a", 2);
    bench.entry("b", 77);
    bench.receives(&format!(
        r#"{{"type":"history","room":"a","epoch":"{EPOCH}","has_more":false,"messages":[{{"type":"message",
        "room":"a","from":"bob","text":"hi","seq":8,"id":"{}","ts":1}}]}}"#,
        ulid(8)
    ));
    assert_eq!(bench.messages(), [(2, false), (77, false)]);
    bench.closed(1012);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 2)));
}

#[test]
fn an_entry_of_an_unknown_kind_moves_the_position_and_is_reported() {
    let mut bench = Bench::in_room("a", 0);
    bench.sticker("a", 1);
    assert_eq!(bench.unknown_entries(), [(position(EPOCH, 1), false)], "the first entry has the epoch");
    bench.closed(1012);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 1)));
    bench.joined("a", 3, Some(("complete", 2)));
    bench.clear_outputs();
    bench.sticker("a", 2);
    bench.entry("a", 3);
    bench.sticker("a", 4);
    assert_eq!(bench.unknown_entries(), [(position(EPOCH, 2), true), (position(EPOCH, 4), false)]);
    assert_eq!(bench.messages(), [(3, true)], "entries of all kinds count as replayed");
    bench.clear_outputs();
    bench.sticker("b", 9);
    assert_eq!(bench.events, [], "there is no position in a room that the client has not joined");
}

#[test]
fn an_unreadable_message_moves_the_position() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(&format!(
        r#"{{"type":"message","room":"a","from":"bob","text":7,"seq":2,"id":"{}","ts":1}}"#,
        ulid(2)
    ));
    assert_eq!(bench.unknown_entries(), [(position(EPOCH, 2), false)]);
    bench.closed(1012);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 2)));
}

/// Earlier entries may not have arrived: a position at the ack's seq would lose them.
#[test]
fn an_unreadable_ack_moves_no_position() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(&format!(
        r#"{{"type":"ack","room":"a","client_msg_ids":["m"],"seq":9,"id":"{}"}}"#,
        ulid(9)
    ));
    assert_eq!(bench.events, []);
    bench.closed(1012);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 1)));
}

#[test]
fn missed_messages_are_marked_as_replayed_and_the_time_offline_is_reported() {
    let mut bench = Bench::in_room("a", 1);
    bench.pass(seconds(5));
    bench.closed(1006);
    let Some(Event::State(ConnectionState::Waiting { retry_in, .. })) = bench.events.last().cloned() else {
        panic!("not waiting")
    };
    bench.reconnected();
    bench.pass(seconds(3));
    bench.joined("a", 3, Some(("complete", 2)));
    assert_eq!(last_join(&bench), (Some(Recovery::Complete { replayed: 2 }), Some(retry_in + seconds(3))));
    for seq in 2..=4 {
        bench.entry("a", seq);
    }
    assert_eq!(bench.messages(), [(2, true), (3, true), (4, false)]);
}

#[test]
fn the_time_offline_of_a_silent_connection_counts_from_the_last_sign_of_life() {
    let mut bench = Bench::in_room("a", 1);
    bench.pass(seconds(10));
    assert_eq!(bench.drops, 1);
    bench.reconnected();
    bench.joined("a", 1, Some(("complete", 0)));
    assert_eq!(last_join(&bench).1, Some(bench.now - bench.start));
    assert!(last_join(&bench).1 >= Some(seconds(10)));
}

#[test]
fn the_first_replayed_entry_of_a_reset_replaces_the_position() {
    let mut bench = Bench::in_room("a", 1);
    for _ in 0..2 {
        bench.closed(1006);
        bench.reconnected();
        assert_eq!(bench.since(), Some(position(EPOCH, 1)), "no entry of the new log arrived");
        let reference = bench.joins().last().expect("a join").2.clone();
        bench.joined_as("a", &position("e2", 9), Some(("reset", 2)), &reference);
        assert_eq!(last_join(&bench).0, Some(Recovery::Reset { replayed: 2 }));
    }
    bench.entry("a", 8);
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position("e2", 8)));
}

#[test]
fn a_reset_without_a_replay_starts_at_the_new_head() {
    let mut bench = Bench::in_room("a", 1);
    bench.entry("a", 5);
    bench.closed(1006);
    bench.reconnected();
    bench.joined("a", 0, Some(("reset", 0)));
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 0)));
}

#[test]
fn a_resync_replaces_the_position() {
    let resync = |bench: &mut Bench, seq, replayed| {
        bench.receives(&format!(
            r#"{{"type":"system","event":"resync","message":"!","room":"a","position":{},
            "recovery":{{"status":"reset","replayed":{replayed}}}}}"#,
            position("e2", seq)
        ));
    };
    let mut bench = Bench::in_room("a", 1);
    bench.entry("a", 5);
    bench.clear_outputs();
    resync(&mut bench, 3, 1);
    assert!(matches!(bench.events[..], [Event::Server(_)]), "it is reported");
    bench.entry("a", 3);
    bench.entry("a", 4);
    assert_eq!(bench.messages(), [(3, true), (4, false)]);
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position("e2", 4)));
    bench.joined("a", 4, Some(("complete", 0)));
    resync(&mut bench, 2, 0);
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position("e2", 2)));
}

#[test]
fn a_lost_resync_replay_keeps_the_old_position() {
    let mut bench = Bench::in_room("a", 5);
    bench.receives(&format!(
        r#"{{"type":"system","event":"resync","message":"!","room":"a","position":{},
        "recovery":{{"status":"reset","replayed":2}}}}"#,
        position("e2", 9)
    ));
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 5)), "entries 8 and 9 have not arrived");
}

#[test]
fn a_connection_lost_before_the_first_join_is_no_time_offline() {
    let mut bench = Bench::new();
    bench.join("a");
    bench.welcome(0);
    bench.closed(1006);
    bench.reconnected();
    bench.joined("a", 1, None);
    assert_eq!(last_join(&bench), (None, None));
}

#[test]
fn the_first_entry_of_a_room_sets_its_epoch() {
    let mut bench = Bench::in_room("a", 0);
    bench.entry("a", 1);
    bench.entry("a", 2);
    assert!(bench.written.is_empty(), "no request is necessary");
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 2)));
}

#[test]
fn rooms_are_joined_in_order_and_a_left_room_is_not_joined_again() {
    let mut bench = Bench::new();
    for room in ["b", "a", "b", "c"] {
        bench.join(room);
    }
    bench.command(Command::Leave(name("c")));
    bench.welcome(0);
    let rooms: Vec<_> = bench.joins().into_iter().map(|(room, ..)| room).collect();
    assert_eq!(rooms, ["b", "a"]);
    bench.clear_outputs();
    bench.command(Command::Leave(name("b")));
    assert!(matches!(&bench.written[..], [ClientFrame { event: ClientEvent::LeaveRoom { .. }, .. }]));
    bench.closed(1006);
    bench.reconnected();
    let rooms: Vec<_> = bench.joins().into_iter().map(|(room, ..)| room).collect();
    assert_eq!(rooms, ["a"]);
}

#[test]
fn an_answer_to_an_earlier_join_is_ignored() {
    let mut bench = Bench::new();
    bench.welcome(0);
    bench.join("a");
    let first = bench.joins()[0].2.clone();
    bench.command(Command::Leave(name("a")));
    bench.join("a");
    let second = bench.joins()[1].2.clone();
    bench.clear_outputs();
    bench.joined_as("a", &position(EPOCH, 1), None, &first);
    assert!(bench.events.is_empty());
    bench.receives(
        r#"{"type":"system","event":"left","message":"me left","room":"a","user_id":"me","member_count":0,
        "reason":"left"}"#,
    );
    bench.joined_as("a", &position(EPOCH, 2), None, &second);
    assert!(matches!(bench.events[..], [Event::Server(_), Event::Joined { .. }]));
    bench.closed(1006);
    bench.reconnected();
    assert_eq!(bench.since(), Some(position(EPOCH, 2)));
}

#[test]
fn a_room_that_the_server_kicks_from_is_not_joined_again() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(
        r#"{"type":"system","event":"left","message":"me left","room":"a","user_id":"me","member_count":0,
        "reason":"kicked"}"#,
    );
    assert!(matches!(bench.events[..], [Event::Server(_)]));
    bench.closed(1006);
    bench.reconnected();
    assert!(bench.joins().is_empty());
}

#[test]
fn a_join_of_another_user_is_reported_as_it_is() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(
        r#"{"type":"system","event":"joined","message":"bob joined","room":"a","user_id":"bob",
        "members":["bob","me"],"member_count":2}"#,
    );
    assert!(matches!(bench.events[..], [Event::Server(_)]));
}

#[test]
fn a_refused_join_is_reported_and_not_repeated() {
    let mut bench = Bench::new();
    bench.welcome(0);
    bench.join("a");
    let reference = bench.joins()[0].2.clone();
    bench.clear_outputs();
    bench.error("forbidden", false, &format!(r#","room":"a","ref":"{reference}""#));
    assert!(matches!(bench.events[..], [Event::Server(_)]));
    bench.closed(1006);
    bench.reconnected();
    assert!(bench.joins().is_empty());
}

#[test]
fn a_temporarily_refused_join_is_repeated() {
    let mut bench = Bench::new();
    bench.welcome(50);
    bench.join("a");
    let reference = bench.joins()[0].2.clone();
    bench.clear_outputs();
    bench.error("rate_limited", true, &format!(r#","retry_after_ms":2000,"room":"a","ref":"{reference}""#));
    assert!(bench.events.is_empty());
    bench.send("a", "m");
    bench.pass(Duration::from_millis(1_999));
    assert!(bench.joins().is_empty());
    bench.pass(seconds(1));
    assert_eq!(bench.joins().len(), 1);
    assert_eq!(bench.posts(), ["m"], "after the join, so that the client receives its own copy");
    let kinds: Vec<_> =
        bench.written.iter().map(|frame| matches!(frame.event, ClientEvent::Post(_))).collect();
    assert_eq!(kinds, [false, true]);
    let reference = bench.joins()[0].2.clone();
    bench.error("unavailable", true, &format!(r#","room":"a","ref":"{reference}""#));
    bench.pass(seconds(1));
    assert_eq!(bench.joins().len(), 2);
}
