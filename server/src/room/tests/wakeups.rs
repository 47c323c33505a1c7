//! Wake-ups: the order and the parts in which members are woken, and the submissions that a turn of the flusher includes.

use std::collections::BTreeSet;
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;

use super::*;
use crate::broker::steered::Method;
use crate::room::WOKEN_AT_ONCE;

/// A waker that adds its number to a list.
struct Numbered {
    number: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {
        self.woken.lock().push(self.number);
    }
}

/// Members at rest, whose wakers add their numbers to a list.
#[derive(Default)]
struct Sleepers {
    members: Vec<(RoomClient, Waker)>,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Sleepers {
    /// Members of the room `a`.
    async fn join(registry: &Arc<Registry>, count: usize) -> Self {
        let mut sleepers = Self::default();
        for number in 0..count {
            sleepers.add(registry, number, "a").await;
        }
        sleepers.rest();
        sleepers
    }

    async fn add(&mut self, registry: &Arc<Registry>, number: usize, room: &str) {
        let client = RoomClient::joined(registry, &format!("user-{number}"), room).await;
        self.members.push((client, Waker::from(Arc::new(Numbered { number, woken: self.woken.clone() }))));
    }

    /// Lets all members rest.
    fn rest(&self) {
        for (client, waker) in &self.members {
            client.mailbox.register(&Context::from_waker(waker));
        }
    }

    fn room(&self) -> Arc<Room> {
        self.members[0].0.seat.clone().expect("in a room").0
    }

    /// The members that were woken since the last call, in their order.
    fn take_woken(&self) -> Vec<usize> {
        std::mem::take(&mut self.woken.lock())
    }
}

#[tokio::test]
async fn each_member_is_woken_once_in_varying_order() {
    const MEMBERS: usize = 8;
    const ROUNDS: usize = 64;
    let sleepers = Sleepers::join(&registry(config()), MEMBERS).await;
    sleepers.take_woken();
    let mut first = BTreeSet::new();
    for _ in 0..ROUNDS {
        sleepers.rest();
        assert!(sleepers.room().wake_members(0, None).is_none(), "all are woken at once");
        let mut order = sleepers.take_woken();
        first.insert(order[0]);
        order.sort_unstable();
        assert_eq!(order, (0..MEMBERS).collect::<Vec<_>>());
    }
    // The chance that one member is first in all rounds is 1 in 8^63.
    assert!(first.len() > 1, "{first:?}");
}

#[tokio::test]
async fn members_of_a_large_room_are_woken_in_parts() {
    const MEMBERS: usize = 2 * WOKEN_AT_ONCE + 10;
    let sleepers = Sleepers::join(&registry(config()), MEMBERS).await;
    sleepers.take_woken();
    let (mut round, mut order, mut parts) = (None, Vec::new(), Vec::new());
    loop {
        round = sleepers.room().wake_members(0, round);
        let part = sleepers.take_woken();
        parts.push(part.len());
        order.extend(part);
        if round.is_none() {
            break;
        }
        // They are not woken again by the same round.
        sleepers.rest();
    }
    assert_eq!(parts, [WOKEN_AT_ONCE, WOKEN_AT_ONCE, 10]);
    order.sort_unstable();
    assert_eq!(order, (0..MEMBERS).collect::<Vec<_>>());
}

#[tokio::test]
async fn members_that_were_woken_before_the_ring_grew_are_woken_again() {
    const MEMBERS: usize = 3 * WOKEN_AT_ONCE;
    let sleepers = Sleepers::join(&registry(config()), MEMBERS).await;
    sleepers.take_woken();
    let mut round = sleepers.room().wake_members(0, None);
    let early: BTreeSet<_> = sleepers.take_woken().into_iter().collect();
    sleepers.rest();
    sleepers.members[0].0.send_typing("a");
    let mut later = Vec::new();
    while round.is_some() {
        round = sleepers.room().wake_members(0, round);
        later.extend(sleepers.take_woken());
    }
    let again: BTreeSet<_> = later[later.len() - WOKEN_AT_ONCE..].iter().copied().collect();
    assert_eq!(again, early, "the members that were woken last are woken first");
    later.sort_unstable();
    assert_eq!(later, (0..MEMBERS).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_round_reaches_all_members_that_stay_while_others_leave_and_join() {
    const MEMBERS: usize = 3 * WOKEN_AT_ONCE;
    let registry = registry(config());
    let mut sleepers = Sleepers::join(&registry, MEMBERS).await;
    sleepers.take_woken();
    let round = sleepers.room().wake_members(0, None);
    let mut woken: BTreeSet<_> = sleepers.take_woken().into_iter().collect();
    for (client, _) in sleepers.members.iter_mut().step_by(3) {
        client.leave().await;
    }
    for number in MEMBERS..MEMBERS + 10 {
        sleepers.add(&registry, number, "a").await;
    }
    let room = sleepers.members[1].0.seat.clone().expect("in the room").0;
    let mut round = round;
    while round.is_some() {
        round = room.wake_members(0, round);
    }
    woken.extend(sleepers.take_woken());
    let stayed: BTreeSet<_> = (0..MEMBERS).filter(|number| number % 3 != 0).collect();
    assert!(stayed.is_subset(&woken), "not woken: {:?}", stayed.difference(&woken));
}

#[tokio::test]
async fn a_small_room_does_not_wait_for_the_members_of_a_large_one() {
    const MEMBERS: usize = 3 * WOKEN_AT_ONCE;
    let registry = registry(config());
    let mut sleepers = Sleepers::join(&registry, MEMBERS).await;
    sleepers.add(&registry, MEMBERS, "b").await;
    // The flusher ends the wake-ups of the joins. The last one wakes the new member of `b`.
    sleepers.rest();
    sleepers.members[MEMBERS].0.send_typing("b");
    while !sleepers.woken.lock().contains(&MEMBERS) {
        tokio::task::yield_now().await;
    }
    sleepers.rest();
    sleepers.take_woken();
    let (large, small) = (&sleepers.members[0].0, &sleepers.members[MEMBERS].0);
    large.send_typing("a");
    while sleepers.woken.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    small.send_typing("b");
    while sleepers.woken.lock().len() <= MEMBERS {
        tokio::task::yield_now().await;
    }
    let order = sleepers.take_woken();
    assert_eq!(order.iter().position(|number| *number == MEMBERS), Some(WOKEN_AT_ONCE));
}

/// A lost wake-up is a test that does not end.
#[tokio::test]
async fn members_of_a_large_room_receive_what_other_threads_post() {
    const MEMBERS: usize = 2 * WOKEN_AT_ONCE;
    const POSTS: u64 = 500;
    let mut config = config();
    config.ring.bytes_per_room = 8 << 20;
    let registry = registry(config);
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..MEMBERS {
        let mut client = RoomClient::joined(&registry, &format!("user-{number}"), "a").await;
        readers.spawn(async move {
            let last = format!("writer: hello #{POSTS}");
            // A notice of joins may follow.
            while !client.next().await.contains(&last) {}
        });
    }
    let writer = std::thread::spawn(move || {
        for _ in 0..POSTS {
            let post = Post::message(room("a"), Text::new("hello").expect("a text"), None);
            registry.submit(0, Submission::new(user("writer"), post), Box::new(|_| ()));
            std::thread::yield_now();
        }
    });
    while let Some(reader) = readers.join_next().await {
        reader.expect("no panic");
    }
    writer.join().expect("no panic");
}

#[tokio::test]
async fn a_connection_that_is_awake_is_not_woken() {
    let (registry, woken) = (registry(config()), Arc::<Mutex<Vec<usize>>>::default());
    let client = RoomClient::connect(&registry, "alice").await;
    let waker = Waker::from(Arc::new(Numbered { number: 7, woken: woken.clone() }));
    client.mailbox.register(&Context::from_waker(&waker));
    client.mailbox.stay_awake();
    client.mailbox.wake();
    assert!(woken.lock().is_empty(), "the connection reads its mailbox before its turn ends");
    client.mailbox.register(&Context::from_waker(&waker));
    client.mailbox.wake();
    assert_eq!(*woken.lock(), [7]);
}

#[tokio::test]
async fn submissions_of_ready_tasks_are_flushed_together() {
    let (registry, broker) = steered_registry(config());
    // Lets the flusher begin to wait.
    tokio::task::yield_now().await;
    let submit = |registry: &Registry, from: &str| {
        let post = Post::message(room("a"), Text::new("hello").expect("a text"), None);
        registry.submit(0, Submission::new(user(from), post), Box::new(|_| ()));
    };
    submit(&registry, "alice");
    // This task runs after the flusher, which has been woken.
    let other = tokio::spawn({
        let registry = registry.clone();
        async move { submit(&registry, "bob") }
    });
    other.await.expect("submitted");
    let mut calls = Vec::new();
    while calls.last() != Some(&Method::Flush) {
        tokio::task::yield_now().await;
        calls.extend(broker.calls(&[Method::Submit, Method::Flush]));
    }
    assert_eq!(calls, [Method::Submit, Method::Submit, Method::Flush]);
}
