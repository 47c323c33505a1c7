//! Close codes of a connection, and the verdict on reconnecting. Client and server share them.

/// The close code of a connection, or its absence ([`CloseCode::Lost`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1000: closed on purpose.
    Normal,
    /// 1001: the peer goes away.
    GoingAway,
    /// 1002: a violation of the WebSocket protocol.
    Protocol,
    /// 1003: a binary frame.
    Unsupported,
    /// 1006: the connection was lost without a close frame. Never sent.
    Lost,
    /// 1007: a text frame that is not UTF-8.
    InvalidUtf8,
    /// 1009: a frame above the size limit.
    TooLarge,
    /// 1011: an internal error of the server.
    Internal,
    /// 1012: the server restarts.
    Restarting,
    /// 1013: try again later.
    TryAgainLater,
    /// 4001: the token is missing or invalid.
    AuthenticationFailed,
    /// 4002: a text frame that is not JSON.
    InvalidJson,
    /// 4003: the token expired while the connection was open.
    TokenExpired,
    /// 4004: an admin ended the connection.
    Kicked,
    /// 4005: the user has too many connections.
    TooManyConnections,
    /// 4006: the client gave no sign of life.
    PingTimeout,
    /// 4008: the client reads too slowly.
    TooSlow,
    /// 4009: too many refused or ignored frames in ten seconds.
    TooManyRequests,
    /// Any other code.
    Other(u16),
}

/// The client's reaction to a lost or refused connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Do not reconnect: the end was intended, or the next attempt would end in the same way.
    Stop,
    /// Reconnect with another token only.
    AnotherToken,
    /// Reconnect after a short random wait, which spreads the reconnects of many clients.
    Soon,
    /// Reconnect, and wait longer each time.
    BackOff,
}

impl Verdict {
    /// Returns true if the client reconnects with the same token.
    #[must_use]
    pub const fn reconnects(self) -> bool {
        matches!(self, Self::Soon | Self::BackOff)
    }

    /// The verdict on an HTTP answer to the upgrade other than 101.
    ///
    /// If the answer has `Retry-After`, the client waits at least that long.
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
    /// The code with this number.
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

    /// The reason text. The server sends it; a client may show it.
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

    /// The client's reaction to this code.
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
    fn each_number_has_its_own_code() {
        for number in 0..=u16::MAX {
            assert_eq!(CloseCode::from_u16(number).to_u16(), number);
        }
    }

    #[test]
    fn codes_and_http_statuses_have_the_verdicts_of_the_protocol() {
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
        assert_eq!(Verdict::of_http_status(401), Verdict::AnotherToken);
    }
}
