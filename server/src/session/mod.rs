//! Session: the protocol state of one connection, and the rules for its client's frames.
//!
//! A text frame goes in ([`Session::on_text`]), and one [`Action`] comes out, which the connection applies. The
//! session decodes the frame, checks the rate limits and the rights of the token, and keeps the rooms that the client
//! has joined. It is pure: it does no I/O, has no lock, and gets the time from its caller. So every rule can be
//! tested as a function.
//!
//! Every refusal passes [`Session::refuse`], also those of the broker: a client with too many of them is closed.

mod action;
mod fault_window;
mod refusal;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::rules::Power;
use realtime_shared::{
    ClientEvent, ClientFrame, CloseCode, DecodeError, DirectPair, EntryKind, ErrorCode, Feature,
    HistoryRequest, Notice, Pong, Position, Post, Ref, Role, RoomName, SearchRequest, Seq, ServerEvent,
    ServerFrame, SystemEvent, Text, Timestamp, Typing, UserId, codec,
};

pub(crate) use self::action::Action;
use self::fault_window::ClientFaults;
pub(crate) use self::refusal::Error;
use crate::auth::{GrantedNames, Identity, Verifier};
use crate::broker::{
    InboxQuery, MemberPrefix, NameRange, PageFilter, PageQuery, PageRange, RangeKind, Recipients, RoomFilter,
    SearchQuery, Skip, Submission,
};
use crate::budget::{ConnectionBudget, TestedNames};
use crate::metrics::Dropped;
use crate::search::Query;

/// Entries of a history page without a `limit`.
const HISTORY_DEFAULT: u32 = 50;
/// Highest `limit` of a history page.
const HISTORY_MAX: u32 = 200;
/// Limit on the bytes of a history page, which is held in memory until the client has read it.
const HISTORY_BYTES: usize = 128 * 1024;
/// Messages in the result of a search without a `limit`.
const FOUND_DEFAULT: u32 = 20;
/// Highest `limit` of a search.
const FOUND_MAX: u32 = 100;
/// Rooms of a list without a `limit`.
const ROOMS_DEFAULT: u32 = 100;
/// Highest `limit` of a list of rooms.
const ROOMS_MAX: u32 = 500;
/// Members that a search finds without a `limit`.
const FOUND_MEMBERS_DEFAULT: u32 = 100;
/// Highest `limit` of a search for members.
const FOUND_MEMBERS_MAX: u32 = 500;
/// Rooms of an inbox without a `limit`.
const INBOX_DEFAULT: u32 = 100;
/// Highest `limit` of an inbox.
const INBOX_MAX: u32 = 200;
/// Limit on the bytes of an inbox.
const INBOX_BYTES: usize = 128 * 1024;
/// Direct rooms of the user that a session knows, beside those that the client has joined.
const KNOWN_DIRECT: usize = 16;
/// Time within which an unchanged typing state is not sent again.
const TYPING_REPEAT: Duration = Duration::from_secs(1);

/// The current time, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall: Timestamp,
}

/// The protocol state of one connection.
pub(crate) struct Session {
    identity: Identity,
    verifier: Arc<Verifier>,
    max_rooms: usize,
    /// The features of the store.
    features: &'static [Feature],
    rooms: Vec<JoinedRoom>,
    /// Direct rooms of the user that were used last, the newest at the end.
    direct: Vec<RoomName>,
    budget: ConnectionBudget,
    faults: ClientFaults,
}

/// A room that the client has joined, or is joining.
struct JoinedRoom {
    name: RoomName,
    /// The typing state that was last sent, and its time.
    typing: Option<(bool, Instant)>,
}

