//! Requests for data that wait for their answer: pages of history, members, lists of rooms, the inbox, searches.
//!
//! Each request has its own `ref`, and its answer or refusal has the same one. A temporary refusal is repeated after the
//! server's `retry_after_ms`. A request fails if it is not answered within [`REQUEST_TIMEOUT`]; an answer after that is
//! dropped. A lost connection drops all requests.

use std::time::{Duration, Instant};

use realtime_shared::{
    ChangeEntry, ClientEvent, Feature, Found, History, HistoryRequest, Ref, RoomName, SearchRequest, Seq,
    UserId,
};

use super::command::Command;
use super::held::HeldChanges;

/// Longest time from the command to its answer, with all waits and repetitions.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The reason of a refusal by the client itself.
pub(super) const UNSUPPORTED: &str = "this server does not support it";
/// Most requests at once.
pub(super) const REQUESTS: usize = 64;

/// The requests, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Requests {
    requests: Vec<Request>,
    held: HeldChanges,
}

#[derive(Debug)]
struct Request {
    command: Command,
    reference: Ref,
    stage: Stage,
    /// The time at which the request fails.
    fails_at: Instant,
    /// The reason of the last temporary refusal.
    refusal: Option<String>,
    /// Number of temporary refusals.
    postponements: u32,
    /// Number of the `Read` command up to which all have an answer before the request is sent.
    after_read: u64,
    /// A marker that the last answer lacked.
    lacking: Option<(RoomName, Seq)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The request is due, at this time at the earliest.
    Due(Option<Instant>),
    Sent,
}

/// A request that fails, and the reason for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) request: Command,
    pub(super) reason: String,
}

/// The kind of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    History(&'a RoomName),
    Members(&'a RoomName),
    Rooms,
    Direct,
    Inbox,
    Found,
}

impl Requests {
    /// Adds a request. An inbox is requested after the answers to all `Read` commands up to `after_read`. Returns the
    /// request as failed if there are too many.
    pub(super) fn add(
        &mut self,
        command: Command,
        reference: Ref,
        after_read: u64,
        now: Instant,
    ) -> Option<Failed> {
        if self.requests.len() >= REQUESTS {
            return Some(Failed { request: command, reason: "too many requests wait".to_owned() });
        }
        let (stage, fails_at) = (Stage::Due(None), now + REQUEST_TIMEOUT);
        self.requests.push(Request {
            command,
            reference,
            stage,
            fails_at,
            refusal: None,
            postponements: 0,
            after_read,
            lacking: None,
        });
        None
    }

    /// Returns true if a request is due. `is_open` returns true if a `Read` command up to this number has no answer.
    pub(super) fn has_due(&self, now: Instant, is_open: impl Fn(u64) -> bool) -> bool {
        self.requests.iter().any(|request| request.is_due(now, &is_open))
    }

    /// The next due request, which is sent now.
    pub(super) fn send_next(
        &mut self,
        now: Instant,
        is_open: impl Fn(u64) -> bool,
    ) -> Option<(ClientEvent, Ref)> {
        let request = self.requests.iter_mut().find(|request| request.is_due(now, &is_open))?;
        request.stage = Stage::Sent;
        Some((event(&request.command)?, request.reference.clone()))
    }

    /// Removes the request that an answer belongs to. Returns false if there is none: it failed before. An answer
    /// without a `ref` belongs to the oldest request for it.
    pub(super) fn answered(&mut self, reference: Option<&Ref>, answer: Answer<'_>) -> bool {
        let index = self.requests.iter().position(|request| match reference {
            Some(reference) => request.reference == *reference,
            None => request.stage == Stage::Sent && request.is_answered_by(answer),
        });
        index.map(|index| self.requests.remove(index)).is_some()
    }

    /// Removes the search that an answer belongs to, and returns its room and prefix. `None`: it failed before.
    pub(super) fn members_found(&mut self, reference: Option<&Ref>) -> Option<(RoomName, String)> {
        let is_search = |request: &Request| {
            Some(&request.reference) == reference && matches!(request.command, Command::FindMembers { .. })
        };
        let index = self.requests.iter().position(is_search)?;
        match self.requests.remove(index).command {
            Command::FindMembers { room, prefix } => Some((room, prefix)),
            _ => None,
        }
    }

