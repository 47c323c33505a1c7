//! Reaction of `tail` to each event: lines to print, pages to request, the end. Pure.

use realtime_shared::{
    EntryEvent, History, HistoryRequest, LeaveReason, Position, Recovery, RoomName, ServerEvent, SystemEvent,
    UserId,
};

use super::backlog::Backlog;
use super::plan::Begin;
use super::printed::PrintedEntry;
use super::text;
use super::watch::{Meaning, Watch, token_expires};
use crate::net::{Command, ConnectionState, Entry, Event};
use crate::runtime::Outcome;
use crate::sanitize;

/// The room that is printed.
#[derive(Debug)]
pub(super) struct Feed {
    room: RoomName,
    watch: Watch,
    me: Option<UserId>,
    /// The room has been joined on this connection.
    is_in: bool,
    stage: FeedStage,
}

#[derive(Debug)]
enum FeedStage {
    /// Before the first join; number of older entries to print.
    New(u32),
    /// Older entries are being fetched.
    Filling(Backlog),
    /// Entries are printed as they arrive.
    Live,
}

/// An instruction to `tail`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FeedStep {
    Print(PrintedEntry),
    /// Print on standard error.
    Note(String),
    /// Send to the server.
    Ask(Command),
    End(Outcome),
}

impl Feed {
    /// A new feed, and its first command.
    pub(super) fn new(room: RoomName, begin: Begin, url: String) -> (Self, Command) {
        let (last, since) = match begin {
            Begin::Last(last) => (last, None),
            Begin::Since(position) => (0, Some(position)),
        };
        let join = Command::Join { room: room.clone(), since };
        (Self { room, watch: Watch::new(url), me: None, is_in: false, stage: FeedStage::New(last) }, join)
    }

    /// The steps for an event, in order.
    pub(super) fn on_event(&mut self, event: Event) -> Vec<FeedStep> {
        match event {
            Event::State(state) => self.on_state(&state),
            Event::Joined { room, head, recovery, offline, .. } if room == self.room => {
                self.is_in = true;
                let note = FeedStep::Note(text::joined(&room, offline, recovery));
                let is_reset = matches!(recovery, Some(Recovery::Reset { .. }));
                self.stage = match std::mem::replace(&mut self.stage, FeedStage::Live) {
                    FeedStage::New(last) => {
                        Backlog::begin(last, head.as_ref()).map_or(FeedStage::Live, FeedStage::Filling)
                    }
                    stage => stage,
                };
                let mut steps = if is_reset { self.finish() } else { Vec::new() };
                steps.push(note);
                steps.extend(self.ask());
                steps
            }
            Event::Entry { entry, position, .. } if *entry.room() == self.room => {
                self.on_entry(entry, position.as_ref())
            }
            Event::Server(event) => self.on_server(event),
            Event::RequestFailed { reason, .. } => {
                let mut steps = self.finish();
                steps.push(FeedStep::Note(format!("earlier messages are not loaded: {}", clean(&reason))));
                steps
            }
            Event::TokenExpires { at, reason } => vec![FeedStep::Note(token_expires(at, &reason))],
            Event::Entry { .. }
            | Event::Joined { .. }
            | Event::RoundTrip { .. }
            | Event::Sent { .. }
            | Event::Health(_)
            | Event::Read { .. }
            | Event::TokenRefused { .. }
            | Event::MembersFound { .. }
            | Event::Traced(_) => Vec::new(),
        }
    }

    fn on_state(&mut self, state: &ConnectionState) -> Vec<FeedStep> {
        self.is_in = false;
        if let ConnectionState::Connected { user_id, .. } = state {
            self.me = Some(user_id.clone());
        }
        match self.watch.interpret(state) {
            Meaning::Nothing => Vec::new(),
            Meaning::Note(note) => vec![FeedStep::Note(note)],
            Meaning::End(outcome) => self.end(outcome),
        }
    }

