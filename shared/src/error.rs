//! What a refusal is called.

use serde::{Deserialize, Serialize};

/// The `code` of an `error` frame. The connection stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not an object, no `type`, or a missing or wrong field, which the message names.
    BadRequest,
    /// A `type` that the server does not know.
    UnknownType,
    /// The room's name is not a name.
    InvalidRoom,
    /// The text is not a message: empty, too long, or with control characters.
    InvalidText,
    /// The bearer may not do that there.
    Forbidden,
    /// Only members may do that.
    NotAMember,
    /// Too much in too short a time; the frame has `retry_after_ms`.
    RateLimited,
    /// The connection is in as many rooms as it may be.
    TooManyRooms,
    /// Not known to be stored; send it again with the same `client_msg_id`.
    Unavailable,
    /// One that this version does not know. A server never sends it.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// Whether the same frame may succeed later.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        match self {
            Self::RateLimited | Self::Unavailable => true,
            Self::BadRequest
            | Self::UnknownType
            | Self::InvalidRoom
            | Self::InvalidText
            | Self::Forbidden
            | Self::NotAMember
            | Self::TooManyRooms
            | Self::Unknown => false,
        }
    }
}
