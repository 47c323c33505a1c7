//! Inboxes: the rooms in which a user has something to read, in the order of an answer.
//!
//! An engine finds the standing of a user in each room, takes those that are listed in the order of their ranks, and
//! reads what the answer shows of the first ones.

use realtime_shared::{Inbox, InboxRoom, LastMessage, Message, RoomName, Text, Timestamp};

use super::read_marker::ReadMarker;

/// Highest `unread` of a room, and highest number of its mentions.
pub(super) const MAX_UNREAD: u64 = 1_000;
/// Characters that an inbox shows of the newest message of a room.
const SHOWN_CHARS: usize = 200;

/// True for a room that the token of the requester opens.
type RoomTest = Box<dyn Fn(&RoomName) -> bool + Send + Sync>;

/// A request for the inbox of a user.
pub(crate) struct InboxQuery {
    /// Most rooms.
    pub(crate) limit: usize,
    /// Most bytes of the rooms; an inbox has at least one room if there is any.
    pub(crate) bytes: usize,
    /// The rooms that may be shown, for the rights of the requester now. Rooms of other pairs are left out by the engine.
    pub(crate) may_use: RoomTest,
}

/// A room, as far as it is unread by a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// The room is a direct one of the user.
    pub(super) is_direct: bool,
    pub(super) marker: ReadMarker,
    /// Number of mentions after the marker.
    pub(super) mentions: u64,
    /// Time of the oldest unread message.
    pub(super) oldest_unread: Option<Timestamp>,
    /// Time of the newest entry.
    pub(super) newest: Option<Timestamp>,
}

/// The place of a room in an inbox: direct messages, then mentions, then other unread messages, the oldest first. Rooms
/// without unread messages follow, the one with the newest entry first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InboxRank {
    class: InboxClass,
    /// Time of the oldest unread message; without one the time before the end of time.
    at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum InboxClass {
    Direct,
    Mentioned,
    Unread,
    Read,
}

impl Standing {
    /// The rank of the room; `None` if the inbox does not have it.
    pub(super) fn rank(&self) -> Option<InboxRank> {
        let Self { is_direct, marker, mentions, oldest_unread, newest } = self;
        if marker.left && !is_direct && *mentions == 0 {
            return None;
        }
        let class = match (oldest_unread, mentions) {
            (Some(_), _) if *is_direct => InboxClass::Direct,
            (_, 1..) => InboxClass::Mentioned,
            (Some(_), 0) => InboxClass::Unread,
            (None, 0) => InboxClass::Read,
        };
        let at = match oldest_unread {
            Some(ts) => ts.millis(),
            None => u64::MAX - newest.map_or(0, Timestamp::millis),
        };
        Some(InboxRank { class, at })
    }
}

/// The newest message of a room in an inbox, folded.
pub(super) fn shown(message: Message) -> LastMessage {
    let Message { from, text, ts, .. } = message;
    let end = text.as_str().char_indices().nth(SHOWN_CHARS).map(|(end, _)| end);
    let cut = end.and_then(|end| Text::new(&text.as_str()[..end]).ok());
    LastMessage { from, text: cut.unwrap_or(text), ts }
}

/// The inbox of these rooms, which are sorted; `read` gives the room for an answer, or `None` if it is not listed any more.
pub(super) fn filled<R>(
    rooms: Vec<R>,
    query: &InboxQuery,
    mut read: impl FnMut(R) -> Option<InboxRoom>,
) -> Inbox {
    let mut inbox = Inbox { rooms: Vec::new(), has_more: false };
    let mut bytes = 0;
    for room in rooms {
        if inbox.rooms.len() >= query.limit {
            inbox.has_more = true;
            break;
        }
        let Some(room) = read(room) else { continue };
        bytes += encoded_bytes(&room);
        if bytes > query.bytes && !inbox.rooms.is_empty() {
            inbox.has_more = true;
            break;
        }
        inbox.rooms.push(room);
    }
    inbox
}

