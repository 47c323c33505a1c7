//! Looking for a text in what a room has loaded.
//!
//! ```text
//!  Ctrl-F ─▶ typing ── Enter ─▶ stepping ── n, N ─▶ stepping
//!    ▲          │                   ├── Ctrl-F ──▶ typing
//!    └ where one was ◀─── Esc ──────┤
//!                                   └── any other key ──▶ the draft, at the match
//! ```
//!
//! Each room has its own search, which waits while one looks elsewhere. Which messages have the text is the timeline's to
//! know (`timeline::hits`), where the view was before is the view's ([`Sight::Mark`]). While there is a search the view
//! is pinned. Beyond the oldest match a key loads one page, and goes on in it: never more by itself.

use super::actions::act;
use super::editor::Motion;
use super::keys::Action;
use super::query::{Edited, Query};
use super::room::{Page, Room};
use super::scrollback::{self, ask_history};
use super::timeline::{Key, Timeline, Top};
use super::{Effect, Model, Pane, Sight};
use crate::markup::Pattern;

/// A search in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What is looked for.
    pub query: Query,
    /// Whether keys write the query; otherwise `n` and `N` step.
    pub is_typing: bool,
    /// The match one is at, as it was found.
    at: Option<Key>,
    /// The last item that was visible at the beginning.
    from: Key,
    /// Whether one goes on in the page that is under way; never in a room that is not shown.
    goes_on: bool,
}

impl Search {
    /// Goes on in no page that comes.
    pub(super) const fn stop_loading(&mut self) {
        self.goes_on = false;
    }
}

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing is typed.
    Idle,
    /// There is nothing in so many messages.
    None {
        /// How many were looked at.
        among: usize,
    },
    /// Matches.
    Some {
        /// Which one is looked at, the newest being 1; none where they came after one had looked.
        at: Option<usize>,
        /// How many there are.
        of: usize,
    },
}

impl Pane {
    /// The item that has what is looked for and is looked at.
    #[must_use]
    pub fn current_hit(&self) -> Option<Key> {
        self.search.as_ref()?.at.and_then(|at| self.timeline.nearest_hit(at))
    }

    /// What the search has found.
    #[must_use]
    pub fn found(&self) -> Found {
        match self.timeline.hit_count() {
            _ if self.timeline.pattern().is_none() => Found::Idle,
            0 => Found::None { among: self.timeline.hit_among() },
            of => Found::Some { at: self.current_hit().map(|hit| self.timeline.hits_after(hit) + 1), of },
        }
    }

    /// Looks for what the query says now, from where one was at the beginning.
    fn look(&mut self, me: &str) -> Vec<Effect> {
        let Some(search) = &mut self.search else { return Vec::new() };
        self.timeline.look_for(Pattern::new(search.query.text()), me);
        search.goes_on = false;
        search.at = self.timeline.nearest_hit(search.from);
        vec![Effect::See(search.at.map_or(Sight::Back, Sight::Hit))]
    }

    fn go_to(&mut self, hit: Key) -> Vec<Effect> {
        if let Some(search) = &mut self.search {
            search.at = Some(hit);
        }
        vec![Effect::See(Sight::Hit(hit))]
    }

    /// Ends the search where one is.
    fn stay(&mut self) {
        if let Some(hit) = self.current_hit()
            && self.timeline.index_of(hit) < self.timeline.first_in_sight()
        {
            self.timeline.uncover();
        }
        self.search = None;
        self.timeline.look_for(None, "");
    }
}

impl Room {
    /// Whether the search goes on in the page that is under way.
    #[must_use]
    pub fn is_searching_on(&self) -> bool {
        self.is_loading() && self.pane.search.as_ref().is_some_and(|search| search.goes_on)
    }
}

/// Begins to look for `text`; where that is nothing, to type it.
pub(super) fn open(model: &mut Model, text: &str) -> Vec<Effect> {
    let me = model.me.clone();
    let Some(room) = model.room_mut() else {
        model.say("you are in no room");
        return Vec::new();
    };
    let from = if room.visible.1 == Key::default() { Key::END } else { room.visible.1 };
    let mut query = Query::default();
    query.write(text);
    room.pane.search = Some(Search { query, is_typing: true, at: None, from, goes_on: false });
    let mut effects = vec![Effect::See(Sight::Mark)];
    effects.extend(room.pane.look(me.as_str()));
    if let Some(search) = &mut room.pane.search {
        search.is_typing = search.at.is_none();
    }
    effects
}

/// What a key does to the search of the room that is shown; `None` where it is for what is below.
pub(super) fn on_key(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    let pane = model.pane_mut();
    let search = pane.search.as_mut()?;
    search.goes_on = false;
    let is_typing = search.is_typing;
    let is_in_vain = matches!(pane.found(), Found::None { .. });
    match action {
        Action::Close => {
            pane.search = None;
            pane.timeline.look_for(None, "");
            Some(vec![Effect::See(Sight::Back)])
        }
        Action::PageUp if is_in_vain => Some(older(model)),
        Action::PageUp | Action::PageDown | Action::Redraw | Action::Suspend | Action::Mouse => None,
        _ if is_typing => while_typing(model, action),
        _ => Some(while_stepping(model, action)),
    }
}

