//! Retention by age: a sweep drops old entries and empty rooms once a minute.
//!
//! One instance at a time sweeps: the first that takes the turn. Trimming by number is part of `append.lua`.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use realtime_shared::RoomName;
use tokio::time::sleep;

use super::room_index::RoomIndex;
use super::room_state::states_of;
use crate::broker::Unavailable;
use crate::broker::redis::transport::{Transport, keys, reply, scripts};
use crate::clock::Clock;
use crate::config::Retain;

/// Default number of entries that a room keeps. It is low because Redis keeps them in memory.
const RETAIN_MESSAGES: u64 = 10_000;
/// Interval of sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// Length of an instance's turn, in milliseconds.
const TURN_MILLIS: u64 = 50_000;
/// Rooms of one request.
const ROOMS: usize = 200;
/// Pause between two requests, so that Redis can serve others.
const PAUSE: Duration = Duration::from_millis(50);

/// The number of entries that a room keeps.
pub(crate) fn entries_kept(retain: &Retain) -> u64 {
    // Redis counts in signed numbers.
    retain.messages.unwrap_or(RETAIN_MESSAGES).min(i64::MAX.unsigned_abs())
}

/// Drops entries past retention, and empty rooms.
pub(crate) struct Retention {
    pub(crate) transport: Arc<Transport>,
    pub(crate) index: Arc<RoomIndex>,
    pub(crate) clock: Clock,
    pub(crate) retain: Retain,
}

impl Retention {
    /// Sweeps for as long as the engine runs.
    pub(crate) async fn run(&self) {
        loop {
            sleep(SWEEP_INTERVAL).await;
            // The next sweep repeats a failed one.
            let _ = self.sweep().await;
        }
    }

    /// Drops old entries, and removes empty rooms from the index.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        let transport = &self.transport;
        let mut taking = Pipeline::new();
        let name = transport.instance.get();
        taking.cmd("SET").arg(transport.keys.sweep()).arg(&*name).arg("NX").arg("PX").arg(TURN_MILLIS);
        if matches!(transport.ask(&taking).await?.first(), None | Some(Value::Nil)) {
            return Ok(());
        }
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let (rooms, next) = self.index.scan(&from, ROOMS).await?;
            self.forget_empty(rooms.clone()).await?;
            if let Some(age) = self.retain.age {
                let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                self.drop_old(rooms, self.clock.now().millis().saturating_sub(age)).await?;
            }
            cursor = next;
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn drop_old(&self, mut rooms: Vec<RoomName>, before: u64) -> Result<(), Unavailable> {
        while !rooms.is_empty() {
            let mut sweeps = Pipeline::with_capacity(rooms.len());
            for room in &rooms {
                let mut sweep = scripts::SWEEP.on(&[keys::log(&self.transport.keys.channel(room))]);
                sweep.arg(before);
                sweeps.add_command(sweep);
            }
            let answers = self.transport.ask(&sweeps).await?;
            let mut more = answers.iter().map(|answer| reply::parse(answer) == Some(1_u64));
            rooms.retain(|_| more.next().unwrap_or(false));
        }
        Ok(())
    }

    /// Removes rooms without entries and members from the index.
    async fn forget_empty(&self, rooms: Vec<RoomName>) -> Result<(), Unavailable> {
        let states = states_of(&self.transport, rooms).await?;
        let empty: Vec<RoomName> =
            states.into_iter().filter(|(_, state)| state.is_empty()).map(|(room, _)| room).collect();
        self.index.remove(&empty).await?;
        if !empty.is_empty() {
            let mut forgetting = Pipeline::with_capacity(empty.len());
            for room in &empty {
                let channel = self.transport.keys.channel(room);
                let keys = [keys::log(&channel), keys::meta(&channel), keys::instances(&channel)];
                forgetting.add_command(scripts::FORGET.on(&keys));
            }
            self.transport.ask(&forgetting).await?;
        }
        // A user may have joined between the read and the removal.
        let states = states_of(&self.transport, empty).await?;
        let back: Vec<RoomName> =
            states.into_iter().filter(|(_, state)| !state.is_empty()).map(|(room, _)| room).collect();
        self.index.add(&back).await
    }
}
