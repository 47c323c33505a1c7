//! When the marks of what was read are saved: soon after one changes, not more often than every few seconds, and at the
//! end. No timer runs while nothing changed. The work is done on another thread, so that no key waits for a disk.

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use realtime_shared::{Position, RoomName, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::app::ReadMark;
use crate::net::{ConnectionState, Event};
use crate::state::{Fault, Place, Save, Store};

/// Between two times that the marks are saved: in a room that is looked at, each message changes one.
const EVERY: Duration = Duration::from_secs(5);
/// From a change to when it is saved, at the least: what changes together is saved together.
const SOON: Duration = Duration::from_millis(500);

/// Saves marks.
pub(super) struct Keeper {
    /// None where nothing is kept.
    store: Option<Store>,
    saved: Option<Instant>,
    due: Option<Instant>,
    job: Option<JoinHandle<Saved>>,
    /// Whether the user was told that nothing can be saved.
    has_failed: bool,
}

/// What was saved, and what came of it.
type Saved = (Save, Result<Option<Fault>, Fault>);

/// What is known at the start.
pub(super) struct Opened {
    pub(super) keeper: Keeper,
    /// How far each room was read.
    pub(super) positions: HashMap<RoomName, Position>,
    /// What the user should know.
    pub(super) warning: Option<String>,
}

impl Keeper {
    /// Reads what is kept at `place`, where something is to be kept.
    pub(super) fn open(place: Option<Place>) -> Opened {
        let opened = place.map(Store::open);
        let (store, positions, fault) =
            opened.map_or_else(Default::default, |opened| (opened.store, opened.positions, opened.fault));
        let keeper = Self { store, saved: None, due: None, job: None, has_failed: false };
        Opened { keeper, positions, warning: fault.map(|fault| fault.to_string()) }
    }

    /// Takes the user from an event of the network. The marks of another user than expected are not kept.
    pub(super) fn note_user(&mut self, event: &Event) {
        if let Event::State(ConnectionState::Connected { user_id, .. }) = event {
            self.store.take_if(|store| store.user() != user_id);
        }
    }

    /// Notes how far a room is read.
    pub(super) fn note(&mut self, room: RoomName, mark: ReadMark, now: Timestamp) {
        if let Some(store) = &mut self.store {
            store.note(room, mark.position, mark.anew, now);
            let soon = Instant::now() + SOON;
            let next = self.saved.map_or(soon, |saved| soon.max(saved + EVERY));
            self.due.get_or_insert(next);
        }
    }

    /// Saves when it is time to, over and over, until there is something that the user should know. May be dropped
    /// before it is done: nothing is lost.
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

    /// Saves what is not saved yet. What goes wrong now, nobody is there to read.
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

    /// What the user should know of it. What failed is tried again with the next change, and is told once.
    fn saved(&mut self, (save, result): Saved) -> Option<Fault> {
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

    fn place(directory: &std::path::Path) -> Place {
        let user = UserId::new("alice").expect("a user id");
        Place { directory: directory.to_owned(), server: "ws://chat.example/ws".to_owned(), user }
    }

    #[tokio::test(start_paused = true)]
    async fn marks_that_could_not_be_saved_are_saved_later() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("state");
        let mut keeper = Keeper::open(Some(place(&directory))).keeper;
        // A file in place of the directory: nothing can be saved.
        fs::write(&directory, "").expect("written");
        let epoch = Epoch::new("e").expect("an epoch");
        let position = Position::At { epoch, seq: Seq::new(7), id: EntryId::from_u128(7) };
        keeper.note(room(), ReadMark { position: position.clone(), anew: false }, Timestamp::from_millis(1));
        let warning = keeper.work().await;
        assert!(warning.contains("unread positions are not kept"), "{warning}");
        fs::remove_file(&directory).expect("removed");
        keeper.finish().await;
        assert_eq!(Keeper::open(Some(place(&directory))).positions.get(&room()), Some(&position));
    }
}
