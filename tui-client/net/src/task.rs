//! The client's one task: carries out what the [`Session`] wants, and tells it what happened.
//!
//! Backpressure: while the holder of [`super::Events`] does not take them, the socket is not read and no time passes
//! for the session, so that nothing piles up and nobody is called dead who only was not listened to. A server ends a
//! connection that is not read for long (4006, 4008), and the next one starts at the positions that were reached.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::time::Instant;

use futures_util::FutureExt;
use realtime_shared::codec;
use tokio::sync::mpsc;

use super::claims::claims;
use super::command::Command;
use super::config::{Config, TokenSource};
use super::event::{Disconnect, Event};
use super::link::{Failure, Link, Turn};
use super::session::{Output, Session};
use super::trace::{Direction, Trace, Traced};

/// Commands are not taken while so many frames are unsent: somebody asks faster than the socket takes.
const UNSENT: usize = 256;
/// Commands are not taken while so many events wait for room in the channel.
const BACKLOG: usize = 1_024;

type Job<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// The token that a try used, where the source had one, and what came of it.
type Dialed = (Option<String>, Result<Box<Link>, Failure>);

/// What the task has at hand.
struct Task {
    config: Config,
    session: Session,
    events: mpsc::Sender<Event>,
    /// Events for which the channel had no room.
    backlog: VecDeque<Event>,
    link: Option<Box<Link>>,
    /// A try that is under way, with the token it uses.
    dialing: Job<Dialed>,
    /// The token source is being asked.
    asking: Job<io::Result<String>>,
    /// The token of the last try. One that a refresh offered is not known to be good, and does not replace it.
    token: Option<String>,
    trace: Trace,
    ended: bool,
}

/// What happened next.
enum Happened {
    Room,
    Deaf,
    Command(Option<Command>),
    Turn(Turn),
    Dialed(Dialed),
    Token(io::Result<String>),
    Time,
}

/// Runs until the handles are dropped or say [`Command::Close`], or the events are dropped.
pub(super) async fn run(config: Config, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<Event>) {
    let mut task = Task::new(config, events);
    loop {
        task.carry_out();
        if task.ended {
            return task.end().await;
        }
        let happened = task.wait(&mut commands).await;
        task.handle(happened);
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
            token: None,
            trace: Trace::default(),
            ended: false,
        }
    }

    async fn wait(&mut self, commands: &mut mpsc::Receiver<Command>) -> Happened {
        let heard = self.backlog.is_empty();
        let unsent = self.link.as_ref().map_or(0, |link| link.unsent());
        let takes_commands = unsent < UNSENT && self.backlog.len() < BACKLOG;
        let deadline = self.session.deadline(now()).filter(|_| heard);
        tokio::select! {
            permit = self.events.reserve(), if !heard => match permit {
                Ok(permit) => {
                    if let Some(event) = self.backlog.pop_front() {
                        permit.send(event);
                    }
                    Happened::Room
                }
                Err(_) => Happened::Deaf,
            },
            () = self.events.closed(), if heard => Happened::Deaf,
            command = commands.recv(), if takes_commands => Happened::Command(command),
            turn = turn(&mut self.link), if heard => Happened::Turn(turn),
            dialed = job(&mut self.dialing) => Happened::Dialed(dialed),
            token = job(&mut self.asking) => Happened::Token(token),
            () = sleep_until(deadline), if deadline.is_some() => Happened::Time,
        }
    }

    fn handle(&mut self, happened: Happened) {
        let now = now();
        match happened {
            Happened::Room => {}
            Happened::Command(Some(Command::Trace(wanted))) => {
                self.trace.want(wanted);
                self.tell_token();
            }
            Happened::Command(Some(command)) => self.session.command(command, now),
            Happened::Command(None) | Happened::Deaf => self.session.command(Command::Close, now),
            Happened::Turn(turn) => self.turned(turn, now),
            Happened::Dialed((token, result)) => {
                self.dialing = None;
                self.token = token;
                self.trace.hide(self.token.as_deref().unwrap_or_default());
                self.tell_token();
                match result {
                    Ok(link) => self.link = Some(link),
                    Err(failure) => self.session.lost(failure.reason, failure.retry_after, now),
                }
            }
            Happened::Token(token) => {
                self.asking = None;
                let fresh = token.ok().filter(|token| self.token.as_ref() != Some(token));
                self.trace.hide(fresh.as_deref().unwrap_or_default());
                self.session.fresh_token(fresh, now);
            }
            Happened::Time => {
                // What has arrived meanwhile counts before the silence does.
                if let Some(turn) = turn(&mut self.link).now_or_never() {
                    self.turned(turn, now);
                }
                self.session.tick(now);
            }
        }
    }

    fn turned(&mut self, turn: Turn, now: Instant) {
        match turn {
            Turn::Frame(frame, text) => {
                self.trace.note(Direction::In, &text, now);
                self.session.frame(*frame, now);
            }
            Turn::Heard => self.session.heard(now),
            Turn::Ended(code) => {
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
                    let source = self.config.token.clone();
                    self.dialing = Some(Box::pin(dial(url, source)));
                }
                Output::Drop => (self.link, self.dialing) = (None, None),
                Output::Write(frame) => {
                    if let Some(link) = &mut self.link {
                        let text = codec::encode_client(&frame);
                        self.trace.note(Direction::Out, &text, now());
                        link.push(text);
                    }
                }
                Output::AskToken => {
                    let source = self.config.token.clone();
                    self.asking = Some(Box::pin(async move { source.get().await }));
                }
                Output::Event(event) => self.tell(event),
                Output::End => self.ended = true,
            }
        }
        while let Some(frame) = self.trace.next(now()) {
            self.tell(Event::Traced(Box::new(Traced::Frame(frame))));
        }
    }

    fn tell_token(&mut self) {
        if self.trace.is_wanted() {
            let claims = self.token.as_deref().and_then(claims);
            self.tell(Event::Traced(Box::new(Traced::Token(claims))));
        }
    }

    fn tell(&mut self, event: Event) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
        } else if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            self.backlog.push_back(event);
        }
    }

    async fn end(mut self) {
        for event in self.backlog.drain(..) {
            // Whoever says goodbye may have stopped listening: what does not fit is not waited for.
            if self.events.try_send(event).is_err() {
                break;
            }
        }
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }
}

