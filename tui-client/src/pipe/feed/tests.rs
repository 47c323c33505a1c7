use std::time::Duration;

use realtime_shared::{
    EntryId, EntryRef, Epoch, ErrorCode, ErrorEvent, HistoryRequest, Left, Limits, Message, Resync, Seq,
};

use super::testing::message;
use super::*;
use crate::net::{Disconnect, Entry};

fn room() -> RoomName {
    "dev".parse().expect("a room")
}

fn at(seq: u64) -> Position {
    let epoch = Epoch::new("e").expect("an epoch");
    Position::At { epoch, seq: Seq::new(seq), id: EntryId::from_u128(seq.into()) }
}

fn connected() -> Event {
    let limits = Limits { text_chars: 1, frame_bytes: 1, rooms: 1, messages_per_second: 1 };
    Event::State(ConnectionState::Connected {
        user_id: "alice".parse().expect("a name"),
        online_count: 1,
        limits,
        features: Vec::new(),
    })
}

fn lost() -> Event {
    let (reason, retry_in) = (Disconnect::Silent, Duration::ZERO);
    Event::State(ConnectionState::Waiting { reason, retry_in, attempt: 1 })
}

fn joined(head: Option<Position>, recovery: Option<Recovery>) -> Event {
    let offline = recovery.map(|_| Duration::from_secs(3));
    Event::Joined {
        room: room(),
        members: Vec::new(),
        member_count: 1,
        head,
        recovery,
        offline,
        read_seq: None,
    }
}

fn live(seq: u64) -> Event {
    Event::Entry {
        entry: Entry::Message(Message { epoch: None, ..message(seq, "live") }),
        position: Some(at(seq)),
        replayed: false,
    }
}

fn page(messages: Vec<ServerEvent>, has_more: bool) -> History {
    let (room, epoch) = (room(), Epoch::new("e"));
    History { room, epoch, messages, has_more, has_newer: false, covers: None, settings: None }
}

/// A page with these entries; `has_more` as on the wire.
fn history(numbers: std::ops::RangeInclusive<u64>, has_more: bool) -> Event {
    let messages =
        numbers.map(|seq| ServerEvent::from(Message { epoch: None, ..message(seq, "old") })).collect();
    Event::Server(ServerEvent::History(page(messages, has_more)))
}

/// A page of unknown entries; `has_more` as on the wire.
fn unknown_history(numbers: std::ops::RangeInclusive<u64>, has_more: bool) -> Event {
    let messages = numbers.map(|seq| ServerEvent::Unknown { entry: Some(unknown(seq)) }).collect();
    Event::Server(ServerEvent::History(page(messages, has_more)))
}

fn unknown(seq: u64) -> EntryRef {
    let (seq, id) = (Seq::new(seq), EntryId::from_u128(seq.into()));
    EntryRef { room: room(), seq, id, epoch: None, kind: None }
}

fn refused(room: RoomName) -> Event {
    Event::Server(ServerEvent::Error(ErrorEvent {
        code: ErrorCode::Forbidden,
        message: "not\u{1b}[2J yours".to_owned(),
        temporary: false,
        room: Some(room),
        client_msg_id: None,
        retry_after_ms: None,
        scope: None,
    }))
}

/// A connected feed.
fn feed(last: u32) -> Feed {
    let (mut feed, join) = Feed::new(room(), Begin::Last(last), "ws://x".to_owned());
    assert_eq!(join, Command::Join { room: room(), since: None });
    assert!(feed.on_event(connected()).is_empty());
    feed
}

/// The steps in short form: printed seqs, `?before+limit` for requests, `!note`, `end`.
fn short(steps: Vec<FeedStep>) -> Vec<String> {
    let short = |step| match step {
        FeedStep::Print(PrintedEntry(entry)) => {
            assert!(entry.head().epoch.is_some(), "a line without a position");
            entry.head().seq.to_string()
        }
        FeedStep::Note(note) => format!("!{note}"),
        FeedStep::Ask(Command::History(HistoryRequest {
            before: Some(before), limit: Some(limit), ..
        })) => format!("?{before}+{limit}"),
        FeedStep::Ask(command) => panic!("{command:?}"),
        FeedStep::End(_) => "end".to_owned(),
    };
    steps.into_iter().map(short).collect()
}

