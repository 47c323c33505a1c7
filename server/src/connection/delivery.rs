//! What is due to a connection from its rooms: cursors, and the order in which their frames go out.
//!
//! Each turn begins with another room and takes a bounded slice of each, so that a loud room does not starve the
//! others. A cursor in the store has one page fetched at a time, for one room at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use realtime_shared::RoomName;

use crate::broker::{Page, Unavailable};
use crate::framing;
use crate::room::{Cursor, Entrance, Mailbox, Overtaken, Place, Pulled, Registry, Room, Seat};

/// What a room gets of a turn at least, where it has that much.
const SLICE: usize = 16 * 1024;

/// The rooms of a connection.
#[derive(Default)]
pub(super) struct Delivery {
    seats: Vec<Seated>,
    /// Which room begins.
    turn: usize,
    fetch: Option<Fetch>,
    /// The last fill left something.
    more: bool,
    overtaken: bool,
}

/// A room that the connection is in, or is on its way out of.
struct Seated {
    room: Arc<Room>,
    /// None on the way out: who takes it back has it.
    seat: Option<Seat>,
    cursor: Cursor,
    barrier: Option<Box<Barrier>>,
}

/// A frame that has to come just at a place in the room's log.
struct Barrier {
    at: Place,
    json: String,
    /// Whether it is the last one.
    last: bool,
}

/// A page on its way from the store.
struct Fetch {
    room: Arc<Room>,
    page: Pin<Box<dyn Future<Output = Result<Page, Unavailable>> + Send>>,
}

impl Delivery {
    /// The room of that name, if the connection is in it.
    pub(super) fn find(&self, room: &RoomName) -> Option<&Arc<Room>> {
        self.seats.iter().map(|seated| &seated.room).find(|seated| seated.name == *room)
    }

    /// Hands out the seat in a room, to be taken back; its frames go on until [`Delivery::depart`] says where they end.
    pub(super) fn release(&mut self, room: &RoomName) -> Option<(Arc<Room>, Seat)> {
        let seated = self.seats.iter_mut().find(|seated| seated.room.name == *room)?;
        Some((seated.room.clone(), seated.seat.take()?))
    }

    /// Begins to deliver a room. Its `joined` has gone before.
    pub(super) fn enter(&mut self, entrance: Entrance, seat: Seat) {
        let Entrance { room, cursor, .. } = entrance;
        // Most connections are in one room, and a vector's first growth would be to four.
        if self.seats.is_empty() {
            self.seats.reserve_exact(1);
        }
        self.seats.push(Seated { room, seat: Some(seat), cursor, barrier: None });
    }

    /// Goes on elsewhere in a room, at once.
    pub(super) fn reposition(&mut self, entrance: &Entrance) {
        self.forget_fetch(&entrance.room);
        if let Some(seated) = self.seated(&entrance.room) {
            seated.cursor = entrance.cursor;
        }
    }

    /// Puts a frame into a room's order, after all that was there when the connection asked.
    pub(super) fn interject(&mut self, entrance: &Entrance, json: String) {
        if let Some(seated) = self.seated(&entrance.room) {
            seated.barrier = Some(Box::new(Barrier { at: entrance.end, json, last: false }));
        }
    }

    /// Ends a room with a frame, after all that the connection gets to see of it.
    pub(super) fn depart(&mut self, room: &Arc<Room>, until: Place, json: String) {
        if let Some(seated) = self.seated(room) {
            seated.barrier = Some(Box::new(Barrier { at: until, json, last: true }));
        }
    }

    /// Whether a frame waits for its place: until then the client's next frames do.
    pub(super) fn is_waiting(&self) -> bool {
        self.seats.iter().any(|seated| seated.barrier.is_some())
    }

    /// Whether the last fill left something that it could have taken.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    /// Whether a cursor was left behind by the ring, or by the store.
    pub(super) fn is_overtaken(&self) -> bool {
        self.overtaken
    }

    /// Takes all seats that were not handed out, to give them back.
    pub(super) fn take_seats(&mut self) -> impl Iterator<Item = (Arc<Room>, Seat)> + use<> {
        self.fetch = None;
        std::mem::take(&mut self.seats).into_iter().filter_map(|seated| Some((seated.room, seated.seat?)))
    }

    /// Drops a room without a word: it was left, and that could not be told.
    pub(super) fn forget(&mut self, room: &Arc<Room>) {
        self.forget_fetch(room);
        self.seats.retain(|seated| !Arc::ptr_eq(&seated.room, room));
    }

    /// Drives the page that is on its way, and puts it into `out`.
    pub(super) fn poll_fetch(
        &mut self,
        cx: &mut Context<'_>,
        mailbox: &Mailbox,
        out: &mut Vec<u8>,
    ) -> Result<(), Unavailable> {
        let Some(fetch) = &mut self.fetch else { return Ok(()) };
        let Poll::Ready(page) = fetch.page.as_mut().poll(cx) else { return Ok(()) };
        let room = fetch.room.clone();
        self.fetch = None;
        let page = page?;
        if let Some(seated) = self.seated(&room)
            && seated.cursor.take_page(&page, mailbox, out) == Err(Overtaken)
        {
            self.overtaken = true;
        }
        self.more = true;
        Ok(())
    }

    /// Adds to `out` what is due, until it has about `limit` bytes.
    pub(super) fn fill(
        &mut self,
        registry: &Arc<Registry>,
        mailbox: &Mailbox,
        out: &mut Vec<u8>,
        limit: usize,
    ) {
        self.more = false;
        self.turn = self.turn.wrapping_add(1);
        let count = self.seats.len();
        for nth in 0..count {
            let index = (self.turn.wrapping_add(nth)) % count;
            let seated = &mut self.seats[index];
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
            match seated.room.pull(&mut seated.cursor, mailbox, until, out, slice) {
                Ok(Pulled::All) => seated.pass_barrier(out),
                Ok(Pulled::Some) => self.more = true,
                Ok(Pulled::FromStore(after)) => {
                    if self.fetch.is_none() {
                        let (registry, room) = (registry.clone(), seated.room.clone());
                        let page = async move { registry.page_after(&room.name, after).await };
                        self.fetch = Some(Fetch { room: seated.room.clone(), page: Box::pin(page) });
                        self.more = true;
                    }
                }
                Err(Overtaken) => self.overtaken = true,
            }
        }
        self.seats.retain(|seated| !seated.is_over());
    }

    fn seated(&mut self, room: &Arc<Room>) -> Option<&mut Seated> {
        self.seats.iter_mut().find(|seated| Arc::ptr_eq(&seated.room, room))
    }

    fn forget_fetch(&mut self, room: &Arc<Room>) {
        self.fetch.take_if(|fetch| Arc::ptr_eq(&fetch.room, room));
    }
}

impl Seated {
    /// Everything before the barrier has gone: so does its frame.
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
