//! One connection's conversation: what a frame asks for, and whether its sender may have it.
//!
//! Pure: it knows no socket, no lock and no clock. A frame goes in and one [`Command`] comes out, for the connection
//! to carry out. Every frame of the protocol is decided here, in [`Session::on_text`].

mod rate;
mod refusal;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::{
    ClientEvent, ClientFrame, CloseCode, DecodeError, ErrorCode, Notice, Pong, Position, Ref, Role, RoomName,
    Seq, ServerEvent, ServerFrame, SystemEvent, Text, Timestamp, Typing, UserId, codec,
};

use self::rate::{Bucket, FaultWindow, IGNORED, REFUSALS};
pub(crate) use self::refusal::Error;
use crate::auth::{Identity, Verifier};
use crate::broker::{Range, Recipients, RoomFilter, Skip, Submission};
use crate::config::Limits;
use crate::metrics::Dropped;

/// Entries of a history page that does not say how many.
const HISTORY_DEFAULT: u32 = 50;
/// Entries of a history page at most.
const HISTORY_MOST: u32 = 200;
/// Rooms of a list that does not say how many.
const ROOMS_DEFAULT: u32 = 100;
/// Rooms of a list at most.
const ROOMS_MOST: u32 = 500;
/// Lists of rooms a second, where there is a limit of anything: each looks at all rooms.
const LISTS: u32 = 1;
/// Lists of rooms at once after a pause.
const LISTS_BURST: u32 = 5;
/// Saying the same of one's typing again within this time is not told.
const TYPING_REPEAT: Duration = Duration::from_secs(1);

/// What time it is, for the ways to tell it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall: Timestamp,
}

/// What a frame asks for, where its sender may have it; the answer, where it may not.
pub(crate) enum Command {
    Nothing,
    /// It is passed over without a word.
    Drop(Dropped),
    Answer(ServerFrame),
    Close(CloseCode),
    Join {
        room: RoomName,
        since: Option<Position>,
        reference: Option<Ref>,
    },
    Leave {
        room: RoomName,
        reference: Option<Ref>,
    },
    Submit {
        submission: Submission,
        reference: Option<Ref>,
    },
    Signal {
        room: RoomName,
        event: ServerEvent,
        skip: Skip,
    },
    Tell {
        to: Recipients,
        event: ServerEvent,
    },
    History {
        room: RoomName,
        range: Range,
        limit: usize,
        reference: Option<Ref>,
    },
    Members {
        room: RoomName,
        reference: Option<Ref>,
    },
    ListRooms {
        filter: RoomFilter,
        limit: usize,
        reference: Option<Ref>,
    },
    /// The token was replaced: the answer, and the rooms to be left.
    Refreshed {
        answer: ServerFrame,
        leave: Vec<RoomName>,
    },
}

/// One connection's conversation.
pub(crate) struct Session {
    identity: Identity,
    verifier: Arc<Verifier>,
    max_rooms: usize,
    rooms: Vec<Membership>,
    posts: Bucket,
    requests: Bucket,
    lists: Bucket,
    refusals: FaultWindow,
    /// Of frames that are passed over.
    ignored: FaultWindow,
}

struct Membership {
    room: RoomName,
    /// What was told last of the user's typing, and when.
    typing: Option<(bool, Instant)>,
}

