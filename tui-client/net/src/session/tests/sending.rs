//! Tests of a message's states: queued, sent, stored, refused.

use realtime_shared::{Change, Content, Pin, Seq};

use super::*;

#[test]
fn messages_written_offline_are_sent_once_and_in_order() {
    let mut bench = Bench::new();
    bench.join("a");
    for id in ["m1", "m2", "m3"] {
        bench.send("a", id);
    }
    assert_eq!(bench.states("m1"), ["queued"]);
    bench.welcome(0);
    assert_eq!(bench.joins().len(), 1, "joins first");
    assert_eq!(bench.posts(), ["m1"]);
    for (seq, id) in [(1, "m1"), (2, "m2"), (3, "m3")] {
        bench.ack("a", id, seq);
    }
    assert_eq!(bench.posts(), ["m1", "m2", "m3"]);
    assert_eq!(bench.states("m2"), ["queued", "sent", "stored 2"]);
}

#[test]
fn the_clients_own_copy_counts_as_an_ack() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m");
    bench.message("a", 1, "bob", Some("m"));
    assert_eq!(bench.states("m"), ["queued", "sent"], "that is the copy of another user");
    bench.message("a", 2, "me", Some("m"));
    bench.ack("a", "m", 2);
    assert_eq!(bench.states("m"), ["queued", "sent", "stored 2"]);
}

#[test]
fn an_unanswered_message_is_sent_again_with_its_id_before_later_ones() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("b", "m2");
    bench.send("a", "m3");
    bench.clear_outputs();
    bench.closed(1006);
    assert_eq!(bench.states("m1"), ["queued"]);
    assert_eq!(bench.states("m3"), [""; 0], "it was never sent");
    bench.send("b", "m4");
    bench.reconnected();
    assert_eq!(bench.posts(), ["m1", "m2"]);
    bench.ack("b", "m2", 1);
    bench.ack("a", "m1", 1);
    assert_eq!(bench.posts(), ["m1", "m2", "m4", "m3"]);
}

#[test]
fn a_replayed_own_copy_counts_as_the_lost_ack() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("a", "m2");
    bench.closed(1006);
    bench.clear_outputs();
    bench.now += seconds(60);
    bench.session.tick(bench.now);
    bench.drain();
    bench.welcome(0);
    bench.joined("a", 1, Some(("complete", 1)));
    bench.message("a", 1, "me", Some("m1"));
    assert_eq!(bench.states("m1").last().map(String::as_str), Some("stored 1"));
    assert_eq!(bench.posts().last().map(String::as_str), Some("m2"));
}

