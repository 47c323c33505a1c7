//! What is due when, for one connection: one timer for all of it.
//!
//! A deadline that moves later is not worth a timer call: the timer fires at the earlier time, and is set anew then.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::config::Timing;

/// From the warning to the end of a token.
pub(super) const EXPIRY_WARNING: Duration = Duration::from_mins(1);
/// From our close frame to the end of the socket, where the peer does not end it before.
const CLOSING: Duration = Duration::from_secs(3);
/// The same, when the server stops and the close frame had gone before.
const HURRY: Duration = Duration::from_secs(1);

pub(super) struct Deadlines {
    timer: Pin<Box<Sleep>>,
    armed: Instant,
    /// When the peer gave its last sign.
    heard: Instant,
    /// When the ping that asks for a sign has been unanswered for too long.
    pong: Option<Instant>,
    /// When a peer that takes nothing has done so for too long.
    stalled: Option<Instant>,
    /// When a frame or message that has begun has taken too long.
    unfinished: Option<Instant>,
    /// When the bearer is to be warned, and when the token has expired.
    pub(super) warning: Option<Instant>,
    pub(super) expiry: Option<Instant>,
    /// When a closed connection ends, whatever the peer does.
    closing: Option<Instant>,
}

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask for a sign of life.
    Ping,
    /// None came.
    PingTimeout,
    /// The peer takes nothing.
    Stalled,
    /// A frame takes too long.
    Unfinished,
    /// The token is good for another minute.
    ExpiryWarning,
    /// The token has expired.
    Expired,
    /// The peer does not end the connection.
    Closed,
}

impl Deadlines {
    pub(super) fn new(now: Instant, timing: &Timing) -> Self {
        let first = now + timing.ping_interval;
        Self {
            timer: Box::pin(tokio::time::sleep_until(first.into())),
            armed: first,
            heard: now,
            pong: None,
            stalled: None,
            unfinished: None,
            warning: None,
            expiry: None,
            closing: None,
        }
    }

