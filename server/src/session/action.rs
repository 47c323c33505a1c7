//! The effects of frames.

use realtime_shared::{CloseCode, Position, Ref, RoomName, ServerEvent, ServerFrame};

use crate::broker::{MemberPrefix, PageQuery, Recipients, RoomFilter, SearchQuery, Skip, Submission};
use crate::budget::PostPrice;
use crate::metrics::Dropped;

/// The effect of a frame, for the connection to apply.
pub(crate) enum Action {
    Nothing,
    /// Count the frame as dropped. There is no answer.
    Drop(Dropped),
    Answer(ServerFrame),
    Close(CloseCode),
    Join {
        room: RoomName,
        since: Option<Position>,
        reference: Option<Ref>,
    },
    Leave {
        room: RoomName,
        reference: Option<Ref>,
    },
    Submit {
        submission: Submission,
        price: PostPrice,
        reference: Option<Ref>,
    },
    Signal {
        room: RoomName,
        event: ServerEvent,
        skip: Skip,
    },
    Broadcast {
        to: Recipients,
        event: ServerEvent,
    },
    History {
        room: RoomName,
        query: PageQuery,
        reference: Option<Ref>,
    },
    Search {
        query: SearchQuery,
        rooms: RoomFilter,
        reference: Option<Ref>,
    },
    Members {
        room: RoomName,
        reference: Option<Ref>,
    },
    FindMembers {
        room: RoomName,
        prefix: MemberPrefix,
        limit: usize,
        reference: Option<Ref>,
    },
    ListRooms {
        filter: RoomFilter,
        limit: usize,
        reference: Option<Ref>,
    },
    /// The token was replaced. The new one does not grant the rooms in `leave`.
    Refreshed {
        answer: ServerFrame,
        leave: Vec<RoomName>,
    },
}
