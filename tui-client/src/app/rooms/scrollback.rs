//! Going back: which page of a room's past is asked for, and when.
//!
//! A page is asked for after a key that goes up, once the view has shown what is there, and one at a time. What is asked
//! is dropped with the connection; the next key asks again.

use crate::app::message::{Effect, Scroll, Viewed};
use crate::app::model::Model;
use crate::app::rooms::room::{HistoryPage, Loading, Room};
use crate::app::rooms::timeline::{ItemKey, Top};
use crate::net;

/// Entries of a page for who reads: some screens of them.
pub(in crate::app) const SOME: u32 = 50;
/// Entries of a page for who looks for something: as many as a server answers with.
pub(in crate::app) const MANY: u32 = 200;

/// Goes up. Where something is missing on the screen, what is loaded there comes into sight by itself; so does what was
/// cleared away, where the screen ends there.
pub(in crate::app) fn scroll_back(model: &mut Model, scroll: Scroll) -> Vec<Effect> {
    if let Some(room) = model.room_mut()
        && uncover(room, scroll)
    {
        room.wants_older = true;
        return Vec::new();
    }
    if scroll == Scroll::PageUp
        && let Some(effect) = fill_visible_gap(model)
    {
        return vec![effect];
    }
    if let Some(room) = model.room_mut() {
        room.wants_older = true;
    }
    vec![Effect::Scroll(scroll)]
}

/// Clears the screen of the room: what is there is above it.
pub(in crate::app) fn clear(model: &mut Model) -> Vec<Effect> {
    model.pane_mut().timeline.clear();
    if let Some(room) = model.room_mut() {
        (room.visible, room.fills_screen) = ((ItemKey::END, ItemKey::END), false);
        room.wants_older = false;
    }
    vec![Effect::Scroll(Scroll::Bottom)]
}

/// Brings back what was cleared away, where the view goes up from there. Whether that is all that there is to do: there
/// is place for it on the screen.
fn uncover(room: &mut Room, scroll: Scroll) -> bool {
    let timeline = &mut room.pane.timeline;
    let first = timeline.first_not_cleared();
    // A search may have led above what was cleared away.
    let top = timeline.index_of(room.visible.0);
    if first > 0 && (top <= first || scroll == Scroll::Top) {
        timeline.restore_cleared();
    }
    first > 0 && top == first && !room.fills_screen && scroll != Scroll::Top
}

/// Asks for older messages where the user went up and nearly all are shown.
pub(in crate::app) fn on_viewed(model: &mut Model, viewed: Viewed) -> Vec<Effect> {
    let Viewed { pane, first, last, is_full } = viewed;
    let connected = model.link.is_connected();
    let Some(room) = model.rooms.iter_mut().find(|room| room.pane.id == pane) else { return Vec::new() };
    (room.visible, room.fills_screen) = ((first, last), is_full);
    if !room.wants_older || room.is_loading() {
        return Vec::new();
    }
    room.wants_older = false;
    let wanted = match room.pane.timeline.wanted_near(first) {
        Some(before) => Some(HistoryPage::Before(before)),
        None if room.pane.timeline.top() == Top::Unknown => Some(HistoryPage::Newest),
        None => None,
    };
    wanted.filter(|_| connected).map(|page| ask_history(room, page, SOME)).into_iter().collect()
}

/// Asks for what is missing at a place that is visible; `None` where there is none, or it cannot be asked for now.
fn fill_visible_gap(model: &mut Model) -> Option<Effect> {
    let connected = model.link.is_connected();
    let room = model.room_mut()?;
    let before = room.pane.timeline.wanted_in(room.visible)?;
    (connected && !room.is_loading()).then(|| ask_history(room, HistoryPage::Before(before), SOME))
}

pub(in crate::app) fn ask_history(room: &mut Room, page: HistoryPage, limit: u32) -> Effect {
    room.loading = Some(Loading { page, is_searching_older: false });
    let before = match page {
        HistoryPage::Newest => None,
        HistoryPage::Before(seq) => Some(seq),
    };
    Effect::Net(net::Command::History { room: room.name.clone(), before, limit })
}