    /// Returns true if a request has this `ref` and the server limits its kind on its own, so that its limit concerns no
    /// other frame.
    pub(super) fn has_own_limit(&self, reference: &Ref) -> bool {
        self.requests.iter().any(|request| {
            let is_list = matches!(request.command, Command::FindMembers { .. } | Command::ListRooms { .. });
            is_list && request.reference == *reference
        })
    }

    /// Handles a page of history: applies the changes that have arrived since its request. Returns false if it has no
    /// request.
    pub(super) fn page(
        &mut self,
        reference: Option<&Ref>,
        history: &mut History,
        me: Option<&UserId>,
    ) -> bool {
        let is_answer = self.answered(reference, Answer::History(&history.room));
        if is_answer {
            self.held.apply(history, me);
            self.release_held();
        }
        is_answer
    }

    /// Handles the messages that a search found, like a page.
    pub(super) fn found(&mut self, reference: Option<&Ref>, found: &mut Found, me: Option<&UserId>) -> bool {
        let is_answer = self.answered(reference, Answer::Found);
        if is_answer {
            self.held.apply_to_found(found, me);
            self.release_held();
        }
        is_answer
    }

    /// Requests an inbox again whose answer lacks a marker. Returns false if the answer before lacked the same one, or the
    /// answer has no request.
    pub(super) fn ask_inbox_again(
        &mut self,
        reference: Option<&Ref>,
        lacking: (RoomName, Seq),
        next_ref: impl FnOnce() -> Ref,
        after_read: u64,
    ) -> bool {
        let is_answered = |request: &&mut Request| {
            request.is_answered_by(Answer::Inbox)
                && reference.is_none_or(|reference| request.reference == *reference)
        };
        let request = self.requests.iter_mut().find(is_answered);
        let Some(request) = request.filter(|request| request.lacking.as_ref() != Some(&lacking)) else {
            return false;
        };
        (request.stage, request.reference, request.after_read) = (Stage::Due(None), next_ref(), after_read);
        request.lacking = Some(lacking);
        true
    }

    /// Holds a change if a page of its room is on its way, or a search. Returns false if there is no place for it: all of
    /// them must be requested [again](Self::ask_again).
    pub(super) fn hold(&mut self, change: &ChangeEntry) -> bool {
        !self.has_messages_on_their_way(&change.room) || self.held.add(change)
    }

    /// Requests the pages and searches again that are on their way: the client may have missed changes since their
    /// request. Those with messages of `room`, or all. `next_ref` generates their refs.
    pub(super) fn ask_again(&mut self, room: Option<&RoomName>, mut next_ref: impl FnMut() -> Ref) {
        for request in &mut self.requests {
            if request.has_messages_on_their_way(room) {
                (request.stage, request.reference) = (Stage::Due(None), next_ref());
            }
        }
        self.release_held();
    }

    /// Removes a request that needs a feature which the server does not have.
    pub(super) fn refuse_unsupported(&mut self, features: &[Feature]) -> Option<Failed> {
        let lacks = |request: &Request| {
            needed_feature(&request.command).filter(|feature| !features.contains(feature))
        };
        let index = self.requests.iter().position(|request| lacks(request).is_some())?;
        Some(self.fail(index, UNSUPPORTED.to_owned()))
    }

    fn has_messages_on_their_way(&self, room: &RoomName) -> bool {
        self.requests.iter().any(|request| request.has_messages_on_their_way(Some(room)))
    }

    /// Returns true if a request has this `ref`.
    pub(super) fn holds(&self, reference: &Ref) -> bool {
        self.requests.iter().any(|request| request.reference == *reference)
    }

    /// Handles a refusal. `wait` gets the number of earlier refusals; without it the refusal is permanent. Returns the
    /// request if it fails.
    pub(super) fn refused(
        &mut self,
        reference: &Ref,
        reason: String,
        wait: Option<impl FnOnce(u32) -> Duration>,
        now: Instant,
    ) -> Option<Failed> {
        let index = self.requests.iter().position(|request| request.reference == *reference)?;
        let request = &mut self.requests[index];
        let again = wait.map(|wait| now + wait(request.postponements)).filter(|at| *at < request.fails_at);
        if let Some(at) = again {
            request.stage = Stage::Due(Some(at));
            request.postponements = request.postponements.saturating_add(1);
            request.refusal = Some(reason);
            return None;
        }
        Some(self.fail(index, reason))
    }

