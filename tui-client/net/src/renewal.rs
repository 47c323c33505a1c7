//! Renewal of the token on warnings of the server, which may send any number of them.
//!
//! A warning asks the source at once, or when [`INTERVAL`] has passed since the last time. If the source has no other
//! token, it is asked again after 10 s and after 30 s, because a token that expires in a minute may be replaced until then.

use std::time::{Duration, Instant};

use realtime_shared::{Ref, Timestamp};

/// Shortest time between two queries of the token source for a renewal. The source may be a program.
const INTERVAL: Duration = Duration::from_secs(10);
/// Shortest time between two queries of a cheap source on command.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Number of queries that follow a failed one.
const REPETITIONS: u32 = 2;

/// The state of the renewal.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// Time of the last query of the source for a renewal.
    asked_at: Option<Instant>,
    /// Time of the last query on command.
    checked_at: Option<Instant>,
    /// Time of the check that a command demanded too early.
    check_due: Option<Instant>,
    is_asking: bool,
    /// The time of the next query, if one is necessary.
    due: Option<Instant>,
    /// Number of failed queries since the last warning.
    failures: u32,
    /// End of the token in the last warning.
    end: Option<Timestamp>,
    /// End of the token in the last report of a failure.
    reported: Option<Timestamp>,
    /// The `refresh` that is not answered.
    offer: Option<Offer>,
}

/// A `refresh` that is not answered.
#[derive(Debug)]
struct Offer {
    reference: Ref,
    /// The program gave the token.
    is_given: bool,
}

/// The meaning of a refused `refresh`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RefusedOffer {
    Given,
    Renewed,
}

impl Renewal {
    /// The time of the next query, unless one is in progress.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.filter(|_| !self.is_asking)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|due| due <= now)
    }

    /// Handles the warning that the token expires at `end`.
    pub(super) fn warn(&mut self, end: Timestamp, now: Instant) {
        let next = self.asked_at.map_or(now, |at| at + INTERVAL);
        self.due = Some(next.max(now));
        (self.failures, self.end) = (0, Some(end));
    }

    /// Handles a query of the source.
    pub(super) fn ask(&mut self, now: Instant) {
        (self.asked_at, self.is_asking, self.due) = (Some(now), true, None);
    }

    /// Handles the command to check a cheap source. Returns true if it is to be asked now. Otherwise a check is due later,
    /// because the source may have changed since the last one.
    pub(super) fn check(&mut self, now: Instant) -> bool {
        self.check_later(now);
        if !self.is_check_due(now) {
            return false;
        }
        (self.checked_at, self.is_asking, self.check_due) = (Some(now), true, None);
        true
    }

    /// Handles the command while the source is being asked.
    pub(super) fn check_later(&mut self, now: Instant) {
        self.check_due = Some(self.checked_at.map_or(now, |at| at + CHECK_INTERVAL).max(now));
    }

    /// The time of the next check, unless a query is in progress.
    pub(super) fn check_deadline(&self) -> Option<Instant> {
        self.check_due.filter(|_| !self.is_asking)
    }

    pub(super) fn is_check_due(&self, now: Instant) -> bool {
        self.check_deadline().is_some_and(|due| due <= now)
    }

    /// Handles the answer of the source.
    pub(super) const fn answered(&mut self) {
        self.is_asking = false;
    }

    /// Handles a failed renewal. Returns the end of the token if the failure is to be reported.
    pub(super) fn failed(&mut self, is_repeated: bool, now: Instant) -> Option<Timestamp> {
        if is_repeated && self.failures < REPETITIONS && self.due.is_none() {
            self.due = Some(now + INTERVAL * 2_u32.pow(self.failures));
        }
        self.failures += 1;
        let end = self.end.filter(|end| self.reported != Some(*end))?;
        self.reported = Some(end);
        Some(end)
    }

    /// Handles a `refresh`.
    pub(super) fn offer(&mut self, reference: Ref, is_given: bool) {
        self.offer = Some(Offer { reference, is_given });
    }

    /// Handles `refreshed`. Returns true if it answers the last `refresh`.
    pub(super) fn accepted(&mut self, reference: Option<&Ref>) -> bool {
        let is_last =
            self.offer.take_if(|offer| reference.is_none_or(|other| offer.reference == *other)).is_some();
        if is_last {
            (self.due, self.end) = (None, None);
        }
        is_last
    }

    /// Handles a refusal. `None` if it is not for the last `refresh`.
    pub(super) fn refused(&mut self, reference: &Ref) -> Option<RefusedOffer> {
        let offer = self.offer.take_if(|offer| offer.reference == *reference)?;
        Some(if offer.is_given { RefusedOffer::Given } else { RefusedOffer::Renewed })
    }

    /// Handles a lost connection.
    pub(super) fn disconnected(&mut self) {
        (self.due, self.end, self.offer, self.check_due) = (None, None, None, None);
    }
}