    fn on_entry(&mut self, entry: Entry, position: Option<&Position>) -> Vec<FeedStep> {
        let epoch = position.and_then(Position::epoch).cloned();
        // An unknown entry has no line, and `--since` takes lines.
        let entry = match entry {
            Entry::Message(message) => PrintedEntry::of(EntryEvent::Message(message), epoch),
            Entry::Change(change) => PrintedEntry::of(EntryEvent::Change(change), epoch),
            Entry::Unknown(_) => return Vec::new(),
        };
        match &mut self.stage {
            FeedStage::Filling(backlog) => {
                if backlog.hold(entry) {
                    Vec::new()
                } else {
                    self.finish()
                }
            }
            FeedStage::New(_) | FeedStage::Live => vec![FeedStep::Print(entry)],
        }
    }

    fn on_server(&mut self, event: ServerEvent) -> Vec<FeedStep> {
        match event {
            ServerEvent::History(history) if history.room == self.room => self.on_history(history),
            ServerEvent::System(SystemEvent::Left(left))
                if left.room == self.room && Some(&left.user_id) == self.me.as_ref() =>
            {
                let why = if left.reason == LeaveReason::Kicked { "kicked from" } else { "no longer in" };
                self.end(Outcome::Failed(clean(&format!("{why} {}", self.room))))
            }
            ServerEvent::System(SystemEvent::Resync(resync)) if resync.room == self.room => {
                let mut steps = self.finish();
                steps.push(FeedStep::Note(format!(
                    "the room's log changed; {}",
                    text::recovered(resync.recovery)
                )));
                steps
            }
            ServerEvent::System(SystemEvent::Notice(notice)) => {
                let text = text::flat(notice.message.as_str());
                vec![FeedStep::Note(format!("notice from {}: {text}", clean(notice.from.as_str())))]
            }
            ServerEvent::Error(error) => {
                let why = text::flat(&error.message);
                if !self.is_in && error.room.as_ref() == Some(&self.room) {
                    return self
                        .end(Outcome::Failed(format!("cannot join {}: {why}", clean(self.room.as_str()))));
                }
                let mut steps = self.finish();
                steps.push(FeedStep::Note(format!("the server refuses a request: {why}")));
                steps
            }
            ServerEvent::System(
                SystemEvent::Welcome(_)
                | SystemEvent::Joined(_)
                | SystemEvent::Left(_)
                | SystemEvent::Resync(_)
                | SystemEvent::TokenExpiring(_),
            )
            | ServerEvent::Entry(_)
            | ServerEvent::Typing(_)
            | ServerEvent::Pong(_)
            | ServerEvent::Ack(_)
            | ServerEvent::History(_)
            | ServerEvent::Members(_)
            | ServerEvent::Rooms(_)
            | ServerEvent::Direct(_)
            | ServerEvent::Read(_)
            | ServerEvent::Inbox(_)
            | ServerEvent::Notify(_)
            | ServerEvent::Found(_)
            | ServerEvent::Refreshed { .. }
            | ServerEvent::Unknown { .. } => Vec::new(),
        }
    }

    fn on_history(&mut self, history: History) -> Vec<FeedStep> {
        let FeedStage::Filling(backlog) = &mut self.stage else { return Vec::new() };
        if backlog.add(history) { self.ask().into_iter().collect() } else { self.finish() }
    }

    /// Requests the next missing page.
    fn ask(&self) -> Option<FeedStep> {
        let FeedStage::Filling(backlog) = &self.stage else { return None };
        let page = backlog.page()?;
        let room = self.room.clone();
        Some(FeedStep::Ask(Command::History(HistoryRequest::before(room, Some(page.before), page.limit))))
    }

    /// Prints the fetched and held entries. Later ones are printed as they arrive.
    fn finish(&mut self) -> Vec<FeedStep> {
        match std::mem::replace(&mut self.stage, FeedStage::Live) {
            FeedStage::Filling(backlog) => backlog.finish().map(FeedStep::Print).collect(),
            FeedStage::New(last) => {
                self.stage = FeedStage::New(last);
                Vec::new()
            }
            FeedStage::Live => Vec::new(),
        }
    }

    fn end(&mut self, outcome: Outcome) -> Vec<FeedStep> {
        let mut steps = self.finish();
        steps.push(FeedStep::End(outcome));
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
