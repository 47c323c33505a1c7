//! What the broker is asked on behalf of a client, whose next frame waits for the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use realtime_shared::{
    Joined, LeaveReason, Members, Position, Ref, RoomName, Rooms, ServerEvent, ServerFrame, SystemEvent,
    codec,
};

use super::hub::Hub;
use crate::broker::{Range, RoomFilter, Unavailable};
use crate::room::{Entrance, Mailbox, Place, Room, Seat};
use crate::session::Error;

/// A question on its way.
pub(super) type Operation = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The last place that is seen of a room, and what is told then; or why that cannot be told.
type Told = Result<(Place, String), Error>;

/// What came of it; frames are JSON.
pub(super) enum Outcome {
    Answer(String),
    Refused(Error),
    Joined(Entrance, Seat, String),
    /// `replays`: the connection goes elsewhere in the room, and not on where it is.
    Rejoined {
        entrance: Entrance,
        replays: bool,
        json: String,
    },
    NotJoined(RoomName, Error),
    /// The rooms that were left.
    Left(Vec<(Arc<Room>, Told)>),
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
        let joined = hub.registry.join(&mailbox, &room, since.as_ref()).await;
        if let Ok((entrance, seat, joined)) = joined {
            Outcome::Joined(entrance, seat, joined_frame(joined, reference))
        } else {
            let error = unavailable(Some(&room), reference);
            Outcome::NotJoined(room, error)
        }
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
                let replays = joined.recovery.is_some();
                Outcome::Rejoined { entrance, replays, json: joined_frame(joined, reference) }
            }
            Err(Unavailable) => Outcome::Refused(unavailable(Some(&room.name), reference)),
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
        Outcome::Left(all)
    })
}

pub(super) fn history(
    hub: &Arc<Hub>,
    room: RoomName,
    range: Range,
    limit: usize,
    reference: Option<Ref>,
) -> Operation {
    let hub = hub.clone();
    Box::pin(async move {
        match hub.registry.history(&room, range, limit).await {
            Ok(page) => {
                let entries: Vec<&str> = page.entries.iter().map(|entry| &*entry.json).collect();
                let newest_first = match range {
                    Range::Newest | Range::Before(_) => true,
                    Range::After(_) => false,
                };
                Outcome::Answer(codec::encode_history(
                    &room,
                    page.epoch.as_ref(),
                    &entries,
                    page.has_more,
                    newest_first,
                    reference.as_ref(),
                ))
            }
            Err(Unavailable) => Outcome::Refused(unavailable(Some(&room), reference)),
        }
    })
}

pub(super) fn members(hub: &Arc<Hub>, room: RoomName, reference: Option<Ref>) -> Operation {
    let hub = hub.clone();
    Box::pin(async move {
        match hub.registry.members(&room).await {
            Ok(presence) => {
                let members = Members { room, members: presence.members, member_count: presence.count };
                Outcome::Answer(answer(ServerEvent::Members(members), reference))
            }
            Err(Unavailable) => Outcome::Refused(unavailable(Some(&room), reference)),
        }
    })
}

pub(super) fn list(hub: &Arc<Hub>, filter: RoomFilter, limit: usize, reference: Option<Ref>) -> Operation {
    let hub = hub.clone();
    Box::pin(async move {
        match hub.registry.list(filter, limit).await {
            Ok((rooms, has_more)) => {
                Outcome::Answer(answer(ServerEvent::Rooms(Rooms { rooms, has_more }), reference))
            }
            Err(Unavailable) => Outcome::Refused(unavailable(None, reference)),
        }
    })
}

fn joined_frame(joined: Joined, reference: Option<Ref>) -> String {
    answer(ServerEvent::System(SystemEvent::Joined(joined)), reference)
}

fn answer(event: ServerEvent, reference: Option<Ref>) -> String {
    codec::encode_frame(&ServerFrame { event, reference })
}

fn unavailable(room: Option<&RoomName>, reference: Option<Ref>) -> Error {
    let error = Error::unavailable();
    let error = room.map_or(error.clone(), |room| error.in_room(room));
    error.answering(reference)
}
