//! The rooms in which joins and leaves are held, in the order of the ends of the holds.

use std::collections::BTreeMap;
use std::time::Instant;

use parking_lot::Mutex;
use realtime_shared::RoomName;
use tokio::sync::Notify;

/// The rooms in which changes are held, by the end of the hold.
#[derive(Default)]
pub(super) struct PresenceHolds {
    held: Mutex<Held>,
    /// Notified when a hold begins.
    begun: Notify,
}

#[derive(Default)]
struct Held {
    /// Number of holds that have begun, which makes keys unique.
    count: u64,
    rooms: BTreeMap<(Instant, u64), RoomName>,
}

impl PresenceHolds {
    /// Schedules the end of a hold.
    pub(super) fn schedule(&self, due: Instant, room: RoomName) {
        let mut held = self.held.lock();
        held.count += 1;
        let key = (due, held.count);
        held.rooms.insert(key, room);
        drop(held);
        self.begun.notify_one();
    }

    /// Waits for the end of the first hold, and removes it.
    pub(super) async fn ended(&self) -> RoomName {
        loop {
            let first = self.held.lock().rooms.keys().next().copied();
            let begun = self.begun.notified();
            match first {
                Some((due, _)) if due <= Instant::now() => {
                    if let Some((_, room)) = self.held.lock().rooms.pop_first() {
                        return room;
                    }
                }
                Some((due, _)) => tokio::select! {
                    () = tokio::time::sleep_until(due.into()) => {}
                    () = begun => {}
                },
                None => begun.await,
            }
        }
    }
}