#[test]
fn a_rate_limited_error_pauses_all_rooms() {
    let mut bench = Bench::new();
    bench.welcome(10);
    for id in ["m1", "m2"] {
        bench.send("a", id);
    }
    bench.send("b", "other");
    bench.error("rate_limited", true, r#","retry_after_ms":3000,"room":"a","client_msg_id":"m1""#);
    bench.ack("b", "other", 1);
    bench.send("b", "later");
    assert_eq!(bench.posts(), ["m1", "other"]);
    assert_eq!(bench.states("m1"), ["queued", "sent", "put off: no: rate_limited"]);
    bench.pass(Duration::from_millis(2_999));
    assert_eq!(bench.posts(), ["m1", "other"]);
    bench.pass(seconds(1));
    assert_eq!(bench.posts(), ["m1", "other", "m1", "later"]);
    bench.ack("a", "m1", 1);
    assert_eq!(bench.posts().last().map(String::as_str), Some("m2"));
}

#[test]
fn a_slow_room_delays_no_other_room_and_no_join() {
    let mut bench = Bench::new();
    bench.welcome(10);
    for id in ["m1", "m2"] {
        bench.send("a", id);
    }
    let more = r#","retry_after_ms":3000,"scope":"room","room":"a","client_msg_id":"m1""#;
    bench.error("rate_limited", true, more);
    bench.send("b", "other");
    bench.join("c");
    assert_eq!(bench.posts(), ["m1", "other"]);
    assert_eq!(bench.joins().len(), 1);
    bench.pass(Duration::from_millis(2_999));
    assert_eq!(bench.posts(), ["m1", "other"]);
    bench.pass(seconds(1));
    assert_eq!(bench.posts(), ["m1", "other", "m1"], "m2 waits for the answer");
}

/// Changes have a budget of their own.
#[test]
fn a_rate_limited_change_holds_up_later_changes_of_its_room_only() {
    let mut bench = Bench::new();
    bench.welcome_with(10, r#","features":["pin"]"#);
    let pin = Pin { target: Seq::new(1), target_id: None, removed: false };
    for id in ["pin", "later"] {
        let content = Content::Change(Change::Pin(pin.clone()));
        bench.command(Command::Submit { room: name("a"), content, client_msg_id: msg(id) });
    }
    bench.send("a", "m1");
    bench.send("a", "m2");
    bench.ack("a", "m1", 1);
    bench.error("rate_limited", true, r#","retry_after_ms":3000,"room":"a","client_msg_id":"pin""#);
    bench.send("b", "other");
    assert_eq!(bench.posts(), ["pin", "m1", "m2", "other"]);
    bench.pass(seconds(4));
    assert_eq!(bench.posts(), ["pin", "m1", "m2", "other", "pin"]);
    bench.ack("a", "pin", 2);
    assert_eq!(bench.posts().last().map(String::as_str), Some("later"));
}

#[test]
fn messages_are_paced_by_the_rate_of_the_welcome() {
    let mut bench = Bench::new();
    bench.welcome(10);
    for number in 0..40 {
        bench.send(&format!("r{number}"), &format!("m{number}"));
    }
    assert_eq!(bench.posts().len(), 10);
    bench.pass(Duration::from_millis(501));
    assert_eq!(bench.posts().len(), 15);
}

#[test]
fn an_unavailable_message_is_sent_again_and_nothing_overtakes_it() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("a", "m2");
    for tries in 1..=6 {
        assert_eq!(bench.posts().len(), tries);
        bench.refuse("m1", "unavailable", true);
        assert_eq!(bench.posts().len(), tries, "not at once, and nothing overtakes it");
        bench.pass_active(seconds(16));
    }
    assert!(bench.posts().iter().all(|id| id == "m1"));
}

#[test]
fn a_refused_message_is_reported_and_the_next_one_is_sent() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("a", "m2");
    bench.refuse("m1", "invalid_text", false);
    assert_eq!(bench.states("m1"), ["queued", "sent", "refused: no: invalid_text"]);
    assert_eq!(bench.posts(), ["m1", "m2"]);
    bench.command(Command::Resend(msg("m1")));
    bench.ack("a", "m2", 1);
    assert_eq!(bench.posts(), ["m1", "m2", "m1"]);
    bench.ack("a", "m1", 2);
    assert_eq!(bench.states("m1").last().map(String::as_str), Some("stored 2"));
    bench.command(Command::Resend(msg("m1")));
    assert_eq!(
        bench.states("m1").last().map(String::as_str),
        Some("refused: no longer kept: write it again")
    );
}

#[test]
fn a_second_message_with_the_same_id_is_ignored() {
    let mut bench = Bench::new();
    bench.send("a", "m");
    bench.send("a", "m");
    assert_eq!(bench.states("m"), ["queued"]);
    bench.welcome(0);
    assert_eq!(bench.posts(), ["m"]);
}

#[test]
fn a_connection_with_an_overdue_answer_is_dropped() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m");
    bench.pass_active(seconds(29));
    assert_eq!((bench.drops, bench.states("m").len()), (0, 2));
    bench.pass_active(seconds(2));
    assert_eq!(bench.drops, 1);
    bench.pass_active(seconds(1));
    bench.welcome(0);
    assert_eq!(bench.posts(), ["m", "m"]);
}