impl Session {
    pub(crate) fn new(identity: Identity, verifier: Arc<Verifier>, limits: &Limits, now: Instant) -> Self {
        let bucket = || Bucket::new(limits.max_messages_per_second, limits.message_burst, now);
        Self {
            identity,
            verifier,
            max_rooms: limits.max_rooms_per_connection,
            rooms: Vec::new(),
            posts: bucket(),
            requests: bucket(),
            lists: Bucket::new(limits.max_messages_per_second.min(LISTS), LISTS_BURST, now),
            refusals: FaultWindow::new(REFUSALS, now),
            ignored: FaultWindow::new(IGNORED, now),
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What a text frame asks for.
    pub(crate) fn on_text(&mut self, text: &str, now: Now) -> Command {
        let command = match codec::decode_client(text) {
            Ok(ClientFrame { event, reference }) => {
                self.on_event(event, reference.clone(), now).map_err(|error| error.answering(reference))
            }
            Err(DecodeError::NotJson) => return Command::Close(CloseCode::InvalidJson),
            Err(DecodeError::Refused(refusal)) => Err(Error::undecodable(*refusal)),
        };
        command.unwrap_or_else(|error| self.refuse(error, now.instant))
    }

    /// A ping or pong came on the WebSocket itself.
    pub(crate) fn on_control(&mut self, now: Instant) -> Command {
        match self.requests.take(now) {
            Ok(()) => Command::Nothing,
            Err(_) => self.pass_over(Dropped::ControlRate, now),
        }
    }

    /// Counts a frame that is passed over; the end where there were too many.
    fn pass_over(&mut self, reason: Dropped, now: Instant) -> Command {
        if self.ignored.add(now) { Command::Close(CloseCode::TooManyRequests) } else { Command::Drop(reason) }
    }

    /// The one way of a refusal to the client, whether this session, the store or a rule of the log refuses: counts it,
    /// and gives the answer, or the end of the connection if there were too many.
    pub(crate) fn refuse(&mut self, error: Error, now: Instant) -> Command {
        if error.is_counted() && self.refusals.add(now) {
            Command::Close(CloseCode::TooManyRequests)
        } else {
            Command::Answer(error.into_frame())
        }
    }

    /// A join was not carried out.
    pub(crate) fn not_joined(&mut self, room: &RoomName) {
        self.rooms.retain(|membership| membership.room != *room);
    }

    fn on_event(&mut self, event: ClientEvent, reference: Option<Ref>, now: Now) -> Result<Command, Error> {
        if is_request(&event) {
            self.requests.take(now.instant).map_err(Error::rate_limited)?;
        }
        match event {
            ClientEvent::Message(post) => {
                self.submit(Submission::message(self.identity.user.clone(), post), reference, now)
            }
            ClientEvent::Typing { room, is_typing } => self.typing(room, is_typing, now),
            ClientEvent::JoinRoom { room, since } => self.join(room, since, reference),
            ClientEvent::LeaveRoom { room } => {
                if self.membership(&room).is_none() {
                    return Err(Error::not_a_member().in_room(&room));
                }
                self.not_joined(&room);
                Ok(Command::Leave { room, reference })
            }
            ClientEvent::Ping(ping) => {
                let event = ServerEvent::Pong(Pong { nonce: ping.nonce, ts: now.wall });
                Ok(Command::Answer(ServerFrame { event, reference }))
            }
            ClientEvent::History { room, before, after, limit } => {
                self.may_use(&room)?;
                Ok(history(room, before, after, limit, reference))
            }
            ClientEvent::Members { room } => {
                self.may_use(&room)?;
                Ok(Command::Members { room, reference })
            }
            ClientEvent::ListRooms { prefix, limit } => {
                self.lists.take(now.instant).map_err(Error::rate_limited)?;
                Ok(self.list(prefix, limit, reference))
            }
            ClientEvent::Refresh { token } => self.refresh(&token, reference, now.wall),
            ClientEvent::Notice { message, room, user_id } => self.notice(message, room, user_id),
        }
    }

    fn join(
        &mut self,
        room: RoomName,
        since: Option<Position>,
        reference: Option<Ref>,
    ) -> Result<Command, Error> {
        self.may_use(&room)?;
        if self.membership(&room).is_none() {
            if self.rooms.len() >= self.max_rooms {
                let message = format!("you are in {} rooms, and may not be in more", self.rooms.len());
                return Err(Error::new(ErrorCode::TooManyRooms, message).in_room(&room));
            }
            if self.rooms.is_empty() {
                self.rooms.reserve_exact(1);
            }
            self.rooms.push(Membership { room: room.clone(), typing: None });
        }
        Ok(Command::Join { room, since, reference })
    }

    /// Submits an entry of any kind.
    fn submit(&mut self, submission: Submission, reference: Option<Ref>, now: Now) -> Result<Command, Error> {
        let Submission { room, client_msg_id, .. } = &submission;
        let refused = |error: Error| error.in_room(room).of_entry(client_msg_id.as_ref());
        if !self.identity.grants.may_post(room) {
            return Err(refused(Error::forbidden("post in that room")));
        }
        self.posts.take(now.instant).map_err(|wait| refused(Error::rate_limited(wait)))?;
        if let Some(membership) = self.membership(room) {
            // A user who has posted has stopped typing, and may start again at once.
            membership.typing = None;
        }
        Ok(Command::Submit { submission, reference })
    }

    /// Typing is told when it changes, or again after a while. What is too much is dropped without a word.
    fn typing(&mut self, room: RoomName, is_typing: bool, now: Now) -> Result<Command, Error> {
        if self.membership(&room).is_none() {
            return Err(Error::not_a_member().in_room(&room));
        }
        if !self.identity.grants.may_post(&room) {
            return Err(Error::forbidden("post in that room").in_room(&room));
        }
        let again =
            self.membership(&room).and_then(|membership| membership.typing).is_some_and(|(was, at)| {
                was == is_typing && now.instant.saturating_duration_since(at) < TYPING_REPEAT
            });
        if self.requests.take(now.instant).is_err() {
            return Ok(self.pass_over(Dropped::TypingRate, now.instant));
        }
        if again {
            return Ok(Command::Nothing);
        }
        if let Some(membership) = self.membership(&room) {
            membership.typing = Some((is_typing, now.instant));
        }
        let user_id = self.identity.user.clone();
        let skip = Skip::User(user_id.clone());
        let event = ServerEvent::Typing(Typing { room: room.clone(), user_id, is_typing });
        Ok(Command::Signal { room, event, skip })
    }

    fn list(&self, prefix: Option<String>, limit: Option<u32>, reference: Option<Ref>) -> Command {
        let grants = self.identity.grants.clone();
        let prefix = prefix.unwrap_or_default();
        Command::ListRooms {
            filter: Box::new(move |room| room.as_str().starts_with(&prefix) && grants.may_use(room)),
            limit: limit.unwrap_or(ROOMS_DEFAULT).clamp(1, ROOMS_MOST) as usize,
            reference,
        }
    }

    fn refresh(&mut self, token: &str, reference: Option<Ref>, now: Timestamp) -> Result<Command, Error> {
        let identity = self.verifier.verify(token, now).map_err(|error| {
            tracing::info!(user = %self.identity.user, %error, "a refresh was refused");
            Error::new(ErrorCode::Forbidden, "that token is not good; the old one stays")
        })?;
        if identity.user != self.identity.user {
            return Err(Error::new(ErrorCode::Forbidden, "that token is another user's; the old one stays"));
        }
        self.identity = identity;
        let (stay, leave) = std::mem::take(&mut self.rooms)
            .into_iter()
            .partition(|membership| self.identity.grants.may_use(&membership.room));
        self.rooms = stay;
        let event = ServerEvent::Refreshed { expires_at: self.identity.expires_at };
        Ok(Command::Refreshed {
            answer: ServerFrame { event, reference },
            leave: Vec::into_iter(leave).map(|membership: Membership| membership.room).collect(),
        })
    }

    fn notice(
        &self,
        message: Text,
        room: Option<RoomName>,
        user_id: Option<UserId>,
    ) -> Result<Command, Error> {
        if self.identity.role != Role::Admin {
            return Err(Error::forbidden("send notices"));
        }
        let from = self.identity.user.clone();
        let event = ServerEvent::System(SystemEvent::Notice(Notice { message, from, room: room.clone() }));
        Ok(match (room, user_id) {
            (Some(room), _) => {
                self.may_use(&room)?;
                Command::Signal { room, event, skip: Skip::Nobody }
            }
            (None, Some(user)) => Command::Tell { to: Recipients::User(user), event },
            (None, None) => Command::Tell { to: Recipients::Everyone, event },
        })
    }

    fn may_use(&self, room: &RoomName) -> Result<(), Error> {
        if self.identity.grants.may_use(room) {
            Ok(())
        } else {
            Err(Error::forbidden("use that room").in_room(room))
        }
    }

    fn membership(&mut self, room: &RoomName) -> Option<&mut Membership> {
        self.rooms.iter_mut().find(|membership| membership.room == *room)
    }
}

/// Whether an event counts towards the rate of requests. Entries and typing have rates of their own.
fn is_request(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::Message(_) | ClientEvent::Typing { .. } => false,
        ClientEvent::JoinRoom { .. }
        | ClientEvent::LeaveRoom { .. }
        | ClientEvent::Ping(_)
        | ClientEvent::History { .. }
        | ClientEvent::Members { .. }
        | ClientEvent::ListRooms { .. }
        | ClientEvent::Refresh { .. }
        | ClientEvent::Notice { .. } => true,
    }
}

fn history(
    room: RoomName,
    before: Option<Seq>,
    after: Option<Seq>,
    limit: Option<u32>,
    reference: Option<Ref>,
) -> Command {
    let range = match (before, after) {
        (Some(seq), _) => Range::Before(seq),
        (None, Some(seq)) => Range::After(seq),
        (None, None) => Range::Newest,
    };
    let limit = limit.unwrap_or(HISTORY_DEFAULT).clamp(1, HISTORY_MOST) as usize;
    Command::History { room, range, limit, reference }
}
