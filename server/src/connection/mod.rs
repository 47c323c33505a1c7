//! The loop of one connection: what came in → session, what is due → one write.
//!
//! A connection is one task, polled by hand. Each turn reads what the client sent, carries out what the session makes
//! of it, and then writes once: its own answers first, then its rooms. Two things hold the client's next frames back:
//! an operation that the broker has not answered (they may depend on it), and answers that the client does not read.

mod commands;
mod deadlines;
mod delivery;
mod ended;
mod hub;
mod operation;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use realtime_shared::{CloseCode, ServerEvent, ServerFrame, SystemEvent, TokenExpiring, Welcome, codec};
use tokio::io::{AsyncRead, AsyncWrite};

use self::deadlines::{Deadlines, Due, EXPIRY_WARNING};
use self::delivery::Delivery;
use self::ended::Ended;
pub(crate) use self::hub::Hub;
use self::operation::{Operation, Outcome};
use crate::auth::Identity;
use crate::auth::token::LEEWAY;
use crate::config::OnExpiry;
use crate::framing;
use crate::room::{DirectBacklog, Mailbox};
use crate::session::{Error, Session};
use crate::socket::{Incoming, Read, Socket, Violation};

/// Submissions of one connection that may be on their way; past it the client is not read from.
const IN_FLIGHT: usize = 256;
/// Bytes of answers that may wait for the client to read them; past it the client is not read from.
const ANSWER_BYTES: usize = 64 * 1024;
/// Bytes on their way out past which a client is too slow: the largest answer, those before it, and what others say.
const OUTPUT_BYTES: usize = 448 * 1024;
/// Bytes that are read in a turn, or a little more; then others have theirs.
const READ_BYTES: usize = 16 * 1024;
/// Writes of a turn.
const WRITES: usize = 4;
/// What a close frame without a code is taken for (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

/// One connection, from its welcome to its end.
pub(crate) struct Connection<S> {
    hub: Arc<Hub>,
    socket: Socket<S>,
    session: Session,
    mailbox: Arc<Mailbox>,
    delivery: Delivery,
    deadlines: Deadlines,
    /// What the broker has been asked and has not answered.
    operation: Option<Operation>,
    in_flight: usize,
    phase: Phase,
    /// This turn ended before all that may be there was read.
    reads_later: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// A close frame is on its way.
    Closing(Ended),
    /// It has gone: waiting for the peer to end the connection.
    Closed(Ended),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection of `identity`, which was counted as `online`; its welcome is on its way.
    pub(crate) fn new(
        hub: Arc<Hub>,
        socket: Socket<S>,
        identity: Identity,
        mailbox: Arc<Mailbox>,
        online: u64,
    ) -> Self {
        let now = Instant::now();
        let config = &hub.config;
        let deadlines = Deadlines::new(now, &config.timing);
        let session = Session::new(identity, hub.verifier.clone(), &config.limits, now);
        hub.metrics.connections.inc();
        let mut connection = Self {
            socket,
            session,
            mailbox,
            delivery: Delivery::default(),
            deadlines,
            operation: None,
            in_flight: 0,
            phase: Phase::Open,
            reads_later: false,
            hub,
        };
        connection.welcome(online);
        connection.watch_expiry();
        connection
    }

    fn welcome(&mut self, online_count: u64) {
        let limits = &self.hub.config.limits;
        let most = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let identity = self.session.identity();
        let welcome = Welcome {
            message: "Connected successfully".to_owned(),
            user_id: identity.user.clone(),
            online_count,
            expires_at: identity.expires_at,
            limits: realtime_shared::Limits {
                text_chars: most(realtime_shared::name::TEXT_CHARS),
                frame_bytes: most(limits.max_frame_bytes),
                rooms: most(limits.max_rooms_per_connection),
                messages_per_second: limits.max_messages_per_second,
            },
        };
        self.answer(&ServerEvent::System(SystemEvent::Welcome(welcome)).into());
    }

    /// Sets the times at which the token is about to expire, and has.
    fn watch_expiry(&mut self) {
        if self.hub.config.on_expiry == OnExpiry::Ignore {
            return;
        }
        let now = self.hub.now();
        let until = |time: Duration| {
            let left = time.saturating_sub(Duration::from_millis(now.wall.millis()));
            // A token that expires beyond what the clock can tell does not expire.
            now.instant.checked_add(left)
        };
        let expires_at = Duration::from_millis(self.session.identity().expires_at.millis());
        self.deadlines.expiry = until(expires_at + LEEWAY);
        self.deadlines.warning = until(expires_at.saturating_sub(EXPIRY_WARNING));
    }