async fn dial(url: http::Uri, source: TokenSource) -> Dialed {
    match source.get().await {
        Ok(token) => {
            let result = Link::open(&url, &token).await;
            (Some(token), result.map(Box::new))
        }
        Err(error) => (None, Err(Failure::unreachable(&format!("no token: {error}")))),
    }
}

async fn turn(link: &mut Option<Box<Link>>) -> Turn {
    match link {
        Some(link) => link.turn().await,
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

/// The time by tokio's clock, which tests may stop.
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

    /// A task with a connection whose peer reads nothing behind the upgrade.
    async fn task_with_a_silent_peer() -> (Task, WebSocketStream<TcpStream>, mpsc::Receiver<Event>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}/", listener.local_addr().expect("an address"));
        let config = Config::new(&url, "token").expect("an address");
        let accept = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio_tungstenite::accept_async(stream).await.expect("an upgrade")
        };
        let (link, peer) = tokio::join!(Link::open(&config.url, "token"), accept);
        let (events, receiver) = mpsc::channel(EVENTS);
        let mut task = Task::new(config, events);
        task.link = Some(Box::new(link.expect("a connection")));
        (task, peer, receiver)
    }

    #[tokio::test]
    async fn no_command_is_taken_while_the_socket_takes_no_frames() {
        let (mut task, _peer, _events) = task_with_a_silent_peer().await;
        let (sender, mut commands) = mpsc::channel(COMMANDS);
        sender.try_send(Command::RetryNow).expect("room for it");
        // Frames for as long as the system takes them.
        let frame = "x".repeat(CLIENT_FRAME_BYTES);
        let is_full = |task: &Task| task.link.as_ref().is_some_and(|link| link.unsent() >= UNSENT);
        while !is_full(&task) {
            for _ in 0..2 * UNSENT {
                task.link.as_mut().expect("a connection").push(frame.clone());
            }
            assert!(turn(&mut task.link).now_or_never().is_none(), "the peer says nothing");
        }
        assert!(task.wait(&mut commands).now_or_never().is_none());
        assert!(commands.try_recv().is_ok(), "the command still waits");
    }
}
