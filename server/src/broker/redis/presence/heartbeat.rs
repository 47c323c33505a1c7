//! This instance among the others: it says that it lives, and gives up those that do not.
//!
//! What an instance has in Redis is what is here, said again until it is so ([`sync`](super::sync),
//! [`counts`](super::counts)): its users in each room and its connections are absolute, never a difference. No beat
//! waits for any of that. Where others have given it up, or Redis has lost all or went back to what it was (it was
//! started again with less than it had, another one took its place), it begins anew under another name, and says all
//! of it once more. An instance that ends leaves what it had to its lease: its users have time to come back elsewhere
//! before anybody is told that they left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Pipeline};
use realtime_shared::{LeaveReason, RoomName};
use tokio::time::{Instant, sleep};

use crate::broker::Unavailable;
use crate::broker::redis::log::repair::Seen;
use crate::broker::redis::log::replica::Following;
use crate::broker::redis::presence::lease::BEAT;
use crate::broker::redis::transport::{keys, reply, scripts, wire};
use crate::broker::redis::{Shared, new_instance};

/// Rooms of an instance that are given up at once.
const ROOMS: usize = 100;
/// Those who find that an instance is gone wait for up to that long, so that one does it and the rest see it done.
const JITTER: Duration = Duration::from_secs(1);

/// What Redis says to a beat.
struct Heard {
    /// Which process it is; nothing where it does not say that.
    run: Option<String>,
    /// The counter of each instance; none where the one that beats is not among them.
    counters: HashMap<String, u64>,
}

/// What Redis knew of this instance when it took the last beat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    run: Option<String>,
    counter: u64,
}

/// Why an instance begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anew {
    /// Redis had not taken it before.
    First,
    /// The others have given it up, or Redis has lost all.
    GivenUp,
    /// Redis is what it was some time ago, or may be: what was said since then may be lost.
    WentBack,
}

impl Heard {
    /// What it knows of an instance, if it does.
    fn of(&self, instance: &str) -> Option<Known> {
        Some(Known { run: self.run.clone(), counter: *self.counters.get(instance)? })
    }
}

/// Whether to begin anew, by what was known before and is now. Another process may have lost less than a beat, which no
/// counter shows.
fn judge(before: Option<&Known>, now: Option<&Known>) -> Option<Anew> {
    match (before, now) {
        (None, None) => Some(Anew::First),
        (Some(_), None) => Some(Anew::GivenUp),
        (Some(before), Some(now)) if before.run != now.run || before.counter >= now.counter => {
            Some(Anew::WentBack)
        }
        _ => None,
    }
}

impl Shared {
    /// Says that this instance is there, for the first time under its name.
    pub(crate) async fn register(&self) -> Option<Known> {
        let name = self.instance();
        self.beat(&self.beat_of(&name, true)).await.ok()?.of(&name)
    }

    fn beat_of(&self, instance: &str, new: bool) -> Pipeline {
        let mut beat = scripts::BEAT.on(&[self.keys.beats()]);
        beat.arg(instance).arg(u8::from(new));
        let mut asking = Pipeline::new();
        asking.add_command(beat);
        asking.cmd("INFO").arg("server");
        asking
    }

    /// Sends what begins with a beat. It fails where anything is refused but to say which process it is.
    async fn beat(&self, asking: &Pipeline) -> Result<Heard, Unavailable> {
        let answers = self.asks.attempt_until(Instant::now() + BEAT, asking).await?;
        let [beat, info, rest @ ..] = &*answers else { return Err(Unavailable) };
        if rest.iter().any(reply::is_refusal) {
            return Err(Unavailable);
        }
        let counters = reply::list(beat).ok_or(Unavailable)?;
        let run =
            reply::text(info).and_then(|info| info.lines().find_map(|line| line.strip_prefix("run_id:")));
        Ok(Heard {
            run: run.map(|run| run.trim().to_owned()),
            counters: counters
                .chunks_exact(2)
                .filter_map(|pair| Some((reply::text(&pair[0])?.to_owned(), reply::parse(&pair[1])?)))
                .collect(),
        })
    }

    /// Begins anew under another name, as soon as Redis has taken that.
    async fn begin_anew(&self, why: Anew) -> Result<Option<Known>, Unavailable> {
        let (before, next) = (self.instance(), new_instance());
        let mut asking = self.beat_of(&next, true);
        // Whatever is left of that name is given up with its lease, unless we do it here.
        asking.cmd("HSETNX").arg(self.keys.beats()).arg(&*before).arg(0);
        // Its connections are counted under the new one, and never under both.
        asking.cmd("HDEL").arg(self.keys.online()).arg(&*before);
        asking.cmd("UNLINK").arg(self.keys.online_at(&before));
        let known = self.beat(&asking).await?.of(&next);
        *self.instance.lock() = next.into();
        match why {
            Anew::First => tracing::info!("Redis takes this instance"),
            Anew::GivenUp => tracing::warn!(
                "this instance had been given up by the others, or Redis has lost it: saying again who is here"
            ),
            Anew::WentBack => {
                tracing::warn!(
                    "Redis was started again, or went back to what it was: saying again who is here"
                );
            }
        }
        self.listed.lock().clear();
        self.online.say_all_again();
        self.say_all_again(before);
        Ok(known)
    }

    /// `SADD` or `SREM` of a room among those of this instance.
    pub(crate) fn room_of_instance(&self, what: &str, room: &RoomName) -> Cmd {
        let mut command = Cmd::new();
        command.arg(what).arg(self.keys.rooms_at(&self.instance())).arg(room.as_str());
        command
    }