    /// One turn; ready when the connection has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let now = Instant::now();
        // What comes while this turn reads is looked at when it writes.
        self.mailbox.stay_awake();
        self.reads_later = false;
        if self.phase == Phase::Open && self.poll_input(cx, now).is_err() {
            return Poll::Ready(Ended::Lost);
        }
        if self.phase == Phase::Open {
            self.poll_operation(cx);
        }
        self.mailbox.look(cx);
        self.take_direct();
        let written = self.poll_output(cx, now);
        while let Some(due) = self.deadlines.poll(cx, now, &self.hub.config.timing) {
            if due == Due::Closed {
                return Poll::Ready(self.ended());
            }
            self.on_due(due);
            cx.waker().wake_by_ref();
        }
        if self.reads_later && self.takes_input() {
            cx.waker().wake_by_ref();
        }
        match (written, self.phase) {
            (Err(_), _) => Poll::Ready(self.ended()),
            (Ok(()), Phase::Closed(ended)) => self.socket.poll_discard(cx).map(|()| ended),
            (Ok(()), _) => Poll::Pending,
        }
    }

    /// Whether the client's next frame may be looked at.
    fn takes_input(&self) -> bool {
        self.phase == Phase::Open
            && self.operation.is_none()
            && !self.delivery.is_waiting()
            && self.in_flight < IN_FLIGHT
            && self.socket.pending_output() < ANSWER_BYTES
    }

    fn poll_input(&mut self, cx: &mut Context<'_>, now: Instant) -> std::io::Result<()> {
        let mut progress = self.take_messages();
        let mut read = 0;
        while read < READ_BYTES && self.takes_input() {
            match self.socket.poll_read(cx)? {
                Poll::Pending => {
                    self.deadlines.unfinished(
                        self.socket.is_unfinished(),
                        progress,
                        now,
                        &self.hub.config.timing,
                    );
                    return Ok(());
                }
                Poll::Ready(Read::Some(bytes)) => {
                    read += bytes;
                    self.deadlines.heard(now);
                    progress |= self.take_messages();
                }
                Poll::Ready(Read::End) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        }
        // Where the client was not read from, what has begun is not late.
        let unfinished = self.takes_input() && self.socket.is_unfinished();
        self.deadlines.unfinished(unfinished, progress, now, &self.hub.config.timing);
        self.reads_later = true;
        Ok(())
    }

    /// Takes the messages that have been read; tells whether one was completed.
    fn take_messages(&mut self) -> bool {
        let mut progress = false;
        let mut now = None;
        while self.takes_input() && self.socket.has_input() {
            let Some(message) = self.socket.next_message() else { break };
            let now = *now.get_or_insert_with(|| self.hub.now());
            match message {
                Ok(Incoming::Text(text)) => {
                    progress = true;
                    let command = self.session.on_text(&text, now);
                    self.carry_out(command);
                }
                Ok(Incoming::Ping(payload)) => {
                    framing::pong(self.socket.output(), &payload);
                    self.tolerate(now.instant);
                }
                Ok(Incoming::Pong) => self.tolerate(now.instant),
                Ok(Incoming::Close(close)) => {
                    let (code, reason) =
                        close.map_or((NO_CODE, String::new()), |(code, reason)| (code, reason.to_string()));
                    framing::close_with(self.socket.output(), code, &reason);
                    self.end(Ended::ByClient(code), None);
                }
                Ok(Incoming::Binary(_)) => self.close(CloseCode::Unsupported),
                Err(Violation(code)) => self.close(code),
            }
            progress |= !self.socket.is_unfinished();
        }
        progress
    }

    /// A control frame came: too many are too much.
    fn tolerate(&mut self, now: Instant) {
        let command = self.session.on_control(now);
        self.carry_out(command);
    }

    fn take_direct(&mut self) {
        let Some(DirectBacklog { frames, completed, completions, close }) = self.mailbox.take() else {
            return;
        };
        self.in_flight -= completed;
        if self.phase == Phase::Open {
            self.socket.output().extend_from_slice(&frames);
            for completed in completions {
                self.answer_submission(completed);
                // Nothing follows a close frame.
                if self.phase != Phase::Open {
                    return;
                }
            }
            if self.socket.pending_output() > OUTPUT_BYTES {
                self.close(CloseCode::TooSlow);
            } else if let Some(code) = close {
                self.close(code);
            }
        } else if close.is_some() {
            self.deadlines.hurry(Instant::now());
        }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>, now: Instant) -> std::io::Result<()> {
        for _ in 0..WRITES {
            let Self { delivery, socket, mailbox, hub, phase, .. } = self;
            let open = *phase == Phase::Open;
            if open && delivery.poll_fetch(cx, mailbox, socket.output()).is_err() {
                self.close(CloseCode::TryAgainLater);
                continue;
            }
            let mut filled = false;
            let written = socket.poll_write(cx, |out, limit| {
                filled = true;
                if open {
                    delivery.fill(&hub.registry, mailbox, out, limit);
                }
            })?;
            self.deadlines.written(written.all, written.progress, now, &self.hub.config.timing);
            if open && self.delivery.is_overtaken() {
                self.close(CloseCode::TooSlow);
                continue;
            }
            if !written.all {
                return Ok(());
            }
            if let Phase::Closing(ended) = self.phase {
                // The peer may still be sending; it sees our end first, and then we see its.
                let _ = self.socket.poll_shutdown(cx)?;
                self.phase = Phase::Closed(ended);
                return Ok(());
            }
            // Where the last write was held up, the rooms were not asked: what came meanwhile woke nobody.
            if self.phase != Phase::Open || (filled && !self.delivery.has_more()) {
                return Ok(());
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn on_due(&mut self, due: Due) {
        match due {
            // Who is not read from cannot be heard.
            Due::Ping | Due::PingTimeout if !self.takes_input() => self.deadlines.heard(Instant::now()),
            Due::Ping => framing::ping(self.socket.output()),
            Due::PingTimeout | Due::Unfinished => self.close(CloseCode::PingTimeout),
            Due::Stalled => self.close(CloseCode::TooSlow),
            Due::Expired => self.close(CloseCode::TokenExpired),
            Due::ExpiryWarning => {
                let expires_at = self.session.identity().expires_at;
                let message = "your token expires soon; send `refresh` with a newer one".to_owned();
                let event = SystemEvent::TokenExpiring(TokenExpiring { message, expires_at });
                self.answer(&ServerEvent::System(event).into());
            }
            Due::Closed => {}
        }
    }

    fn answer(&mut self, frame: &ServerFrame) {
        if let ServerEvent::Error(error) = &frame.event {
            self.hub.metrics.refusals.inc(error.code);
        }
        framing::text(self.socket.output(), &codec::encode_frame(frame));
    }

    /// Answers with a refusal, or ends the connection: [`Session::refuse`] decides.
    fn refuse(&mut self, error: Error) {
        let command = self.session.refuse(error, Instant::now());
        self.carry_out(command);
    }

    /// Closes the connection with a code of ours. Who does not read gets longer to see it.
    fn close(&mut self, code: CloseCode) {
        if self.phase == Phase::Open {
            framing::close(self.socket.output(), code);
            let patience = (code == CloseCode::TooSlow).then_some(self.hub.config.timing.slow_reader_timeout);
            self.end(Ended::ByServer(code), patience);
        }
    }

    /// Begins the end: the close frame is on its way, and the rooms are left to those who stay.
    fn end(&mut self, ended: Ended, patience: Option<Duration>) {
        self.phase = Phase::Closing(ended);
        self.deadlines.close(Instant::now(), patience);
        let meant = ended == Ended::ByClient(CloseCode::Normal.to_u16());
        for (room, seat) in self.delivery.take_seats() {
            if meant {
                self.hub.registry.part(&self.mailbox, &room, seat);
            } else {
                self.hub.registry.lose(&self.mailbox, &room, seat);
            }
        }
        self.hand_over();
    }
}

impl<S> Connection<S> {
    /// How it ends, as things are.
    fn ended(&self) -> Ended {
        match self.phase {
            Phase::Open => Ended::Lost,
            Phase::Closing(ended) | Phase::Closed(ended) => ended,
        }
    }

    /// Lets an operation that has begun go on without the connection: others wait for it. What it brings is given
    /// back.
    fn hand_over(&mut self) {
        let Some(operation) = self.operation.take() else { return };
        // Without a runtime the server is gone, and nobody waits.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (registry, mailbox) = (self.hub.registry.clone(), self.mailbox.clone());
        runtime.spawn(async move {
            if let Outcome::Joined(entrance, seat, _) = operation.await {
                registry.lose(&mailbox, &entrance.room, seat);
            }
        });
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        for (room, seat) in self.delivery.take_seats() {
            self.hub.registry.lose(&self.mailbox, &room, seat);
        }
        self.hub.registry.disconnect(&self.mailbox);
        self.hub.metrics.connections.dec();
        self.hub.metrics.closed(self.ended().code());
        self.hand_over();
    }
}
