//! What outlives the program: how far each room was read, by server, user and room, and what could not be sent.
//!
//! `runtime` opens a [`Store`] before the first room is joined, notes each mark that `app` gives out, and saves in the
//! background. Other clients of the same user may do the same with the same file at the same time.
//!
//! Invariants: a file is replaced whole or not at all (`file`); a position that is kept never goes back in one epoch, but
//! where its writer knows that the log is another one; a file that cannot be understood is set aside and never
//! overwritten, and one that cannot be read, or is of a later version, is left alone and nothing is kept. At most
//! [`ROOMS`] rooms are kept, those that were read last. Texts are kept by [`unsent`] alone.

mod fault;
mod file;
#[cfg(test)]
mod tests;
pub mod unsent;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use realtime_shared::{Position, RoomName, Timestamp, UserId};

pub use fault::Fault;
use file::{Book, Entry};

/// Rooms that are kept, of all servers and users together: more than anybody reads, and a few hundred KiB.
pub const ROOMS: usize = 1_000;

/// Whose rooms, and where they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory, which is made where it is missing.
    pub directory: PathBuf,
    /// The server's address.
    pub server: String,
    /// The user.
    pub user: UserId,
}

/// How far one user's rooms on one server are read.
#[derive(Debug)]
pub struct Store {
    place: Place,
    unsaved: HashMap<RoomName, Unsaved>,
}

/// A mark that is not in the file yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unsaved {
    position: Position,
    anew: bool,
    at: Timestamp,
}

/// Marks on their way to the file. It knows nothing of the store, so that another thread can save them.
#[derive(Debug)]
pub struct Save {
    place: Place,
    marks: HashMap<RoomName, Unsaved>,
}

/// What is known at the start.
#[derive(Debug)]
pub struct Opened {
    /// Takes the marks; none where they cannot be kept.
    pub store: Option<Store>,
    /// How far each room was read.
    pub positions: HashMap<RoomName, Position>,
    /// What the user should know.
    pub fault: Option<Fault>,
}

impl Store {
    /// Reads what is kept.
    #[must_use]
    pub fn open(place: Place) -> Opened {
        let (book, fault) = match file::read(&place.directory) {
            Ok(read) => read,
            Err(fault) => return Opened { store: None, positions: HashMap::new(), fault: Some(fault) },
        };
        let ours = book.rooms.into_iter().filter(|entry| place.is_of(entry));
        let positions = ours.map(|entry| (entry.room, entry.position)).collect();
        Opened { store: Some(Self { place, unsaved: HashMap::new() }), positions, fault }
    }

    /// Notes at `now` that `room` is read up to `position`; `anew`: its log is another one than what is kept is of.
    pub fn note(&mut self, room: RoomName, position: Position, anew: bool, now: Timestamp) {
        let anew = anew || self.unsaved.get(&room).is_some_and(|before| before.anew);
        self.unsaved.insert(room, Unsaved { position, anew, at: now });
    }

    /// Takes what is to be saved; `None` where there is nothing.
    pub fn take(&mut self) -> Option<Save> {
        let marks = std::mem::take(&mut self.unsaved);
        (!marks.is_empty()).then(|| Save { place: self.place.clone(), marks })
    }

    /// Takes back what could not be saved, to be saved with what comes next.
    pub fn put_back(&mut self, save: Save) {
        for (room, mut mark) in save.marks {
            if let Some(newer) = self.unsaved.remove(&room) {
                mark = Unsaved { anew: newer.anew || mark.anew, ..newer };
            }
            self.unsaved.insert(room, mark);
        }
    }

    /// Whose marks these are.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        &self.place.user
    }
}

impl Save {
    /// Puts the marks into the file, beside those of others. Waits for others who do the same, and for the disk.
    pub fn run(&self) -> Result<Option<Fault>, Fault> {
        file::change(&self.place.directory, |book| self.merge(book))
    }

    fn merge(&self, book: &mut Book) {
        for (room, mark) in &self.marks {
            let found = book.rooms.iter_mut().find(|entry| entry.room == *room && self.place.is_of(entry));
            match found {
                Some(entry) => {
                    entry.at = entry.at.max(mark.at);
                    if mark.replaces(&entry.position) {
                        entry.position = mark.position.clone();
                    }
                }
                None => book.rooms.push(Entry {
                    server: self.place.server.clone(),
                    user: self.place.user.clone(),
                    room: room.clone(),
                    position: mark.position.clone(),
                    at: mark.at,
                }),
            }
        }
        book.rooms.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        book.rooms.truncate(ROOMS);
    }
}

impl Unsaved {
    fn replaces(&self, kept: &Position) -> bool {
        self.anew || self.position.epoch() != kept.epoch() || self.position.seq() > kept.seq()
    }
}

impl Place {
    fn is_of(&self, entry: &Entry) -> bool {
        entry.server == self.server && entry.user == self.user
    }
}

/// The directory of this program's state: below `$XDG_STATE_HOME`, or in its place `~/.local/state`. `None`: the
/// environment, which `variable` reads, names neither as an absolute path.
#[must_use]
pub fn directory(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(Path::new(".local/state"))))?;
    Some(base.join("realtime"))
}
