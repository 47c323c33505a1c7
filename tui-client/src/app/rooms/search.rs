//! The search in the loaded messages of a room.
//!
//! ```text
//!  Ctrl-F ─▶ typing ── Enter ─▶ stepping ── n, N ─▶ stepping
//!    ▲          │                   ├── Ctrl-F ──▶ typing
//!    └ previous view ◀─── Esc ──────┤
//!                                   └── a key for the draft ──▶ the draft, at the hit
//! ```
//!
//! Each room has its own search, which stays open while another room is shown. The timeline has the hits and the
//! selected one (`timeline::search`). The view saves its place for the way back ([`ViewJump::Save`]), and stays
//! pinned during a search. Beyond the oldest hit each key loads one page, in which the search continues.

pub(in crate::app) mod state;

use crate::app::composing::query::{QUERY_CHARS, Query, QueryEdit};
use crate::app::editor::{Full, Motion};
use crate::app::keys::Action;
use crate::app::message::{Effect, ViewJump};
use crate::app::model::Model;
use crate::app::rooms::room::{HistoryPage, Pane};
use crate::app::rooms::scrollback::{self, request_history};
use crate::app::rooms::timeline::{ItemKey, Timeline, Top};
use crate::markup::Pattern;
use state::{Search, SearchResult};

impl Pane {
    /// Returns the result of the search.
    #[must_use]
    pub fn search_result(&self) -> SearchResult {
        let timeline = &self.timeline;
        match timeline.hit_count() {
            _ if timeline.pattern().is_none() => SearchResult::Idle,
            0 => SearchResult::None { among: timeline.searched_count() },
            of => {
                SearchResult::Some { at: timeline.selected_hit().map(|hit| timeline.hits_after(hit) + 1), of }
            }
        }
    }

    /// Returns true if a page can be loaded that may contain an older hit.
    #[must_use]
    pub fn can_search_older(&self) -> bool {
        missing(&self.timeline).is_some()
    }

    /// Searches for the query, from the place where the search began.
    fn search_again(&mut self, me: &str) -> Vec<Effect> {
        let Some(search) = &self.search else { return Vec::new() };
        self.timeline.set_pattern(Pattern::new(search.query.text()), me);
        let hit = self.timeline.nearest_hit(search.from);
        self.timeline.select_hit(hit);
        vec![Effect::JumpView(hit.map_or(ViewJump::Restore, ViewJump::Hit))]
    }

    fn go_to(&mut self, hit: ItemKey) -> Vec<Effect> {
        self.timeline.select_hit(Some(hit));
        vec![Effect::JumpView(ViewJump::Hit(hit))]
    }

    /// Returns the next older hit.
    fn next_older(&self) -> Option<ItemKey> {
        match self.timeline.selected_hit() {
            Some(hit) => self.timeline.older_hit(hit),
            None => self.timeline.nearest_hit(self.search.as_ref()?.from),
        }
    }

    /// Ends the search and keeps the view at the selected hit.
    fn end_search_here(&mut self) {
        if let Some(hit) = self.timeline.selected_hit()
            && self.timeline.index_of(hit) < self.timeline.first_not_cleared()
        {
            self.timeline.restore_cleared();
        }
        self.end_search();
    }

    fn end_search(&mut self) {
        self.search = None;
        self.timeline.set_pattern(None, "");
    }
}

/// Opens the search with `text`; if that is empty, the user types the query.
pub(in crate::app) fn open(model: &mut Model, text: &str) -> Vec<Effect> {
    let me = model.me.clone();
    let Some(room) = model.room_mut() else {
        model.show_hint("you are in no room");
        return Vec::new();
    };
    let from = if room.visible.1 == ItemKey::default() { ItemKey::END } else { room.visible.1 };
    let mut query = Query::default();
    let written = query.write(text);
    room.pane.search = Some(Search { query, is_typing: true, from });
    let mut effects = vec![Effect::JumpView(ViewJump::Save)];
    effects.extend(room.pane.search_again(me.as_str()));
    let is_typing = room.pane.timeline.selected_hit().is_none();
    if let Some(search) = &mut room.pane.search {
        search.is_typing = is_typing;
    }
    hint_if_full(model, written);
    effects
}

