//! The rooms that this instance hears: those that its members are in, and for a little while those that they left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use realtime_shared::RoomName;

use crate::broker::redis::log::replica::Following;
use crate::broker::redis::transport::keys::Keys;

/// How long a room is heard after its last member left: most come back soon or not at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// By their channels.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<HashMap<Arc<str>, Arc<Following>>>);

impl Rooms {
    /// The room, which is heard from now on, if it was not.
    pub(crate) fn take_up(&self, room: &RoomName, keys: &Keys) -> Arc<Following> {
        let channel: Arc<str> = keys.channel(room).into();
        let mut rooms = self.0.lock();
        if let Some(known) = rooms.get(&channel) {
            known.state.lock().released = None;
            return known.clone();
        }
        let following = Arc::new(Following::new(room.clone(), channel.clone()));
        rooms.insert(channel, following.clone());
        following
    }

    /// Nobody here is in the room any more.
    pub(crate) fn release(&self, channel: &str) {
        if let Some(following) = self.by_channel(channel) {
            following.state.lock().released = Some(Instant::now());
        }
    }

    /// Takes out those that nobody has been in for a while.
    pub(crate) fn forget_released(&self, mut forget: impl FnMut(&Arc<Following>)) {
        let now = Instant::now();
        self.0.lock().retain(|_, following| {
            let released = following.state.lock().released;
            let over = released.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE);
            if over {
                // With the lock held: who takes it up again asks to hear it after we said that we do not.
                forget(following);
            }
            !over
        });
    }

    /// The room of a channel.
    pub(crate) fn by_channel(&self, channel: &str) -> Option<Arc<Following>> {
        self.0.lock().get(channel).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Following>> {
        self.0.lock().values().cloned().collect()
    }

    /// The channels of all of them.
    pub(crate) fn channels(&self) -> Vec<Arc<str>> {
        self.0.lock().keys().cloned().collect()
    }
}
