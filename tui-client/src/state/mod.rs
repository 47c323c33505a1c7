//! State that outlives the process: read positions and joined rooms by server and user, and texts that were not sent.
//! [`texts`] keeps typed texts for the next start; [`unsent`] has those that could not be kept.
//!
//! `runtime` opens a [`Store`] before the first join, notes each mark, join and leave of `app`, and saves in the
//! background. Other clients of the same user may use the same files at the same time, so a save changes only what this
//! client has changed.
//!
//! Invariants:
//! - A file is replaced as a whole or not at all (`file`).
//! - A stored position never goes back within an epoch, unless its writer knows that the log has changed.
//! - A file that cannot be parsed is renamed, never overwritten.
//! - A file that cannot be read, or is from a later version, stays unchanged; then nothing is stored.
//! - At most [`ROOMS`] rooms are stored in each file, those read or joined last. Only [`texts`] and [`unsent`] store texts.

mod disk;
mod fault;
mod file;
mod json;
#[cfg(test)]
mod tests;
pub mod texts;
pub mod unsent;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use realtime_shared::{Position, RoomName, Timestamp, UserId};

pub use fault::StateFault;
use file::{JoinedFile, JoinedRoom, PositionsFile, ReadPosition};

/// Most rooms in a file, of all servers and users together: a few hundred KiB.
pub const ROOMS: usize = 1_000;

/// Directory of the state, and the server and user whose positions are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateLocation {
    /// Created if missing.
    pub directory: PathBuf,
    /// Address of the server.
    pub server: String,
    pub user: UserId,
}

/// Read positions and joined rooms of a user on a server.
#[derive(Debug)]
pub struct Store {
    location: StateLocation,
    unsaved: HashMap<RoomName, Unsaved>,
    /// Rooms that were joined (`true`) or left since the last save, in order.
    unsaved_rooms: Vec<(RoomName, bool)>,
}

/// A position that is not in the file yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unsaved {
    position: Position,
    anew: bool,
    at: Timestamp,
}

/// Changes on their way to the files. Independent of the store, so that another thread can save them.
#[derive(Debug)]
pub struct Save {
    location: StateLocation,
    marks: HashMap<RoomName, Unsaved>,
    rooms: Vec<(RoomName, bool)>,
}

/// State of the files at the start.
#[derive(Debug, Default)]
pub struct Opened {
    /// `None` if nothing can be stored.
    pub store: Option<Store>,
    /// Read position of each room.
    pub positions: HashMap<RoomName, Position>,
    /// Rooms that were joined and not left, in the order of the joins.
    pub rooms: Vec<RoomName>,
    /// Faults to show the user.
    pub faults: Vec<StateFault>,
}

impl Store {
    /// Reads the files.
    #[must_use]
    pub fn open(location: StateLocation) -> Opened {
        Self::try_open(location).unwrap_or_else(|fault| Opened { faults: vec![fault], ..Opened::default() })
    }

    fn try_open(location: StateLocation) -> Result<Opened, StateFault> {
        let (positions, fault) = file::read::<PositionsFile>(&location.directory)?;
        let (joined, joined_fault) = file::read::<JoinedFile>(&location.directory)?;
        let ours = positions.rooms.into_iter().filter(|entry| location.is_of(entry));
        let positions = ours.map(|entry| (entry.room, entry.position)).collect();
        let rooms = joined.rooms.into_iter().filter(|entry| location.has_joined(entry));
        let rooms = rooms.map(|entry| entry.room).collect();
        let store = Self { location, unsaved: HashMap::new(), unsaved_rooms: Vec::new() };
        Ok(Opened {
            store: Some(store),
            positions,
            rooms,
            faults: [fault, joined_fault].into_iter().flatten().collect(),
        })
    }

    /// Notes at `now` that `room` is read up to `position`. `anew`: the log is not that of the stored position.
    pub fn note(&mut self, room: RoomName, position: Position, anew: bool, now: Timestamp) {
        let anew = anew || self.unsaved.get(&room).is_some_and(|before| before.anew);
        self.unsaved.insert(room, Unsaved { position, anew, at: now });
    }

