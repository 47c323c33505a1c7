//! Clock of Redis, as this instance judges it.
//!
//! All instances of a chat have one time for decisions about messages: that of Redis. The clock of an instance may be
//! wrong, so it decides nothing here. The clock of Redis may be set as well, so each instance compares it with its own time
//! since boot.

use parking_lot::Mutex;
use realtime_shared::Timestamp;

use crate::clock::{Clock, Judge, Judged, Reading};

/// Clock of Redis.
pub(crate) struct RedisClock {
    /// Of this instance.
    clock: Clock,
    /// `None` until the clock was read for the first time.
    judge: Mutex<Option<Judge>>,
}

impl RedisClock {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, judge: Mutex::default() }
    }

    /// Takes the time of Redis, which was read just now.
    pub(crate) fn observe(&self, time: Timestamp) -> Judged {
        self.clock.compare_with_reference(time);
        let reading = Reading { wall: time, since_boot: self.clock.since_boot() };
        self.judge.lock().get_or_insert_with(|| Judge::new("the clock of Redis", reading)).observe(reading)
    }

    /// Compares the clock with the time of the last sweep.
    pub(crate) fn compare_with_stored(&self, time: Timestamp, stored: Timestamp) {
        let reading = Reading { wall: time, since_boot: self.clock.since_boot() };
        if let Some(judge) = &mut *self.judge.lock() {
            judge.compare_with_stored(reading, stored);
        }
    }

    /// Time of Redis now, from the last reading and the time since then. Before the first reading nothing is old.
    pub(crate) fn judged(&self) -> Judged {
        match &*self.judge.lock() {
            Some(judge) => judge.extrapolate(self.clock.since_boot()),
            None => Judged { now: self.clock.now(), drops: false, forgets: false },
        }
    }
}
