//! What was not heard is found and fetched: once a room, whoever misses it.
//!
//! The stream is the truth, and what is announced a hint that it grew. A gap shows when the next announcement comes;
//! the loss of the last one shows to nobody, so all rooms are compared with Redis after each time that the connection
//! for announcements was made anew, and every few seconds.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Pipeline, Value};
use realtime_shared::{EntryId, Epoch, Members, Position, Seq, Timestamp};
use tokio::time::{Instant, sleep, sleep_until};

use crate::broker::redis::Shared;
use crate::broker::redis::log::chain::{Look, Standing, compare};
use crate::broker::redis::log::replica::{Elsewhere, Following, Stage};
use crate::broker::redis::transport::{keys, reply, scripts};
use crate::broker::{MEMBERS_NAMED, Range, Unavailable};
use crate::faults::{self, Fault};

/// How often rooms with members are compared with Redis, where they are not too many for it.
const ROUND: Duration = Duration::from_secs(5);
/// Rooms that are compared at once.
const ROOMS: usize = 200;
/// Time that is taken for so many: at most 2,000 rooms a second, which costs Redis two in a hundred of its time.
const PACE: Duration = Duration::from_millis(100);
/// How long an announcement may be on its way when Redis has said that it is made.
const ON_ITS_WAY: Duration = Duration::from_millis(250);
/// Entries of a page that fills a gap, and its bytes.
const PAGE: (usize, usize) = (200, 256 * 1024);
/// Newest entries that members are shown of a log that is another one.
const SHOWN: usize = 50;

/// How a room stands in Redis.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) look: Look,
    /// When the newest entry was accepted.
    pub(crate) last_ts: Option<Timestamp>,
    /// Which change of who is there was the last one.
    pub(crate) people: u64,
    /// How many are there.
    pub(crate) count: u64,
    /// How many of them on this instance.
    pub(crate) here: u64,
    /// The instances on which they are.
    pub(crate) instances: Vec<String>,
}

impl Seen {
    /// Whether there is neither an entry nor a member.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && self.last_ts.is_none()
    }
}

impl Following {
    /// Whether it has by now what Redis had when it was asked, with `ours` as the newest entry here.
    fn has_heard(&self, ours: &Position, seen: &Seen) -> bool {
        let state = self.state.lock();
        compare(ours, &seen.look) != Standing::Elsewhere
            && state.head.seq() >= seen.look.head.seq()
            && state.people >= seen.people
    }
}

impl Shared {
    /// A call of `look.lua`: with the number of an entry, and which change of who is there was the last one that was
    /// told here.
    pub(crate) fn look(&self, channel: &str, at: Seq, people: u64) -> Cmd {
        let mut look = scripts::LOOK.on(&[
            keys::log(channel),
            keys::meta(channel),
            keys::members(channel),
            keys::instances(channel),
            keys::at(channel, &self.instance()),
        ]);
        look.arg(channel).arg(at.get()).arg(people);
        look
    }

    /// Has what is missing fetched, unless somebody is about to.
    pub(crate) fn repair(self: &Arc<Self>, following: &Arc<Following>) {
        if std::mem::replace(&mut following.state.lock().in_repair, true) {
            return;
        }
        let (shared, following) = (self.clone(), following.clone());
        self.runtime.spawn(async move {
            // What fails now is found again by the next comparison.
            if let Ok(people) = shared.bring_up(&following).await
                && people > following.state.lock().people
            {
                sleep(ON_ITS_WAY).await;
                let _ = shared.tell_people(&following, people).await;
            }
        });
    }

    /// Fetches what is missing of a room's log, if anything is; which change of who is there was the last one.
    pub(crate) async fn bring_up(&self, following: &Following) -> Result<u64, Unavailable> {
        let _turn = following.repair.lock().await;
        // What is found missing from here on may be more than what is about to be fetched.
        let (ours, people) = {
            let mut state = following.state.lock();
            state.in_repair = false;
            (state.head.clone(), state.people)
        };
        let mut asking = Pipeline::new();
        asking.add_command(self.look(&following.channel, ours.seq(), people));
        let answers = self.asks.ask(&asking).await?;
        let seen = answers.first().and_then(seen).ok_or(Unavailable)?;
        match compare(&ours, &seen.look) {
            Standing::Same => {}
            Standing::Behind if faults::breaks(Fault::NoGapFill) => {
                following.state.lock().head = seen.look.head;
            }
            Standing::Behind => self.fill(following, &seen.look.head).await?,
            Standing::Elsewhere => self.reset(following).await?,
        }
        Ok(seen.people)
    }

