//! Connection of a user: one task that moves frames between its socket, its session and its rooms.
//!
//! The task is a future polled by hand. Each turn ([`Connection::poll`]) has four steps:
//!
//! 1. Input: read frames, let the [`Session`] turn each into an action, and apply it ([`actions`]).
//! 2. Operation: apply the result of the request that the broker executes for the client, if ready ([`operation`]).
//! 3. Mailbox: take the frames and completions that other tasks left.
//! 4. Output: write answers first, then the frames of rooms ([`delivery`]), in few large calls.
//!
//! One timer covers all time limits ([`deadlines`]).
//!
//! The client's next frame is not read while:
//!
//! - an operation runs, because the next frame may depend on its result;
//! - a frame waits for its offset in a room, because answers keep the order of their requests;
//! - too many submissions are in flight, or too many bytes of output wait for the client.
//!
//! So the memory of a connection is bounded. Direct frames of other users have a bound of their own in the
//! [`Mailbox`]; beyond it, and beyond the bound on all output, the connection is closed as too slow.

mod actions;
mod deadlines;
mod delivery;
mod end_reason;
mod hub;
mod operation;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use realtime_shared::{
    CloseCode, ServerEvent, ServerFrame, ServerProgram, SystemEvent, TokenExpiring, Welcome, codec,
};
use tokio::io::{AsyncRead, AsyncWrite};

use self::deadlines::{Deadlines, Due, EXPIRY_WARNING};
use self::delivery::Delivery;
use self::end_reason::EndReason;
pub(crate) use self::hub::Hub;
use self::operation::{Operation, OperationResult};
use crate::auth::Identity;
use crate::auth::token::LEEWAY;
use crate::budget::ConnectionBudget;
use crate::config::OnExpiry;
use crate::framing;
use crate::metrics::Dropped;
use crate::room::{About, DirectBacklog, Mailbox};
use crate::session::{Error, Session};
use crate::socket::{Incoming, Read, Socket, Violation};

/// Limit on the submissions in flight. At the limit the connection stops reading.
const IN_FLIGHT: usize = 256;
/// Limit on the bytes of pending output. At the limit the connection stops reading.
const ANSWER_BYTES: usize = 64 * 1024;
/// The largest answer to a request: 1,000 members with names of 64 characters of 4 bytes, and the largest names around.
const LARGEST_ANSWER_BYTES: usize = 264 * 1024;
/// The largest answer to a submission: the refusal of a room's name, which is in it twice, with the longest ids.
const LARGEST_COMPLETION_BYTES: usize = 1_536;
/// The largest delivery into one output: a page of the store with a long last entry.
const LARGEST_DELIVERY_BYTES: usize = 96 * 1024;
/// Limit on the bytes of pending output beyond which the client is too slow. No client reaches it that keeps the rules.
const OUTPUT_BYTES: usize =
    ANSWER_BYTES + LARGEST_ANSWER_BYTES + LARGEST_DELIVERY_BYTES + IN_FLIGHT * LARGEST_COMPLETION_BYTES;
/// Bytes after which a turn stops reading, so that other connections of the worker have their turns.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of a read that is tiny if it completes no frame.
const TINY_READ_BYTES: usize = 16;
/// Limit on the writes in a turn.
const WRITES: usize = 4;
/// Code that stands for a close frame without a code (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

