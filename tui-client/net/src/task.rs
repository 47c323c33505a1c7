//! The client's only task: it owns the socket, the clock and the channels of the [`Session`].
//!
//! Backpressure: while the program does not receive its [`super::Events`], the task neither reads the socket nor ticks
//! the session. So queues stay small, and the client does not mistake a server that it did not read for a dead one. The
//! server closes a connection that is not read for long (4006, 4008). The next connection starts at the reached
//! positions.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use realtime_shared::{ClientEvent, Timestamp, codec};
use tokio::sync::mpsc;

use super::claims::{TokenClaims, claims};
use super::command::Command;
use super::config::{Config, TokenSource};
use super::dial::Unanswered;
use super::event::{Disconnect, Event};
use super::link::{Link, OpenError, Received};
use super::session::{Output, Session};
use super::tokens::{SourceAnswer, Tokens};
use super::trace::{Direction, Trace, Traced};

/// The task accepts no commands while this many frames are unsent.
const UNSENT: usize = 256;
/// The task accepts no commands while this many events wait for the channel.
const BACKLOG: usize = 1_024;

/// A token is renewed when less than this is left. The server warns a minute before the end; the rest is for a clock
/// that is wrong.
const RENEWED_BEFORE_END: Duration = Duration::from_mins(10);

type Job<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// The token of an attempt, if the source had one, and the result.
type Dialed = (Option<String>, Result<Box<Link>, OpenError>);

/// The state of the task.
struct Task {
    config: Config,
    session: Session,
    events: mpsc::Sender<Event>,
    /// Events that wait for the full channel.
    backlog: VecDeque<Event>,
    link: Option<Box<Link>>,
    /// The attempt in progress.
    dialing: Job<Dialed>,
    /// The query of the token source in progress.
    asking: Job<io::Result<String>>,
    tokens: Tokens,
    unanswered: Unanswered,
    trace: Trace,
    ended: bool,
}

/// The result of [`Task::wait`].
enum Wakeup {
    /// The channel of events had room.
    EventSent,
    /// The program dropped its [`super::Events`].
    EventsDropped,
    /// `None`: the program dropped its handles.
    Command(Option<Command>),
    Received(Received),
    Dialed(Dialed),
    Token(io::Result<String>),
    /// The session's deadline is over.
    Deadline,
}

/// Runs until [`Command::Close`], or until all handles or the events are dropped.
pub(super) async fn run(config: Config, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<Event>) {
    let mut task = Task::new(config, events);
    loop {
        task.carry_out();
        if task.ended {
            return task.end().await;
        }
        let wakeup = task.wait(&mut commands).await;
        task.handle(wakeup);
    }
}

impl Task {
    fn new(config: Config, events: mpsc::Sender<Event>) -> Self {
        let session = Session::new(config.timing, fastrand::Rng::new(), now());
        Self {
            config,
            session,
            events,
            backlog: VecDeque::new(),
            link: None,
            dialing: None,
            asking: None,
            tokens: Tokens::default(),
            unanswered: Unanswered::default(),
            trace: Trace::default(),
            ended: false,
        }
    }

    async fn wait(&mut self, commands: &mut mpsc::Receiver<Command>) -> Wakeup {
        let is_received = self.backlog.is_empty();
        let unsent = self.link.as_ref().map_or(0, |link| link.unsent());
        let takes_commands = unsent < UNSENT && self.backlog.len() < BACKLOG;
        let deadline = self.session.deadline(now()).filter(|_| is_received);
        tokio::select! {
            permit = self.events.reserve(), if !is_received => match permit {
                Ok(permit) => {
                    if let Some(event) = self.backlog.pop_front() {
                        permit.send(event);
                    }
                    Wakeup::EventSent
                }
                Err(_) => Wakeup::EventsDropped,
            },
            () = self.events.closed(), if is_received => Wakeup::EventsDropped,
            command = commands.recv(), if takes_commands => Wakeup::Command(command),
            received = receive(&mut self.link), if is_received => Wakeup::Received(received),
            dialed = job(&mut self.dialing) => Wakeup::Dialed(dialed),
            token = job(&mut self.asking) => Wakeup::Token(token),
            () = sleep_until(deadline), if deadline.is_some() => Wakeup::Deadline,
        }
    }

