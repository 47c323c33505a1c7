//! Tests of the client against a scripted server over loopback.
//!
//! The tests of the session check times. Waits are short here, and nothing is measured. Each wait for an event has the
//! bound of [`server::bounded`].

mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::SinkExt;
use realtime_client::{
    Command, ConnectionState, Direction, Disconnect, EVENTS, Entry, Event, Events, Handle, SendState, Token,
    TokenSource, Traced,
};
use realtime_shared::{
    ClientEvent, ClientMsgId, CloseCode, Recovery, RoomName, Seq, ServerEvent, SystemEvent, Text,
};
use server::{Server, bounded, next, position, recv, state};
use tokio_tungstenite::tungstenite::Message;

fn room() -> RoomName {
    RoomName::new("a").expect("a name")
}

async fn send(handle: &Handle, text: &str) {
    let client_msg_id = ClientMsgId::new(&format!("id-{text}")).expect("an id");
    let command = Command::Send { room: room(), text: Text::new(text).expect("a text"), client_msg_id };
    handle.send(command).await.expect("taken");
}

fn sent(text: &str, state: SendState) -> Event {
    Event::Sent { client_msg_id: ClientMsgId::new(&format!("id-{text}")).expect("an id"), state }
}

fn stopped(state: &ConnectionState) -> Option<Disconnect> {
    if let ConnectionState::Stopped { reason, .. } = state { Some(reason.clone()) } else { None }
}

fn waiting(state: &ConnectionState) -> Option<(Disconnect, Duration, u32)> {
    match state {
        ConnectionState::Waiting { reason, retry_in, attempt } => Some((reason.clone(), *retry_in, *attempt)),
        _ => None,
    }
}

/// The reports of the trace up to the next message, which no other events may interrupt.
async fn reports_before_message(events: &mut Events, seq: u64) -> Vec<Traced> {
    let mut reports = Vec::new();
    loop {
        match next(events).await {
            Event::Traced(traced) => reports.push(*traced),
            Event::Entry { entry: Entry::Message(message), .. } if message.seq == Seq::new(seq) => {
                return reports;
            }
            event => panic!("neither a report nor message {seq}: {event:?}"),
        }
    }
}

fn connected(state: &ConnectionState) -> Option<()> {
    matches!(state, ConnectionState::Connected { .. }).then_some(())
}

#[tokio::test]
async fn the_token_goes_in_a_header_and_nowhere_else() {
    let server = Server::start().await;
    let _client = server.client();
    let peer = server.accept().await;
    assert_eq!(peer.authorization, "Bearer token");
    assert_eq!(peer.target, "/api/v1/ws");
}

#[tokio::test]
async fn after_a_reconnect_the_missed_messages_are_replayed() {
    let server = Server::start().await;
    let (handle, mut events) = server.client();
    handle.send(Command::Join { room: room(), since: None }).await.expect("taken");
    let mut peer = server.welcome().await;
    assert_eq!(peer.join(4, None).await, None);
    peer.entry(5, "bob", "five").await;
    assert!(matches!(next(&mut events).await, Event::State(ConnectionState::Connected { .. })));
    assert!(matches!(next(&mut events).await, Event::Joined { recovery: None, offline: None, .. }));
    assert!(matches!(
        next(&mut events).await,
        Event::Entry { entry: Entry::Message(_), replayed: false, .. }
    ));

    peer.close(1012).await;
    let (reason, ..) = state(&mut events, waiting).await;
    assert_eq!(reason, Disconnect::Closed { code: CloseCode::Restarting });
    let mut peer = server.welcome().await;
    let complete = Recovery::Complete { replayed: 1 };
    assert_eq!(peer.join(6, Some(complete)).await, Some(position(5)));
    peer.entry(6, "bob", "six").await;
    peer.entry(7, "bob", "seven").await;
    state(&mut events, connected).await;
    let Event::Joined { recovery, offline, .. } = next(&mut events).await else { panic!("not joined") };
    assert_eq!(recovery, Some(complete));
    assert!(offline.is_some());
    for (seq, missed) in [(6, true), (7, false)] {
        let Event::Entry { entry: Entry::Message(message), replayed, .. } = next(&mut events).await else {
            panic!("not a message")
        };
        assert_eq!((message.seq, replayed), (Seq::new(seq), missed));
    }
}

