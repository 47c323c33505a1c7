//! Deadlines of one connection, with one timer for all of them.
//!
//! A deadline that moves to a later time does not reset the timer. The timer fires at the earlier time, and is set
//! again then.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::config::Timing;

/// Time between the warning and the expiry of a token.
pub(super) const EXPIRY_WARNING: Duration = Duration::from_mins(1);
/// Time that a peer has to end the connection after a close frame.
const CLOSING: Duration = Duration::from_secs(3);
/// Time that remains to a peer with a close frame when the server stops.
const CLOSING_AT_SHUTDOWN: Duration = Duration::from_secs(1);

/// The deadlines. `None`: not set.
pub(super) struct Deadlines {
    timer: Pin<Box<Sleep>>,
    /// The time at which bytes were last received.
    last_received: Instant,
    /// The answer to a ping.
    pong: Option<Instant>,
    /// Progress of a peer that does not read.
    stalled: Option<Instant>,
    /// The end of a frame or message that has begun.
    unfinished: Option<Instant>,
    /// The warning before the expiry of the token.
    pub(super) warning: Option<Instant>,
    /// The expiry of the token, leeway included.
    pub(super) expiry: Option<Instant>,
    /// The end of a connection that is being closed.
    closing: Option<Instant>,
}

/// An event that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The peer has been silent, and has to be pinged.
    Ping,
    /// Nothing was received after the ping.
    PingTimeout,
    /// The peer does not read.
    Stalled,
    /// A frame has begun and does not end.
    Unfinished,
    /// The token expires in a minute.
    ExpiryWarning,
    /// The token has expired.
    Expired,
    /// The peer has not ended the connection after the close frame.
    Closed,
}

impl Deadlines {
    pub(super) fn new(now: Instant, timing: &Timing) -> Self {
        let first = now + timing.ping_interval;
        Self {
            timer: Box::pin(tokio::time::sleep_until(first.into())),
            last_received: now,
            pong: None,
            stalled: None,
            unfinished: None,
            warning: None,
            expiry: None,
            closing: None,
        }
    }

    /// Records that bytes were received.
    pub(super) fn received(&mut self, now: Instant) {
        self.last_received = now;
        self.pong = None;
    }

    /// Records the state of the input. `unfinished`: a frame has begun. `progress`: a frame was
    /// completed since the last call.
    pub(super) fn unfinished(&mut self, unfinished: bool, progress: bool, now: Instant, timing: &Timing) {
        if progress || !unfinished {
            self.unfinished = None;
        }
        if unfinished {
            self.unfinished.get_or_insert(now + timing.unfinished_frame_timeout);
        }
    }

    /// Records a write. `all`: no output is pending. `progress`: the peer reads.
    pub(super) fn written(&mut self, all: bool, progress: bool, now: Instant, timing: &Timing) {
        if all || progress {
            self.stalled = None;
        }
        if !all {
            self.stalled.get_or_insert(now + timing.slow_reader_timeout);
        }
    }

    /// Records that the connection is being closed. Only [`Due::Closed`] is due then, after `timeout` or the usual
    /// time.
    pub(super) fn close(&mut self, now: Instant, timeout: Option<Duration>) {
        (self.pong, self.stalled, self.unfinished) = (None, None, None);
        (self.warning, self.expiry) = (None, None);
        self.closing = Some(now + timeout.unwrap_or(CLOSING));
    }

    /// Shortens the time of a connection that is being closed, because the server stops.
    pub(super) fn shorten_closing(&mut self, now: Instant) {
        self.closing = self.closing.map(|closing| closing.min(now + CLOSING_AT_SHUTDOWN));
    }

