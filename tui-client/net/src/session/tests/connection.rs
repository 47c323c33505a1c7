//! Tests of connection attempts, waits, stops and signs of life.

use realtime_shared::{HistoryRequest, Timestamp};

use super::*;

pub(super) fn waiting(bench: &Bench) -> (Duration, u32) {
    match bench.state() {
        ConnectionState::Waiting { retry_in, attempt, .. } => (*retry_in, *attempt),
        state => panic!("not waiting: {state:?}"),
    }
}

fn last_nonce(bench: &Bench) -> Option<String> {
    bench.written.iter().rev().find_map(|frame| match &frame.event {
        ClientEvent::Ping(ping) => ping.nonce.as_ref().map(ToString::to_string),
        _ => None,
    })
}

#[test]
fn a_session_connects_at_once_and_reports_its_user() {
    let mut bench = Bench::new();
    assert_eq!(bench.connects, 1);
    assert_eq!(*bench.state(), ConnectionState::Connecting { attempt: 1 });
    bench.welcome(50);
    let ConnectionState::Connected { user_id, limits, .. } = bench.state() else { panic!("not connected") };
    assert_eq!(user_id.as_str(), "me");
    assert_eq!(limits.messages_per_second, 50);
}

#[test]
fn waits_grow_and_attempts_are_counted_until_a_connection_is_stable() {
    let mut bench = Bench::new();
    let timing = Timing::default();
    for step in 0..8 {
        bench.lost(Disconnect::Unreachable("refused".into()));
        let (wait, attempt) = waiting(&bench);
        assert!(wait <= timing.backoff.window(step), "{wait:?} in step {step}");
        assert_eq!(attempt, step + 2);
        bench.pass(wait);
        assert_eq!(*bench.state(), ConnectionState::Connecting { attempt });
    }
    bench.welcome(0);
    bench.pass(timing.backoff.stable_after);
    bench.closed(1006);
    let (wait, attempt) = waiting(&bench);
    assert!(wait <= timing.backoff.base);
    assert_eq!(attempt, 1);
}

#[test]
fn waits_grow_for_a_server_that_closes_at_once_after_its_welcome() {
    let longest = (0..20).map(|seed| {
        let mut bench = Bench::with_seed(seed);
        for code in [1006, 1012, 4008, 1013, 1001, 4005, 1011, 4006] {
            bench.welcome(0);
            bench.closed(code);
            bench.pass(waiting(&bench).0);
        }
        bench.closed(1006);
        let (wait, attempt) = waiting(&bench);
        assert_eq!(attempt, 10);
        wait
    });
    assert!(longest.max().expect("waits") > seconds(16));
}

#[test]
fn jitter_is_added_to_the_retry_after_of_the_server() {
    let waits = (0..20).map(|seed| {
        let mut bench = Bench::with_seed(seed);
        bench.session.lost(Disconnect::Refused { status: 503 }, Some(seconds(20)), bench.now);
        bench.drain();
        waiting(&bench).0
    });
    let waits: Vec<_> = waits.collect();
    assert!(waits.iter().all(|wait| *wait >= seconds(20) && *wait <= seconds(21)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > waits[0]) || waits.iter().any(|wait| *wait < waits[0]));
    let mut bench = Bench::new();
    bench.session.lost(Disconnect::Refused { status: 503 }, Some(Duration::MAX), bench.now);
    bench.drain();
    assert!(waiting(&bench).0 < seconds(2 * 60 * 60), "a longer wait counts as a mistake");
}

#[test]
fn a_verdict_to_stop_stops_until_retry_now() {
    for reason in [
        Disconnect::Closed { code: CloseCode::Kicked },
        Disconnect::Closed { code: CloseCode::Normal },
        Disconnect::Closed { code: CloseCode::InvalidJson },
        Disconnect::Refused { status: 403 },
        Disconnect::Refused { status: 404 },
    ] {
        let mut bench = Bench::new();
        bench.welcome(0);
        bench.lost(reason.clone());
        assert_eq!(*bench.state(), ConnectionState::Stopped { reason, token: None });
        bench.pass(seconds(3_600));
        assert_eq!(bench.connects, 1, "there is no attempt");
        bench.command(Command::RetryNow);
        assert_eq!(*bench.state(), ConnectionState::Connecting { attempt: 1 });
        assert_eq!(bench.connects, 2);
    }
}