#[tokio::test]
async fn a_marker_without_an_answer_is_sent_again_and_the_inbox_after_it() {
    let server = Server::start().await;
    let (handle, mut events) = server.client();
    handle.send(Command::Join { room: room(), since: None }).await.expect("taken");
    let mut peer = server.welcome().await;
    peer.join(9, None).await;
    handle.send(Command::Inbox { limit: None, keep: true }).await.expect("taken");
    peer.inbox(9, 2).await;
    assert_eq!(inbox(&mut events).await, (2, 7));
    for seq in [5, 7] {
        handle.send(Command::Read { room: room(), seq: Seq::new(seq) }).await.expect("taken");
    }
    assert_eq!(peer.read().await.0, Seq::new(5));
    while !matches!(next(&mut events).await, Event::Read { seq, .. } if seq == Seq::new(7)) {}
    drop(peer);
    let mut peer = server.welcome().await;
    peer.join(9, Some(Recovery::Complete { replayed: 0 })).await;
    let (seq, reference) = peer.read().await;
    assert_eq!(seq, Seq::new(7));
    peer.send(format!(r#"{{"type":"read","room":"a","seq":7,"ref":"{reference}"}}"#)).await;
    peer.inbox(9, 7).await;
    assert_eq!(inbox(&mut events).await, (7, 2));
}

/// The marker and the number of unread messages of the first room of the next inbox.
async fn inbox(events: &mut Events) -> (u64, u64) {
    loop {
        if let Event::Server(ServerEvent::Inbox(inbox)) = next(events).await {
            return (inbox.rooms[0].read_seq.get(), inbox.rooms[0].unread);
        }
    }
}

#[tokio::test]
async fn an_unanswered_message_is_sent_again_before_later_ones() {
    let server = Server::start().await;
    let (handle, mut events) = server.client();
    send(&handle, "one").await;
    let mut peer = server.welcome().await;
    let first = peer.post().await;
    assert_eq!(first, ("one".to_owned(), "id-one".to_owned()));
    send(&handle, "two").await;
    let mut states = Vec::new();
    while states.last() != Some(&sent("two", SendState::Queued)) {
        if let event @ Event::Sent { .. } = next(&mut events).await {
            states.push(event);
        }
    }
    drop(peer);
    let mut peer = server.welcome().await;
    assert_eq!(peer.post().await, first);
    peer.ack("id-one", 1).await;
    assert_eq!(peer.post().await.0, "two");
    peer.ack("id-two", 2).await;
    let stored = sent("two", SendState::Stored(Seq::new(2)));
    while states.last() != Some(&stored) {
        if let event @ Event::Sent { .. } = next(&mut events).await {
            states.push(event);
        }
    }
    let expected = [
        sent("one", SendState::Queued),
        sent("one", SendState::Sent),
        sent("two", SendState::Queued),
        sent("one", SendState::Queued),
        sent("one", SendState::Sent),
        sent("one", SendState::Stored(Seq::new(1))),
        sent("two", SendState::Sent),
        stored,
    ];
    assert_eq!(states, expected);
}

#[tokio::test]
async fn attempts_to_an_unreachable_server_are_repeated_and_counted() {
    let config = Server::start().await.config("token");
    let (_handle, mut events) = realtime_client::connect(config);
    for expected in 2..5 {
        let (reason, _, attempt) = state(&mut events, waiting).await;
        assert!(matches!(reason, Disconnect::Unreachable(_)), "{reason:?}");
        assert_eq!(attempt, expected);
    }
}

#[tokio::test]
async fn the_http_status_of_a_refused_upgrade_decides_on_reconnecting() {
    let server = Server::start().await;
    let (handle, mut events) = server.client();
    server.refuse("503 Service Unavailable\r\nRetry-After: 3000").await;
    let (reason, retry_in, _) = state(&mut events, waiting).await;
    assert_eq!(reason, Disconnect::Refused { status: 503 });
    assert!(retry_in >= Duration::from_mins(50));
    for answer in ["403 Forbidden", "401 Unauthorized", "404 Not Found"] {
        handle.send(Command::RetryNow).await.expect("taken");
        server.refuse(answer).await;
        let status = answer[..3].parse().expect("a number");
        assert_eq!(state(&mut events, stopped).await, Disconnect::Refused { status });
    }
    handle.send(Command::RetryNow).await.expect("taken");
    server.welcome().await;
    state(&mut events, connected).await;
}

#[tokio::test]
async fn a_verdict_to_stop_stops_until_retry_now() {
    let server = Server::start().await;
    let (handle, mut events) = server.client();
    for code in [4004, 4001, 4002, 1000] {
        server.welcome().await.close(code).await;
        let code = CloseCode::from_u16(code);
        assert_eq!(state(&mut events, stopped).await, Disconnect::Closed { code });
        handle.send(Command::RetryNow).await.expect("taken");
    }
}

#[tokio::test]
async fn an_invalid_token_is_replaced_by_another_one_of_the_source() {
    let server = Server::start().await;
    let count = AtomicUsize::new(0);
    // The first token is invalid. The verdict asks for the second one, the next attempt for the third one.
    let tokens = ["bad", "good", "good", "good"];
    let source = TokenSource::from_fn(move || Ok(tokens[count.fetch_add(1, Ordering::Relaxed)].to_owned()));
    let (_handle, mut events) = realtime_client::connect(server.config(source));
    let peer = server.accept().await;
    assert_eq!(peer.authorization, "Bearer bad");
    peer.close(4001).await;
    let mut peer = server.welcome().await;
    assert_eq!(peer.authorization, "Bearer good");
    state(&mut events, connected).await;
    peer.send(r#"{"type":"system","event":"token_expiring","message":"soon","expires_at":1}"#).await;
    assert!(matches!(next(&mut events).await, Event::TokenExpires { .. }), "the source has the same token");
    peer.close(4003).await;
    let expired = Disconnect::Closed { code: CloseCode::TokenExpired };
    assert_eq!(state(&mut events, stopped).await, expired, "the source has no other token");
}

#[tokio::test]
async fn a_newer_token_is_sent_before_the_old_one_expires() {
    let server = Server::start().await;
    let count = AtomicUsize::new(0);
    let source = TokenSource::from_fn(move || Ok(format!("t{}", count.fetch_add(1, Ordering::Relaxed))));
    let _client = realtime_client::connect(server.config(source));
    let mut peer = server.welcome().await;
    assert_eq!(peer.authorization, "Bearer t0");
    peer.send(r#"{"type":"system","event":"token_expiring","message":"soon","expires_at":1}"#).await;
    assert_eq!(peer.receive().await.event, ClientEvent::Refresh { token: "t1".to_owned() });
    peer.close(4003).await;
    let peer = server.accept().await;
    assert_eq!(peer.authorization, "Bearer t3", "the verdict asked for t2");
}

#[tokio::test]
async fn an_accepted_token_is_not_sent_again() {
    let server = Server::start().await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let source = TokenSource::from_fn(move || {
        Ok(if counted.fetch_add(1, Ordering::Relaxed) == 0 { "old" } else { "new" }.to_owned())
    });
    let (_handle, mut events) = realtime_client::connect(server.config(source));
    let mut peer = server.welcome().await;
    peer.send(r#"{"type":"system","event":"token_expiring","message":"soon","expires_at":1}"#).await;
    let refresh = peer.receive().await;
    assert_eq!(refresh.event, ClientEvent::Refresh { token: "new".to_owned() });
    let reference = refresh.reference.expect("a ref");
    peer.send(&format!(r#"{{"type":"refreshed","expires_at":1,"ref":"{reference}"}}"#)).await;
    peer.close(4003).await;
    let expired = Disconnect::Closed { code: CloseCode::TokenExpired };
    assert_eq!(state(&mut events, stopped).await, expired, "the new token is the current one");
}

#[tokio::test]
async fn a_given_token_connects_a_stopped_client_until_it_is_refused() {
    let server = Server::start().await;
    let (handle, mut events) = realtime_client::connect(server.config("first"));
    server.accept().await.close(4001).await;
    state(&mut events, stopped).await;
    handle.send(Command::UseToken(Token::new("given\n"))).await.expect("sent");
    let peer = server.welcome().await;
    assert_eq!(peer.authorization, "Bearer given");
    state(&mut events, connected).await;
    peer.close(1012).await;
    let peer = server.accept().await;
    assert_eq!(peer.authorization, "Bearer given", "also for the next connection");
    peer.close(4001).await;
    state(&mut events, stopped).await;
    handle.send(Command::RetryNow).await.expect("sent");
    assert_eq!(server.accept().await.authorization, "Bearer first", "the source again");
}

#[tokio::test]
async fn a_stopped_client_notices_a_token_of_a_cheap_source_on_command() {
    for (is_cheap, queries) in [(true, 4), (false, 3)] {
        let server = Server::start().await;
        let asked = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&asked);
        // The token changes after the first attempt, and the query that follows its refusal.
        let source = TokenSource::from_fn(move || {
            let mut asked = counted.lock().expect("no panic");
            *asked += 1;
            Ok(if *asked <= 2 { "old" } else { "new" }.to_owned())
        });
        let source = if is_cheap { source.cheap() } else { source };
        let (handle, mut events) = realtime_client::connect(server.config(source));
        server.accept().await.close(4001).await;
        state(&mut events, stopped).await;
        handle.send(Command::CheckToken).await.expect("sent");
        if !is_cheap {
            handle.send(Command::RetryNow).await.expect("sent");
        }
        assert_eq!(server.accept().await.authorization, "Bearer new");
        assert_eq!(*asked.lock().expect("no panic"), queries);
    }
}

#[tokio::test]
async fn many_warnings_about_the_token_ask_its_source_once() {
    let server = Server::start().await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let source = TokenSource::from_fn(move || Ok(format!("t{}", counted.fetch_add(1, Ordering::Relaxed))));
    let (_handle, mut events) = realtime_client::connect(server.config(source));
    let mut peer = server.welcome().await;
    state(&mut events, connected).await;
    for _ in 0..2_000 {
        peer.send(r#"{"type":"system","event":"token_expiring","message":"soon","expires_at":1}"#).await;
    }
    assert_eq!(peer.receive().await.event, ClientEvent::Refresh { token: "t1".to_owned() });
    // The client has read all warnings when it answers.
    peer.send(r#"{"type":"system","event":"notice","message":"end","from":"admin","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","ts":1}"#).await;
    let is_notice =
        |event: &Event| matches!(event, Event::Server(ServerEvent::System(SystemEvent::Notice(_))));
    while !is_notice(&next(&mut events).await) {}
    assert_eq!(count.load(Ordering::Relaxed), 2, "for the connection, and for the first warning");
}

#[tokio::test]
async fn a_token_far_from_its_end_is_not_renewed() {
    let server = Server::start().await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    // {"sub":"me","exp":99999999999}
    let token = "e30.eyJzdWIiOiJtZSIsImV4cCI6OTk5OTk5OTk5OTl9.c2ln";
    let source = TokenSource::from_fn(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(token.to_owned())
    });
    let (_handle, mut events) = realtime_client::connect(server.config(source));
    let mut peer = server.welcome().await;
    state(&mut events, connected).await;
    peer.send(r#"{"type":"system","event":"token_expiring","message":"soon","expires_at":1}"#).await;
    peer.close(4003).await;
    let expired = Disconnect::Closed { code: CloseCode::TokenExpired };
    assert_eq!(state(&mut events, stopped).await, expired);
    assert_eq!(count.load(Ordering::Relaxed), 2, "for the connection, and after its end");
}

#[tokio::test]
async fn a_failed_token_source_is_asked_again() {
    let server = Server::start().await;
    let count = AtomicUsize::new(0);
    let source = TokenSource::from_fn(move || match count.fetch_add(1, Ordering::Relaxed) {
        0 => Err(std::io::Error::other("locked")),
        _ => Ok("token".to_owned()),
    });
    let (_handle, mut events) = realtime_client::connect(server.config(source));
    let (reason, ..) = state(&mut events, waiting).await;
    assert_eq!(reason, Disconnect::Unreachable("no token: locked".to_owned()));
    server.welcome().await;
    state(&mut events, connected).await;
}

#[tokio::test]
async fn a_silent_connection_is_dropped() {
    let server = Server::start().await;
    let mut config = server.config("token");
    config.timing.pong_timeout = Duration::from_millis(20);
    let (_handle, mut events) = realtime_client::connect(config);
    let _silent = server.welcome().await;
    state(&mut events, |state| waiting(state).filter(|(reason, ..)| *reason == Disconnect::Silent)).await;
}

#[tokio::test]
async fn a_server_without_a_welcome_is_dropped_after_the_connect_timeout() {
    let server = Server::start().await;
    let mut config = server.config("token");
    config.timing.connect_timeout = Duration::from_millis(20);
    let (_handle, mut events) = realtime_client::connect(config);
    let _silent = server.accept().await;
    let (reason, ..) = state(&mut events, waiting).await;
    assert!(matches!(reason, Disconnect::Unreachable(_)), "{reason:?}");
}

#[tokio::test]
async fn websocket_pings_of_the_server_are_answered() {
    let server = Server::start().await;
    let _client = server.client();
    let mut peer = server.welcome().await;
    peer.socket.send(Message::Ping("there?".into())).await.expect("a connection");
    loop {
        if let Message::Pong(payload) = peer.next_message().await.expect("a frame").expect("a good frame") {
            assert_eq!(&payload[..], b"there?");
            break;
        }
    }
}

#[tokio::test]
async fn an_invalid_frame_ends_the_connection() {
    let large = format!(r#"{{"type":"{}"}}"#, "x".repeat(1024 * 1024));
    for (message, code) in [
        (Message::text("not JSON"), CloseCode::Protocol),
        (Message::binary(vec![1]), CloseCode::Unsupported),
        (Message::text(large), CloseCode::TooLarge),
    ] {
        let server = Server::start().await;
        let (_handle, mut events) = server.client();
        let mut peer = server.welcome().await;
        // The client may close before the whole message is written.
        _ = peer.socket.send(message).await;
        assert_eq!(state(&mut events, stopped).await, Disconnect::Closed { code });
    }
}

/// Waits until a count does not change while all tasks run 1,000 times.
async fn until_still(count: &AtomicUsize) {
    let (mut before, mut turns) = (0, 0);
    while turns < 1_000 {
        tokio::task::yield_now().await;
        let now = count.load(Ordering::Relaxed);
        turns = if now == before { turns + 1 } else { 0 };
        before = now;
    }
}

/// Receives the next `count` events, which must be messages in order.
async fn take(events: &mut Events, taken: &mut usize, count: usize) {
    for _ in 0..count {
        let Event::Entry { entry: Entry::Message(message), .. } = next(events).await else {
            panic!("not a message")
        };
        *taken += 1;
        assert_eq!(message.seq, Seq::new(*taken as u64));
    }
}

#[tokio::test]
async fn events_that_are_not_received_stop_the_reading_and_none_is_lost() {
    let server = Server::start().await;
    let (_handle, mut events) = server.client();
    let mut peer = server.welcome().await;
    // More than the buffers of the socket, the channel of events and the backlog can hold.
    let count = 32 * EVENTS;
    let text = "x".repeat(4_000);
    let sent = Arc::new(AtomicUsize::new(0));
    let server = tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            for seq in 1..=count {
                peer.entry(seq as u64, "bob", &text).await;
                sent.store(seq, Ordering::Relaxed);
            }
            peer
        }
    });
    assert!(matches!(next(&mut events).await, Event::State(ConnectionState::Connected { .. })));
    let mut taken = 0;
    for _ in 0..8 {
        until_still(&sent).await;
        assert!(!server.is_finished(), "the client read everything, and nobody received the events");
        // A server that the client does not read is not dead.
        tokio::time::pause();
        tokio::time::advance(Duration::from_hours(1)).await;
        tokio::time::resume();
        take(&mut events, &mut taken, EVENTS).await;
    }
    take(&mut events, &mut taken, count - 8 * EVENTS).await;
    bounded("end of the server", server).await.expect("no panic");
}

#[tokio::test]
async fn close_sends_the_queued_frames_and_a_close_frame() {
    let server = Server::start().await;
    let (handle, mut events) = server.client();
    let mut peer = server.welcome().await;
    state(&mut events, connected).await;
    handle.send(Command::Members(room())).await.expect("taken");
    handle.send(Command::Close).await.expect("taken");
    assert!(matches!(peer.receive().await.event, ClientEvent::Members { .. }));
    assert_eq!(peer.close_code().await, Some(1000));
    while recv(&mut events).await.is_some() {}
    assert!(handle.send(Command::RetryNow).await.is_err());
}

#[tokio::test]
async fn dropping_the_handle_or_the_events_closes_the_connection() {
    let server = Server::start().await;
    let (handle, mut events) = server.client();
    let peer = server.welcome().await;
    state(&mut events, connected).await;
    drop(handle);
    assert_eq!(peer.close_code().await, Some(1000));
    while recv(&mut events).await.is_some() {}

    let (_handle, mut events) = server.client();
    let peer = server.welcome().await;
    state(&mut events, connected).await;
    drop(events);
    assert_eq!(peer.close_code().await, Some(1000));
}

/// The token has the claims `{"sub":"me"}`.
#[tokio::test]
async fn trace_reports_earlier_and_later_frames_without_tokens_until_it_is_off() {
    let token = "e30.eyJzdWIiOiJtZSJ9.c2ln";
    let server = Server::start().await;
    let (handle, mut events) = realtime_client::connect(server.config(token));
    let mut peer = server.welcome().await;
    peer.entry(1, "bob", token).await;
    assert!(matches!(next(&mut events).await, Event::State(ConnectionState::Connected { .. })));
    assert_eq!(reports_before_message(&mut events, 1).await, [], "the trace is off at first");

    for (is_on, seq) in [(true, 2), (false, 3)] {
        handle.trace(is_on).expect("room for the command");
        // The request reaches the server after the client has handled the command before it.
        handle.send(Command::Members(room())).await.expect("taken");
        assert!(matches!(peer.receive().await.event, ClientEvent::Members { .. }));
        peer.entry(seq, "bob", "later").await;
        let reports = reports_before_message(&mut events, seq).await;
        if !is_on {
            assert_eq!(reports, []);
            continue;
        }
        let [
            Traced::Token(Some(claims)),
            Traced::Frame(welcome),
            Traced::Frame(ping),
            Traced::Frame(entry),
            ..,
        ] = &reports[..]
        else {
            panic!("not the token and the frames: {reports:?}")
        };
        assert_eq!(claims["sub"], "me");
        assert_eq!((welcome.number, welcome.direction), (1, Direction::In));
        assert!(welcome.text.contains("Connected successfully"), "{}", welcome.text);
        assert_eq!((ping.number, ping.direction), (2, Direction::Out));
        assert!(entry.text.contains(r#""text":"(token)""#), "{}", entry.text);
        let Event::Traced(traced) = next(&mut events).await else { panic!("not a report") };
        let Traced::Frame(entry) = *traced else { panic!("not a frame: {traced:?}") };
        assert!(entry.text.contains("later"), "{}", entry.text);
    }
}
