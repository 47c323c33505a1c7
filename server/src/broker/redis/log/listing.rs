//! The list of all rooms, with the state of each.
//!
//! Reading 50,000 rooms takes Redis half a second. So one task at a time reads for all callers that wait meanwhile, and
//! the result of a large read is used again for a while. While Redis is away, all callers wait together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use realtime_shared::RoomSummary;
use tokio::time::{Instant, timeout};

use super::room_index::RoomIndex;
use super::room_state::states_of;
use crate::broker::redis::transport::Transport;
use crate::broker::redis::transport::link::REQUEST_TIMEOUT;
use crate::broker::{RoomFilter, Unavailable, busiest_first};

/// Rooms of one request. A list with no more rooms is read for each caller.
const ROOMS: usize = 500;
/// Time for which a result is used again, for each room beyond [`ROOMS`]: twenty times the cost of a read.
const FRESH_PER_ROOM: Duration = Duration::from_micros(220);
/// Longest time for which a result is used again.
const FRESH: Duration = Duration::from_secs(30);

/// The result of a read of all rooms.
struct Listed {
    begun: Instant,
    /// Time until which callers that come later use it.
    until: Instant,
    rooms: Vec<RoomSummary>,
}

/// Lists rooms.
pub(crate) struct Listing {
    transport: Arc<Transport>,
    index: Arc<RoomIndex>,
    last: tokio::sync::Mutex<Option<Listed>>,
}

impl Listing {
    pub(crate) fn new(transport: Arc<Transport>, index: Arc<RoomIndex>) -> Self {
        Self { transport, index, last: tokio::sync::Mutex::default() }
    }

    /// See [`Broker::list`](crate::broker::Broker::list).
    pub(crate) async fn list(
        &self,
        filter: RoomFilter,
        limit: usize,
    ) -> Result<(Vec<RoomSummary>, bool), Unavailable> {
        let asked = Instant::now();
        let mut last = timeout(REQUEST_TIMEOUT, self.last.lock()).await.map_err(|_| Unavailable)?;
        let listed = match &mut *last {
            // The result was read while this caller waited, or shortly before.
            Some(listed) if listed.begun >= asked || listed.until > asked => listed,
            last => last.insert(self.look_at_all().await?),
        };
        let rooms = listed.rooms.iter().filter(|summary| filter(&summary.room)).cloned().collect();
        Ok(busiest_first(rooms, limit))
    }

    async fn look_at_all(&self) -> Result<Listed, Unavailable> {
        let begun = Instant::now();
        let (mut cursor, mut all, mut looks) = (Some("0".to_owned()), HashMap::new(), 0_usize);
        while let Some(from) = cursor {
            let (rooms, next) = self.index.scan(&from, ROOMS).await?;
            looks = looks.saturating_add(rooms.len());
            for (room, state) in states_of(&self.transport, rooms).await? {
                if !state.is_empty() {
                    let summary = RoomSummary {
                        room: room.clone(),
                        member_count: state.count,
                        position: state.log.head,
                        last_ts: state.last_ts,
                    };
                    // A scan may return a room twice.
                    all.insert(room, summary);
                }
            }
            cursor = next;
        }
        let looks = u32::try_from(looks.saturating_sub(ROOMS)).unwrap_or(u32::MAX);
        let until = Instant::now() + FRESH_PER_ROOM.saturating_mul(looks).min(FRESH);
        Ok(Listed { begun, until, rooms: all.into_values().collect() })
    }
}
