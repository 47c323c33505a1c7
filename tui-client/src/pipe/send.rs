//! `send`: posts the lines of standard input, or one text, to a room.
//!
//! The next line is read only while few lines wait for an answer. The clock of `--timeout` runs while a line waits, and
//! restarts with each answer. It does not join the room, so members see no join and no leave.

use std::collections::VecDeque;
use std::io;

use realtime_shared::{ClientMsgId, EntryId, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::finish::finish;
use super::input::{self, InputLine};
use super::ledger::Ledger;
use super::plan::SendPlan;
use super::printer::{self, Print};
use super::signals::EndSignals;
use super::watch::{Meaning, Watch, token_expires};
use crate::net::{self, Command, Event, Handle};
use crate::runtime::Outcome;

pub(super) async fn run(plan: SendPlan) -> Outcome {
    let mut signals = match EndSignals::new() {
        Ok(signals) => signals,
        Err(error) => return Outcome::Failed(format!("cannot handle signals: {error}")),
    };
    let (prints, closed) = printer::start();
    let (handle, mut events) = net::connect(plan.server.net.clone());
    let mut send = Send::new(plan, handle);
    let mut outcome = None;
    while outcome.is_none() {
        let is_free = send.waiting.is_empty();
        let answer_is_due = send.answered + send.plan.timeout;
        outcome = tokio::select! {
            biased;
            signal = signals.next() => Some(send.give_up("ended by a signal", Outcome::Signal(signal))),
            () = prints.queue_first(&mut send.waiting), if !is_free => None,
            event = events.recv(), if is_free => send.on_event(event),
            line = next(&mut send.lines), if is_free && send.ledger.has_room() => send.on_line(line),
            () = sleep_until(answer_is_due), if !send.ledger.is_settled() => Some(send.out_of_time()),
        };
    }
    let outcome = outcome.unwrap_or(Outcome::NotStored);
    finish(outcome, send.waiting, (prints, closed), (send.handle, events), &mut signals).await
}

/// Source of the lines.
enum LineSource {
    /// Not opened before the first attempt to connect succeeds, so that no line is lost.
    NotYet,
    Input(mpsc::Receiver<io::Result<InputLine>>),
    /// The input has ended.
    Done,
}

struct Send {
    plan: SendPlan,
    handle: Handle,
    watch: Watch,
    ledger: Ledger,
    lines: LineSource,
    /// Time of the last answer, or of the last moment without a waiting line.
    answered: Instant,
    /// Output to print before the next line or event is taken.
    waiting: VecDeque<Print>,
}

impl Send {
    fn new(plan: SendPlan, handle: Handle) -> Self {
        let watch = Watch::new(plan.server.url.clone());
        let (ledger, waiting) = (Ledger::default(), VecDeque::new());
        Self { plan, handle, watch, ledger, lines: LineSource::NotYet, answered: Instant::now(), waiting }
    }

    fn on_event(&mut self, event: Option<Event>) -> Option<Outcome> {
        match event {
            Some(Event::State(state)) => match self.watch.interpret(&state) {
                Meaning::Nothing => self.begin(),
                Meaning::Note(note) => {
                    self.note(note);
                    self.begin()
                }
                Meaning::End(outcome) => Some(self.give_up("no connection", outcome)),
            },
            Some(Event::Sent { client_msg_id, state }) => {
                let noted = self.ledger.note(&client_msg_id, state);
                if noted.is_answered {
                    self.answered = Instant::now();
                }
                self.waiting.extend(noted.note.map(Print::Note));
                self.outcome()
            }
            Some(Event::TokenExpires { at, reason }) => {
                self.note(token_expires(at, &reason));
                None
            }
            Some(_) => None,
            None => {
                let outcome = Outcome::Failed("the client's network task ended".to_owned());
                Some(self.give_up("no connection", outcome))
            }
        }
    }

    /// Opens the source of lines.
    fn begin(&mut self) -> Option<Outcome> {
        if !matches!(self.lines, LineSource::NotYet) || !self.watch.is_begun() {
            return None;
        }
        if let Some(text) = self.plan.text.take() {
            self.lines = LineSource::Done;
            return self.add(InputLine { number: 1, text, is_utf8: true });
        }
        self.lines = LineSource::Input(input::lines());
        None
    }

    fn on_line(&mut self, line: Option<io::Result<InputLine>>) -> Option<Outcome> {
        match line {
            Some(Ok(line)) => self.add(line),
            Some(Err(error)) => {
                self.lines = LineSource::Done;
                self.ledger.lose();
                self.note(format!("cannot read standard input: {error}"));
                self.outcome()
            }
            None => {
                self.lines = LineSource::Done;
                self.outcome()
            }
        }
    }

    fn add(&mut self, line: InputLine) -> Option<Outcome> {
        if self.ledger.is_settled() {
            self.answered = Instant::now();
        }
        let client_msg_id = message_id();
        match self.ledger.add(line, client_msg_id.clone()) {
            Ok(Some(text)) => {
                // The plan has checked that the text of a reaction is an emoji.
                let Ok(content) = self.plan.kind.content(text) else { return self.outcome() };
                let command = Command::Submit { room: self.plan.room.clone(), content, client_msg_id };
                if let Err(error) = self.handle.try_send(command) {
                    let outcome = Outcome::Failed(error.to_string());
                    return Some(self.give_up("no connection", outcome));
                }
            }
            Ok(None) => {}
            Err(refusal) => self.note(refusal),
        }
        self.outcome()
    }

    /// The outcome, once every line is answered.
    fn outcome(&self) -> Option<Outcome> {
        let is_over = matches!(self.lines, LineSource::Done) && self.ledger.is_settled();
        let outcome = if self.ledger.is_all_stored() { Outcome::Quit } else { Outcome::NotStored };
        is_over.then_some(outcome)
    }

    fn out_of_time(&mut self) -> Outcome {
        let why = format!("no answer in {} s", self.plan.timeout.as_secs());
        self.give_up(&why, Outcome::NotStored)
    }

    fn give_up(&mut self, why: &str, outcome: Outcome) -> Outcome {
        self.waiting.extend(self.ledger.give_up(why).into_iter().map(Print::Note));
        outcome
    }

    fn note(&mut self, note: String) {
        self.waiting.push_back(Print::Note(note));
    }
}

/// The next line; waits for ever if none follows.
async fn next(lines: &mut LineSource) -> Option<io::Result<InputLine>> {
    match lines {
        LineSource::Input(lines) => lines.recv().await,
        LineSource::NotYet | LineSource::Done => std::future::pending().await,
    }
}

/// Fresh id of a message: a ULID without a time.
fn message_id() -> ClientMsgId {
    let id = EntryId::from_parts(Timestamp::from_millis(0), fastrand::u128(..)).to_string();
    ClientMsgId::new(&id).expect("a ULID has 26 characters")
}
