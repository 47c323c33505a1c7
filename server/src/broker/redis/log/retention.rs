//! Retention: a sweep drops old entries once a minute, and removes rooms that nobody is in and that have no other entries.
//!
//! One instance at a time sweeps: the first that takes the turn. It renews the turn while it sweeps, and stops if another
//! one has it. Trimming by number is part of `append.lua`.
//!
//! Dropped entries are gone, so an instance first compares its limits with those of the last sweep. If they are others and
//! would drop more than half of all messages, nothing is dropped, by age or by number, without a confirmation. Ages are
//! measured with the clock of Redis, which is judged as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ::redis::{Cmd, Pipeline, Value};
use realtime_shared::{RoomName, Timestamp};
use tokio::time::sleep;

use super::redis_clock::RedisClock;
use super::room_changes::RoomChanges;
use super::room_index::RoomIndex;
use crate::broker::redis::transport::keys::Keys;
use crate::broker::redis::transport::{Transport, keys, reply, scripts};
use crate::broker::{ROOM_REMOVAL_AGE, Unavailable};
use crate::clock::Judged;
use crate::config::Retain;

/// Default number of messages that a room keeps. It is low because Redis keeps them in memory.
const RETAIN_MESSAGES: u64 = 10_000;
/// Number of messages that a room keeps until the limits are settled. Redis counts in signed numbers.
pub(crate) const UNLIMITED: u64 = i64::MAX.unsigned_abs();
/// Interval of sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// Time until the limits are compared again after Redis did not answer.
const SETTLE_INTERVAL: Duration = Duration::from_secs(5);
/// Length of an instance's turn, in seconds. Less than the interval, so that it has ended if nobody sweeps.
const TURN_SECONDS: u64 = 50;
/// Rooms of one request. Other requests wait for about a millisecond at most.
const ROOMS: usize = 50;
/// Pause between two requests, so that Redis can serve others.
const PAUSE: Duration = Duration::from_millis(12);
/// Answer of `remove.lua` for a removed room that had a log.
const HAD_LOG: u64 = 2;

/// The number of messages that a room keeps. It keeps at most four times as many entries.
pub(crate) fn messages_kept(retain: &Retain) -> u64 {
    retain.messages.unwrap_or(RETAIN_MESSAGES).min(UNLIMITED)
}

