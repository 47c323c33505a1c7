//! Authentication and authorization.
//!
//! [`token`] turns a bearer token into an [`Identity`], once for each connection and each `refresh`.
//! [`grants`] then decides for each room whether that identity may use it or post in it. Both are pure: the clock is a
//! parameter, and neither knows sockets, rooms or messages.

pub mod grants;
pub mod token;

pub(crate) use grants::GrantedNames;
pub use grants::{GrantError, Grants};
pub use token::{Identity, TokenError, Verifier};
