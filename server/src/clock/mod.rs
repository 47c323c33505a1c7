//! Clock: the only place that reads the system time.
//!
//! The wall clock may be set to any time at any moment. Nothing irreversible is decided by one reading of it: a
//! `Judge` compares it with the time since boot, which only moves forward.

mod judge;
mod utc;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use realtime_shared::Timestamp;
use rustix::time::{ClockId, clock_gettime};

pub(crate) use self::judge::{Judge, Judged, Reading};
pub(crate) use self::utc::Utc;

/// Clock that counts on while the machine is suspended.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SINCE_BOOT: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// Source of the time of day, and its judge. Clones share both.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    since_boot: Box<dyn Fn() -> Duration + Send + Sync>,
    judge: Mutex<Judge>,
}

impl Clock {
    /// Clock of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self::from_fns(system_time, || {
            Duration::try_from(clock_gettime(SINCE_BOOT)).unwrap_or(Duration::ZERO)
        })
    }

    /// Clock that returns the result of `now`. The time since boot moves with it, so that nothing disagrees.
    pub fn from_fn(now: impl Fn() -> Timestamp + Clone + Send + Sync + 'static) -> Self {
        let since_boot = now.clone();
        Self::from_fns(now, move || Duration::from_millis(since_boot().millis()))
    }

    /// Clock with a time since boot of its own.
    pub fn from_fns(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        since_boot: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let (now, since_boot) = (Box::new(now), Box::new(since_boot));
        let judge = Mutex::new(Judge::new("the clock", Reading { wall: now(), since_boot: since_boot() }));
        Self(Arc::new(Inner { now, since_boot, judge }))
    }

    /// Current time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    /// Time since the machine was started, suspension included.
    pub(crate) fn since_boot(&self) -> Duration {
        (self.0.since_boot)()
    }

    /// Current time of day, with the verdict on it.
    pub(crate) fn judged(&self) -> Judged {
        let mut judge = self.0.judge.lock();
        // Read under the lock: the judge takes readings in their order.
        judge.observe(self.reading())
    }

    /// Compares the clock with the time of the last sweep, which a former process has stored.
    pub(crate) fn compare_with_stored(&self, stored: Timestamp) {
        let mut judge = self.0.judge.lock();
        judge.compare_with_stored(self.reading(), stored);
    }

    /// Compares the clock with that of Redis, which is `reference` now.
    pub(crate) fn compare_with_reference(&self, reference: Timestamp) {
        let mut judge = self.0.judge.lock();
        judge.compare_with_reference(self.reading(), reference);
    }

    /// Time of day by another source, if the clock is in doubt: as it was before it jumped, or that of Redis.
    pub(crate) fn other_time(&self) -> Option<Timestamp> {
        let mut judge = self.0.judge.lock();
        judge.observe(self.reading());
        judge.other_time(self.since_boot())
    }

    fn reading(&self) -> Reading {
        Reading { wall: self.now(), since_boot: self.since_boot() }
    }
}

fn system_time() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that all other code takes as a parameter"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the time: two equal configurations are shown alike, whenever that is.
        f.write_str("Clock(..)")
    }
}
