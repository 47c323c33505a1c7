//! The token: refusals, renewals, and tokens of the program.

use realtime_shared::{ClientEvent, CloseCode, Timestamp};

use super::connection::waiting;
use super::{Bench, seconds};
use crate::claims::TokenClaims;
use crate::command::Command;
use crate::event::{ConnectionState, Disconnect, Event};
use crate::tokens::{SourceAnswer, Token};

const EXPIRING: &str = r#"{"type":"system","event":"token_expiring","message":"soon","expires_at":9}"#;
const SAME: SourceAnswer = SourceAnswer::Same { is_fixed: false };

impl Bench {
    fn source_answers(&mut self, answer: SourceAnswer) {
        self.session.source_answered(answer, self.now);
        self.drain();
    }

    fn another_token(&mut self) {
        self.source_answers(SourceAnswer::Another("another".to_owned()));
    }

    /// Answers the last `refresh`.
    #[track_caller]
    fn refreshed(&mut self) {
        let reference = self.refresh().1;
        self.receives(&format!(r#"{{"type":"refreshed","expires_at":99000,"ref":"{reference}"}}"#));
    }

    #[track_caller]
    fn refresh_is_refused(&mut self) {
        let reference = self.refresh().1;
        self.error("forbidden", false, &format!(r#","ref":"{reference}""#));
    }

    /// The token and the `ref` of the last `refresh`.
    #[track_caller]
    fn refresh(&self) -> (String, String) {
        let refresh = self.written.iter().rev().find_map(|frame| match &frame.event {
            ClientEvent::Refresh { token } => {
                Some((token.clone(), frame.reference.as_ref().expect("a ref").to_string()))
            }
            _ => None,
        });
        refresh.expect("a refresh")
    }

    /// The reasons of reported failures.
    fn failures(&self) -> Vec<&str> {
        let failures = self.events.iter().filter_map(|event| match event {
            Event::TokenExpires { at, reason } => {
                assert_eq!(*at, Timestamp::from_millis(9));
                Some(reason.as_str())
            }
            Event::TokenRefused { reason } => Some(reason.as_str()),
            _ => None,
        });
        failures.collect()
    }
}

fn expired() -> Disconnect {
    Disconnect::Closed { code: CloseCode::TokenExpired }
}

#[test]
fn an_invalid_token_is_replaced_by_another_one_of_the_source() {
    for reason in [
        Disconnect::Closed { code: CloseCode::AuthenticationFailed },
        expired(),
        Disconnect::Refused { status: 401 },
    ] {
        let mut bench = Bench::new();
        bench.lost(reason.clone());
        assert_eq!((bench.connects, bench.asked_for_token), (1, 1));
        bench.another_token();
        bench.pass(waiting(&bench).0);
        assert_eq!(bench.connects, 2);

        bench.lost(reason.clone());
        bench.source_answers(SAME);
        assert_eq!(*bench.state(), ConnectionState::Stopped { reason, token: None });
    }
}

#[test]
fn a_stop_because_of_the_token_has_its_claims() {
    // {"sub":"alice","exp":1}
    let claims = TokenClaims::of("e30.eyJzdWIiOiJhbGljZSIsImV4cCI6MX0.c2ln").expect("a token");
    for (reason, has_claims) in [(expired(), true), (Disconnect::Closed { code: CloseCode::Kicked }, false)] {
        let mut bench = Bench::new();
        bench.session.uses_token(Some(claims.clone()));
        bench.welcome(0);
        bench.lost(reason.clone());
        bench.source_answers(SAME);
        let token = has_claims.then(|| Box::new(claims.clone()));
        assert_eq!(*bench.state(), ConnectionState::Stopped { reason, token });
    }
}

#[test]
fn a_renewal_is_not_reported_except_as_refreshed() {
    let mut bench = Bench::in_room("a", 1);
    for _ in 0..5 {
        bench.receives(EXPIRING);
        bench.another_token();
        assert_eq!(bench.refresh().0, "another");
        assert!(bench.events.is_empty(), "{:?}", bench.events);
        bench.refreshed();
        assert!(matches!(bench.events[..], [Event::Server(_)]));
        bench.clear_outputs();
        bench.pass_active(seconds(10));
        bench.clear_outputs();
    }
    assert_eq!((bench.asked_for_token, bench.accepted_tokens), (5, 5));
}

#[test]
fn a_failed_renewal_is_reported_once_and_repeated_twice() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(EXPIRING);
    bench.source_answers(SourceAnswer::Failed("gone".to_owned()));
    assert_eq!(bench.failures(), ["gone"]);
    for (wait, asked) in [(9, 1), (1, 2), (19, 2), (1, 3), (300, 3)] {
        let before = bench.asked_for_token;
        bench.pass_active(seconds(wait));
        assert_eq!(bench.asked_for_token, asked, "after {wait} s");
        if before < asked {
            bench.source_answers(SAME);
        }
    }
    bench.receives(EXPIRING);
    bench.source_answers(SAME);
    assert_eq!((bench.asked_for_token, bench.failures().len()), (4, 1));
}

#[test]
fn a_later_query_finds_the_renewed_token() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(EXPIRING);
    bench.source_answers(SAME);
    bench.pass_active(seconds(10));
    bench.another_token();
    bench.refreshed();
    bench.pass_active(seconds(300));
    assert_eq!((bench.asked_for_token, bench.failures().len()), (2, 1));
}

#[test]
fn a_fixed_token_is_reported_and_not_asked_for_again() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(EXPIRING);
    bench.source_answers(SourceAnswer::Same { is_fixed: true });
    bench.pass_active(seconds(300));
    assert_eq!((bench.failures().len(), bench.asked_for_token), (1, 1));
}

#[test]
fn a_refused_renewal_is_a_failed_one() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(EXPIRING);
    bench.another_token();
    bench.refresh_is_refused();
    assert_eq!((bench.failures(), bench.refused_tokens), (vec!["no: forbidden"], 1));
    assert!(!bench.events.iter().any(|event| matches!(event, Event::Server(_))), "{:?}", bench.events);
    bench.pass_active(seconds(10));
    assert_eq!(bench.asked_for_token, 2);
}

