//! The state of a search, and its result.

use crate::app::composing::query::Query;
use crate::app::rooms::timeline::ItemKey;

/// A search in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    pub query: Query,
    /// Keys write the query; otherwise `n` and `N` step through the hits.
    pub is_typing: bool,
    /// The last item that was visible when the search began.
    pub(super) from: ItemKey,
}

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchResult {
    /// The query is empty.
    Idle,
    None {
        /// Number of messages that were searched.
        among: usize,
    },
    Some {
        /// Number of the selected hit, where the newest is 1; `None` if all hits arrived after the search.
        at: Option<usize>,
        /// Number of hits.
        of: usize,
    },
}
