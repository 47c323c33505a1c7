//! Requests for data: pacing, refusals, and answers that do not come.

use std::time::Duration;

use realtime_shared::{ClientEvent, HistoryRequest, ServerEvent};

use super::{Bench, name, seconds};
use crate::command::Command;
use crate::event::Event;
use crate::requests::REQUESTS;

fn history(room: &str) -> Command {
    Command::History(HistoryRequest::before(name(room), None, 50))
}

/// A session in room `a` that has sent a request for its history.
fn requested() -> (Bench, String) {
    let mut bench = Bench::in_room("a", 1);
    bench.command(history("a"));
    let reference = references(&bench).pop().expect("a ref");
    bench.clear_outputs();
    (bench, reference)
}

/// The `ref` of each written request for history.
fn references(bench: &Bench) -> Vec<String> {
    let is_history = |event: &ClientEvent| matches!(event, ClientEvent::History(_));
    let frames = bench.written.iter().filter(|frame| is_history(&frame.event));
    frames.map(|frame| frame.reference.as_ref().expect("a ref").to_string()).collect()
}

fn answer(bench: &mut Bench, more: &str) {
    bench.receives(&format!(
        r#"{{"type":"history","room":"a","epoch":null,"messages":[],"has_more":false{more}}}"#
    ));
}

/// The number of answers, and the reasons of failed requests.
fn outcomes(bench: &Bench) -> (usize, Vec<&str>) {
    let answers = bench.events.iter().filter(|event| matches!(event, Event::Server(ServerEvent::History(_))));
    let failures = bench.events.iter().filter_map(|event| match event {
        Event::RequestFailed { request, reason } => {
            assert_eq!(*request, history("a"));
            Some(reason.as_str())
        }
        _ => None,
    });
    (answers.count(), failures.collect())
}

#[test]
fn joins_and_requests_together_stay_below_the_rate() {
    let mut bench = Bench::new();
    bench.welcome(50);
    bench.clear_outputs();
    for number in 0..55 {
        bench.join(&format!("r{number}"));
        bench.command(history(&format!("r{number}")));
    }
    assert_eq!(bench.written.len(), 50);
    bench.pass(seconds(1));
    assert!((99..=100).contains(&bench.written.len()), "{}", bench.written.len());
    bench.pass(seconds(1));
    assert_eq!((bench.joins().len(), references(&bench).len()), (55, 55));
}

