//! Retention: a sweep drops old entries and empty rooms once a minute.
//!
//! One instance at a time sweeps: the first that takes the turn. Trimming by number is part of `append.lua`.
//!
//! Dropped entries are gone, so an instance first compares its limits with those of the last sweep. If they are others and
//! would drop more than half of all messages, nothing is dropped, by age or by number, without a confirmation. Ages are
//! measured with the clock of Redis, which is judged as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ::redis::{Pipeline, Value};
use realtime_shared::{RoomName, Timestamp};
use tokio::time::sleep;

use super::redis_clock::RedisClock;
use super::room_changes::RoomChanges;
use super::room_index::RoomIndex;
use super::room_state::{RoomState, states_of};
use crate::broker::Unavailable;
use crate::broker::redis::transport::{Transport, keys, reply, scripts};
use crate::clock::Judged;
use crate::config::Retain;

/// Default number of entries that a room keeps. It is low because Redis keeps them in memory.
const RETAIN_MESSAGES: u64 = 10_000;
/// Number of entries that a room keeps until the limits are settled. Redis counts in signed numbers.
pub(crate) const UNLIMITED: u64 = i64::MAX.unsigned_abs();
/// Interval of sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// Time until the limits are compared again after Redis did not answer.
const SETTLE_INTERVAL: Duration = Duration::from_secs(5);
/// Length of an instance's turn, in milliseconds.
const TURN_MILLIS: u64 = 50_000;
/// Rooms of one request.
const ROOMS: usize = 200;
/// Pause between two requests, so that Redis can serve others.
const PAUSE: Duration = Duration::from_millis(50);

/// The number of entries that a room keeps.
pub(crate) fn entries_kept(retain: &Retain) -> u64 {
    retain.messages.unwrap_or(RETAIN_MESSAGES).min(UNLIMITED)
}

/// Drops entries past retention, and empty rooms.
pub(crate) struct Retention {
    transport: Arc<Transport>,
    index: Arc<RoomIndex>,
    changes: Arc<RoomChanges>,
    pub(crate) clock: Arc<RedisClock>,
    retain: Retain,
    /// Number of entries that a room keeps.
    kept: Arc<AtomicU64>,
    /// True once the limits may be applied.
    applies: AtomicBool,
}

/// Facts about the last sweep of any instance.
struct LastSweep {
    at: Option<Timestamp>,
    limits: Option<String>,
    kept: Option<u64>,
}

impl Retention {
    pub(crate) fn new(
        transport: Arc<Transport>,
        index: Arc<RoomIndex>,
        changes: Arc<RoomChanges>,
        clock: Arc<RedisClock>,
        retain: Retain,
        kept: Arc<AtomicU64>,
    ) -> Self {
        Self { transport, index, changes, clock, retain, kept, applies: AtomicBool::new(false) }
    }

    /// Settles the limits, and then sweeps for as long as the engine runs.
    pub(crate) async fn run(&self) {
        while self.settle().await.is_err() {
            sleep(SETTLE_INTERVAL).await;
        }
        loop {
            sleep(SWEEP_INTERVAL).await;
            // The next sweep repeats a failed one.
            let _ = self.sweep().await;
        }
    }

    /// Reads the clock of Redis.
    pub(crate) async fn read_clock(&self) -> Result<Judged, Unavailable> {
        let mut asking = Pipeline::new();
        asking.cmd("TIME");
        let answers = self.transport.ask(&asking).await?;
        let [seconds, micros] = answers.first().map(reply::items).unwrap_or_default() else {
            return Err(Unavailable);
        };
        let parts = reply::parse::<u64>(seconds).zip(reply::parse::<u64>(micros));
        let (seconds, micros) = parts.ok_or(Unavailable)?;
        let millis = seconds.saturating_mul(1_000).saturating_add(micros / 1_000);
        Ok(self.clock.observe(Timestamp::from_millis(millis)))
    }

