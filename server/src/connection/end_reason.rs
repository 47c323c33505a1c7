//! End of a connection, for the log and the metrics.

use realtime_shared::CloseCode;

/// The side that ended a connection, and the close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    ByServer(CloseCode),
    /// The client sent a close frame with this code; 1005 if it had none.
    ByClient(u16),
    /// The socket ended without a close frame.
    Lost,
}

impl EndReason {
    /// The close code for the metrics; 1006 for a lost connection.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::ByServer(code) => code.to_u16(),
            Self::ByClient(code) => code,
            Self::Lost => CloseCode::Lost.to_u16(),
        }
    }
}
