//! Frames from the server after its welcome.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use realtime_shared::{
    EntryEvent, EntryHead, EntryRef, ErrorCode, ErrorEvent, ErrorScope, Inbox, Joined, Members, Pong,
    Position, Read, Recovery, Ref, RoomName, ServerEvent, SystemEvent, UserId, Welcome,
};

use super::outgoing::next_ref;
use super::{LONGEST_RETRY_AFTER, Live, Phase, Session, TYPING};
use crate::entry::Entry;
use crate::event::{ConnectionState, Event, SendState};
use crate::pacer::Pacer;
use crate::requests::Answer;
use crate::rooms::Arrival;

/// Pause after a `rate_limited` error without `retry_after_ms`.
const PAUSE: Duration = Duration::from_secs(1);

impl Session {
    pub(super) fn on_event(&mut self, event: ServerEvent, reference: Option<&Ref>, now: Instant) {
        match event {
            ServerEvent::System(SystemEvent::Joined(joined)) => self.joined(joined, reference, now),
            ServerEvent::System(system) => {
                match &system {
                    SystemEvent::Left(left) if self.is_me(&left.user_id) => {
                        self.rooms.left(&left.room);
                        self.markers.left(&left.room);
                    }
                    SystemEvent::Resync(resync) => {
                        self.rooms.resync(resync);
                        self.markers.enter(&resync.room, Some(&resync.position));
                        self.requests.drop_history(&resync.room);
                        self.ask_pages_again(Some(&resync.room));
                    }
                    SystemEvent::TokenExpiring(expiring) => {
                        self.token_expires(expiring.expires_at, now);
                        return;
                    }
                    SystemEvent::Welcome(_) => return,
                    SystemEvent::Joined(_) | SystemEvent::Left(_) | SystemEvent::Notice(_) => {}
                }
                self.emit(Event::Server(ServerEvent::System(system)));
            }
            ServerEvent::Entry(entry) => self.entry(entry),
            ServerEvent::Ack(ack) => {
                if self.outbox.stored(&ack.room, &ack.client_msg_id) {
                    self.emit_sent(ack.client_msg_id, SendState::Stored(ack.seq));
                }
            }
            ServerEvent::Pong(pong) => self.pong(&pong, now),
            ServerEvent::Error(error) => self.refused(error, reference, now),
            ServerEvent::Unknown { entry: Some(entry) } => self.unknown_entry(entry),
            ServerEvent::Unknown { entry: None } => {}
            // An answer without its request is dropped: that one failed, or is void.
            ServerEvent::History(mut history) => {
                let me = if let Phase::Connected(live) = &self.phase { Some(&live.me) } else { None };
                if self.requests.page(reference, &mut history, me) {
                    self.emit(Event::Server(ServerEvent::History(history)));
                }
            }
            ServerEvent::Members(Members { members, has_more: Some(has_more), .. }) => {
                if let Some((room, prefix)) = self.requests.members_found(reference) {
                    self.emit(Event::MembersFound { room, prefix, members, has_more });
                }
            }
            ServerEvent::Members(members) => {
                if self.requests.answered(reference, Answer::Members(&members.room)) {
                    self.emit(Event::Server(ServerEvent::Members(members)));
                }
            }
            ServerEvent::Rooms(rooms) => {
                if self.requests.answered(reference, Answer::Rooms) {
                    self.emit(Event::Server(ServerEvent::Rooms(rooms)));
                }
            }
            ServerEvent::Refreshed { .. } => {
                self.token_accepted(reference);
                self.emit(Event::Server(event));
            }
            ServerEvent::Found(mut found) => {
                let me = if let Phase::Connected(live) = &self.phase { Some(&live.me) } else { None };
                if self.requests.found(reference, &mut found, me) {
                    self.emit(Event::Server(ServerEvent::Found(found)));
                }
            }
            ServerEvent::Direct(_) => {
                if self.requests.answered(reference, Answer::Direct) {
                    self.emit(Event::Server(event));
                }
            }
            ServerEvent::Read(read) => self.read(&read, reference),
            ServerEvent::Inbox(inbox) => self.inbox(inbox, reference),
            ServerEvent::Typing(_) | ServerEvent::Notify(_) => self.emit(Event::Server(event)),
        }
    }

