//! A message's way: queued, sent, stored or refused.

use super::*;

#[test]
fn typed_while_offline_is_sent_once_and_in_order() {
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
fn the_own_copy_counts_as_an_ack() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m");
    bench.message("a", 1, "bob", Some("m"));
    assert_eq!(bench.states("m"), ["queued", "sent"], "that is another one's");
    bench.message("a", 2, "me", Some("m"));
    bench.ack("a", "m", 2);
    assert_eq!(bench.states("m"), ["queued", "sent", "stored 2"]);
}

#[test]
fn without_an_answer_it_is_sent_again_with_the_same_id_before_newer_ones() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("b", "m2");
    bench.send("a", "m3");
    bench.forget();
    bench.closed(1006);
    assert_eq!(bench.states("m1"), ["queued"]);
    assert_eq!(bench.states("m3"), [""; 0], "it never went");
    bench.send("b", "m4");
    bench.reconnected();
    assert_eq!(bench.posts(), ["m1", "m2"]);
    bench.ack("b", "m2", 1);
    bench.ack("a", "m1", 1);
    assert_eq!(bench.posts(), ["m1", "m2", "m4", "m3"]);
}

#[test]
fn a_replayed_own_copy_settles_what_the_lost_connection_left_open() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("a", "m2");
    bench.closed(1006);
    bench.forget();
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
fn too_much_too_fast_holds_everything_back() {
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
fn messages_keep_to_the_rate_of_the_welcome() {
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
fn not_known_to_be_stored_is_tried_again_ever_slower() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("a", "m2");
    for tries in 1..=6 {
        assert_eq!(bench.posts().len(), tries);
        bench.refuse("m1", "unavailable", true);
        assert_eq!(bench.posts().len(), tries, "not at once, and nothing overtakes it");
        bench.live(seconds(16));
    }
    assert!(bench.posts().iter().all(|id| id == "m1"));
}

#[test]
fn refused_for_good_is_told_and_the_queue_goes_on() {
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
    assert_eq!(bench.states("m1").last().map(String::as_str), Some("refused: no longer held: send it anew"));
}

#[test]
fn an_id_is_a_message() {
    let mut bench = Bench::new();
    bench.send("a", "m");
    bench.send("a", "m");
    assert_eq!(bench.states("m"), ["queued"]);
    bench.welcome(0);
    assert_eq!(bench.posts(), ["m"]);
}

#[test]
fn a_connection_on_which_an_answer_never_comes_is_given_up() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m");
    bench.live(seconds(29));
    assert_eq!((bench.drops, bench.states("m").len()), (0, 2));
    bench.live(seconds(2));
    assert_eq!(bench.drops, 1);
    bench.live(seconds(1));
    bench.welcome(0);
    assert_eq!(bench.posts(), ["m", "m"]);
}

#[test]
fn other_refusals_are_told() {
    let mut bench = Bench::in_room("a", 1);
    bench.error("not_a_member", false, r#","room":"b""#);
    bench.refuse("unheard of", "forbidden", false);
    assert!(matches!(bench.events[..], [Event::Server(_), Event::Server(_)]));
}

#[test]
fn that_typing_is_refused_is_not_told_and_not_tried_again() {
    let typing = |bench: &mut Bench, room: &str| {
        bench.forget();
        bench.command(Command::Typing { room: name(room), is_typing: true });
        bench.written.len()
    };
    let mut bench = Bench::in_room("a", 1);
    assert_eq!(typing(&mut bench, "a"), 1);
    let reference = bench.written[0].reference.clone().expect("a ref");
    bench.error("rate_limited", true, &format!(r#","room":"a","ref":"{reference}""#));
    assert_eq!(typing(&mut bench, "a"), 1, "that was for now");
    bench.error("forbidden", false, &format!(r#","room":"a","ref":"{reference}""#));
    assert!(bench.events.is_empty(), "{:?}", bench.events);
    assert_eq!((typing(&mut bench, "a"), typing(&mut bench, "b")), (0, 1));
    bench.lost(Disconnect::Silent);
    bench.live(seconds(60));
    bench.welcome(0);
    assert_eq!(typing(&mut bench, "a"), 1, "another connection may be allowed more");
}

#[test]
fn what_may_not_be_stored_is_sent_again_under_its_id_as_long_as_it_takes() {
    let mut bench = Bench::in_room("a", 1);
    bench.send("a", "m1");
    bench.send("a", "m2");
    let mut waits = Vec::new();
    for tries in 1..=12 {
        assert_eq!(bench.posts(), vec!["m1"; tries], "nothing passes it");
        bench.refuse("m1", "unavailable", true);
        assert_eq!(bench.states("m1").last().map(String::as_str), Some("put off: no: unavailable"));
        let before = bench.now;
        while bench.posts().len() == tries {
            bench.live(seconds(1));
        }
        waits.push((bench.now - before).as_secs());
    }
    assert!(waits.iter().all(|wait| *wait <= 31), "{waits:?}");
    bench.ack("a", "m1", 2);
    assert_eq!(bench.states("m1").last().map(String::as_str), Some("stored 2"));
    assert_eq!(bench.posts().last().map(String::as_str), Some("m2"));
}

#[test]
fn what_waits_can_be_taken_back() {
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
fn what_is_taken_back_after_a_refusal_for_now_may_be_stored_or_not() {
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
