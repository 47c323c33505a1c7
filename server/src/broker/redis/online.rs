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
use tokio::time::sleep;

use super::{Shared, reply, scripts};
use crate::broker::Unavailable;

/// How long those who go are gathered.
const GATHER: Duration = Duration::from_millis(50);
/// How many are said at once.
const USERS: usize = 1_000;

/// Connections of this instance.
#[derive(Default)]
pub(super) struct Online {
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
}

impl Online {
    /// One connection less.
    pub(super) fn remove(&self, user: &UserId) {
        self.counts.lock().remove(user);
        self.changed.notify_one();
    }

    /// Has all of it said anew.
    pub(super) fn say_all_again(&self) {
        self.counts.lock().all_unsaid = true;
        self.changed.notify_one();
    }
}

impl Shared {
    /// See [`Broker::connect`](crate::broker::Broker::connect).
    pub(super) async fn connect(&self, user: &UserId, most: usize) -> Result<Option<u64>, Unavailable> {
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
        if !counted || counts.of(user) != of_user || counts.all != all {
            counts.unsaid.insert(user.clone());
            self.online.changed.notify_one();
        }
        drop(counts);
        answer.map(|online| (online > 0).then_some(online))
    }

    /// Says what has not been said.
    async fn say_online(&self) -> Result<(), Unavailable> {
        loop {
            let (said, all, anew) = {
                let mut counts = self.online.counts.lock();
                let anew = std::mem::take(&mut counts.all_unsaid);
                if anew {
                    counts.unsaid = counts.users.keys().cloned().collect();
                }
                let next: Vec<UserId> = counts.unsaid.iter().take(USERS).cloned().collect();
                for user in &next {
                    counts.unsaid.remove(user);
                }
                let said: Vec<(UserId, u64)> = next
                    .into_iter()
                    .map(|user| {
                        let count = counts.of(&user);
                        (user, count)
                    })
                    .collect();
                (said, counts.all, anew)
            };
            if said.is_empty() && !anew {
                return Ok(());
            }
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
            let result = self.asks.ask(&asking).await;
            let mut counts = self.online.counts.lock();
            for (user, count) in said {
                if result.is_err() || counts.of(&user) != count || counts.all != all {
                    counts.unsaid.insert(user);
                }
            }
            if let Err(error) = result {
                counts.all_unsaid |= anew;
                return Err(error);
            }
        }
    }
}

/// Runs for as long as the broker.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.online.changed.notified().await;
        sleep(GATHER).await;
        while shared.say_online().await.is_err() {
            sleep(GATHER).await;
        }
    }
}
