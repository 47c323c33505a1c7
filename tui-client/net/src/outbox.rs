//! Messages on their way out, until they are stored or refused.
//!
//! Each room has a lane, and **one message of a lane is in flight**: the next one goes when the server has answered.
//! A server answers the posts of a connection one by one and an error frees those behind it, so with two in flight a
//! refused first and an accepted second would change places for good, and no pacing can rule a refusal out
//! (`unavailable` comes at any rate). Lanes of different rooms run side by side, [`IN_FLIGHT`] in all, the oldest
//! message first.
//!
//! Invariants: a message is in exactly one lane until it is reported stored, refused or taken back, once; only the first
//! of a lane has ever been given to a connection; nothing is dropped without a report.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use realtime_shared::{ClientMsgId, Post, RoomName, Text};

/// Most messages that wait, in all rooms: a day of talk, and some 40 MB of the longest texts.
pub(super) const QUEUE: usize = 10_000;
/// Most messages in flight, in all rooms.
pub(super) const IN_FLIGHT: usize = 32;
/// Most refused messages that are kept for [`Command::Resend`](crate::Command::Resend); the oldest goes.
const REFUSED: usize = 1_000;
/// How long to wait for an answer to a message: several times what a server itself tries for. Then the connection is
/// given up. To send it again on the same one would bring two answers, which may differ.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What is waiting, in flight, or refused and kept.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: Vec<Lane>,
    /// The lane of each message that waits or is in flight.
    rooms: HashMap<ClientMsgId, RoomName>,
    refused: VecDeque<(RoomName, Entry)>,
    next_ticket: u64,
    in_flight: usize,
}

/// The messages of a room, in order.
#[derive(Debug)]
struct Lane {
    room: RoomName,
    entries: VecDeque<Entry>,
    head: Head,
    /// How often the first message was put off in a row.
    put_off: u32,
    /// Whether the first message may be stored, since no answer said that it is not.
    is_in_doubt: bool,
}

#[derive(Debug)]
struct Entry {
    /// Its place among all messages.
    ticket: u64,
    id: ClientMsgId,
    text: Text,
}

/// How the first message of a lane is.
#[derive(Debug, Clone, Copy)]
enum Head {
    /// It may go.
    Ready,
    /// It was put off.
    Until(Instant),
    /// It is in flight, since then.
    Sent(Instant),
}

/// What came of adding a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits.
    Queued,
    /// A message with its id waits already: it is that message.
    Known,
    /// There are [`QUEUE`] messages already.
    Full,
}

impl Outbox {
    /// Adds a message at the end. One that does not fit is kept as a refused one.
    pub(super) fn push(&mut self, room: RoomName, text: Text, id: ClientMsgId) -> Pushed {
        if self.rooms.contains_key(&id) {
            return Pushed::Known;
        }
        let entry = Entry { ticket: self.next_ticket, id: id.clone(), text };
        self.next_ticket += 1;
        if self.rooms.len() >= QUEUE {
            self.keep_refused(room, entry);
            return Pushed::Full;
        }
        self.rooms.insert(id, room.clone());
        match self.lanes.iter_mut().find(|lane| lane.room == room) {
            Some(lane) => lane.entries.push_back(entry),
            None => self.lanes.push(Lane::new(room, entry)),
        }
        Pushed::Queued
    }

    /// Takes a refused message back, at the end. `None`: it is not held (any more).
    pub(super) fn resend(&mut self, id: &ClientMsgId) -> Option<Pushed> {
        if self.rooms.contains_key(id) {
            return Some(Pushed::Known);
        }
        let index = self.refused.iter().position(|(_, entry)| entry.id == *id)?;
        let (room, entry) = self.refused.remove(index)?;
        Some(self.push(room, entry.text, entry.id))
    }

    /// The next message to give to the connection, of a room that `may_post` lets through. It is in flight from now.
    pub(super) fn send_next(&mut self, now: Instant, may_post: impl Fn(&RoomName) -> bool) -> Option<Post> {
        let index = self.next_lane(now, may_post)?;
        let lane = &mut self.lanes[index];
        let entry = lane.entries.front()?;
        let post =
            Post { room: lane.room.clone(), text: entry.text.clone(), client_msg_id: Some(entry.id.clone()) };
        lane.head = Head::Sent(now);
        self.in_flight += 1;
        Some(post)
    }

    /// Whether [`Outbox::send_next`] would give one.
    pub(super) fn has_next(&self, now: Instant, may_post: impl Fn(&RoomName) -> bool) -> bool {
        self.next_lane(now, may_post).is_some()
    }

