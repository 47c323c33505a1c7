//! Read markers and the inbox, over reconnects too.

use realtime_shared::{Feature, Inbox, ServerEvent};

use super::*;
use crate::room_state::RoomStates;

const FEATURES: &str = r#","features":["direct","read","inbox","notify","search"]"#;

fn read(room: &str, seq: u64) -> Command {
    Command::Read { room: name(room), seq: realtime_shared::Seq::new(seq) }
}

/// A session in room `a`, whose server has all features, without outputs.
fn in_room() -> Bench {
    let mut bench = Bench::new();
    bench.welcome_with(0, FEATURES);
    bench.join("a");
    bench.joined("a", 9, None);
    bench.clear_outputs();
    bench
}

/// Connects again, and joins room `a` at `position`.
fn rejoin(bench: &mut Bench, position: &str, recovery: (&str, u64)) {
    bench.closed(1012);
    let ConnectionState::Waiting { retry_in, .. } = bench.state() else { panic!("not waiting") };
    bench.pass(*retry_in);
    bench.welcome_with(0, FEATURES);
    let reference = bench.joins().last().expect("a join").2.clone();
    bench.joined_as("a", position, Some(recovery), &reference);
}

/// Room, seq and `ref` of each sent marker.
fn reads(bench: &Bench) -> Vec<(String, u64, String)> {
    let reads = bench.written.iter().filter_map(|frame| match &frame.event {
        ClientEvent::Read { room, seq } => {
            Some((room.to_string(), seq.get(), frame.reference.as_ref().expect("a ref").to_string()))
        }
        _ => None,
    });
    reads.collect()
}

fn seqs(bench: &Bench) -> Vec<u64> {
    reads(bench).into_iter().map(|(_, seq, _)| seq).collect()
}

/// Answers the marker that was sent last.
fn stored(bench: &mut Bench, seq: u64) {
    let (room, _, reference) = reads(bench).pop().expect("a marker");
    bench.receives(&format!(r#"{{"type":"read","room":"{room}","seq":{seq},"ref":"{reference}"}}"#));
}

/// Seq of each reported marker, and true if it is stored.
fn moved(bench: &Bench) -> Vec<(u64, bool)> {
    let moved = bench.events.iter().filter_map(|event| match event {
        Event::Read { seq, is_stored, .. } => Some((seq.get(), *is_stored)),
        _ => None,
    });
    moved.collect()
}

/// The `ref` of each request for the inbox.
fn inboxes(bench: &Bench) -> Vec<String> {
    let inboxes = bench.written.iter().filter(|frame| matches!(frame.event, ClientEvent::Inbox { .. }));
    inboxes.map(|frame| frame.reference.as_ref().expect("a ref").to_string()).collect()
}

/// Answers the inbox that was requested last: room `a` has `head` entries, of which `read` are read.
fn inbox(bench: &mut Bench, head: u64, read: u64) {
    let (reference, position) = (inboxes(bench).pop().expect("a request"), position(EPOCH, head));
    let unread = head - read;
    bench.receives(&format!(
        r#"{{"type":"inbox","rooms":[{{"room":"a","unread":{unread},"mentions":1,"first_mention_seq":9,
        "read_seq":{read},"position":{position}}}],"has_more":false,"ref":"{reference}"}}"#
    ));
}

/// The reported inboxes.
fn reported(bench: &Bench) -> Vec<&Inbox> {
    let inboxes = bench.events.iter().filter_map(|event| match event {
        Event::Server(ServerEvent::Inbox(inbox)) => Some(inbox),
        _ => None,
    });
    inboxes.collect()
}

fn failures(bench: &Bench) -> Vec<(Command, &str)> {
    let failures = bench.events.iter().filter_map(|event| match event {
        Event::RequestFailed { request, reason } => Some((request.clone(), reason.as_str())),
        _ => None,
    });
    failures.collect()
}

#[test]
fn a_marker_moves_forward_with_one_read_in_flight() {
    let mut bench = in_room();
    for seq in [3, 5, 4, 7] {
        bench.command(read("a", seq));
    }
    assert_eq!(seqs(&bench), [3]);
    stored(&mut bench, 3);
    assert_eq!(seqs(&bench), [3, 7], "the newest of those that followed");
    stored(&mut bench, 7);
    bench.command(read("a", 6));
    assert_eq!(seqs(&bench), [3, 7]);
    assert_eq!(moved(&bench), [(3, false), (5, false), (7, false), (7, false), (7, true)]);
}

