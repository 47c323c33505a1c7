//! Saves read marks, joins and leaves in the background.
//!
//! A change is saved soon, but not more often than every few seconds, and at the end. No timer runs without a change.
//! Another thread does the work, so that no key waits for a disk.

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use realtime_shared::{Position, RoomName, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::app::ReadMark;
use crate::net::{ConnectionState, Event};
use crate::state::{Opened, Save, StateFault, StateLocation, Store};

/// Shortest time between two saves. In a visible room each message changes a mark.
const EVERY: Duration = Duration::from_secs(5);
/// Delay from the first change to the save, so that changes of one moment share a save.
const SOON: Duration = Duration::from_millis(500);

/// Saves read marks, joins and leaves.
pub(super) struct MarkSaver {
    /// `None` if nothing is kept.
    store: Option<Store>,
    saved: Option<Instant>,
    due: Option<Instant>,
    job: Option<JoinHandle<Saved>>,
    /// The failure to save was shown to the user.
    has_failed: bool,
}

/// A save and its result.
type Saved = (Save, Result<Option<StateFault>, StateFault>);

/// State at the start.
pub(super) struct OpenedMarks {
    pub(super) mark_saver: MarkSaver,
    /// Read position of each room.
    pub(super) positions: HashMap<RoomName, Position>,
    /// Rooms that were joined and not left.
    pub(super) rooms: Vec<RoomName>,
    /// Sentences for the user.
    pub(super) warnings: Vec<String>,
}

impl MarkSaver {
    /// Reads the marks of `location`, if marks are kept.
    pub(super) fn open(location: Option<StateLocation>) -> OpenedMarks {
        let Opened { store, positions, rooms, faults } = location.map(Store::open).unwrap_or_default();
        let mark_saver = Self { store, saved: None, due: None, job: None, has_failed: false };
        let warnings = faults.iter().map(ToString::to_string).collect();
        OpenedMarks { mark_saver, positions, rooms, warnings }
    }

    /// Takes the user from a network event. Stops keeping marks if it is another user than expected.
    pub(super) fn note_user(&mut self, event: &Event) {
        if let Event::State(ConnectionState::Connected { user_id, .. }) = event {
            self.store.take_if(|store| store.user() != user_id);
        }
    }

    /// Notes the read position of a room.
    pub(super) fn note(&mut self, room: RoomName, mark: ReadMark, now: Timestamp) {
        if let Some(store) = &mut self.store {
            store.note(room, mark.position, mark.anew, now);
            let soon = Instant::now() + SOON;
            let next = self.saved.map_or(soon, |saved| soon.max(saved + EVERY));
            self.due.get_or_insert(next);
        }
    }

    /// Notes that the user joined or left a room. This is saved soon, because it is rare.
    pub(super) fn note_room(&mut self, room: RoomName, is_joined: bool) {
        if let Some(store) = &mut self.store {
            store.note_room(room, is_joined);
            let soon = Instant::now() + SOON;
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
    }

    /// Saves whenever it is due, until there is a fault to show the user. Cancel safe: no mark is lost.
    pub(super) async fn work(&mut self) -> String {
        loop {
            let saved = match (&mut self.job, self.due) {
                (Some(job), _) => job.await,
                (None, Some(due)) => {
                    sleep_until(due).await;
                    self.begin();
                    continue;
                }
                (None, None) => pending().await,
            };
            self.job = None;
            if let Some(fault) = saved.ok().and_then(|saved| self.saved(saved)) {
                return fault.to_string();
            }
        }
    }

    /// Saves the remaining marks. A fault is ignored: the screen is gone.
    pub(super) async fn finish(mut self) {
        if let Some(job) = self.job.take()
            && let Ok(saved) = job.await
        {
            self.saved(saved);
        }
        self.begin();
        if let Some(job) = self.job.take() {
            let _ = job.await;
        }
    }

    fn begin(&mut self) {
        self.due = None;
        self.saved = Some(Instant::now());
        self.job = self.store.as_mut().and_then(Store::take).map(|save| {
            tokio::task::spawn_blocking(move || {
                let result = save.run();
                (save, result)
            })
        });
    }

    /// The fault to show the user. A failed save is repeated with the next change, and shown once.
    fn saved(&mut self, (save, result): Saved) -> Option<StateFault> {
        match result {
            Ok(fault) => {
                self.has_failed = false;
                fault
            }
            Err(fault) => {
                if let Some(store) = &mut self.store {
                    store.put_back(save);
                }
                (!std::mem::replace(&mut self.has_failed, true)).then_some(fault)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use realtime_shared::{EntryId, Epoch, Seq, UserId};

    use super::*;

    fn room() -> RoomName {
        RoomName::new("lobby").expect("a name")
    }

    fn location(directory: &std::path::Path) -> StateLocation {
        let user = UserId::new("alice").expect("a user id");
        StateLocation { directory: directory.to_owned(), server: "ws://chat.example/ws".to_owned(), user }
    }

    #[tokio::test(start_paused = true)]
    async fn marks_of_a_failed_save_are_saved_later() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("state");
        let mut mark_saver = MarkSaver::open(Some(location(&directory))).mark_saver;
        // A file in place of the directory makes each save fail.
        fs::write(&directory, "").expect("written");
        let epoch = Epoch::new("e").expect("an epoch");
        let position = Position::At { epoch, seq: Seq::new(7), id: EntryId::from_u128(7) };
        mark_saver.note(
            room(),
            ReadMark { position: position.clone(), anew: false },
            Timestamp::from_millis(1),
        );
        let warning = mark_saver.work().await;
        assert!(warning.contains("read positions and rooms are not stored"), "{warning}");
        fs::remove_file(&directory).expect("removed");
        mark_saver.note_room(room(), true);
        mark_saver.finish().await;
        assert_eq!(MarkSaver::open(Some(location(&directory))).rooms, [room()]);
        assert_eq!(MarkSaver::open(Some(location(&directory))).positions.get(&room()), Some(&position));
    }
}