#[test]
fn older_messages_precede_live_ones() {
    let mut feed = feed(3);
    assert_eq!(short(feed.on_event(joined(Some(at(9)), None))), ["!joined dev", "?10+3"]);
    assert!(feed.on_event(live(10)).is_empty());
    assert_eq!(short(feed.on_event(history(8..=9, true))), ["?8+1"]);
    assert_eq!(short(feed.on_event(history(6..=7, true))), ["7", "8", "9", "10"], "not more than wanted");
    assert_eq!(short(feed.on_event(live(11))), ["11"]);
}

#[test]
fn pages_are_bounded_and_end_at_the_first_message() {
    let mut feed = feed(500);
    assert_eq!(short(feed.on_event(joined(Some(at(300)), None))), ["!joined dev", "?301+200"]);
    assert_eq!(short(feed.on_event(history(101..=300, true))), ["?101+200"]);
    assert_eq!(feed.on_event(history(1..=100, false)).len(), 300);
}

#[test]
fn a_page_without_progress_ends_the_fetching() {
    let mut feed = feed(5);
    feed.on_event(joined(Some(at(9)), None));
    assert_eq!(short(feed.on_event(history(9..=9, true))), ["?9+4"]);
    assert_eq!(short(feed.on_event(history(9..=9, true))), ["9"]);
}

#[test]
fn no_page_is_requested_if_none_exists_or_is_wanted() {
    for (last, head) in [(0, Some(at(9))), (3, Some(Position::Start)), (3, None)] {
        let mut feed = feed(last);
        assert_eq!(short(feed.on_event(joined(head, None))), ["!joined dev"]);
        assert_eq!(short(feed.on_event(live(10))), ["10"]);
    }
}

#[test]
fn a_reconnect_while_fetching_repeats_no_message() {
    let mut feed = feed(3);
    feed.on_event(joined(Some(at(9)), None));
    feed.on_event(live(10));
    feed.on_event(history(9..=9, true));
    assert_eq!(short(feed.on_event(lost())), ["!offline: no answer; trying again"]);
    feed.on_event(connected());
    let recovery = Some(Recovery::Complete { replayed: 1 });
    let steps = short(feed.on_event(joined(Some(at(11)), recovery)));
    assert_eq!(steps, ["!joined dev again after 3 s offline; 1 recovered", "?9+2"]);
    feed.on_event(live(11));
    assert_eq!(short(feed.on_event(history(7..=8, true))), ["7", "8", "9", "10", "11"]);
}

#[test]
fn a_reset_log_ends_the_fetching() {
    let recovery = Recovery::Reset { replayed: 1 };
    let mut feed = feed(3);
    feed.on_event(joined(Some(at(9)), None));
    feed.on_event(live(10));
    let steps = short(feed.on_event(joined(Some(at(1)), Some(recovery))));
    assert_eq!(steps[0], "10");
    assert!(steps[1].contains("reset") && steps.len() == 2, "{steps:?}");
    assert_eq!(short(feed.on_event(live(1))), ["1"]);
    let resync = Resync { message: String::new(), room: room(), position: at(1), recovery };
    let steps = short(feed.on_event(Event::Server(ServerEvent::System(SystemEvent::Resync(resync)))));
    assert!(steps[0].contains("reset") && steps.len() == 1, "{steps:?}");
}

#[test]
fn a_refused_page_is_skipped_and_a_refused_join_ends_tail() {
    let mut feed = feed(3);
    feed.on_event(joined(Some(at(9)), None));
    feed.on_event(live(10));
    assert_eq!(
        short(feed.on_event(refused(room()))),
        ["10", "!the server refuses a request: not\u{fffd} yours"]
    );
    feed.on_event(connected());
    assert!(feed.on_event(refused("other".parse().expect("a room"))).len() == 1, "of another room");
    let steps = feed.on_event(refused(room()));
    assert_eq!(steps, [FeedStep::End(Outcome::Failed("cannot join dev: not\u{fffd} yours".to_owned()))]);
}

