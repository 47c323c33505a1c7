//! Lists of rooms.
//!
//! A list of few rooms is read from Redis for the callers that wait together, with a rest between two reads. Many rooms are
//! in the list of this instance, which [`room_changes`](super::room_changes) keeps up to date. A scan loads it at the start, and compares it
//! with Redis from time to time, and after Redis has lost data.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use realtime_shared::{RoomName, RoomSummary};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::room_index::RoomIndex;
use super::room_state::states_of;
use crate::broker::redis::transport::Transport;
use crate::broker::redis::transport::link::REQUEST_TIMEOUT;
use crate::broker::room_list::RoomList;
use crate::broker::{RoomFilter, Unavailable};

/// Most rooms that are read for a request.
const FEW: usize = 500;
/// Rest after a read of few rooms, in durations of the read: all lists together take at most a fifth of the time of Redis.
const REST: u32 = 4;
/// Longest such rest, which a slow answer of Redis would prolong.
const LONGEST_REST: Duration = Duration::from_millis(100);
/// Rooms of one request of the first scan, which is to end soon.
const FIRST_ROOMS: usize = 200;
/// Rooms of one request of a repeated scan. Other requests wait for about a millisecond at most.
const ROOMS: usize = 50;
/// Shortest time for one request of a repeated scan: at most 2,000 rooms a second, which takes 2 % of the time of Redis.
const REQUEST_INTERVAL: Duration = Duration::from_millis(25);
/// Time from the end of a scan to the next.
const SCAN_INTERVAL: Duration = Duration::from_mins(1);
/// Pause after a failed scan.
const PAUSE: Duration = Duration::from_secs(1);

/// The result of a read of all rooms, which are few.
struct Listed {
    begun: Instant,
    ended: Instant,
    rooms: Vec<RoomSummary>,
}

/// Lists rooms.
pub(crate) struct Listing {
    transport: Arc<Transport>,
    index: Arc<RoomIndex>,
    list: RoomList,
    /// Redis has more than [`FEW`] rooms.
    has_many: AtomicBool,
    last: tokio::sync::Mutex<Option<Listed>>,
}

impl Listed {
    /// The earliest time of the next read.
    fn next(&self) -> Instant {
        self.ended + ((self.ended - self.begun) * REST).min(LONGEST_REST)
    }
}

impl Listing {
    pub(crate) fn new(transport: Arc<Transport>, index: Arc<RoomIndex>, list: RoomList) -> Self {
        Self { transport, index, list, has_many: AtomicBool::new(false), last: tokio::sync::Mutex::default() }
    }

    /// See [`Broker::list`](crate::broker::Broker::list).
    pub(crate) async fn list(
        &self,
        filter: RoomFilter,
        limit: usize,
    ) -> Result<(Vec<RoomSummary>, bool), Unavailable> {
        if !self.has_many.load(Ordering::Relaxed)
            && let Some(rooms) = self.read_few(&filter).await?
        {
            return Ok(busiest_first(rooms, limit));
        }
        self.list.list(filter, limit).await
    }

    /// The rooms in Redis that pass the filter; `None` if it has many.
    async fn read_few(&self, filter: &RoomFilter) -> Result<Option<Vec<RoomSummary>>, Unavailable> {
        let asked = Instant::now();
        let mut last = timeout(REQUEST_TIMEOUT, self.last.lock()).await.map_err(|_| Unavailable)?;
        let listed = match &mut *last {
            // The result was read while this caller waited.
            Some(listed) if listed.begun >= asked => listed,
            last => {
                if let Some(listed) = last {
                    sleep_until(listed.next()).await;
                }
                let Some(listed) = self.look_at_few().await? else {
                    self.has_many.store(true, Ordering::Relaxed);
                    *last = None;
                    return Ok(None);
                };
                last.insert(listed)
            }
        };
        Ok(Some(listed.rooms.iter().filter(|summary| filter.passes(&summary.room)).cloned().collect()))
    }

    async fn look_at_few(&self) -> Result<Option<Listed>, Unavailable> {
        let begun = Instant::now();
        // A scan may return a room twice.
        let (mut cursor, mut names) = (Some("0".to_owned()), HashSet::new());
        while let Some(from) = cursor {
            let (rooms, next) = self.index.scan(&from, FEW).await?;
            names.extend(rooms);
            if names.len() > FEW {
                return Ok(None);
            }
            cursor = next;
        }
        let states = states_of(&self.transport, names.into_iter().collect()).await?;
        let states = states.into_iter().filter(|(_, state)| !state.is_empty());
        let ended = Instant::now();
        Ok(Some(Listed { begun, ended, rooms: states.map(|(room, state)| state.summary(room)).collect() }))
    }

    /// Scans all rooms for as long as the engine runs.
    pub(crate) async fn run(&self) {
        let mut is_first = true;
        loop {
            if self.scan(is_first).await.is_err() {
                sleep(PAUSE).await;
                continue;
            }
            is_first = false;
            self.list.finish_loading();
            // After a loss the next scan begins at once.
            let _ = timeout(SCAN_INTERVAL, self.index.forgotten()).await;
        }
    }

    /// Takes over the state of all rooms in Redis, and of those in the list that are not there.
    async fn scan(&self, is_first: bool) -> Result<(), Unavailable> {
        let hasher = RandomState::new();
        let count = if is_first { FIRST_ROOMS } else { ROOMS };
        let mut seen = HashSet::new();
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let begun = Instant::now();
            let (rooms, next) = self.index.scan(&from, count).await?;
            seen.extend(rooms.iter().map(|room| hasher.hash_one(room)));
            self.take(rooms).await?;
            cursor = next;
            if cursor.is_some() {
                // The first scan takes half of the time of Redis.
                sleep(if is_first { begun.elapsed() } else { REQUEST_INTERVAL }).await;
            }
        }
        self.has_many.store(seen.len() > FEW, Ordering::Relaxed);
        let mut after = None;
        loop {
            let names = self.list.names_after(after.as_ref(), ROOMS);
            let Some(last) = names.last() else { return Ok(()) };
            after = Some(last.clone());
            self.take(names.into_iter().filter(|name| !seen.contains(&hasher.hash_one(name))).collect())
                .await?;
        }
    }

    async fn take(&self, rooms: Vec<RoomName>) -> Result<(), Unavailable> {
        let states = states_of(&self.transport, rooms).await?;
        let rooms: Vec<_> = states.into_iter().map(|(room, state)| state.summary(room)).collect();
        self.list.replace(&rooms);
        Ok(())
    }
}

/// The first `limit` rooms in the order of a list, and true if there are more.
fn busiest_first(mut rooms: Vec<RoomSummary>, limit: usize) -> (Vec<RoomSummary>, bool) {
    rooms.sort_by(|a, b| {
        (b.member_count, b.last_ts).cmp(&(a.member_count, a.last_ts)).then_with(|| a.room.cmp(&b.room))
    });
    let has_more = rooms.len() > limit;
    rooms.truncate(limit);
    (rooms, has_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_of_few_rooms_rests_in_proportion_to_its_duration() {
        let begun = Instant::now();
        let rest_after = |millis| {
            let ended = begun + Duration::from_millis(millis);
            (Listed { begun, ended, rooms: Vec::new() }.next() - ended).as_millis()
        };
        assert_eq!([0, 1, 20, 2_000].map(rest_after), [0, 4, 80, 100]);
    }
}
