//! The client's conversation with the server, over all its connections: no socket, no clock, no randomness of its own.
//!
//! Somebody ([`super::task`]) tells it what happens and what time it is, and carries out its [`Output`]s, in order:
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
//! Whether to come back is [`CloseCode::verdict`]'s and [`Verdict::of_http_status`]'s to say, never this module's.
//! `Soon` and `BackOff` share one curve: its first wait is short, and one that does not last is backed off from. What is
//! waiting for a connection lives in [`Rooms`] and [`Outbox`]; what belongs to one connection is in `Live` and
//! goes with it. To handle another frame: a branch in `incoming.rs`.

mod incoming;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use realtime_shared::{
    ClientEvent, ClientFrame, ClientMsgId, CloseCode, ErrorCode, ErrorEvent, Nonce, Ping, Ref, RoomName,
    ServerEvent, ServerFrame, SystemEvent, UserId, Verdict,
};

use super::command::Command;
use super::config::Timing;
use super::event::{ConnectionState, Disconnect, Event, SendState};
use super::outbox::{Outbox, Pushed};
use super::pacer::Pacer;
use super::rooms::Rooms;

/// The longest wait that a server may ask for; a longer one is taken for a mistake.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// What has to be done.
#[derive(PartialEq, Eq)]
pub(super) enum Output {
    /// Get a token and connect.
    Connect,
    /// Give up the try or the connection, without a word.
    Drop,
    /// Say it.
    Write(ClientFrame),
    /// See whether there is another token than the one in use: [`Session::fresh_token`].
    AskToken,
    /// Tell.
    Event(Event),
    /// Say goodbye with 1000, and end.
    End,
}

/// The state of things.
pub(super) struct Session {
    timing: Timing,
    rng: fastrand::Rng,
    phase: Phase,
    /// Tries since the last connection that lasted.
    tries: u32,
    /// The next step of the backoff.
    step: u32,
    rooms: Rooms,
    outbox: Outbox,
    outputs: VecDeque<Output>,
    /// How many refs and nonces were given out.
    names: u64,
}

#[derive(Debug)]
enum Phase {
    Connecting { deadline: Instant },
    Connected(Live),
    Waiting { until: Instant },
    AskingToken { reason: Disconnect },
    Stopped,
    Ended,
}

/// What belongs to one connection.
#[derive(Debug)]
struct Live {
    me: UserId,
    since: Instant,
    /// When the server was heard last.
    heard: Instant,
    /// The last ping that has no pong.
    ping: Option<(Nonce, Instant)>,
    next_ping: Instant,
    pacer: Pacer,
    /// Rooms where the server does not take that the user types: they may be read only.
    untold: HashSet<RoomName>,
}

/// The ref of all that is told of typing, so that its refusal is known for what it is.
static TYPING: LazyLock<Ref> = LazyLock::new(|| Ref::new("typing").expect("a short text is a ref"));

impl Session {
    /// One that connects at once. `rng` is all the randomness there is.
    pub(super) fn new(timing: Timing, rng: fastrand::Rng, now: Instant) -> Self {
        let mut session = Self {
            timing,
            rng,
            phase: Phase::Stopped,
            tries: 0,
            step: 0,
            rooms: Rooms::default(),
            outbox: Outbox::default(),
            outputs: VecDeque::new(),
            names: 0,
        };
        session.connect(now);
        session
    }