    /// Handles a marker: the answer to a `read`, or that of another client of the user.
    fn read(&mut self, read: &Read, reference: Option<&Ref>) {
        let answered = reference.and_then(|reference| self.markers.answered(reference, read.seq));
        let moved = answered
            .unwrap_or_else(|| self.markers.received(&read.room, self.rooms.epoch(&read.room), read.seq));
        self.emit_moved(moved);
    }

    /// Handles an inbox, which may be older than the markers.
    fn inbox(&mut self, mut inbox: Inbox, reference: Option<&Ref>) {
        let Self { requests, markers, generated, .. } = self;
        let lacking = markers.apply(&mut inbox);
        let next_ref = || next_ref(generated, "inbox");
        let is_repeated = lacking.is_some_and(|lacking| {
            requests.ask_inbox_again(reference, lacking, next_ref, markers.last_command())
        });
        if !is_repeated && requests.answered(reference, Answer::Inbox) {
            self.emit(Event::Server(ServerEvent::Inbox(inbox)));
        }
    }

    pub(super) fn welcomed(&mut self, welcome: Welcome, now: Instant) {
        let Welcome { user_id, online_count, limits, features, .. } = welcome;
        let features = features.unwrap_or_default();
        if self.user.replace(user_id.clone()).is_some_and(|user| user != user_id) {
            self.markers.clear();
        }
        self.phase = Phase::Connected(Live {
            me: user_id.clone(),
            features: features.clone(),
            since: now,
            active_at: now,
            ping: None,
            next_ping: now,
            pacer: Pacer::new(limits.messages_per_second, now),
            typing_refused: HashSet::new(),
            has_read: false,
        });
        self.emit(Event::State(ConnectionState::Connected { user_id, online_count, limits, features }));
        self.ping(now);
        if let Some(request) = self.kept_inbox.clone() {
            self.request(request, "inbox", now);
        }
    }

    fn joined(&mut self, joined: Joined, reference: Option<&Ref>, now: Instant) {
        if let Some(outcome) = self.rooms.joined(&joined, reference, now) {
            if !matches!(outcome.recovery, Some(Recovery::Complete { .. })) {
                self.ask_pages_again(Some(&joined.room));
            }
            let Joined { room, members, member_count, position, read_seq, .. } = joined;
            self.markers.enter(&room, position.as_ref());
            let read_seq = read_seq.map(|seq| {
                let epoch = position.as_ref().and_then(Position::epoch);
                self.markers.received(&room, epoch, seq).seq
            });
            self.emit(Event::Joined {
                room,
                members,
                member_count,
                head: position,
                recovery: outcome.recovery,
                offline: outcome.offline,
                read_seq,
            });
        } else if reference.is_none() {
            self.emit(Event::Server(ServerEvent::System(SystemEvent::Joined(joined))));
        }
    }

    fn entry(&mut self, entry: EntryEvent) {
        let EntryHead { room, from, seq, id, client_msg_id, epoch, .. } = entry.head();
        let Arrival { position, replayed } = self.rooms.entry(room, seq, id, epoch.as_ref());
        let stored = match client_msg_id {
            Some(id) if self.is_me(from) && self.outbox.stored(room, id) => Some((id.clone(), seq)),
            _ => None,
        };
        if epoch.is_some() {
            self.markers.enter(room, position.as_ref());
        }
        if let EntryEvent::Change(change) = &entry
            && !self.requests.hold(change)
        {
            self.ask_pages_again(None);
        }
        self.emit(Event::Entry { entry: entry.into(), position, replayed });
        if let Some((id, seq)) = stored {
            self.emit_sent(id, SendState::Stored(seq));
        }
    }

    /// Handles an entry that this version cannot read. It moves the room's position, which the program has to store.
    fn unknown_entry(&mut self, entry: EntryRef) {
        let Arrival { position, replayed } =
            self.rooms.entry(&entry.room, entry.seq, entry.id, entry.epoch.as_ref());
        if position.is_some() {
            self.emit(Event::Entry { entry: Entry::Unknown(entry), position, replayed });
        }
    }

