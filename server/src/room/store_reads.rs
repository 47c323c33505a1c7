//! Reads of the store for connections that the ring does not serve, and their limits.
//!
//! A connection has one read at a time. One page is read at a time for all of them, so the other reader threads of the
//! engine stay free for joins. The pages that are in memory are limited too: a page counts until its connection has
//! written it. Connections wait in the order in which they came, and a client that takes its page too slowly is closed,
//! so each has its turn.

use std::sync::Arc;

use realtime_shared::{Seq, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Room;
use super::ring::Arrival;
use crate::broker::{Broker, MEMBERS_NAMED, Page, Presence, Range, Unavailable};

/// Limit on the bytes of a page.
const PAGE_BYTES: usize = 64 * 1024;
/// Limit on the pages in memory.
const PAGES: usize = 256;
/// Limit on the pages that are read from the engine at the same time.
const READING: usize = 1;

/// Reads the store within the limits.
pub(crate) struct StoreReads {
    broker: Arc<dyn Broker>,
    pages: Arc<Semaphore>,
    reading: Semaphore,
}

/// The result of a read.
pub(crate) enum StoreRead {
    Page(Page, PagePermit),
    /// The members of a room, and its state when they were read.
    Members(Presence, Arrival),
}

/// The claim of a page on the memory for pages. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct PagePermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl StoreReads {
    pub(super) fn new(broker: Arc<dyn Broker>) -> Self {
        Self { broker, pages: Arc::new(Semaphore::new(PAGES)), reading: Semaphore::new(READING) }
    }

    /// Reads the page after an entry.
    pub(crate) async fn page(&self, room: &Room, after: Seq) -> Result<StoreRead, Unavailable> {
        // The semaphores are never closed.
        let permit = self.pages.clone().acquire_owned().await.ok();
        let _reading = self.reading.acquire().await;
        let page = self.broker.history(&room.name, Range::After(after), usize::MAX, PAGE_BYTES).await?;
        Ok(StoreRead::Page(page, PagePermit { _permit: permit }))
    }

    /// Reads the members for a reader that has fallen behind and returns to the ring.
    pub(crate) async fn members(&self, room: &Room, user: &UserId) -> Result<StoreRead, Unavailable> {
        // Signals from here on are for the reader, as after a join.
        let join_point = room.join_point(user, None).ok_or(Unavailable)?;
        let presence = self.broker.members(&room.name, MEMBERS_NAMED).await?;
        let arrival = join_point.arrival(&presence);
        Ok(StoreRead::Members(presence, arrival))
    }
}
