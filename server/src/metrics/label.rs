//! Labelled metrics: the values of each label, and a counter for each of them.
//!
//! To add a value: a line in the label's list below (`Dropped`: also a row in the table of `reason` in the server's
//! `README.md`, which a test compares). Codes of errors come from [`ErrorCode::ALL`], close codes are compared with
//! `CloseCode` by a test.
//!
//! To add a label: a `label!` below, its metric as a field of type `Labelled` in [`super::Metrics`] with the line in
//! `Metrics::new`, its `check` in the test `each_value_has_a_counter_of_its_own`, a row in the server's `README.md`, and
//! `CHANGELOG.md`.

use prometheus::{IntCounter, IntCounterVec};
use realtime_shared::ErrorCode;

/// Label of a metric: one of a fixed set of values.
pub(crate) trait Label: Copy + Eq + 'static {
    const NAME: &'static str;
    /// All values that are counted.
    const ALL: &'static [Self];

    /// Value as it is rendered.
    fn value(self) -> String;
}

/// Counter for each value of a label.
///
/// The counters are created once and found by a linear search: none of these events is frequent.
pub(crate) struct Labelled<L>(Box<[(L, IntCounter)]>);

impl<L: Label> Labelled<L> {
    /// Counters of `family`, which has only this label.
    pub(super) fn new(family: &IntCounterVec) -> Self {
        Self(L::ALL.iter().map(|label| (*label, family.with_label_values(&[label.value()]))).collect())
    }

    pub(crate) fn inc(&self, label: L) {
        self.add(label, 1);
    }

    pub(crate) fn add(&self, label: L, count: u64) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == label) {
            counter.inc_by(count);
        }
    }

    pub(super) fn get(&self, label: L) -> u64 {
        self.0.iter().find(|(known, _)| *known == label).map_or(0, |(_, counter)| counter.get())
    }
}

/// Defines a label and its values.
macro_rules! label {
    (
        $(#[$doc:meta])* $vis:vis enum $label:ident = $name:literal {
            $($(#[$value_doc:meta])* $variant:ident = $value:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $label {
            $($(#[$value_doc])* $variant,)*
        }

        impl Label for $label {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            fn value(self) -> String {
                match self {
                    $(Self::$variant => $value,)*
                }
                .to_owned()
            }
        }
    };
}

label! {
    /// Limit whose excess is dropped without an answer.
    pub(crate) enum Dropped = "reason" {
        /// `typing` above a rate of its connection or its user.
        TypingRate = "typing_rate",
        /// WebSocket ping or pong above the rate of its connection. A ping is still answered, as the RFC requires.
        ControlRate = "control_rate",
        /// Fragment with a few bytes at most. It is a part of its message all the same.
        ThinFragment = "thin_fragment",
        /// Connection without a valid token that lost its place to a newer one.
        ConnectionLimit = "connection_limit",
        /// Direct frames for a connection whose backlog is full. All of them are dropped, and it is closed with 4008.
        DirectBacklogFull = "direct_backlog_full",
        /// Notification for a connection with many direct frames that it has not read.
        NotificationLimit = "notification_limit",
        /// Signal of a room that a reader passed over, because it had fallen behind the ring.
        SlowReader = "slow_reader",
        /// Entry published while its room was being opened, after too many others.
        EarlyEntryLimit = "early_entry_limit",
        /// Signal for Redis, while too many bytes wait for Redis already.
        SignalQueueFull = "signal_queue_full",
        /// Failed authentication that is not counted for its address, since too many addresses fail.
        FailingAddressLimit = "failing_address_limit",
    }
}

label! {
    /// HTTP status of a refused upgrade.
    pub(crate) enum RefusedUpgrade = "status" {
        BadRequest = "400",
        Forbidden = "403",
        NotFound = "404",
        UpgradeRequired = "426",
        TooManyRequests = "429",
        ServiceUnavailable = "503",
    }
}

label! {
    /// Reason for which a line of the log is not written.
    pub enum DroppedLine = "reason" {
        /// The queue of the log is full, since its reader is too slow.
        QueueFull = "queue_full",
        /// A line like many others of the same minute.
        Repeated = "repeated",
        /// The write failed.
        WriteFailed = "write_failed",
    }
}

label! {
    /// Recovery status; see [`realtime_shared::Recovery`].
    pub(super) enum Replay = "status" {
        Complete = "complete",
        Truncated = "truncated",
        Reset = "reset",
    }
}

/// Close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// Code of the protocol, or 1005: the client gave none.
    Known(u16),
    /// Code that the protocol does not have, from a client.
    Other,
}

impl Close {
    pub(super) fn of(code: u16) -> Self {
        let known = Self::Known(code);
        if Self::ALL.contains(&known) { known } else { Self::Other }
    }
}

impl Label for Close {
    const NAME: &'static str = "code";
    const ALL: &'static [Self] = &[
        Self::Known(1000),
        Self::Known(1001),
        Self::Known(1002),
        Self::Known(1003),
        Self::Known(1005),
        Self::Known(1006),
        Self::Known(1007),
        Self::Known(1009),
        Self::Known(1011),
        Self::Known(1012),
        Self::Known(1013),
        Self::Known(4001),
        Self::Known(4002),
        Self::Known(4003),
        Self::Known(4004),
        Self::Known(4005),
        Self::Known(4006),
        Self::Known(4008),
        Self::Known(4009),
        Self::Other,
    ];

    fn value(self) -> String {
        match self {
            Self::Known(code) => code.to_string(),
            Self::Other => "other".to_owned(),
        }
    }
}

impl Label for ErrorCode {
    const NAME: &'static str = "code";
    const ALL: &'static [Self] = Self::ALL;

    fn value(self) -> String {
        self.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prometheus::Opts;
    use realtime_shared::CloseCode;

    use super::*;

    #[test]
    fn every_close_code_of_the_protocol_is_known() {
        for code in 0..=u16::MAX {
            let is_ours = code == 1005 || !matches!(CloseCode::from_u16(code), CloseCode::Other(_));
            let expected = if is_ours { Close::Known(code) } else { Close::Other };
            assert_eq!(Close::of(code), expected);
        }
    }

    #[test]
    fn each_value_has_a_counter_of_its_own() {
        fn check<L: Label>() {
            let family = IntCounterVec::new(Opts::new("name", "help"), &[L::NAME]).expect("good names");
            let family = Labelled::<L>::new(&family);
            for (nth, label) in L::ALL.iter().enumerate() {
                (0..=nth).for_each(|_| family.inc(*label));
            }
            let counts: Vec<_> = family.0.iter().map(|(_, counter)| counter.get()).collect();
            assert_eq!(counts, (1..=L::ALL.len() as u64).collect::<Vec<_>>());
            let values: BTreeSet<_> = L::ALL.iter().map(|label| label.value()).collect();
            assert_eq!(values.len(), L::ALL.len(), "two values of {} have one name", L::NAME);
        }
        check::<Dropped>();
        check::<RefusedUpgrade>();
        check::<DroppedLine>();
        check::<Replay>();
        check::<Close>();
        check::<ErrorCode>();
    }
}
