//! Turns of a connection, polled by hand: limits on input, wake-ups during a turn, and fairness among rooms.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use tokio::io::ReadBuf;

use super::*;
use crate::broker::steered::Method;
use crate::room::Mailbox;
use realtime_shared::{Post, Text};

/// A waker that records that it was called.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A connection that is polled until it waits.
struct Turns<S> {
    connection: Connection<S>,
    woken: Arc<Woken>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Turns<S> {
    fn new(connection: Connection<S>) -> Self {
        let woken = Arc::<Woken>::default();
        woken.0.store(true, Ordering::SeqCst);
        Self { connection, woken }
    }

    /// Polls while the connection is woken. Other tasks run in between.
    async fn run(&mut self) {
        let waker = Waker::from(self.woken.clone());
        while self.woken.0.swap(false, Ordering::SeqCst) {
            let turn = self.connection.poll(&mut Context::from_waker(&waker));
            assert_eq!(turn, Poll::Pending, "the connection has ended");
            tokio::task::yield_now().await;
        }
    }
}

/// A stream that calls a function at its next read or write, in the middle of a turn.
struct Interrupted<S> {
    stream: S,
    /// The peer reads nothing, and the buffers of the socket are full.
    is_full: bool,
    on_read: Option<Box<dyn FnOnce()>>,
    on_write: Option<Box<dyn FnOnce()>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Interrupted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(act) = self.on_read.take() {
            act();
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Interrupted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(act) = self.on_write.take() {
            act();
        }
        if self.is_full {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection that waits, and the client's end of its stream.
async fn waiting_connection(
    test_hub: &TestHub,
    id: &str,
) -> (Turns<Interrupted<DuplexStream>>, DuplexStream) {
    let (stream, server_end) = tokio::io::duplex(1 << 20);
    let server_end = Interrupted { stream: server_end, is_full: false, on_read: None, on_write: None };
    let mut turns = Turns::new(test_hub.connection(id, server_end).await);
    turns.run().await;
    (turns, stream)
}

/// All bytes that the client can read now.
async fn read_available(stream: &mut DuplexStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    poll_fn(|cx| {
        loop {
            let mut read = ReadBuf::new(&mut buffer);
            match Pin::new(&mut *stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => all.extend_from_slice(read.filled()),
                _ => return Poll::Ready(()),
            }
        }
    })
    .await;
    all
}

fn contains(all: &[u8], what: &str) -> bool {
    all.windows(what.len()).any(|window| window == what.as_bytes())
}

#[tokio::test]
async fn a_connection_stops_reading_at_256_submissions_in_flight() {
    let test_hub = TestHub::new();
    test_hub.broker.hold_submissions();
    let (mut alice, mut stream) = waiting_connection(&test_hub, "alice").await;
    for _ in 0..IN_FLIGHT + 44 {
        stream.write_all(&masked(r#"{"type":"message","room":"a","text":"hello"}"#)).await.expect("sent");
    }
    alice.run().await;
    assert_eq!(test_hub.broker.held_submissions(), IN_FLIGHT);
    test_hub.broker.complete(10);
    tokio::task::yield_now().await;
    alice.run().await;
    assert_eq!(test_hub.broker.held_submissions(), IN_FLIGHT, "ten more are submitted");
    test_hub.broker.complete(IN_FLIGHT);
    tokio::task::yield_now().await;
    alice.run().await;
    assert_eq!(test_hub.broker.held_submissions(), 34);
}

/// All names and ids have the most characters, of four bytes each.
#[tokio::test]
async fn a_client_that_keeps_all_limits_is_not_too_slow() {
    const MEMBERS: usize = 1_000;
    let test_hub = TestHub::new();
    let crab = |number: usize| format!("{number:04}{}", "🦀".repeat(60));
    let room = RoomName::new(&crab(0)).expect("a room's name");
    let mut seats = Vec::new();
    for number in 0..MEMBERS {
        let user = UserId::new(&crab(number)).expect("a user id");
        let (mailbox, _) =
            test_hub.hub.registry.connect(&user, 0).await.expect("counted").expect("not too many");
        let (entrance, seat, _) = test_hub.hub.registry.join(&mailbox, &room, None).await.expect("joined");
        seats.push((mailbox, entrance.room, seat));
    }
    test_hub.broker.hold_submissions();
    let (mut alice, mut stream) = waiting_connection(&test_hub, "alice").await;
    read_available(&mut stream).await;
    alice.connection.socket.stream().is_full = true;
    let fields = |number: usize| format!(r#""room":"{}","ref":"{}""#, crab(0), crab(number));
    let post = |number| {
        format!(r#"{{"type":"message",{},"client_msg_id":"{}","text":"a"}}"#, fields(number), crab(number))
    };
    let long_ping = format!(r#"{{"type":"ping","nonce":"{}"}}"#, "x".repeat(ANSWER_BYTES - 100));
    let members = format!(r#"{{"type":"members",{}}}"#, fields(IN_FLIGHT));
    for frame in (1..IN_FLIGHT).map(post).chain([long_ping, members]) {
        stream.write_all(&masked(&frame)).await.expect("sent");
    }
    alice.run().await;
    let answers = alice.connection.socket.pending_output();
    assert!(answers > ANSWER_BYTES + 240 * 1024, "{answers}");
    test_hub.broker.complete(IN_FLIGHT - 1);
    alice.woken.0.store(true, Ordering::SeqCst);
    alice.run().await;
    assert_eq!(alice.connection.phase, Phase::Open);
    let all = alice.connection.socket.pending_output();
    assert!(all > answers + 200 * 1024, "{answers}, then {all}");
    alice.connection.socket.stream().is_full = false;
    alice.woken.0.store(true, Ordering::SeqCst);
    alice.run().await;
    let all = read_available(&mut stream).await;
    assert!((1..=IN_FLIGHT).all(|number| contains(&all, &format!(r#""ref":"{}""#, crab(number)))));
    for (mailbox, room, seat) in seats {
        test_hub.hub.registry.lose(&mailbox, &room, seat);
    }
}

#[tokio::test]
async fn a_notice_that_arrives_during_input_is_written() {
    let test_hub = TestHub::new();
    let (mut alice, mut stream) = waiting_connection(&test_hub, "alice").await;
    let mailbox = alice.connection.mailbox.clone();
    alice.connection.socket.stream().on_read = Some(Box::new(move || mailbox.send(&"a notice".into())));
    stream.write_all(&masked(r#"{"type":"ping"}"#)).await.expect("sent");
    alice.run().await;
    assert!(contains(&read_available(&mut stream).await, "a notice"));
}

#[tokio::test]
async fn frames_that_arrive_during_output_are_written_in_the_next_turn() {
    let test_hub = TestHub::new();
    let (mut alice, mut stream) = waiting_connection(&test_hub, "alice").await;
    stream.write_all(&masked(r#"{"type":"join_room","room":"a"}"#)).await.expect("sent");
    alice.run().await;
    assert!(contains(&read_available(&mut stream).await, "alice joined"));

    let (registry, mailbox) = (test_hub.hub.registry.clone(), alice.connection.mailbox.clone());
    alice.connection.socket.stream().on_write = Some(Box::new(move || {
        mailbox.send(&"a notice".into());
        submit(&registry, "a", "an entry");
        // The flusher of another thread does the same.
        mailbox.wake();
    }));
    stream.write_all(&masked(r#"{"type":"ping"}"#)).await.expect("sent");
    alice.run().await;
    let all = read_available(&mut stream).await;
    assert!(contains(&all, "pong") && contains(&all, "a notice") && contains(&all, "an entry"));
}

#[tokio::test]
async fn busy_rooms_take_turns() {
    const ROOMS: usize = 6;
    let test_hub = TestHub::new();
    let user = UserId::new("alice").expect("a user id");
    let (mailbox, _) = test_hub.hub.registry.connect(&user, 0).await.expect("counted").expect("not too many");
    let mut delivery = Delivery::default();
    let text = "x".repeat(3_000);
    for number in 0..ROOMS {
        let name = format!("room-{number}");
        let room = RoomName::new(&name).expect("a room's name");
        let (entrance, seat, _) = test_hub.hub.registry.join(&mailbox, &room, None).await.expect("joined");
        delivery.enter(entrance, seat);
        // More than the turns below deliver.
        (0..200).for_each(|_| submit(&test_hub.hub.registry, &name, &text));
    }
    let limit = 64 * 1024;
    let taken: Vec<Vec<usize>> =
        std::iter::repeat_with(|| rooms_of(&mut delivery, &test_hub, &mailbox, limit, ROOMS))
            .take(ROOMS)
            .collect();
    for number in 0..ROOMS {
        let turns = taken.iter().filter(|rooms| rooms.contains(&number)).count();
        assert!(turns >= 3, "room {number} has {turns} of {ROOMS} turns: {taken:?}");
    }
    delivery.take_seats().for_each(|(room, seat)| test_hub.hub.registry.lose(&mailbox, &room, seat));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_the_store_is_fetched_again_after_an_outage_of_the_engine() {
    let test_hub = TestHub::new();
    let registry = &test_hub.hub.registry;
    // Nobody is in the room, so the entry is in the store only.
    submit(registry, "a", "an entry");
    let user = UserId::new("alice").expect("a user id");
    let (mailbox, _) = registry.connect(&user, 0).await.expect("counted").expect("not too many");
    let start = serde_json::from_str(r#"{"epoch":null,"seq":0,"id":null}"#).expect("a position");
    let (entrance, seat, _) = registry.join(&mailbox, &room(), Some(&start)).await.expect("joined");
    let (mut delivery, mut out) = (Delivery::default(), Vec::new());
    delivery.enter(entrance, seat);
    for _ in 0..3 {
        test_hub.broker.refuse(Method::History);
    }
    let begun = tokio::time::Instant::now();
    delivery.fill(registry, &mailbox, &mut out, 64 * 1024);
    poll_fn(|cx| {
        delivery.poll_fetch(cx, &mailbox, &mut out);
        if contains(&out, "an entry") { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    assert_eq!(begun.elapsed().as_secs(), 3, "a second for each refused read");
    delivery.take_seats().for_each(|(room, seat)| registry.lose(&mailbox, &room, seat));
}

/// A page counts towards the limits of memory until it is written.
#[tokio::test]
async fn the_next_page_of_the_store_is_fetched_when_the_last_one_is_written() {
    let test_hub = TestHub::new();
    let registry = &test_hub.hub.registry;
    // Nobody is in the room, so the entries are in the store only: two pages.
    (0..30).for_each(|_| submit(registry, "a", &"x".repeat(4_000)));
    let user = UserId::new("alice").expect("a user id");
    let (mailbox, _) = registry.connect(&user, 0).await.expect("counted").expect("not too many");
    let start = serde_json::from_str(r#"{"epoch":null,"seq":0,"id":null}"#).expect("a position");
    let (entrance, seat, _) = registry.join(&mailbox, &room(), Some(&start)).await.expect("joined");
    let (mut delivery, mut out) = (Delivery::default(), Vec::new());
    delivery.enter(entrance, seat);
    test_hub.broker.calls(&[]);
    for _ in 0..2 {
        delivery.fill(registry, &mailbox, &mut out, usize::MAX);
        let before = out.len();
        poll_fn(|cx| {
            delivery.poll_fetch(cx, &mailbox, &mut out);
            if out.len() > before { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let page = out.len();
        // The page is not written, so nothing else is fetched.
        delivery.fill(registry, &mailbox, &mut out, usize::MAX);
        poll_fn(|cx| {
            delivery.poll_fetch(cx, &mailbox, &mut out);
            Poll::Ready(())
        })
        .await;
        assert_eq!((out.len(), delivery.has_more()), (page, false));
        assert_eq!(test_hub.broker.calls(&[Method::History]), [Method::History]);
        delivery.written();
        assert!(delivery.has_more());
    }
    delivery.take_seats().for_each(|(room, seat)| registry.lose(&mailbox, &room, seat));
}

/// The rooms that have frames in one fill.
fn rooms_of(
    delivery: &mut Delivery,
    test_hub: &TestHub,
    mailbox: &Mailbox,
    limit: usize,
    rooms: usize,
) -> Vec<usize> {
    let mut out = Vec::new();
    delivery.fill(&test_hub.hub.registry, mailbox, &mut out, limit);
    assert!(out.len() >= limit && delivery.has_more());
    (0..rooms).filter(|number| contains(&out, &format!(r#""room-{number}""#))).collect()
}

fn submit(registry: &Registry, room: &str, text: &str) {
    let (room, text) = (RoomName::new(room).expect("a room's name"), Text::new(text).expect("a text"));
    let post = Post::message(room, text, None);
    let from = UserId::new("writer").expect("a user id");
    registry.submit(0, crate::broker::Submission::new(from, post), Box::new(|_| ()));
}
