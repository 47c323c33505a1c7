//! Made-up histories: a sound one, and for each rule one or more that break it and no other.

mod story;

use std::sync::Arc;

use self::story::{ROOM, Story, entry, log, place, sound};
use super::*;
use crate::history::{Presence, Recovery, Resources, Usage};

#[test]
fn a_sound_history_breaks_nothing() {
    let verdict = sound().served(&log()).breaks(&[]);
    assert!(verdict.is_sound() && verdict.to_string().is_empty());
}

#[test]
fn a_sound_history_may_have_faults() {
    let [one, two, three] = log();
    let mut story = Story::default();
    story.joins("alice").joins("bob").sends("alice", "a").acked("alice", "a", 1).shown("bob", &one);
    // Both sent, both lost on the way or not: sent again, one of them a duplicate.
    story.sends("alice", "b").sends("alice", "c").lifted();
    story.rejoins("alice", 0, 2, Status::Complete, 2).shown("alice", &one).shown("alice", &two);
    story.sends("alice", "b").sends("alice", "c").acked("alice", "b", 2).acked("alice", "c", 3);
    story.shown("alice", &three);
    story.rejoins("bob", 1, 3, Status::Complete, 2).shown("bob", &two).shown("bob", &three);
    // Refused, and never heard of again.
    story.sends("alice", "d").act("alice", Act::Refused { key: "d".into(), code: "unavailable".to_owned() });
    story.served(&log()).breaks(&[]);
}

#[test]
fn rule_1_an_acked_message_is_lost() {
    sound().sends("bob", "x").acked("bob", "x", 4).served(&log()).breaks(&[1]);
}

#[test]
fn rule_1_an_acked_message_is_elsewhere() {
    let mut story = sound();
    story.acked("alice", "c", 2).served(&log()).breaks(&[1]);
    let mut other_id = sound();
    let place = Position { id: Some("another".into()), ..place(3) };
    let acked = Act::Acked { room: ROOM.into(), key: "c".into(), place, duplicate: true };
    other_id.act("alice", acked).served(&log()).breaks(&[1]);
}

#[test]
fn rule_1_an_acked_message_is_doubled() {
    let again = entry(4, "alice", "c");
    let mut story = sound();
    story.shown("alice", &again).shown("bob", &again);
    let [one, two, three] = log();
    story.served(&[one, two, three, again]).breaks(&[1]);
}

#[test]
fn rule_2_instances_differ() {
    let mut story = sound();
    story.served(&log());
    let mut other = story.history.served[0].clone();
    other.instance = Instance(1);
    let mut changed = log();
    changed[1].ts += 1;
    other.entries = changed.into_iter().map(Arc::new).collect();
    story.history.served.push(other.clone());
    story.breaks(&[2]);
    // One that has less, and one that has another epoch.
    for (entries, epoch) in [(2, "epoch"), (3, "another")] {
        let entries = story.history.served[0].entries[..entries].to_vec();
        *story.history.served.last_mut().expect("the other one") =
            Served { entries, epoch: Some(epoch.into()), ..other.clone() };
        story.breaks(&[2]);
    }
}

#[test]
fn rule_2_a_log_has_a_hole() {
    let [one, two, _] = log();
    let four = entry(4, "alice", "c");
    let mut story = Story::default();
    // Nobody was there to see it.
    story.act("alice", Act::Connected).sends("alice", "a").sends("alice", "b").sends("alice", "c");
    story.acked("alice", "a", 1).acked("alice", "b", 2).acked("alice", "c", 4);
    story.served(&[one, two, four]).breaks(&[2]);
}

#[test]
fn rule_3_a_member_missed_something() {
    let [one, two, three] = log();
    let mut story = sound();
    story.joins("carol");
    story.shown("carol", &one).shown("carol", &three).served(&log()).breaks(&[3]);
    // The same over a recovery that says it was complete.
    let mut over_recovery = sound();
    over_recovery.joins("carol").shown("carol", &one).rejoins("carol", 1, 3, Status::Complete, 2);
    over_recovery.shown("carol", &three).served(&log()).breaks(&[3]);
    // And its end.
    let mut short = sound();
    short.joins("carol").shown("carol", &one).shown("carol", &two).served(&log()).breaks(&[3]);
}

#[test]
fn rule_3_a_member_saw_something_twice() {
    let [one, two, three] = log();
    let mut story = sound();
    story.joins("carol").shown("carol", &one).shown("carol", &two);
    story.rejoins("carol", 2, 3, Status::Complete, 1).shown("carol", &two).shown("carol", &three);
    story.served(&log()).breaks(&[3]);
}

