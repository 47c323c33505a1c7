//! Frames from the server after its welcome.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use realtime_shared::{
    EntryEvent, EntryHead, EntryRef, ErrorCode, ErrorEvent, ErrorScope, Joined, Pong, Recovery, Ref,
    RoomName, ServerEvent, SystemEvent, UserId, Welcome,
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
                    }
                    SystemEvent::Resync(resync) => {
                        self.rooms.resync(resync);
                        self.requests.drop_history(&resync.room);
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
            ServerEvent::Typing(_)
            | ServerEvent::Direct(_)
            | ServerEvent::Read(_)
            | ServerEvent::Inbox(_)
            | ServerEvent::Notify(_)
            | ServerEvent::Found(_) => self.emit(Event::Server(event)),
        }
    }

    pub(super) fn welcomed(&mut self, welcome: Welcome, now: Instant) {
        let Welcome { user_id, online_count, limits, features, .. } = welcome;
        let features = features.unwrap_or_default();
        self.phase = Phase::Connected(Live {
            me: user_id.clone(),
            features: features.clone(),
            since: now,
            active_at: now,
            ping: None,
            next_ping: now,
            pacer: Pacer::new(limits.messages_per_second, now),
            typing_refused: HashSet::new(),
        });
        self.emit(Event::State(ConnectionState::Connected { user_id, online_count, limits, features }));
        self.ping(now);
    }

    fn joined(&mut self, joined: Joined, reference: Option<&Ref>, now: Instant) {
        if let Some(outcome) = self.rooms.joined(&joined, reference, now) {
            if !matches!(outcome.recovery, Some(Recovery::Complete { .. })) {
                self.ask_pages_again(&joined.room);
            }
            let Joined { room, members, member_count, position, .. } = joined;
            self.emit(Event::Joined {
                room,
                members,
                member_count,
                head: position,
                recovery: outcome.recovery,
                offline: outcome.offline,
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
        if let EntryEvent::Change(change) = &entry
            && !self.requests.hold(change)
        {
            self.ask_pages_again(&change.room);
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

    /// Requests the pages of a room again that are on their way, because changes to them may be missed.
    fn ask_pages_again(&mut self, room: &RoomName) {
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
            // Slow mode holds up the room, and nothing else.
            if let Phase::Connected(live) = &mut self.phase
                && error.scope != Some(ErrorScope::Room)
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