    fn next_lane(&self, now: Instant, may_post: impl Fn(&RoomName) -> bool) -> Option<usize> {
        if self.in_flight >= IN_FLIGHT {
            return None;
        }
        let may_go = |lane: &Lane| match lane.head {
            Head::Ready => may_post(&lane.room),
            Head::Until(until) => until <= now && may_post(&lane.room),
            Head::Sent(_) => false,
        };
        let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| may_go(lane));
        lanes.min_by_key(|(_, lane)| lane.entries.front().map(|entry| entry.ticket)).map(|(index, _)| index)
    }

    /// Whether the message waits or is in flight.
    pub(super) fn holds(&self, id: &ClientMsgId) -> bool {
        self.rooms.contains_key(id)
    }

    /// The message is stored. False: it was not waited for.
    pub(super) fn stored(&mut self, room: &RoomName, id: &ClientMsgId) -> bool {
        self.rooms.get(id) == Some(room) && self.remove(id).is_some()
    }

    /// The message is refused for good, and kept for a while. False: it was not waited for.
    pub(super) fn refused(&mut self, id: &ClientMsgId) -> bool {
        let Some((room, entry)) = self.remove(id) else { return false };
        self.keep_refused(room, entry);
        true
    }

    /// The message in flight was not taken, for now, or that `is_in_doubt`: it goes again, before those behind it, after
    /// the wait that `wait` makes of how often it was put off in a row before. False: it is not in flight.
    pub(super) fn put_off(
        &mut self,
        id: &ClientMsgId,
        is_in_doubt: bool,
        now: Instant,
        wait: impl FnOnce(u32) -> Duration,
    ) -> bool {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.is_in_flight(id)) else { return false };
        lane.head = Head::Until(now + wait(lane.put_off));
        lane.put_off = lane.put_off.saturating_add(1);
        lane.is_in_doubt |= is_in_doubt;
        self.in_flight -= 1;
        true
    }

    /// Takes a message out that waits; whether it may be stored all the same. `None`: it does not wait, but is in flight
    /// or answered.
    pub(super) fn take_back(&mut self, id: &ClientMsgId) -> Option<bool> {
        if self.lanes.iter().any(|lane| lane.is_in_flight(id)) {
            return None;
        }
        let in_doubt = |lane: &Lane| lane.is_in_doubt && lane.entries.front().is_some_and(|e| e.id == *id);
        let was_sent = self.lanes.iter().any(in_doubt);
        self.remove(id).map(|_| was_sent)
    }

    /// The connection is gone: what was in flight goes first on the next one. Gives what was in flight.
    pub(super) fn disconnected(&mut self) -> Vec<ClientMsgId> {
        self.in_flight = 0;
        let mut unanswered = Vec::new();
        for lane in &mut self.lanes {
            if let (Head::Sent(_), Some(entry)) = (lane.head, lane.entries.front()) {
                unanswered.push(entry.id.clone());
                lane.is_in_doubt = true;
            }
            lane.head = Head::Ready;
            lane.put_off = 0;
        }
        unanswered
    }

    /// Whether an answer is overdue: the connection is as good as none.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.lanes.iter().any(|lane| matches!(lane.head, Head::Sent(at) if at + ANSWER_TIMEOUT <= now))
    }

    /// When, after `now`, something changes by itself: a wait ends or an answer is overdue.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.lanes
            .iter()
            .filter_map(|lane| match lane.head {
                Head::Ready => None,
                Head::Until(until) => Some(until),
                Head::Sent(at) => Some(at + ANSWER_TIMEOUT),
            })
            .filter(|at| *at > now)
            .min()
    }

    fn remove(&mut self, id: &ClientMsgId) -> Option<(RoomName, Entry)> {
        let room = self.rooms.remove(id)?;
        let index = self.lanes.iter().position(|lane| lane.room == room)?;
        let lane = &mut self.lanes[index];
        let place = lane.entries.iter().position(|entry| entry.id == *id)?;
        if place == 0 {
            if matches!(lane.head, Head::Sent(_)) {
                self.in_flight -= 1;
            }
            lane.head = Head::Ready;
            (lane.put_off, lane.is_in_doubt) = (0, false);
        }
        let entry = lane.entries.remove(place)?;
        if lane.entries.is_empty() {
            self.lanes.swap_remove(index);
        }
        Some((room, entry))
    }

    fn keep_refused(&mut self, room: RoomName, entry: Entry) {
        if self.refused.len() == REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back((room, entry));
    }
}

impl Lane {
    fn new(room: RoomName, first: Entry) -> Self {
        Self { room, entries: [first].into(), head: Head::Ready, put_off: 0, is_in_doubt: false }
    }

