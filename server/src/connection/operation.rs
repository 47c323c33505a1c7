//! What the broker is asked on behalf of a client, whose next frame waits for the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use realtime_shared::{
    ErrorCode, Joined, LeaveReason, Members, Position, Ref, RoomName, Rooms, ServerEvent, ServerFrame,
    SystemEvent, codec,
};

use super::hub::Hub;
use crate::broker::{Range, RoomFilter, Unavailable};
use crate::room::{Entrance, Mailbox, Place, Room, Seat};
use crate::session::Error;

/// A question on its way.
pub(super) type Operation = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The last place that is seen of a room, and what is told then; or why that cannot be told.
type Told = Result<(Place, String), String>;

/// What came of it; frames are JSON.
pub(super) enum Outcome {
    Answer(String),
    Joined(Entrance, Seat, String),
    /// `replays`: the connection goes elsewhere in the room, and not on where it is.
    Rejoined {
        entrance: Entrance,
        replays: bool,
        json: String,
    },
    NotJoined(RoomName, String),
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
            let json = unavailable(&hub, Some(&room), reference);
            Outcome::NotJoined(room, json)
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
            Err(Unavailable) => Outcome::Answer(unavailable(&hub, Some(&room.name), reference)),
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
                Err(Unavailable) => Err(unavailable(&hub, Some(&room.name), reference)),
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
        Outcome::Answer(match hub.registry.history(&room, range, limit).await {
            Ok(page) => {
                let entries: Vec<&str> = page.entries.iter().map(|entry| &*entry.json).collect();
                let newest_first = !matches!(range, Range::After(_));
                codec::encode_history(
                    &room,
                    page.epoch.as_ref(),
                    &entries,
                    page.has_more,
                    newest_first,
                    reference.as_ref(),
                )
            }
            Err(Unavailable) => unavailable(&hub, Some(&room), reference),
        })
    })
}

pub(super) fn members(hub: &Arc<Hub>, room: RoomName, reference: Option<Ref>) -> Operation {
    let hub = hub.clone();
    Box::pin(async move {
        Outcome::Answer(match hub.registry.members(&room).await {
            Ok(presence) => {
                let members = Members { room, members: presence.members, member_count: presence.count };
                answer(ServerEvent::Members(members), reference)
            }
            Err(Unavailable) => unavailable(&hub, Some(&room), reference),
        })
    })
}

pub(super) fn list(hub: &Arc<Hub>, filter: RoomFilter, limit: usize, reference: Option<Ref>) -> Operation {
    let hub = hub.clone();
    Box::pin(async move {
        Outcome::Answer(match hub.registry.list(filter, limit).await {
            Ok((rooms, has_more)) => answer(ServerEvent::Rooms(Rooms { rooms, has_more }), reference),
            Err(Unavailable) => unavailable(&hub, None, reference),
        })
    })
}

fn joined_frame(joined: Joined, reference: Option<Ref>) -> String {
    answer(ServerEvent::System(SystemEvent::Joined(joined)), reference)
}

fn answer(event: ServerEvent, reference: Option<Ref>) -> String {
    codec::encode_frame(&ServerFrame { event, reference })
}

fn unavailable(hub: &Hub, room: Option<&RoomName>, reference: Option<Ref>) -> String {
    hub.metrics.refusals.inc(ErrorCode::Unavailable);
    let error = Error::unavailable();
    let error = room.map_or(error.clone(), |room| error.in_room(room));
    codec::encode_frame(&error.answering(reference).into_frame())
}
