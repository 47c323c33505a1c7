//! Who of here is in which room, said again wherever Redis may have something else.
//!
//! That is so where a word did not get through, where Redis was found to have another number of users, and everywhere
//! when this instance begins anew. One task says it, many rooms at a time, after each beat that Redis has taken: no beat
//! waits for it, and a Redis that is away or refuses is left alone until the next one.

use std::collections::HashSet;
use std::sync::Arc;

use ::redis::Pipeline;
use parking_lot::Mutex;
use realtime_shared::{RoomName, UserId};
use tokio::sync::Notify;

use crate::broker::redis::Shared;
use crate::broker::redis::presence::heartbeat::replace;
use crate::broker::redis::transport::reply;
use crate::broker::{Feed, Unavailable};

/// Rooms that are said at once: a beat that comes meanwhile waits for so many.
const ROOMS: usize = 100;

/// What is to be said.
#[derive(Default)]
pub(crate) struct Saying {
    /// Rooms of which Redis may not have who of here is there.
    dirty: Mutex<HashSet<RoomName>>,
    /// Names that this instance had before, of which something may be left.
    former: Mutex<Vec<Arc<str>>>,
    wake: Notify,
}

impl Saying {
    /// Has rooms said after the next beat.
    pub(crate) fn again(&self, rooms: impl IntoIterator<Item = RoomName>) {
        self.dirty.lock().extend(rooms);
    }

    /// Redis has taken a beat.
    pub(crate) fn now(&self) {
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<RoomName> {
        self.dirty.lock().extract_if(|_| true).take(ROOMS).collect()
    }
}

impl Shared {
    /// Has all rooms said now: this instance has another name, and nothing is to be left of the former one.
    pub(crate) fn say_all_again(&self, before: Arc<str>) {
        self.saying.again(self.room_names());
        self.saying.former.lock().push(before);
        self.saying.now();
    }

    fn room_names(&self) -> Vec<RoomName> {
        self.rooms.all().iter().map(|following| following.room.clone()).collect()
    }

    /// Says of rooms in which that is not known to be right who of here is there.
    async fn say_dirty(&self) -> Result<(), Unavailable> {
        let Some(feed) = self.feed() else { return Ok(()) };
        let mut unsaid = Vec::new();
        let mut outcome = Ok(());
        while outcome.is_ok() {
            let rooms = self.saying.take();
            if rooms.is_empty() {
                break;
            }
            outcome = self.say_users(&*feed, rooms, &mut unsaid).await;
        }
        self.saying.again(unsaid);
        outcome
    }

    /// Says who of here is in these rooms, and adds those to `unsaid` of which Redis does not take it. It fails where it
    /// takes none.
    async fn say_users(
        &self,
        feed: &dyn Feed,
        rooms: Vec<RoomName>,
        unsaid: &mut Vec<RoomName>,
    ) -> Result<(), Unavailable> {
        let said: Vec<(RoomName, Vec<UserId>)> =
            rooms.into_iter().map(|room| (room.clone(), feed.users(&room))).collect();
        let answers = self.asks.attempt(&self.saying_of(&said)).await;
        let Ok(answers) = answers else {
            unsaid.extend(said.into_iter().map(|(room, _)| room));
            return Err(Unavailable);
        };
        let (answers, listed) = answers.split_at(said.len());
        let is_listed = !listed.iter().any(reply::is_refusal);
        let mut taken = false;
        for ((room, users), answer) in said.into_iter().zip(answers) {
            if !is_listed || reply::is_refusal(answer) {
                unsaid.push(room);
                continue;
            }
            taken = true;
            // Who came or went meanwhile may have been said before this was.
            if feed.users(&room) != users {
                self.saying.again([room]);
            }
        }
        if taken { Ok(()) } else { Err(Unavailable) }
    }

    /// Calls of `replace.lua` for rooms and their users, and after them what puts those into the lists that are heard.
    fn saying_of(&self, said: &[(RoomName, Vec<UserId>)]) -> Pipeline {
        let instance = self.instance();
        let mut asking = Pipeline::with_capacity(said.len() + 2);
        let mut heard = Vec::with_capacity(said.len());
        for (room, users) in said {
            let channel = self.keys.channel(room);
            let mut replace = replace(&channel, &instance);
            for user in users {
                replace.arg(user.as_str());
            }
            asking.add_command(replace);
            if self.rooms.by_channel(&channel).is_some() {
                heard.push(room.as_str());
            }
        }
        if !heard.is_empty() {
            asking.cmd("SADD").arg(self.keys.rooms_at(&instance)).arg(&heard);
            asking.cmd("SADD").arg(self.keys.rooms()).arg(&heard);
        }
        asking
    }

    /// Ends what went out under a former name when others had given that up already. What fails of it is done when its
    /// lease is over.
    async fn give_up_former(&self) {
        let former = std::mem::take(&mut *self.saying.former.lock());
        for before in former {
            let _ = self.give_up(&before, &self.room_names()).await;
        }
    }
}

/// Runs for as long as the broker.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        shared.saying.wake.notified().await;
        if shared.say_dirty().await.is_ok() {
            shared.give_up_former().await;
        }
    }
}
