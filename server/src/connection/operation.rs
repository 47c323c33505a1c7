//! Operations: requests of a client that the broker answers.
//!
//! A connection has one operation at a time, and does not read the client's next frame until it ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use realtime_shared::codec::EncodedPage;
use realtime_shared::{
    Direct, DirectPair, LeaveReason, Position, Ref, RoomName, Rooms, ServerEvent, ServerFrame, SystemEvent,
    UserId, codec,
};

use super::hub::Hub;
use crate::broker::{
    FoundPage, InboxQuery, MemberPrefix, MessagePage, PageQuery, RoomFilter, SearchQuery, Unavailable,
    found_members_frame, members_frame,
};
use crate::faults::{self, Fault};
use crate::room::{Entrance, Mailbox, NotJoined, Room, RoomEnd, Seat};
use crate::session::{Action, Error};

/// An operation that runs.
pub(super) type Operation = Pin<Box<dyn Future<Output = OperationResult> + Send>>;

/// The end of a room for a connection that leaves it: the point up to which it receives frames, and its `left`.
type LastFrames = (RoomEnd, String);

/// The result of an operation. Frames are JSON.
pub(super) enum OperationResult {
    Answer(String),
    Refused(Error),
    Joined(Entrance, Seat, String),
    /// The connection was in the room already.
    Rejoined {
        entrance: Entrance,
        /// The join had a position, so delivery continues at the entrance's cursor. Otherwise the cursor stays.
        replays: bool,
        json: String,
    },
    NotJoined(RoomName, Error),
    /// The direct room of the user exists, with the answer.
    Direct(RoomName, String),
    /// A direct room is one of the user's, and the action about it is to be applied.
    IsDirect(RoomName, Box<Action>),
    Left(Vec<(Arc<Room>, Result<LastFrames, Error>)>),
}

impl OperationResult {
    /// The answer, if it may be large.
    pub(super) fn json(&self) -> Option<&str> {
        match self {
            Self::Answer(json) | Self::Joined(.., json) | Self::Rejoined { json, .. } => Some(json),
            Self::Refused(_)
            | Self::NotJoined(..)
            | Self::Direct(..)
            | Self::IsDirect(..)
            | Self::Left(_) => None,
        }
    }
}

pub(super) fn join(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    room: RoomName,
    since: Option<Position>,
    reference: Option<Ref>,
) -> Operation {
    let (hub, mailbox) = (hub.clone(), mailbox.clone());
    Box::pin(async move {
        let error = match hub.registry.join(&mailbox, &room, since.as_ref()).await {
            Ok((entrance, seat, joined)) => {
                return OperationResult::Joined(entrance, seat, joined.encode(reference));
            }
            Err(NotJoined::Unavailable) => unavailable(Some(&room), reference),
            Err(NotJoined::NewRoomNotNfc) => Error::new_room_not_nfc(&room).answering(reference),
        };
        OperationResult::NotJoined(room, error)
    })
}

pub(super) fn rejoin(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    room: Arc<Room>,
    since: Option<Position>,
    reference: Option<Ref>,
) -> Operation {
    let (hub, mailbox) = (hub.clone(), mailbox.clone());
    Box::pin(async move {
        match hub.registry.rejoin(&mailbox, &room, since.as_ref()).await {
            Ok((entrance, joined)) => {
                let replays = joined.event.recovery.is_some();
                OperationResult::Rejoined { entrance, replays, json: joined.encode(reference) }
            }
            Err(Unavailable) => OperationResult::Refused(unavailable(Some(&room.name), reference)),
        }
    })
}

pub(super) fn leave(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    rooms: Vec<(Arc<Room>, Seat)>,
    reason: LeaveReason,
    reference: Option<Ref>,
) -> Operation {
    let (hub, mailbox) = (hub.clone(), mailbox.clone());
    Box::pin(async move {
        let mut all = Vec::with_capacity(rooms.len());
        for (room, seat) in rooms {
            let reference = reference.clone();
            let left = match hub.registry.leave(&mailbox, &room, seat, reason).await {
                Ok((until, left)) => {
                    Ok((until, answer(ServerEvent::System(SystemEvent::Left(left)), reference)))
                }
                Err(Unavailable) => Err(unavailable(Some(&room.name), reference)),
            };
            all.push((room, left));
        }
        OperationResult::Left(all)
    })
}

pub(super) fn history(
    hub: &Arc<Hub>,
    viewer: &UserId,
    room: RoomName,
    query: PageQuery,
    reference: Option<Ref>,
) -> Operation {
    let (hub, viewer) = (hub.clone(), viewer.clone());
    Box::pin(async move {
        match hub.registry.messages(&room, query, &viewer).await {
            Ok(page) if page.epoch.is_none() && room.to_nfc().is_some() => {
                OperationResult::Refused(Error::new_room_not_nfc(&room).answering(reference))
            }
            Ok(page) => {
                let MessagePage { epoch, messages, has_more, has_newer, mut covers, settings } = page;
                if let Some(covers) = covers.as_mut().filter(|_| faults::breaks(Fault::PageWithoutAsOf)) {
                    covers.as_of = covers.as_of.next();
                }
                let (room, entries) = (&room, &*messages);
                let (epoch, settings) = (epoch.as_ref(), settings.as_ref());
                let page = EncodedPage { room, epoch, entries, has_more, has_newer, covers, settings };
                let newest_first = query.range.is_newest_first();
                OperationResult::Answer(codec::encode_history(&page, newest_first, reference.as_ref()))
            }
            Err(Unavailable) => OperationResult::Refused(unavailable(Some(&room), reference)),
        }
    })
}

