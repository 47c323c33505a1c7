//! Wake-ups: the order in which members are woken, and the submissions that a turn of the flusher includes.

use std::collections::BTreeSet;
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;

use super::*;
use crate::broker::steered::Method;

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

#[tokio::test]
async fn each_member_is_woken_once_in_varying_order() {
    const MEMBERS: usize = 8;
    const ROUNDS: usize = 64;
    let (registry, woken) = (registry(config()), Arc::<Mutex<Vec<usize>>>::default());
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let client = RoomClient::joined(&registry, &format!("user-{number}"), "a").await;
        members.push((client, Waker::from(Arc::new(Numbered { number, woken: woken.clone() }))));
    }
    let (shared_room, _, _) = members[0].0.seat.clone().expect("in a room");
    let mut first = BTreeSet::new();
    for _ in 0..ROUNDS {
        for (client, waker) in &members {
            client.mailbox.register(&Context::from_waker(waker));
        }
        woken.lock().clear();
        shared_room.wake_members(0);
        let mut order = woken.lock().clone();
        first.insert(order[0]);
        order.sort_unstable();
        assert_eq!(order, (0..MEMBERS).collect::<Vec<_>>());
    }
    // The chance that one member is first in all rounds is 1 in 8^63.
    assert!(first.len() > 1, "{first:?}");
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
