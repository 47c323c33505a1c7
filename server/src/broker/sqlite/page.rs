//! Pages of a room's history, read from the file.

use std::sync::Arc;

use realtime_shared::{Position, RoomName};
use rusqlite::Result;

use super::retained;
use crate::broker::{Entry, Page, Range};
use crate::config::Retain;
use crate::store::{Head, View};

/// Reads a page. Leaves out entries beyond the retention that are still in the file.
pub(super) fn page(
    view: View<'_>,
    room: &RoomName,
    range: Range,
    limit: usize,
    bytes: usize,
    retain: &Retain,
) -> Result<Page> {
    let Some((row, head)) = view.room(room)? else {
        return Ok(Page { epoch: None, entries: Vec::new(), has_more: false });
    };
    let oldest = retained::oldest(view, row.id, (row.first, head.seq), retain)?;
    let newest_first = !matches!(range, Range::After(_));
    let (from, to) = match range {
        Range::After(seq) => (seq.next().max(oldest), head.seq),
        Range::Before(seq) => (oldest, seq.previous().min(head.seq)),
        Range::Newest => (oldest, head.seq),
    };
    let mut page = Page { epoch: Some(row.epoch), entries: Vec::new(), has_more: false };
    let mut total = 0;
    if from <= to {
        view.entries((row.id.key(from), row.id.key(to)), newest_first, |seq, id, frame| {
            total += frame.len();
            page.has_more = page.entries.len() >= limit || (total > bytes && !page.entries.is_empty());
            if !page.has_more {
                page.entries.push(Entry { seq, id, json: Arc::from(frame) });
            }
            !page.has_more
        })?;
    }
    if newest_first {
        page.entries.reverse();
    }
    Ok(page)
}

/// Position of a room's head.
pub(super) fn position(view: View<'_>, room: &RoomName) -> Result<Position> {
    Ok(match view.room(room)? {
        Some((row, Head { seq, id, .. })) => Position::At { epoch: row.epoch, seq, id },
        None => Position::Start,
    })
}