    /// Compares the clock and the limits with those of the last sweep, and applies the limits if they may be.
    pub(crate) async fn settle(&self) -> Result<(), Unavailable> {
        let now = self.read_clock().await?;
        let last = self.last_sweep().await?;
        if let Some(at) = last.at {
            self.clock.compare_with_stored(now.now, at);
        }
        let is_unchanged = last.limits.is_some_and(|limits| limits == self.retain.limits());
        if !is_unchanged && !self.retain.confirmed {
            let (total, dropped) = self.measure(now.now).await?;
            if dropped > total - dropped {
                // Without any limit, a server that waits for its operator would fill Redis.
                self.kept.store(last.kept.unwrap_or(0).max(entries_kept(&self.retain)), Ordering::Relaxed);
                tracing::warn!(
                    messages = dropped,
                    of = total,
                    "retention has other limits than before and would drop more than half of all messages: nothing is dropped. To \
                     confirm, start all instances with --retain-confirm; or correct --retain and --retain-messages"
                );
                return Ok(());
            }
        }
        self.kept.store(entries_kept(&self.retain), Ordering::Relaxed);
        self.applies.store(true, Ordering::Relaxed);
        if is_unchanged { Ok(()) } else { self.store_sweep(last.at.unwrap_or(now.now)).await }
    }

    async fn last_sweep(&self) -> Result<LastSweep, Unavailable> {
        let mut reading = Pipeline::new();
        reading.cmd("HMGET").arg(self.transport.keys.swept()).arg("at").arg("retain").arg("messages");
        let answers = self.transport.ask(&reading).await?;
        let [at, limits, kept] = answers.first().map(reply::items).unwrap_or_default() else {
            return Err(Unavailable);
        };
        Ok(LastSweep {
            at: reply::parse(at).map(Timestamp::from_millis),
            limits: reply::text(limits).map(str::to_owned),
            kept: reply::parse(kept),
        })
    }

    async fn store_sweep(&self, at: Timestamp) -> Result<(), Unavailable> {
        let mut storing = Pipeline::new();
        storing.cmd("HSET").arg(self.transport.keys.swept()).arg("at").arg(at.millis());
        storing.arg("retain").arg(self.retain.limits()).arg("messages").arg(entries_kept(&self.retain));
        let answers = self.transport.ask(&storing).await?;
        if answers.iter().any(reply::is_refusal) { Err(Unavailable) } else { Ok(()) }
    }

