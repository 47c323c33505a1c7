//! Which rooms there are: a list in Redis, and a look at each of them.
//!
//! To look at all rooms costs Redis what 50,000 of them are, half a second. So one at a time does it for everybody on
//! this instance who asks meanwhile, and what was seen of many is good for a while. Where Redis is away nobody waits for
//! the turns of all who came before.

use std::collections::HashMap;
use std::time::Duration;

use ::redis::Pipeline;
use realtime_shared::{RoomName, RoomSummary, Seq};
use tokio::time::{Instant, timeout};

use crate::broker::redis::Shared;
use crate::broker::redis::log::repair::{Seen, seen};
use crate::broker::redis::transport::link::PATIENCE;
use crate::broker::redis::transport::reply;
use crate::broker::{RoomFilter, Unavailable, busiest_first};

/// Rooms that are asked for at once. So few are looked at for each who asks.
const ROOMS: usize = 500;
/// For how long what was seen is good, for each room of more than those: twenty times what a look takes of Redis.
const GOOD_FOR: Duration = Duration::from_micros(220);
/// And at most.
const LONGEST: Duration = Duration::from_secs(30);

/// What was seen when all rooms were looked at.
pub(crate) struct Listed {
    /// When that began.
    begun: Instant,
    /// Until when it is good for those who ask later.
    until: Instant,
    rooms: Vec<RoomSummary>,
}

impl Shared {
    /// See [`Broker::list`](crate::broker::Broker::list).
    pub(crate) async fn list(
        &self,
        filter: RoomFilter,
        limit: usize,
    ) -> Result<(Vec<RoomSummary>, bool), Unavailable> {
        let asked = Instant::now();
        let mut last = timeout(PATIENCE, self.last_list.lock()).await.map_err(|_| Unavailable)?;
        let listed = match &mut *last {
            // Somebody has looked while this waited for its turn, or not long before.
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
            let (rooms, next) = self.listed_rooms(&from, ROOMS).await?;
            looks += rooms.len();
            for (room, seen) in self.look_at(rooms).await? {
                if !seen.is_empty() {
                    let summary = RoomSummary {
                        room: room.clone(),
                        member_count: seen.count,
                        position: seen.look.head,
                        last_ts: seen.last_ts,
                    };
                    // A scan may name one twice.
                    all.insert(room, summary);
                }
            }
            cursor = next;
        }
        let looks = u32::try_from(looks.saturating_sub(ROOMS)).unwrap_or(u32::MAX);
        let until = Instant::now() + GOOD_FOR.saturating_mul(looks).min(LONGEST);
        Ok(Listed { begun, until, rooms: all.into_values().collect() })
    }

    /// About `count` of the list of all rooms, and where to go on, if there may be more.
    pub(crate) async fn listed_rooms(
        &self,
        from: &str,
        count: usize,
    ) -> Result<(Vec<RoomName>, Option<String>), Unavailable> {
        let mut asking = Pipeline::new();
        asking.cmd("SSCAN").arg(self.keys.rooms()).arg(from).arg("COUNT").arg(count);
        let answers = self.asks.ask(&asking).await?;
        let [next, names] = answers.first().map(reply::items).unwrap_or_default() else {
            return Err(Unavailable);
        };
        let names = reply::items(names).iter();
        let rooms = names.filter_map(|name| RoomName::new(reply::text(name)?).ok()).collect();
        let next = reply::text(next).ok_or(Unavailable)?;
        Ok((rooms, (next != "0").then(|| next.to_owned())))
    }

    /// How rooms stand that nobody here need be in.
    pub(crate) async fn look_at(&self, rooms: Vec<RoomName>) -> Result<Vec<(RoomName, Seen)>, Unavailable> {
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let mut asking = Pipeline::with_capacity(rooms.len());
        for room in &rooms {
            asking.add_command(self.look(&self.keys.channel(room), Seq::ZERO, 0));
        }
        let answers = self.asks.ask(&asking).await?;
        Ok(rooms.into_iter().zip(&answers).filter_map(|(room, answer)| Some((room, seen(answer)?))).collect())
    }
}
