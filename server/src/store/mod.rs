//! The file in which rooms are kept: an SQLite database in the data directory, for one process at a time.
//!
//! ```text
//! Store::open: lock ─▶ header ─▶ check ─▶ schema ─▶ checkpoint ─▶ Writer, one
//!                                                           └───▶ Reader, any number
//! ```
//!
//! The database is in WAL mode with `synchronous=FULL`: a commit that returned is on the disk, and readers see the last
//! commit without holding up the next one. A room's entries lie together, in the order of their numbers.
//! What retention has dropped is gone; of an entry that is still needed to know it again, when it is sent again, or to
//! go on with the numbers, all but the frame stays.
//!
//! Rooms leave it as lines of JSON and come back from them ([`Archive`], [`Store::import`]), and all of it can be copied
//! while a server uses it ([`Archive::backup`]).
//!
//! Nothing here knows members, connections or the order in which things are announced: that is the broker's.

mod archive;
mod backup;
mod check;
mod digest;
mod error;
mod file;
mod header;
mod import;
mod place;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use self::archive::{Archive, ExportError};
pub use self::backup::BackupError;
pub(crate) use self::digest::digest;
pub use self::error::OpenError;
pub(crate) use self::error::{Cannot, cannot};
pub use self::file::Store;
pub(crate) use self::file::{Checkpoint, checkpoint};
pub use self::import::{ImportError, Imported};
pub(crate) use self::place::RoomId;
pub(crate) use self::read::{Head, Reader, RoomRow, View};
pub(crate) use self::write::{Batch, Row, Writer};
