//! Submissions: entries that are not stored yet, and their outcome: a receipt, or the reason why nothing was stored.
//!
//! An engine reads the room, the sender and the `client_msg_id` of a submission, and of its content what the methods of
//! [`Content`] return. The rules of all kinds are in `realtime_shared::rules`.
//!
//! To add a kind of entry: the recipe is in `shared/src/entry.rs`.
//!
//! To add a rule of the log, which refuses some entries:
//! 1. A method of [`Submission`] that gives what the rule needs, and a constructor of [`NotStored::Refused`].
//! 2. The check in the atomic step of each engine, after deduplication and before the first write: `memory.rs`
//!    (`submit`), `sqlite/append.rs` (`Tail::append`, with an `AppendOutcome`), and the script `append.lua`, with its
//!    argument in `redis/log/publish.rs` and its answer in `redis/log/lanes.rs` (`receipt`).
//! 3. A refused entry leaves nothing behind: no dedup record and no announcement. The memory engine removes a log that
//!    it created for the entry.
//! 4. An error code (recipe in `shared/src/error.rs`), unless one fits that the codec does not use. `bad_request` does
//!    not fit: `tests/hub/random_frames.rs` takes it for a frame that the codec refused.
//! 5. A test in `contract/order.rs`, and its name in the list of `contract.rs`. `tests/hub/random_frames.rs` has to
//!    accept the refusal after the pong that follows the frame, because a store answers later than a session.

use std::time::Duration;

use realtime_shared::rules::{Power, RuleError};
use realtime_shared::{
    ClientMsgId, Content, EntryEvent, EntryFields, EntryId, Epoch, ErrorCode, Post, RoomName, Seq, Timestamp,
    UserId, codec,
};

use super::entry::{FIRST, Unavailable};

/// An entry of any kind, to be numbered and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submission {
    pub(crate) from: UserId,
    pub(crate) room: RoomName,
    /// The sender's id, by which a second submission of the same entry is recognized.
    pub(crate) client_msg_id: Option<ClientMsgId>,
    pub(crate) content: Content,
    /// The power of the sender in the room.
    pub(crate) power: Power,
    /// The limits on new rooms do not apply: the sender is an admin, or a program of the operator.
    pub(crate) is_exempt: bool,
}

impl Submission {
    /// An entry of any kind, of a user without power in the room.
    pub(crate) fn new(from: UserId, post: Post) -> Self {
        let Post { room, content, client_msg_id } = post;
        Self { from, room, client_msg_id, content, power: Power::Member, is_exempt: false }
    }

    /// The key of deduplication; `None` if the sender gave no id.
    pub(crate) fn dedup_key(&self) -> Option<DedupKey> {
        let client_msg_id = self.client_msg_id.clone()?;
        Some(DedupKey { from: self.from.clone(), client_msg_id })
    }

    /// True if the entry may found its room: the name is in Unicode normalization form C. Other rooms are from versions
    /// without this rule, or imported.
    pub(super) fn may_found_room(&self) -> bool {
        self.room.to_nfc().is_none()
    }

    /// Bytes of its texts, for bounds on memory.
    pub(crate) fn text_bytes(&self) -> usize {
        self.content.text().map_or(0, |text| text.as_str().len())
    }

    /// The event of the entry in the log of `epoch`, which members receive.
    pub(super) fn into_event(self, epoch: &Epoch, seq: Seq, id: EntryId, ts: Timestamp) -> EntryEvent {
        let epoch = (seq == FIRST).then(|| epoch.clone());
        self.with_fields(epoch, seq, id, ts)
    }

    /// The frame before and after the number of its `seq`, for a store that numbers the entry itself.
    pub(super) fn encode_around_seq(self, id: EntryId, ts: Timestamp) -> (String, String) {
        codec::encode_around_seq(&self.with_fields(None, Seq::ZERO, id, ts))
    }

    fn with_fields(self, epoch: Option<Epoch>, seq: Seq, id: EntryId, ts: Timestamp) -> EntryEvent {
        let Self { from, room, client_msg_id, content, power: _, is_exempt: _ } = self;
        EntryEvent::new(content, EntryFields { room, from, seq, id, ts, client_msg_id, epoch })
    }
}

/// The key of deduplication: the sender, and the sender's own id for the entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DedupKey {
    pub(crate) from: UserId,
    pub(crate) client_msg_id: ClientMsgId,
}

/// The outcome of a submission that was stored, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
    pub(crate) id: EntryId,
    /// The time at which it was accepted.
    pub(crate) ts: Timestamp,
    /// True if the entry had been stored before.
    pub(crate) duplicate: bool,
}

/// The reason why a submission has no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotStored {
    /// The engine cannot store now, or cannot know whether it stored.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The room has no entry yet, and its name is not in Unicode normalization form C.
    #[error("the name of a new room is not in NFC")]
    NewRoomNotNfc,
    /// A rule of the log forbids the entry. The sender gets `code`, `message`, and the time after which it may be allowed.
    #[error("refused: {message}")]
    Refused { code: ErrorCode, message: String, retry_after: Option<Duration> },
}

impl NotStored {
    /// The disk of the store has no space for posts.
    pub(super) fn no_space() -> Self {
        let message = "the disk of the server is full; try again later".to_owned();
        Self::Refused { code: ErrorCode::Unavailable, message, retry_after: None }
    }

    /// The room has no entry, its name is reserved, and it is no direct room that was requested.
    pub(super) fn reserved() -> Self {
        let message =
            "names that begin with `dm:` or `sys:` are reserved; `direct` opens a direct room".to_owned();
        Self::Refused { code: ErrorCode::Forbidden, message, retry_after: None }
    }

    /// The sender has founded as many rooms as a user may within a day.
    ///
    /// The code is not a temporary one: a client that sent the message again and again would hold back its later
    /// messages for hours.
    pub(super) fn too_many_founded(limit: u32) -> Self {
        let message = format!(
            "that room does not exist, and you have founded {limit} rooms within 24 hours, the maximum; \
             post in a room that exists, or try again later"
        );
        Self::Refused { code: ErrorCode::TooManyRooms, message, retry_after: None }
    }

    /// The server has as many rooms as it may have.
    pub(super) fn too_many_rooms(limit: u64) -> Self {
        let message = format!(
            "that room does not exist, and the server has {limit} rooms, the maximum; post in a room that exists"
        );
        Self::Refused { code: ErrorCode::TooManyRooms, message, retry_after: None }
    }
}

impl From<RuleError> for NotStored {
    fn from(error: RuleError) -> Self {
        let RuleError { code, message, retry_after } = error;
        Self::Refused { code, message, retry_after }
    }
}

/// Called once, with the outcome of a submission.
pub(crate) type Completion = Box<dyn FnOnce(Result<Receipt, NotStored>) + Send>;