    fn is_in_flight(&self, id: &ClientMsgId) -> bool {
        matches!(self.head, Head::Sent(_)) && self.entries.front().is_some_and(|entry| entry.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::new(name).expect("a name")
    }

    fn id(id: &impl ToString) -> ClientMsgId {
        ClientMsgId::new(&id.to_string()).expect("an id")
    }

    /// Queues messages `m0 …` in the rooms named.
    fn queued(rooms: &[&str]) -> Outbox {
        let mut outbox = Outbox::default();
        for (number, name) in rooms.iter().enumerate() {
            let text = Text::new("hi").expect("a text");
            assert_eq!(outbox.push(room(name), text, id(&format!("m{number}"))), Pushed::Queued);
        }
        outbox
    }

    fn sent(outbox: &mut Outbox, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| outbox.send_next(now, |_| true))
            .map(|post| post.client_msg_id.expect("an id").to_string())
            .collect()
    }

    #[test]
    fn one_of_a_room_is_in_flight_and_the_oldest_goes_first() {
        let now = Instant::now();
        let mut outbox = queued(&["a", "a", "b", "a", "b"]);
        assert_eq!(sent(&mut outbox, now), ["m0", "m2"]);
        assert!(outbox.stored(&room("b"), &id(&"m2")));
        assert!(outbox.stored(&room("a"), &id(&"m0")));
        assert_eq!(sent(&mut outbox, now), ["m1", "m4"]);
        assert!(!outbox.stored(&room("a"), &id(&"m0")), "once");
        assert!(!outbox.stored(&room("b"), &id(&"m1")), "in its own room only");
    }

    #[test]
    fn who_was_put_off_goes_before_those_behind_it() {
        let now = Instant::now();
        let mut outbox = queued(&["a", "a"]);
        assert_eq!(sent(&mut outbox, now), ["m0"]);
        assert!(outbox.put_off(&id(&"m0"), false, now, |before| Duration::from_secs(1 + u64::from(before))));
        assert!(!outbox.put_off(&id(&"m0"), false, now, |_| Duration::ZERO), "it is not in flight");
        assert_eq!(outbox.deadline(now), Some(now + Duration::from_secs(1)));
        assert!(sent(&mut outbox, now).is_empty());
        let later = now + Duration::from_secs(1);
        assert_eq!(sent(&mut outbox, later), ["m0"]);
        assert!(
            outbox.put_off(&id(&"m0"), false, later, |before| Duration::from_secs(1 + u64::from(before)))
        );
        assert_eq!(outbox.deadline(later), Some(later + Duration::from_secs(2)), "a longer wait each time");
    }

    #[test]
    fn a_new_connection_starts_with_what_had_no_answer() {
        let now = Instant::now();
        let mut outbox = queued(&["a", "a", "b"]);
        assert_eq!(sent(&mut outbox, now), ["m0", "m2"]);
        assert_eq!(outbox.disconnected(), [id(&"m0"), id(&"m2")]);
        assert_eq!(sent(&mut outbox, now), ["m0", "m2"]);
    }

    #[test]
    fn an_answer_that_never_comes_is_overdue() {
        let now = Instant::now();
        let mut outbox = queued(&["a"]);
        sent(&mut outbox, now);
        assert_eq!(outbox.deadline(now), Some(now + ANSWER_TIMEOUT));
        assert!(!outbox.is_overdue(now));
        assert!(outbox.is_overdue(now + ANSWER_TIMEOUT));
    }

    #[test]
    fn in_flight_is_bounded_over_all_rooms() {
        let now = Instant::now();
        let names: Vec<_> = (0..IN_FLIGHT + 5).map(|number| format!("r{number}")).collect();
        let mut outbox = queued(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(sent(&mut outbox, now).len(), IN_FLIGHT);
        assert!(outbox.refused(&id(&"m3")));
        assert_eq!(sent(&mut outbox, now), ["m32"]);
    }

    #[test]
    fn nothing_is_lost_when_the_queue_is_full() {
        let text = Text::new("hi").expect("a text");
        let mut outbox = Outbox::default();
        for number in 0..QUEUE {
            assert_eq!(outbox.push(room("a"), text.clone(), id(&number)), Pushed::Queued);
        }
        assert_eq!(outbox.push(room("b"), text.clone(), id(&"late")), Pushed::Full);
        assert_eq!(outbox.push(room("a"), text, id(&7)), Pushed::Known);
        assert_eq!(outbox.resend(&id(&"late")), Some(Pushed::Full), "still full, and still kept");
        assert!(outbox.stored(&room("a"), &id(&0)));
        assert_eq!(outbox.resend(&id(&"late")), Some(Pushed::Queued));
        assert_eq!(outbox.resend(&id(&"late")), Some(Pushed::Known));
        assert_eq!(outbox.resend(&id(&"never")), None);
    }
}