    fn handle(&mut self, wakeup: Wakeup) {
        let now = now();
        match wakeup {
            Wakeup::EventSent => {}
            Wakeup::Command(Some(Command::Trace(is_on))) => {
                self.trace.set_on(is_on);
                self.emit_token();
            }
            Wakeup::Command(Some(command)) => {
                if let Command::UseToken(token) = &command {
                    self.tokens.give(&token.clone().into_text());
                }
                self.session.command(command, now);
            }
            Wakeup::Command(None) | Wakeup::EventsDropped => self.session.command(Command::Close, now),
            Wakeup::Received(received) => self.on_received(received, now),
            Wakeup::Dialed((token, result)) => {
                self.dialing = None;
                self.trace.add_token(token.as_deref().unwrap_or_default());
                self.tokens.attempted(token);
                self.note_token();
                match result {
                    Ok(link) => self.link = Some(link),
                    Err(failure) => self.session.lost(failure.reason, failure.retry_after, now),
                }
            }
            Wakeup::Token(token) => {
                self.asking = None;
                let is_fixed = self.config.token.is_fixed();
                let answer = match token {
                    Ok(token) if self.tokens.is_another(&token) => SourceAnswer::Another(token),
                    Ok(_) => SourceAnswer::Same { is_fixed },
                    Err(error) => SourceAnswer::Failed(error.to_string()),
                };
                self.session.source_answered(answer, now);
            }
            Wakeup::Deadline => {
                // A frame that has arrived already ends the silence.
                if let Some(received) = receive(&mut self.link).now_or_never() {
                    self.on_received(received, now);
                }
                self.session.tick(now);
            }
        }
    }

    fn on_received(&mut self, received: Received, now: Instant) {
        match received {
            Received::Frame(frame, text) => {
                self.trace.record(Direction::In, &text, now);
                self.unanswered.clear();
                self.session.frame(*frame, now);
            }
            Received::Activity => self.session.record_activity(now),
            Received::Ended(code) => {
                self.link = None;
                self.session.lost(Disconnect::Closed { code }, None, now);
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Connect => {
                    let url = self.config.url.clone();
                    let source = match self.tokens.given() {
                        Some(given) => given.clone().into(),
                        None => self.config.token.clone(),
                    };
                    self.dialing = Some(Box::pin(dial(url, source, self.unanswered.clone())));
                }
                Output::Drop => (self.link, self.dialing) = (None, None),
                Output::Write(frame) => {
                    if let ClientEvent::Refresh { token } = &frame.event {
                        self.trace.add_token(token);
                        self.tokens.offer(token);
                    }
                    if let Some(link) = &mut self.link {
                        let text = codec::encode_client(&frame);
                        self.trace.record(Direction::Out, &text, now());
                        link.push(text);
                    }
                }
                Output::RenewToken if self.tokens.end().is_some_and(is_far) => {
                    self.session.source_answered(SourceAnswer::NotNeeded, now());
                }
                Output::CheckToken if !self.config.token.is_cheap() => {
                    self.session.source_answered(SourceAnswer::NotNeeded, now());
                }
                Output::AskToken => {
                    self.tokens.refuse_current();
                    self.ask_source();
                }
                Output::RenewToken | Output::CheckToken => self.ask_source(),
                Output::TokenAccepted => {
                    self.tokens.accept();
                    self.note_token();
                }
                Output::TokenRefused => self.tokens.refuse_offered(),
                Output::Event(event) => self.emit(event),
                Output::End => self.ended = true,
            }
        }
        while let Some(frame) = self.trace.next_frame(now()) {
            self.emit(Event::Traced(Box::new(Traced::Frame(frame))));
        }
    }