#[test]
fn a_marker_of_another_client_is_reported_and_never_moves_back() {
    let mut bench = in_room();
    let other = |bench: &mut Bench, seq: u64| {
        bench.receives(&format!(r#"{{"type":"read","room":"a","seq":{seq}}}"#));
    };
    bench.command(read("a", 5));
    other(&mut bench, 4);
    other(&mut bench, 8);
    other(&mut bench, 2);
    bench.command(read("a", 7));
    assert_eq!(moved(&bench), [(5, false), (5, false), (8, true), (8, true)]);
    assert_eq!(seqs(&bench), [5]);
    // The server knows of no seq beyond the head.
    bench.command(read("a", 1_000));
    stored(&mut bench, 9);
    assert_eq!(moved(&bench).last(), Some(&(9, true)));
}

#[test]
fn an_unanswered_marker_is_sent_again_after_the_room_is_joined_again() {
    let mut bench = in_room();
    bench.command(read("a", 3));
    bench.command(read("b", 1));
    bench.closed(1012);
    bench.command(read("a", 6));
    bench.clear_outputs();
    bench.pass(seconds(60));
    bench.welcome_with(0, FEATURES);
    assert_eq!(reads(&bench).len(), 1, "the log of the room is not known yet: {:?}", reads(&bench));
    assert_eq!(reads(&bench)[0].0, "b", "the client has not joined it");
    bench.joined("a", 9, Some(("complete", 0)));
    assert_eq!(seqs(&bench), [1, 6]);
    stored(&mut bench, 6);
    bench.closed(1012);
    bench.reconnected();
    bench.joined("a", 9, Some(("complete", 0)));
    assert_eq!(seqs(&bench), [1, 6], "it is stored");
}

#[test]
fn a_marker_without_an_answer_is_sent_again() {
    let mut bench = in_room();
    bench.command(read("a", 3));
    bench.pass_active(seconds(9));
    assert_eq!(seqs(&bench), [3]);
    bench.pass_active(seconds(2));
    assert_eq!(seqs(&bench), [3, 3]);
    let first = reads(&bench)[0].2.clone();
    bench.receives(&format!(r#"{{"type":"read","room":"a","seq":3,"ref":"{first}"}}"#));
    bench.pass_active(seconds(30));
    assert_eq!(seqs(&bench), [3, 3], "a late answer is one");
}

#[test]
fn a_marker_of_another_log_is_forgotten() {
    let mut bench = in_room();
    bench.command(read("a", 8));
    bench.clear_outputs();
    rejoin(&mut bench, &position("e2", 3), ("reset", 3));
    assert_eq!(seqs(&bench), Vec::<u64>::new());
    bench.command(read("a", 2));
    assert_eq!(seqs(&bench), [2], "2 is ahead in the new log");

    let mut bench = in_room();
    bench.command(read("a", 8));
    stored(&mut bench, 8);
    bench.receives(&format!(
        r#"{{"type":"system","event":"resync","message":"m","room":"a","position":{},
        "recovery":{{"status":"reset","replayed":0}}}}"#,
        position("e2", 2)
    ));
    bench.command(read("a", 2));
    assert_eq!(seqs(&bench), [8, 2]);
}

#[test]
fn a_refused_marker_is_repeated_or_reported_and_holds_up_no_message() {
    let mut bench = in_room();
    bench.command(read("a", 3));
    let reference = reads(&bench)[0].2.clone();
    bench.error("rate_limited", true, &format!(r#","retry_after_ms":5000,"room":"a","ref":"{reference}""#));
    bench.send("a", "m");
    assert_eq!(bench.posts(), ["m"]);
    bench.pass_active(seconds(4));
    assert_eq!(seqs(&bench), [3]);
    bench.pass_active(seconds(2));
    assert_eq!(seqs(&bench), [3, 3]);
    bench.clear_outputs();
    bench.command(read("a", 5));
    bench.error("forbidden", false, &format!(r#","room":"a","ref":"{}""#, "read-0"));
    bench.clear_outputs();
    bench.closed(1012);
    bench.pass(seconds(60));
    bench.welcome_with(0, FEATURES);
    bench.joined("a", 9, Some(("complete", 0)));
    let reference = reads(&bench)[0].2.clone();
    bench.error("forbidden", false, &format!(r#","room":"a","ref":"{reference}""#));
    assert_eq!(failures(&bench), [(read("a", 5), "no: forbidden")]);
    assert_eq!(moved(&bench).last(), Some(&(0, true)), "the server has no marker");
    bench.pass_active(seconds(60));
    assert_eq!(reads(&bench).len(), 1);
}

#[test]
fn a_server_without_the_features_gets_no_request_for_them() {
    let mut bench = Bench::in_room("a", 9);
    let requests = [
        read("a", 3),
        Command::Inbox { limit: None, keep: false },
        Command::Direct("bob".parse().expect("a user")),
    ];
    for request in requests.clone() {
        bench.command(request);
    }
    let expected = requests.map(|request| (request, "this server does not support it"));
    assert_eq!(failures(&bench), expected);
    assert!(bench.written.is_empty(), "{:?}", bench.written);
}

#[test]
fn markers_and_messages_take_turns() {
    let mut bench = Bench::new();
    for number in 0..4 {
        bench.send(&format!("r{number}"), &format!("m{number}"));
        bench.command(read(&format!("r{number}"), 1));
    }
    bench.welcome_with(0, FEATURES);
    let kinds = bench.written.iter().filter_map(|frame| match frame.event {
        ClientEvent::Post(_) => Some('m'),
        ClientEvent::Read { .. } => Some('r'),
        _ => None,
    });
    assert_eq!(kinds.collect::<String>(), "rmrmrmrm");
}

#[test]
fn a_kept_inbox_is_requested_after_each_reconnect() {
    let mut bench = in_room();
    bench.command(Command::Inbox { limit: Some(20), keep: true });
    inbox(&mut bench, 9, 4);
    assert_eq!((inboxes(&bench).len(), reported(&bench).len()), (1, 1));
    rejoin(&mut bench, &position(EPOCH, 9), ("complete", 0));
    assert_eq!(inboxes(&bench).len(), 2);
    bench.closed(1012);
    bench.command(Command::Inbox { limit: None, keep: false });
    bench.reconnected();
    assert_eq!(inboxes(&bench).len(), 2, "it is not kept any more");
}

#[test]
fn an_inbox_is_requested_after_the_markers_before_it_are_stored() {
    let mut bench = in_room();
    bench.command(Command::Inbox { limit: None, keep: true });
    inbox(&mut bench, 9, 0);
    bench.command(read("a", 4));
    bench.clear_outputs();
    rejoin(&mut bench, &position(EPOCH, 9), ("complete", 0));
    assert_eq!((seqs(&bench), inboxes(&bench).len()), (vec![4], 0));
    bench.command(read("a", 6));
    stored(&mut bench, 4);
    assert_eq!((seqs(&bench), inboxes(&bench).len()), (vec![4, 6], 1), "a later marker does not hold it up");
    inbox(&mut bench, 9, 4);
    assert_eq!(reported(&bench).len(), 0, "it is older than the marker");
    stored(&mut bench, 6);
    inbox(&mut bench, 9, 6);
    let inbox = reported(&bench).pop().expect("an inbox");
    assert_eq!((inbox.rooms[0].read_seq.get(), inbox.rooms[0].unread), (6, 3));
}

#[test]
fn an_inbox_that_crosses_the_marker_of_its_last_message_has_no_unread_ones() {
    let mut bench = in_room();
    bench.command(Command::Inbox { limit: None, keep: false });
    bench.command(read("a", 9));
    inbox(&mut bench, 9, 4);
    let inbox = reported(&bench).pop().expect("an inbox");
    let room = &inbox.rooms[0];
    assert_eq!((room.read_seq.get(), room.unread, room.mentions, room.first_mention_seq), (9, 0, 0, None));
}

#[test]
fn an_inbox_that_stays_older_than_the_markers_is_reported_in_the_end() {
    let mut bench = in_room();
    bench.command(read("a", 5));
    stored(&mut bench, 5);
    bench.command(Command::Inbox { limit: None, keep: false });
    for _ in 0..10 {
        if reported(&bench).is_empty() {
            inbox(&mut bench, 9, 4);
        }
    }
    assert_eq!((inboxes(&bench).len(), reported(&bench).len()), (2, 1));
}

#[test]
fn another_user_has_other_markers() {
    let mut bench = in_room();
    bench.command(read("a", 5));
    bench.closed(1012);
    bench.clear_outputs();
    bench.pass(seconds(60));
    bench.receives(
        r#"{"type":"system","event":"welcome","message":"m","user_id":"other","online_count":1,"expires_at":1,
        "limits":{"text_chars":4000,"frame_bytes":65536,"rooms":128,"messages_per_second":0},"features":["read"]}"#,
    );
    bench.joined("a", 9, Some(("complete", 0)));
    assert_eq!(reads(&bench), []);
}

#[test]
fn the_state_of_a_room_has_its_marker() {
    let mut bench = Bench::new();
    bench.welcome_with(0, FEATURES);
    assert!(
        matches!(bench.state(), ConnectionState::Connected { features, .. } if features.contains(&Feature::Read))
    );
    bench.join("a");
    let (reference, head) = (bench.joins().last().expect("a join").2.clone(), position(EPOCH, 9));
    bench.receives(&format!(
        r#"{{"type":"system","event":"joined","message":"me joined","room":"a","user_id":"me","members":["me"],
        "member_count":1,"position":{head},"read_seq":4,"ref":"{reference}"}}"#
    ));
    let marker = |bench: &Bench| {
        let mut states = RoomStates::new(3);
        for event in &bench.events {
            states.on_event(event);
        }
        states.get(&name("a")).and_then(crate::room_state::RoomState::read_seq).map(realtime_shared::Seq::get)
    };
    assert_eq!(marker(&bench), Some(4));
    bench.command(read("a", 3));
    assert_eq!(marker(&bench), Some(4));
    bench.command(read("a", 6));
    assert_eq!(marker(&bench), Some(6), "before the server has stored it");
    rejoin(&mut bench, &position(EPOCH, 20), ("truncated", 5));
    assert_eq!(marker(&bench), Some(6), "it is the same log");
    rejoin(&mut bench, &position("e2", 2), ("reset", 2));
    assert_eq!(marker(&bench), None);
}