/// Drops entries past retention, and rooms that are not used any more.
pub(crate) struct Retention {
    transport: Arc<Transport>,
    index: Arc<RoomIndex>,
    changes: Arc<RoomChanges>,
    pub(crate) clock: Arc<RedisClock>,
    retain: Retain,
    /// Number of messages that a room keeps.
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
                // The entries of this run are not those that the former limits would have kept.
                self.store_limits(Retain::UNKNOWN_LIMITS).await?;
                // Without any limit, a server that waits for its operator would fill Redis.
                self.kept.store(last.kept.unwrap_or(0).max(messages_kept(&self.retain)), Ordering::Relaxed);
                tracing::warn!(
                    messages = dropped,
                    of = total,
                    "retention has other limits than before and would drop more than half of all messages: nothing is dropped. To \
                     confirm, start all instances with --retain-confirm; or correct --retain and --retain-messages"
                );
                return Ok(());
            }
        }
        self.kept.store(messages_kept(&self.retain), Ordering::Relaxed);
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
        storing.arg("retain").arg(self.retain.limits()).arg("messages").arg(messages_kept(&self.retain));
        let answers = self.transport.ask(&storing).await?;
        if answers.iter().any(reply::is_refusal) { Err(Unavailable) } else { Ok(()) }
    }

    async fn store_limits(&self, limits: &str) -> Result<(), Unavailable> {
        let mut storing = Pipeline::new();
        storing.cmd("HSET").arg(self.transport.keys.swept()).arg("retain").arg(limits);
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
                measure.arg(self.oldest(now)).arg(messages_kept(&self.retain));
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

    /// Time before which the last entry of a room is removed with the room, in milliseconds; 0 if none is. A clock that was
    /// in doubt within the last day may have given that entry a wrong time.
    pub(crate) fn last_before(&self, now: Judged) -> u64 {
        if !now.drops || !now.forgets || self.retain.age.is_none() || !self.applies.load(Ordering::Relaxed) {
            return 0;
        }
        let removal_age = u64::try_from(ROOM_REMOVAL_AGE.as_millis()).unwrap_or(u64::MAX);
        self.oldest(now.now).min(now.now.millis().saturating_sub(removal_age))
    }

    /// Drops old entries, and removes rooms that are not used any more.
    pub(crate) async fn sweep(&self) -> Result<(), Unavailable> {
        let transport = &self.transport;
        // Each instance judges the clock, also one that has not the turn.
        let now = self.read_clock().await?;
        let mut taking = Pipeline::new();
        let name = transport.instance.get();
        taking.cmd("SET").arg(transport.keys.sweep()).arg(&*name).arg("NX").arg("EX").arg(TURN_SECONDS);
        // A key without an end would stop all sweeps.
        taking.cmd("EXPIRE").arg(transport.keys.sweep()).arg(TURN_SECONDS).arg("NX");
        if matches!(transport.ask(&taking).await?.first(), None | Some(Value::Nil)) {
            return Ok(());
        }
        // The next sweep repeats a failed comparison of the sets.
        let _ = self.index.relist().await;
        self.sweep_as(&name, now).await
    }

    /// Drops old entries and removes rooms, while the instance of this name has the turn.
    pub(crate) async fn sweep_as(&self, name: &str, now: Judged) -> Result<(), Unavailable> {
        let drops = now.drops && self.applies.load(Ordering::Relaxed);
        let last_before = self.last_before(now);
        let (mut messages, mut swept, mut removed) = (0_u64, 0_u64, 0_u64);
        let mut cursor = Some("0".to_owned());
        let mut has_turn = true;
        while let Some(from) = cursor {
            has_turn = self.renew_turn(name).await?;
            if !has_turn {
                tracing::info!("another instance sweeps: this one stops");
                break;
            }
            let (rooms, next) = self.index.scan(&from, ROOMS).await?;
            if drops && self.retain.age.is_some() {
                let dropped = self.drop_old(rooms.clone(), now.now).await?;
                (messages, swept) = (messages + dropped.0, swept + dropped.1);
            }
            removed += self.remove_unused(&rooms, last_before).await?;
            cursor = next;
            sleep(PAUSE).await;
        }
        if messages > 0 {
            tracing::info!(messages, rooms = swept, "retention dropped messages");
        }
        if removed > 0 {
            tracing::info!(rooms = removed, "retention removed empty rooms");
        }
        // The other instance stores its sweep.
        if drops && has_turn { self.store_sweep(now.now).await } else { Ok(()) }
    }

    /// Renews the turn of an instance. Returns false if another one has it.
    async fn renew_turn(&self, name: &str) -> Result<bool, Unavailable> {
        let mut renewing = Pipeline::new();
        let mut renew = scripts::RENEW.on(&[self.transport.keys.sweep()]);
        renew.arg(name).arg(TURN_SECONDS);
        renewing.add_command(renew);
        let answers = self.transport.ask(&renewing).await?;
        answers.first().and_then(reply::parse::<u64>).map(|has_turn| has_turn == 1).ok_or(Unavailable)
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

    /// Removes rooms that have neither a member nor an entry within the retention. Returns the number of those with a
    /// log.
    async fn remove_unused(&self, rooms: &[RoomName], last_before: u64) -> Result<u64, Unavailable> {
        if rooms.is_empty() {
            return Ok(0);
        }
        let keys = &self.transport.keys;
        let mut removing = Pipeline::with_capacity(rooms.len());
        for room in rooms {
            let channel = keys.channel(room);
            let remove = removal(keys, room, &channel, last_before);
            removing.add_command(remove);
        }
        // A room with a key of another type stays, which does not concern the others.
        let answers = self.transport.ask_each(&removing).await?;
        let outcomes: Vec<u64> = answers.iter().map(|answer| reply::parse(answer).unwrap_or(0)).collect();
        let removed = rooms.iter().zip(&outcomes).filter(|(_, outcome)| **outcome > 0);
        self.changes.mark(removed.map(|(room, _)| room.clone()));
        Ok(outcomes.iter().filter(|outcome| **outcome == HAD_LOG).count() as u64)
    }
}
/// Call of the script that removes an unused room, and announces that in a channel: the room's own one.
pub(crate) fn removal(keys: &Keys, room: &RoomName, announced_in: &str, last_before: u64) -> Cmd {
    let channel = &keys.channel(room);
    let mut remove = scripts::REMOVE.on(&[
        keys::log(channel),
        keys::meta(channel),
        keys::members(channel),
        keys::instances(channel),
        keys::known(channel, 0),
        keys::known(channel, 1),
    ]);
    remove.arg(announced_in).arg(last_before);
    remove.arg(keys.rooms()).arg(room.as_str()).arg(keys.founded_rooms());
    remove
}
