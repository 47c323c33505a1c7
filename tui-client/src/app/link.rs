//! State of the connection as the screen shows it.

use std::time::Duration;

use jiff::tz::TimeZone;
use realtime_shared::{Timestamp, Verdict};

use super::token::explain_refusal;
pub use crate::net::Health;
use crate::net::{ConnectionState, Disconnect};
use crate::sanitize::{self, Line};

/// State of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    Connecting {
        /// Number of the attempt, from 1.
        attempt: u32,
    },
    Connected,
    /// Not connected; another attempt follows.
    Waiting {
        reason: Line,
        /// Time of the next attempt, as [`super::Now::mono`].
        until: Duration,
    },
    /// Not connected; no attempt follows unless the user starts one.
    Stopped {
        reason: Line,
        /// Another token would help.
        needs_token: bool,
    },
}

impl Link {
    /// Converts the state that the connection reported at `now`, by its clock at `time`.
    #[must_use]
    pub fn of(state: &ConnectionState, now: Duration, time: Timestamp, zone: &TimeZone) -> Self {
        match state {
            ConnectionState::Connecting { attempt } => Self::Connecting { attempt: *attempt },
            ConnectionState::Connected { .. } => Self::Connected,
            ConnectionState::Waiting { reason, retry_in, .. } => {
                Self::Waiting { reason: shown(reason), until: now.saturating_add(*retry_in) }
            }
            ConnectionState::Stopped { reason, token } => {
                let needs_token = needs_token(reason);
                let reason = explain_refusal(reason, token.as_deref(), time, zone);
                Self::Stopped { reason: sanitize::line(&reason), needs_token }
            }
        }
    }

    /// Returns true if frames can be sent.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }

    /// Returns the seconds until the next attempt, rounded up.
    #[must_use]
    pub fn countdown(&self, now: Duration) -> Option<u64> {
        match self {
            Self::Waiting { until, .. } => Some(
                until.saturating_sub(now).as_nanos().div_ceil(1_000_000_000).try_into().unwrap_or(u64::MAX),
            ),
            _ => None,
        }
    }

    /// Returns the time at which the countdown changes; `None` without a countdown or after its end.
    #[must_use]
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        let Self::Waiting { until, .. } = self else { return None };
        let left = self.countdown(now)?.checked_sub(1)?;
        Some(until.saturating_sub(Duration::from_secs(left)))
    }
}

/// Returns true if another token may help.
#[must_use]
pub fn needs_token(reason: &Disconnect) -> bool {
    let verdict = match reason {
        Disconnect::Closed { code } => code.verdict(),
        Disconnect::Refused { status } => Verdict::of_http_status(*status),
        Disconnect::Unreachable(_) | Disconnect::Silent => return false,
    };
    verdict == Verdict::AnotherToken
}

fn shown(reason: &Disconnect) -> Line {
    sanitize::line(&reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_countdown_shows_whole_seconds_and_stops_at_zero() {
        let ms = Duration::from_millis;
        let link = Link::of(
            &ConnectionState::Waiting { reason: Disconnect::Silent, retry_in: ms(2_500), attempt: 1 },
            ms(1_000),
            Timestamp::default(),
            &TimeZone::UTC,
        );
        assert_eq!((link.countdown(ms(1_000)), link.next_change(ms(1_000))), (Some(3), Some(ms(1_500))));
        assert_eq!((link.countdown(ms(1_500)), link.next_change(ms(1_500))), (Some(2), Some(ms(2_500))));
        assert_eq!((link.countdown(ms(2_500)), link.next_change(ms(2_500))), (Some(1), Some(ms(3_500))));
        assert_eq!((link.countdown(ms(3_500)), link.next_change(ms(3_500))), (Some(0), None));
    }
}
