//! Frames of messages in a page of history: the stored frame with the changes of later entries.

use std::sync::Arc;

use realtime_shared::{Emoji, EntryEvent, MessageState, codec};

/// The frame of a message for one viewer. `has_reacted` returns true for the emoji with which the viewer has reacted.
///
/// A message without changes and replies keeps its stored frame, which is not read.
pub(super) fn folded_frame(
    stored: &Arc<str>,
    state: Option<&MessageState>,
    has_reacted: impl Fn(&Emoji) -> bool,
    replies: u64,
) -> Arc<str> {
    if state.is_none() && replies == 0 {
        return stored.clone();
    }
    // An entry that this version cannot read is shown as it is.
    let Some(EntryEvent::Message(mut message)) = codec::decode_entry(stored) else { return stored.clone() };
    if let Some(state) = state {
        message = state.restore(message);
        for reaction in &mut message.reactions {
            reaction.mine = has_reacted(&reaction.emoji);
        }
    }
    message.replies = replies;
    codec::encode_entry(&EntryEvent::Message(message)).into()
}
