//! Counts of connections, in total and for each user. This instance sends Redis the counts of its own connections.
//!
//! A count is sent with a new connection, and shortly after the end of one, many at a time. After each request the
//! sender compares the count with the sent value and sends it again if it differs. So the last value is right, in any
//! order of arrival of the requests.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use parking_lot::Mutex;
use realtime_shared::UserId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::broker::Unavailable;
use crate::broker::redis::transport::{Transport, reply, scripts};

/// Time for which ended connections are collected into one request.
const GATHER_TIME: Duration = Duration::from_millis(50);
/// Longest pause before refused counts are sent again. Redis may refuse at once, and for hours.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Time for the last request of an instance that ends.
const CLEAR_TIMEOUT: Duration = Duration::from_millis(500);
/// Users of one request.
const USERS: usize = 1_000;

/// Connections of this instance.
pub(crate) struct ConnectionCounts {
    transport: Arc<Transport>,
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Default)]
struct Counts {
    all: u64,
    users: HashMap<UserId, u64>,
    /// Users whose count in Redis may differ.
    unsent: HashSet<UserId>,
    /// True if Redis must drop all counts of this instance first.
    all_unsent: bool,
    /// True if the total in Redis may differ.
    total_unsent: bool,
    /// Number of users that the audit has compared in this round.
    audited: usize,
}

impl Counts {
    fn of(&self, user: &UserId) -> u64 {
        self.users.get(user).copied().unwrap_or(0)
    }

    fn add(&mut self, user: &UserId) -> (u64, u64) {
        self.all += 1;
        let of_user = self.users.entry(user.clone()).or_default();
        *of_user += 1;
        (self.all, *of_user)
    }

    fn remove(&mut self, user: &UserId) {
        let Some(of_user) = self.users.get_mut(user) else { return };
        *of_user -= 1;
        self.all -= 1;
        if *of_user == 0 {
            self.users.remove(user);
        }
        self.unsent.insert(user.clone());
    }

    fn is_sent(&self) -> bool {
        self.unsent.is_empty() && !self.all_unsent && !self.total_unsent
    }

    /// Takes the counts to send: users with their connections, the total, and true if Redis must drop its counts first.
    fn take_unsent(&mut self) -> (Vec<(UserId, u64)>, u64, bool) {
        let anew = std::mem::take(&mut self.all_unsent);
        self.total_unsent = false;
        if anew {
            self.unsent = self.users.keys().cloned().collect();
        }
        let next: Vec<UserId> = self.unsent.iter().take(USERS).cloned().collect();
        let sent = next.into_iter().map(|user| {
            self.unsent.remove(&user);
            let count = self.of(&user);
            (user, count)
        });
        (sent.collect(), self.all, anew)
    }
}

