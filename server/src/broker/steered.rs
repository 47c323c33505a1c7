//! A memory broker that a test controls: it delays answers, refuses calls, holds submissions back, and records calls.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use realtime_shared::{
    DirectPair, Feature, Inbox, LeaveReason, Position, RoomName, RoomSummary, Seq, UserId,
};
use tokio::sync::watch;

use super::memory::MemoryBroker;
use super::{
    Broker, Completion, Feed, FoundMembers, FoundPage, InboxQuery, MemberPrefix, MessagePage, NotReady,
    NotStored, Page, PageQuery, Pending, Presence, Range, ReadCompletion, ReadMark, Recipients, RoomFilter,
    SearchQuery, Signal, Submission, Unavailable,
};
use crate::budget::Spending;
use crate::config::Config;

/// A method of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Open,
    Release,
    CatchUp,
    Enter,
    Leave,
    Members,
    History,
    Submit,
    Flush,
}

/// A memory broker that follows a [`Steering`].
pub(crate) struct SteeredBroker {
    inner: Arc<MemoryBroker>,
    steering: Arc<Steering>,
}

/// The control of a [`SteeredBroker`], for the test.
#[derive(Default)]
pub(crate) struct Steering {
    gate: watch::Sender<Gate>,
    calls: Mutex<Vec<Method>>,
    refused: Mutex<Vec<Method>>,
    on_open: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    submissions: Mutex<Submissions>,
}

/// The gate before the answers to `enter` and `leave`.
#[derive(Default)]
struct Gate {
    closed: bool,
    /// Calls since the gate was closed.
    waiting: usize,
}

#[derive(Default)]
struct Submissions {
    held: bool,
    /// The outcome of every submission, if they are refused.
    refused: Option<NotStored>,
    waiting: Vec<(Submission, Completion)>,
}

impl Steering {
    /// Opens or closes the gate for the answers to `enter` and `leave`.
    pub(crate) fn set_open(&self, open: bool) {
        self.gate.send_modify(|gate| *gate = Gate { closed: !open, waiting: 0 });
    }

    /// Waits until a call waits at the closed gate.
    pub(crate) async fn is_asked(&self) {
        self.gate.subscribe().wait_for(|gate| gate.waiting > 0).await.expect("the gate is here");
    }

    /// Refuses the next call of this method.
    pub(crate) fn refuse(&self, method: Method) {
        self.refused.lock().push(method);
    }

    /// Runs `act` while the next room is opened, after its head was read.
    pub(crate) fn on_open(&self, act: impl FnOnce() + Send + 'static) {
        *self.on_open.lock() = Some(Box::new(act));
    }

    /// Refuses all submissions from now on with this cause; `None` accepts them again.
    pub(crate) fn refuse_submissions(&self, cause: Option<NotStored>) {
        self.submissions.lock().refused = cause;
    }

    /// Holds all submissions from now on back.
    pub(crate) fn hold_submissions(&self) {
        self.submissions.lock().held = true;
    }

    /// Number of submissions that are held back.
    pub(crate) fn held_submissions(&self) -> usize {
        self.submissions.lock().waiting.len()
    }

    /// Completes the `count` oldest submissions that are held back, as unavailable.
    pub(crate) fn complete(&self, count: usize) {
        let oldest: Vec<_> = self.submissions.lock().waiting.drain(..count).collect();
        for (_, done) in oldest {
            done(Err(Unavailable.into()));
        }
    }

    /// Takes the recorded calls. Returns those of these methods.
    pub(crate) fn calls(&self, of: &[Method]) -> Vec<Method> {
        let mut calls = std::mem::take(&mut *self.calls.lock());
        calls.retain(|method| of.contains(method));
        calls
    }

    /// Records a call. True if it is not to be refused.
    fn allows(&self, method: Method) -> bool {
        self.calls.lock().push(method);
        let mut refused = self.refused.lock();
        let index = refused.iter().position(|other| *other == method);
        index.map(|index| refused.remove(index)).is_none()
    }
}

impl SteeredBroker {
    pub(crate) fn new(feed: Weak<dyn Feed>, config: &Config, steering: Arc<Steering>) -> Self {
        let (store, retain, rooms) = (config.memory.clone(), config.retain.clone(), config.limits.rooms);
        let inner = Arc::new(MemoryBroker::new(feed, config.clock.clone(), store, retain, rooms));
        Self { inner, steering }
    }

    /// The memory broker.
    pub(crate) fn inner(&self) -> Arc<MemoryBroker> {
        self.inner.clone()
    }

