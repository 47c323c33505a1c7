//! Entries that are older than they are to be kept, and rooms of which nothing is left, are dropped once a minute.
//!
//! By one instance: whoever takes the turn first. Trimming by number is part of storing.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use realtime_shared::{RoomName, Seq};
use tokio::time::sleep;

use super::repair::seen;
use super::{Shared, keys, reply, scripts};
use crate::broker::Unavailable;

/// How often old entries are dropped.
const SWEEP: Duration = Duration::from_mins(1);
/// For how long nobody else does, in milliseconds.
const TURN: u64 = 50_000;
/// Rooms that are looked at at once.
const ROOMS: usize = 200;
/// Between them: Redis has others to serve.
const PACE: Duration = Duration::from_millis(50);

impl Shared {
    /// Drops what is too old.
    pub(super) async fn sweep(&self) -> Result<(), Unavailable> {
        let Some(age) = self.retain.age else { return Ok(()) };
        let mut taking = Pipeline::new();
        taking.cmd("SET").arg(self.keys.sweep()).arg(&*self.instance()).arg("NX").arg("PX").arg(TURN);
        if matches!(self.asks.ask(&taking).await?.first(), None | Some(Value::Nil)) {
            return Ok(());
        }
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let before = self.clock.now().millis().saturating_sub(age);
        let mut cursor = "0".to_owned();
        loop {
            let mut asking = Pipeline::new();
            asking.cmd("SSCAN").arg(self.keys.rooms()).arg(&cursor).arg("COUNT").arg(ROOMS);
            let answers = self.asks.ask(&asking).await?;
            let [next, names] = answers.first().map(reply::items).unwrap_or_default() else {
                return Err(Unavailable);
            };
            let rooms: Vec<RoomName> = reply::items(names)
                .iter()
                .filter_map(|name| RoomName::new(reply::text(name)?).ok())
                .collect();
            self.sweep_rooms(rooms, before).await?;
            cursor = reply::text(next).ok_or(Unavailable)?.to_owned();
            if cursor == "0" {
                return Ok(());
            }
            sleep(PACE).await;
        }
    }

    async fn sweep_rooms(&self, mut rooms: Vec<RoomName>, before: u64) -> Result<(), Unavailable> {
        self.forget_empty(&rooms).await?;
        while !rooms.is_empty() {
            let mut asking = Pipeline::with_capacity(rooms.len());
            for room in &rooms {
                let mut sweep = scripts::SWEEP.on(&[keys::log(&self.keys.channel(room))]);
                sweep.arg(before);
                asking.add_command(sweep);
            }
            let answers = self.asks.ask(&asking).await?;
            let mut more = answers.iter().map(|answer| reply::parse(answer) == Some(1_u64));
            rooms.retain(|_| more.next().unwrap_or(false));
        }
        Ok(())
    }

    /// Takes rooms out of the list that have no entry and no member.
    async fn forget_empty(&self, rooms: &[RoomName]) -> Result<(), Unavailable> {
        if rooms.is_empty() {
            return Ok(());
        }
        let mut asking = Pipeline::with_capacity(rooms.len());
        for room in rooms {
            asking.add_command(self.look(&self.keys.channel(room), Seq::ZERO, 0));
        }
        let answers = self.asks.ask(&asking).await?;
        let mut forgetting = Pipeline::new();
        for (room, answer) in rooms.iter().zip(&answers) {
            if seen(answer).is_some_and(|seen| seen.count == 0 && seen.last_ts.is_none()) {
                forgetting.cmd("SREM").arg(self.keys.rooms()).arg(room.as_str());
            }
        }
        if forgetting.is_empty() { Ok(()) } else { self.asks.ask(&forgetting).await.map(|_| ()) }
    }
}

/// Runs for as long as the broker.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        sleep(SWEEP).await;
        // What fails now is done in a minute.
        let _ = shared.sweep().await;
    }
}