impl ConnectionCounts {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self { transport, counts: Mutex::default(), changed: Notify::new() }
    }

    /// See [`Broker::connect`](crate::broker::Broker::connect).
    pub(crate) async fn add(&self, user: &UserId, limit: usize) -> Result<Option<u64>, Unavailable> {
        let (all, of_user) = self.counts.lock().add(user);
        let (keys, instance) = (&self.transport.keys, self.transport.instance.get());
        let mut connect = scripts::CONNECT.on(&[keys.beats(), keys.online(), keys.online_at(&instance)]);
        connect.arg(keys.online_prefix()).arg(&*instance).arg(user.as_str()).arg(of_user).arg(all).arg(limit);
        let mut pipeline = Pipeline::new();
        pipeline.add_command(connect);
        let answer = match limit {
            // The count of this instance alone exceeds the limit.
            limit if limit > 0 && of_user > limit as u64 => Ok(0),
            _ => {
                let answers = self.transport.ask(&pipeline).await;
                answers.and_then(|answers| answers.first().and_then(reply::parse::<u64>).ok_or(Unavailable))
            }
        };
        let mut counts = self.counts.lock();
        let counted = matches!(answer, Ok(1..));
        if !counted {
            counts.remove(user);
        }
        if !counted || counts.of(user) != of_user {
            counts.unsent.insert(user.clone());
        }
        counts.total_unsent |= counts.all != all;
        if !counts.is_sent() {
            self.changed.notify_one();
        }
        drop(counts);
        answer.map(|online| (online > 0).then_some(online))
    }

    /// Removes a connection from the count.
    pub(crate) fn remove(&self, user: &UserId) {
        self.counts.lock().remove(user);
        self.changed.notify_one();
    }

    /// Schedules all counts to be sent again.
    pub(crate) fn resend_all(&self) {
        self.counts.lock().all_unsent = true;
        self.changed.notify_one();
    }

    /// Compares the total and the counts of some users with Redis, other users each time, and sends those that differ. After
    /// the last of them it looks for users that are not connected here.
    pub(crate) async fn audit(&self) {
        let (users, all, is_last) = {
            let mut counts = self.counts.lock();
            if !counts.is_sent() {
                return;
            }
            let users = counts.users.iter().skip(counts.audited).take(USERS);
            let users: Vec<(UserId, u64)> = users.map(|(user, count)| (user.clone(), *count)).collect();
            let is_last = users.len() < USERS;
            counts.audited = if is_last { 0 } else { counts.audited + USERS };
            (users, counts.all, is_last)
        };
        let (keys, instance) = (&self.transport.keys, self.transport.instance.get());
        let mut reading = Pipeline::new();
        reading.cmd("HGET").arg(keys.online()).arg(&*instance);
        if !users.is_empty() {
            reading.cmd("HMGET").arg(keys.online_at(&instance));
            for (user, _) in &users {
                reading.arg(user.as_str());
            }
        }
        if is_last {
            reading.cmd("HKEYS").arg(keys.online_at(&instance));
        }
        let Ok(answers) = self.transport.ask_each(&reading).await else { return };
        if answers.iter().any(reply::is_refusal) {
            return;
        }
        let mut answers = answers.iter();
        let total = answers.next().and_then(reply::parse).unwrap_or(0);
        let mut next_items = |is_asked: bool| {
            let answer = if is_asked { answers.next() } else { None };
            answer.map(reply::items).unwrap_or_default()
        };
        let found = next_items(!users.is_empty());
        let counted = next_items(is_last);
        let mut counts = self.counts.lock();
        // A count that changed meanwhile is sent again for nothing, which is harmless.
        counts.total_unsent |= total != all;
        let surplus = counted.iter().filter_map(|user| UserId::new(reply::text(user)?).ok());
        let surplus: Vec<_> = surplus.filter(|user| !counts.users.contains_key(user)).collect();
        counts.unsent.extend(surplus);
        if users.iter().zip(found).all(|(_, found)| *found == Value::Nil) {
            counts.all_unsent |= !users.is_empty();
        } else {
            let different = users
                .into_iter()
                .zip(found)
                .filter(|((_, count), found)| reply::parse(found) != Some(*count));
            counts.unsent.extend(different.map(|((user, _), _)| user));
        }
        if !counts.is_sent() {
            self.changed.notify_one();
        }
    }

    /// Removes the counts of this instance at its end. Its members stay until the lease ends, because they may reconnect
    /// to another instance.
    pub(crate) async fn clear(&self) {
        let (keys, instance) = (&self.transport.keys, self.transport.instance.get());
        let mut clearing = Pipeline::new();
        clearing.cmd("HDEL").arg(keys.online()).arg(&*instance);
        clearing.cmd("UNLINK").arg(keys.online_at(&instance));
        // If this fails, the end of the lease removes the counts.
        let _ = self.transport.commands.attempt_until(Instant::now() + CLEAR_TIMEOUT, &clearing).await;
    }

    /// Sends counts for as long as the engine runs.
    pub(crate) async fn run(&self) {
        loop {
            self.changed.notified().await;
            let mut pause = GATHER_TIME;
            loop {
                sleep(pause).await;
                // Counts that failed or changed meanwhile are sent again.
                pause = match self.send().await {
                    Ok(()) => GATHER_TIME,
                    Err(Unavailable) => (pause * 2).min(MAX_PAUSE),
                };
                if self.counts.lock().is_sent() {
                    break;
                }
            }
        }
    }

    /// Sends counts that Redis may not have, at most [`USERS`] of them.
    async fn send(&self) -> Result<(), Unavailable> {
        let (sent, all, anew) = self.counts.lock().take_unsent();
        let (keys, instance) = (&self.transport.keys, self.transport.instance.get());
        let here = keys.online_at(&instance);
        let mut pipeline = Pipeline::with_capacity(sent.len() + 2);
        if anew {
            pipeline.cmd("UNLINK").arg(&here);
        }
        pipeline.cmd("HSET").arg(keys.online()).arg(&*instance).arg(all);
        for (user, count) in &sent {
            match count {
                0 => pipeline.cmd("HDEL").arg(&here).arg(user.as_str()),
                count => pipeline.cmd("HSET").arg(&here).arg(user.as_str()).arg(*count),
            };
        }
        let result = self.transport.ask(&pipeline).await.map(|_| ());
        let mut counts = self.counts.lock();
        for (user, count) in sent {
            if result.is_err() || counts.of(&user) != count {
                counts.unsent.insert(user);
            }
        }
        counts.total_unsent |= result.is_err() || counts.all != all;
        counts.all_unsent |= result.is_err() && anew;
        result
    }
}