    /// Counts the messages of all rooms, and those beyond the limits.
    async fn measure(&self, now: Timestamp) -> Result<(u64, u64), Unavailable> {
        let (mut total, mut dropped) = (0_u64, 0_u64);
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let (rooms, next) = self.index.scan(&from, ROOMS).await?;
            let mut measures = Pipeline::with_capacity(rooms.len());
            for room in &rooms {
                let mut measure = scripts::MEASURE.on(&[keys::log(&self.transport.keys.channel(room))]);
                measure.arg(self.oldest(now)).arg(entries_kept(&self.retain));
                measures.add_command(measure);
            }
            let answers =
                if rooms.is_empty() { Vec::new() } else { self.transport.ask_each(&measures).await? };
            for answer in &answers {
                // A room that cannot be read is not dropped either.
                if let [entries, past] = reply::items(answer) {
                    total = total.saturating_add(reply::parse(entries).unwrap_or(0));
                    dropped = dropped.saturating_add(reply::parse(past).unwrap_or(0));
                }
            }
            cursor = next;
            sleep(PAUSE).await;
        }
        Ok((total, dropped.min(total)))
    }

    /// Time before which entries go, in milliseconds; 0 without a limit.
    fn oldest(&self, now: Timestamp) -> u64 {
        let age = self.retain.age.map_or(u128::MAX, |age| age.as_millis());
        now.millis().saturating_sub(u64::try_from(age).unwrap_or(u64::MAX))
    }

    /// Drops old entries, and removes empty rooms from the index.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        let transport = &self.transport;
        // Each instance judges the clock, also one that has not the turn.
        let now = self.read_clock().await?;
        let mut taking = Pipeline::new();
        let name = transport.instance.get();
        taking.cmd("SET").arg(transport.keys.sweep()).arg(&*name).arg("NX").arg("PX").arg(TURN_MILLIS);
        // A key without an end would stop all sweeps.
        taking.cmd("EXPIRE").arg(transport.keys.sweep()).arg(TURN_MILLIS / 1_000).arg("NX");
        if matches!(transport.ask(&taking).await?.first(), None | Some(Value::Nil)) {
            return Ok(());
        }
        let drops = now.drops && self.applies.load(Ordering::Relaxed);
        let (mut messages, mut swept) = (0_u64, 0_u64);
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let (rooms, next) = self.index.scan(&from, ROOMS).await?;
            self.forget_empty(rooms.clone()).await?;
            if drops && self.retain.age.is_some() {
                let dropped = self.drop_old(rooms, now.now).await?;
                (messages, swept) = (messages + dropped.0, swept + dropped.1);
            }
            cursor = next;
            sleep(PAUSE).await;
        }
        if messages > 0 {
            tracing::info!(messages, rooms = swept, "retention dropped messages");
        }
        if drops { self.store_sweep(now.now).await } else { Ok(()) }
    }

    /// Drops the old entries of some rooms. Returns the numbers of entries, and of rooms that had them.
    async fn drop_old(&self, mut rooms: Vec<RoomName>, now: Timestamp) -> Result<(u64, u64), Unavailable> {
        let (mut messages, mut swept) = (0, 0);
        let mut is_first = true;
        while !rooms.is_empty() {
            let mut sweeps = Pipeline::with_capacity(rooms.len());
            for room in &rooms {
                let mut sweep = scripts::SWEEP.on(&[keys::log(&self.transport.keys.channel(room))]);
                sweep.arg(self.oldest(now)).arg(now.millis());
                sweeps.add_command(sweep);
            }
            let answers = self.transport.ask_each(&sweeps).await?;
            let mut more = Vec::with_capacity(answers.len());
            for answer in &answers {
                let [dropped, has_more] = reply::items(answer) else {
                    more.push(false);
                    continue;
                };
                let dropped = reply::parse::<u64>(dropped).unwrap_or(0);
                messages += dropped;
                swept += u64::from(is_first && dropped > 0);
                more.push(reply::parse::<u64>(has_more) == Some(1));
            }
            is_first = false;
            let mut more = more.into_iter();
            rooms.retain(|_| more.next().unwrap_or(false));
        }
        Ok((messages, swept))
    }

    /// Corrects the set of rooms with an entry, which limits their number.
    async fn count_founded(&self, founded: &[RoomName], empty: &[RoomName]) -> Result<(), Unavailable> {
        let key = self.transport.keys.founded_rooms();
        let mut changes = Pipeline::new();
        for (command, rooms) in [("SADD", founded), ("SREM", empty)] {
            if !rooms.is_empty() {
                changes.cmd(command).arg(&key);
                for room in rooms {
                    changes.arg(room.as_str());
                }
            }
        }
        if changes.is_empty() { Ok(()) } else { self.transport.ask(&changes).await.map(|_| ()) }
    }

    /// Removes rooms without entries and members from the index.
    async fn forget_empty(&self, rooms: Vec<RoomName>) -> Result<(), Unavailable> {
        let states = states_of(&self.transport, rooms).await?;
        let named = |matches: fn(&RoomState) -> bool| -> Vec<RoomName> {
            let rooms = states.iter().filter(|(_, state)| matches(state));
            rooms.map(|(room, _)| room.clone()).collect()
        };
        let (founded, empty) = (named(|state| state.last_ts.is_some()), named(RoomState::is_empty));
        self.index.remove(&empty).await?;
        self.count_founded(&founded, &empty).await?;
        if !empty.is_empty() {
            let mut forgetting = Pipeline::with_capacity(empty.len());
            for room in &empty {
                let channel = self.transport.keys.channel(room);
                let keys = [keys::log(&channel), keys::meta(&channel), keys::instances(&channel)];
                forgetting.add_command(scripts::FORGET.on(&keys));
            }
            self.transport.ask(&forgetting).await?;
            self.changes.mark(empty.iter().cloned());
        }
        // A user may have joined between the read and the removal.
        let states = states_of(&self.transport, empty).await?;
        let back: Vec<RoomName> =
            states.into_iter().filter(|(_, state)| !state.is_empty()).map(|(room, _)| room).collect();
        self.index.add(&back).await
    }
}
