//! Delivery: the rooms of a connection, and the order in which their frames are written.
//!
//! Each fill begins with another room and takes a bounded slice of each, so that a busy room does not starve the
//! others. A cursor in the store reads one page at a time, and one room at a time has a page fetched. The next page is
//! fetched when the last one has been written. While the engine is unavailable the fetch is repeated: an outage closes
//! no connection.
//!
//! Some frames of the connection have their place among the frames of a room: the `left` after a `leave_room`, and
//! the `joined` of a repeated join. Each waits as a [`Barrier`] until the cursor reaches its place.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use realtime_shared::{RoomName, Seq};

use crate::broker::{Unavailable, members_frame};
use crate::framing;
use crate::room::{
    Cursor, Entrance, Mailbox, Overtaken, PagePermit, Pulled, Registry, Room, RoomEnd, Seat, StoreRead,
};

/// Bytes that each room may add to a fill in its turn.
const SLICE: usize = 16 * 1024;

/// Pause before a fetch is repeated because the engine is unavailable.
const FETCH_RETRY: Duration = Duration::from_secs(1);

/// The rooms of a connection.
#[derive(Default)]
pub(super) struct Delivery {
    rooms: Vec<SeatedRoom>,
    /// Number of fills, which determines the room that begins.
    fills: u32,
    fetch: Option<Fetch>,
    /// The page that has been fetched and not wholly written.
    page: Option<Box<PagePermit>>,
    /// Bytes that were replayed from rings, and are not paid for.
    unpaid: usize,
    /// The last fill left frames that were due.
    more: bool,
    overtaken: bool,
}

/// A room that the connection is in, or is leaving.
struct SeatedRoom {
    room: Arc<Room>,
    /// `None` while the connection is leaving: the operation has the seat.
    seat: Option<Seat>,
    cursor: Cursor,
    barrier: Option<Box<Barrier>>,
}

/// A frame that is written between the frames of a room.
struct Barrier {
    at: RoomEnd,
    json: String,
    /// The room's delivery ends with this frame.
    last: bool,
}

/// A read of the store that runs.
struct Fetch {
    room: Arc<Room>,
    read: Pin<Box<dyn Future<Output = StoreRead> + Send>>,
}

impl Delivery {
    /// The room of that name, if the connection is in it or is leaving it.
    pub(super) fn find(&self, room: &RoomName) -> Option<&Arc<Room>> {
        self.rooms.iter().map(|seated| &seated.room).find(|seated| seated.name == *room)
    }

    /// Hands out the seat in a room, for the operation that leaves it. Delivery continues until the offset that
    /// [`Delivery::finish_leave`] sets.
    pub(super) fn begin_leave(&mut self, room: &RoomName) -> Option<(Arc<Room>, Seat)> {
        let seated = self.rooms.iter_mut().find(|seated| seated.room.name == *room)?;
        Some((seated.room.clone(), seated.seat.take()?))
    }

    /// Begins to deliver a room. The caller has written the `joined`.
    pub(super) fn enter(&mut self, entrance: Entrance, seat: Seat) {
        let Entrance { room, cursor, .. } = entrance;
        // Most connections are in one room. The default first capacity would be four.
        if self.rooms.is_empty() {
            self.rooms.reserve_exact(1);
        }
        self.rooms.push(SeatedRoom { room, seat: Some(seat), cursor, barrier: None });
    }

    /// Continues a room at another cursor.
    pub(super) fn reposition(&mut self, entrance: &Entrance) {
        self.forget_fetch(&entrance.room);
        if let Some(seated) = self.seated(&entrance.room) {
            seated.cursor = entrance.cursor;
        }
    }

    /// Writes a frame after the frames that the room had at `entrance`.
    pub(super) fn send_in_order(&mut self, entrance: &Entrance, json: String) {
        if let Some(seated) = self.seated(&entrance.room) {
            seated.barrier = Some(Box::new(Barrier { at: entrance.end, json, last: false }));
        }
    }

    /// Ends the delivery of a room at `until`, with a frame after it.
    pub(super) fn finish_leave(&mut self, room: &Arc<Room>, until: RoomEnd, json: String) {
        if let Some(seated) = self.seated(room) {
            seated.barrier = Some(Box::new(Barrier { at: until, json, last: true }));
        }
    }

    /// Returns true if a frame waits for its place.
    pub(super) fn has_barrier(&self) -> bool {
        self.rooms.iter().any(|seated| seated.barrier.is_some())
    }

    /// Returns true if frames are due that the last fill did not take.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    /// Takes the number of bytes that were replayed from rings since the last call.
    pub(super) fn take_unpaid(&mut self) -> usize {
        std::mem::take(&mut self.unpaid)
    }

    /// Records that all output has been written.
    pub(super) fn written(&mut self) {
        // The next page waited for this one.
        self.more |= self.page.take().is_some();
    }

    /// Returns true if a cursor has lost frames of a log that was replaced.
    pub(super) fn is_overtaken(&self) -> bool {
        self.overtaken
    }

    /// Ends all delivery, and returns the seats that were not handed out.
    pub(super) fn take_seats(&mut self) -> impl Iterator<Item = (Arc<Room>, Seat)> + use<> {
        self.fetch = None;
        std::mem::take(&mut self.rooms).into_iter().filter_map(|seated| Some((seated.room, seated.seat?)))
    }

