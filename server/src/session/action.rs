//! The effects of frames.

use realtime_shared::{
    CloseCode, DirectPair, Position, Ref, RoomName, Seq, ServerEvent, ServerFrame, UserId,
};

use super::Error;
use crate::broker::{
    InboxQuery, MemberPrefix, PageQuery, Recipients, RoomFilter, SearchQuery, Skip, Submission,
};
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
    Direct {
        pair: DirectPair,
        /// The other user, for the answer.
        other: UserId,
        /// The limits on new rooms do not apply.
        is_exempt: bool,
        reference: Option<Ref>,
    },
    Read {
        room: RoomName,
        seq: Seq,
        is_member: bool,
        reference: Option<Ref>,
    },
    Inbox {
        query: InboxQuery,
        reference: Option<Ref>,
    },
    /// Apply the action if the user is one of the two of this direct room. Otherwise refuse the frame.
    IfDirect {
        room: RoomName,
        then: Box<Action>,
        refusal: Box<Error>,
    },
    /// The token was replaced. The new one does not grant the rooms in `leave`.
    Refreshed {
        answer: ServerFrame,
        leave: Vec<RoomName>,
    },
}