    /// Returns one due event. If there is none, sets the timer to wake the task at the next deadline.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, timing: &Timing) -> Option<Due> {
        if let Some(due) = self.due(now, timing) {
            return Some(due);
        }
        let next = self.next(timing);
        let armed = self.timer.deadline().into_std();
        if next < armed || now >= armed {
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
        if self.pong.is_none() && now >= self.last_received + timing.ping_interval {
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
        let liveness = self.pong.unwrap_or(self.last_received + timing.ping_interval);
        let others = [self.stalled, self.unfinished, self.warning, self.expiry];
        others.into_iter().flatten().fold(liveness, Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    /// Deadlines on a paused clock, which advances while all tasks wait.
    struct Fixture {
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

    impl Fixture {
        /// Pings after 25 s. All other time limits are 10 s.
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

        /// Waits for the next event. Returns it, and the seconds since the start.
        async fn next(&mut self) -> (Due, u64) {
            let due = poll_fn(|cx| match self.deadlines.poll(cx, now(), &self.timing) {
                Some(due) => Poll::Ready(due),
                None => Poll::Pending,
            })
            .await;
            (due, (now() - self.start).as_secs())
        }

        /// Waits, and checks that nothing becomes due.
        async fn nothing_due_for(&mut self, secs: u64) {
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
    async fn a_silent_peer_is_pinged_and_then_times_out() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.next().await, (Due::Ping, 25));
        assert_eq!(fixture.next().await, (Due::PingTimeout, 35));
    }

    #[tokio::test(start_paused = true)]
    async fn received_bytes_postpone_the_ping() {
        let mut fixture = Fixture::new();
        fixture.nothing_due_for(20).await;
        fixture.deadlines.received(now());
        assert_eq!(fixture.next().await, (Due::Ping, 45));
        fixture.nothing_due_for(5).await;
        fixture.deadlines.received(now());
        assert_eq!(fixture.next().await, (Due::Ping, 75));
        assert_eq!(fixture.next().await, (Due::PingTimeout, 85));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_stalls() {
        let mut fixture = Fixture::new();
        fixture.written(false, false);
        fixture.nothing_due_for(8).await;
        fixture.written(false, true);
        fixture.nothing_due_for(8).await;
        fixture.written(false, false);
        assert_eq!(fixture.next().await, (Due::Stalled, 18), "10 s after the last progress");
        fixture.written(true, true);
        assert_eq!(fixture.next().await, (Due::Ping, 25), "everything was written");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unfinished_frame_times_out() {
        let mut fixture = Fixture::new();
        fixture.unfinished(true, false);
        fixture.nothing_due_for(8).await;
        fixture.unfinished(true, true);
        fixture.nothing_due_for(8).await;
        fixture.unfinished(true, false);
        assert_eq!(fixture.next().await, (Due::Unfinished, 18), "10 s after the second frame began");
        fixture.unfinished(false, false);
        assert_eq!(fixture.next().await, (Due::Ping, 25), "the frame is complete");
    }

    #[tokio::test(start_paused = true)]
    async fn the_warning_comes_once_before_the_token_expires() {
        let mut fixture = Fixture::new();
        fixture.deadlines.warning = Some(now() + secs(5));
        fixture.deadlines.expiry = Some(now() + secs(20));
        assert_eq!(fixture.next().await, (Due::ExpiryWarning, 5));
        assert_eq!(fixture.next().await, (Due::Expired, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_end_the_connection_come_first() {
        let mut fixture = Fixture::new();
        fixture.deadlines.warning = Some(now());
        fixture.deadlines.expiry = Some(now() + secs(30));
        fixture.written(false, false);
        fixture.unfinished(true, false);
        tokio::time::advance(secs(30)).await;
        assert_eq!(fixture.next().await, (Due::Expired, 30));
        fixture.deadlines.expiry = None;
        assert_eq!(fixture.next().await, (Due::Stalled, 30));
        fixture.written(true, true);
        assert_eq!(fixture.next().await, (Due::Unfinished, 30));
        fixture.unfinished(false, false);
        assert_eq!(fixture.next().await, (Due::Ping, 30));
        assert_eq!(fixture.next().await, (Due::ExpiryWarning, 30));
        assert_eq!(fixture.next().await, (Due::PingTimeout, 40));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_end_is_due_while_the_connection_is_being_closed() {
        for (timeout, end) in [(None, 3), (Some(secs(60)), 60)] {
            let mut fixture = Fixture::new();
            fixture.deadlines.warning = Some(now());
            fixture.deadlines.expiry = Some(now());
            fixture.written(false, false);
            fixture.unfinished(true, false);
            fixture.deadlines.close(now(), timeout);
            assert_eq!(fixture.next().await, (Due::Closed, end));
            assert_eq!(fixture.next().await, (Due::Closed, end), "remains due");
        }
    }
}
