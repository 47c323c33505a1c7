//! Why a connection ended, or was refused, and whether to come back. Client and server have no second opinion of it.

/// A close code, sent or received, or the absence of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1000: somebody meant it.
    Normal,
    /// 1001: the other side goes away.
    GoingAway,
    /// 1002: a WebSocket frame that is none.
    Protocol,
    /// 1003: a binary frame.
    Unsupported,
    /// 1006, never sent: the connection was lost without a close frame.
    Lost,
    /// 1007: a text frame that is not UTF-8.
    InvalidUtf8,
    /// 1009: a frame over the bound.
    TooLarge,
    /// 1011: the server has an error of its own.
    Internal,
    /// 1012: the server restarts.
    Restarting,
    /// 1013: try again later.
    TryAgainLater,
    /// 4001: the token is not good.
    AuthenticationFailed,
    /// 4002: a text frame that is not JSON.
    InvalidJson,
    /// 4003: the token was good, and has expired.
    TokenExpired,
    /// 4004: an admin ended the connection.
    Kicked,
    /// 4005: the user has as many connections as one may have.
    TooManyConnections,
    /// 4006: no sign of life.
    PingTimeout,
    /// 4008: the client did not read what was sent to it.
    TooSlow,
    /// 4009: a hundred refusals in ten seconds.
    TooManyRequests,
    /// Any other.
    Other(u16),
}

/// What a client does after an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Stay away: it was meant, or the same would happen again.
    Stop,
    /// Come back with another token only.
    AnotherToken,
    /// Come back at once, after a random moment, so that all do not come at the same one.
    Soon,
    /// Come back, waiting longer each time.
    BackOff,
}

impl Verdict {
    /// Whether to come back with the same token.
    #[must_use]
    pub const fn reconnects(self) -> bool {
        matches!(self, Self::Soon | Self::BackOff)
    }

    /// What a client does when the upgrade was answered with this HTTP status (and not 101).
    ///
    /// `Retry-After`, where the answer has it, is the least to wait.
    #[must_use]
    pub const fn of_http_status(status: u16) -> Self {
        match status {
            401 => Self::AnotherToken,
            408 | 425 | 429 | 500..=599 => Self::BackOff,
            _ => Self::Stop,
        }
    }
}

impl CloseCode {
    /// The code with this number. Where no close frame came there is no number: that is [`CloseCode::Lost`].
    #[must_use]
    pub const fn from_u16(number: u16) -> Self {
        match number {
            1000 => Self::Normal,
            1001 => Self::GoingAway,
            1002 => Self::Protocol,
            1003 => Self::Unsupported,
            1006 => Self::Lost,
            1007 => Self::InvalidUtf8,
            1009 => Self::TooLarge,
            1011 => Self::Internal,
            1012 => Self::Restarting,
            1013 => Self::TryAgainLater,
            4001 => Self::AuthenticationFailed,
            4002 => Self::InvalidJson,
            4003 => Self::TokenExpired,
            4004 => Self::Kicked,
            4005 => Self::TooManyConnections,
            4006 => Self::PingTimeout,
            4008 => Self::TooSlow,
            4009 => Self::TooManyRequests,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::Lost => 1006,
            Self::InvalidUtf8 => 1007,
            Self::TooLarge => 1009,
            Self::Internal => 1011,
            Self::Restarting => 1012,
            Self::TryAgainLater => 1013,
            Self::AuthenticationFailed => 4001,
            Self::InvalidJson => 4002,
            Self::TokenExpired => 4003,
            Self::Kicked => 4004,
            Self::TooManyConnections => 4005,
            Self::PingTimeout => 4006,
            Self::TooSlow => 4008,
            Self::TooManyRequests => 4009,
            Self::Other(number) => number,
        }
    }

    /// The reason that the server sends with it, and that a client may show.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal | Self::Other(_) => "",
            Self::GoingAway => "Going away",
            Self::Protocol => "Protocol error",
            Self::Unsupported => "Binary frames are not supported",
            Self::Lost => "Connection lost",
            Self::InvalidUtf8 => "Not UTF-8",
            Self::TooLarge => "Frame too large",
            Self::Internal => "Internal error",
            Self::Restarting => "Restarting",
            Self::TryAgainLater => "Try again later",
            Self::AuthenticationFailed => "Authentication failed",
            Self::InvalidJson => "Invalid JSON",
            Self::TokenExpired => "Token expired",
            Self::Kicked => "Kicked",
            Self::TooManyConnections => "Too many connections",
            Self::PingTimeout => "Ping timeout",
            Self::TooSlow => "Too slow",
            Self::TooManyRequests => "Too many requests",
        }
    }

    /// What a client does after it.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Normal
            | Self::Protocol
            | Self::Unsupported
            | Self::InvalidUtf8
            | Self::TooLarge
            | Self::InvalidJson
            | Self::Kicked => Verdict::Stop,
            Self::AuthenticationFailed | Self::TokenExpired => Verdict::AnotherToken,
            Self::GoingAway | Self::Restarting | Self::PingTimeout | Self::TooSlow => Verdict::Soon,
            Self::Lost
            | Self::Internal
            | Self::TryAgainLater
            | Self::TooManyConnections
            | Self::TooManyRequests
            | Self::Other(_) => Verdict::BackOff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_one_to_one() {
        for number in 0..=u16::MAX {
            assert_eq!(CloseCode::from_u16(number).to_u16(), number);
        }
    }

    #[test]
    fn the_protocol_page_says_who_comes_back() {
        for (codes, verdict) in [
            (&[1000, 1002, 1003, 1007, 1009, 4002, 4004][..], Verdict::Stop),
            (&[4001, 4003], Verdict::AnotherToken),
            (&[1001, 1012, 4006, 4008], Verdict::Soon),
            (&[1006, 1011, 1013, 4005, 4009], Verdict::BackOff),
        ] {
            for &code in codes {
                assert_eq!(CloseCode::from_u16(code).verdict(), verdict, "{code}");
            }
        }
        for status in [400, 403, 404, 426] {
            assert_eq!(Verdict::of_http_status(status), Verdict::Stop, "{status}");
        }
        for status in [429, 500, 502, 503] {
            assert_eq!(Verdict::of_http_status(status), Verdict::BackOff, "{status}");
        }
    }
}
