//! The set of all rooms in Redis: rooms with an entry or a member, and for up to a minute those that had one.

use std::collections::HashSet;
use std::sync::Arc;

use ::redis::{Cmd, Pipeline};
use parking_lot::Mutex;
use realtime_shared::RoomName;

use crate::broker::Unavailable;
use crate::broker::redis::transport::{Transport, reply};

/// Most rooms that are remembered to be in the set.
const REMEMBERED: usize = 100_000;

/// The set, and some of the rooms that are known to be in it.
pub(crate) struct RoomIndex {
    transport: Arc<Transport>,
    known: Mutex<HashSet<RoomName>>,
}

impl RoomIndex {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self { transport, known: Mutex::default() }
    }

    /// True if the room is known to be in the set.
    pub(crate) fn contains(&self, room: &RoomName) -> bool {
        self.known.lock().contains(room)
    }

    /// Remembers that a room is in the set.
    pub(crate) fn remember(&self, room: RoomName) {
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(room);
    }

    /// Forgets all rooms: Redis may have lost the set.
    pub(crate) fn forget(&self) {
        self.known.lock().clear();
    }

    /// The command that adds rooms to the set.
    pub(crate) fn add_command(&self, rooms: &[&str]) -> Cmd {
        let mut add = Cmd::new();
        add.arg("SADD").arg(self.transport.keys.rooms()).arg(rooms);
        add
    }

    pub(crate) async fn add(&self, rooms: &[RoomName]) -> Result<(), Unavailable> {
        self.change("SADD", rooms).await
    }

    pub(crate) async fn remove(&self, rooms: &[RoomName]) -> Result<(), Unavailable> {
        self.change("SREM", rooms).await
    }

    /// About `count` rooms of the set, and the scan cursor of the next ones, if there may be more.
    pub(crate) async fn scan(
        &self,
        cursor: &str,
        count: usize,
    ) -> Result<(Vec<RoomName>, Option<String>), Unavailable> {
        let mut scan = Pipeline::new();
        scan.cmd("SSCAN").arg(self.transport.keys.rooms()).arg(cursor).arg("COUNT").arg(count);
        let answers = self.transport.ask(&scan).await?;
        let [next, names] = answers.first().map(reply::items).unwrap_or_default() else {
            return Err(Unavailable);
        };
        let names = reply::items(names).iter();
        let rooms = names.filter_map(|name| RoomName::new(reply::text(name)?).ok()).collect();
        let next = reply::text(next).ok_or(Unavailable)?;
        Ok((rooms, (next != "0").then(|| next.to_owned())))
    }

    async fn change(&self, command: &str, rooms: &[RoomName]) -> Result<(), Unavailable> {
        if rooms.is_empty() {
            return Ok(());
        }
        let mut change = Pipeline::new();
        change.cmd(command).arg(self.transport.keys.rooms());
        for room in rooms {
            change.arg(room.as_str());
        }
        self.transport.ask(&change).await.map(|_| ())
    }
}
