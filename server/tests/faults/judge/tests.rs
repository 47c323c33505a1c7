//! Made-up histories: a sound one, and for each rule one or more that break only this rule.

mod changes;
mod history_builder;
mod markers;

use std::sync::Arc;

use self::history_builder::{HistoryBuilder, ROOM, entry, log, position, sound};
use super::*;
use crate::history::{Presence, Recovery, Resources, Usage};

#[test]
fn a_sound_history_breaks_nothing() {
    let verdict = sound().served(&log()).breaks(&[]);
    assert!(verdict.is_sound() && verdict.to_string().is_empty());
}

#[test]
fn a_sound_history_with_faults_breaks_nothing() {
    let [one, two, three] = log();
    let mut builder = HistoryBuilder::default();
    builder.joins("alice").joins("bob").sends("alice", "a").acked("alice", "a", 1).delivered("bob", &one);
    // Two messages without an ack are sent again; one of them is a duplicate.
    builder.sends("alice", "b").sends("alice", "c").lifted();
    builder.rejoins("alice", 0, 2, Status::Complete, 2).delivered("alice", &one).delivered("alice", &two);
    builder.sends("alice", "b").sends("alice", "c").acked("alice", "b", 2).acked("alice", "c", 3);
    builder.delivered("alice", &three);
    builder.rejoins("bob", 1, 3, Status::Complete, 2).delivered("bob", &two).delivered("bob", &three);
    // A refused message that is never stored.
    builder
        .sends("alice", "d")
        .act("alice", Act::Refused { key: "d".into(), code: "unavailable".to_owned() });
    builder.served(&log()).breaks(&[]);
}

#[test]
fn rule_1_breaks_if_an_acked_message_is_missing() {
    sound().sends("bob", "x").acked("bob", "x", 4).served(&log()).breaks(&[1]);
}

#[test]
fn rule_1_breaks_if_an_acked_message_has_another_position() {
    let mut builder = sound();
    builder.acked("alice", "c", 2).served(&log()).breaks(&[1]);
    let mut other_id = sound();
    let position = Position { id: Some("another".into()), ..position(3) };
    let acked = Act::Acked { room: ROOM.into(), key: "c".into(), position, duplicate: true };
    other_id.act("alice", acked).served(&log()).breaks(&[1]);
}

#[test]
fn rule_1_breaks_if_an_acked_message_is_stored_twice() {
    let again = entry(4, "alice", "c");
    let mut builder = sound();
    builder.delivered("alice", &again).delivered("bob", &again);
    let [one, two, three] = log();
    builder.served(&[one, two, three, again]).breaks(&[1]);
}

#[test]
fn rule_2_breaks_if_the_logs_of_instances_differ() {
    let mut builder = sound();
    builder.served(&log());
    let mut other = builder.history.served[0].clone();
    other.instance = Some(Instance(1));
    let mut changed = log();
    changed[1].ts += 1;
    other.entries = changed.into_iter().map(Arc::new).collect();
    builder.history.served.push(other.clone());
    builder.breaks(&[2]);
    // A shorter log, and a log with another epoch.
    for (entries, epoch) in [(2, "epoch"), (3, "another")] {
        let entries = builder.history.served[0].entries[..entries].to_vec();
        *builder.history.served.last_mut().expect("the other one") =
            Served { entries, epoch: Some(epoch.into()), ..other.clone() };
        builder.breaks(&[2]);
    }
}

#[test]
fn rule_2_breaks_if_a_log_has_a_hole() {
    let [one, two, _] = log();
    let four = entry(4, "alice", "c");
    let mut builder = HistoryBuilder::default();
    // Nobody is in the room to receive the hole.
    builder.act("alice", Act::Connected).sends("alice", "a").sends("alice", "b").sends("alice", "c");
    builder.acked("alice", "a", 1).acked("alice", "b", 2).acked("alice", "c", 4);
    builder.served(&[one, two, four]).breaks(&[2]);
}

#[test]
fn rule_3_breaks_if_a_member_misses_an_entry() {
    let [one, two, three] = log();
    let mut builder = sound();
    builder.joins("carol");
    builder.delivered("carol", &one).delivered("carol", &three).served(&log()).breaks(&[3]);
    // The same hole after a recovery that claims to be complete.
    let mut over_recovery = sound();
    over_recovery.joins("carol").delivered("carol", &one).rejoins("carol", 1, 3, Status::Complete, 2);
    over_recovery.delivered("carol", &three).served(&log()).breaks(&[3]);
    // The last entry is missing.
    let mut short = sound();
    short.joins("carol").delivered("carol", &one).delivered("carol", &two).served(&log()).breaks(&[3]);
}

