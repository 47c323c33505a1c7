//! Budget of one room that is open here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::meter::Meter;
use super::rates::Rates;
use super::user::PostPrice;

/// Budget of a room. The entries of its log are spent, whoever posted them and on whichever instance. Posts that are
/// on their way to the log count until they are in it.
pub(crate) struct RoomBudget {
    rates: Arc<Rates>,
    meter: Meter,
    /// Bytes of posts that were submitted here and have not completed.
    in_flight: AtomicU64,
}

/// The place of a post in the budget of its room, until the post completes.
pub(crate) struct PostCharge {
    room: Option<Arc<RoomBudget>>,
    bytes: u64,
}

impl RoomBudget {
    pub(super) fn new(rates: Arc<Rates>, meter: Meter) -> Self {
        Self { rates, meter, in_flight: AtomicU64::new(0) }
    }

    /// Admits a post, or returns the time until the room may be posted to. The last part of the budget is open only to
    /// users who post little, so that those who post much do not keep them out.
    pub(crate) fn admit(self: &Arc<Self>, price: PostPrice) -> Result<PostCharge, Duration> {
        let rates = &self.rates;
        let rate = if price.is_modest { rates.room_for_modest } else { rates.room };
        if rate.per_second == 0 {
            return Ok(PostCharge::free());
        }
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        if let Some(wait) = self.meter.wait_with(rate, in_flight, rates.moment(price.at)) {
            return Err(wait);
        }
        self.in_flight.fetch_add(price.bytes, Ordering::Relaxed);
        Ok(PostCharge { room: Some(self.clone()), bytes: price.bytes })
    }

    /// Spends an entry of the log.
    pub(crate) fn spend(&self, bytes: usize, now: Instant) {
        let rate = self.rates.room;
        if rate.per_second > 0 {
            self.meter.spend(rate, bytes as u64, self.rates.moment(now));
        }
    }

    /// The meter of a room that is closed.
    pub(super) fn take_meter(&self) -> Meter {
        self.meter.take_over()
    }
}

impl PostCharge {
    /// The charge of a post whose room counts nothing here.
    pub(crate) fn free() -> Self {
        Self { room: None, bytes: 0 }
    }
}

impl Drop for PostCharge {
    fn drop(&mut self) {
        if let Some(room) = &self.room {
            room.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
