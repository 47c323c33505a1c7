//! Read markers: the newest entry of a room that a user has read.
//!
//! A marker belongs to a log, so one of an earlier log counts as 0. It only moves forward.

use std::sync::Arc;

use realtime_shared::{Read, RoomName, Seq, ServerEvent, UserId, codec};

use super::{Concerned, Origin, Recipients, SkipConnections, Unavailable};
use crate::faults::{self, Fault};

/// A read marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadMarker {
    pub(super) seq: Seq,
    /// The user has left the room, or was never in it.
    pub(super) left: bool,
}

impl ReadMarker {
    /// The marker of a user who has read nothing and is not in the room.
    pub(super) const NONE: Self = Self { seq: Seq::ZERO, left: true };
}

/// A user has read a room up to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadMark {
    pub(crate) user: UserId,
    pub(crate) room: RoomName,
    pub(crate) seq: Seq,
    /// The user is in the room. Another user's first marker counts as left.
    pub(crate) is_member: bool,
    /// The connection that gets the answer.
    pub(crate) origin: Origin,
}

impl ReadMark {
    /// The marker afterwards, if there was `before`, in a log with this head; `None` if nothing changes.
    pub(super) fn applied_to(&self, before: Option<ReadMarker>, head: Seq) -> Option<ReadMarker> {
        let seq = self.seq.min(head);
        match before {
            None => Some(ReadMarker { seq, left: !self.is_member }),
            Some(before) => (seq > before.seq || faults::breaks(Fault::MarkerGoesBack))
                .then_some(ReadMarker { seq, ..before }),
        }
    }

    /// The frame for the other connections of the user, after the marker has moved to `seq`.
    pub(super) fn announcement(&self, seq: Seq) -> (Recipients, Arc<str>) {
        let read = Read { room: self.room.clone(), seq };
        let concerned = Concerned {
            user: self.user.clone(),
            room: self.room.clone(),
            skip: SkipConnections::One(self.origin),
        };
        (Recipients::Concerned(concerned), codec::encode(&ServerEvent::Read(read)).into())
    }
}

/// Called once, with the marker that is stored.
pub(crate) type ReadCompletion = Box<dyn FnOnce(Result<Seq, Unavailable>) + Send>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::contract::{room, user};

    fn applied(seq: u64, is_member: bool, before: Option<(u64, bool)>) -> Option<(u64, bool)> {
        let origin = Origin { instance: 1, connection: 1 };
        let mark = ReadMark { user: user("bob"), room: room("a"), seq: Seq::new(seq), is_member, origin };
        let before = before.map(|(seq, left)| ReadMarker { seq: Seq::new(seq), left });
        mark.applied_to(before, Seq::new(10)).map(|after| (after.seq.get(), after.left))
    }

    #[test]
    fn a_marker_moves_forward_only_and_not_beyond_the_head() {
        assert_eq!(applied(5, true, Some((3, false))), Some((5, false)));
        assert_eq!(applied(5, true, Some((3, true))), Some((5, true)), "reading does not join");
        assert_eq!(applied(3, true, Some((3, false))), None);
        assert_eq!(applied(2, true, Some((3, false))), None);
        assert_eq!(applied(11, true, Some((3, false))), Some((10, false)));
        assert_eq!(applied(11, true, Some((10, false))), None);
    }

    #[test]
    fn the_first_marker_of_a_user_outside_the_room_counts_as_left() {
        assert_eq!(applied(5, true, None), Some((5, false)));
        assert_eq!(applied(5, false, None), Some((5, true)));
        assert_eq!(applied(0, false, None), Some((0, true)));
    }
}