/// Ends the search of the room that is shown, at the selected hit.
pub(in crate::app) fn end_here(model: &mut Model) {
    model.pane_mut().end_search_here();
}

/// Handles an action in the search of the room that is shown. Returns `None` if it is for the screen below.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    model.room_mut()?.set_searching_older(false);
    let pane = model.pane_mut();
    let is_typing = pane.search.as_ref()?.is_typing;
    let has_no_hit = matches!(pane.search_result(), SearchResult::None { .. });
    match action {
        Action::Close => {
            pane.end_search();
            Some(vec![Effect::JumpView(ViewJump::Restore)])
        }
        Action::PageUp if has_no_hit => Some(older(model)),
        // The search stays open.
        Action::PageUp
        | Action::PageDown
        | Action::FirstNew
        | Action::Newest
        | Action::Fold
        | Action::Room(_)
        | Action::PreviousRoom
        | Action::NextRoom
        | Action::NextUnread
        | Action::Help
        | Action::Inspector
        | Action::Rooms
        | Action::Palette
        | Action::Members
        | Action::Links
        | Action::Mouse
        | Action::Redraw
        | Action::Suspend => None,
        Action::Insert(_)
        | Action::Complete
        | Action::CompleteBack
        | Action::Newline
        | Action::Submit
        | Action::Move(_)
        | Action::Home
        | Action::End
        | Action::Up
        | Action::Down
        | Action::Delete(_)
        | Action::Cut(_)
        | Action::PasteCut
        | Action::ClearDraft
        | Action::SendParts
        | Action::Editor
        | Action::Undo
        | Action::Redo
        | Action::Search
        | Action::Retry
        | Action::TakeBack
        | Action::Quit => {
            if is_typing {
                while_typing(model, action)
            } else {
                while_stepping(model, action)
            }
        }
    }
}

fn while_typing(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::Up | Action::Search => return Some(older(model)),
        Action::Down => return Some(newer(model)),
        Action::Submit => return Some(submit(model)),
        // A query is one line, without undo.
        Action::Newline
        | Action::Complete
        | Action::CompleteBack
        | Action::PasteCut
        | Action::ClearDraft
        | Action::SendParts
        | Action::Undo
        | Action::Redo => return Some(Vec::new()),
        // These are for the draft.
        Action::Editor | Action::TakeBack => {
            model.pane_mut().end_search_here();
            return None;
        }
        _ => {}
    }
    let query = &mut model.pane_mut().search.as_mut()?.query;
    let edited = match action {
        Action::Home => query.on_key(Action::Move(Motion::LineStart)),
        Action::End => query.on_key(Action::Move(Motion::LineEnd)),
        _ => query.on_key(action),
    };
    match edited {
        QueryEdit::Changed => Some(search_again(model)),
        QueryEdit::Kept => Some(Vec::new()),
        QueryEdit::Full => {
            hint_if_full(model, Err(Full));
            Some(Vec::new())
        }
        QueryEdit::Passed => None,
    }
}

/// Finishes typing. If there are hits, keys step through them from now on.
fn submit(model: &mut Model) -> Vec<Effect> {
    let pane = model.pane_mut();
    match pane.search_result() {
        SearchResult::Idle => pane.end_search_here(),
        SearchResult::None { .. } => {}
        SearchResult::Some { at, .. } => {
            if let Some(search) = &mut pane.search {
                search.is_typing = false;
            }
            if at.is_none() {
                return older(model);
            }
        }
    }
    Vec::new()
}