fn while_typing(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    match action {
        Action::Up | Action::Search => return Some(older(model)),
        Action::Down => return Some(newer(model)),
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
    let pane = model.pane_mut();
    let search = pane.search.as_mut()?;
    let edited = match action {
        Action::Submit => {
            search.is_typing = search.at.is_none();
            if pane.timeline.pattern().is_none() {
                pane.stay();
            }
            Edited::Kept
        }
        Action::Home => search.query.on_key(Action::Move(Motion::LineStart)),
        Action::End => search.query.on_key(Action::Move(Motion::LineEnd)),
        _ => search.query.on_key(action),
    };
    match edited {
        Edited::Changed => Some(look(model)),
        Edited::Kept => Some(Vec::new()),
        Edited::Passed => None,
    }
}

fn while_stepping(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Insert('n') => older(model),
        Action::Insert('N') => newer(model),
        Action::Search => {
            if let Some(search) = &mut model.pane_mut().search {
                search.is_typing = true;
            }
            Vec::new()
        }
        _ => {
            model.pane_mut().stay();
            // The draft is not sent by who leaves a search.
            if action == Action::Submit { Vec::new() } else { act(model, action, None) }
        }
    }
}

/// Text is pasted into a query that is being typed; `None`: it is for the draft.
pub(super) fn on_paste(model: &mut Model, text: &str) -> Option<Vec<Effect>> {
    let pane = model.pane_mut();
    let search = pane.search.as_mut()?;
    if !search.is_typing {
        pane.stay();
        return None;
    }
    search.query.write(text.trim());
    Some(look(model))
}

fn look(model: &mut Model) -> Vec<Effect> {
    let me = model.me.clone();
    model.pane_mut().look(me.as_str())
}

fn older(model: &mut Model) -> Vec<Effect> {
    let pane = model.pane_mut();
    let Some(search) = &pane.search else { return Vec::new() };
    let next = match pane.current_hit() {
        Some(hit) => pane.timeline.older_hit(hit),
        None => pane.timeline.nearest_hit(search.from),
    };
    match next {
        Some(next) => pane.go_to(next),
        None if pane.timeline.pattern().is_some() => load_older(model),
        None => Vec::new(),
    }
}

fn newer(model: &mut Model) -> Vec<Effect> {
    let pane = model.pane_mut();
    let Some(hit) = pane.current_hit() else { return Vec::new() };
    let Some(next) = pane.timeline.newer_hit(hit) else {
        model.say("that is the newest one");
        return Vec::new();
    };
    pane.go_to(next)
}

/// Asks for the page where the next older match may be.
fn load_older(model: &mut Model) -> Vec<Effect> {
    let connected = model.link.is_connected();
    let Some(room) = model.room_mut() else { return Vec::new() };
    let oldest = room.pane.current_hit().unwrap_or(Key::END);
    let Some(page) = missing(&room.pane.timeline, oldest) else {
        let end = end(&room.pane.timeline);
        model.say(end);
        return Vec::new();
    };
    if !connected {
        model.say("older messages are loaded when there is a connection");
        return Vec::new();
    }
    if let Some(search) = &mut room.pane.search {
        search.goes_on = true;
    }
    if room.is_loading() { Vec::new() } else { vec![ask_history(room, page, scrollback::MANY)] }
}

fn missing(timeline: &Timeline, before: Key) -> Option<Page> {
    match timeline.wanted_before(before) {
        Some(seq) => Some(Page::Before(seq)),
        None if timeline.top() == Top::Unknown => Some(Page::Newest),
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

/// A page of the room at `index` came: goes on in it where a key asked for that, and none was pressed since.
pub(super) fn on_page(model: &mut Model, index: usize) -> Vec<Effect> {
    let pane = &mut model.rooms[index].pane;
    let Some(search) = pane.search.as_mut().filter(|search| search.goes_on) else { return Vec::new() };
    search.goes_on = false;
    let next = match pane.current_hit() {
        Some(hit) => pane.timeline.older_hit(hit),
        None => pane.timeline.nearest_hit(Key::END),
    };
    if let Some(next) = next {
        return pane.go_to(next);
    }
    if pane.timeline.hit_count() > 0 {
        let among = pane.timeline.hit_among();
        let end = match missing(&pane.timeline, pane.current_hit().unwrap_or(Key::END)) {
            Some(_) => format!("no older one in {among} loaded messages; once more loads others"),
            None => end(&pane.timeline).to_owned(),
        };
        model.say(&end);
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
