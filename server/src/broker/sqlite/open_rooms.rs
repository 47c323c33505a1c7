//! Rooms that are open, and rooms that are being removed: a room is never both.
//!
//! The writer claims a room before it removes it, and ends the claim after the commit. An open room cannot be claimed. A
//! room is counted as open before its head is read, and the read waits for the end of a claim. So the head stays that of
//! the log for as long as the room is open.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use realtime_shared::RoomName;
use tokio::sync::oneshot;

/// Open rooms and claims. Clones share them.
#[derive(Clone, Default)]
pub(super) struct OpenRooms(Arc<Mutex<OpenRoomsState>>);

#[derive(Default)]
struct OpenRoomsState {
    /// Number of times that a room was opened and not released.
    open: HashMap<RoomName, usize>,
    /// Claimed rooms, and the openings that wait for the end of the claim.
    claimed: HashMap<RoomName, Vec<oneshot::Sender<()>>>,
}

/// A room that is being opened. Its drop releases the room, unless it was kept.
pub(super) struct Opening {
    rooms: OpenRooms,
    room: RoomName,
    /// Ends with the claim on the room.
    claim_end: Option<oneshot::Receiver<()>>,
    is_kept: bool,
}

/// A claim on a room to be removed, which its drop ends.
pub(super) struct RoomClaim {
    rooms: OpenRooms,
    pub(super) room: RoomName,
}

impl OpenRooms {
    /// Counts a room as open.
    pub(super) fn open(&self, room: &RoomName) -> Opening {
        let mut state = self.0.lock();
        *state.open.entry(room.clone()).or_default() += 1;
        let claim_end = state.claimed.get_mut(room).map(|waiting| {
            let (end, ended) = oneshot::channel();
            waiting.push(end);
            ended
        });
        Opening { rooms: self.clone(), room: room.clone(), claim_end, is_kept: false }
    }

    /// Ends one opening of a room.
    pub(super) fn release(&self, room: &RoomName) {
        if let Entry::Occupied(mut count) = self.0.lock().open.entry(room.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Claims a room, unless it is open or claimed, or `is_used` is true.
    pub(super) fn claim(&self, room: RoomName, is_used: impl FnOnce(&RoomName) -> bool) -> Option<RoomClaim> {
        let mut state = self.0.lock();
        // Under the lock: a room that is opened again while it has members is released for a moment.
        if state.open.contains_key(&room) || state.claimed.contains_key(&room) || is_used(&room) {
            return None;
        }
        state.claimed.insert(room.clone(), Vec::new());
        Some(RoomClaim { rooms: self.clone(), room })
    }
}

impl Opening {
    /// Waits until a claim on the room has ended.
    pub(super) async fn claim_ended(&mut self) {
        if let Some(ended) = self.claim_end.take() {
            // The sender sends nothing: it is dropped with the claim.
            let _ = ended.await;
        }
    }

    /// Leaves the room open, until it is released.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.is_kept {
            self.rooms.release(&self.room);
        }
    }
}

impl Drop for RoomClaim {
    fn drop(&mut self) {
        // The openings continue when the lock is free.
        let waiting = self.rooms.0.lock().claimed.remove(&self.room);
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::broker::contract::room;

    fn claim(rooms: &OpenRooms) -> Option<RoomClaim> {
        rooms.claim(room("a"), |_| false)
    }

    #[test]
    fn a_room_is_claimed_only_while_it_is_not_open_and_not_used() {
        let rooms = OpenRooms::default();
        let (one, other) = (rooms.open(&room("a")), rooms.open(&room("a")));
        one.keep();
        assert!(claim(&rooms).is_none(), "opened twice");
        drop(other);
        assert!(claim(&rooms).is_none(), "one opening failed, the other is kept");
        rooms.release(&room("a"));
        assert!(rooms.claim(room("a"), |_| true).is_none(), "used");
        let claimed = claim(&rooms).expect("a claim");
        assert!(claim(&rooms).is_none(), "claimed already");
        drop(claimed);
        assert!(claim(&rooms).is_some());
        assert!(rooms.0.lock().open.is_empty() && rooms.0.lock().claimed.is_empty());
    }

    #[test]
    fn an_opening_waits_for_the_end_of_a_claim() {
        let rooms = OpenRooms::default();
        let claimed = claim(&rooms).expect("a claim");
        let mut opening = rooms.open(&room("a"));
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut ended = pin!(opening.claim_ended());
            assert_eq!(ended.as_mut().poll(&mut context), Poll::Pending);
            drop(claimed);
            assert_eq!(ended.as_mut().poll(&mut context), Poll::Ready(()));
        }
        assert!(claim(&rooms).is_none(), "open since the claim");
        let mut later = rooms.open(&room("a"));
        assert_eq!(pin!(later.claim_ended()).poll(&mut context), Poll::Ready(()));
    }
}
