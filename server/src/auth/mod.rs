//! Who a bearer is, and what it may do.
//!
//! [`token`] turns a bearer token into an [`Identity`], once for each connection and for each `refresh`.
//! [`grants`] then answers for every room whether that identity may use it or post there. Both are pure: the clock
//! is a parameter, and nothing here knows a socket, a room or a message.

pub mod grants;
pub mod token;

pub use grants::{GrantError, Grants};
pub use token::{Identity, TokenError, Verifier};