    fn ask_source(&mut self) {
        let source = self.config.token.clone();
        self.asking = Some(Box::pin(async move { source.get().await }));
    }

    /// Handles a new current token.
    fn note_token(&mut self) {
        self.session.uses_token(self.tokens.current().and_then(TokenClaims::of));
        self.emit_token();
    }

    /// Reports the claims of the token, if the trace is on.
    fn emit_token(&mut self) {
        if self.trace.is_on() {
            let claims = self.tokens.current().and_then(claims);
            self.emit(Event::Traced(Box::new(Traced::Token(claims))));
        }
    }

    fn emit(&mut self, event: Event) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
        } else if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            self.backlog.push_back(event);
        }
    }

    async fn end(mut self) {
        for event in self.backlog.drain(..) {
            // A program that closes its client may no longer receive events, so the task does not wait for room.
            if self.events.try_send(event).is_err() {
                break;
            }
        }
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }
}

/// True if a token with this end needs no renewal yet.
#[expect(
    clippy::disallowed_methods,
    reason = "the end of a token is a time of day, which no test needs to set"
)]
fn is_far(end: Timestamp) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(end.millis()).saturating_sub(now) > RENEWED_BEFORE_END
}

async fn dial(url: http::Uri, source: TokenSource, unanswered: Unanswered) -> Dialed {
    match source.get().await {
        Ok(token) => {
            let result = Link::open(&url, &token, &unanswered).await;
            (Some(token), result.map(Box::new))
        }
        Err(error) => (None, Err(OpenError::unreachable(&format!("no token: {error}")))),
    }
}

async fn receive(link: &mut Option<Box<Link>>) -> Received {
    match link {
        Some(link) => link.receive().await,
        None => pending().await,
    }
}

async fn job<T>(job: &mut Job<T>) -> T {
    match job {
        Some(job) => job.await,
        None => pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

/// The time of tokio's clock, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use realtime_shared::codec::CLIENT_FRAME_BYTES;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::WebSocketStream;

    use super::*;
    use crate::{COMMANDS, EVENTS};

    /// A task with a connection whose peer reads nothing after the upgrade.
    async fn task_with_a_silent_peer() -> (Task, WebSocketStream<TcpStream>, mpsc::Receiver<Event>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}/", listener.local_addr().expect("an address"));
        let config = Config::new(&url, "token").expect("an address");
        let unanswered = Unanswered::default();
        let accept = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio_tungstenite::accept_async(stream).await.expect("an upgrade")
        };
        let (link, peer) = tokio::join!(Link::open(&config.url, "token", &unanswered), accept);
        let (events, receiver) = mpsc::channel(EVENTS);
        let mut task = Task::new(config, events);
        task.link = Some(Box::new(link.expect("a connection")));
        (task, peer, receiver)
    }

    #[tokio::test]
    async fn no_command_is_taken_while_the_socket_is_full() {
        let (mut task, _peer, _events) = task_with_a_silent_peer().await;
        let (sender, mut commands) = mpsc::channel(COMMANDS);
        sender.try_send(Command::RetryNow).expect("room for it");
        // Queues frames until the buffers of the system are full.
        let frame = "x".repeat(CLIENT_FRAME_BYTES);
        let is_full = |task: &Task| task.link.as_ref().is_some_and(|link| link.unsent() >= UNSENT);
        while !is_full(&task) {
            for _ in 0..2 * UNSENT {
                task.link.as_mut().expect("a connection").push(frame.clone());
            }
            assert!(receive(&mut task.link).now_or_never().is_none(), "the peer sends nothing");
        }
        assert!(task.wait(&mut commands).now_or_never().is_none());
        assert!(commands.try_recv().is_ok(), "the command still waits");
    }
}
