//! Missing answers, and messages that the server puts off.

use std::time::Duration;

use realtime_shared::ClientEvent;

use super::{Bench, seconds};
use crate::event::{Event, Health};

impl Bench {
    /// The reported changes, and forgets them.
    fn changes(&mut self) -> Vec<Health> {
        let changes = self.events.iter().filter_map(|event| match event {
            Event::Health(health) => Some(health.clone()),
            _ => None,
        });
        let changes = changes.collect();
        self.events.clear();
        changes
    }

    /// Answers the last ping.
    fn pong(&mut self) {
        let nonce = self.written.iter().rev().find_map(|frame| match &frame.event {
            ClientEvent::Ping(ping) => ping.nonce.clone(),
            _ => None,
        });
        let nonce = nonce.expect("a ping");
        self.receives(&format!(r#"{{"type":"pong","ts":1,"nonce":"{nonce}"}}"#));
    }

    /// A session whose first ping is answered.
    fn answered() -> Self {
        let mut bench = Self::new();
        bench.welcome(0);
        bench.join("a");
        bench.joined("a", 1, None);
        bench.pong();
        bench.clear_outputs();
        bench
    }
}

fn putting_off(code: &str) -> Health {
    Health::PuttingOff(format!("no: {code}"))
}

#[test]
fn a_message_without_an_answer_is_reported_after_three_seconds() {
    let mut bench = Bench::answered();
    bench.send("a", "m");
    bench.pass(seconds(1));
    bench.entry("a", 2);
    bench.pass(Duration::from_millis(1_999));
    assert_eq!(bench.changes(), []);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.changes(), [Health::Silent], "frames of others are no answer");
    bench.pass(seconds(10));
    assert_eq!(bench.changes(), [], "once");
    bench.ack("a", "m", 3);
    assert_eq!(bench.changes(), [Health::Answering]);
}

#[test]
fn a_join_without_an_answer_is_reported_after_three_seconds() {
    let mut bench = Bench::answered();
    bench.join("b");
    bench.pass(Duration::from_millis(2_999));
    assert_eq!(bench.changes(), []);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.changes(), [Health::Silent]);
    bench.joined("b", 1, None);
    assert_eq!(bench.changes(), [Health::Answering]);
}

#[test]
fn a_ping_without_a_sign_of_life_is_reported_after_three_seconds() {
    let mut bench = Bench::answered();
    bench.pass(seconds(20));
    bench.pass(seconds(2));
    bench.entry("a", 2);
    bench.pass(seconds(2));
    assert_eq!(bench.changes(), [], "the server lives");
    bench.pass(seconds(1));
    assert_eq!(bench.changes(), [Health::Silent]);
    bench.pong();
    assert_eq!(bench.changes(), [Health::Answering]);
}

#[test]
fn a_healthy_connection_has_no_deadline_but_its_next_ping() {
    let mut bench = Bench::answered();
    bench.send("a", "m");
    bench.ack("a", "m", 2);
    let left = bench.session.deadline(bench.now).map(|at| at - bench.now);
    assert_eq!(left, Some(seconds(20)));
}

#[test]
fn a_message_that_is_put_off_again_and_again_is_one_state() {
    let mut bench = Bench::answered();
    bench.send("a", "m");
    bench.refuse("m", "unavailable", true);
    assert_eq!(bench.changes(), [putting_off("unavailable")]);
    for _ in 0..5 {
        bench.pass_active(seconds(10));
        bench.refuse("m", "unavailable", true);
    }
    assert_eq!(bench.changes(), []);
    bench.pass_active(seconds(20));
    bench.ack("a", "m", 2);
    assert_eq!(bench.changes(), [Health::Answering]);
}

#[test]
fn a_join_that_is_put_off_is_reported_until_it_succeeds() {
    let mut bench = Bench::answered();
    bench.join("b");
    let refuse = |bench: &mut Bench, code: &str| {
        let reference = bench.joins().last().expect("a join").2.clone();
        bench.error(code, true, &format!(r#","room":"b","ref":"{reference}""#));
    };
    refuse(&mut bench, "rate_limited");
    assert_eq!(bench.changes(), [], "joins are paced");
    bench.pass_active(seconds(2));
    refuse(&mut bench, "unavailable");
    assert_eq!(bench.changes(), [putting_off("unavailable")]);
    bench.pass_active(seconds(2));
    bench.joined("b", 0, None);
    assert_eq!(bench.changes(), [Health::Answering]);
}

#[test]
fn a_new_connection_begins_healthy() {
    let mut bench = Bench::answered();
    bench.send("a", "m");
    bench.refuse("m", "unavailable", true);
    bench.closed(1_006);
    bench.changes();
    bench.pass(seconds(1));
    bench.welcome(0);
    assert_eq!(bench.changes(), []);
    bench.join("a");
    bench.joined("a", 1, None);
    bench.refuse("m", "unavailable", true);
    assert_eq!(bench.changes(), [putting_off("unavailable")]);
}