fn encoded_bytes(room: &InboxRoom) -> usize {
    serde_json::to_vec(room).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use realtime_shared::{Position, Seq, UserId};

    fn standing(is_direct: bool, left: bool, mentions: u64, oldest_unread: Option<u64>) -> Standing {
        Standing {
            is_direct,
            marker: ReadMarker { seq: Seq::ZERO, left },
            mentions,
            oldest_unread: oldest_unread.map(Timestamp::from_millis),
            newest: Some(Timestamp::from_millis(1_000)),
        }
    }

    #[test]
    fn direct_messages_come_first_then_mentions_then_the_oldest_unread() {
        let in_order = [
            standing(true, false, 0, Some(500)),
            standing(true, true, 1, Some(600)),
            standing(false, true, 1, Some(400)),
            standing(false, false, 3, Some(700)),
            standing(false, false, 0, Some(300)),
            standing(false, false, 0, Some(301)),
            standing(true, false, 0, None),
        ];
        let ranks: Vec<_> = in_order.iter().map(|standing| standing.rank().expect("listed")).collect();
        assert!(ranks.is_sorted_by(|one, other| one < other), "{ranks:?}");
        let newer = Standing { newest: Some(Timestamp::from_millis(1_001)), ..in_order[6] };
        assert!(newer.rank() < in_order[6].rank());
    }

    #[test]
    fn a_room_that_was_left_is_listed_with_mentions_only() {
        assert_eq!(standing(false, true, 0, Some(300)).rank(), None);
        assert!(standing(false, true, 1, Some(300)).rank().is_some());
        assert!(standing(true, true, 0, None).rank().is_some(), "a direct room");
    }

    fn inbox_room(name: &str) -> InboxRoom {
        InboxRoom {
            room: RoomName::new(name).expect("a name"),
            user_id: None,
            unread: 1,
            mentions: 0,
            first_mention_seq: None,
            read_seq: Seq::ZERO,
            position: Position::Start,
            last: None,
        }
    }

    #[test]
    fn an_inbox_stays_within_its_limits_but_has_a_room() {
        let filled = |limit, bytes| {
            let query = InboxQuery { limit, bytes, may_use: Box::new(|_| true) };
            let rooms = vec!["a", "gone", "b", "c"];
            let inbox = filled(rooms, &query, |name| (name != "gone").then(|| inbox_room(name)));
            let names: Vec<_> = inbox.rooms.iter().map(|room| room.room.to_string()).collect();
            (names.concat(), inbox.has_more)
        };
        let one = encoded_bytes(&inbox_room("a"));
        assert_eq!(filled(3, 10_000), ("abc".to_owned(), false));
        assert_eq!(filled(2, 10_000), ("ab".to_owned(), true));
        assert_eq!(filled(9, 2 * one), ("ab".to_owned(), true));
        assert_eq!(filled(9, 1), ("a".to_owned(), true));
    }

    #[test]
    fn the_beginning_of_a_long_message_is_shown() {
        let text = |text: &str| Text::new(text).expect("a text");
        let shown = |of: &str| {
            let (from, ts) = (UserId::new("bob").expect("a user id"), Timestamp::from_millis(5));
            let fields = realtime_shared::EntryFields {
                room: RoomName::new("a").expect("a name"),
                from: from.clone(),
                seq: Seq::new(1),
                id: realtime_shared::EntryId::from_u128(1),
                ts,
                client_msg_id: None,
                epoch: None,
            };
            let LastMessage { from: shown_from, text, ts: shown_ts } =
                shown(Message::new(text(of).into(), fields));
            assert_eq!((shown_from, shown_ts), (from, ts));
            text
        };
        assert_eq!(shown("hello"), text("hello"));
        assert_eq!(shown(&"ü".repeat(200)), text(&"ü".repeat(200)));
        assert_eq!(shown(&"ü".repeat(201)), text(&"ü".repeat(200)));
    }
}
