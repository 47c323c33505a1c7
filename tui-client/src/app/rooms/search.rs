//! Looking for a text in what a room has loaded.
//!
//! ```text
//!  Ctrl-F ─▶ typing ── Enter ─▶ stepping ── n, N ─▶ stepping
//!    ▲          │                   ├── Ctrl-F ──▶ typing
//!    └ where one was ◀─── Esc ──────┤
//!                                   └── a key for the draft ──▶ the draft, at the match
//! ```
//!
//! Each room has its own search, which waits while one looks elsewhere. Which messages have the text, and which of them
//! one is at, is the timeline's to know (`timeline::hits`), where the view was before is the view's ([`ViewJump::Save`]).
//! While there is a search the view is pinned. Beyond the oldest match a key loads one page, and goes on in it: never
//! more by itself.

pub(in crate::app) mod state;

use crate::app::composing::query::{QUERY_CHARS, Query, QueryEdit};
use crate::app::editor::{Full, Motion};
use crate::app::keys::Action;
use crate::app::message::{Effect, ViewJump};
use crate::app::model::Model;
use crate::app::rooms::room::{HistoryPage, Pane};
use crate::app::rooms::scrollback::{self, ask_history};
use crate::app::rooms::timeline::{ItemKey, Timeline, Top};
use crate::markup::Pattern;
use state::{Search, SearchResult};

impl Pane {
    /// What the search has found.
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

    /// Whether a page can be loaded in which an older match may be.
    #[must_use]
    pub fn can_search_older(&self) -> bool {
        missing(&self.timeline).is_some()
    }

    /// Looks for what the query says now, from where one was at the beginning.
    fn look(&mut self, me: &str) -> Vec<Effect> {
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

    /// The match that comes next on the way back.
    fn next_older(&self) -> Option<ItemKey> {
        match self.timeline.selected_hit() {
            Some(hit) => self.timeline.older_hit(hit),
            None => self.timeline.nearest_hit(self.search.as_ref()?.from),
        }
    }

    /// Ends the search where one is.
    fn stay(&mut self) {
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

/// Begins to look for `text`; where that is nothing, to type it.
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
    effects.extend(room.pane.look(me.as_str()));
    let is_typing = room.pane.timeline.selected_hit().is_none();
    if let Some(search) = &mut room.pane.search {
        search.is_typing = is_typing;
    }
    hint_if_full(model, written);
    effects
}

/// Ends the search of the room that is shown, where one is in it.
pub(in crate::app) fn stay(model: &mut Model) {
    model.pane_mut().stay();
}

/// What a key does to the search of the room that is shown; `None` where it is for what is below.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    model.room_mut()?.set_searching_older(false);
    let pane = model.pane_mut();
    let is_typing = pane.search.as_ref()?.is_typing;
    let is_in_vain = matches!(pane.search_result(), SearchResult::None { .. });
    match action {
        Action::Close => {
            pane.end_search();
            Some(vec![Effect::JumpView(ViewJump::Restore)])
        }
        Action::PageUp if is_in_vain => Some(older(model)),
        // The search waits meanwhile.
        Action::PageUp
        | Action::PageDown
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
        // A query is one line, and has no past.
        Action::Newline
        | Action::Complete
        | Action::CompleteBack
        | Action::PasteCut
        | Action::Undo
        | Action::Redo => return Some(Vec::new()),
        // These are for the draft.
        Action::Editor | Action::TakeBack => {
            model.pane_mut().stay();
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
        QueryEdit::Changed => Some(look(model)),
        QueryEdit::Kept => Some(Vec::new()),
        QueryEdit::Full => {
            hint_if_full(model, Err(Full));
            Some(Vec::new())
        }
        QueryEdit::Passed => None,
    }
}

/// The query is written: on to stepping, where there is something to step through.
fn submit(model: &mut Model) -> Vec<Effect> {
    let pane = model.pane_mut();
    match pane.search_result() {
        SearchResult::Idle => pane.stay(),
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
            model.pane_mut().stay();
            // Enter leaves the search and does not send the draft.
            (action == Action::Submit).then(Vec::new)
        }
    }
}

/// Text is pasted into a query that is being typed; `None`: it is for the draft.
pub(in crate::app) fn on_paste(model: &mut Model, text: &str) -> Option<Vec<Effect>> {
    model.room_mut()?.set_searching_older(false);
    let pane = model.pane_mut();
    let search = pane.search.as_mut()?;
    if !search.is_typing {
        pane.stay();
        return None;
    }
    let written = search.query.write(text.trim());
    hint_if_full(model, written);
    Some(if written.is_ok() { look(model) } else { Vec::new() })
}

fn hint_if_full(model: &mut Model, written: Result<(), Full>) {
    if written == Err(Full) {
        model.show_hint(&format!("that does not fit: at most {QUERY_CHARS} characters are looked for"));
    }
}

fn look(model: &mut Model) -> Vec<Effect> {
    let me = model.me.clone();
    model.pane_mut().look(me.as_str())
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
        model.show_hint("that is the newest one");
        return Vec::new();
    };
    pane.go_to(next)
}

/// Asks for the page where the next older match may be.
fn load_older(model: &mut Model) -> Vec<Effect> {
    let connected = model.link.is_connected();
    let Some(room) = model.room_mut() else { return Vec::new() };
    let Some(page) = missing(&room.pane.timeline) else {
        let end = end(&room.pane.timeline);
        model.show_hint(end);
        return Vec::new();
    };
    if !connected {
        model.show_hint("older messages are loaded when there is a connection");
        return Vec::new();
    }
    let asked = (!room.is_loading()).then(|| ask_history(room, page, scrollback::MANY));
    room.set_searching_older(true);
    asked.into_iter().collect()
}

/// The page that is missing next above the match one is at.
fn missing(timeline: &Timeline) -> Option<HistoryPage> {
    match timeline.wanted_before(timeline.selected_hit().unwrap_or(ItemKey::END)) {
        Some(seq) => Some(HistoryPage::Before(seq)),
        None if timeline.top() == Top::Unknown => Some(HistoryPage::Newest),
        None => None,
    }
}

/// Why there is no older match.
fn end(timeline: &Timeline) -> &'static str {
    match timeline.top() {
        _ if timeline.is_full() => "no older one in what is held",
        Top::Gone => "no older one in what the server keeps",
        Top::Unknown | Top::Older | Top::Beginning => "no older one in this room",
    }
}

/// The page came in which the search of the room at `index` goes on.
pub(in crate::app) fn on_page(model: &mut Model, index: usize) -> Vec<Effect> {
    let pane = &mut model.rooms[index].pane;
    if let Some(next) = pane.next_older() {
        return pane.go_to(next);
    }
    if pane.timeline.hit_count() > 0 {
        let among = pane.timeline.searched_count();
        let end = match missing(&pane.timeline) {
            Some(_) => format!("no older one in {among} loaded messages; once more loads others"),
            None => end(&pane.timeline).to_owned(),
        };
        model.show_hint(&end);
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