#[test]
fn rule_3_breaks_if_a_member_receives_an_entry_twice() {
    let [one, two, three] = log();
    let mut builder = sound();
    builder.joins("carol").delivered("carol", &one).delivered("carol", &two);
    builder.rejoins("carol", 2, 3, Status::Complete, 1).delivered("carol", &two).delivered("carol", &three);
    builder.served(&log()).breaks(&[3]);
}

#[test]
fn rule_3_breaks_if_a_replay_has_another_length_than_announced() {
    let [one, two, three] = log();
    let mut builder = sound();
    builder.joins("carol").delivered("carol", &one).rejoins("carol", 1, 3, Status::Complete, 1);
    builder.delivered("carol", &two).delivered("carol", &three).served(&log()).breaks(&[3]);
}

#[test]
fn rule_3_breaks_if_a_client_outside_the_room_receives_an_entry() {
    let mut builder = sound();
    builder.act("carol", Act::Connected).delivered("carol", &log()[0]).served(&log()).breaks(&[3]);
}

#[test]
fn rule_4_breaks_if_a_delivered_entry_is_not_in_the_log() {
    let [mut one, two, three] = log();
    one.text = "something else".into();
    let mut builder = sound();
    builder.joins("carol").delivered("carol", &one).delivered("carol", &two).delivered("carol", &three);
    builder.served(&log()).breaks(&[4]);
}

#[test]
fn rule_4_breaks_if_nobody_sent_an_entry_of_the_log() {
    let four = entry(4, "mallory", "d");
    let [one, two, three] = log();
    let mut builder = sound();
    builder.delivered("alice", &four).delivered("bob", &four).served(&[one, two, three, four]).breaks(&[4]);
}

/// Redis loses `c` and assigns its seq again. Bob is notified if `notified` is true, and receives the new entry.
fn lossy(notified: bool) -> (HistoryBuilder, Vec<Entry>) {
    let [one, two, _] = log();
    let again = Entry { id: "id-again".into(), ..entry(3, "alice", "x") };
    let mut builder = sound();
    builder.loss();
    let recovery = Recovery { status: Status::Reset, replayed: 0 };
    for client in ["alice", "bob"] {
        if notified || client == "alice" {
            builder.act(client, Act::Resynced { room: ROOM.into(), head: position(2), recovery });
        }
    }
    builder.sends("alice", "x").delivered("alice", &again).acked_at("alice", "x", &again);
    if notified {
        builder.delivered("bob", &again);
    }
    let all = vec![one, two, again];
    builder.served(&all);
    builder.history.phases[0].allows.insert(Status::Reset);
    (builder, all)
}

#[test]
fn a_loss_that_clients_are_notified_of_breaks_nothing() {
    lossy(true).0.breaks(&[]);
}

#[test]
fn rule_4_breaks_if_a_client_is_not_notified_of_a_loss() {
    lossy(false).0.breaks(&[4]);
}

#[test]
fn rule_1_breaks_if_a_message_acked_after_a_loss_is_missing() {
    let (mut builder, all) = lossy(true);
    builder.history.served.clear();
    builder.sends("alice", "y").acked("alice", "y", 4).served(&all);
    builder.history.phases[0].allows.insert(Status::Reset);
    builder.breaks(&[1]);
}

#[test]
fn rule_5_breaks_if_messages_of_a_sender_are_swapped() {
    let log = [entry(1, "alice", "b"), entry(2, "alice", "a")];
    let mut builder = HistoryBuilder::default();
    builder.act("alice", Act::Connected).sends("alice", "a").sends("alice", "b");
    builder.acked("alice", "b", 1).acked("alice", "a", 2).served(&log).breaks(&[5]);
    // A message that was refused may have a later position.
    builder.act("alice", Act::Refused { key: "a".into(), code: "unavailable".to_owned() });
    builder.served(&log).breaks(&[]);
}

#[test]
fn rule_6_breaks_if_a_later_message_is_before_an_acked_one() {
    let log = [entry(1, "bob", "b"), entry(2, "alice", "a")];
    let mut builder = HistoryBuilder::default();
    builder.act("alice", Act::Connected).act("bob", Act::Connected);
    builder.sends("alice", "a").acked("alice", "a", 2).sends("bob", "b").acked("bob", "b", 1);
    builder.served(&log).breaks(&[6]);
}

#[test]
fn rule_7_breaks_if_an_unacked_message_is_stored_twice() {
    let again = [entry(4, "alice", "x"), entry(5, "alice", "x")];
    let mut builder = sound();
    builder.sends("alice", "x");
    for entry in &again {
        builder.delivered("alice", entry).delivered("bob", entry);
    }
    let all: Vec<_> = log().into_iter().chain(again).collect();
    builder.served(&all).breaks(&[7]);
}