#[test]
fn rule_3_a_replay_is_miscounted() {
    let [one, two, three] = log();
    let mut story = sound();
    story.joins("carol").shown("carol", &one).rejoins("carol", 1, 3, Status::Complete, 1);
    story.shown("carol", &two).shown("carol", &three).served(&log()).breaks(&[3]);
}

#[test]
fn rule_3_somebody_saw_it_who_is_not_there() {
    let mut story = sound();
    story.act("carol", Act::Connected).shown("carol", &log()[0]).served(&log()).breaks(&[3]);
}

#[test]
fn rule_4_something_was_shown_that_is_not_in_the_log() {
    let [mut one, two, three] = log();
    one.text = "something else".into();
    let mut story = sound();
    story.joins("carol").shown("carol", &one).shown("carol", &two).shown("carol", &three);
    story.served(&log()).breaks(&[4]);
}

#[test]
fn rule_4_something_is_in_the_log_that_nobody_sent() {
    let four = entry(4, "mallory", "d");
    let [one, two, three] = log();
    let mut story = sound();
    story.shown("alice", &four).shown("bob", &four).served(&[one, two, three, four]).breaks(&[4]);
}

/// Redis has lost `c` and given its number again; Bob is told, and is shown what is there now.
fn lossy(told: bool) -> (Story, Vec<Entry>) {
    let [one, two, _] = log();
    let again = Entry { id: "id-again".into(), ..entry(3, "alice", "x") };
    let mut story = sound();
    story.loss();
    let recovery = Recovery { status: Status::Reset, replayed: 0 };
    for client in ["alice", "bob"] {
        if told || client == "alice" {
            story.act(client, Act::Resynced { room: ROOM.into(), head: place(2), recovery });
        }
    }
    story.sends("alice", "x").shown("alice", &again).acked_at("alice", "x", &again);
    if told {
        story.shown("bob", &again);
    }
    let all = vec![one, two, again];
    story.served(&all);
    story.history.phases[0].allows.insert(Status::Reset);
    (story, all)
}

#[test]
fn what_was_lost_is_forgiven_where_it_is_said() {
    lossy(true).0.breaks(&[]);
}

#[test]
fn rule_4_what_was_lost_is_not_said() {
    lossy(false).0.breaks(&[4]);
}

#[test]
fn rule_1_what_is_acked_after_a_loss_is_lost() {
    let (mut story, all) = lossy(true);
    story.history.served.clear();
    story.sends("alice", "y").acked("alice", "y", 4).served(&all);
    story.history.phases[0].allows.insert(Status::Reset);
    story.breaks(&[1]);
}

#[test]
fn rule_5_a_sender_is_swapped() {
    let log = [entry(1, "alice", "b"), entry(2, "alice", "a")];
    let mut story = Story::default();
    story.act("alice", Act::Connected).sends("alice", "a").sends("alice", "b");
    story.acked("alice", "b", 1).acked("alice", "a", 2).served(&log).breaks(&[5]);
    // What was refused meanwhile may go behind.
    story.act("alice", Act::Refused { key: "a".into(), code: "unavailable".to_owned() });
    story.served(&log).breaks(&[]);
}

#[test]
fn rule_6_an_ack_did_not_count() {
    let log = [entry(1, "bob", "b"), entry(2, "alice", "a")];
    let mut story = Story::default();
    story.act("alice", Act::Connected).act("bob", Act::Connected);
    story.sends("alice", "a").acked("alice", "a", 2).sends("bob", "b").acked("bob", "b", 1);
    story.served(&log).breaks(&[6]);
}

#[test]
fn rule_7_an_unacked_message_is_doubled() {
    let again = [entry(4, "alice", "x"), entry(5, "alice", "x")];
    let mut story = sound();
    story.sends("alice", "x");
    for entry in &again {
        story.shown("alice", entry).shown("bob", entry);
    }
    let all: Vec<_> = log().into_iter().chain(again).collect();
    story.served(&all).breaks(&[7]);
}

#[test]
fn rule_8_positions_are_lost() {
    let [one, two, three] = log();
    for status in [Status::Reset, Status::Truncated] {
        let mut story = sound();
        story.rejoins("bob", 3, 3, status, 2).shown("bob", &two).shown("bob", &three);
        story.served(&log()).breaks(&[8]);
        story.history.phases[0].allows.insert(status);
        story.breaks(&[]);
    }
    let mut story = sound();
    let recovery = Recovery { status: Status::Reset, replayed: 3 };
    story.act("bob", Act::Resynced { room: ROOM.into(), head: place(3), recovery });
    story.shown("bob", &one).shown("bob", &two).shown("bob", &three).served(&log()).breaks(&[8]);
}

