//! Reads of the store for connections that the ring does not serve, and their limits.
//!
//! A connection has one read at a time. One page is read at a time for all of them, so the other reader threads of the
//! engine stay free for joins. The [`page_queue`](super::page_queue) gives a page to all readers that wait for it. The
//! pages that are in memory are limited too, for each user and in total: a page counts until its connection has written
//! it. Connections wait in the order in which they came, and a client that takes its page too slowly is closed, so each
//! has its turn.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use realtime_shared::{Seq, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Room;
use super::page_queue::{PageQueue, Turn};
use super::ring::Arrival;
use crate::broker::{Broker, MEMBERS_NAMED, Page, Presence, Range, Unavailable};

/// Limit on the bytes of a page.
const PAGE_BYTES: usize = 64 * 1024;
/// Limit on the pages that connections have in memory: 64 MiB.
const PAGES: usize = 1_024;
/// Limit on the pages of one user, so that users with many slow connections do not hold all pages.
const PAGES_PER_USER: usize = 8;
/// Limit on the pages that are read from the engine at the same time.
const READING: usize = 1;

/// Reads the store within the limits.
pub(crate) struct StoreReads {
    broker: Arc<dyn Broker>,
    pages: Arc<Semaphore>,
    /// The pages of each user that has any, or waits for one.
    users: Mutex<HashMap<UserId, Weak<Semaphore>>>,
    queue: Arc<PageQueue>,
}

/// The result of a read.
pub(crate) enum StoreRead {
    /// The page, and [`Room::replacements`] before it was read.
    Page(Arc<Page>, PagePermit, u64),
    /// The members of a room, and its state when they were read.
    Members(Presence, Arrival),
}

/// The claim of a page on the memory for pages. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct PagePermit {
    _of_user: Option<OwnedSemaphorePermit>,
    _of_all: Option<OwnedSemaphorePermit>,
}

impl StoreReads {
    pub(super) fn new(broker: Arc<dyn Broker>) -> Self {
        Self {
            broker,
            pages: Arc::new(Semaphore::new(PAGES)),
            users: Mutex::default(),
            queue: PageQueue::new(READING),
        }
    }

    /// Reads the page after an entry, for a connection of this user.
    pub(crate) async fn page(
        &self,
        room: &Arc<Room>,
        user: &UserId,
        after: Seq,
    ) -> Result<StoreRead, Unavailable> {
        let replacements = room.replacements();
        // The semaphores are never closed. The order of the two lets a user wait without a claim on the total.
        let of_user = self.pages_of(user).acquire_owned().await.ok();
        let of_all = self.pages.clone().acquire_owned().await.ok();
        let permit = PagePermit { _of_user: of_user, _of_all: of_all };
        let page = match self.queue.turn(room, after).await {
            Turn::Shared(page) => page,
            Turn::Read(turn) => {
                let page = self.broker.history(&room.name, Range::After(after), usize::MAX, PAGE_BYTES);
                turn.finish(page.await?)
            }
        };
        Ok(StoreRead::Page(page, permit, replacements))
    }

    /// Drops pages that no reader has taken for a while.
    pub(super) fn trim(&self, now: Instant) {
        self.queue.trim(now);
    }

    /// The pages of a user.
    fn pages_of(&self, user: &UserId) -> Arc<Semaphore> {
        let mut users = self.users.lock();
        if let Some(pages) = users.get(user).and_then(Weak::upgrade) {
            return pages;
        }
        // The map grows by one user at a time, so its size is bounded by twice the users that read at the same time.
        if users.len() == users.capacity() {
            users.retain(|_, pages| pages.strong_count() > 0);
        }
        let pages = Arc::new(Semaphore::new(PAGES_PER_USER));
        users.insert(user.clone(), Arc::downgrade(&pages));
        pages
    }

    /// Reads the members for a reader that has fallen behind and returns to the ring.
    pub(crate) async fn members(&self, room: &Room, user: &UserId) -> Result<StoreRead, Unavailable> {
        // Signals from here on are for the reader, as after a join.
        let join_point = room.join_point(None).ok_or(Unavailable)?;
        let _read = room.begin_read(user);
        let presence = self.broker.members(&room.name, MEMBERS_NAMED).await?;
        let arrival = join_point.arrival(&presence);
        Ok(StoreRead::Members(presence, arrival))
    }
}
