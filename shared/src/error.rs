//! Error codes: the names of refusals.
//!
//! To add an error code:
//! 1. A line in [`error_codes!`] below: its name on the wire, and whether the same frame may succeed later. The metric's
//!    label, [`ErrorCode::ALL`] and the strategies follow from it.
//! 2. `tests/golden.rs`: its name in `code_name`; `tests/golden/server-error-<code>.json`.
//! 3. A row in the table of errors in `README.md`.
//! 4. The server's refusal: a constructor in `server/src/session/refusal.rs`, a `Fault` with its arm in
//!    `codec::Fault::code` if a frame is refused before it is an event, or `broker::NotStored::Refused` if a rule of the
//!    log refuses.
//! 5. Clients take a code that they do not know for one without a special meaning. A client that treats it specially does
//!    so in `tui-client`.

use serde::{Deserialize, Serialize};

/// Defines [`ErrorCode`] with the name of each code, and whether it is temporary.
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

            /// Whether the same frame may succeed later.
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
    /// The connection is in as many rooms as it may be.
    TooManyRooms = "too_many_rooms", temporary: false;
    /// Not known to be stored; send it again with the same `client_msg_id`.
    Unavailable = "unavailable", temporary: true;
}
