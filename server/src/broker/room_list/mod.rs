//! The list of all rooms, in the order of its answers, in memory: members, then the newest entry, then the name.
//!
//! An engine keeps it up to date, and all requests share it. The cost of an answer without a filter is its size. Filtered
//! requests [`search`] on a thread of the list.
//!
//! The lock is held for a bounded number of rooms at a time, and no other lock is taken under it. Changes are collected
//! and applied many at a time: a busy room changes often between two requests.

mod list_state;
mod name_index;
mod ranking;
mod search;

use std::ops::Bound;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use realtime_shared::{Position, RoomName, RoomSummary, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use self::list_state::{COLLECTED, ListState};
use self::ranking::{RoomChange, RoomPage};
use self::search::search;
use super::{Pending, RoomFilter, Unavailable, ready_with};

/// Time for which a request waits for a list that is being loaded. After it, the answer has what is loaded, as a part.
const LOAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Rooms that are replaced while the lock is held.
const REPLACED: usize = 32;

/// Limit on waiting searches. Beyond it they are unavailable. A connection has one at a time.
const MAX_SEARCHES: usize = 10_000;

/// The list of rooms. Clones share it.
#[derive(Clone)]
pub(super) struct RoomList(Arc<Shared>);

struct Shared {
    state: Arc<Mutex<ListState>>,
    loaded: watch::Sender<bool>,
    /// Searches for the thread of the list, which starts with the first one.
    searches: Mutex<Option<mpsc::SyncSender<Search>>>,
}

type Search = Box<dyn FnOnce(&Mutex<ListState>) + Send>;

impl Default for RoomList {
    fn default() -> Self {
        let shared =
            Shared { state: Arc::default(), loaded: watch::Sender::new(true), searches: Mutex::default() };
        Self(Arc::new(shared))
    }
}

impl RoomList {
    /// A list whose stored rooms are still to be added.
    pub(super) fn loading() -> Self {
        let list = Self::default();
        list.0.loaded.send_replace(false);
        list
    }

    /// Takes over the heads of rooms after new entries.
    pub(super) fn set_heads<'a>(&self, heads: impl Iterator<Item = (&'a RoomName, Position, Timestamp)>) {
        let mut state = self.0.state.lock();
        for (room, position, ts) in heads {
            state.change(room, |change| change.head = Some((position, Some(ts))));
        }
    }

    /// Takes over the number of members of a room.
    pub(super) fn set_member_count(&self, room: &RoomName, count: u64) {
        self.0.state.lock().change(room, |change| change.member_count = Some(count));
    }

    /// Removes the log of a room. The room stays while it has members.
    pub(super) fn remove_log(&self, room: &RoomName) {
        self.0.state.lock().change(room, |change| change.head = Some((Position::Start, None)));
    }

    /// Takes over the state of rooms. One without members and entries is removed.
    pub(super) fn replace(&self, rooms: &[RoomSummary]) {
        for rooms in rooms.chunks(REPLACED) {
            let mut state = self.0.state.lock();
            for RoomSummary { room, member_count, position, last_ts, user_id: _ } in rooms {
                let head = Some((position.clone(), *last_ts));
                state.replace(room, RoomChange { member_count: Some(*member_count), head });
            }
        }
    }

    /// At most `count` listed rooms after this one, in the order of their names.
    pub(super) fn names_after(&self, after: Option<&RoomName>, count: usize) -> Vec<RoomName> {
        let mut state = self.0.state.lock();
        state.apply();
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_str()));
        let mut names = Vec::with_capacity(count);
        state.ranking.visit_named((start, Bound::Unbounded), count, |room, _| names.push(room.clone()));
        names
    }

    /// Adds stored rooms while the list is being loaded. Newer entries that the list has already stay.
    pub(super) fn add_stored(&self, rooms: &[RoomSummary]) {
        for rooms in rooms.chunks(COLLECTED) {
            let mut state = self.0.state.lock();
            state.apply();
            for RoomSummary { room, position, last_ts, .. } in rooms {
                if !room.is_reserved() && !state.ranking.has_log(room) {
                    let head = Some((position.clone(), *last_ts));
                    state.ranking.change(room.clone(), RoomChange { member_count: None, head });
                }
            }
        }
    }

    /// True once all stored rooms are added.
    pub(super) fn is_loaded(&self) -> bool {
        *self.0.loaded.borrow()
    }

    /// All stored rooms are added.
    pub(super) fn finish_loading(&self) {
        self.0.loaded.send_replace(true);
    }

    /// See [`Broker::list`](super::Broker::list).
    pub(super) fn list(&self, filter: RoomFilter, limit: usize) -> Pending<RoomPage> {
        if self.is_loaded() {
            return self.list_now(filter, limit);
        }
        let list = self.clone();
        Box::pin(async move {
            let mut loaded = list.0.loaded.subscribe();
            let is_loaded = timeout(LOAD_TIMEOUT, loaded.wait_for(|loaded| *loaded)).await.is_ok();
            let (rooms, has_more) = list.list_now(filter, limit).await?;
            Ok((rooms, has_more || !is_loaded))
        })
    }

    fn list_now(&self, filter: RoomFilter, limit: usize) -> Pending<RoomPage> {
        if filter.is_everything() {
            let mut state = self.0.state.lock();
            state.apply();
            return ready_with(state.ranking.first(limit));
        }
        let (answer, answered) = oneshot::channel();
        let started = self.start_search(Box::new(move |state| {
            // The caller may have gone.
            if !answer.is_closed() {
                let _ = answer.send(search(state, &filter, limit));
            }
        }));
        Box::pin(async move {
            started?;
            answered.await.map_err(|_| Unavailable)
        })
    }

    fn start_search(&self, search: Search) -> Result<(), Unavailable> {
        let mut searches = self.0.searches.lock();
        let sender = match &*searches {
            Some(sender) => sender,
            none => {
                debug_assert!(none.is_none());
                let (sender, receiver) = mpsc::sync_channel::<Search>(MAX_SEARCHES);
                let state = self.0.state.clone();
                // The thread ends with the list, which has the sender.
                let run = move || receiver.iter().for_each(|search| search(&state));
                thread::Builder::new().name("room-list".to_owned()).spawn(run).map_err(|error| {
                    tracing::error!(%error, "cannot start a thread");
                    Unavailable
                })?;
                searches.insert(sender)
            }
        };
        sender.try_send(search).map_err(|_| Unavailable)
    }
}

#[cfg(test)]
mod tests;