fn while_stepping(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::Insert('n') => Some(older(model)),
        Action::Insert('N') => Some(newer(model)),
        Action::Search => {
            if let Some(search) = &mut model.pane_mut().search {
                search.is_typing = true;
            }
            Some(Vec::new())
        }
        _ => {
            model.pane_mut().end_search_here();
            // Enter leaves the search and does not send the draft.
            (action == Action::Submit).then(Vec::new)
        }
    }
}

/// Handles a paste into the query. Returns `None` if the text is for the draft.
pub(in crate::app) fn on_paste(model: &mut Model, text: &str) -> Option<Vec<Effect>> {
    model.room_mut()?.set_searching_older(false);
    let pane = model.pane_mut();
    let search = pane.search.as_mut()?;
    if !search.is_typing {
        pane.end_search_here();
        return None;
    }
    let written = search.query.write(text.trim());
    hint_if_full(model, written);
    Some(if written.is_ok() { search_again(model) } else { Vec::new() })
}

fn hint_if_full(model: &mut Model, written: Result<(), Full>) {
    if written == Err(Full) {
        model.show_hint(&format!("that does not fit: a query has at most {QUERY_CHARS} characters"));
    }
}

fn search_again(model: &mut Model) -> Vec<Effect> {
    let me = model.me.clone();
    model.pane_mut().search_again(me.as_str())
}

fn older(model: &mut Model) -> Vec<Effect> {
    let pane = model.pane_mut();
    match pane.next_older() {
        Some(next) => pane.go_to(next),
        None if pane.timeline.pattern().is_some() => load_older(model),
        None => Vec::new(),
    }
}

fn newer(model: &mut Model) -> Vec<Effect> {
    let pane = model.pane_mut();
    let Some(hit) = pane.timeline.selected_hit() else { return Vec::new() };
    let Some(next) = pane.timeline.newer_hit(hit) else {
        model.show_hint("no newer match");
        return Vec::new();
    };
    pane.go_to(next)
}

/// Requests the page that may contain the next older hit.
fn load_older(model: &mut Model) -> Vec<Effect> {
    let connected = model.link.is_connected();
    let Some(room) = model.room_mut() else { return Vec::new() };
    let Some(page) = missing(&room.pane.timeline) else {
        let end = end(&room.pane.timeline);
        model.show_hint(end);
        return Vec::new();
    };
    if !connected {
        model.show_hint("no connection to load older messages");
        return Vec::new();
    }
    let request = (!room.is_loading()).then(|| request_history(room, page, scrollback::SEARCH_PAGE));
    room.set_searching_older(true);
    request.into_iter().collect()
}

/// Returns the missing page that is next above the selected hit.
fn missing(timeline: &Timeline) -> Option<HistoryPage> {
    match timeline.wanted_before(timeline.selected_hit().unwrap_or(ItemKey::END)) {
        Some(seq) => Some(HistoryPage::Before(seq)),
        None if timeline.top() == Top::Unknown => Some(HistoryPage::Newest),
        None => None,
    }
}

/// Returns the reason why there is no older hit.
fn end(timeline: &Timeline) -> &'static str {
    match timeline.top() {
        _ if timeline.is_full() => "no older match; no more messages can be loaded",
        Top::Gone => "no older match in the messages that the server keeps",
        Top::Unknown | Top::Older | Top::Beginning => "no older match in this room",
    }
}

/// Continues the search of the room at `index` in the page that arrived.
pub(in crate::app) fn on_page(model: &mut Model, index: usize) -> Vec<Effect> {
    let pane = &mut model.rooms[index].pane;
    if let Some(next) = pane.next_older() {
        return pane.go_to(next);
    }
    if pane.timeline.hit_count() > 0 {
        let among = pane.timeline.searched_count();
        let end = match missing(&pane.timeline) {
            Some(_) => format!("no older match in {among} loaded messages; press again to load more"),
            None => end(&pane.timeline).to_owned(),
        };
        model.show_hint(&end);
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
