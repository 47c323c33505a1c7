//! References to the entries of a room's log, of any kind.
//!
//! A client holds the seq of each entry, even of an entry that it cannot read. Its position moves past the entry, and
//! it shows no gap there.
//!
//! An entry of an unknown kind needs no code. The ring, replay, history, export, import and backup of the server do not
//! read it; a client moves its position past it.
//!
//! To add a kind of entry that both sides read, follow this list. The compiler or a test finds a forgotten place,
//! except new tests and what is marked *unchecked*. Compile with `--all-targets`: some of the places are in tests.
//!
//! In `shared`:
//!
//! 1. `content.rs`: a struct of the fields that a client sends, a variant of [`Change`](crate::Change), and its arms there.
//!    Here: a variant of [`EntryKind`], its name, and its place in [`EntryKind::ALL`]. `welcome.rs`: its
//!    [`Feature`](crate::Feature). `lib.rs`: the export.
//! 2. `fold.rs`, for a kind that changes a message: its arm in `Message::apply`. `rules.rs`: its arm in `decide`.
//!    `tests/rules.rs`: a table of its rules. `tests/fold.rs`: its step.
//! 3. `field.rs` or `name.rs`, for a new type of field: its bound, its check and a test.
//! 4. `codec.rs`: the arm in `Fields::post`, and the new fields in `fields!`.
//! 5. `strategies/frames.rs`: a part of `change`. `strategies/client_text.rs`: a row in `FIELDS`, and wrong values of new
//!    fields.
//! 6. `tests/golden.rs`: its two names. `tests/golden/`: a file for each direction, and (*unchecked*) for each optional
//!    field.
//! 7. `README.md`: a row in both tables of frames. *Unchecked*: an example in the JSON below each, new fields under
//!    "Frames" and "Limits", and its effect under "Changes to messages".
//!
//! In `server`:
//!
//! 8. `session/mod.rs`: the right that it needs, in `may_submit`. `session/tests.rs`: a row in
//!    `each_frame_becomes_its_action` and in `a_frame_of_a_missing_feature_is_unsupported` (*unchecked*).
//! 9. The engines that store it list its feature. They read of it only its target and its texts, so a kind that changes a
//!    message needs no code there. `broker/contract/order.rs`: a test, and its name in the list of `broker/contract.rs`.
//!
//! In `tui-client/net`:
//!
//! 10. `event.rs`: a variant of `Event` with its content, its position and `replayed`. `session/incoming.rs`: an arm of
//!     `on_event` that moves the position with `Rooms::entry`. `session/tests/rooms.rs`: a test of that position.
//! 11. *Unchecked*: the docs of `Event::Server`, and in `README.md` the events whose position a bot stores, in prose
//!     and in the example.
//! 12. If the client sends the kind: a variant of `Command`, its arm in `session/outgoing.rs`, and a variant of `Body`
//!     in `submission.rs`. The outbox holds submissions of any kind.
//!
//! In `tui-client`:
//!
//! 13. `app/dispatch/events.rs`: an arm in `on_event`, `on_server` and for the rows in `on_history`. The first passes a
//!     `NewEntry` to `Reading::add_entry` (`app/rooms/reading.rs`): `is_from_other` is true if the entry counts as
//!     unread. `Timeline::hold` keeps the seq of a kind without a row.
//! 14. For a row of its own: a variant of `Body` in `app/rooms/timeline/item.rs`, an `add_…` in
//!     `timeline/storage.rs`, and the lines in `ui/rows.rs`. `LoadedEntry` in `timeline/pages.rs` and
//!     `Timeline::insert` take messages today, and have to take the new body too. The helpers of the tests have matches
//!     over `Body` (`app/tests.rs`, `timeline/tests.rs`).
//! 15. For a row of its own, in `timeline/item.rs`: true in `LogRow::is_entry`, by which gaps and `trim` find the seqs
//!     of rows. `LogRow::is_message` is true only if the kind is searched (`timeline/hits.rs`) and counted by
//!     `remove_after`. *Unchecked*: test a gap before and after such a row.
//! 16. If `tail` prints it: a variant of `PrintedEntry` in `pipe/printed.rs`, its line in `pipe/text.rs`, and the arm of
//!     its `Event` in `pipe/feed.rs`. Each printed entry gets its `epoch`, for `--since`. Strings of other users pass
//!     through `sanitize`.
//!
//! *Unchecked*: `CHANGELOG.md`, the README of the client (`tail`), and "entry" in the glossary of `ARCHITECTURE.md`.

use serde::Serialize;

use crate::name::{ClientMsgId, EntryId, RoomName, UserId};
use crate::position::{Epoch, Seq};
use crate::timestamp::Timestamp;

/// The kinds of entries that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    Message,
    Edit,
    Delete,
    Reaction,
    Pin,
    Room,
}

impl EntryKind {
    /// All kinds that this version can read.
    pub const ALL: &[Self] =
        &[Self::Message, Self::Edit, Self::Delete, Self::Reaction, Self::Pin, Self::Room];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Reaction => "reaction",
            Self::Pin => "pin",
            Self::Room => "room",
        }
    }
}

/// The fields of entries of every kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFields {
    pub room: RoomName,
    pub from: UserId,
    pub seq: Seq,
    pub id: EntryId,
    /// Time of acceptance.
    pub ts: Timestamp,
    pub client_msg_id: Option<ClientMsgId>,
    /// The log that begins with this entry. Only the first entry of a room has it.
    pub epoch: Option<Epoch>,
}

/// A reference to an entry of a room's log, without the entry's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryRef {
    pub room: RoomName,
    pub seq: Seq,
    pub id: EntryId,
    /// The epoch of the log. Only the first entry of a log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// `None` if this version cannot read the entry: it does not know the kind, or the content is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<EntryKind>,
}