    /// Calls the memory broker, unless the call is refused.
    fn ask<T: Send + 'static>(
        &self,
        method: Method,
        ask: impl FnOnce(&MemoryBroker) -> Pending<T>,
    ) -> Pending<T> {
        if self.steering.allows(method) {
            ask(&self.inner)
        } else {
            Box::pin(std::future::ready(Err(Unavailable)))
        }
    }

    /// Calls the memory broker when the gate is open, unless the call is refused.
    fn ask_at_gate<T: Send + 'static>(
        &self,
        method: Method,
        ask: impl FnOnce(&MemoryBroker) -> Pending<T> + Send + 'static,
    ) -> Pending<T> {
        if !self.steering.allows(method) {
            return Box::pin(std::future::ready(Err(Unavailable)));
        }
        self.steering.gate.send_if_modified(|gate| {
            gate.waiting += usize::from(gate.closed);
            gate.closed
        });
        let (inner, mut gate) = (self.inner.clone(), self.steering.gate.subscribe());
        Box::pin(async move {
            let _ = gate.wait_for(|gate| !gate.closed).await;
            ask(&inner).await
        })
    }
}

impl Broker for SteeredBroker {
    fn readiness(&self) -> Result<(), NotReady> {
        self.inner.readiness()
    }

    fn open(&self, room: &RoomName) -> Pending<Position> {
        let opened = self.ask(Method::Open, |inner| inner.open(room));
        if let Some(act) = self.steering.on_open.lock().take() {
            act();
        }
        opened
    }

    fn release(&self, room: &RoomName) {
        self.steering.allows(Method::Release);
        self.inner.release(room);
    }

    fn catch_up(&self, room: &RoomName) -> Pending<()> {
        self.ask(Method::CatchUp, |inner| inner.catch_up(room))
    }

    fn submit(&self, submission: Submission, done: Completion) {
        self.steering.allows(Method::Submit);
        let mut submissions = self.steering.submissions.lock();
        if submissions.held {
            submissions.waiting.push((submission, done));
            return;
        }
        let refused = submissions.refused.clone();
        drop(submissions);
        match refused {
            Some(cause) => done(Err(cause)),
            None => self.inner.submit(submission, done),
        }
    }

    fn flush(&self) {
        self.steering.allows(Method::Flush);
        self.inner.flush();
    }

    fn signal(&self, room: &RoomName, signal: Signal) {
        self.inner.signal(room, signal);
    }

    fn broadcast(&self, to: Recipients, json: Arc<str>) {
        self.inner.broadcast(to, json);
    }

    fn has_peers(&self) -> bool {
        self.inner.has_peers()
    }

    fn publish_spending(&self, spending: &[(UserId, Spending)]) {
        self.inner.publish_spending(spending);
    }

    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page> {
        self.ask(Method::History, |inner| inner.history(room, range, limit, bytes))
    }

    fn features(&self) -> &'static [Feature] {
        self.inner.features()
    }

    fn messages(&self, room: &RoomName, query: PageQuery, viewer: &UserId) -> Pending<MessagePage> {
        self.ask(Method::History, |inner| inner.messages(room, query, viewer))
    }

    fn search(&self, query: SearchQuery, rooms: RoomFilter, viewer: &UserId) -> Pending<FoundPage> {
        self.ask(Method::History, |inner| inner.search(query, rooms, viewer))
    }

    fn open_direct(
        &self,
        pair: &DirectPair,
        asker: &UserId,
        is_exempt: bool,
    ) -> Pending<Result<(), NotStored>> {
        self.inner.open_direct(pair, asker, is_exempt)
    }

    fn direct_pair(&self, room: &RoomName) -> Pending<Option<DirectPair>> {
        self.inner.direct_pair(room)
    }

    fn direct_rooms(&self, user: &UserId) -> Pending<Vec<RoomSummary>> {
        self.inner.direct_rooms(user)
    }

    fn mark_joined(&self, room: &RoomName, user: &UserId, head: Seq) -> Pending<Option<Seq>> {
        self.inner.mark_joined(room, user, head)
    }

    fn mark_left(&self, room: &RoomName, user: &UserId) {
        self.inner.mark_left(room, user);
    }

    fn mark_read(&self, mark: ReadMark, done: ReadCompletion) {
        self.inner.mark_read(mark, done);
    }

    fn inbox(&self, user: &UserId, query: InboxQuery) -> Pending<Inbox> {
        self.inner.inbox(user, query)
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        self.inner.list(filter, limit)
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        let (room, user) = (room.clone(), user.clone());
        self.ask_at_gate(Method::Enter, move |inner| inner.enter(&room, &user, members))
    }

    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence> {
        let (room, user) = (room.clone(), user.clone());
        self.ask_at_gate(Method::Leave, move |inner| inner.leave(&room, &user, reason))
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        self.ask(Method::Members, |inner| inner.members(room, members))
    }

    fn find_members(&self, room: &RoomName, prefix: MemberPrefix, limit: usize) -> Pending<FoundMembers> {
        self.ask(Method::Members, |inner| inner.find_members(room, prefix, limit))
    }

    fn connect(&self, user: &UserId, limit: usize) -> Pending<Option<u64>> {
        self.inner.connect(user, limit)
    }

    fn disconnect(&self, user: &UserId) {
        self.inner.disconnect(user);
    }
}
