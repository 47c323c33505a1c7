//! Trying, waiting, stopping, and signs of life.

use super::*;

fn waited(bench: &Bench) -> (Duration, u32) {
    match bench.state() {
        ConnectionState::Waiting { retry_in, attempt, .. } => (*retry_in, *attempt),
        state => panic!("not waiting: {state:?}"),
    }
}

fn nonce(bench: &Bench) -> Option<String> {
    bench.written.iter().rev().find_map(|frame| match &frame.event {
        ClientEvent::Ping(ping) => ping.nonce.as_ref().map(ToString::to_string),
        _ => None,
    })
}

#[test]
fn it_connects_at_once_and_says_who_it_is() {
    let mut bench = Bench::new();
    assert_eq!(bench.connects, 1);
    assert_eq!(*bench.state(), ConnectionState::Connecting { attempt: 1 });
    bench.welcome(50);
    let ConnectionState::Connected { user_id, limits, .. } = bench.state() else { panic!("not connected") };
    assert_eq!(user_id.as_str(), "me");
    assert_eq!(limits.messages_per_second, 50);
}

#[test]
fn waits_grow_and_tries_are_counted_until_a_connection_lasts() {
    let mut bench = Bench::new();
    let timing = Timing::default();
    for step in 0..8 {
        bench.lost(Disconnect::Unreachable("refused".into()));
        let (wait, attempt) = waited(&bench);
        assert!(wait <= timing.backoff.window(step), "{wait:?} in step {step}");
        assert_eq!(attempt, step + 2);
        bench.pass(wait);
        assert_eq!(*bench.state(), ConnectionState::Connecting { attempt });
    }
    bench.welcome(0);
    bench.pass(timing.backoff.stable_after);
    bench.closed(1006);
    let (wait, attempt) = waited(&bench);
    assert!(wait <= timing.backoff.base);
    assert_eq!(attempt, 1);
}

#[test]
fn a_server_that_welcomes_and_closes_at_once_is_waited_for_ever_longer() {
    let longest = (0..20).map(|seed| {
        let mut bench = Bench::with_seed(seed);
        for code in [1006, 1012, 4008, 1013, 1001, 4005, 1011, 4006] {
            bench.welcome(0);
            bench.closed(code);
            bench.pass(waited(&bench).0);
        }
        bench.closed(1006);
        let (wait, attempt) = waited(&bench);
        assert_eq!(attempt, 10);
        wait
    });
    assert!(longest.max().expect("waits") > seconds(16));
}

#[test]
fn jitter_comes_on_top_of_what_the_server_asks_for() {
    let waits = (0..20).map(|seed| {
        let mut bench = Bench::with_seed(seed);
        bench.session.lost(Disconnect::Refused { status: 503 }, Some(seconds(20)), bench.now);
        bench.drain();
        waited(&bench).0
    });
    let waits: Vec<_> = waits.collect();
    assert!(waits.iter().all(|wait| *wait >= seconds(20) && *wait <= seconds(21)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > waits[0]) || waits.iter().any(|wait| *wait < waits[0]));
    let mut bench = Bench::new();
    bench.session.lost(Disconnect::Refused { status: 503 }, Some(Duration::MAX), bench.now);
    bench.drain();
    assert!(waited(&bench).0 < seconds(2 * 60 * 60), "for ever is a mistake");
}

#[test]
fn the_verdict_stops_it() {
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
        assert_eq!(*bench.state(), ConnectionState::Stopped { reason });
        bench.pass(seconds(3_600));
        assert_eq!(bench.connects, 1, "nothing is tried");
        bench.command(Command::RetryNow);
        assert_eq!(*bench.state(), ConnectionState::Connecting { attempt: 1 });
        assert_eq!(bench.connects, 2);
    }
}

#[test]
fn another_token_is_used_where_there_is_one() {
    for reason in [
        Disconnect::Closed { code: CloseCode::AuthenticationFailed },
        Disconnect::Closed { code: CloseCode::TokenExpired },
        Disconnect::Refused { status: 401 },
    ] {
        let mut bench = Bench::new();
        bench.lost(reason.clone());
        assert_eq!((bench.connects, bench.asked_for_token), (1, 1));
        bench.session.fresh_token(Some("another".into()), bench.now);
        bench.drain();
        bench.pass(waited(&bench).0);
        assert_eq!(bench.connects, 2);

        bench.lost(reason.clone());
        bench.session.fresh_token(None, bench.now);
        bench.drain();
        assert_eq!(*bench.state(), ConnectionState::Stopped { reason });
    }
}