pub(super) fn search(
    hub: &Arc<Hub>,
    viewer: &UserId,
    query: SearchQuery,
    rooms: RoomFilter,
    reference: Option<Ref>,
) -> Operation {
    let (hub, viewer) = (hub.clone(), viewer.clone());
    Box::pin(async move {
        match hub.registry.search(query, rooms, &viewer).await {
            Ok(FoundPage { messages, has_more, is_complete }) => OperationResult::Answer(
                codec::encode_found(&messages, has_more, is_complete, reference.as_ref()),
            ),
            Err(Unavailable) => OperationResult::Refused(unavailable(None, reference)),
        }
    })
}

pub(super) fn members(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    room: RoomName,
    reference: Option<Ref>,
) -> Operation {
    let (hub, mailbox) = (hub.clone(), mailbox.clone());
    Box::pin(async move {
        if let Err(refusal) = has_valid_name(&hub, &room, reference.as_ref()).await {
            return refusal;
        }
        match hub.registry.members(&room, &mailbox.user).await {
            Ok(presence) => OperationResult::Answer(members_frame(&room, &presence, reference)),
            Err(Unavailable) => OperationResult::Refused(unavailable(Some(&room), reference)),
        }
    })
}

pub(super) fn find_members(
    hub: &Arc<Hub>,
    room: RoomName,
    prefix: MemberPrefix,
    limit: usize,
    reference: Option<Ref>,
) -> Operation {
    let hub = hub.clone();
    Box::pin(async move {
        if let Err(refusal) = has_valid_name(&hub, &room, reference.as_ref()).await {
            return refusal;
        }
        match hub.registry.find_members(&room, prefix, limit).await {
            Ok(found) => OperationResult::Answer(found_members_frame(&room, &found, reference)),
            Err(Unavailable) => OperationResult::Refused(unavailable(Some(&room), reference)),
        }
    })
}

/// Refuses a name that is not in normalization form C, unless a room has it.
async fn has_valid_name(hub: &Hub, room: &RoomName, reference: Option<&Ref>) -> Result<(), OperationResult> {
    if room.to_nfc().is_none() {
        return Ok(());
    }
    match hub.registry.is_founded(room).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(OperationResult::Refused(Error::new_room_not_nfc(room).answering(reference.cloned())))
        }
        Err(Unavailable) => Err(OperationResult::Refused(unavailable(Some(room), reference.cloned()))),
    }
}

pub(super) fn list(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    filter: RoomFilter,
    limit: usize,
    reference: Option<Ref>,
) -> Operation {
    let (hub, mailbox) = (hub.clone(), mailbox.clone());
    Box::pin(async move {
        match hub.registry.list(&mailbox.user, filter, limit).await {
            Ok((rooms, has_more)) => {
                OperationResult::Answer(answer(ServerEvent::Rooms(Rooms { rooms, has_more }), reference))
            }
            Err(Unavailable) => OperationResult::Refused(unavailable(None, reference)),
        }
    })
}

pub(super) fn direct(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    pair: DirectPair,
    other: UserId,
    is_exempt: bool,
    reference: Option<Ref>,
) -> Operation {
    let (hub, mailbox) = (hub.clone(), mailbox.clone());
    Box::pin(async move {
        let room = pair.room();
        match hub.registry.open_direct(&pair, &mailbox.user, is_exempt).await {
            Ok(Ok(())) => {
                let event = ServerEvent::Direct(Direct { room: room.clone(), user_id: other });
                OperationResult::Direct(room, answer(event, reference))
            }
            Ok(Err(cause)) => OperationResult::Refused(Error::not_stored(cause, &room).answering(reference)),
            Err(Unavailable) => OperationResult::Refused(unavailable(None, reference)),
        }
    })
}

pub(super) fn inbox(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    query: InboxQuery,
    reference: Option<Ref>,
) -> Operation {
    let (hub, mailbox) = (hub.clone(), mailbox.clone());
    Box::pin(async move {
        match hub.registry.inbox(&mailbox.user, query).await {
            Ok(inbox) => OperationResult::Answer(answer(ServerEvent::Inbox(inbox), reference)),
            Err(Unavailable) => OperationResult::Refused(unavailable(None, reference)),
        }
    })
}

/// Finds out if a direct room is one of the user's, for an action about it.
pub(super) fn if_direct(
    hub: &Arc<Hub>,
    mailbox: &Arc<Mailbox>,
    room: RoomName,
    then: Box<Action>,
    refusal: Box<Error>,
) -> Operation {
    let (hub, mailbox) = (hub.clone(), mailbox.clone());
    Box::pin(async move {
        let refusal = match hub.registry.opens_direct(&room, &mailbox.user).await {
            Ok(true) => return OperationResult::IsDirect(room, then),
            Ok(false) => *refusal,
            Err(Unavailable) => refusal.into_unavailable(),
        };
        match *then {
            Action::Join { room, .. } => OperationResult::NotJoined(room, refusal),
            _ => OperationResult::Refused(refusal),
        }
    })
}

fn answer(event: ServerEvent, reference: Option<Ref>) -> String {
    codec::encode_frame(&ServerFrame { event, reference })
}

fn unavailable(room: Option<&RoomName>, reference: Option<Ref>) -> Error {
    let error = match room {
        Some(room) => Error::unavailable().in_room(room),
        None => Error::unavailable(),
    };
    error.answering(reference)
}