#[test]
fn rule_9_an_ack_took_too_long() {
    let four = entry(4, "alice", "d");
    let all: Vec<_> = log().into_iter().chain([four.clone()]).collect();
    for (late, rules) in [(9, &[][..]), (11, &[9])] {
        let mut story = sound();
        story.sends("alice", "d").shown("alice", &four).shown("bob", &four).lifted().later(late);
        story.acked("alice", "d", 4).served(&all).breaks(rules);
    }
}

#[test]
fn rule_9_a_member_was_shown_it_too_late() {
    for (late, rules) in [(9, &[][..]), (11, &[9])] {
        let mut story = sound();
        story.joins("carol").lifted().later(late);
        for entry in &log() {
            story.shown("carol", entry);
        }
        story.served(&log()).breaks(rules);
    }
}

#[test]
fn rule_9_a_client_did_not_come_back() {
    let mut story = sound();
    story.act("bob", Act::Lost { close: Some(1012) }).lifted();
    let mut back = Story { history: story.history.clone(), at: story.at };
    let mut away = Story { history: story.history.clone(), at: story.at };
    story.served(&log()).breaks(&[9]);
    back.rejoins("bob", 3, 3, Status::Complete, 0).served(&log()).breaks(&[]);
    away.act("bob", Act::Away).served(&log()).breaks(&[]);
}

#[test]
fn rule_10_somebody_is_still_there() {
    let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect::<BTreeSet<Name>>();
    let presence = |members: &[&str], count| Presence {
        instance: Instance(0),
        room: ROOM.into(),
        expected: names(&["alice", "bob"]),
        members: names(members),
        member_count: count,
    };
    for (presence, rules) in [
        (presence(&["alice", "bob"], 2), &[][..]),
        (presence(&["alice", "bob", "carol"], 3), &[10]),
        (presence(&["alice"], 1), &[10]),
        (presence(&["alice", "bob"], 3), &[10]),
    ] {
        let mut story = sound();
        story.history.presence.push(presence);
        story.served(&log()).breaks(rules);
    }
}

#[test]
fn rule_11_something_is_kept() {
    let began = Usage { connections: 0, descriptors: 20, threads: 5, memory_kib: 1_000 };
    let slack = Usage { connections: 0, descriptors: 2, threads: 0, memory_kib: 500 };
    for (ended, rules) in [
        (Usage { memory_kib: 1_500, descriptors: 22, ..began }, &[][..]),
        (Usage { connections: 1, ..began }, &[11]),
        (Usage { descriptors: 23, ..began }, &[11]),
        (Usage { threads: 6, ..began }, &[11]),
        (Usage { memory_kib: 1_501, ..began }, &[11]),
    ] {
        let mut story = sound();
        let resources = Resources { instance: Instance(0), began, ended, slack };
        story.history.resources.push(resources);
        story.served(&log()).breaks(rules);
    }
}

#[test]
fn rule_12_nothing_happened() {
    Story::default().breaks(&[12]);
    let mut still = sound();
    still.served(&log());
    still.history.phases[0].provoked.insert("dedup hits".to_owned(), 0);
    still.breaks(&[12]);
    let mut silent = sound();
    silent.served(&log());
    let mut idle = silent.history.phases[0].clone();
    idle.events = 0..2;
    silent.history.phases.push(idle);
    silent.breaks(&[12]);
}

#[test]
fn rule_13_a_server_sends_nonsense_or_panics() {
    let mut nonsense = sound();
    nonsense.act("bob", Act::Nonsense { what: "{}".to_owned() }).served(&log()).breaks(&[13]);
    let mut panicked = sound();
    panicked.history.panics.push((Instance(0), "thread 'worker-0' panicked at src/lib.rs:1:1:".to_owned()));
    panicked.served(&log()).breaks(&[13]);
}

#[test]
fn a_room_whose_log_was_not_served_convicts_nobody_of_losing_it() {
    let mut story = sound();
    let room: Name = "elsewhere".into();
    let entry = Entry { room: room.clone(), ..entry(1, "alice", "x") };
    let joined = Act::Joined { room: room.clone(), since: None, head: Position::START, recovery: None };
    story.act("alice", joined);
    story.act("alice", Act::Sent { room: room.clone(), key: "x".into(), text: entry.text.clone() });
    story.act("alice", Act::Acked { room, key: "x".into(), place: place(1), duplicate: false });
    story.shown("alice", &entry).served(&log()).breaks(&[]);
}
