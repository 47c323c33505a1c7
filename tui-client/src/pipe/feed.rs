//! What each event means to `tail`: what to print, what to ask for, when to end. Pure.

use realtime_shared::{
    History, LeaveReason, Message, Position, Recovery, RoomName, ServerEvent, SystemEvent, UserId,
};

use super::backlog::Backlog;
use super::plan::Begin;
use super::text;
use super::watch::{Meaning, Watch};
use crate::net::{Command, ConnectionState, Event};
use crate::runtime::Outcome;
use crate::sanitize;

/// A room as it is read.
#[derive(Debug)]
pub(super) struct Feed {
    room: RoomName,
    watch: Watch,
    me: Option<UserId>,
    /// Whether the room is entered on this connection.
    is_in: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Before the first entry into the room; so many older messages are wanted.
    New(u32),
    /// Older messages are fetched.
    Filling(Backlog),
    /// What comes is printed.
    Live,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Print it.
    Say(Message),
    /// Tell it on standard error.
    Note(String),
    /// Ask the server.
    Ask(Command),
    /// End.
    End(Outcome),
}

impl Feed {
    /// One that has not begun, and the command to begin with.
    pub(super) fn new(room: RoomName, begin: Begin, url: String) -> (Self, Command) {
        let (last, since) = match begin {
            Begin::Last(last) => (last, None),
            Begin::Since(position) => (0, Some(position)),
        };
        let join = Command::Join { room: room.clone(), since };
        (Self { room, watch: Watch::new(url), me: None, is_in: false, stage: Stage::New(last) }, join)
    }

    /// What to do, in order.
    pub(super) fn on_event(&mut self, event: Event) -> Vec<Step> {
        match event {
            Event::State(state) => self.on_state(&state),
            Event::Joined { room, head, recovery, offline, .. } if room == self.room => {
                self.is_in = true;
                let note = Step::Note(text::joined(&room, offline, recovery));
                let is_reset = matches!(recovery, Some(Recovery::Reset { .. }));
                self.stage = match std::mem::replace(&mut self.stage, Stage::Live) {
                    Stage::New(last) => {
                        Backlog::begin(last, head.as_ref()).map_or(Stage::Live, Stage::Filling)
                    }
                    stage => stage,
                };
                let mut steps = if is_reset { self.finish() } else { Vec::new() };
                steps.push(note);
                steps.extend(self.ask());
                steps
            }
            Event::Message { message, position, .. } if message.room == self.room => {
                let epoch = position.as_ref().and_then(Position::epoch).cloned();
                self.on_message(Message { epoch, ..message })
            }
            Event::Server(event) => self.on_server(event),
            // An entry that cannot be read has no line, and `--since` takes lines.
            Event::Entry { .. }
            | Event::Joined { .. }
            | Event::Message { .. }
            | Event::RoundTrip(_)
            | Event::Sent { .. }
            | Event::Traced(_) => Vec::new(),
        }
    }

    fn on_state(&mut self, state: &ConnectionState) -> Vec<Step> {
        self.is_in = false;
        if let ConnectionState::Connected { user_id, .. } = state {
            self.me = Some(user_id.clone());
        }
        match self.watch.look(state) {
            Meaning::Nothing => Vec::new(),
            Meaning::Note(note) => vec![Step::Note(note)],
            Meaning::End(outcome) => self.end(outcome),
        }
    }

    fn on_message(&mut self, message: Message) -> Vec<Step> {
        match &mut self.stage {
            Stage::Filling(backlog) => {
                if backlog.hold(message) {
                    Vec::new()
                } else {
                    self.finish()
                }
            }
            Stage::New(_) | Stage::Live => vec![Step::Say(message)],
        }
    }

    fn on_server(&mut self, event: ServerEvent) -> Vec<Step> {
        match event {
            ServerEvent::History(history) if history.room == self.room => self.on_history(history),
            ServerEvent::System(SystemEvent::Left(left))
                if left.room == self.room && Some(&left.user_id) == self.me.as_ref() =>
            {
                let why = if left.reason == LeaveReason::Kicked { "put out of" } else { "no longer in" };
                self.end(Outcome::Failed(clean(&format!("{why} {}", self.room))))
            }
            ServerEvent::System(SystemEvent::Resync(resync)) if resync.room == self.room => {
                let mut steps = self.finish();
                steps.push(Step::Note(format!(
                    "the room's log changed; {}",
                    text::recovered(resync.recovery)
                )));
                steps
            }
            ServerEvent::System(SystemEvent::Notice(notice)) => {
                let text = text::flat(notice.message.as_str());
                vec![Step::Note(format!("notice from {}: {text}", clean(notice.from.as_str())))]
            }
            ServerEvent::Error(error) => {
                let why = text::flat(&error.message);
                if !self.is_in && error.room.as_ref() == Some(&self.room) {
                    return self
                        .end(Outcome::Failed(format!("cannot enter {}: {why}", clean(self.room.as_str()))));
                }
                let mut steps = self.finish();
                steps.push(Step::Note(format!("the server refuses something: {why}")));
                steps
            }
            ServerEvent::System(
                SystemEvent::Welcome(_)
                | SystemEvent::Joined(_)
                | SystemEvent::Left(_)
                | SystemEvent::Resync(_)
                | SystemEvent::TokenExpiring(_),
            )
            | ServerEvent::Message(_)
            | ServerEvent::Typing(_)
            | ServerEvent::Pong(_)
            | ServerEvent::Ack(_)
            | ServerEvent::History(_)
            | ServerEvent::Members(_)
            | ServerEvent::Rooms(_)
            | ServerEvent::Refreshed { .. }
            | ServerEvent::Unknown { .. } => Vec::new(),
        }
    }

    fn on_history(&mut self, history: History) -> Vec<Step> {
        let Stage::Filling(backlog) = &mut self.stage else { return Vec::new() };
        if backlog.add(history) { self.ask().into_iter().collect() } else { self.finish() }
    }

    /// Asks for the next page of what is missing.
    fn ask(&self) -> Option<Step> {
        let Stage::Filling(backlog) = &self.stage else { return None };
        let page = backlog.page()?;
        let room = self.room.clone();
        Some(Step::Ask(Command::History { room, before: Some(page.before), limit: page.limit }))
    }

    /// Prints what was fetched and held; from here on what comes is printed.
    fn finish(&mut self) -> Vec<Step> {
        match std::mem::replace(&mut self.stage, Stage::Live) {
            Stage::Filling(backlog) => backlog.finish().map(Step::Say).collect(),
            Stage::New(last) => {
                self.stage = Stage::New(last);
                Vec::new()
            }
            Stage::Live => Vec::new(),
        }
    }

    fn end(&mut self, outcome: Outcome) -> Vec<Step> {
        let mut steps = self.finish();
        steps.push(Step::End(outcome));
        steps
    }
}

fn clean(text: &str) -> String {
    sanitize::line(text).to_string()
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
