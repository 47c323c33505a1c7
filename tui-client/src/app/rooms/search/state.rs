//! State of a search, and its result.

use crate::app::composing::query::Query;
use crate::app::rooms::timeline::ItemKey;

/// A search in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What is looked for.
    pub query: Query,
    /// Whether keys write the query; otherwise `n` and `N` step.
    pub is_typing: bool,
    /// The last item that was visible at the beginning.
    pub(super) from: ItemKey,
}

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchResult {
    /// Nothing is typed.
    Idle,
    /// There is nothing in so many messages.
    None {
        /// How many were looked at.
        among: usize,
    },
    /// Matches.
    Some {
        /// Which one is looked at, the newest being 1; none where they came after one had looked.
        at: Option<usize>,
        /// How many there are.
        of: usize,
    },
}
