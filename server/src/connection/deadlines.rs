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
pub(super) const EXPIRY_WARNING: Duration = Duration::from_secs(60);
/// From our close frame to the end of the socket, where the peer does not end it before.
const CLOSING: Duration = Duration::from_secs(3);

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
