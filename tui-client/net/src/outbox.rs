//! Outbox: the client's messages that are not yet stored or refused.
//!
//! A message here is a [`Submission`] of any kind. The outbox does not read its content.
//!
//! Each room has a lane for messages and one for changes, and **one message of a lane is in flight**: the next message follows the server's answer. With
//! two in flight, a refused first message and an accepted second one would permanently change places. Pacing cannot
//! prevent that, because `unavailable` may occur at any rate. Lanes are independent: up to [`IN_FLIGHT`] messages are in
//! flight, and the oldest message goes first. A change is of a stored message, so it needs no place among messages; and
//! changes have a budget of their own, so a refused one must not hold up messages.
//!
//! Invariants:
//! - A message is in exactly one lane until it is reported once as stored, refused or taken back.
//! - Only the first message of a lane has ever been sent.
//! - No message is dropped without a report.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use realtime_shared::{ClientMsgId, RoomName};

use super::submission::Submission;

/// Most messages in all lanes: a day of writing, and about 40 MB of the longest texts.
pub(super) const QUEUE: usize = 10_000;
/// Most messages in flight in all lanes.
pub(super) const IN_FLIGHT: usize = 32;
/// Most refused messages that are kept for [`Command::Resend`](crate::Command::Resend). The oldest is dropped.
pub(super) const REFUSED: usize = 1_000;
/// Longest wait for the answer to a message: several times the server's own timeout. Then the client drops the
/// connection. A repetition on the same connection would get two answers, which may differ.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Messages that wait, are in flight, or were refused and are kept.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: Vec<Lane>,
    /// The room of each message that waits or is in flight.
    rooms: HashMap<ClientMsgId, RoomName>,
    refused: VecDeque<Queued>,
    next_ticket: u64,
    in_flight: usize,
}

/// The messages of a room, or its changes, in order.
#[derive(Debug)]
struct Lane {
    room: RoomName,
    has_changes: bool,
    messages: VecDeque<Queued>,
    head: Head,
    /// Number of postponements of the first message in a row.
    postponements: u32,
    /// The reason of the last temporary refusal of the first message.
    refusal: Option<String>,
    /// True if the first message may be stored: it was sent, and no answer excludes it.
    is_in_doubt: bool,
}

#[derive(Debug)]
struct Queued {
    /// Place in the order of all messages.
    ticket: u64,
    submission: Submission,
}

/// The state of the first message of a lane.
#[derive(Debug, Clone, Copy)]
enum Head {
    Ready,
    /// Postponed until this time.
    Until(Instant),
    /// In flight since this time.
    Sent(Instant),
}

/// The result of [`Outbox::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Queued,
    /// The outbox has a message with this id already.
    Known,
    /// The outbox has [`QUEUE`] messages already.
    Full,
}

impl Outbox {
    /// Adds a message at the end. If the outbox is full, it keeps the message as a refused one.
    pub(super) fn push(&mut self, submission: Submission) -> Pushed {
        let Submission { room, client_msg_id, .. } = &submission;
        if self.rooms.contains_key(client_msg_id) {
            return Pushed::Known;
        }
        let (room, id) = (room.clone(), client_msg_id.clone());
        let has_changes = submission.is_change();
        let queued = Queued { ticket: self.next_ticket, submission };
        self.next_ticket += 1;
        if self.rooms.len() >= QUEUE {
            self.keep_refused(queued);
            return Pushed::Full;
        }
        self.rooms.insert(id, room.clone());
        match self.lanes.iter_mut().find(|lane| lane.room == room && lane.has_changes == has_changes) {
            Some(lane) => lane.messages.push_back(queued),
            None => self.lanes.push(Lane::new(room, has_changes, queued)),
        }
        Pushed::Queued
    }

    /// Queues a refused message again, at the end. `None` if it is not kept.
    pub(super) fn resend(&mut self, id: &ClientMsgId) -> Option<Pushed> {
        if self.rooms.contains_key(id) {
            return Some(Pushed::Known);
        }
        let index = self.refused.iter().position(|queued| queued.has(id))?;
        let queued = self.refused.remove(index)?;
        Some(self.push(queued.submission))
    }

    /// Takes the next message of a room that `may_post` allows. It is in flight from now on.
    pub(super) fn send_next(
        &mut self,
        now: Instant,
        may_post: impl Fn(&RoomName) -> bool,
    ) -> Option<Submission> {
        let index = self.next_lane(now, may_post)?;
        let lane = &mut self.lanes[index];
        let submission = lane.messages.front()?.submission.clone();
        lane.head = Head::Sent(now);
        self.in_flight += 1;
        Some(submission)
    }