impl Session {
    pub(crate) fn new(
        identity: Identity,
        verifier: Arc<Verifier>,
        budget: ConnectionBudget,
        max_rooms: usize,
        features: &'static [Feature],
    ) -> Self {
        let (rooms, direct, faults) = (Vec::new(), Vec::new(), ClientFaults::default());
        Self { identity, verifier, max_rooms, features, rooms, direct, budget, faults }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Decides on a text frame.
    pub(crate) fn on_text(&mut self, text: &str, now: Now) -> Action {
        let action = match codec::decode_client(text) {
            Ok(ClientFrame { event, reference }) => {
                let priced = Priced { event, bytes: text.len() };
                self.on_event(priced, reference.clone(), now).map_err(|error| error.answering(reference))
            }
            Err(DecodeError::NotJson) => return Action::Close(CloseCode::InvalidJson),
            Err(DecodeError::Refused(refusal)) => {
                self.budget.user.spend_frame(text.len(), now.instant);
                Err(Error::undecodable(*refusal))
            }
        };
        action.unwrap_or_else(|error| self.refuse(error, now.instant))
    }

    /// Spends the bytes of an answer, or of entries that are replayed.
    pub(crate) fn spend_answer(&self, bytes: usize, now: Instant) {
        if bytes > 0 {
            self.budget.user.spend_answer(bytes, now);
        }
    }

    /// Spends the deliveries of a message or typing frame of the client.
    pub(crate) fn spend_deliveries(&self, count: usize, now: Instant) {
        self.budget.user.spend_deliveries(count, now);
    }

    /// Records that the connection is closed for too many requests.
    pub(crate) fn offend(&self, now: Instant) {
        self.budget.user.offend(now);
    }

    /// Decides on a ping or pong of the WebSocket protocol.
    pub(crate) fn on_control(&mut self, now: Instant) -> Action {
        match self.budget.take_request(now) {
            Ok(()) => Action::Nothing,
            Err(_) => self.drop_frame(Dropped::ControlRate, now),
        }
    }

    /// Counts fragments that carry little. Too many close the connection.
    pub(crate) fn on_thin_fragments(&mut self, count: u32, now: Instant) -> Action {
        let closes = count > 0 && self.faults.ignored(count, now);
        if closes { Action::Close(CloseCode::TooManyRequests) } else { Action::Nothing }
    }

    /// Counts a read of a few bytes that completed no frame. Too many close the connection.
    pub(crate) fn on_tiny_read(&mut self, now: Instant) -> Action {
        if self.faults.read_little(now) { Action::Close(CloseCode::TooManyRequests) } else { Action::Nothing }
    }

    /// Counts a frame that is dropped without an answer. Too many of them close the connection.
    fn drop_frame(&mut self, reason: Dropped, now: Instant) -> Action {
        if self.faults.ignored(1, now) {
            Action::Close(CloseCode::TooManyRequests)
        } else {
            Action::Drop(reason)
        }
    }

    /// Counts a refusal and returns the answer. Too many refusals close the connection. Refusals of the session, of
    /// the broker and of the rules of a log all pass here.
    pub(crate) fn refuse(&mut self, error: Error, now: Instant) -> Action {
        if error.is_counted() && self.faults.refused(now) {
            Action::Close(CloseCode::TooManyRequests)
        } else {
            Action::Answer(error.into_frame())
        }
    }

    /// Removes a room that was left, or whose join failed.
    pub(crate) fn forget_room(&mut self, room: &RoomName) {
        self.rooms.retain(|joined| joined.name != *room);
    }

    /// Records that a direct room is one of the user's.
    pub(crate) fn admit_direct(&mut self, room: RoomName) {
        self.direct.retain(|known| *known != room);
        if self.direct.len() == KNOWN_DIRECT {
            self.direct.remove(0);
        }
        self.direct.push(room);
    }

    /// Returns true if a frame about the room may be sent to the client now. A frame about a direct room is addressed to its
    /// users only.
    pub(crate) fn shows(&self, room: &RoomName) -> bool {
        self.identity.grants.may_use(room)
    }

    /// Decides on an event. Frames about a direct room wait until the store has stated that it is one of the user's.
    fn on_event(&mut self, priced: Priced, reference: Option<Ref>, now: Now) -> Result<Action, Error> {
        let unknown =
            room_of(&priced.event).filter(|room| room.is_direct() && !self.knows_direct(room)).cloned();
        let Some(room) = unknown else { return self.decide(priced, reference, now) };
        let refusal = Box::new(Error::unusable(&priced.event, &room).answering(reference.clone()));
        Ok(match self.decide(priced, reference, now)? {
            // The client is not answered, or is answered without the room.
            then @ (Action::Nothing | Action::Drop(_) | Action::Close(_)) => then,
            then => Action::IfDirect { room, then: Box::new(then), refusal },
        })
    }

    fn knows_direct(&self, room: &RoomName) -> bool {
        self.rooms.iter().any(|joined| joined.name == *room) || self.direct.contains(room)
    }

    fn decide(&mut self, priced: Priced, reference: Option<Ref>, now: Now) -> Result<Action, Error> {
        let Priced { event, bytes } = priced;
        if is_request(&event) {
            let taken = match event {
                // Markers have a rate of their own, so that they delay nothing else.
                ClientEvent::Read { .. } => self.budget.take_read(now.instant),
                _ => self.budget.take_request(now.instant),
            };
            taken.map_err(Error::rate_limited)?;
            self.pay(&event, bytes, now.instant).map_err(Error::rate_limited)?;
        }
        match event {
            ClientEvent::Post(post) => {
                let mut submission = Submission::new(self.identity.user.clone(), post);
                submission.is_exempt = self.identity.role == Role::Admin;
                if self.identity.grants.may_moderate(&submission.room) {
                    submission.power = Power::Moderator;
                }
                self.submit(submission, bytes, reference, now)
            }
            ClientEvent::Typing { room, is_typing } => self.typing(room, is_typing, bytes, now),
            ClientEvent::JoinRoom { room, since } => self.join(room, since, reference),
            ClientEvent::LeaveRoom { room } => {
                if self.joined_room(&room).is_none() {
                    return Err(Error::not_a_member().in_room(&room));
                }
                self.forget_room(&room);
                Ok(Action::Leave { room, reference })
            }
            ClientEvent::Ping(ping) => {
                let event = ServerEvent::Pong(Pong { nonce: ping.nonce, ts: now.wall });
                Ok(Action::Answer(ServerFrame { event, reference }))
            }
            ClientEvent::History(request) => self.history(request, reference),
            ClientEvent::Members { room, prefix, limit } => {
                self.may_use(&room)?;
                if prefix.is_none() && limit.is_none() {
                    return Ok(Action::Members { room, reference });
                }
                self.budget.take_list(now.instant).map_err(Error::rate_limited)?;
                let prefix = MemberPrefix::new(&prefix.unwrap_or_default());
                let limit = limit.unwrap_or(FOUND_MEMBERS_DEFAULT).clamp(1, FOUND_MEMBERS_MAX) as usize;
                Ok(Action::FindMembers { room, prefix, limit, reference })
            }
            ClientEvent::ListRooms { prefix, limit } => {
                self.budget.take_list(now.instant).map_err(Error::rate_limited)?;
                Ok(self.list(prefix, limit, reference))
            }
            ClientEvent::Refresh { token } => self.refresh(&token, reference, now.wall),
            ClientEvent::Notice { message, room, user_id } => self.notice(message, room, user_id),
            ClientEvent::Direct { user_id } => self.direct(&user_id, reference),
            ClientEvent::Read { room, seq } => self.read(room, seq, reference),
            ClientEvent::Inbox { limit } => self.inbox(limit, reference),
            ClientEvent::Search(request) => self.search(request, reference, now.instant),
        }
    }

    /// Spends the bytes of a request, or returns the time until the user may make it. A user may always leave, and keep
    /// the connection open.
    fn pay(&self, event: &ClientEvent, bytes: usize, now: Instant) -> Result<(), Duration> {
        if matches!(event, ClientEvent::LeaveRoom { .. } | ClientEvent::Refresh { .. }) {
            self.budget.user.spend_frame(bytes, now);
            return Ok(());
        }
        if asks_for_data(event)
            && let Some(wait) = self.budget.user.wait_for_answers(now)
        {
            return Err(wait);
        }
        self.budget.user.take_frame(bytes, now)
    }

    fn join(
        &mut self,
        room: RoomName,
        since: Option<Position>,
        reference: Option<Ref>,
    ) -> Result<Action, Error> {
        self.may_use(&room)?;
        if self.joined_room(&room).is_none() {
            if self.rooms.len() >= self.max_rooms {
                let message = format!("you are in {} rooms, the maximum: leave one first", self.rooms.len());
                return Err(Error::new(ErrorCode::TooManyRooms, message).in_room(&room));
            }
            if self.rooms.is_empty() {
                self.rooms.reserve_exact(1);
            }
            self.rooms.push(JoinedRoom { name: room.clone(), typing: None });
        }
        Ok(Action::Join { room, since, reference })
    }

    /// Submits an entry of any kind, which came in a frame of so many bytes.
    fn submit(
        &mut self,
        submission: Submission,
        bytes: usize,
        reference: Option<Ref>,
        now: Now,
    ) -> Result<Action, Error> {
        let Submission { room, client_msg_id, .. } = &submission;
        let refused = |error: Error| error.in_room(room).of_entry(client_msg_id.as_ref());
        self.may_submit(&submission).map_err(refused)?;
        let is_message = submission.content.kind() == EntryKind::Message;
        let price = if is_message {
            self.budget.take_post(bytes, now.instant)
        } else {
            self.budget.take_change(bytes, now.instant)
        };
        let price = price.map_err(|wait| refused(Error::rate_limited(wait)))?;
        if is_message && let Some(joined) = self.joined_room(room) {
            // The message ends the typing, so the next `typing` is sent at once.
            joined.typing = None;
        }
        Ok(Action::Submit { submission, price, reference })
    }

    /// Checks the rights of the token for an entry, and the features that it needs. The rules of the log follow in the store.
    fn may_submit(&self, submission: &Submission) -> Result<(), Error> {
        let Submission { room, content, .. } = submission;
        let kind = content.kind();
        match kind {
            EntryKind::Message | EntryKind::Edit | EntryKind::Reaction => {
                if !self.identity.grants.may_post(room) {
                    return Err(Error::forbidden_in(room, Error::of_post(kind)));
                }
            }
            EntryKind::Delete | EntryKind::Pin | EntryKind::Room => {
                if !self.identity.grants.may_use(room) {
                    return Err(Error::forbidden_in(room, Error::of_post(kind)));
                }
            }
        }
        if let Some(feature) = kind.feature() {
            self.needs(feature, kind.as_str())?;
        }
        if content.reply_to().is_some() {
            self.needs(Feature::Reply, "reply_to")?;
        }
        Ok(())
    }

    /// Refuses a frame or field with this name if the store lacks its feature.
    fn needs(&self, feature: Feature, name: &str) -> Result<(), Error> {
        if self.features.contains(&feature) { Ok(()) } else { Err(Error::unsupported(&format!("`{name}`"))) }
    }

    fn history(&self, request: HistoryRequest, reference: Option<Ref>) -> Result<Action, Error> {
        let HistoryRequest { room, before, after, around, thread, pinned, limit } = request;
        self.may_use(&room)?;
        let range = match (before, after, around) {
            (Some(seq), ..) => PageRange::Before(seq),
            (None, Some(seq), _) => PageRange::After(seq),
            (None, None, Some(seq)) => PageRange::Around(seq),
            (None, None, None) => PageRange::Newest,
        };
        let filter = match thread {
            Some(seq) => PageFilter::Thread(seq),
            None if pinned => PageFilter::Pinned,
            None => PageFilter::All,
        };
        let needed = match (range, filter) {
            (PageRange::Around(_), _) => Some((Feature::Reply, "around")),
            (_, PageFilter::Thread(_)) => Some((Feature::Reply, "thread")),
            (_, PageFilter::Pinned) => Some((Feature::Pin, "pinned")),
            (PageRange::Newest | PageRange::Before(_) | PageRange::After(_), PageFilter::All) => None,
        };
        if let Some((feature, name)) = needed {
            self.needs(feature, name).map_err(|error| error.in_room(&room))?;
        }
        let limit = limit.unwrap_or(HISTORY_DEFAULT).clamp(1, HISTORY_MAX) as usize;
        let query = PageQuery { range, filter, limit, bytes: HISTORY_BYTES };
        Ok(Action::History { room, query, reference })
    }

    fn search(&self, request: SearchRequest, reference: Option<Ref>, now: Instant) -> Result<Action, Error> {
        let SearchRequest { query, room, from, before, limit } = request;
        self.needs(Feature::Search, "search")?;
        let rooms = match &room {
            Some(room) => {
                self.may_use(room)?;
                let name = NameRange { start: room.as_str().to_owned(), kind: RangeKind::Exact };
                RoomFilter::of_ranges(std::iter::once(name), "", |_| true)
            }
            None => self.usable_rooms(""),
        };
        self.budget.take_search(now).map_err(Error::rate_limited)?;
        let query = SearchQuery {
            query: Query::parse(query.as_str()),
            room,
            from: from.map(|from| from.to_nfc().unwrap_or(from)),
            before,
            limit: limit.unwrap_or(FOUND_DEFAULT).clamp(1, FOUND_MAX) as usize,
            bytes: HISTORY_BYTES,
        };
        Ok(Action::Search { query, rooms, reference })
    }

    /// Sends a typing state that has changed, or is older than [`TYPING_REPEAT`]. Frames above the rate are dropped
    /// without an answer.
    fn typing(&mut self, room: RoomName, is_typing: bool, bytes: usize, now: Now) -> Result<Action, Error> {
        if self.joined_room(&room).is_none() {
            return Err(Error::not_a_member().in_room(&room));
        }
        if !self.identity.grants.may_post(&room) {
            return Err(Error::forbidden("post in that room").in_room(&room));
        }
        let is_repeated =
            self.joined_room(&room).and_then(|joined| joined.typing).is_some_and(|(was, at)| {
                was == is_typing && now.instant.saturating_duration_since(at) < TYPING_REPEAT
            });
        if self.budget.take_request(now.instant).is_err()
            || self.budget.user.take_frame(bytes, now.instant).is_err()
        {
            return Ok(self.drop_frame(Dropped::TypingRate, now.instant));
        }
        if is_repeated {
            return Ok(Action::Nothing);
        }
        if self.budget.user.take_typing(now.instant).is_err() {
            return Ok(self.drop_frame(Dropped::TypingRate, now.instant));
        }
        if let Some(joined) = self.joined_room(&room) {
            joined.typing = Some((is_typing, now.instant));
        }
        let user_id = self.identity.user.clone();
        let skip = Skip::User(user_id.clone());
        let event = ServerEvent::Typing(Typing { room: room.clone(), user_id, is_typing });
        Ok(Action::Signal { room, event, skip })
    }

    fn list(&self, prefix: Option<String>, limit: Option<u32>, reference: Option<Ref>) -> Action {
        let prefix = prefix.unwrap_or_default();
        let filter = self.usable_rooms(&prefix);
        Action::ListRooms {
            filter,
            limit: limit.unwrap_or(ROOMS_DEFAULT).clamp(1, ROOMS_MAX) as usize,
            reference,
        }
    }

    /// The rooms that the token grants, of those whose names begin with `prefix`.
    fn usable_rooms(&self, prefix: &str) -> RoomFilter {
        match self.identity.grants.names() {
            None => RoomFilter::with_prefix(prefix.to_owned()),
            Some(names) => {
                let grants = self.identity.grants.clone();
                let tested = TestedNames::new(self.budget.user.clone());
                RoomFilter::of_ranges(names.map(range_of), prefix, move |room| {
                    tested.count();
                    grants.may_use(room)
                })
            }
        }
    }

    fn direct(&self, other: &UserId, reference: Option<Ref>) -> Result<Action, Error> {
        self.needs(Feature::Direct, "direct")?;
        // No token has an id that is too long in normalization form C.
        let nobody = |_| Error::new(ErrorCode::NotFound, "no user has that id");
        let other = other.to_nfc().map_err(nobody)?;
        let pair = DirectPair::new(&self.identity.user, &other).map_err(nobody)?;
        if !self.identity.grants.may_use(&pair.room()) {
            return Err(Error::forbidden("use direct rooms"));
        }
        Ok(Action::Direct { pair, other, is_exempt: self.identity.role == Role::Admin, reference })
    }

    fn read(&mut self, room: RoomName, seq: Seq, reference: Option<Ref>) -> Result<Action, Error> {
        self.needs(Feature::Read, "read").map_err(|error| error.in_room(&room))?;
        self.may_use(&room)?;
        let is_member = self.joined_room(&room).is_some();
        Ok(Action::Read { room, seq, is_member, reference })
    }

    fn inbox(&self, limit: Option<u32>, reference: Option<Ref>) -> Result<Action, Error> {
        self.needs(Feature::Inbox, "inbox")?;
        let limit = limit.unwrap_or(INBOX_DEFAULT).clamp(1, INBOX_MAX) as usize;
        let grants = self.identity.grants.clone();
        let may_use = Box::new(move |room: &RoomName| grants.may_use(room));
        Ok(Action::Inbox { query: InboxQuery { limit, bytes: INBOX_BYTES, may_use }, reference })
    }

    fn refresh(&mut self, token: &str, reference: Option<Ref>, now: Timestamp) -> Result<Action, Error> {
        let identity = self.verifier.verify(token, now).map_err(|error| {
            tracing::info!(user = %self.identity.user, %error, "a refresh was refused");
            Error::new(ErrorCode::Forbidden, "the new token is invalid; the old one stays in force")
        })?;
        if identity.user != self.identity.user {
            return Err(Error::new(
                ErrorCode::Forbidden,
                "the new token belongs to another user; the old one stays in force",
            ));
        }
        self.identity = identity;
        let (stay, leave) = std::mem::take(&mut self.rooms)
            .into_iter()
            .partition(|joined| self.identity.grants.may_use(&joined.name));
        self.rooms = stay;
        let event = ServerEvent::Refreshed { expires_at: self.identity.expires_at };
        Ok(Action::Refreshed {
            answer: ServerFrame { event, reference },
            leave: Vec::into_iter(leave).map(|joined: JoinedRoom| joined.name).collect(),
        })
    }

    fn notice(
        &self,
        message: Text,
        room: Option<RoomName>,
        user_id: Option<UserId>,
    ) -> Result<Action, Error> {
        if self.identity.role != Role::Admin {
            return Err(Error::forbidden("send notices"));
        }
        let from = self.identity.user.clone();
        let event = ServerEvent::System(SystemEvent::Notice(Notice { message, from, room: room.clone() }));
        Ok(match (room, user_id) {
            (Some(room), _) => {
                self.may_use(&room)?;
                Action::Signal { room, event, skip: Skip::Nobody }
            }
            // Users are known in normalization form C. One whose form is too long has no connection.
            (None, Some(user)) => {
                Action::Broadcast { to: Recipients::User(user.to_nfc().unwrap_or(user)), event }
            }
            (None, None) => Action::Broadcast { to: Recipients::Everyone, event },
        })
    }

    fn may_use(&self, room: &RoomName) -> Result<(), Error> {
        if self.identity.grants.may_use(room) {
            Ok(())
        } else {
            Err(Error::forbidden_in(room, "use that room"))
        }
    }

    fn joined_room(&mut self, room: &RoomName) -> Option<&mut JoinedRoom> {
        self.rooms.iter_mut().find(|joined| joined.name == *room)
    }
}

/// The range of names that a glob grants.
fn range_of(names: GrantedNames<'_>) -> NameRange {
    let (start, kind) = match names {
        GrantedNames::Name(name) => (name, RangeKind::Exact),
        GrantedNames::Start(start) => (start, RangeKind::Prefix),
        GrantedNames::SomeFrom(start) => (start, RangeKind::Tested),
    };
    NameRange { start: start.to_owned(), kind }
}

/// An event, and the bytes of the frame in which it came.
struct Priced {
    event: ClientEvent,
    bytes: usize,
}

/// The room that an event is about.
fn room_of(event: &ClientEvent) -> Option<&RoomName> {
    match event {
        ClientEvent::Post(Post { room, .. })
        | ClientEvent::Typing { room, .. }
        | ClientEvent::JoinRoom { room, .. }
        | ClientEvent::LeaveRoom { room }
        | ClientEvent::History(HistoryRequest { room, .. })
        | ClientEvent::Read { room, .. }
        | ClientEvent::Members { room, .. } => Some(room),
        ClientEvent::Notice { room, .. } | ClientEvent::Search(SearchRequest { room, .. }) => room.as_ref(),
        ClientEvent::Ping(_)
        | ClientEvent::Direct { .. }
        | ClientEvent::Inbox { .. }
        | ClientEvent::ListRooms { .. }
        | ClientEvent::Refresh { .. } => None,
    }
}

/// Returns true if the answer to a request may be large.
fn asks_for_data(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::JoinRoom { .. }
        | ClientEvent::History(_)
        | ClientEvent::Members { .. }
        | ClientEvent::ListRooms { .. }
        | ClientEvent::Inbox { .. }
        | ClientEvent::Search(_) => true,
        ClientEvent::Post(_)
        | ClientEvent::Typing { .. }
        | ClientEvent::LeaveRoom { .. }
        | ClientEvent::Ping(_)
        | ClientEvent::Direct { .. }
        | ClientEvent::Read { .. }
        | ClientEvent::Refresh { .. }
        | ClientEvent::Notice { .. } => false,
    }
}

/// Returns true if an event takes a token of the rate of requests here, or of read markers. Entries have a rate of their own; typing
/// takes its token later, because it is dropped instead of refused.
fn is_request(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::Post(_) | ClientEvent::Typing { .. } => false,
        ClientEvent::JoinRoom { .. }
        | ClientEvent::LeaveRoom { .. }
        | ClientEvent::Ping(_)
        | ClientEvent::History(_)
        | ClientEvent::Direct { .. }
        | ClientEvent::Read { .. }
        | ClientEvent::Inbox { .. }
        | ClientEvent::Search(_)
        | ClientEvent::Members { .. }
        | ClientEvent::ListRooms { .. }
        | ClientEvent::Refresh { .. }
        | ClientEvent::Notice { .. } => true,
    }
}
