//! The heartbeat of this instance, which keeps its lease.
//!
//! This instance takes a new name and sends all its state again in three cases: the others have evicted it, Redis has
//! lost its data, or Redis returned to an earlier state. An instance that ends leaves its members to its lease, so that
//! its users can reconnect to another instance before the rooms receive their leaves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Pipeline;
use tokio::time::{Instant, sleep, sleep_until};

use super::counts::ConnectionCounts;
use super::eviction::evict;
use super::lease::{BEAT, Leases};
use super::sync::MembershipSync;
use crate::broker::Unavailable;
use crate::broker::redis::log::room_changes::RoomChanges;
use crate::broker::redis::log::room_index::RoomIndex;
use crate::broker::redis::transport::instance::unused_name;
use crate::broker::redis::transport::{Transport, reply, scripts};

/// Longest random pause before an eviction, so that one instance evicts and the others find it done.
const JITTER: Duration = Duration::from_secs(1);

/// The answer to a heartbeat.
struct Beats {
    /// The process id of Redis; `None` if it does not show it.
    run: Option<String>,
    /// The counter of each instance; empty if this instance is not among them.
    counters: HashMap<String, u64>,
}

/// This instance as Redis had it at the last heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    run: Option<String>,
    counter: u64,
}

/// A reason to take a new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewName {
    /// This instance was not registered before.
    First,
    /// The others have evicted this instance, or Redis has lost everything.
    Evicted,
    /// Redis may have returned to an earlier state: later changes may be lost.
    WentBack,
}

impl Beats {
    fn registration(&self, instance: &str) -> Option<Registration> {
        Some(Registration { run: self.run.clone(), counter: *self.counters.get(instance)? })
    }
}

/// The reason to take a new name, if there is one. Another process of Redis may have lost less than a heartbeat, which
/// no counter shows.
fn judge(before: Option<&Registration>, now: Option<&Registration>) -> Option<NewName> {
    match (before, now) {
        (None, None) => Some(NewName::First),
        (Some(_), None) => Some(NewName::Evicted),
        (Some(before), Some(now)) if before.run != now.run || before.counter >= now.counter => {
            Some(NewName::WentBack)
        }
        (_, Some(_)) => None,
    }
}

/// Keeps the lease of this instance, and watches those of the others.
pub(crate) struct Heartbeat {
    pub(crate) transport: Arc<Transport>,
    pub(crate) index: Arc<RoomIndex>,
    pub(crate) changes: Arc<RoomChanges>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) sync: Arc<MembershipSync>,
    pub(crate) counts: Arc<ConnectionCounts>,
}

impl Heartbeat {
    /// Registers this instance under its first name.
    pub(crate) async fn register(&self) -> Option<Registration> {
        let name = self.transport.instance.get();
        self.beat(&self.beat_command(&name, true)).await.ok()?.registration(&name)
    }

    /// Sends heartbeats for as long as the engine runs. `registration` is the result of the first one.
    pub(crate) async fn run(&self, mut registration: Option<Registration>) {
        let mut next = Instant::now();
        let mut new_name = None;
        loop {
            next += BEAT;
            sleep_until(next).await;
            // After a stop of this process, missed heartbeats are skipped.
            if let Some(earliest) = Instant::now().checked_sub(BEAT) {
                next = next.max(earliest);
            }
            let name = self.transport.instance.get();
            let Ok(beats) = self.beat(&self.beat_command(&name, false)).await else {
                self.leases.pause();
                continue;
            };
            let now = beats.registration(&name);
            // If taking a new name fails, it is repeated after the next heartbeat, even if that one needs none.
            new_name = judge(registration.as_ref(), now.as_ref()).or(new_name);
            if let Some(why) = new_name {
                if let Ok(now) = self.take_new_name(why).await {
                    (registration, new_name) = (now, None);
                }
            } else {
                registration = now;
                self.watch(beats.counters);
                self.sync.on_heartbeat();
            }
        }
    }

    fn beat_command(&self, instance: &str, new: bool) -> Pipeline {
        let keys = &self.transport.keys;
        let mut beat = scripts::BEAT.on(&[keys.beats(), keys.versions()]);
        beat.arg(instance).arg(u8::from(new)).arg(env!("CARGO_PKG_VERSION"));
        let mut pipeline = Pipeline::new();
        pipeline.add_command(beat);
        pipeline.cmd("INFO").arg("server");
        pipeline
    }

