//! The timeline of one room: rows in the order of the log, then messages that are not stored yet.
//!
//! | file | contents |
//! | --- | --- |
//! | `item` | rows, outgoing messages, and the keys that order them |
//! | `presence` | joins and leaves, folded into one line |
//! | `seq_runs` | the seqs of all entries that are held, with or without a row |
//! | `hits` | the messages that match the search |
//! | `storage` | [`Timeline`]: adding and removing rows |
//! | `pages` | pages of history, and the gaps that they fill |
//! | `outgoing` | messages that wait, are sent, or are refused |
//! | `search` | the search of one timeline |
//!
//! Invariants: rows are sorted by [`ItemKey`], and each key occurs once. The seq of each message is held. A
//! [`Body::Gap`] stands after a message if seqs are missing there. At most [`HELD`] rows are held; the oldest are
//! dropped first.

mod hits;
mod item;
mod outgoing;
mod pages;
mod presence;
mod search;
mod seq_runs;
mod storage;

pub use item::{Body, Item, ItemKey, LogRow, Outgoing, Sending, ShownMessage, Tone, Top};
pub use pages::LoadedEntry;
pub use presence::{PresenceLine, Presences};
pub use storage::{HELD, HeldBytes, Timeline};

#[cfg(test)]
mod tests;