    /// Requests the pages of a room again that are on their way, and the searches, because changes to them may be missed.
    /// Without a room: all of them.
    fn ask_pages_again(&mut self, room: Option<&RoomName>) {
        let Self { requests, generated, .. } = self;
        requests.ask_again(room, || next_ref(generated, "history"));
    }

    fn pong(&mut self, pong: &Pong, now: Instant) {
        let Phase::Connected(live) = &mut self.phase else { return };
        if let Some((_, at)) = live.ping.take_if(|(nonce, _)| pong.nonce.as_ref() == Some(nonce)) {
            self.emit(Event::RoundTrip { time: now.saturating_duration_since(at), server_time: pong.ts });
        }
    }

    /// Handles the refusal of a message, a join or another request. A refusal of `typing` is not reported.
    fn refused(&mut self, error: ErrorEvent, reference: Option<&Ref>, now: Instant) {
        let requested =
            error.retry_after_ms.map(|millis| Duration::from_millis(millis).min(LONGEST_RETRY_AFTER));
        let mut retry_after = requested;
        if error.code == ErrorCode::RateLimited {
            let wait = requested.unwrap_or(PAUSE);
            retry_after = Some(wait);
            // Slow mode holds up its room only. Changes, markers and lists have budgets of their own, so messages need not
            // wait.
            let is_of_room = error.scope == Some(ErrorScope::Room);
            let is_change =
                error.client_msg_id.as_ref().is_some_and(|id| self.outbox.is_change_in_flight(id));
            let is_marker = reference.is_some_and(|reference| self.markers.holds(reference));
            let is_of_lists = reference.is_some_and(|reference| self.requests.has_own_limit(reference));
            if let Phase::Connected(live) = &mut self.phase
                && !(is_of_room || is_change || is_marker || is_of_lists)
            {
                live.pacer.pause(now + wait);
            }
        }
        if let Some(id) = error.client_msg_id.as_ref().filter(|id| self.outbox.holds(id)) {
            if error.temporary {
                self.postpone(id.clone(), &error, retry_after, now);
            } else if self.outbox.refused(id) {
                self.emit_sent(id.clone(), SendState::Refused(error.message));
            }
        } else if let Some(room) = reference.and_then(|reference| self.rooms.requested_with(reference)) {
            if error.temporary {
                let Self { rooms, rng, timing, .. } = self;
                // A client in many rooms joins them as fast as it may.
                let refusal = (error.code != ErrorCode::RateLimited).then_some(error.message);
                rooms.postpone(&room, refusal, now, |before| {
                    retry_after.unwrap_or_else(|| timing.backoff.delay(before, rng))
                });
            } else {
                self.rooms.remove(&room);
                self.emit(Event::Server(ServerEvent::Error(error)));
            }
        } else if let Some(reference) = reference.filter(|reference| self.requests.holds(reference)) {
            let Self { requests, rng, timing, .. } = self;
            let wait = |before| retry_after.unwrap_or_else(|| timing.backoff.delay(before, rng));
            let failed = requests.refused(reference, error.message, error.temporary.then_some(wait), now);
            if let Some(failed) = failed {
                self.failed(failed);
            }
        } else if let Some(reference) = reference.filter(|reference| self.markers.holds(reference)) {
            if error.temporary {
                let Self { markers, rng, timing, .. } = self;
                let wait = |before| retry_after.unwrap_or_else(|| timing.backoff.delay(before, rng));
                markers.postpone(reference, now, wait);
            } else {
                self.marker_refused(reference, error.message);
            }
        } else if self.token_refused(reference, &error.message, now) {
            // It is reported.
        } else if reference == Some(&*TYPING) {
            if let (Phase::Connected(live), Some(room), false) =
                (&mut self.phase, error.room, error.temporary)
            {
                live.typing_refused.insert(room);
            }
        } else {
            self.emit(Event::Server(ServerEvent::Error(error)));
        }
    }

    fn is_me(&self, user: &UserId) -> bool {
        matches!(&self.phase, Phase::Connected(live) if live.me == *user)
    }
}