#[test]
fn retry_now_ends_a_wait_and_nothing_else() {
    let mut bench = Bench::new();
    bench.command(Command::RetryNow);
    assert_eq!(bench.connects, 1, "an attempt is in progress");
    bench.lost(Disconnect::Unreachable("refused".into()));
    bench.command(Command::RetryNow);
    assert_eq!(bench.connects, 2);
    bench.welcome(0);
    bench.command(Command::RetryNow);
    assert_eq!(bench.connects, 2);
}

#[test]
fn an_attempt_ends_after_the_connect_timeout() {
    let mut bench = Bench::new();
    bench.pass(seconds(9));
    assert_eq!(bench.drops, 0);
    bench.pass(seconds(1));
    assert_eq!(bench.drops, 1);
    assert!(bench.events.iter().any(|event| matches!(
        event,
        Event::State(ConnectionState::Waiting { reason: Disconnect::Unreachable(why), .. }) if why == "no answer in 10 s"
    )));
}

#[test]
fn a_first_frame_other_than_welcome_ends_the_connection() {
    let mut bench = Bench::new();
    bench.entry("a", 1);
    assert_eq!(bench.drops, 1);
    let reason = Disconnect::Closed { code: CloseCode::Protocol };
    assert_eq!(*bench.state(), ConnectionState::Stopped { reason, token: None });
}

#[test]
fn the_first_pong_of_each_ping_reports_the_round_trip() {
    let mut bench = Bench::new();
    bench.welcome(0);
    let first = last_nonce(&bench).expect("a ping, at once");
    bench.pass(Duration::from_millis(30));
    bench.receives(r#"{"type":"pong","ts":1,"nonce":"of another ping"}"#);
    bench.receives(&format!(r#"{{"type":"pong","ts":7,"nonce":"{first}"}}"#));
    bench.receives(&format!(r#"{{"type":"pong","ts":1,"nonce":"{first}"}}"#));
    let trips: Vec<_> =
        bench.events.iter().filter(|event| matches!(event, Event::RoundTrip { .. })).collect();
    assert_eq!(
        trips,
        [&Event::RoundTrip { time: Duration::from_millis(30), server_time: Timestamp::from_millis(7) }]
    );
    bench.clear_outputs();
    bench.pass(Duration::from_millis(19_969));
    assert_eq!(last_nonce(&bench), None);
    bench.pass(Duration::from_millis(1));
    assert_ne!(last_nonce(&bench), Some(first));
    assert!(last_nonce(&bench).is_some());
}

#[test]
fn a_silent_connection_is_dropped() {
    let mut bench = Bench::new();
    bench.welcome(0);
    bench.pass(seconds(9));
    bench.session.record_activity(bench.now);
    bench.pass(seconds(9));
    assert_eq!(bench.drops, 0, "a sign of life without a frame counts");
    bench.pass(seconds(1));
    assert_eq!(bench.drops, 1);
    let silent = |event: &Event| {
        matches!(event, Event::State(ConnectionState::Waiting { reason: Disconnect::Silent, attempt: 1, .. }))
    };
    assert!(bench.events.iter().any(silent));
}

#[test]
fn requests_and_typing_are_dropped_without_a_connection() {
    let request = |bench: &mut Bench| {
        bench.command(Command::Typing { room: name("a"), is_typing: true });
        bench.command(Command::History(HistoryRequest::before(name("a"), None, 50)));
        bench.command(Command::Members(name("a")));
        bench.command(Command::ListRooms { prefix: None });
    };
    let mut bench = Bench::new();
    request(&mut bench);
    bench.welcome(0);
    assert!(matches!(
        bench.written.iter().map(|frame| &frame.event).collect::<Vec<_>>()[..],
        [ClientEvent::Ping(_)]
    ));
    bench.clear_outputs();
    request(&mut bench);
    assert_eq!(bench.written.len(), 4);
}

#[test]
fn a_closed_session_does_nothing() {
    let mut bench = Bench::in_room("a", 1);
    bench.command(Command::Close);
    assert!(bench.ended);
    bench.closed(1006);
    bench.pass(seconds(3_600));
    assert_eq!(bench.connects, 1);
    assert!(bench.events.is_empty());
}