    /// Sends a pipeline that begins with a heartbeat. Fails if a command other than `INFO` is refused.
    async fn beat(&self, pipeline: &Pipeline) -> Result<Beats, Unavailable> {
        let answers = self.transport.commands.attempt_until(Instant::now() + BEAT, pipeline).await?;
        let [beat, info, rest @ ..] = &*answers else { return Err(Unavailable) };
        if rest.iter().any(reply::is_refusal) {
            return Err(Unavailable);
        }
        let [counters, have_versions] = reply::items(beat) else { return Err(Unavailable) };
        let counters = reply::list(counters).ok_or(Unavailable)?;
        self.transport.peers.set_have_versions(reply::parse::<u64>(have_versions) == Some(1));
        let run =
            reply::text(info).and_then(|info| info.lines().find_map(|line| line.strip_prefix("run_id:")));
        Ok(Beats {
            run: run.map(|run| run.trim().to_owned()),
            counters: counters
                .chunks_exact(2)
                .filter_map(|pair| Some((reply::text(&pair[0])?.to_owned(), reply::parse(&pair[1])?)))
                .collect(),
        })
    }

    /// Registers a new name, takes it, and schedules all state to be sent again.
    async fn take_new_name(&self, why: NewName) -> Result<Option<Registration>, Unavailable> {
        let transport = &self.transport;
        let (former, name) = (transport.instance.get(), unused_name());
        let mut pipeline = self.beat_command(&name, true);
        // This instance removes the state of the former name. If that fails, the end of its lease does.
        pipeline.cmd("HSETNX").arg(transport.keys.beats()).arg(&*former).arg(0);
        // Connections are counted under the new name only, never under both.
        pipeline.cmd("HDEL").arg(transport.keys.online()).arg(&*former);
        pipeline.cmd("UNLINK").arg(transport.keys.online_at(&former));
        let registration = self.beat(&pipeline).await?.registration(&name);
        transport.instance.set(name);
        match why {
            NewName::First => tracing::info!("this instance is registered in Redis"),
            NewName::Evicted => tracing::warn!(
                "the other instances have evicted this one, or Redis has lost it: republishing its members"
            ),
            NewName::WentBack => tracing::warn!(
                "Redis was restarted, or returned to an earlier state: republishing the members of this instance"
            ),
        }
        self.index.forget();
        self.counts.resend_all();
        self.sync.resend_all(former);
        Ok(registration)
    }

    /// Observes counters and evicts instances whose lease is over.
    fn watch(&self, counters: HashMap<String, u64>) {
        for (instance, counter) in self.leases.observe(Instant::now().into_std(), counters) {
            let (transport, changes) = (self.transport.clone(), self.changes.clone());
            self.transport
                .runtime
                .spawn(async move { evict_silent(&transport, &changes, &instance, counter).await });
        }
    }
}

/// Evicts an instance, unless another one did so or its counter has moved.
async fn evict_silent(transport: &Transport, changes: &RoomChanges, instance: &str, counter: u64) {
    sleep(JITTER.mul_f64(fastrand::f64())).await;
    let mut reading = Pipeline::new();
    reading.cmd("HGET").arg(transport.keys.beats()).arg(instance);
    if let Ok(answers) = transport.ask(&reading).await
        && answers.first().and_then(reply::parse) == Some(counter)
    {
        tracing::warn!(%instance, "an instance is silent: removing its users");
        // If this fails, the next instance that finds it tries again.
        let _ = evict(transport, changes, instance, &[]).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_redis_has_lost_or_set_back_takes_a_new_name() {
        let at = |run: &str, counter| Some(Registration { run: Some(run.to_owned()), counter });
        for (before, now, why) in [
            (None, None, Some(NewName::First)),
            (None, at("a", 1), None),
            (at("a", 7), at("a", 8), None),
            (at("a", 7), None, Some(NewName::Evicted)),
            (at("a", 7), at("a", 7), Some(NewName::WentBack)),
            (at("a", u64::MAX), at("a", 0), Some(NewName::WentBack)),
            (at("a", 7), at("b", 8), Some(NewName::WentBack)),
        ] {
            assert_eq!(judge(before.as_ref(), now.as_ref()), why, "{before:?}, {now:?}");
        }
    }
}
