//! Entries that are older than they are to be kept, and rooms of which nothing is left, are dropped once a minute.
//!
//! By one instance: whoever takes the turn first. Trimming by number is part of storing.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use realtime_shared::RoomName;
use tokio::time::sleep;

use crate::broker::Unavailable;
use crate::broker::redis::Shared;
use crate::broker::redis::transport::{keys, reply, scripts};

/// How often old entries are dropped.
const SWEEP: Duration = Duration::from_mins(1);
/// For how long nobody else does, in milliseconds.
const TURN: u64 = 50_000;
/// Rooms that are looked at at once.
const ROOMS: usize = 200;
/// Between them: Redis has others to serve.
const PACE: Duration = Duration::from_millis(50);

impl Shared {
    /// Drops what is too old, and takes what is empty out of the list.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        let mut taking = Pipeline::new();
        taking.cmd("SET").arg(self.keys.sweep()).arg(&*self.instance()).arg("NX").arg("PX").arg(TURN);
        if matches!(self.asks.ask(&taking).await?.first(), None | Some(Value::Nil)) {
            return Ok(());
        }
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let (rooms, next) = self.listed_rooms(&from, ROOMS).await?;
            self.forget_empty(rooms.clone()).await?;
            if let Some(age) = self.retain.age {
                let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                self.drop_old(rooms, self.clock.now().millis().saturating_sub(age)).await?;
            }
            cursor = next;
            sleep(PACE).await;
        }
        Ok(())
    }

    async fn drop_old(&self, mut rooms: Vec<RoomName>, before: u64) -> Result<(), Unavailable> {
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
    async fn forget_empty(&self, rooms: Vec<RoomName>) -> Result<(), Unavailable> {
        let looked = self.look_at(rooms).await?;
        let empty: Vec<RoomName> =
            looked.into_iter().filter(|(_, seen)| seen.is_empty()).map(|(room, _)| room).collect();
        self.change_list("SREM", &empty).await?;
        if !empty.is_empty() {
            let mut asking = Pipeline::with_capacity(empty.len());
            for room in &empty {
                let channel = self.keys.channel(room);
                let keys = [keys::log(&channel), keys::meta(&channel), keys::instances(&channel)];
                asking.add_command(scripts::FORGET.on(&keys));
            }
            self.asks.ask(&asking).await?;
        }
        // Who came since we looked may have listed a room before we took it out.
        let looked = self.look_at(empty).await?;
        let back: Vec<RoomName> =
            looked.into_iter().filter(|(_, seen)| !seen.is_empty()).map(|(room, _)| room).collect();
        self.change_list("SADD", &back).await
    }

    async fn change_list(&self, what: &str, rooms: &[RoomName]) -> Result<(), Unavailable> {
        if rooms.is_empty() {
            return Ok(());
        }
        let mut asking = Pipeline::new();
        asking.cmd(what).arg(self.keys.rooms());
        for room in rooms {
            asking.arg(room.as_str());
        }
        self.asks.ask(&asking).await.map(|_| ())
    }
}

/// Runs for as long as the broker.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        sleep(SWEEP).await;
        // What fails now is done in a minute.
        let _ = shared.sweep().await;
    }
}