#[test]
fn a_kick_ends_tail() {
    let left = |user: &str| {
        let (message, reason) = (String::new(), LeaveReason::Kicked);
        let user_id = user.parse().expect("a name");
        let left = Left {
            message,
            room: room(),
            user_id,
            member_count: 1,
            reason,
            others: Vec::new(),
            others_count: 0,
        };
        Event::Server(ServerEvent::System(SystemEvent::Left(left)))
    };
    let mut feed = feed(0);
    feed.on_event(joined(None, None));
    assert!(feed.on_event(left("bob")).is_empty());
    let steps = feed.on_event(left("alice"));
    assert_eq!(steps, [FeedStep::End(Outcome::Failed("kicked from dev".to_owned()))]);
}

#[test]
fn messages_of_other_rooms_are_ignored() {
    let mut feed = feed(0);
    let message = Message { room: "other".parse().expect("a room"), ..message(1, "x") };
    assert!(
        feed.on_event(Event::Entry {
            entry: Entry::Message(message),
            position: Some(at(1)),
            replayed: false
        })
        .is_empty()
    );
}

#[test]
fn a_page_of_unknown_entries_does_not_end_the_fetching() {
    let mut feed = feed(3);
    assert_eq!(short(feed.on_event(joined(Some(at(20)), None)))[1..], ["?21+3"]);
    assert_eq!(short(feed.on_event(unknown_history(18..=20, true))), ["?18+200"]);
    assert_eq!(short(feed.on_event(history(16..=17, true))), ["?16+200"]);
    let unknown =
        Event::Entry { entry: Entry::Unknown(unknown(21)), position: Some(at(21)), replayed: false };
    assert!(feed.on_event(unknown).is_empty(), "an unknown entry has no line");
    assert_eq!(short(feed.on_event(unknown_history(15..=15, true))), ["?15+200"]);
    assert_eq!(short(feed.on_event(unknown_history(14..=14, false))), ["16", "17"]);
}

#[test]
fn after_an_unknown_entry_pages_are_large_and_print_no_more_than_wanted() {
    let mut feed = feed(2);
    feed.on_event(joined(Some(at(300)), None));
    assert_eq!(short(feed.on_event(unknown_history(299..=300, true))), ["?299+200"], "few requests");
    assert_eq!(short(feed.on_event(history(99..=298, true))), ["297", "298"]);
}

#[test]
fn a_change_that_the_page_has_is_not_printed_again() {
    let change = |seq: u64, kind: &str| {
        let id = EntryId::from_u128(seq.into());
        let text = format!(
            r#"{{"type":"{kind}","room":"dev","from":"bob","seq":{seq},"id":"{id}","ts":0,"target":9,"text":"new"}}"#
        );
        let EntryEvent::Change(change) = realtime_shared::codec::decode_entry(&text).expect("an entry")
        else {
            panic!("a change");
        };
        Event::Entry { entry: Entry::Change(change), position: Some(at(seq)), replayed: false }
    };
    let mut feed = feed(2);
    feed.on_event(joined(Some(at(9)), None));
    for event in [change(10, "pin"), live(11), change(12, "edit")] {
        assert_eq!(feed.on_event(event), []);
    }
    // The first page has the changes up to 10, and the later one is on its way.
    let edited = Message { epoch: None, rev: Some(Seq::new(10)), pinned: true, ..message(9, "old") };
    let older = Message { epoch: None, ..message(8, "old") };
    let page = page(vec![older.into(), edited.into()], true);
    let printed = feed.on_event(Event::Server(ServerEvent::History(page)));
    let seqs = printed.iter().map(|step| match step {
        FeedStep::Print(entry) => entry.0.head().seq.get(),
        step => panic!("{step:?}"),
    });
    assert_eq!(seqs.collect::<Vec<_>>(), [8, 9, 11, 12]);
}
