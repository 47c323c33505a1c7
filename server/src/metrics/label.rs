//! Labelled metrics: the values of each label, and a counter for each of them.

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
    /// Counters of `family`, which has this label alone.
    pub(super) fn new(family: &IntCounterVec) -> Self {
        Self(L::ALL.iter().map(|label| (*label, family.with_label_values(&[label.value()]))).collect())
    }

    pub(crate) fn inc(&self, label: L) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == label) {
            counter.inc();
        }
    }
}

/// Limit whose excess is dropped without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// `typing` above the rate of its connection.
    TypingRate,
    /// WebSocket ping or pong above that rate. A ping is answered all the same, as the RFC demands.
    ControlRate,
    /// Connection above the limit, when too many are being refused already.
    ConnectionLimit,
    /// Direct frames for a connection whose backlog is full. All of them are dropped, and it is closed with 4008.
    DirectBacklogFull,
    /// Entry published while its room was being opened, after too many others.
    EarlyEntryLimit,
    /// Failed authentication that is not counted for its address, since too many addresses fail.
    FailingAddressLimit,
}

impl Label for Dropped {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[
        Self::TypingRate,
        Self::ControlRate,
        Self::ConnectionLimit,
        Self::DirectBacklogFull,
        Self::EarlyEntryLimit,
        Self::FailingAddressLimit,
    ];

    fn value(self) -> String {
        match self {
            Self::TypingRate => "typing_rate",
            Self::ControlRate => "control_rate",
            Self::ConnectionLimit => "connection_limit",
            Self::DirectBacklogFull => "direct_backlog_full",
            Self::EarlyEntryLimit => "early_entry_limit",
            Self::FailingAddressLimit => "failing_address_limit",
        }
        .to_owned()
    }
}

/// Recovery status; see [`realtime_shared::Recovery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replay {
    Complete,
    Truncated,
    Reset,
}

impl Label for Replay {
    const NAME: &'static str = "status";
    const ALL: &'static [Self] = &[Self::Complete, Self::Truncated, Self::Reset];

    fn value(self) -> String {
        match self {
            Self::Complete => "complete",
            Self::Truncated => "truncated",
            Self::Reset => "reset",
        }
        .to_owned()
    }
}

/// Close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// Code of the protocol, or 1005: the client gave none.
    Known(u16),
    /// Code that a client made up.
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
    // Without `Unknown`, which a server never sends.
    const ALL: &'static [Self] = &[
        Self::BadRequest,
        Self::UnknownType,
        Self::InvalidRoom,
        Self::InvalidText,
        Self::Forbidden,
        Self::NotAMember,
        Self::RateLimited,
        Self::TooManyRooms,
        Self::Unavailable,
    ];

    fn value(self) -> String {
        match self {
            Self::BadRequest => "bad_request",
            Self::UnknownType => "unknown_type",
            Self::InvalidRoom => "invalid_room",
            Self::InvalidText => "invalid_text",
            Self::Forbidden => "forbidden",
            Self::NotAMember => "not_a_member",
            Self::RateLimited => "rate_limited",
            Self::TooManyRooms => "too_many_rooms",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
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
    fn error_codes_have_their_wire_names() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::json!(code), code.value());
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
        }
        check::<Dropped>();
        check::<Replay>();
        check::<Close>();
        check::<ErrorCode>();
    }
}
