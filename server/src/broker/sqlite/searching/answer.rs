//! Answers to searches: candidates of the index, checked and read in the store.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::{Seq, UserId};
use rusqlite::Result;

use super::super::{message_page, retained};
use crate::broker::room_filter::RangeKind;
use crate::broker::{FoundPage, RoomFilter, SearchQuery};
use crate::config::Retain;
use crate::search::{Phrase, Words};
use crate::store::{EntryKey, RoomId, SearchIndex, View, first_number, room_token, user_token};

/// Most tokens that are searched in the index. All are compared with each candidate.
const MAX_TOKENS: usize = 24;
/// Most rooms that are named in an expression. With more, candidates of other rooms are skipped.
const MAX_ROOMS: u32 = 200;
/// Candidates that are looked at before the index is searched for prefixes, too. The words of a prefix are merged before the
/// first result, so a rare word beside it is enough.
const WITHOUT_PREFIX: usize = 256;
/// Time after which a search is given up.
const MAX_TIME: Duration = if cfg!(test) { Duration::from_mins(1) } else { Duration::from_millis(250) };

/// A search that goes through the candidates.
struct Search<'a> {
    view: View<'a>,
    query: &'a SearchQuery,
    rooms: &'a RoomFilter,
    viewer: &'a UserId,
    retain: &'a Retain,
    /// The oldest seq that can be read in each room that was looked at; `None` if the filter excludes the room.
    looked_at: HashMap<RoomId, Option<Seq>>,
    words: Words,
    bytes: usize,
    page: FoundPage,
    deadline: Instant,
}

/// Finds the newest messages that match. `is_complete`: all messages are indexed.
pub(super) fn answer(
    view: View<'_>,
    index: &SearchIndex,
    query: &SearchQuery,
    rooms: &RoomFilter,
    viewer: &UserId,
    retain: &Retain,
    is_complete: bool,
) -> Result<FoundPage> {
    let page = FoundPage { is_complete, ..FoundPage::default() };
    let Some(restriction) = restriction(view, query, rooms)? else { return Ok(page) };
    let mut search = Search {
        view,
        query,
        rooms,
        viewer,
        retain,
        looked_at: HashMap::new(),
        words: Words::default(),
        bytes: query.bytes,
        page,
        deadline: Instant::now() + MAX_TIME,
    };
    let phrases = query.query.phrases();
    let mut before = query.before.map_or(i64::MAX, first_number);
    let exact: Vec<_> = phrases.iter().filter(|phrase| !phrase.is_prefix).collect();
    if exact.len() < phrases.len() && !exact.is_empty() {
        let mut left = WITHOUT_PREFIX;
        let expression = expression(exact.into_iter(), &restriction);
        let mut is_finished = true;
        index.find(&expression, before, &mut |key, doc| {
            if left == 0 {
                is_finished = false;
                return Ok(false);
            }
            left -= 1;
            before = doc;
            search.take(key)
        })?;
        if is_finished {
            return Ok(search.page);
        }
    }
    if !phrases.is_empty() {
        let expression = expression(phrases.iter(), &restriction);
        index.find(&expression, before, &mut |key, _| search.take(key))?;
    }
    Ok(search.page)
}

impl Search<'_> {
    /// Adds a candidate if it is a result. Returns false if the search ends.
    fn take(&mut self, key: EntryKey) -> Result<bool> {
        if Instant::now() >= self.deadline {
            (self.page.has_more, self.page.is_complete) = (true, false);
            return Ok(false);
        }
        let room = key.room();
        let oldest = if let Some(oldest) = self.looked_at.get(&room) {
            *oldest
        } else {
            let oldest = self.oldest(room)?;
            self.looked_at.insert(room, oldest);
            oldest
        };
        if oldest.is_none_or(|oldest| key.seq() < oldest) {
            return Ok(true);
        }
        let Some(found) = self.view.message(key)? else { return Ok(true) };
        if !self.query.matches(&found.message, &mut self.words) {
            return Ok(true);
        }
        let Some(frame) = message_page::frame(self.view, key, self.viewer)? else { return Ok(true) };
        Ok(self.add(frame))
    }

    fn add(&mut self, frame: Arc<str>) -> bool {
        let messages = &mut self.page.messages;
        if messages.len() >= self.query.limit || frame.len() > self.bytes && !messages.is_empty() {
            self.page.has_more = true;
            return false;
        }
        self.bytes = self.bytes.saturating_sub(frame.len());
        messages.push(frame);
        true
    }

    /// The oldest seq of a room that can be read; `None` if the room is not searched.
    fn oldest(&self, room: RoomId) -> Result<Option<Seq>> {
        let (Some(name), Some((_, first))) = (self.view.room_name(room)?, self.view.log(room)?) else {
            return Ok(None);
        };
        if !self.rooms.passes(&name) || self.query.room.as_ref().is_some_and(|only| *only != name) {
            return Ok(None);
        }
        let head = self.view.head(room)?.seq;
        retained::oldest(self.view, room, (first, head), self.retain).map(Some)
    }
}

/// The part of an expression that restricts rooms and users; `None` if there can be no result.
fn restriction(view: View<'_>, query: &SearchQuery, rooms: &RoomFilter) -> Result<Option<String>> {
    let mut restriction = String::new();
    if let Some(from) = &query.from {
        let _ = write!(restriction, " AND \"{}\"", user_token(from));
    }
    let only = match &query.room {
        Some(name) => Some(view.room(name)?.map(|(row, _)| row.id).into_iter().collect()),
        None => few_rooms(view, rooms)?,
    };
    if let Some(only) = only {
        if only.is_empty() {
            return Ok(None);
        }
        let tokens: Vec<_> =
            only.into_iter().map(|room: RoomId| format!("\"{}\"", room_token(room))).collect();
        let _ = write!(restriction, " AND ({})", tokens.join(" OR "));
    }
    Ok(Some(restriction))
}

/// The rooms that pass a filter, if they are few.
fn few_rooms(view: View<'_>, rooms: &RoomFilter) -> Result<Option<Vec<RoomId>>> {
    if rooms.is_everything() {
        return Ok(None);
    }
    let mut few = Vec::new();
    for range in &rooms.ranges {
        let limit = if range.kind == RangeKind::Exact { 1 } else { MAX_ROOMS + 1 };
        let named = view.rooms_named(&range.start, limit)?;
        if named.len() > MAX_ROOMS as usize {
            return Ok(None);
        }
        few.extend(named.into_iter().filter(|(_, name)| rooms.passes(name)).map(|(room, _)| room));
    }
    few.sort_unstable();
    few.dedup();
    Ok((few.len() <= MAX_ROOMS as usize).then_some(few))
}

/// The FTS5 expression of phrases. Tokens have no quotation marks.
fn expression<'a>(phrases: impl Iterator<Item = &'a Phrase>, restriction: &str) -> String {
    let (mut expression, mut tokens) = (String::new(), 0);
    for phrase in phrases {
        if tokens >= MAX_TOKENS {
            break;
        }
        let taken = &phrase.tokens[..phrase.tokens.len().min(MAX_TOKENS - tokens)];
        tokens += taken.len();
        let separator = if expression.is_empty() { "" } else { " AND " };
        let is_prefix = phrase.is_prefix && taken.len() == phrase.tokens.len();
        let prefix = if is_prefix { " *" } else { "" };
        let _ = write!(expression, "{separator}\"{}\"{prefix}", taken.join(" "));
    }
    expression + restriction
}
