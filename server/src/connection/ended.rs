//! How a connection ended.

use realtime_shared::CloseCode;

/// How a connection ended, for the log and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By us, with this code.
    ByServer(CloseCode),
    /// By the client, with this code, or none (1005).
    ByClient(u16),
    /// Without a word.
    Lost,
}

impl Ended {
    /// The number of its close code.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::ByServer(code) => code.to_u16(),
            Self::ByClient(code) => code,
            Self::Lost => CloseCode::Lost.to_u16(),
        }
    }
}