    /// Ends all that an instance has in Redis, in its own rooms and in those.
    pub(crate) async fn give_up(&self, instance: &str, rooms: &[RoomName]) -> Result<(), Unavailable> {
        let mut asking = Pipeline::new();
        asking.cmd("SMEMBERS").arg(self.keys.rooms_at(instance));
        let answers = self.asks.ask(&asking).await?;
        let said = answers.first().map(reply::items).unwrap_or_default();
        let said = said.iter().filter_map(|room| RoomName::new(reply::text(room)?).ok());
        let rooms: Vec<RoomName> = rooms.iter().cloned().chain(said).collect();
        for rooms in rooms.chunks(ROOMS) {
            let mut asking = Pipeline::with_capacity(rooms.len());
            for room in rooms {
                asking.add_command(replace(&self.keys.channel(room), instance));
            }
            self.asks.ask(&asking).await?;
        }
        let mut asking = Pipeline::new();
        asking.cmd("HDEL").arg(self.keys.online()).arg(instance);
        asking.cmd("UNLINK").arg(self.keys.online_at(instance)).arg(self.keys.rooms_at(instance));
        // Last: until it is gone from here, whoever looks goes on with what is left.
        asking.cmd("HDEL").arg(self.keys.beats()).arg(instance);
        self.asks.ask(&asking).await.map(|_| ())
    }

    /// Compares who of here is in a room with what Redis has of it, and gives up instances that are gone.
    pub(crate) fn compare_users(self: &Arc<Self>, following: &Arc<Following>, seen: &Seen) {
        let Some(feed) = self.feed() else { return };
        let differ = feed.users(&following.room).len() as u64 != seen.here;
        let was = std::mem::replace(&mut following.state.lock().users_differ, differ);
        // Once may be somebody who is on the way.
        if differ && was {
            self.saying.again([following.room.clone()]);
        }
        let ours = self.instance();
        for instance in seen.instances.iter().filter(|instance| **instance != *ours) {
            if self.lapse.lock().is_gone(instance) {
                let (shared, room, instance) = (self.clone(), following.room.clone(), instance.clone());
                self.runtime.spawn(async move { shared.give_up(&instance, &[room]).await });
            }
        }
    }
}

/// The keys of the scripts that change who is in a room.
pub(crate) fn presence_keys(channel: &str, instance: &str) -> [String; 4] {
    [keys::members(channel), keys::at(channel, instance), keys::instances(channel), keys::meta(channel)]
}

/// A call of `replace.lua` to which users are to be added.
pub(crate) fn replace(channel: &str, instance: &str) -> Cmd {
    let mut replace = scripts::REPLACE.on(&presence_keys(channel, instance));
    replace.arg(channel).arg(instance).arg(wire::reason(LeaveReason::Disconnected));
    replace
}

/// Runs for as long as the broker; `known` is what came of the first beat.
pub(crate) async fn run(shared: Arc<Shared>, mut known: Option<Known>) {
    let mut next = Instant::now();
    let mut anew = None;
    loop {
        next += BEAT;
        tokio::time::sleep_until(next).await;
        next = next.max(Instant::now() - BEAT);
        let name = shared.instance();
        let Ok(heard) = shared.beat(&shared.beat_of(&name, false)).await else {
            shared.lapse.lock().pause();
            continue;
        };
        let now = heard.of(&name);
        // Where that fails it is done with the next beat, whatever that shows.
        anew = judge(known.as_ref(), now.as_ref()).or(anew);
        if let Some(why) = anew {
            if let Ok(now) = shared.begin_anew(why).await {
                (known, anew) = (now, None);
            }
        } else {
            known = now;
            shared.judge_others(heard.counters);
            shared.saying.now();
        }
    }
}

impl Shared {
    fn judge_others(self: &Arc<Self>, counters: HashMap<String, u64>) {
        let gone = self.lapse.lock().observe(Instant::now().into_std(), counters);
        for (instance, counter) in gone {
            let shared = self.clone();
            self.runtime.spawn(async move { shared.bury(&instance, counter).await });
        }
    }

    /// Gives up an instance that is silent, if nobody else did and its counter still stands.
    async fn bury(&self, instance: &str, counter: u64) {
        sleep(JITTER.mul_f64(fastrand::f64())).await;
        let mut asking = Pipeline::new();
        asking.cmd("HGET").arg(self.keys.beats()).arg(instance);
        if let Ok(answers) = self.asks.ask(&asking).await
            && answers.first().and_then(reply::parse) == Some(counter)
        {
            tracing::warn!(%instance, "an instance is silent: its users have left");
            // What fails is tried again, by whoever looks next.
            let _ = self.give_up(instance, &[]).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_known_or_was_known_better_begins_anew() {
        let known = |run: &str, counter| Some(Known { run: Some(run.to_owned()), counter });
        for (before, now, why) in [
            (None, None, Some(Anew::First)),
            (None, known("a", 1), None),
            (known("a", 7), known("a", 8), None),
            (known("a", 7), None, Some(Anew::GivenUp)),
            (known("a", 7), known("a", 7), Some(Anew::WentBack)),
            (known("a", 7), known("b", 8), Some(Anew::WentBack)),
        ] {
            assert_eq!(judge(before.as_ref(), now.as_ref()), why, "{before:?}, {now:?}");
        }
    }
}