    /// The next thing to do.
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Session::tick`], if nothing else happens before. `None`: not at all.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        match &self.phase {
            Phase::Connecting { deadline } => Some(*deadline),
            Phase::Waiting { until } => Some(*until),
            Phase::Connected(live) => {
                let waits =
                    self.rooms.has_due(now) || self.outbox.has_next(now, |room| self.rooms.may_post(room));
                let paced = waits.then(|| live.pacer.ready_at(now));
                [Some(live.next_ping), live.silent_at(&self.timing), paced]
                    .into_iter()
                    .chain([self.rooms.deadline(now), self.outbox.deadline(now)])
                    .flatten()
                    .min()
            }
            Phase::AskingToken { .. } | Phase::Stopped | Phase::Ended => None,
        }
    }

    /// Time has passed.
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
                self.pump(now);
            }
            Phase::Connecting { .. }
            | Phase::Waiting { .. }
            | Phase::AskingToken { .. }
            | Phase::Stopped
            | Phase::Ended => {}
        }
    }

    /// The holder of the handle wants something.
    pub(super) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Join { room, since } => self.rooms.want(room, since),
            Command::Leave(room) => {
                if self.rooms.forget(&room) {
                    self.say(ClientEvent::LeaveRoom { room });
                }
            }
            Command::Send { room, text, client_msg_id } => {
                let pushed = self.outbox.push(room, text, client_msg_id.clone());
                self.pushed(client_msg_id, Some(pushed));
            }
            Command::Resend(client_msg_id) => {
                let pushed = self.outbox.resend(&client_msg_id);
                self.pushed(client_msg_id, pushed);
            }
            Command::TakeBack(client_msg_id) => {
                if let Some(was_sent) = self.outbox.take_back(&client_msg_id) {
                    self.tell_sent(client_msg_id, SendState::TakenBack { was_sent });
                }
            }
            Command::Typing { room, is_typing } => self.typing(room, is_typing),
            Command::History { room, before, limit } => {
                self.say(ClientEvent::History { room, before, after: None, limit: Some(limit) });
            }
            Command::Members(room) => self.say(ClientEvent::Members { room }),
            Command::ListRooms { prefix } => self.say(ClientEvent::ListRooms { prefix, limit: None }),
            Command::Ping => self.ping(now),
            // The task's to follow: it has the frames.
            Command::Trace(_) => {}
            Command::RetryNow => self.retry_now(now),
            Command::Close => {
                self.phase = Phase::Ended;
                self.outputs.push_back(Output::End);
            }
        }
        self.pump(now);
    }

    /// A sign of life that is no frame: a WebSocket ping, say.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Phase::Connected(live) = &mut self.phase {
            live.heard = now;
        }
    }

    /// There is no connection (any more), or the try failed; `retry_after` is the least wait that the server asks for.
    pub(super) fn lost(&mut self, reason: Disconnect, retry_after: Option<Duration>, now: Instant) {
        match &self.phase {
            Phase::Connecting { .. } => {}
            Phase::Connected(live) => {
                if now.saturating_duration_since(live.since) >= self.timing.backoff.stable_after {
                    (self.tries, self.step) = (0, 0);
                }
                let deaf_since = if reason == Disconnect::Silent { live.heard } else { now };
                self.rooms.disconnected(deaf_since);
                for id in self.outbox.disconnected() {
                    self.tell_sent(id, SendState::Queued);
                }
            }
            Phase::Waiting { .. } | Phase::AskingToken { .. } | Phase::Stopped | Phase::Ended => return,
        }
        match verdict(&reason) {
            Verdict::Soon | Verdict::BackOff => self.wait(reason, retry_after, now),
            Verdict::AnotherToken => {
                self.phase = Phase::AskingToken { reason };
                self.outputs.push_back(Output::AskToken);
            }
            Verdict::Stop => self.stop(reason),
        }
    }

    /// The answer to [`Output::AskToken`]: a token that is not the one in use, where the source has one.
    pub(super) fn fresh_token(&mut self, token: Option<String>, now: Instant) {
        match (&self.phase, token) {
            (Phase::Connected(_), Some(token)) => self.say(ClientEvent::Refresh { token }),
            (Phase::AskingToken { reason }, Some(_)) => self.wait(reason.clone(), None, now),
            (Phase::AskingToken { reason }, None) => self.stop(reason.clone()),
            (Phase::Connected(_), None)
            | (Phase::Connecting { .. } | Phase::Waiting { .. } | Phase::Stopped | Phase::Ended, _) => {}
        }
    }

    /// A frame arrived.
    pub(super) fn frame(&mut self, frame: ServerFrame, now: Instant) {
        self.heard(now);
        let ServerFrame { event, reference } = frame;
        match (&self.phase, event) {
            (Phase::Connecting { .. }, ServerEvent::System(SystemEvent::Welcome(welcome))) => {
                self.welcomed(welcome, now);
            }
            (Phase::Connecting { .. }, _) => {
                // A welcome comes first of all: this is no server of ours.
                self.outputs.push_back(Output::Drop);
                self.lost(Disconnect::Closed { code: CloseCode::Protocol }, None, now);
            }
            (Phase::Connected(_), event) => self.said(event, reference.as_ref(), now),
            (Phase::Waiting { .. } | Phase::AskingToken { .. } | Phase::Stopped | Phase::Ended, _) => return,
        }
        self.pump(now);
    }

    /// Gives the connection what is due: joins first, so that own copies are seen, then messages.
    fn pump(&mut self, now: Instant) {
        loop {
            let Phase::Connected(live) = &mut self.phase else { return };
            if !live.pacer.is_ready(now) {
                return;
            }
            if self.rooms.has_due(now) {
                live.pacer.take(now);
                let reference = self.name("join");
                if let Some((room, since)) = self.rooms.ask_next(now, reference.clone()) {
                    let event = ClientEvent::JoinRoom { room, since };
                    self.outputs.push_back(Output::Write(ClientFrame { event, reference: Some(reference) }));
                }
            } else if let Some(post) = self.outbox.send_next(now, |room| self.rooms.may_post(room)) {
                live.pacer.take(now);
                if let Some(id) = post.client_msg_id.clone() {
                    self.tell_sent(id, SendState::Sent);
                }
                self.say(ClientEvent::Message(post));
            } else {
                return;
            }
        }
    }

    /// The message in flight goes again: after `retry_after`, or after a backoff of its own.
    fn put_off(&mut self, id: ClientMsgId, why: &ErrorEvent, retry_after: Option<Duration>, now: Instant) {
        let Self { outbox, rng, timing, .. } = self;
        let wait = |before| retry_after.unwrap_or_else(|| timing.backoff.delay(before, rng));
        let is_in_doubt = why.code == ErrorCode::Unavailable;
        if outbox.put_off(&id, is_in_doubt, now, wait) {
            self.tell_sent(id, SendState::PutOff(why.message.clone()));
        }
    }

    fn connect(&mut self, now: Instant) {
        self.tries = self.tries.saturating_add(1);
        self.phase = Phase::Connecting { deadline: now + self.timing.connect_timeout };
        self.outputs.push_back(Output::Connect);
        self.tell(Event::State(ConnectionState::Connecting { attempt: self.tries }));
    }

    /// Waits for the next try. What the server asks for is the least; the jitter comes on top of it, or all that were
    /// told the same would come back together.
    fn wait(&mut self, reason: Disconnect, retry_after: Option<Duration>, now: Instant) {
        let least = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let retry_in = least + self.timing.backoff.delay(self.step, &mut self.rng);
        self.step = self.step.saturating_add(1);
        self.phase = Phase::Waiting { until: now + retry_in };
        let attempt = self.tries.saturating_add(1);
        self.tell(Event::State(ConnectionState::Waiting { reason, retry_in, attempt }));
    }

    fn stop(&mut self, reason: Disconnect) {
        self.phase = Phase::Stopped;
        self.tell(Event::State(ConnectionState::Stopped { reason }));
    }

    fn retry_now(&mut self, now: Instant) {
        match self.phase {
            Phase::Waiting { .. } => self.connect(now),
            Phase::Stopped => {
                (self.tries, self.step) = (0, 0);
                self.connect(now);
            }
            Phase::Connecting { .. } | Phase::Connected(_) | Phase::AskingToken { .. } | Phase::Ended => {}
        }
    }

    fn ping(&mut self, now: Instant) {
        let nonce = Nonce::new(self.name("ping").as_str()).ok();
        let Phase::Connected(live) = &mut self.phase else { return };
        live.ping = nonce.clone().map(|nonce| (nonce, now));
        live.next_ping = now + self.timing.ping_interval;
        self.say(ClientEvent::Ping(Ping { nonce }));
    }

    fn pushed(&mut self, id: ClientMsgId, pushed: Option<Pushed>) {
        match pushed {
            Some(Pushed::Queued) => self.tell_sent(id, SendState::Queued),
            Some(Pushed::Known) => {}
            Some(Pushed::Full) => self.tell_sent(id, SendState::Refused("queue is full".to_owned())),
            None => self.tell_sent(id, SendState::Refused("no longer held: send it anew".to_owned())),
        }
    }

    /// A name that no other frame of this client has.
    fn name(&mut self, kind: &str) -> Ref {
        self.names += 1;
        Ref::new(&format!("{kind}-{}", self.names)).expect("a short text is a ref")
    }

    /// Tells that the user types, where that is of interest.
    fn typing(&mut self, room: RoomName, is_typing: bool) {
        let Phase::Connected(live) = &self.phase else { return };
        if !live.untold.contains(&room) {
            let event = ClientEvent::Typing { room, is_typing };
            self.outputs.push_back(Output::Write(ClientFrame { event, reference: Some(TYPING.clone()) }));
        }
    }

    /// Says something, where there is a connection; it is dropped where there is none.
    fn say(&mut self, event: ClientEvent) {
        if let Phase::Connected(_) = self.phase {
            self.outputs.push_back(Output::Write(event.into()));
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn tell_sent(&mut self, client_msg_id: ClientMsgId, state: SendState) {
        self.tell(Event::Sent { client_msg_id, state });
    }
}

impl Live {
    /// When the connection counts as dead: where a ping is unanswered, some time after it or after the last frame.
    fn silent_at(&self, timing: &Timing) -> Option<Instant> {
        self.ping.as_ref().map(|(_, at)| self.heard.max(*at) + timing.pong_timeout)
    }
}

/// Whether to come back. Where nobody answered it is as after a connection that was lost.
fn verdict(reason: &Disconnect) -> Verdict {
    match reason {
        Disconnect::Closed { code } => code.verdict(),
        Disconnect::Refused { status } => Verdict::of_http_status(*status),
        Disconnect::Unreachable(_) | Disconnect::Silent => CloseCode::Lost.verdict(),
    }
}