#[test]
fn rule_8_breaks_if_a_position_is_lost() {
    let [one, two, three] = log();
    for status in [Status::Reset, Status::Truncated] {
        let mut builder = sound();
        builder.rejoins("bob", 3, 3, status, 2).delivered("bob", &two).delivered("bob", &three);
        builder.served(&log()).breaks(&[8]);
        builder.history.phases[0].allows.insert(status);
        builder.breaks(&[]);
    }
    let mut builder = sound();
    let recovery = Recovery { status: Status::Reset, replayed: 3 };
    builder.act("bob", Act::Resynced { room: ROOM.into(), head: position(3), recovery });
    builder
        .delivered("bob", &one)
        .delivered("bob", &two)
        .delivered("bob", &three)
        .served(&log())
        .breaks(&[8]);
}

#[test]
fn rule_9_breaks_if_an_ack_takes_more_than_10_seconds() {
    let four = entry(4, "alice", "d");
    let all: Vec<_> = log().into_iter().chain([four.clone()]).collect();
    for (late, rules) in [(9, &[][..]), (11, &[9])] {
        let mut builder = sound();
        builder.sends("alice", "d").delivered("alice", &four).delivered("bob", &four).lifted().later(late);
        builder.acked("alice", "d", 4).served(&all).breaks(rules);
    }
}

#[test]
fn rule_9_breaks_if_a_delivery_takes_more_than_10_seconds() {
    for (late, rules) in [(9, &[][..]), (11, &[9])] {
        let mut builder = sound();
        builder.joins("carol").lifted().later(late);
        for entry in &log() {
            builder.delivered("carol", entry);
        }
        builder.served(&log()).breaks(rules);
    }
}

#[test]
fn rule_9_breaks_if_a_client_does_not_reconnect() {
    let mut builder = sound();
    builder.act("bob", Act::Lost { close: Some(1012) }).lifted();
    let mut back = HistoryBuilder { history: builder.history.clone(), at: builder.at };
    let mut away = HistoryBuilder { history: builder.history.clone(), at: builder.at };
    builder.served(&log()).breaks(&[9]);
    back.rejoins("bob", 3, 3, Status::Complete, 0).served(&log()).breaks(&[]);
    away.act("bob", Act::Away).served(&log()).breaks(&[]);
}

#[test]
fn rule_10_breaks_if_the_members_of_a_room_are_wrong() {
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
        let mut builder = sound();
        builder.history.presence.push(presence);
        builder.served(&log()).breaks(rules);
    }
}

#[test]
fn rule_11_breaks_if_a_process_keeps_resources() {
    let began = Usage { connections: 0, descriptors: 20, threads: 5, memory_kib: 1_000 };
    let slack = Usage { connections: 0, descriptors: 2, threads: 0, memory_kib: 500 };
    for (ended, rules) in [
        (Usage { memory_kib: 1_500, descriptors: 22, ..began }, &[][..]),
        (Usage { connections: 1, ..began }, &[11]),
        (Usage { descriptors: 23, ..began }, &[11]),
        (Usage { threads: 6, ..began }, &[11]),
        (Usage { memory_kib: 1_501, ..began }, &[11]),
    ] {
        let mut builder = sound();
        let resources = Resources { instance: Instance(0), began, ended, slack };
        builder.history.resources.push(resources);
        builder.served(&log()).breaks(rules);
    }
}

#[test]
fn rule_12_breaks_if_a_phase_provokes_nothing() {
    HistoryBuilder::default().breaks(&[12]);
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
fn rule_13_breaks_if_a_server_violates_the_protocol_or_panics() {
    let mut nonsense = sound();
    nonsense.act("bob", Act::Violation { what: "{}".to_owned() }).served(&log()).breaks(&[13]);
    let mut panicked = sound();
    panicked.history.panics.push((Instance(0), "thread 'worker-0' panicked at src/lib.rs:1:1:".to_owned()));
    panicked.served(&log()).breaks(&[13]);
}

#[test]
fn a_room_whose_log_was_not_served_breaks_nothing() {
    let mut builder = sound();
    let room: Name = "elsewhere".into();
    let entry = Entry { room: room.clone(), ..entry(1, "alice", "x") };
    let joined = Act::Joined { room: room.clone(), since: None, head: Position::START, recovery: None };
    builder.act("alice", joined);
    builder.act(
        "alice",
        Act::Sent {
            room: room.clone(),
            key: "x".into(),
            content: Content::Message { text: entry.text.clone() },
        },
    );
    builder.act("alice", Act::Acked { room, key: "x".into(), position: position(1), duplicate: false });
    builder.delivered("alice", &entry).served(&log()).breaks(&[]);
}