    /// Returns true if [`Outbox::send_next`] would return a message.
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
        lanes
            .min_by_key(|(_, lane)| lane.messages.front().map(|queued| queued.ticket))
            .map(|(index, _)| index)
    }

    /// Returns true if the message waits or is in flight.
    pub(super) fn holds(&self, id: &ClientMsgId) -> bool {
        self.rooms.contains_key(id)
    }

    /// Returns true if the message is in flight and is a change.
    pub(super) fn is_change_in_flight(&self, id: &ClientMsgId) -> bool {
        self.lanes.iter().any(|lane| lane.has_changes && lane.is_in_flight(id))
    }

    /// Removes a stored message. Returns false if it was neither waiting nor in flight in the room.
    pub(super) fn stored(&mut self, room: &RoomName, id: &ClientMsgId) -> bool {
        self.rooms.get(id) == Some(room) && self.remove(id).is_some()
    }

    /// Keeps a refused message for [`Outbox::resend`]. Returns false if it was neither waiting nor in flight.
    pub(super) fn refused(&mut self, id: &ClientMsgId) -> bool {
        let Some(queued) = self.remove(id) else { return false };
        self.keep_refused(queued);
        true
    }

    /// Postpones a message in flight. It stays the first one of its lane.
    ///
    /// `wait` gets the number of earlier postponements in a row. `is_in_doubt`: the message may be stored. Returns
    /// false if the message is not in flight.
    pub(super) fn postpone(
        &mut self,
        id: &ClientMsgId,
        refusal: &str,
        is_in_doubt: bool,
        now: Instant,
        wait: impl FnOnce(u32) -> Duration,
    ) -> bool {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.is_in_flight(id)) else { return false };
        lane.head = Head::Until(now + wait(lane.postponements));
        lane.postponements = lane.postponements.saturating_add(1);
        lane.refusal = Some(refusal.to_owned());
        lane.is_in_doubt |= is_in_doubt;
        self.in_flight -= 1;
        true
    }

    /// Removes a waiting message. Returns true if it was sent before and may be stored. `None` if it is in flight or
    /// answered.
    pub(super) fn take_back(&mut self, id: &ClientMsgId) -> Option<bool> {
        if self.lanes.iter().any(|lane| lane.is_in_flight(id)) {
            return None;
        }
        let in_doubt = |lane: &Lane| lane.is_in_doubt && lane.is_first(id);
        let was_sent = self.lanes.iter().any(in_doubt);
        self.remove(id).map(|_| was_sent)
    }

    /// Handles a lost connection: the messages in flight go first on the next one. Returns their ids.
    pub(super) fn disconnected(&mut self) -> Vec<ClientMsgId> {
        self.in_flight = 0;
        let mut unanswered = Vec::new();
        for lane in &mut self.lanes {
            if let (Head::Sent(_), Some(first)) = (lane.head, lane.messages.front()) {
                unanswered.push(first.submission.client_msg_id.clone());
                lane.is_in_doubt = true;
            }
            lane.head = Head::Ready;
            (lane.postponements, lane.refusal) = (0, None);
        }
        unanswered
    }

    /// The reason of a temporary refusal of a message that is repeated.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.lanes.iter().find_map(|lane| lane.refusal.as_deref())
    }

    /// The time of the oldest message in flight.
    pub(super) fn oldest_sent(&self) -> Option<Instant> {
        let sent = |lane: &Lane| if let Head::Sent(at) = lane.head { Some(at) } else { None };
        self.lanes.iter().filter_map(sent).min()
    }

    /// Returns true if an answer is overdue, so the connection is dead.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.lanes.iter().any(|lane| matches!(lane.head, Head::Sent(at) if at + ANSWER_TIMEOUT <= now))
    }

    /// The next time after `now` at which a postponement ends or an answer is overdue.
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

    fn remove(&mut self, id: &ClientMsgId) -> Option<Queued> {
        let room = self.rooms.remove(id)?;
        let place = |lane: &Lane| lane.messages.iter().position(|queued| queued.has(id));
        let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| lane.room == room);
        let (index, place) = lanes.into_iter().find_map(|(index, lane)| Some((index, place(lane)?)))?;
        let lane = &mut self.lanes[index];
        if place == 0 {
            if matches!(lane.head, Head::Sent(_)) {
                self.in_flight -= 1;
            }
            lane.head = Head::Ready;
            (lane.postponements, lane.refusal, lane.is_in_doubt) = (0, None, false);
        }
        let removed = lane.messages.remove(place);
        if lane.messages.is_empty() {
            self.lanes.swap_remove(index);
        }
        removed
    }

    fn keep_refused(&mut self, queued: Queued) {
        if self.refused.len() == REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back(queued);
    }
}

impl Queued {
    fn has(&self, id: &ClientMsgId) -> bool {
        self.submission.client_msg_id == *id
    }
}

