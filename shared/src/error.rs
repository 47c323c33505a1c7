//! Error codes of refused frames.
//!
//! To add an error code:
//! 1. A line in `error_codes!` below: its name on the wire, and true if the same frame may succeed later. The metric's
//!    label, [`ErrorCode::ALL`] and the strategies follow from it.
//! 2. `tests/golden.rs`: its name in `code_name`; `tests/golden/server-error-<code>.json`.
//! 3. A row in the table of errors in `README.md`. `server/tests/hub/random_frames.rs`: an arm in `is_malformed`; only
//!    the codec refuses with a code that is true there.
//! 4. The server's refusal: a constructor in `server/src/session/refusal.rs`, a `Fault` with its arm in
//!    `codec::Fault::code` if the codec refuses a frame, or `broker::NotStored::Refused` if a rule of the log refuses.
//! 5. Clients treat an unknown code as a refusal without a special meaning. A client that needs more handles the code
//!    in `tui-client`.

use serde::{Deserialize, Serialize};

/// Defines [`ErrorCode`] with the name of each code and its `temporary` flag.
macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, temporary: $temporary:literal;)*) => {
        /// The `code` of an `error` frame. The connection stays open.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
            /// A code that this version does not know. A server never sends it.
            #[serde(rename = "unknown", other)]
            Unknown,
        }

        impl ErrorCode {
            /// All codes that a server sends.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown => "unknown",
                }
            }

            /// Returns true if the same frame may succeed later.
            #[must_use]
            pub const fn is_temporary(self) -> bool {
                match self {
                    $(Self::$variant => $temporary,)*
                    Self::Unknown => false,
                }
            }
        }
    };
}

error_codes! {
    /// Not an object, no `type`, or a missing or wrong field, which the message names.
    BadRequest = "bad_request", temporary: false;
    /// A `type` that the server does not know.
    UnknownType = "unknown_type", temporary: false;
    /// The room's name breaks the rules for names.
    InvalidRoom = "invalid_room", temporary: false;
    /// The text is empty, too long, or has control characters.
    InvalidText = "invalid_text", temporary: false;
    /// The token does not allow it.
    Forbidden = "forbidden", temporary: false;
    /// Only members may do it.
    NotAMember = "not_a_member", temporary: false;
    /// Too many frames; the error has `retry_after_ms`.
    RateLimited = "rate_limited", temporary: true;
    /// The connection is in the maximum number of rooms, or the user may not found another one.
    TooManyRooms = "too_many_rooms", temporary: false;
    /// The message that a change is for does not exist, was deleted or dropped, or has another id.
    NotFound = "not_found", temporary: false;
    /// A bound that nobody may exceed, as the number of edits of a message.
    LimitReached = "limit_reached", temporary: false;
    /// The server knows the frame, and its store does not support it.
    Unsupported = "unsupported", temporary: false;
    /// The server cannot confirm that the message is stored. The client sends it again with the same `client_msg_id`.
    Unavailable = "unavailable", temporary: true;
}

/// The frames that a refusal for a time concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorScope {
    /// Messages to the room of the refused one. Those to other rooms need not wait.
    Room,
    /// A scope that this version does not know. A server never sends it.
    #[serde(other)]
    Unknown,
}