#[test]
fn other_refusals_are_reported() {
    let mut bench = Bench::in_room("a", 1);
    bench.error("not_a_member", false, r#","room":"b""#);
    bench.refuse("unknown id", "forbidden", false);
    assert!(matches!(bench.events[..], [Event::Server(_), Event::Server(_)]));
}

#[test]
fn a_refusal_of_typing_is_not_reported_and_typing_is_not_repeated() {
    let typing = |bench: &mut Bench, room: &str| {
        bench.clear_outputs();
        bench.command(Command::Typing { room: name(room), is_typing: true });
        bench.written.len()
    };
    let mut bench = Bench::in_room("a", 1);
    assert_eq!(typing(&mut bench, "a"), 1);
    let reference = bench.written[0].reference.clone().expect("a ref");
    bench.error("rate_limited", true, &format!(r#","room":"a","ref":"{reference}""#));
    assert_eq!(typing(&mut bench, "a"), 1, "the refusal was temporary");
    bench.error("forbidden", false, &format!(r#","room":"a","ref":"{reference}""#));
    assert!(bench.events.is_empty(), "{:?}", bench.events);
    assert_eq!((typing(&mut bench, "a"), typing(&mut bench, "b")), (0, 1));
    bench.lost(Disconnect::Silent);
    bench.pass_active(seconds(60));
    bench.welcome(0);
    assert_eq!(typing(&mut bench, "a"), 1, "another connection tries again");
}

#[test]
fn an_unavailable_message_is_sent_again_without_a_limit_of_attempts() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("a", "m2");
    let mut waits = Vec::new();
    for tries in 1..=12 {
        assert_eq!(bench.posts(), vec!["m1"; tries], "no other message overtakes it");
        bench.refuse("m1", "unavailable", true);
        assert_eq!(bench.states("m1").last().map(String::as_str), Some("put off: no: unavailable"));
        let before = bench.now;
        while bench.posts().len() == tries {
            bench.pass_active(seconds(1));
        }
        waits.push((bench.now - before).as_secs());
    }
    assert!(waits.iter().all(|wait| *wait <= 31), "{waits:?}");
    bench.ack("a", "m1", 2);
    assert_eq!(bench.states("m1").last().map(String::as_str), Some("stored 2"));
    assert_eq!(bench.posts().last().map(String::as_str), Some("m2"));
}

#[test]
fn a_waiting_message_can_be_taken_back() {
    let mut bench = Bench::in_room("a", 1);
    for id in ["m1", "m2", "m3"] {
        bench.send("a", id);
    }
    let last = |bench: &Bench, id| bench.states(id).last().cloned();
    bench.command(Command::TakeBack(msg("m1")));
    assert_eq!(last(&bench, "m1").as_deref(), Some("sent"), "it is in flight");
    bench.command(Command::TakeBack(msg("m2")));
    assert_eq!(last(&bench, "m2").as_deref(), Some("taken back, sent: false"));
    bench.command(Command::TakeBack(msg("never")));
    assert_eq!(last(&bench, "never"), None);
    bench.ack("a", "m1", 2);
    assert_eq!(bench.posts(), ["m1", "m3"]);
    bench.closed(1006);
    bench.command(Command::TakeBack(msg("m3")));
    assert_eq!(last(&bench, "m3").as_deref(), Some("taken back, sent: true"), "its answer was lost");
    let posts = bench.posts().len();
    bench.reconnected();
    assert_eq!(bench.posts().len(), posts);
}

#[test]
fn a_message_taken_back_after_unavailable_may_be_stored() {
    for (code, in_doubt) in [("unavailable", true), ("rate_limited", false)] {
        let mut bench = Bench::in_room("a", 1);
        bench.send("a", "m1");
        bench.send("a", "m2");
        bench.refuse("m1", code, true);
        for (id, in_doubt) in [("m2", false), ("m1", in_doubt)] {
            bench.command(Command::TakeBack(msg(id)));
            let expected = format!("taken back, sent: {in_doubt}");
            assert_eq!(bench.states(id).last(), Some(&expected), "{code}");
        }
    }
}
