//! The replicas of all rooms that are open on this instance: rooms with a member here, and for a while after the last
//! member left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use realtime_shared::RoomName;

use super::replica::Replica;

/// Time for which a room stays open after its last member left: most users return soon or not at all.
const KEPT_OPEN: Duration = Duration::from_secs(10);

/// Replicas by channel.
#[derive(Default)]
pub(crate) struct Replicas(Mutex<HashMap<Arc<str>, Arc<Replica>>>);

impl Replicas {
    /// The replica of a room, a new one if it is not open.
    pub(crate) fn acquire(&self, room: &RoomName, channel: String) -> Arc<Replica> {
        let channel: Arc<str> = channel.into();
        let mut replicas = self.0.lock();
        if let Some(replica) = replicas.get(&channel) {
            replica.state.lock().released = None;
            return replica.clone();
        }
        let replica = Arc::new(Replica::new(room.clone(), channel.clone()));
        replicas.insert(channel, replica.clone());
        replica
    }

    /// Marks a room that the last member of this instance has left.
    pub(crate) fn release(&self, channel: &str) {
        if let Some(replica) = self.by_channel(channel) {
            replica.state.lock().released = Some(Instant::now());
        }
    }

    /// Removes rooms that have been released for a while. `close` is called for each.
    pub(crate) fn close_released(&self, mut close: impl FnMut(&Arc<Replica>)) {
        let now = Instant::now();
        self.0.lock().retain(|_, replica| {
            let released = replica.state.lock().released;
            let over = released.is_some_and(|since| now.saturating_duration_since(since) >= KEPT_OPEN);
            if over {
                // With the lock held: a caller that opens the room again subscribes after this unsubscribes.
                close(replica);
            }
            !over
        });
    }

    pub(crate) fn by_channel(&self, channel: &str) -> Option<Arc<Replica>> {
        self.0.lock().get(channel).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Replica>> {
        self.0.lock().values().cloned().collect()
    }

    pub(crate) fn channels(&self) -> Vec<Arc<str>> {
        self.0.lock().keys().cloned().collect()
    }

    pub(crate) fn room_names(&self) -> Vec<RoomName> {
        self.0.lock().values().map(|replica| replica.room.clone()).collect()
    }
}
