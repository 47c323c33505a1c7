//! Inboxes, read from the file.

use std::collections::BTreeMap;

use realtime_shared::{Inbox, InboxRoom, LastMessage, Position, RoomName, RoomSummary, Seq, UserId};
use rusqlite::Result;

use super::retained;
use crate::broker::InboxQuery;
use crate::broker::inbox::{InboxRank, MAX_UNREAD, Standing, filled, shown};
use crate::broker::read_marker::ReadMarker;
use crate::config::Retain;
use crate::store::{Head, MarkerRow, RoomId, RoomRow, View};

impl From<MarkerRow> for ReadMarker {
    fn from(MarkerRow { seq, left }: MarkerRow) -> Self {
        Self { seq, left }
    }
}

impl From<ReadMarker> for MarkerRow {
    fn from(ReadMarker { seq, left }: ReadMarker) -> Self {
        Self { seq, left }
    }
}

/// A room in which a user may have something to read.
struct Listed<'a> {
    name: RoomName,
    /// The other user of a direct room.
    other: Option<&'a UserId>,
    /// `None`: a direct room without messages.
    log: Option<UnreadLog>,
    standing: Standing,
}

/// A room's log, as far as a user has not read it.
struct UnreadLog {
    row: RoomRow,
    head: Head,
    /// First seq that is unread and can be read.
    from: Seq,
    /// Oldest seq that can be read.
    oldest: Seq,
    first_mention: Option<Seq>,
}

/// The read marker of a user who joins when the head is `head`; `None` if the room has no entry.
pub(super) fn joined_marker(
    view: View<'_>,
    room: &RoomName,
    user: &UserId,
    head: Seq,
) -> Result<Option<Seq>> {
    let Some((row, newest)) = view.room(room)? else { return Ok(None) };
    let marker = view.marker(row.id, user)?;
    Ok(Some(marker.map_or_else(|| first_marker(room, head.min(newest.seq)), |marker| marker.seq)))
}

/// The marker that the first join of a user makes. In a direct room all messages are for the user.
pub(super) fn first_marker(room: &RoomName, head: Seq) -> Seq {
    if room.is_direct() { Seq::ZERO } else { head }
}

/// The direct rooms of a user, with a member count of 0.
pub(super) fn direct_rooms(view: View<'_>, user: &UserId) -> Result<Vec<RoomSummary>> {
    let mut summaries = Vec::new();
    for pair in view.direct_rooms(user)? {
        let room = pair.room();
        let (position, last_ts) = match view.room(&room)? {
            Some((row, head)) => {
                (Position::At { epoch: row.epoch, seq: head.seq, id: head.id }, Some(head.ts))
            }
            None => (Position::Start, None),
        };
        let user_id = pair.other_of(user).cloned();
        summaries.push(RoomSummary { room, member_count: 0, position, last_ts, user_id });
    }
    Ok(summaries)
}

/// Reads the inbox of a user.
pub(super) fn inbox(view: View<'_>, user: &UserId, query: &InboxQuery, retain: &Retain) -> Result<Inbox> {
    let pairs = view.direct_rooms(user)?;
    let mut markers: BTreeMap<RoomId, Option<MarkerRow>> = BTreeMap::new();
    for room in view.mentioned_rooms(user)? {
        markers.insert(room, None);
    }
    markers.extend(view.marked_rooms(user)?.into_iter().map(|(room, marker)| (room, Some(marker))));
    let mut listed: Vec<(InboxRank, Listed<'_>)> = Vec::new();
    for pair in &pairs {
        let name = pair.room();
        if !(query.may_use)(&name) {
            continue;
        }
        let found = view.room(&name)?;
        let marker = found.as_ref().and_then(|(row, _)| markers.remove(&row.id)).flatten();
        listed.extend(Listed::read(view, user, (name, pair.other_of(user)), found, marker, retain)?.ranked());
    }
    for (room, marker) in markers {
        // A name that breaks the rules, or a direct room of others, which nobody can use.
        let Some(name) = view.room_name(room)?.filter(|name| !name.is_reserved()) else { continue };
        if (query.may_use)(&name) {
            let found = view.room(&name)?;
            listed.extend(Listed::read(view, user, (name, None), found, marker, retain)?.ranked());
        }
    }
    listed.sort_by(|(rank, room), (other_rank, other)| (rank, &room.name).cmp(&(other_rank, &other.name)));
    let mut failure = None;
    let inbox =
        filled(listed, query, |(_, room)| room.answer(view).map_err(|error| failure = Some(error)).ok());
    failure.map_or(Ok(inbox), Err)
}

impl<'a> Listed<'a> {
    fn read(
        view: View<'_>,
        user: &UserId,
        (name, other): (RoomName, Option<&'a UserId>),
        found: Option<(RoomRow, Head)>,
        marker: Option<MarkerRow>,
        retain: &Retain,
    ) -> Result<Self> {
        let marker = marker.map_or(ReadMarker::NONE, ReadMarker::from);
        let mut standing = Standing {
            is_direct: other.is_some(),
            marker,
            mentions: 0,
            oldest_unread: None,
            newest: found.as_ref().map(|(_, head)| head.ts),
        };
        let Some((row, head)) = found else { return Ok(Self { name, other, log: None, standing }) };
        let oldest = retained::oldest(view, row.id, (row.first, head.seq), retain)?;
        let from = marker.seq.next().max(oldest);
        let mut first_mention = None;
        if from <= head.seq {
            let unread = (row.id.key(from), row.id.key(head.seq));
            let most = u32::try_from(MAX_UNREAD).unwrap_or(u32::MAX);
            (standing.mentions, first_mention) = view.mentions_between(user, unread, most)?;
            if let Some(first) = view.message_from(row.id, from, head.seq)? {
                standing.oldest_unread = view.entry(row.id.key(first))?.map(|(_, ts)| ts);
            }
        }
        Ok(Self { name, other, log: Some(UnreadLog { row, head, from, oldest, first_mention }), standing })
    }

    /// The room with its rank, if the inbox has it.
    fn ranked(self) -> Option<(InboxRank, Self)> {
        self.standing.rank().map(|rank| (rank, self))
    }

    fn answer(self, view: View<'_>) -> Result<InboxRoom> {
        let Self { name, other, log, standing } = self;
        let mut room = InboxRoom {
            room: name,
            user_id: other.cloned(),
            unread: 0,
            mentions: standing.mentions,
            first_mention_seq: None,
            read_seq: standing.marker.seq,
            position: Position::Start,
            last: None,
        };
        let Some(UnreadLog { row, head, from, oldest, first_mention }) = log else { return Ok(room) };
        room.first_mention_seq = first_mention;
        room.position = Position::At { epoch: row.epoch, seq: head.seq, id: head.id };
        let end = head.seq.next();
        if standing.oldest_unread.is_some() {
            room.unread = view.messages_between(row.id, from, end)?.min(MAX_UNREAD);
        }
        room.last = last(view, row.id, (oldest, head.seq))?;
        Ok(room)
    }
}

/// The newest message that can be read, with its changes.
fn last(view: View<'_>, room: RoomId, (oldest, head): (Seq, Seq)) -> Result<Option<LastMessage>> {
    let Some(newest) = view.message_up_to(room, oldest, head)? else { return Ok(None) };
    Ok(view.message(room.key(newest))?.map(|folded| shown(folded.message)))
}