/// A connection, from its `welcome` to its end.
pub(crate) struct Connection<S> {
    hub: Arc<Hub>,
    socket: Socket<S>,
    session: Session,
    mailbox: Arc<Mailbox>,
    delivery: Delivery,
    deadlines: Deadlines,
    /// The request that the broker has not answered yet.
    operation: Option<Operation>,
    /// Submissions without a completion.
    in_flight: usize,
    phase: Phase,
    /// The mailbox has direct frames that are not in the output.
    direct_left: bool,
    /// This turn stopped reading before the socket was empty.
    input_left: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The close frame is in the output.
    Closing(EndReason),
    /// The close frame has been written. The peer has to end the connection.
    Closed(EndReason),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection of an authenticated user, with its `welcome` in the output. `online` is the number of
    /// connections, this one included.
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
        let budget = ConnectionBudget::new(hub.registry.budgets.user(&identity.user));
        let max_rooms = config.limits.max_rooms_per_connection;
        let session =
            Session::new(identity, hub.verifier.clone(), budget, max_rooms, hub.registry.features());
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
            direct_left: false,
            input_left: false,
            hub,
        };
        connection.welcome(online);
        connection.watch_expiry();
        connection
    }

    fn welcome(&mut self, online_count: u64) {
        let limits = &self.hub.config.limits;
        let saturated = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let identity = self.session.identity();
        let welcome = Welcome {
            message: "Connected successfully".to_owned(),
            user_id: identity.user.clone(),
            online_count,
            expires_at: identity.expires_at,
            limits: realtime_shared::Limits {
                text_chars: saturated(realtime_shared::name::TEXT_CHARS),
                frame_bytes: saturated(limits.max_frame_bytes),
                rooms: saturated(limits.max_rooms_per_connection),
                messages_per_second: limits.messages_per_second(),
            },
            server: Some(ServerProgram {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            role: Some(identity.role),
            features: Some(self.hub.features()),
        };
        self.answer(&ServerEvent::System(SystemEvent::Welcome(welcome)).into());
    }

    /// Sets the deadlines for the expiry of the token and for the warning before it.
    fn watch_expiry(&mut self) {
        if self.hub.config.on_expiry == OnExpiry::Ignore {
            return;
        }
        let now = self.hub.now();
        let until = |time: Duration| {
            let left = time.saturating_sub(Duration::from_millis(now.wall.millis()));
            // A time beyond the range of the clock is no deadline.
            now.instant.checked_add(left)
        };
        let expires_at = Duration::from_millis(self.session.identity().expires_at.millis());
        self.deadlines.expiry = until(expires_at + LEEWAY);
        self.deadlines.warning = until(expires_at.saturating_sub(EXPIRY_WARNING));
    }

    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Runs one turn. Ready when the connection has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        let now = Instant::now();
        // Senders need not wake a turn that runs: it reads the mailbox below.
        self.mailbox.stay_awake();
        self.input_left = false;
        if self.phase == Phase::Open && self.poll_input(cx, now).is_err() {
            return Poll::Ready(EndReason::Lost);
        }
        if self.phase == Phase::Open {
            self.poll_operation(cx);
        }
        self.mailbox.register(cx);
        self.take_direct();
        let written = self.poll_output(cx, now);
        while let Some(due) = self.deadlines.poll(cx, now, &self.hub.config.timing) {
            if due == Due::Closed {
                return Poll::Ready(self.end_reason());
            }
            self.on_due(due);
            cx.waker().wake_by_ref();
        }
        if self.input_left && self.takes_input() {
            cx.waker().wake_by_ref();
        }
        match (written, self.phase) {
            (Err(_), _) => Poll::Ready(self.end_reason()),
            (Ok(()), Phase::Closed(reason)) => self.socket.poll_discard(cx).map(|()| reason),
            (Ok(()), _) => Poll::Pending,
        }
    }

    /// Returns true if the client's next frame may be processed.
    fn takes_input(&self) -> bool {
        self.phase == Phase::Open
            && self.operation.is_none()
            && !self.delivery.has_barrier()
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
                    self.deadlines.received(now);
                    let completed = self.take_messages();
                    progress |= completed;
                    if bytes < TINY_READ_BYTES && !completed {
                        let action = self.session.on_tiny_read(now);
                        self.apply(action);
                    }
                }
                Poll::Ready(Read::End) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        }
        // A frame is not late while the connection does not read.
        let unfinished = self.takes_input() && self.socket.is_unfinished();
        self.deadlines.unfinished(unfinished, progress, now, &self.hub.config.timing);
        self.input_left = true;
        Ok(())
    }

    /// Processes the messages that have been read. Returns true if one was completed.
    fn take_messages(&mut self) -> bool {
        let mut progress = false;
        let mut now = None;
        while self.takes_input() && self.socket.has_input() {
            let message = self.socket.next_message();
            self.count_fragments();
            let Some(message) = message else { break };
            if self.phase != Phase::Open {
                break;
            }
            let now = *now.get_or_insert_with(|| self.hub.now());
            match message {
                Ok(Incoming::Text(text)) => {
                    progress = true;
                    let action = self.session.on_text(&text, now);
                    self.apply(action);
                }
                Ok(Incoming::Ping(payload)) => {
                    framing::pong(self.socket.output(), &payload);
                    self.count_control_frame(now.instant);
                }
                Ok(Incoming::Pong) => self.count_control_frame(now.instant),
                Ok(Incoming::Close(close)) => {
                    let (code, reason) =
                        close.map_or((NO_CODE, String::new()), |(code, reason)| (code, reason.to_string()));
                    framing::close_with(self.socket.output(), code, &reason);
                    self.end(EndReason::ByClient(code), None);
                }
                Ok(Incoming::Binary(_)) => self.close(CloseCode::Unsupported),
                Err(Violation(code)) => self.close(code),
            }
            progress |= !self.socket.is_unfinished();
        }
        progress
    }

    /// Counts thin fragments; see [`Session::on_thin_fragments`].
    fn count_fragments(&mut self) {
        let count = self.socket.take_thin_fragments();
        if count > 0 {
            self.hub.metrics.dropped.add(Dropped::ThinFragment, count.into());
            let action = self.session.on_thin_fragments(count, Instant::now());
            self.apply(action);
        }
    }

    /// Counts a ping or pong. Too many close the connection.
    fn count_control_frame(&mut self, now: Instant) {
        let action = self.session.on_control(now);
        self.apply(action);
    }

    /// Takes the frames, completions and the close code from the mailbox.
    fn take_direct(&mut self) {
        let Some(DirectBacklog { has_frames, completed, completions, close }) = self.mailbox.take() else {
            return;
        };
        self.in_flight -= completed;
        if self.phase == Phase::Open {
            self.direct_left |= has_frames;
            for completed in completions {
                self.answer_completed(completed);
                // The answer may have been a close frame, which nothing follows.
                if self.phase != Phase::Open {
                    return;
                }
            }
            if self.socket.pending_output() > OUTPUT_BYTES {
                self.close(CloseCode::TooSlow);
            } else if let Some(code) = close {
                // What was sent before the close is received before it.
                let Self { mailbox, socket, session, delivery, .. } = self;
                mailbox.pull(socket.output(), OUTPUT_BYTES, |about| admits(session, delivery, about));
                self.close(code);
            }
        } else if close.is_some() {
            self.deadlines.shorten_closing(Instant::now());
        }
    }

    /// Fills the output from the rooms and writes it.
    fn poll_output(&mut self, cx: &mut Context<'_>, now: Instant) -> std::io::Result<()> {
        for _ in 0..WRITES {
            let Self { delivery, socket, session, mailbox, hub, phase, direct_left, .. } = self;
            let open = *phase == Phase::Open;
            if open {
                let before = socket.pending_output();
                delivery.poll_fetch(cx, mailbox, socket.output());
                session.spend_answer(socket.pending_output() - before, now);
            }
            let mut filled = false;
            let written = socket.poll_write(cx, |out, limit| {
                filled = true;
                if open {
                    *direct_left =
                        *direct_left && mailbox.pull(out, limit, |about| admits(session, delivery, about));
                    delivery.fill(&hub.registry, mailbox, out, limit);
                }
            })?;
            self.session.spend_answer(self.delivery.take_unpaid(), now);
            self.deadlines.written(written.all, written.progress, now, &self.hub.config.timing);
            if written.all {
                self.delivery.written();
            }
            if open && self.delivery.is_overtaken() {
                self.close(CloseCode::TooSlow);
                continue;
            }
            if !written.all {
                return Ok(());
            }
            if let Phase::Closing(reason) = self.phase {
                // Half-closes the socket. The peer may still send; the connection ends when it closes its half.
                let _ = self.socket.poll_shutdown(cx)?;
                self.phase = Phase::Closed(reason);
                return Ok(());
            }
            // A write that finished older output did not fill from the rooms. They may have grown without a wake-up.
            if self.phase != Phase::Open || (filled && !self.delivery.has_more() && !self.direct_left) {
                return Ok(());
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn on_due(&mut self, due: Due) {
        match due {
            // While the connection does not read, a silent peer is not dead.
            Due::Ping | Due::PingTimeout if !self.takes_input() => self.deadlines.received(Instant::now()),
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

    /// Sends a refusal, or closes the connection after too many of them; see [`Session::refuse`].
    fn refuse(&mut self, error: Error) {
        let action = self.session.refuse(error, Instant::now());
        self.apply(action);
    }

    /// Closes the connection. A slow reader has more time to receive the close frame.
    fn close(&mut self, code: CloseCode) {
        if self.phase == Phase::Open {
            if code == CloseCode::TooManyRequests {
                self.session.offend(Instant::now());
            }
            framing::close(self.socket.output(), code);
            let timeout = (code == CloseCode::TooSlow).then_some(self.hub.config.timing.slow_reader_timeout);
            self.end(EndReason::ByServer(code), timeout);
        }
    }

    /// Gives up the seats, after the close frame was added to the output. `timeout` limits the time until the socket
    /// is closed; `None`: the usual limit.
    fn end(&mut self, reason: EndReason, timeout: Option<Duration>) {
        self.phase = Phase::Closing(reason);
        self.deadlines.close(Instant::now(), timeout);
        let is_normal = reason == EndReason::ByClient(CloseCode::Normal.to_u16());
        for (room, seat) in self.delivery.take_seats() {
            if is_normal {
                self.hub.registry.leave_at_close(&self.mailbox, &room, seat);
            } else {
                self.hub.registry.lose(&self.mailbox, &room, seat);
            }
        }
        self.detach_operation();
    }
}

/// Returns true if a direct frame about a room may be sent: the token opens the room, and a notification is for connections
/// elsewhere.
fn admits(session: &Session, delivery: &Delivery, about: &About) -> bool {
    session.shows(&about.room) && !(about.is_notification && delivery.find(&about.room).is_some())
}

impl<S> Connection<S> {
    /// The reason with which the connection ends if it ends now.
    fn end_reason(&self) -> EndReason {
        match self.phase {
            Phase::Open => EndReason::Lost,
            Phase::Closing(reason) | Phase::Closed(reason) => reason,
        }
    }

    /// Moves a running operation to a task of its own, because it may hold the turn of a room. The seat that a join
    /// returns is given up.
    fn detach_operation(&mut self) {
        let Some(operation) = self.operation.take() else { return };
        // Without a runtime the server has ended, and no task waits for the turn.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (registry, mailbox) = (self.hub.registry.clone(), self.mailbox.clone());
        runtime.spawn(async move {
            if let OperationResult::Joined(entrance, seat, _) = operation.await {
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
        self.hub.metrics.closed(self.end_reason().code());
        self.detach_operation();
    }
}
