//! The secret that signs tokens.

use std::fmt;
use std::sync::Arc;

/// Fewest bytes of a secret: as many as the output of the hash that HS256 uses (RFC 7518, section 3.2).
pub const SECRET_BYTES: usize = 32;

/// The secret that signs tokens (HS256), at least [`SECRET_BYTES`] long. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

/// A secret that is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has {0} bytes, and at least {SECRET_BYTES} are needed")]
pub struct TooShort(pub usize);

impl Secret {
    /// The secret of those bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, TooShort> {
        if bytes.len() < SECRET_BYTES { Err(TooShort(bytes.len())) } else { Ok(Self(bytes.into())) }
    }

    /// The bytes, for signing and checking only.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
