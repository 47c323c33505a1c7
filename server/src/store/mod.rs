//! Durable store of the rooms: an SQLite database in the data directory, opened by one process at a time.
//!
//! ```text
//! Store::open: lock ─▶ header ─▶ integrity ─▶ schema ─▶ checkpoint ─▶ StoreWriter, one
//!                                                               └───▶ StoreReader, any number
//! ```
//!
//! The database is in WAL mode with `synchronous=FULL`: a commit that returned is on the disk, and readers see the last
//! commit without blocking the next one. The entries of a room are stored together, in order of seq.
//! Retention drops frames. The other columns of an entry stay as long as deduplication or the next seq needs them.
//!
//! Rooms are exported as lines of JSON and imported from them ([`Archive`], [`Store::import`]). The whole store can be
//! copied while a server uses it ([`Archive::backup`]).
//!
//! The store does not know members, connections or the order of publication: the broker does.

mod archive;
mod backup;
mod changes;
mod checkpoint;
mod digest;
mod entry_key;
mod erasing;
mod error;
mod file;
mod folding;
mod header;
mod import;
mod integrity;
mod lock;
mod markers;
mod page_set;
mod reader;
mod reserve;
mod reserved_names;
mod schema;
mod search_index;
mod space;
#[cfg(test)]
mod tests;
mod unused_space;
mod watch;
mod writer;
mod written_pages;

pub use self::archive::{Archive, ExportError};
pub use self::backup::BackupError;
pub(crate) use self::changes::{FoldedMessage, SettingsRow};
pub(crate) use self::checkpoint::CheckpointMode;
pub(crate) use self::digest::digest;
pub(crate) use self::entry_key::{EntryKey, RoomId};
pub use self::error::StoreOpenError;
pub(crate) use self::error::{WriteError, write_error};
pub use self::file::{FILE, Store};
pub(crate) use self::folding::Replaced;
pub(crate) use self::header::{CHANGES_FORMAT, FORMAT, Header};
pub use self::import::{ImportError, Imported};
pub(crate) use self::import::{ImportLine, Lines, decode_entry, is_tombstone};
pub(crate) use self::markers::MarkerRow;
pub(crate) use self::page_set::PageSet;
pub(crate) use self::reader::{Head, RoomRow, Setting, StoreReader, View};
pub(crate) use self::search_index::{
    DocumentChange, IndexedRoom, IndexedText, SearchIndex, first_number, is_damage, room_token, user_token,
};
pub(crate) use self::space::{DiskSpace, SpaceFault};
pub(crate) use self::watch::StoreWatch;
pub(crate) use self::writer::{Batch, Class, FoundedRooms, Row, StoreWriter};
pub(crate) use self::written_pages::WrittenPages;