#[test]
fn a_token_far_from_its_end_is_no_failure() {
    let mut bench = Bench::in_room("a", 1);
    bench.receives(EXPIRING);
    bench.source_answers(SourceAnswer::NotNeeded);
    bench.pass_active(seconds(300));
    assert_eq!((bench.events.len() - rounds(&bench), bench.asked_for_token), (0, 1));
}

/// Number of events that time causes.
fn rounds(bench: &Bench) -> usize {
    bench.events.iter().filter(|event| matches!(event, Event::Health(_))).count()
}

#[test]
fn warnings_ask_for_a_token_one_at_a_time_and_at_most_every_ten_seconds() {
    let mut bench = Bench::in_room("a", 1);
    for _ in 0..2_000 {
        bench.receives(EXPIRING);
    }
    assert_eq!((bench.asked_for_token, bench.events.len()), (1, 0));
    bench.pass_active(seconds(15));
    assert_eq!(bench.asked_for_token, 1, "the source has not answered");
    bench.source_answers(SourceAnswer::NotNeeded);
    bench.pass_active(seconds(1));
    assert_eq!(bench.asked_for_token, 2, "the later warnings ask once");
    bench.source_answers(SourceAnswer::NotNeeded);
    bench.receives(EXPIRING);
    bench.pass_active(seconds(8));
    assert_eq!(bench.asked_for_token, 2);
    bench.pass_active(seconds(2));
    assert_eq!(bench.asked_for_token, 3);
    bench.source_answers(SourceAnswer::NotNeeded);
    bench.pass_active(seconds(60));
    assert_eq!(bench.asked_for_token, 3, "without a warning nothing asks");
}

#[test]
fn a_token_of_the_program_connects_from_each_state_without_a_connection() {
    let give = |bench: &mut Bench| bench.command(Command::UseToken(Token::new("given")));
    let mut bench = Bench::new();
    give(&mut bench);
    assert_eq!((bench.drops, bench.connects), (1, 2), "the attempt with the other token ends");
    bench.lost(Disconnect::Silent);
    give(&mut bench);
    assert_eq!(bench.connects, 3);
    bench.lost(Disconnect::Refused { status: 401 });
    give(&mut bench);
    assert_eq!(bench.connects, 4, "while the source is asked");
    bench.lost(Disconnect::Refused { status: 401 });
    bench.source_answers(SAME);
    give(&mut bench);
    assert_eq!(bench.connects, 5);
    assert_eq!(*bench.state(), ConnectionState::Connecting { attempt: 1 });
}

#[test]
fn a_token_of_the_program_is_offered_on_the_open_connection() {
    let mut bench = Bench::in_room("a", 1);
    bench.command(Command::UseToken(Token::new("given")));
    assert_eq!(bench.refresh().0, "given");
    bench.refresh_is_refused();
    assert_eq!((bench.failures(), bench.refused_tokens), (vec!["no: forbidden"], 1));
    bench.command(Command::UseToken(Token::new("better")));
    bench.refreshed();
    assert_eq!((bench.accepted_tokens, bench.connects), (1, 1));
}

#[test]
fn a_stopped_client_checks_its_source_on_command_at_most_once_a_second() {
    let mut bench = Bench::in_room("a", 1);
    bench.command(Command::CheckToken);
    assert_eq!(bench.asked_for_token, 0, "there is a connection");
    bench.lost(expired());
    bench.source_answers(SAME);
    bench.clear_outputs();
    for _ in 0..3 {
        bench.command(Command::CheckToken);
    }
    bench.source_answers(SAME);
    bench.command(Command::CheckToken);
    assert_eq!((bench.asked_for_token, bench.events.len()), (2, 0), "the state is the same");
    bench.pass(seconds(1));
    assert_eq!(bench.asked_for_token, 3, "the last command is not lost");
    bench.source_answers(SAME);
    bench.pass(seconds(60));
    assert_eq!(bench.asked_for_token, 3, "no check without a command");
    bench.command(Command::CheckToken);
    bench.another_token();
    bench.pass(waiting(&bench).0);
    assert_eq!(bench.connects, 2);
}

#[test]
fn a_client_that_stopped_for_another_reason_does_not_check_its_source() {
    let mut bench = Bench::in_room("a", 1);
    bench.closed(4_004);
    bench.command(Command::CheckToken);
    assert_eq!(bench.asked_for_token, 0);
}