    /// Notes that the user joined or left a room.
    pub fn note_room(&mut self, room: RoomName, is_joined: bool) {
        self.unsaved_rooms.retain(|(other, _)| *other != room);
        self.unsaved_rooms.push((room, is_joined));
    }

    /// Takes the changes to save; `None` if there are none.
    pub fn take(&mut self) -> Option<Save> {
        let marks = std::mem::take(&mut self.unsaved);
        let rooms = std::mem::take(&mut self.unsaved_rooms);
        let is_changed = !marks.is_empty() || !rooms.is_empty();
        is_changed.then(|| Save { location: self.location.clone(), marks, rooms })
    }

    /// Takes back changes that could not be saved. They are saved with the next ones.
    pub fn put_back(&mut self, save: Save) {
        let newer = std::mem::replace(&mut self.unsaved_rooms, save.rooms);
        for (room, is_joined) in newer {
            self.note_room(room, is_joined);
        }
        for (room, mut mark) in save.marks {
            if let Some(newer) = self.unsaved.remove(&room) {
                mark = Unsaved { anew: newer.anew || mark.anew, ..newer };
            }
            self.unsaved.insert(room, mark);
        }
    }

    /// The user whose positions these are.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        &self.location.user
    }
}

impl Save {
    /// Merges the changes into the files. Blocks on the lock and the disk. Returns the fault of a broken file that it
    /// replaced.
    pub fn run(&self) -> Result<Option<StateFault>, StateFault> {
        let mut fault = None;
        if !self.marks.is_empty() {
            fault = file::change(&self.location.directory, |positions| self.merge(positions))?;
        }
        if !self.rooms.is_empty() {
            let joined_fault = file::change(&self.location.directory, |joined| self.merge_rooms(joined))?;
            fault = fault.or(joined_fault);
        }
        Ok(fault)
    }

    fn merge_rooms(&self, joined: &mut JoinedFile) {
        for (room, is_joined) in &self.rooms {
            let is_it = |entry: &JoinedRoom| entry.room == *room && self.location.has_joined(entry);
            if !is_joined {
                joined.rooms.retain(|entry| !is_it(entry));
            } else if !joined.rooms.iter().any(is_it) {
                let StateLocation { server, user, .. } = self.location.clone();
                joined.rooms.push(JoinedRoom { server, user, room: room.clone() });
            }
        }
        let surplus = joined.rooms.len().saturating_sub(ROOMS);
        joined.rooms.drain(..surplus);
    }

    fn merge(&self, positions: &mut PositionsFile) {
        for (room, mark) in &self.marks {
            let found =
                positions.rooms.iter_mut().find(|entry| entry.room == *room && self.location.is_of(entry));
            match found {
                Some(entry) => {
                    entry.at = entry.at.max(mark.at);
                    if mark.replaces(&entry.position) {
                        entry.position = mark.position.clone();
                    }
                }
                None => positions.rooms.push(ReadPosition {
                    server: self.location.server.clone(),
                    user: self.location.user.clone(),
                    room: room.clone(),
                    position: mark.position.clone(),
                    at: mark.at,
                }),
            }
        }
        positions.rooms.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        positions.rooms.truncate(ROOMS);
    }
}

impl Unsaved {
    fn replaces(&self, kept: &Position) -> bool {
        self.anew || self.position.epoch() != kept.epoch() || self.position.seq() > kept.seq()
    }
}

impl StateLocation {
    fn is_of(&self, entry: &ReadPosition) -> bool {
        entry.server == self.server && entry.user == self.user
    }

    fn has_joined(&self, entry: &JoinedRoom) -> bool {
        entry.server == self.server && entry.user == self.user
    }
}

/// Directory of this program's state: below `$XDG_STATE_HOME`, or below `~/.local/state`. `None` if the environment,
/// which `variable` reads, has neither as an absolute path.
#[must_use]
pub fn directory(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(Path::new(".local/state"))))?;
    Some(base.join("realtime"))
}
