//! The order in which members are woken, and what a turn of the flusher takes in.

use std::collections::BTreeSet;
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;

use super::*;
use crate::broker::steered::Method;

/// Adds its number to a list when it is woken.
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
async fn each_member_is_woken_once_and_not_always_the_same_first() {
    const MEMBERS: usize = 8;
    const ROUNDS: usize = 64;
    let (house, woken) = (house(config()), Arc::<Mutex<Vec<usize>>>::default());
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let client = Client::joined(&house, &format!("user-{number}"), "a").await;
        members.push((client, Waker::from(Arc::new(Numbered { number, woken: woken.clone() }))));
    }
    let (of_all, _, _) = members[0].0.seat.clone().expect("in a room");
    let mut first = BTreeSet::new();
    for _ in 0..ROUNDS {
        for (client, waker) in &members {
            client.mailbox.look(&Context::from_waker(waker));
        }
        woken.lock().clear();
        of_all.wake_members(0);
        let mut order = woken.lock().clone();
        first.insert(order[0]);
        order.sort_unstable();
        assert_eq!(order, (0..MEMBERS).collect::<Vec<_>>());
    }
    // By chance alone it is the same one in all rounds once in 8^63 times.
    assert!(first.len() > 1, "{first:?}");
}

#[tokio::test]
async fn what_ready_tasks_submit_is_flushed_together() {
    let (house, broker) = steered(config());
    // The flusher waits for something to do.
    tokio::task::yield_now().await;
    let submit = |house: &Registry, from: &str| {
        let post = Post { room: room("a"), text: Text::new("hello").expect("a text"), client_msg_id: None };
        house.submit(0, Submission::message(user(from), post), Box::new(|_| ()));
    };
    submit(&house, "alice");
    // Runs behind the flusher, which has been woken.
    let other = tokio::spawn({
        let house = house.clone();
        async move { submit(&house, "bob") }
    });
    other.await.expect("submitted");
    let mut calls = Vec::new();
    while calls.last() != Some(&Method::Flush) {
        tokio::task::yield_now().await;
        calls.extend(broker.calls(&[Method::Submit, Method::Flush]));
    }
    assert_eq!(calls, [Method::Submit, Method::Submit, Method::Flush]);
}
