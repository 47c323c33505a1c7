//! Tests of entries of other kinds than messages: sending, receiving, and the features of the server.

use realtime_shared::{Emoji, HistoryRequest, Message, Seq, ServerEvent};

use super::*;
use crate::requests::UNSUPPORTED;
use crate::room_state::RoomStates;

/// The message of a room with this seq, as the client received it.
fn target(room: &str, seq: u64) -> Message {
    let mut bench = Bench::in_room(room, seq - 1);
    bench.entry(room, seq);
    let message = bench.events.into_iter().find_map(|event| match event {
        Event::Entry { entry: Entry::Message(message), .. } => Some(message),
        _ => None,
    });
    message.expect("a message")
}

fn edit(id: &str) -> Command {
    Command::edit(&target("a", 3), Text::new("new").expect("a text"), msg(id))
}

#[test]
fn changes_of_a_room_are_sent_in_order_beside_its_messages_with_the_id_of_their_target() {
    let mut bench = Bench::new();
    bench.command(edit("m1"));
    bench.send("a", "m2");
    let emoji = Emoji::new("👍").expect("an emoji");
    bench.command(Command::react(&target("a", 3), emoji, true, msg("m3")));
    bench.welcome_with(0, r#","features":["edit","reaction"]"#);
    assert_eq!(bench.posts(), ["m1", "m2"]);
    bench.ack("a", "m2", 4);
    assert_eq!(bench.posts(), ["m1", "m2"], "m3 waits for the answer to m1");
    bench.ack("a", "m1", 5);
    assert_eq!(bench.posts(), ["m1", "m2", "m3"]);
    let frames: Vec<_> = bench.written.iter().map(codec::encode_client).collect();
    let id = ulid(3);
    let edit = format!(
        r#"{{"type":"edit","room":"a","target":3,"target_id":"{id}","text":"new","client_msg_id":"m1"}}"#
    );
    assert!(frames.contains(&edit), "{frames:?}");
    let reaction = format!(
        r#"{{"type":"reaction","room":"a","target":3,"target_id":"{id}","emoji":"👍","removed":true,"client_msg_id":"m3"}}"#
    );
    assert!(frames.contains(&reaction), "{frames:?}");
}

#[test]
fn an_entry_that_the_server_does_not_support_is_refused_without_a_frame() {
    let mut bench = Bench::new();
    bench.command(edit("m1"));
    bench.send("a", "m2");
    bench.command(Command::reply(&target("a", 3), Text::new("yes").expect("a text"), msg("m3")));
    assert_eq!(bench.states("m1"), ["queued"], "the features are not known yet");
    bench.welcome_with(0, r#","features":["delete"]"#);
    assert_eq!(bench.posts(), ["m2"]);
    bench.ack("a", "m2", 4);
    let refused = format!("refused: {UNSUPPORTED}");
    for id in ["m1", "m3"] {
        assert_eq!(bench.states(id).last(), Some(&refused));
    }
    assert_eq!(bench.posts(), ["m2"]);

    bench.closed(1012);
    bench.command(Command::Resend(msg("m1")));
    let ConnectionState::Waiting { retry_in, .. } = bench.state() else { panic!("not waiting") };
    bench.pass(*retry_in);
    bench.welcome_with(0, r#","features":["edit"]"#);
    assert_eq!(bench.posts(), ["m2", "m1"], "another server may support it");
}

#[test]
fn a_page_that_the_server_does_not_support_fails() {
    let newest = || HistoryRequest::newest(name("a"));
    let around = HistoryRequest { around: Some(Seq::new(3)), ..newest() };
    let thread = HistoryRequest { thread: Some(Seq::new(3)), ..newest() };
    let pinned = HistoryRequest { pinned: true, ..newest() };
    for request in [around, thread, pinned] {
        let mut bench = Bench::in_room("a", 3);
        let command = Command::History(request);
        bench.command(command.clone());
        assert_eq!(bench.events, [Event::RequestFailed { request: command, reason: UNSUPPORTED.to_owned() }]);
        assert_eq!(bench.written, []);
    }
    let mut bench = Bench::in_room("a", 3);
    bench.command(Command::History(HistoryRequest { after: Some(Seq::new(1)), ..newest() }));
    assert_eq!(bench.written.len(), 1, "each server has it");
}

#[test]
fn an_own_change_is_stored_when_it_arrives() {
    let mut bench = Bench::new();
    bench.welcome_with(0, r#","features":["edit"]"#);
    bench.join("a");
    bench.joined("a", 3, None);
    bench.command(edit("m1"));
    bench.receives(&format!(
        r#"{{"type":"edit","room":"a","from":"me","target":3,"text":"new","seq":4,"id":"{}","ts":1,"client_msg_id":"m1"}}"#,
        ulid(4)
    ));
    assert_eq!(bench.states("m1").last().map(String::as_str), Some("stored 4"));
    let arrived = bench.events.iter().any(|event| {
        matches!(event, Event::Entry { entry: Entry::Change(_), position: Some(position), .. } if position.seq() == Seq::new(4))
    });
    assert!(arrived, "{:?}", bench.events);
}

/// The states of the rooms after the events of a session.
fn states(bench: &Bench, most: usize) -> RoomStates {
    let mut states = RoomStates::new(most);
    bench.events.iter().for_each(|event| states.on_event(event));
    states
}

fn seqs(states: &RoomStates) -> Option<Vec<u64>> {
    states.get(&name("a")).map(|state| state.messages().map(|message| message.seq.get()).collect())
}

#[test]
fn a_room_state_keeps_the_newest_messages_and_none_by_default() {
    let mut bench = Bench::new();
    bench.welcome(0);
    bench.join("a");
    bench.joined("a", 0, None);
    for seq in 1..=5 {
        bench.entry("a", seq);
    }
    assert_eq!(seqs(&states(&bench, 3)), Some(vec![3, 4, 5]));
    assert_eq!(seqs(&states(&bench, 0)), None);
}

#[test]
fn a_room_state_begins_again_after_a_gap_and_ends_with_the_membership() {
    let resync = |status: &str| {
        format!(
            r#"{{"type":"system","event":"resync","message":"m","room":"a","position":{},
            "recovery":{{"status":"{status}","replayed":0}}}}"#,
            position("e2", 9)
        )
    };
    let left = r#"{"type":"system","event":"left","message":"m","room":"a","user_id":"me","member_count":0,"reason":"kicked"}"#;
    let cases = [
        (resync("complete"), Some(vec![1])),
        (resync("truncated"), Some(vec![])),
        (resync("reset"), Some(vec![])),
        (left.to_owned(), None),
    ];
    for (frame, expected) in cases {
        let mut bench = Bench::new();
        bench.welcome(0);
        bench.join("a");
        bench.joined("a", 0, None);
        bench.entry("a", 1);
        bench.receives(&frame);
        assert_eq!(seqs(&states(&bench, 3)), expected, "{frame}");
    }
    for (status, expected) in [("complete", vec![1, 2]), ("truncated", vec![2]), ("reset", vec![2])] {
        let mut bench = Bench::new();
        bench.welcome(0);
        bench.join("a");
        bench.joined("a", 0, None);
        bench.entry("a", 1);
        bench.closed(1012);
        bench.reconnected();
        bench.joined("a", 2, Some((status, 1)));
        bench.entry("a", 2);
        assert_eq!(seqs(&states(&bench, 3)), Some(expected), "{status}");
    }
}

#[test]
fn pages_are_requested_again_when_too_many_changes_cross_them() {
    let mut bench = Bench::in_room("a", 3);
    bench.command(Command::History(HistoryRequest::before(name("a"), None, 50)));
    let requests = |bench: &Bench| {
        let is_page = |frame: &&ClientFrame| matches!(frame.event, ClientEvent::History(_));
        bench.written.iter().filter(is_page).filter_map(|frame| frame.reference.clone()).collect::<Vec<_>>()
    };
    let first = requests(&bench);
    let text = "🦀".repeat(4_000);
    for seq in 4..=4 + (crate::held::HELD_BYTES / text.len()) as u64 {
        let id = ulid(seq);
        bench.receives(&format!(
            r#"{{"type":"edit","room":"a","from":"bob","target":3,"text":"{text}","seq":{seq},"id":"{id}","ts":1}}"#
        ));
    }
    let second = requests(&bench);
    assert_eq!(second.len(), 2, "{second:?}");
    let page = |reference: &realtime_shared::Ref| {
        format!(
            r#"{{"type":"history","room":"a","epoch":"{EPOCH}","messages":[],"has_more":false,"from_seq":1,"to_seq":3,"as_of":3,"ref":"{reference}"}}"#
        )
    };
    bench.clear_outputs();
    bench.receives(&page(&first[0]));
    assert_eq!(bench.events, [], "changes to the first page are missing");
    bench.receives(&page(&second[1]));
    assert!(matches!(bench.events[..], [Event::Server(ServerEvent::History(_))]));
}

/// Pages may be ahead of the live entries.
#[test]
fn a_room_state_keeps_the_version_of_a_message_with_the_larger_rev() {
    let mut bench = Bench::in_room("a", 0);
    bench.closed(1012);
    bench.reconnected();
    bench.joined("a", 0, Some(("reset", 0)));
    bench.command(Command::History(HistoryRequest::before(name("a"), None, 50)));
    let reference = bench.written.last().and_then(|frame| frame.reference.clone()).expect("a ref");
    let id = ulid(1);
    bench.receives(&format!(
        r#"{{"type":"history","room":"a","epoch":"{EPOCH}","messages":[{{"type":"message","room":"a","from":"bob",
        "text":"new","seq":1,"id":"{id}","ts":1,"edited_ts":2,"rev":2}}],"has_more":false,"from_seq":1,"to_seq":2,
        "as_of":2,"ref":"{reference}"}}"#
    ));
    bench.entry("a", 1);
    let states = states(&bench, 3);
    let message = states.get(&name("a")).and_then(|state| state.message(Seq::new(1))).expect("a message");
    assert_eq!((message.text.as_str(), message.rev()), ("new", Seq::new(2)));
}
