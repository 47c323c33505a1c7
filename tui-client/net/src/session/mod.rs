//! Protocol state of the client over all its connections. Pure: no socket, no clock, no randomness of its own.
//!
//! The task ([`super::task`]) passes events and the time in, and carries the [`Output`]s out in order:
//!
//! ```text
//! Connecting ── welcome ──▶ Connected
//!     │ failed                  │ lost
//!     └───────▶ verdict ◀───────┘
//!                 ├ Soon, BackOff ─▶ Waiting ── time, RetryNow ──▶ Connecting
//!                 ├ AnotherToken ──▶ AskingToken ── another ▶ Waiting, the same ▶ Stopped
//!                 └ Stop ──────────▶ Stopped ── RetryNow ──▶ Connecting
//! ```
//!
//! A token of the program ([`Command::UseToken`](super::command::Command::UseToken)) connects from every state without a
//! connection.
//!
//! [`CloseCode::verdict`] and [`Verdict::of_http_status`] decide on reconnecting, never this module. `Soon` and
//! `BackOff` share one curve: its first wait is short, and it grows until a connection is stable. [`Rooms`] and
//! [`Outbox`] hold the state that survives a connection, `Live` holds the state of one connection. `incoming.rs`
//! handles the frames of the server, `outgoing.rs` the commands of the program, `token.rs` the token, and `health.rs`
//! missing answers.

mod health;
mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;
mod token;

use std::collections::{HashSet, VecDeque};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use realtime_shared::{
    ClientFrame, ClientMsgId, CloseCode, Feature, Nonce, Ref, RoomName, ServerEvent, ServerFrame,
    SystemEvent, UserId, Verdict,
};

use super::claims::TokenClaims;
use super::command::Command;
use super::config::Timing;
use super::event::{ConnectionState, Disconnect, Event, Health, SendState};
use super::markers::{Markers, Moved};
use super::outbox::Outbox;
use super::pacer::Pacer;
use super::renewal::Renewal;
use super::requests::{Failed, Requests};
use super::rooms::Rooms;

/// Longest wait that a server may require. A longer one counts as a mistake.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// An action for the task.
#[derive(PartialEq, Eq)]
pub(super) enum Output {
    /// Gets a token and connects.
    Connect,
    /// Drops the attempt or the connection without a close frame.
    Drop,
    Write(ClientFrame),
    /// Asks the token source, because the server has refused the token. The answer goes to
    /// [`Session::source_answered`].
    AskToken,
    /// Asks the token source, unless the token is far from its end.
    RenewToken,
    /// Asks the token source, if it is cheap.
    CheckToken,
    /// The server accepted the token of the last `refresh`.
    TokenAccepted,
    /// The server refused the token of the last `refresh`.
    TokenRefused,
    Event(Event),
    /// Closes the connection with 1000 and ends the task.
    End,
}

/// The protocol state of the client.
pub(super) struct Session {
    timing: Timing,
    rng: fastrand::Rng,
    phase: Phase,
    /// Number of attempts since the last stable connection.
    attempts: u32,
    /// Next step of the backoff.
    step: u32,
    rooms: Rooms,
    outbox: Outbox,
    requests: Requests,
    markers: Markers,
    /// The request for the inbox that is repeated after each reconnect.
    kept_inbox: Option<Command>,
    /// The user of the last connection.
    user: Option<UserId>,
    renewal: Renewal,
    /// The claims of the token in use.
    token: Option<Box<TokenClaims>>,
    /// The health that was reported last.
    health: Health,
    outputs: VecDeque<Output>,
    /// Number of generated refs and nonces.
    generated: u64,
}

#[derive(Debug)]
enum Phase {
    Connecting {
        deadline: Instant,
    },
    Connected(Live),
    Waiting {
        until: Instant,
    },
    AskingToken {
        reason: Disconnect,
        /// The program knows that the client has stopped.
        is_known: bool,
    },
    Stopped {
        /// The reason, if another token would help.
        reason: Option<Disconnect>,
    },
    Ended,
}

/// The state of one connection.
#[derive(Debug)]
struct Live {
    me: UserId,
    /// The features of the server.
    features: Vec<Feature>,
    since: Instant,
    /// Time of the server's last sign of life.
    active_at: Instant,
    /// The last ping that has no pong.
    ping: Option<(Nonce, Instant)>,
    next_ping: Instant,
    pacer: Pacer,
    /// Rooms in which the server refuses `typing`, because the user may not post there.
    typing_refused: HashSet<RoomName>,
    /// The last frame was a `read`. Messages go before the next one.
    has_read: bool,
}

