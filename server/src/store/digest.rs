//! Digest by which deduplication recognizes a message.

use aws_lc_rs::digest::{Context, SHA256};
use realtime_shared::{ClientMsgId, UserId};

/// Digest of a sender and its `client_msg_id`: SHA-256, truncated to 16 bytes. Finding a collision is infeasible.
pub(crate) fn digest(from: &UserId, client_msg_id: &ClientMsgId) -> u128 {
    let mut context = Context::new(&SHA256);
    let from = from.as_str();
    // The length prefix keeps ("ab", "c") and ("a", "bc") apart.
    context.update(&(from.len() as u64).to_be_bytes());
    context.update(from.as_bytes());
    context.update(client_msg_id.as_str().as_bytes());
    let digest = context.finish();
    let (first, _) = digest.as_ref().split_first_chunk().expect("32 bytes");
    u128::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_depend_on_sender_and_id() {
        let digest =
            |from, id| digest(&UserId::new(from).expect("a user id"), &ClientMsgId::new(id).expect("an id"));
        assert_eq!(digest("ab", "c"), digest("ab", "c"));
        assert_ne!(digest("ab", "c"), digest("a", "bc"));
        assert_ne!(digest("ab", "c"), digest("ab", "d"));
    }
}
