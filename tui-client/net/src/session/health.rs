//! The answers of the server, as [`Health`]: one steady state, also while a message is repeated.

use std::time::{Duration, Instant};

use super::{Live, Phase, Session};
use crate::event::{Event, Health};

/// Time without an answer after which the server counts as silent.
const PATIENCE: Duration = Duration::from_secs(3);

impl Session {
    /// Reports the health if it has changed. Call it after each input.
    pub(super) fn report_health(&mut self, now: Instant) {
        let Phase::Connected(live) = &self.phase else {
            // The new state of the connection has been reported.
            self.health = Health::Answering;
            return;
        };
        let refusal = self.outbox.refusal().or_else(|| self.rooms.refusal());
        let health = match refusal {
            // Each refusal is an answer, so that the reason of another one changes nothing.
            Some(_) if matches!(self.health, Health::PuttingOff(_)) => return,
            Some(why) => Health::PuttingOff(why.to_owned()),
            None if self.patience_ends(live).is_some_and(|at| at <= now) => Health::Silent,
            None => Health::Answering,
        };
        if health != self.health {
            self.health = health.clone();
            self.emit(Event::Health(health));
        }
    }

    /// The time at which the server becomes silent, unless it is already, or refuses.
    pub(super) fn silence_begins(&self, live: &Live) -> Option<Instant> {
        self.patience_ends(live).filter(|_| self.health == Health::Answering)
    }

    fn patience_ends(&self, live: &Live) -> Option<Instant> {
        let ping = live.ping.as_ref().map(|(_, at)| live.active_at.max(*at));
        let oldest =
            [ping, self.outbox.oldest_sent(), self.rooms.oldest_requested()].into_iter().flatten().min();
        oldest.map(|at| at + PATIENCE)
    }
}