/// The `ref` of all `typing` frames. It identifies their refusals.
static TYPING: LazyLock<Ref> = LazyLock::new(|| Ref::new("typing").expect("a short text is a ref"));

impl Session {
    /// A session that connects at once. `rng` is its only source of randomness.
    pub(super) fn new(timing: Timing, rng: fastrand::Rng, now: Instant) -> Self {
        let mut session = Self {
            timing,
            rng,
            phase: Phase::Stopped { reason: None },
            attempts: 0,
            step: 0,
            rooms: Rooms::default(),
            outbox: Outbox::default(),
            requests: Requests::default(),
            markers: Markers::default(),
            kept_inbox: None,
            user: None,
            renewal: Renewal::default(),
            token: None,
            health: Health::default(),
            outputs: VecDeque::new(),
            generated: 0,
        };
        session.connect(now);
        session
    }

    /// The next action.
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The time of the next [`Session::tick`]. `None`: no tick is necessary.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        match &self.phase {
            Phase::Connecting { deadline } => Some(*deadline),
            Phase::Waiting { until } => Some(*until),
            Phase::Connected(live) => {
                let has_due = self.rooms.has_due(now)
                    || self.requests.has_due(now, |command| self.markers.is_open(command))
                    || self.markers.has_due(now, |room| self.rooms.may_read(room))
                    || self.outbox.has_next(now, |room| self.rooms.may_post(room));
                let paced = has_due.then(|| live.pacer.ready_at(now));
                [Some(live.next_ping), live.silent_at(&self.timing), self.silence_begins(live), paced]
                    .into_iter()
                    .chain([self.rooms.deadline(now), self.outbox.deadline(now), self.requests.deadline(now)])
                    .chain([self.renewal.deadline(), self.markers.deadline(now)])
                    .flatten()
                    .min()
            }
            Phase::Stopped { reason: Some(_) } => self.renewal.check_deadline(),
            Phase::AskingToken { .. } | Phase::Stopped { reason: None } | Phase::Ended => None,
        }
    }

    /// Handles the passage of time.
    pub(super) fn tick(&mut self, now: Instant) {
        match &self.phase {
            Phase::Connecting { deadline } if *deadline <= now => {
                self.outputs.push_back(Output::Drop);
                let seconds = self.timing.connect_timeout.as_secs();
                self.lost(Disconnect::Unreachable(format!("no answer in {seconds} s")), None, now);
            }
            Phase::Waiting { until } if *until <= now => self.connect(now),
            Phase::Connected(live) => {
                let silent = live.silent_at(&self.timing).is_some_and(|at| at <= now);
                if silent || self.outbox.is_overdue(now) {
                    self.outputs.push_back(Output::Drop);
                    self.lost(Disconnect::Silent, None, now);
                    return;
                }
                if live.next_ping <= now {
                    self.ping(now);
                }
                while let Some(failed) = self.requests.expire(now) {
                    self.failed(failed);
                }
                self.markers.expire(now);
                if self.renewal.is_due(now) {
                    self.renew_token(now);
                }
                self.send_due(now);
                self.report_health(now);
            }
            Phase::Stopped { .. } if self.renewal.is_check_due(now) => self.check_token(now),
            Phase::Connecting { .. }
            | Phase::Waiting { .. }
            | Phase::AskingToken { .. }
            | Phase::Stopped { .. }
            | Phase::Ended => {}
        }
    }

    /// Records a sign of life, for example a WebSocket ping.
    pub(super) fn record_activity(&mut self, now: Instant) {
        if let Phase::Connected(live) = &mut self.phase {
            live.active_at = now;
        }
    }

    /// Handles a lost connection or a failed attempt. The server may require a wait of at least `retry_after`.
    pub(super) fn lost(&mut self, reason: Disconnect, retry_after: Option<Duration>, now: Instant) {
        match &self.phase {
            Phase::Connecting { .. } => {}
            Phase::Connected(live) => {
                if now.saturating_duration_since(live.since) >= self.timing.backoff.stable_after {
                    (self.attempts, self.step) = (0, 0);
                }
                let offline_since = if reason == Disconnect::Silent { live.active_at } else { now };
                self.rooms.disconnected(offline_since);
                self.requests.disconnected();
                self.markers.disconnected();
                self.renewal.disconnected();
                for id in self.outbox.disconnected() {
                    self.emit_sent(id, SendState::Queued);
                }
            }
            Phase::Waiting { .. } | Phase::AskingToken { .. } | Phase::Stopped { .. } | Phase::Ended => {
                return;
            }
        }
        self.health = Health::Answering;
        match verdict(&reason) {
            Verdict::Soon | Verdict::BackOff => self.wait(reason, retry_after, now),
            Verdict::AnotherToken => {
                self.phase = Phase::AskingToken { reason, is_known: false };
                self.outputs.push_back(Output::AskToken);
            }
            Verdict::Stop => self.stop(reason),
        }
    }

    /// Handles a frame from the server.
    pub(super) fn frame(&mut self, frame: ServerFrame, now: Instant) {
        self.record_activity(now);
        let ServerFrame { event, reference } = frame;
        match (&self.phase, event) {
            (Phase::Connecting { .. }, ServerEvent::System(SystemEvent::Welcome(welcome))) => {
                self.welcomed(welcome, now);
            }
            (Phase::Connecting { .. }, _) => {
                // The first frame must be a welcome: this is not a realtime server.
                self.outputs.push_back(Output::Drop);
                self.lost(Disconnect::Closed { code: CloseCode::Protocol }, None, now);
            }
            (Phase::Connected(_), event) => self.on_event(event, reference.as_ref(), now),
            (Phase::Waiting { .. } | Phase::AskingToken { .. } | Phase::Stopped { .. } | Phase::Ended, _) => {
                return;
            }
        }
        self.send_due(now);
        self.report_health(now);
    }

    fn connect(&mut self, now: Instant) {
        self.attempts = self.attempts.saturating_add(1);
        self.phase = Phase::Connecting { deadline: now + self.timing.connect_timeout };
        self.outputs.push_back(Output::Connect);
        self.emit(Event::State(ConnectionState::Connecting { attempt: self.attempts }));
    }

    /// Waits for the next attempt. The jitter is added to the server's `retry_after`, so that clients with the same
    /// value do not return together.
    fn wait(&mut self, reason: Disconnect, retry_after: Option<Duration>, now: Instant) {
        let minimum = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let retry_in = minimum + self.timing.backoff.delay(self.step, &mut self.rng);
        self.step = self.step.saturating_add(1);
        self.phase = Phase::Waiting { until: now + retry_in };
        let attempt = self.attempts.saturating_add(1);
        self.emit(Event::State(ConnectionState::Waiting { reason, retry_in, attempt }));
    }

    fn stop(&mut self, reason: Disconnect) {
        let needs_token = verdict(&reason) == Verdict::AnotherToken;
        self.phase = Phase::Stopped { reason: needs_token.then(|| reason.clone()) };
        let token = self.token.clone().filter(|_| needs_token);
        self.emit(Event::State(ConnectionState::Stopped { reason, token }));
    }

    /// Connects as if it were the first time.
    fn connect_anew(&mut self, now: Instant) {
        (self.attempts, self.step) = (0, 0);
        self.connect(now);
    }

    fn retry_now(&mut self, now: Instant) {
        match self.phase {
            Phase::Waiting { .. } => self.connect(now),
            Phase::Stopped { .. } => self.connect_anew(now),
            Phase::Connecting { .. } | Phase::Connected(_) | Phase::AskingToken { .. } | Phase::Ended => {}
        }
    }

    /// Reports a request that fails.
    fn failed(&mut self, Failed { request, reason }: Failed) {
        self.emit(Event::RequestFailed { request, reason });
    }

    /// Reports a marker that moved.
    fn emit_moved(&mut self, Moved { room, seq, is_stored }: Moved) {
        self.emit(Event::Read { room, seq, is_stored });
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn emit_sent(&mut self, client_msg_id: ClientMsgId, state: SendState) {
        self.emit(Event::Sent { client_msg_id, state });
    }
}

impl Live {
    /// The time at which the connection counts as dead: `pong_timeout` after an unanswered ping, or after the last
    /// sign of life since then.
    fn silent_at(&self, timing: &Timing) -> Option<Instant> {
        self.ping.as_ref().map(|(_, at)| self.active_at.max(*at) + timing.pong_timeout)
    }
}

/// The verdict on reconnecting. An unreachable or silent server counts as a lost connection.
fn verdict(reason: &Disconnect) -> Verdict {
    match reason {
        Disconnect::Closed { code } => code.verdict(),
        Disconnect::Refused { status } => Verdict::of_http_status(*status),
        Disconnect::Unreachable(_) | Disconnect::Silent => CloseCode::Lost.verdict(),
    }
}
