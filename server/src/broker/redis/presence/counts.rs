//! How many connections there are, and of whom: counted here, and said to Redis as it is.
//!
//! A count is said when somebody comes, and a little later when somebody goes, many at a time. Whoever has said a count
//! looks whether it is still that one: so the last word is always the right one, in whatever order they arrive.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ::redis::Pipeline;
use parking_lot::Mutex;
use realtime_shared::UserId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::broker::Unavailable;
use crate::broker::redis::Shared;
use crate::broker::redis::transport::{reply, scripts};

/// How long those who go are gathered.
const GATHER: Duration = Duration::from_millis(50);
/// The longest pause before what was refused is said again. Redis may refuse at once, and for hours.
const REFUSED: Duration = Duration::from_secs(5);
/// How long the end of an instance may wait for Redis.
const GOODBYE: Duration = Duration::from_millis(500);
/// How many are said at once.
const USERS: usize = 1_000;

/// Connections of this instance.
#[derive(Default)]
pub(crate) struct Online {
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Default)]
struct Counts {
    all: u64,
    users: HashMap<UserId, u64>,
    /// Users whose count in Redis may be another one.
    unsaid: HashSet<UserId>,
    /// Redis has none of them.
    all_unsaid: bool,
    /// How many there are in all may be another number in Redis.
    total_unsaid: bool,
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
        self.unsaid.insert(user.clone());
    }

    fn is_said(&self) -> bool {
        self.unsaid.is_empty() && !self.all_unsaid && !self.total_unsaid
    }

    /// What is to be said now and is taken for said: users and their connections, how many connections there are in all,
    /// and whether Redis is to forget what it has.
    fn take_unsaid(&mut self) -> (Vec<(UserId, u64)>, u64, bool) {
        let anew = std::mem::take(&mut self.all_unsaid);
        self.total_unsaid = false;
        if anew {
            self.unsaid = self.users.keys().cloned().collect();
        }
        let next: Vec<UserId> = self.unsaid.iter().take(USERS).cloned().collect();
        let said = next.into_iter().map(|user| {
            self.unsaid.remove(&user);
            let count = self.of(&user);
            (user, count)
        });
        (said.collect(), self.all, anew)
    }
}

impl Online {
    /// One connection less.
    pub(crate) fn remove(&self, user: &UserId) {
        self.counts.lock().remove(user);
        self.changed.notify_one();
    }

    /// Has all of it said anew.
    pub(crate) fn say_all_again(&self) {
        self.counts.lock().all_unsaid = true;
        self.changed.notify_one();
    }
}

impl Shared {
    /// See [`Broker::connect`](crate::broker::Broker::connect).
    pub(crate) async fn connect(&self, user: &UserId, most: usize) -> Result<Option<u64>, Unavailable> {
        let (all, of_user) = self.online.counts.lock().add(user);
        let instance = self.instance();
        let mut connect =
            scripts::CONNECT.on(&[self.keys.beats(), self.keys.online(), self.keys.online_at(&instance)]);
        connect
            .arg(self.keys.online_prefix())
            .arg(&*instance)
            .arg(user.as_str())
            .arg(of_user)
            .arg(all)
            .arg(most);
        let mut asking = Pipeline::new();
        asking.add_command(connect);
        let answer = match most {
            // What this instance knows is enough to refuse.
            most if most > 0 && of_user > most as u64 => Ok(0),
            _ => self
                .asks
                .ask(&asking)
                .await
                .and_then(|answers| answers.first().and_then(reply::parse::<u64>).ok_or(Unavailable)),
        };
        let mut counts = self.online.counts.lock();
        let counted = matches!(answer, Ok(1..));
        if !counted {
            counts.remove(user);
        }
        if !counted || counts.of(user) != of_user {
            counts.unsaid.insert(user.clone());
        }
        counts.total_unsaid |= counts.all != all;
        if !counts.is_said() {
            self.online.changed.notify_one();
        }
        drop(counts);
        answer.map(|online| (online > 0).then_some(online))
    }

    /// This instance ends, and has no connections any more. Its members are left to the lease: they may come back elsewhere.
    pub(crate) async fn say_goodbye(&self) {
        let instance = self.instance();
        let mut asking = Pipeline::new();
        asking.cmd("HDEL").arg(self.keys.online()).arg(&*instance);
        asking.cmd("UNLINK").arg(self.keys.online_at(&instance));
        // Where Redis is away it is done with the lease.
        let _ = self.asks.attempt_until(Instant::now() + GOODBYE, &asking).await;
    }

    /// Says what has not been said, or a part of it where that is much.
    async fn say_online(&self) -> Result<(), Unavailable> {
        let (said, all, anew) = self.online.counts.lock().take_unsaid();
        let instance = self.instance();
        let here = self.keys.online_at(&instance);
        let mut asking = Pipeline::with_capacity(said.len() + 2);
        if anew {
            asking.cmd("UNLINK").arg(&here);
        }
        asking.cmd("HSET").arg(self.keys.online()).arg(&*instance).arg(all);
        for (user, count) in &said {
            match count {
                0 => asking.cmd("HDEL").arg(&here).arg(user.as_str()),
                count => asking.cmd("HSET").arg(&here).arg(user.as_str()).arg(*count),
            };
        }
        let result = self.asks.ask(&asking).await.map(|_| ());
        let mut counts = self.online.counts.lock();
        for (user, count) in said {
            if result.is_err() || counts.of(&user) != count {
                counts.unsaid.insert(user);
            }
        }
        counts.total_unsaid |= result.is_err() || counts.all != all;
        counts.all_unsaid |= result.is_err() && anew;
        result
    }
}

/// Runs for as long as the broker.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        shared.online.changed.notified().await;
        let mut pause = GATHER;
        loop {
            sleep(pause).await;
            // What fails is said again, and so is what changed meanwhile.
            pause = match shared.say_online().await {
                Ok(()) => GATHER,
                Err(Unavailable) => (pause * 2).min(REFUSED),
            };
            if shared.online.counts.lock().is_said() {
                break;
            }
        }
    }
}