    /// Removes a request whose time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Failed> {
        let index = self.requests.iter().position(|request| request.fails_at <= now)?;
        let no_answer = || format!("no answer in {} s", REQUEST_TIMEOUT.as_secs());
        let reason = self.requests[index].refusal.take().unwrap_or_else(no_answer);
        Some(self.fail(index, reason))
    }

    fn fail(&mut self, index: usize, reason: String) -> Failed {
        let request = self.requests.remove(index).command;
        self.release_held();
        Failed { request, reason }
    }

    /// Drops the held changes of the rooms without messages on their way.
    fn release_held(&mut self) {
        let Self { requests, held } = self;
        held.retain(|room| requests.iter().any(|request| request.has_messages_on_their_way(Some(room))));
    }

    /// The next time at which a request fails, or after `now` at which a postponed one is due.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let due = |request: &Request| if let Stage::Due(at) = request.stage { at } else { None };
        let due = self.requests.iter().filter_map(due).filter(|at| *at > now);
        self.requests.iter().map(|request| request.fails_at).chain(due).min()
    }

    /// Drops the requests for history of a room: their seqs are of an earlier log.
    pub(super) fn drop_history(&mut self, room: &RoomName) {
        self.requests.retain(|request| !request.is_answered_by(Answer::History(room)));
        self.release_held();
    }

    /// Handles a lost connection: drops all requests.
    pub(super) fn disconnected(&mut self) {
        self.requests.clear();
        self.held.clear();
    }
}

impl Request {
    fn is_due(&self, now: Instant, is_open: impl Fn(u64) -> bool) -> bool {
        let is_held_up = matches!(self.command, Command::Inbox { .. }) && is_open(self.after_read);
        !is_held_up && matches!(self.stage, Stage::Due(at) if at.is_none_or(|at| at <= now))
    }

    /// Returns true if the request is sent, and its answer has messages of the room; without a room: messages.
    fn has_messages_on_their_way(&self, room: Option<&RoomName>) -> bool {
        let of = match &self.command {
            Command::History(HistoryRequest { room, .. }) => Some(room),
            Command::Search(SearchRequest { room, .. }) => room.as_ref(),
            _ => return false,
        };
        self.stage == Stage::Sent && of.is_none_or(|of| room.is_none_or(|room| room == of))
    }

    fn is_answered_by(&self, answer: Answer<'_>) -> bool {
        match (&self.command, answer) {
            (Command::History(HistoryRequest { room, .. }), Answer::History(of))
            | (Command::Members(room), Answer::Members(of)) => room == of,
            (Command::ListRooms { .. }, Answer::Rooms)
            | (Command::Direct(_), Answer::Direct)
            | (Command::Inbox { .. }, Answer::Inbox)
            | (Command::Search(_), Answer::Found) => true,
            _ => false,
        }
    }
}

/// The feature that a request needs.
const fn needed_feature(command: &Command) -> Option<Feature> {
    match command {
        Command::History(HistoryRequest { pinned: true, .. }) => Some(Feature::Pin),
        Command::History(HistoryRequest { around: Some(_), .. } | HistoryRequest { thread: Some(_), .. }) => {
            Some(Feature::Reply)
        }
        Command::Direct(_) => Some(Feature::Direct),
        Command::Inbox { .. } => Some(Feature::Inbox),
        Command::Search(_) => Some(Feature::Search),
        Command::FindMembers { .. } => Some(Feature::MemberPrefix),
        _ => None,
    }
}

/// The frame of a request.
fn event(command: &Command) -> Option<ClientEvent> {
    match command.clone() {
        Command::History(request) => Some(ClientEvent::History(request)),
        Command::Members(room) => Some(ClientEvent::Members { room, prefix: None, limit: None }),
        Command::FindMembers { room, prefix } => {
            Some(ClientEvent::Members { room, prefix: Some(prefix), limit: None })
        }
        Command::ListRooms { prefix } => Some(ClientEvent::ListRooms { prefix, limit: None }),
        Command::Direct(user_id) => Some(ClientEvent::Direct { user_id }),
        Command::Inbox { limit, .. } => Some(ClientEvent::Inbox { limit }),
        Command::Search(request) => Some(ClientEvent::Search(request)),
        _ => None,
    }
}