#[test]
fn a_token_that_expires_is_refreshed_where_there_is_another() {
    let expiring = r#"{"type":"system","event":"token_expiring","message":"soon","expires_at":9}"#;
    let mut bench = Bench::in_room("a", 1);
    bench.hears(expiring);
    assert_eq!(bench.asked_for_token, 1);
    assert!(matches!(bench.events[..], [Event::Server(_)]), "and it is told");
    bench.session.fresh_token(None, bench.now);
    bench.drain();
    assert!(bench.written.is_empty());
    bench.hears(expiring);
    bench.session.fresh_token(Some("another".into()), bench.now);
    bench.drain();
    assert_eq!(bench.written, [ClientEvent::Refresh { token: "another".into() }.into()]);
}

#[test]
fn retry_now_ends_the_countdown_and_nothing_else() {
    let mut bench = Bench::new();
    bench.command(Command::RetryNow);
    assert_eq!(bench.connects, 1, "a try is under way");
    bench.lost(Disconnect::Unreachable("refused".into()));
    bench.command(Command::RetryNow);
    assert_eq!(bench.connects, 2);
    bench.welcome(0);
    bench.command(Command::RetryNow);
    assert_eq!(bench.connects, 2);
}

#[test]
fn a_try_takes_so_long_and_no_longer() {
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
fn who_does_not_begin_with_a_welcome_is_no_server_of_ours() {
    let mut bench = Bench::new();
    bench.entry("a", 1);
    assert_eq!(bench.drops, 1);
    let reason = Disconnect::Closed { code: CloseCode::Protocol };
    assert_eq!(*bench.state(), ConnectionState::Stopped { reason });
}

#[test]
fn pings_measure_the_round_trip() {
    let mut bench = Bench::new();
    bench.welcome(0);
    let first = nonce(&bench).expect("a ping, at once");
    bench.pass(Duration::from_millis(30));
    bench.hears(r#"{"type":"pong","ts":1,"nonce":"of somebody else"}"#);
    bench.hears(&format!(r#"{{"type":"pong","ts":1,"nonce":"{first}"}}"#));
    bench.hears(&format!(r#"{{"type":"pong","ts":1,"nonce":"{first}"}}"#));
    let trips: Vec<_> = bench.events.iter().filter(|event| matches!(event, Event::RoundTrip(_))).collect();
    assert_eq!(trips, [&Event::RoundTrip(Duration::from_millis(30))]);
    bench.forget();
    bench.pass(Duration::from_millis(19_969));
    assert_eq!(nonce(&bench), None);
    bench.pass(Duration::from_millis(1));
    assert_ne!(nonce(&bench), Some(first));
    assert!(nonce(&bench).is_some());
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let mut bench = Bench::new();
    bench.welcome(0);
    bench.pass(seconds(9));
    bench.session.heard(bench.now);
    bench.pass(seconds(9));
    assert_eq!(bench.drops, 0, "any sign of life counts");
    bench.pass(seconds(1));
    assert_eq!(bench.drops, 1);
    let silent = |event: &Event| {
        matches!(event, Event::State(ConnectionState::Waiting { reason: Disconnect::Silent, attempt: 1, .. }))
    };
    assert!(bench.events.iter().any(silent));
}

#[test]
fn questions_and_typing_are_dropped_while_there_is_no_connection() {
    let ask = |bench: &mut Bench| {
        bench.command(Command::Typing { room: name("a"), is_typing: true });
        bench.command(Command::History { room: name("a"), before: None, limit: 50 });
        bench.command(Command::Members(name("a")));
        bench.command(Command::ListRooms { prefix: None });
    };
    let mut bench = Bench::new();
    ask(&mut bench);
    bench.welcome(0);
    assert!(matches!(
        bench.written.iter().map(|frame| &frame.event).collect::<Vec<_>>()[..],
        [ClientEvent::Ping(_)]
    ));
    bench.forget();
    ask(&mut bench);
    assert_eq!(bench.written.len(), 4);
}

#[test]
fn nothing_happens_after_the_end() {
    let mut bench = Bench::in_room("a", 1);
    bench.command(Command::Close);
    assert!(bench.ended);
    bench.closed(1006);
    bench.pass(seconds(3_600));
    assert_eq!(bench.connects, 1);
    assert!(bench.events.is_empty());
}