    /// Ends the delivery of a room at once, without a `left`.
    pub(super) fn drop_room(&mut self, room: &Arc<Room>) {
        self.forget_fetch(room);
        self.rooms.retain(|seated| !Arc::ptr_eq(&seated.room, room));
    }

    /// Polls the read of the store, and appends its result to `out`.
    pub(super) fn poll_fetch(&mut self, cx: &mut Context<'_>, mailbox: &Mailbox, out: &mut Vec<u8>) {
        let Some(fetch) = &mut self.fetch else { return };
        let Poll::Ready(read) = fetch.read.as_mut().poll(cx) else { return };
        let room = fetch.room.clone();
        self.fetch = None;
        self.more = true;
        let Some(seated) = self.seated(&room) else { return };
        match read {
            // Entries of the page were deleted meanwhile: the next fill reads it again.
            StoreRead::Page(.., replacements) if replacements != room.replacements() => {}
            StoreRead::Page(page, permit, _) => {
                let until = seated.barrier.as_ref().map(|barrier| barrier.at);
                if room.take_page(&mut seated.cursor, &page, until, mailbox, out) == Err(Overtaken) {
                    self.overtaken = true;
                }
                self.page = Some(Box::new(permit));
            }
            StoreRead::Members(presence, arrival) => {
                if room.return_to_ring(&mut seated.cursor, arrival, mailbox) {
                    framing::text(out, &members_frame(&room.name, &presence, None));
                }
            }
        }
    }

    /// Appends due frames to `out`, until it has about `limit` bytes.
    pub(super) fn fill(
        &mut self,
        registry: &Arc<Registry>,
        mailbox: &Mailbox,
        out: &mut Vec<u8>,
        limit: usize,
    ) {
        self.more = false;
        self.fills = self.fills.wrapping_add(1);
        let count = self.rooms.len();
        for nth in 0..count {
            let index = (self.fills as usize + nth) % count;
            let seated = &mut self.rooms[index];
            let idle = seated.barrier.is_none() && !seated.room.has_more(&seated.cursor);
            let fetching = self.fetch.as_ref().is_some_and(|fetch| Arc::ptr_eq(&fetch.room, &seated.room));
            if idle || fetching {
                continue;
            }
            if out.len() >= limit {
                self.more = true;
                break;
            }
            let slice = if count == 1 { limit } else { limit.min(out.len() + SLICE) };
            let until = seated.barrier.as_ref().map(|barrier| barrier.at);
            let (replays, before) = (seated.cursor.replays(), out.len());
            let pulled = seated.room.pull(&mut seated.cursor, mailbox, until, out, slice);
            if replays {
                // The last part of a replay may have live frames after it: at most a slice.
                self.unpaid += out.len() - before;
            }
            match pulled {
                // Everything up to the barrier has been copied.
                Ok(Pulled::All) => seated.pass_barrier(out),
                Ok(Pulled::Some) => self.more = true,
                Ok(Pulled::FromStore(_) | Pulled::InRing) if self.fetch.is_some() || self.page.is_some() => {}
                Ok(Pulled::FromStore(after)) => {
                    self.fetch = Some(Fetch::start(registry, mailbox, &seated.room, Some(after)));
                    self.more = true;
                }
                Ok(Pulled::InRing) => {
                    self.fetch = Some(Fetch::start(registry, mailbox, &seated.room, None));
                    self.more = true;
                }
                Err(Overtaken) => self.overtaken = true,
            }
        }
        self.rooms.retain(|seated| !seated.is_over());
    }

    fn seated(&mut self, room: &Arc<Room>) -> Option<&mut SeatedRoom> {
        self.rooms.iter_mut().find(|seated| Arc::ptr_eq(&seated.room, room))
    }

    fn forget_fetch(&mut self, room: &Arc<Room>) {
        self.fetch.take_if(|fetch| Arc::ptr_eq(&fetch.room, room));
    }
}

impl Fetch {
    /// Begins to read the page after an entry; without an entry, the members.
    fn start(registry: &Arc<Registry>, mailbox: &Mailbox, room: &Arc<Room>, after: Option<Seq>) -> Self {
        let (registry, user, of) = (registry.clone(), mailbox.user.clone(), room.clone());
        let read = async move {
            loop {
                let read = match after {
                    Some(after) => registry.store_reads.page(&of, &user, after).await,
                    None => registry.store_reads.members(&of, &user).await,
                };
                match read {
                    Ok(read) => return read,
                    Err(Unavailable) => tokio::time::sleep(FETCH_RETRY).await,
                }
            }
        };
        Self { room: room.clone(), read: Box::pin(read) }
    }
}

impl SeatedRoom {
    /// Appends the frame of the barrier, after all frames before it.
    fn pass_barrier(&mut self, out: &mut Vec<u8>) {
        if let Some(barrier) = &mut self.barrier {
            framing::text(out, &std::mem::take(&mut barrier.json));
            if !barrier.last {
                self.barrier = None;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.barrier.as_ref().is_some_and(|barrier| barrier.last && barrier.json.is_empty())
    }
}