#[test]
fn a_temporary_refusal_is_repeated_after_the_time_that_the_server_requires() {
    let (mut bench, reference) = requested();
    bench.error("rate_limited", true, &format!(r#","retry_after_ms":3000,"ref":"{reference}""#));
    bench.pass(Duration::from_millis(2_999));
    assert!(references(&bench).is_empty());
    bench.pass(Duration::from_millis(1));
    assert_eq!(references(&bench), [reference.as_str()]);
    answer(&mut bench, &format!(r#","ref":"{reference}""#));
    assert_eq!(outcomes(&bench), (1, Vec::new()));
    bench.pass_active(seconds(60));
    assert_eq!((outcomes(&bench), references(&bench).len()), ((1, Vec::new()), 1));
}

#[test]
fn a_refusal_of_another_frame_does_not_end_a_request() {
    let (mut bench, reference) = requested();
    bench.error("forbidden", false, r#","room":"a""#);
    bench.error("forbidden", false, r#","room":"a","ref":"another""#);
    answer(&mut bench, &format!(r#","ref":"{reference}""#));
    assert_eq!(outcomes(&bench), (1, Vec::new()));
}

#[test]
fn a_permanent_refusal_is_reported() {
    let (mut bench, reference) = requested();
    bench.error("forbidden", false, &format!(r#","room":"a","ref":"{reference}""#));
    assert_eq!(outcomes(&bench), (0, vec!["no: forbidden"]));
    assert_eq!(bench.events.len(), 1, "once");
}

#[test]
fn a_request_without_an_answer_fails_and_its_late_answer_is_dropped() {
    let (mut bench, reference) = requested();
    bench.pass_active(seconds(19));
    assert_eq!(outcomes(&bench), (0, Vec::new()));
    bench.pass_active(seconds(1));
    assert_eq!(outcomes(&bench), (0, vec!["no answer in 20 s"]));
    bench.clear_outputs();
    bench.command(history("a"));
    let second = references(&bench).pop().expect("a ref");
    answer(&mut bench, &format!(r#","ref":"{reference}""#));
    assert_eq!(outcomes(&bench), (0, Vec::new()));
    answer(&mut bench, &format!(r#","ref":"{second}""#));
    assert_eq!(outcomes(&bench), (1, Vec::new()));
}

#[test]
fn a_request_that_is_refused_all_the_time_fails_with_the_reason() {
    let (mut bench, reference) = requested();
    for _ in 0..20 {
        bench.error("unavailable", true, &format!(r#","retry_after_ms":1000,"ref":"{reference}""#));
        bench.pass_active(seconds(1));
    }
    assert_eq!(outcomes(&bench), (0, vec!["no: unavailable"]));
}

#[test]
fn an_answer_without_a_ref_belongs_to_the_oldest_request_for_it() {
    let (mut bench, _) = requested();
    answer(&mut bench, "");
    answer(&mut bench, "");
    assert_eq!(outcomes(&bench), (1, Vec::new()));
}

#[test]
fn a_change_of_the_log_drops_requests_for_history() {
    let (mut bench, reference) = requested();
    bench.receives(&format!(
        r#"{{"type":"system","event":"resync","message":"resync","room":"a","position":{},
        "recovery":{{"status":"reset","replayed":0}}}}"#,
        super::position("e2", 1)
    ));
    answer(&mut bench, &format!(r#","ref":"{reference}""#));
    bench.pass_active(seconds(30));
    assert_eq!(outcomes(&bench), (0, Vec::new()));
}

#[test]
fn a_lost_connection_drops_requests() {
    let (mut bench, reference) = requested();
    bench.closed(1006);
    bench.reconnected();
    answer(&mut bench, &format!(r#","ref":"{reference}""#));
    assert_eq!((outcomes(&bench), references(&bench).len()), ((0, Vec::new()), 0));
}

#[test]
fn too_many_requests_fail_at_once() {
    let mut bench = Bench::in_room("a", 1);
    for _ in 0..=REQUESTS {
        bench.command(history("a"));
    }
    assert_eq!(outcomes(&bench), (0, vec!["too many requests wait"]));
}

/// A session in room `a` of a server with this list of features, which has sent a search.
fn searched(features: &str) -> Bench {
    let mut bench = Bench::new();
    bench.welcome_with(0, &format!(r#","features":[{features}]"#));
    bench.join("a");
    bench.joined("a", 1, None);
    bench.clear_outputs();
    bench.command(Command::FindMembers { room: name("a"), prefix: "al".to_owned() });
    bench
}

fn found(bench: &mut Bench, more: &str) {
    bench.receives(&format!(
        r#"{{"type":"members","room":"a","members":["Alice","alex"],"member_count":9{more}}}"#
    ));
}

#[test]
fn a_search_for_members_is_answered_with_its_prefix() {
    let mut bench = searched(r#""member_prefix""#);
    let [frame] = &bench.written[..] else { panic!("not one frame: {:?}", bench.written) };
    let request = ClientEvent::Members { room: name("a"), prefix: Some("al".to_owned()), limit: None };
    assert_eq!(frame.event, request);
    let reference = frame.reference.clone().expect("a ref").to_string();
    found(&mut bench, r#","has_more":true,"ref":"another""#);
    found(&mut bench, &format!(r#","has_more":true,"ref":"{reference}""#));
    found(&mut bench, &format!(r#","has_more":true,"ref":"{reference}""#));
    let [Event::MembersFound { room, prefix, members, has_more }] = &bench.events[..] else {
        panic!("not one answer: {:?}", bench.events)
    };
    let members: Vec<_> = members.iter().map(realtime_shared::UserId::as_str).collect();
    assert_eq!(
        (room, prefix.as_str(), &members[..], has_more),
        (&name("a"), "al", &["Alice", "alex"][..], &true)
    );
}

#[test]
fn a_search_does_not_take_the_list_of_members() {
    let mut bench = searched(r#""member_prefix""#);
    bench.command(Command::Members(name("a")));
    found(&mut bench, "");
    assert!(matches!(&bench.events[..], [Event::Server(ServerEvent::Members(_))]), "{:?}", bench.events);
}

#[test]
fn a_server_without_the_feature_is_not_asked_for_members_by_prefix() {
    let bench = searched(r#""edit""#);
    assert_eq!(bench.written, []);
    assert!(matches!(&bench.events[..], [Event::RequestFailed { .. }]), "{:?}", bench.events);
}

#[test]
fn the_limit_of_lists_holds_up_no_messages() {
    let mut bench = searched(r#""member_prefix""#);
    let reference = bench.written[0].reference.clone().expect("a ref").to_string();
    bench.clear_outputs();
    bench.error("rate_limited", true, &format!(r#","retry_after_ms":3000,"ref":"{reference}""#));
    bench.send("a", "m1");
    assert_eq!(bench.written.len(), 1, "the message");
    bench.pass(Duration::from_secs(3));
    assert!(matches!(bench.written[1].event, ClientEvent::Members { .. }), "{:?}", bench.written);
}
