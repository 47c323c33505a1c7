//! State that outlives the process: read positions by server, user and room, and texts that were not sent.
//! [`texts`] keeps typed texts for the next start; [`unsent`] has those that could not be kept.
//!
//! `runtime` opens a [`Store`] before the first join, notes each mark of `app`, and saves in the background. Other
//! clients of the same user may use the same file at the same time.
//!
//! Invariants:
//! - A file is replaced as a whole or not at all (`file`).
//! - A stored position never goes back within an epoch, unless its writer knows that the log has changed.
//! - A file that cannot be parsed is renamed, never overwritten.
//! - A file that cannot be read, or is from a later version, stays unchanged; then nothing is stored.
//! - At most [`ROOMS`] rooms are stored, those read last. Only [`texts`] and [`unsent`] store texts.

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
use file::{PositionsFile, ReadPosition};

/// Most rooms in the file, of all servers and users together: a few hundred KiB.
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

/// Read positions of a user on a server.
#[derive(Debug)]
pub struct Store {
    location: StateLocation,
    unsaved: HashMap<RoomName, Unsaved>,
}

/// A position that is not in the file yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unsaved {
    position: Position,
    anew: bool,
    at: Timestamp,
}

/// Positions on their way to the file. Independent of the store, so that another thread can save them.
#[derive(Debug)]
pub struct Save {
    location: StateLocation,
    marks: HashMap<RoomName, Unsaved>,
}

/// State of the file at the start.
#[derive(Debug)]
pub struct Opened {
    /// `None` if positions cannot be stored.
    pub store: Option<Store>,
    /// Read position of each room.
    pub positions: HashMap<RoomName, Position>,
    /// Fault to show the user.
    pub fault: Option<StateFault>,
}

impl Store {
    /// Reads the file.
    #[must_use]
    pub fn open(location: StateLocation) -> Opened {
        let (positions, fault) = match file::read(&location.directory) {
            Ok(read) => read,
            Err(fault) => return Opened { store: None, positions: HashMap::new(), fault: Some(fault) },
        };
        let ours = positions.rooms.into_iter().filter(|entry| location.is_of(entry));
        let positions = ours.map(|entry| (entry.room, entry.position)).collect();
        Opened { store: Some(Self { location, unsaved: HashMap::new() }), positions, fault }
    }

    /// Notes at `now` that `room` is read up to `position`. `anew`: the log is not that of the stored position.
    pub fn note(&mut self, room: RoomName, position: Position, anew: bool, now: Timestamp) {
        let anew = anew || self.unsaved.get(&room).is_some_and(|before| before.anew);
        self.unsaved.insert(room, Unsaved { position, anew, at: now });
    }

    /// Takes the positions to save; `None` if there are none.
    pub fn take(&mut self) -> Option<Save> {
        let marks = std::mem::take(&mut self.unsaved);
        (!marks.is_empty()).then(|| Save { location: self.location.clone(), marks })
    }

    /// Takes back positions that could not be saved. They are saved with the next ones.
    pub fn put_back(&mut self, save: Save) {
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
    /// Merges the positions into the file. Blocks on the lock and the disk.
    pub fn run(&self) -> Result<Option<StateFault>, StateFault> {
        file::change(&self.location.directory, |positions| self.merge(positions))
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