impl Lane {
    fn new(room: RoomName, has_changes: bool, first: Queued) -> Self {
        Self {
            room,
            has_changes,
            messages: [first].into(),
            head: Head::Ready,
            postponements: 0,
            refusal: None,
            is_in_doubt: false,
        }
    }

    fn is_first(&self, id: &ClientMsgId) -> bool {
        self.messages.front().is_some_and(|first| first.has(id))
    }

    fn is_in_flight(&self, id: &ClientMsgId) -> bool {
        matches!(self.head, Head::Sent(_)) && self.is_first(id)
    }
}

#[cfg(test)]
mod tests {
    use realtime_shared::{Content, Text};

    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::new(name).expect("a name")
    }

    fn id(id: &impl ToString) -> ClientMsgId {
        ClientMsgId::new(&id.to_string()).expect("an id")
    }

    fn message(name: &str, client_msg_id: ClientMsgId) -> Submission {
        let content = Content::message(Text::new("hi").expect("a text"));
        Submission { room: room(name), client_msg_id, content }
    }

    /// An outbox with the messages `m0`, `m1`, … in `rooms`.
    fn queued(rooms: &[&str]) -> Outbox {
        let mut outbox = Outbox::default();
        for (number, name) in rooms.iter().enumerate() {
            assert_eq!(outbox.push(message(name, id(&format!("m{number}")))), Pushed::Queued);
        }
        outbox
    }

    fn sent(outbox: &mut Outbox, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| outbox.send_next(now, |_| true))
            .map(|submission| submission.client_msg_id.to_string())
            .collect()
    }

    #[test]
    fn one_message_of_a_room_is_in_flight_and_the_oldest_goes_first() {
        let now = Instant::now();
        let mut outbox = queued(&["a", "a", "b", "a", "b"]);
        assert_eq!(sent(&mut outbox, now), ["m0", "m2"]);
        assert!(outbox.stored(&room("b"), &id(&"m2")));
        assert!(outbox.stored(&room("a"), &id(&"m0")));
        assert_eq!(sent(&mut outbox, now), ["m1", "m4"]);
        assert!(!outbox.stored(&room("a"), &id(&"m0")), "it is stored already");
        assert!(!outbox.stored(&room("b"), &id(&"m1")), "it is in another room");
    }

    #[test]
    fn a_postponed_message_goes_before_later_messages_of_its_room() {
        let now = Instant::now();
        let mut outbox = queued(&["a", "a"]);
        assert_eq!(sent(&mut outbox, now), ["m0"]);
        assert!(
            outbox
                .postpone(&id(&"m0"), "no", false, now, |before| Duration::from_secs(1 + u64::from(before)))
        );
        assert!(!outbox.postpone(&id(&"m0"), "no", false, now, |_| Duration::ZERO), "it is not in flight");
        assert_eq!(outbox.deadline(now), Some(now + Duration::from_secs(1)));
        assert!(sent(&mut outbox, now).is_empty());
        let later = now + Duration::from_secs(1);
        assert_eq!(sent(&mut outbox, later), ["m0"]);
        assert!(
            outbox.postpone(&id(&"m0"), "no", false, later, |before| Duration::from_secs(
                1 + u64::from(before)
            ))
        );
        assert_eq!(outbox.deadline(later), Some(later + Duration::from_secs(2)), "a longer wait each time");
    }

    #[test]
    fn a_new_connection_starts_with_the_unanswered_messages() {
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
    fn the_messages_in_flight_of_all_rooms_are_limited() {
        let now = Instant::now();
        let names: Vec<_> = (0..IN_FLIGHT + 5).map(|number| format!("r{number}")).collect();
        let mut outbox = queued(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(sent(&mut outbox, now).len(), IN_FLIGHT);
        assert!(outbox.refused(&id(&"m3")));
        assert_eq!(sent(&mut outbox, now), ["m32"]);
    }

    #[test]
    fn a_message_for_a_full_queue_is_kept_for_resend() {
        let mut outbox = Outbox::default();
        for number in 0..QUEUE {
            assert_eq!(outbox.push(message("a", id(&number))), Pushed::Queued);
        }
        assert_eq!(outbox.push(message("b", id(&"late"))), Pushed::Full);
        assert_eq!(outbox.push(message("a", id(&7))), Pushed::Known);
        assert_eq!(outbox.resend(&id(&"late")), Some(Pushed::Full), "it is still kept");
        assert!(outbox.stored(&room("a"), &id(&0)));
        assert_eq!(outbox.resend(&id(&"late")), Some(Pushed::Queued));
        assert_eq!(outbox.resend(&id(&"late")), Some(Pushed::Known));
        assert_eq!(outbox.resend(&id(&"never")), None);
    }
}