    /// Fetches entries until there are those that Redis had.
    async fn fill(&self, following: &Following, until: &Position) -> Result<(), Unavailable> {
        let mut filled = 0;
        loop {
            let ours = following.state.lock().head.clone();
            if ours.seq() >= until.seq() {
                break;
            }
            // Our own newest one comes first: its identity has to be the same there.
            let after = Seq::new(ours.seq().get().saturating_sub(1));
            let page = self.stored(&following.channel, Range::After(after), PAGE).await?;
            let Some(feed) = self.feed() else { return Ok(()) };
            let fits = following.take(&page, &*feed);
            let grown = following.state.lock().head != ours;
            match fits {
                Ok(taken) if grown => filled += taken,
                Ok(_) | Err(Elsewhere) => return self.reset(following).await,
            }
        }
        if filled > 0 {
            self.metrics.gap_fills.inc();
        }
        Ok(())
    }

    /// Begins anew with the newest entries.
    async fn reset(&self, following: &Following) -> Result<(), Unavailable> {
        let page = self.newest(&following.channel, SHOWN).await?;
        if let Some(feed) = self.feed() {
            following.reset(&page, &*feed);
        }
        tracing::warn!(room = %following.room, "the newest messages of a room were lost: its members are told");
        self.metrics.resyncs.inc();
        Ok(())
    }

    /// Tells all members who is there, unless the change was heard meanwhile.
    async fn tell_people(&self, following: &Following, change: u64) -> Result<(), Unavailable> {
        if change <= following.state.lock().people {
            return Ok(());
        }
        let presence = self.members_of(&following.channel, MEMBERS_NAMED).await?;
        if let Some(feed) = self.feed() {
            let members = Members {
                room: following.room.clone(),
                members: presence.members,
                member_count: presence.count,
            };
            following.tell_people(members, presence.change, &*feed);
        }
        Ok(())
    }

    /// Compares rooms with Redis, and repairs those that have not what it has.
    pub(crate) async fn compare(self: &Arc<Self>, rooms: &[Arc<Following>]) -> Result<(), Unavailable> {
        if faults::breaks(Fault::NoTailCheck) {
            return Ok(());
        }
        let mut asking = Pipeline::with_capacity(rooms.len());
        let mut asked = Vec::with_capacity(rooms.len());
        for following in rooms {
            let state = following.state.lock();
            if state.stage == Stage::Open {
                asking.add_command(self.look(&following.channel, state.head.seq(), state.people));
                asked.push((following, state.head.clone()));
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let answers = self.asks.ask(&asking).await?;
        let mut suspects = Vec::new();
        for ((following, ours), answer) in asked.into_iter().zip(&answers) {
            let Some(seen) = seen(answer) else { continue };
            self.compare_users(following, &seen);
            if compare(&ours, &seen.look) != Standing::Same || seen.people > following.state.lock().people {
                suspects.push((following.clone(), ours, seen));
            }
        }
        if !suspects.is_empty() {
            let shared = self.clone();
            self.runtime.spawn(async move {
                // Most of them are about to hear it, and no other room waits for that.
                sleep(ON_ITS_WAY).await;
                for (following, ours, seen) in suspects {
                    if !following.has_heard(&ours, &seen) {
                        shared.repair(&following);
                    }
                }
            });
        }
        Ok(())
    }

    /// Compares all rooms, at a pace that Redis can bear.
    pub(crate) async fn compare_all(self: &Arc<Self>) {
        for rooms in self.rooms.all().chunks(ROOMS) {
            let next = Instant::now() + PACE;
            if self.compare(rooms).await.is_err() {
                return;
            }
            if rooms.len() == ROOMS {
                sleep_until(next).await;
            }
        }
    }
}

/// Runs for as long as the broker.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        sleep(ROUND).await;
        shared.forget_released();
        shared.compare_all().await;
    }
}

/// What `look.lua` answers.
pub(crate) fn seen(answer: &Value) -> Option<Seen> {
    let [epoch, seq, id, ts, there, people, count, here, instances] = reply::items(answer) else {
        return None;
    };
    let id_of = |value| match reply::text(value)? {
        "" => Some(None),
        id => id.parse::<EntryId>().ok().map(Some),
    };
    let head = match id_of(id)? {
        None => Position::Start,
        Some(id) => Position::At {
            // A log whose name was lost has another one with its next entry.
            epoch: Epoch::new(reply::text(epoch)?).unwrap_or_else(|| Epoch::from_id(id)),
            seq: Seq::new(reply::parse(seq)?),
            id,
        },
    };
    let last_ts = (head != Position::Start).then(|| reply::parse(ts).map(Timestamp::from_millis));
    Some(Seen {
        look: Look { head, there: id_of(there)? },
        last_ts: last_ts.flatten(),
        people: reply::parse(people)?,
        count: reply::parse(count)?,
        here: reply::parse(here)?,
        instances: reply::items(instances)
            .iter()
            .filter_map(|id| Some(reply::text(id)?.to_owned()))
            .collect(),
    })
}