    /// The peer gave a sign.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pong = None;
    }

    /// A frame is unfinished, or not; `progress`: it is another one than before.
    pub(super) fn unfinished(&mut self, unfinished: bool, progress: bool, now: Instant, timing: &Timing) {
        if progress || !unfinished {
            self.unfinished = None;
        }
        if unfinished {
            self.unfinished.get_or_insert(now + timing.unfinished_frame_timeout);
        }
    }

    /// Something could not be written, or all was; `progress`: the peer took some.
    pub(super) fn written(&mut self, all: bool, progress: bool, now: Instant, timing: &Timing) {
        if all || progress {
            self.stalled = None;
        }
        if !all {
            self.stalled.get_or_insert(now + timing.slow_reader_timeout);
        }
    }

    /// The connection is being closed: nothing else is due any more.
    pub(super) fn close(&mut self, now: Instant, patience: Option<Duration>) {
        (self.pong, self.stalled, self.unfinished) = (None, None, None);
        (self.warning, self.expiry) = (None, None);
        self.closing = Some(now + patience.unwrap_or(CLOSING));
    }

    /// The connection is being closed and the server stops: its peer has little time left.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.closing = self.closing.map(|closing| closing.min(now + HURRY));
    }

    /// What is due, one at a time; otherwise the timer is set.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, timing: &Timing) -> Option<Due> {
        if let Some(due) = self.due(now, timing) {
            return Some(due);
        }
        let next = self.next(timing);
        let fired = now >= self.armed;
        if next < self.armed || fired {
            self.armed = next;
            self.timer.as_mut().reset(next.into());
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        None
    }

    fn due(&mut self, now: Instant, timing: &Timing) -> Option<Due> {
        let reached = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if self.closing.is_some() {
            return reached(self.closing).then_some(Due::Closed);
        }
        if reached(self.expiry) {
            return Some(Due::Expired);
        }
        if reached(self.stalled) {
            return Some(Due::Stalled);
        }
        if reached(self.unfinished) {
            return Some(Due::Unfinished);
        }
        if reached(self.pong) {
            return Some(Due::PingTimeout);
        }
        if self.pong.is_none() && now >= self.heard + timing.ping_interval {
            self.pong = Some(now + timing.ping_timeout);
            return Some(Due::Ping);
        }
        if reached(self.warning) {
            self.warning = None;
            return Some(Due::ExpiryWarning);
        }
        None
    }

    fn next(&self, timing: &Timing) -> Instant {
        if let Some(closing) = self.closing {
            return closing;
        }
        let sign = self.pong.unwrap_or(self.heard + timing.ping_interval);
        let others = [self.stalled, self.unfinished, self.warning, self.expiry];
        others.into_iter().flatten().fold(sign, Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    /// Deadlines, and a clock that moves when nothing else is to be done.
    struct Watch {
        deadlines: Deadlines,
        timing: Timing,
        start: Instant,
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    impl Watch {
        /// Asks after 25 s, waits 10 s for anything.
        fn new() -> Self {
            let timing = Timing {
                ping_interval: secs(25),
                ping_timeout: secs(10),
                slow_reader_timeout: secs(10),
                unfinished_frame_timeout: secs(10),
                ..Timing::default()
            };
            Self { deadlines: Deadlines::new(now(), &timing), timing, start: now() }
        }

        /// What is due next, and after how many seconds since the start.
        async fn next(&mut self) -> (Due, u64) {
            let due = poll_fn(|cx| match self.deadlines.poll(cx, now(), &self.timing) {
                Some(due) => Poll::Ready(due),
                None => Poll::Pending,
            })
            .await;
            (due, (now() - self.start).as_secs())
        }

        /// Nothing becomes due for so long.
        async fn quiet(&mut self, secs: u64) {
            let early = tokio::time::timeout(Duration::from_secs(secs), self.next()).await;
            assert!(early.is_err(), "{early:?}");
        }

        fn unfinished(&mut self, unfinished: bool, progress: bool) {
            self.deadlines.unfinished(unfinished, progress, now(), &self.timing);
        }

        fn written(&mut self, all: bool, progress: bool) {
            self.deadlines.written(all, progress, now(), &self.timing);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_peer_is_asked_and_then_given_up() {
        let mut watch = Watch::new();
        assert_eq!(watch.next().await, (Due::Ping, 25));
        assert_eq!(watch.next().await, (Due::PingTimeout, 35));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_puts_the_ping_off() {
        let mut watch = Watch::new();
        watch.quiet(20).await;
        watch.deadlines.heard(now());
        assert_eq!(watch.next().await, (Due::Ping, 45));
        watch.quiet(5).await;
        watch.deadlines.heard(now());
        assert_eq!(watch.next().await, (Due::Ping, 75));
        assert_eq!(watch.next().await, (Due::PingTimeout, 85));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_stalls() {
        let mut watch = Watch::new();
        watch.written(false, false);
        watch.quiet(8).await;
        watch.written(false, true);
        watch.quiet(8).await;
        watch.written(false, false);
        assert_eq!(watch.next().await, (Due::Stalled, 18), "since it took something last");
        watch.written(true, true);
        assert_eq!(watch.next().await, (Due::Ping, 25), "all went out");
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_has_begun_has_to_end() {
        let mut watch = Watch::new();
        watch.unfinished(true, false);
        watch.quiet(8).await;
        watch.unfinished(true, true);
        watch.quiet(8).await;
        watch.unfinished(true, false);
        assert_eq!(watch.next().await, (Due::Unfinished, 18), "since another one began");
        watch.unfinished(false, false);
        assert_eq!(watch.next().await, (Due::Ping, 25), "it ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_warned_of_once_and_then_expires() {
        let mut watch = Watch::new();
        watch.deadlines.warning = Some(now() + secs(5));
        watch.deadlines.expiry = Some(now() + secs(20));
        assert_eq!(watch.next().await, (Due::ExpiryWarning, 5));
        assert_eq!(watch.next().await, (Due::Expired, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_the_connection_goes_before_what_does_not() {
        let mut watch = Watch::new();
        watch.deadlines.warning = Some(now());
        watch.deadlines.expiry = Some(now() + secs(30));
        watch.written(false, false);
        watch.unfinished(true, false);
        tokio::time::advance(secs(30)).await;
        assert_eq!(watch.next().await, (Due::Expired, 30));
        watch.deadlines.expiry = None;
        assert_eq!(watch.next().await, (Due::Stalled, 30));
        watch.written(true, true);
        assert_eq!(watch.next().await, (Due::Unfinished, 30));
        watch.unfinished(false, false);
        assert_eq!(watch.next().await, (Due::Ping, 30));
        assert_eq!(watch.next().await, (Due::ExpiryWarning, 30));
        assert_eq!(watch.next().await, (Due::PingTimeout, 40));
    }

    #[tokio::test(start_paused = true)]
    async fn once_closed_nothing_else_is_due() {
        for (patience, end) in [(None, 3), (Some(secs(60)), 60)] {
            let mut watch = Watch::new();
            watch.deadlines.warning = Some(now());
            watch.deadlines.expiry = Some(now());
            watch.written(false, false);
            watch.unfinished(true, false);
            watch.deadlines.close(now(), patience);
            assert_eq!(watch.next().await, (Due::Closed, end));
            assert_eq!(watch.next().await, (Due::Closed, end), "until its owner ends it");
        }
    }
}
