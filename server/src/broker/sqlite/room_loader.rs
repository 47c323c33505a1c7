//! Thread that loads the list of rooms from the file, while the server serves.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::failure::{EngineFailure, spawn};
use crate::broker::room_list::RoomList;
use crate::store::{Store, StoreReader};

/// Rooms that are read at a time.
const ROOMS: u32 = 1_000;

/// The thread, which its drop ends.
pub(super) struct RoomLoader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RoomLoader {
    pub(super) fn start(store: &Store, list: RoomList, failure: &EngineFailure) -> io::Result<Self> {
        let reader = store.reader().map_err(io::Error::other)?;
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = spawn("rooms", failure, move || {
            match load(&reader, &list, &stopped) {
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot read the rooms of the store: lists of rooms lack some");
                }
            }
            list.finish_loading();
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for RoomLoader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn load(reader: &StoreReader, list: &RoomList, stop: &AtomicBool) -> rusqlite::Result<()> {
    let mut after = None;
    while !stop.load(Ordering::Relaxed) {
        // Each page is a transaction of its own, so that checkpoints go on.
        let (rooms, newest) = reader.read(|view| view.rooms(after, ROOMS))?;
        list.add_stored(&rooms);
        match newest {
            Some(room) => after = Some(room),
            None => break,
        }
    }
    Ok(())
}
