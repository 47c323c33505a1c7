//! The secret that signs tokens.

use std::fmt;
use std::sync::Arc;

/// Minimum length of a secret in bytes: the output length of the hash of HS256 (RFC 7518, section 3.2).
pub const SECRET_BYTES: usize = 32;

/// Secret that signs tokens (HS256), at least [`SECRET_BYTES`] long. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

/// Error of a secret that is too short; holds its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has {0} bytes, but needs at least {SECRET_BYTES}")]
pub struct TooShort(pub usize);

impl Secret {
    pub fn new(bytes: &[u8]) -> Result<Self, TooShort> {
        if bytes.len() < SECRET_BYTES { Err(TooShort(bytes.len())) } else { Ok(Self(bytes.into())) }
    }

    /// Bytes of the secret, for signing and verifying only.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
