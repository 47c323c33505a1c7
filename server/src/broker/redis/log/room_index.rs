//! The set of all rooms in Redis: rooms with an entry or a member, and for up to a minute those that had one.
//!
//! The empty name, which no room has, is a mark: the set has not been lost since all rooms were added. Without it the set
//! is restored from the keys of the logs. A sweep adds single rooms that were lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Pipeline, Value};
use parking_lot::Mutex;
use realtime_shared::RoomName;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::broker::Unavailable;
use crate::broker::redis::transport::{Transport, reply, scripts};

/// The mark of a complete set.
const MARK: &str = "";
/// Keys that Redis looks at for one request of a restoration.
const SCANNED_KEYS: u32 = 1_000;
/// Pause between two requests of a restoration, so that Redis can serve others.
const SCAN_PAUSE: Duration = Duration::from_millis(10);
/// Most rooms that are remembered to be in the set.
const REMEMBERED: usize = 100_000;

/// The set, and some of the rooms that are known to be in it.
pub(crate) struct RoomIndex {
    transport: Arc<Transport>,
    known: Mutex<HashSet<RoomName>>,
    forgotten: Notify,
}

impl RoomIndex {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self { transport, known: Mutex::default(), forgotten: Notify::new() }
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

    /// Forgets removed rooms.
    pub(crate) fn forget_rooms<'a>(&self, rooms: impl IntoIterator<Item = &'a RoomName>) {
        let mut known = self.known.lock();
        for room in rooms {
            known.remove(room);
        }
    }

    /// Forgets all rooms: Redis may have lost the set.
    pub(crate) fn forget(&self) {
        self.known.lock().clear();
        self.forgotten.notify_one();
    }

    /// Waits until Redis may have lost the set. For one task.
    pub(crate) async fn forgotten(&self) {
        self.forgotten.notified().await;
    }

    /// The command that adds rooms to the set.
    pub(crate) fn add_command(&self, rooms: &[&str]) -> Cmd {
        let mut add = Cmd::new();
        add.arg("SADD").arg(self.transport.keys.rooms()).arg(rooms);
        add
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

    /// Adds the rooms that have an entry, if single ones were lost. One that has none is removed by the next sweep.
    pub(crate) async fn relist(&self) -> Result<(), Unavailable> {
        let keys = [self.transport.keys.rooms(), self.transport.keys.founded_rooms()];
        let (mut cursor, mut relisted) = ("0".to_owned(), 0_u64);
        loop {
            let mut relist = scripts::RELIST.on(&keys);
            relist.arg(&cursor).arg(SCANNED_KEYS);
            let mut relisting = Pipeline::new();
            relisting.add_command(relist);
            let answers = self.transport.ask(&relisting).await?;
            let [next, added] = answers.first().map(reply::items).unwrap_or_default() else {
                return Err(Unavailable);
            };
            relisted = relisted.saturating_add(reply::parse(added).ok_or(Unavailable)?);
            reply::text(next).ok_or(Unavailable)?.clone_into(&mut cursor);
            if cursor == "0" {
                break;
            }
            sleep(SCAN_PAUSE).await;
        }
        if relisted > 0 {
            tracing::warn!(rooms = relisted, "rooms were missing in the list in Redis: restored");
        }
        Ok(())
    }

    /// Adds open rooms to the set, and to the one of this instance, which may both have lost them.
    pub(crate) async fn confirm(&self, open: &[&str]) {
        if open.is_empty() {
            return;
        }
        let keys = &self.transport.keys;
        let mut adding = Pipeline::new();
        for key in [keys.rooms(), keys.rooms_at(&self.transport.instance.get())] {
            adding.cmd("SADD").arg(key).arg(open);
        }
        // The next comparison repeats a failed one.
        let _ = self.transport.ask_each(&adding).await;
    }

    /// Adds all rooms with an entry to the set, if it lacks the mark.
    pub(crate) async fn restore_if_lost(&self) {
        let mut marking = Pipeline::new();
        marking.cmd("SADD").arg(self.transport.keys.rooms()).arg(MARK);
        let Ok(answers) = self.transport.ask_each(&marking).await else { return };
        if answers.first().and_then(reply::parse::<u64>) != Some(1) {
            return;
        }
        self.forget();
        match self.restore().await {
            Ok(0) => {}
            Ok(rooms) => {
                tracing::info!(rooms, "the list of rooms in Redis was lost or of an older version: restored");
            }
            Err(Unavailable) => {
                // The next comparison tries again.
                let mut unmarking = Pipeline::new();
                unmarking.cmd("SREM").arg(self.transport.keys.rooms()).arg(MARK);
                let _ = self.transport.ask_each(&unmarking).await;
            }
        }
    }

    /// Adds all rooms with an entry. Returns their number.
    async fn restore(&self) -> Result<usize, Unavailable> {
        let keys = &self.transport.keys;
        let (mut cursor, mut restored) = ("0".to_owned(), 0_usize);
        loop {
            let mut scan = Pipeline::new();
            scan.cmd("SCAN").arg(&cursor).arg("MATCH").arg(keys.log_pattern()).arg("COUNT").arg(SCANNED_KEYS);
            let answers = self.transport.ask_each(&scan).await?;
            let answer = answers.first().ok_or(Unavailable)?;
            if let Value::ServerError(error) = answer {
                tracing::warn!(%error, "the list of rooms in Redis cannot be restored: rooms return with their next message");
                return Ok(restored);
            }
            let [next, found] = reply::items(answer) else { return Err(Unavailable) };
            let found = reply::items(found).iter();
            let rooms: Vec<_> = found.filter_map(|key| keys.room_of_log(reply::text(key)?)).collect();
            if !rooms.is_empty() {
                let names: Vec<_> = rooms.iter().map(RoomName::as_str).collect();
                let mut adding = Pipeline::new();
                adding.add_command(self.add_command(&names));
                self.transport.ask(&adding).await?;
            }
            restored = restored.saturating_add(rooms.len());
            reply::text(next).ok_or(Unavailable)?.clone_into(&mut cursor);
            if cursor == "0" {
                return Ok(restored);
            }
            sleep(SCAN_PAUSE).await;
        }
    }
}
