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
//! 1. `entry.rs`: a variant of [`EntryKind`]. `event.rs`: a variant of `ClientEvent` and of `ServerEvent` with a struct
//!    each, and the arm in `ServerEvent::entry`; a variant of `EntryEvent` and its arm in `From<EntryEvent>`. `lib.rs`:
//!    the exports. The server's struct has `room`, `from`, the content, `seq`, `id`, `ts`, `client_msg_id`, `epoch`;
//!    `tail` needs `epoch` in every kind that it prints.
//! 2. `name.rs`, for a new type of field: its bound, its check, a `checked!` and a test.
//! 3. `codec.rs`: the arm in `Fields::event`, and the new fields in `fields!`. `codec/entry_frame.rs`: a struct of the
//!    content, and the arm in `encode_around_seq`.
//! 4. `strategies/frames.rs`: a strategy, as a part of `client_event` and of `entry_event`.
//!    `strategies/client_text.rs`: a row in `FIELDS`, and wrong values of new fields.
//! 5. `tests/golden.rs`: its two names. `tests/golden/`: a file for each direction, and (*unchecked*) for each optional
//!    field. `tests/properties.rs`: its arms in `encode_around_seq_equals_encode_for_any_seq` and in
//!    `entry_of_finds_exactly_the_entries`.
//! 6. `README.md`: a row in both tables of frames. *Unchecked*: an example in the JSON below each, new fields under
//!    "Frames" and "Limits", and the sentence on kinds under "Positions".
//!
//! In `server`:
//!
//! 7. `broker/submission.rs`: a variant of `Body`, a constructor beside `Submission::message`, and the arms in
//!    `text_bytes` and `into_event`. The engines, import, export and metrics of stored entries need no change.
//! 8. `session/mod.rs`: an arm in `on_event` that calls `submit`, and one in `is_request`. `session/tests.rs`: an arm
//!    in `summary`, and a row in `each_frame_becomes_its_action` (*unchecked*).
//! 9. `broker/contract/order.rs`: a test that every engine stores, numbers, deduplicates and announces the kind, and
//!    its name in the list of `broker/contract.rs`. `tests/hub/random_frames.rs`: an arm in `is_answered`.
//! 10. If a rule of the log refuses some entries of the kind: the recipe is in `broker/submission.rs`.
//!
//! In `tui-client/net`:
//!
//! 11. `event.rs`: a variant of `Event` with its content, its position and `replayed`. `session/incoming.rs`: an arm of
//!     `on_event` that moves the position with `Rooms::entry`. `session/tests/rooms.rs`: a test of that position.
//! 12. *Unchecked*: the docs of `Event::Server`, and in `README.md` the events whose position a bot stores, in prose
//!     and in the example.
//! 13. If the client sends the kind: a variant of `Command`, its arm in `session/outgoing.rs`, and a variant of `Body`
//!     in `submission.rs`. The outbox holds submissions of any kind.
//!
//! In `tui-client`:
//!
//! 14. `app/dispatch/events.rs`: an arm in `on_event`, `on_server` and for the rows in `on_history`. The first passes a
//!     `NewEntry` to `Reading::add_entry` (`app/rooms/reading.rs`): `is_from_other` is true if the entry counts as
//!     unread. `Timeline::hold` keeps the seq of a kind without a row.
//! 15. For a row of its own: a variant of `Body` in `app/rooms/timeline/item.rs`, an `add_…` in
//!     `timeline/storage.rs`, and the lines in `ui/rows.rs`. `LoadedEntry` in `timeline/pages.rs` and
//!     `Timeline::insert` take messages today, and have to take the new body too. The helpers of the tests have matches
//!     over `Body` (`app/tests.rs`, `timeline/tests.rs`).
//! 16. For a row of its own, in `timeline/item.rs`: true in `LogRow::is_entry`, by which gaps and `trim` find the seqs
//!     of rows. `LogRow::is_message` is true only if the kind is searched (`timeline/hits.rs`) and counted by
//!     `remove_after`. *Unchecked*: test a gap before and after such a row.
//! 17. If `tail` prints it: a variant of `PrintedEntry` in `pipe/printed.rs`, its line in `pipe/text.rs`, and the arm of
//!     its `Event` in `pipe/feed.rs`. Each printed entry gets its `epoch`, for `--since`. Strings of other users pass
//!     through `sanitize`.
//!
//! *Unchecked*: `CHANGELOG.md`, the README of the client (`tail`), and "entry" in the glossary of `ARCHITECTURE.md`.

use serde::Serialize;

use crate::name::{EntryId, RoomName};
use crate::position::{Epoch, Seq};

/// The kinds of entries that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// [`crate::ServerEvent::Message`].
    Message,
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
