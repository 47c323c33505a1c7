//! Figures by label: which values each label has, and a counter for each of them.

use prometheus::{IntCounter, IntCounterVec};
use realtime_shared::ErrorCode;

/// What a figure is told apart by: one of a few values.
pub(crate) trait Label: Copy + Eq + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// All that are counted.
    const ALL: &'static [Self];

    /// The value as it is shown.
    fn value(self) -> String;
}

/// A counter for each value of a label.
///
/// They are made once and found by a look through the few that there are: nothing that is counted so is frequent.
pub(crate) struct Labelled<L>(Box<[(L, IntCounter)]>);

impl<L: Label> Labelled<L> {
    /// The counters of `family`, whose one label this is.
    pub(super) fn new(family: &IntCounterVec) -> Self {
        Self(L::ALL.iter().map(|label| (*label, family.with_label_values(&[label.value()]))).collect())
    }

    /// Counts one.
    pub(crate) fn inc(&self, label: L) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == label) {
            counter.inc();
        }
    }
}

/// A bound past which something is dropped. Whoever sent it, or was to get it, is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// `typing` beyond the rate of its connection.
    TypingRate,
    /// A ping or pong of the WebSocket itself beyond that rate. A ping is answered all the same, as the RFC wants it.
    ControlRate,
    /// A connection that came when those that are told so were too many already.
    ConnectionLimit,
    /// What others said to a connection that does not take it, all that waited at once. It is closed with 4008.
    LetterLimit,
    /// An entry announced while its room was being opened, after very many others.
    EarlyEntryLimit,
    /// A failed authentication that is not held against its address, since too many addresses fail.
    FailingAddressLimit,
}

impl Label for Dropped {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[
        Self::TypingRate,
        Self::ControlRate,
        Self::ConnectionLimit,
        Self::LetterLimit,
        Self::EarlyEntryLimit,
        Self::FailingAddressLimit,
    ];

    fn value(self) -> String {
        match self {
            Self::TypingRate => "typing_rate",
            Self::ControlRate => "control_rate",
            Self::ConnectionLimit => "connection_limit",
            Self::LetterLimit => "letter_limit",
            Self::EarlyEntryLimit => "early_entry_limit",
            Self::FailingAddressLimit => "failing_address_limit",
        }
        .to_owned()
    }
}

/// What a replay was; see [`realtime_shared::Recovery`].
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

/// The number of a close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// One of the protocol's, or 1005: the client said none.
    Known(u16),
    /// One that a client made up.
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
    fn every_code_of_the_protocol_is_known() {
        for code in 0..=u16::MAX {
            let is_ours = code == 1005 || !matches!(CloseCode::from_u16(code), CloseCode::Other(_));
            let expected = if is_ours { Close::Known(code) } else { Close::Other };
            assert_eq!(Close::of(code), expected);
        }
    }

    #[test]
    fn errors_have_the_names_of_the_wire() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::json!(code), code.value());
        }
    }

    #[test]
    fn each_value_has_its_own_counter() {
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
