//! Scrolling back, and requesting pages of history.
//!
//! The page of a join is requested when the room is shown, so that a client in many rooms does not request a page for
//! each at once. A key that scrolls up requests at most one page, after the view was drawn. A page without a row shows nothing, so
//! the page before it follows, up to [`PAGES_WITHOUT_ROWS`]. The loss of the connection drops the request; the next key
//! repeats it.

use realtime_shared::{HistoryRequest, Seq};

use crate::app::attention::Sight;
use crate::app::message::{Effect, Scroll, ViewJump, Viewed};
use crate::app::model::Model;
use crate::app::rooms::room::{HistoryPage, Loading, Membership, Room};
use crate::app::rooms::timeline::{ItemKey, Top};
use crate::net;
use crate::sanitize;

/// Entries of a page for reading: a few screens.
pub(in crate::app) const READING_PAGE: u32 = 50;
/// Entries of a page for a search: as many as a server sends.
pub(in crate::app) const SEARCH_PAGE: u32 = 200;
/// Most pages without a row that are loaded for one key: 4,000 entries.
pub(in crate::app) const PAGES_WITHOUT_ROWS: u32 = 20;

/// Scrolls up. If entries are missing on the screen, they are loaded instead; if cleared rows fit on the screen, they
/// are shown instead.
pub(in crate::app) fn scroll_back(model: &mut Model, scroll: Scroll) -> Vec<Effect> {
    if let Some(room) = model.room_mut()
        && restore_cleared(room, scroll)
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
        // What arrives before the next frame may be below the screen.
        room.sight = Sight::Unknown;
    }
    vec![Effect::Scroll(scroll)]
}

/// Goes to the ruler above new messages.
pub(in crate::app) fn to_ruler(model: &mut Model) -> Vec<Effect> {
    if model.room().is_some_and(|room| room.reading.ruler.is_some()) {
        return vec![Effect::JumpView(ViewJump::Ruler)];
    }
    model.show_hint("no new messages in this room");
    Vec::new()
}

/// Opens or folds the long message on the screen.
pub(in crate::app) fn fold(model: &mut Model) -> Vec<Effect> {
    if model.room().is_none_or(|room| room.has_long) {
        return vec![Effect::JumpView(ViewJump::Fold)];
    }
    model.show_hint("no long message on the screen");
    Vec::new()
}

/// Clears the screen of the room. The rows stay above it.
pub(in crate::app) fn clear(model: &mut Model) -> Vec<Effect> {
    model.pane_mut().timeline.clear();
    if let Some(room) = model.room_mut() {
        (room.visible, room.fills_screen) = ((ItemKey::END, ItemKey::END), false);
        room.wants_older = false;
    }
    vec![Effect::Scroll(Scroll::Bottom)]
}

/// Restores cleared rows if the view scrolls up to them. Returns true if they fit on the screen, so that nothing else
/// is needed.
fn restore_cleared(room: &mut Room, scroll: Scroll) -> bool {
    let timeline = &mut room.pane.timeline;
    let first = timeline.first_not_cleared();
    // A search may have moved the view above the cleared rows.
    let top = timeline.index_of(room.visible.0);
    if first > 0 && (top <= first || scroll == Scroll::Top) {
        timeline.restore_cleared();
    }
    first > 0 && top == first && !room.fills_screen && scroll != Scroll::Top
}

/// Requests older messages if the user scrolled up and the view is close to the top.
pub(in crate::app) fn on_viewed(model: &mut Model, viewed: Viewed) -> Vec<Effect> {
    let Viewed { pane, first, last, is_full, has_long, follows } = viewed;
    let connected = model.link.is_connected();
    let Some(room) = model.rooms.iter_mut().find(|room| room.pane.id == pane) else { return Vec::new() };
    (room.visible, room.fills_screen, room.has_long) = ((first, last), is_full, has_long);
    room.sight = if follows { Sight::End } else { Sight::UpTo(last) };
    if !room.wants_older || room.is_loading() {
        return Vec::new();
    }
    room.wants_older = false;
    let wanted = match room.pane.timeline.wanted_near(first) {
        Some(before) => Some(HistoryPage::Before(before)),
        None if room.pane.timeline.top() == Top::Unknown => Some(HistoryPage::Newest),
        None => None,
    };
    wanted.filter(|_| connected).map(|page| request_history(room, page, READING_PAGE)).into_iter().collect()
}

/// Requests the page that the room on the screen wants.
pub(in crate::app) fn request_wanted_page(model: &mut Model) -> Option<Effect> {
    let connected = model.link.is_connected();
    let room = model.room_mut()?;
    if !connected || room.membership != Membership::Joined || room.is_loading() {
        return None;
    }
    let page = match room.wanted_page.take()? {
        HistoryPage::Newest => HistoryPage::Newest,
        // Entries may have arrived since the join.
        HistoryPage::Before(seq) => HistoryPage::Before(room.pane.timeline.held_before(seq)),
    };
    Some(request_history(room, page, READING_PAGE))
}

/// Requests the page whose request failed again.
pub(in crate::app) fn retry_page(room: &mut Room) -> Option<Effect> {
    let (page, _) = room.failed_page.take().filter(|_| room.loading.is_none())?;
    Some(request_history(room, page, READING_PAGE))
}

/// Handles the failure of a request for history.
pub(in crate::app) fn on_page_failed(room: &mut Room, reason: &str) {
    if let Some(Loading { page, .. }) = room.loading.take() {
        room.failed_page = Some((page, sanitize::line(reason)));
    }
}

/// Requests the page of a visible gap. `None` if there is none, or if no page can be requested now.
fn fill_visible_gap(model: &mut Model) -> Option<Effect> {
    let connected = model.link.is_connected();
    let room = model.room_mut()?;
    let before = room.pane.timeline.wanted_in(room.visible)?;
    (connected && !room.is_loading())
        .then(|| request_history(room, HistoryPage::Before(before), READING_PAGE))
}

/// Requests the page before a page without a row. Returns `None` if the key has loaded enough of them.
pub(in crate::app) fn request_page_before(room: &mut Room, loaded: Loading, before: Seq) -> Option<Effect> {
    let pages_without_rows = loaded.pages_without_rows + 1;
    if pages_without_rows > PAGES_WITHOUT_ROWS {
        return None;
    }
    let page = HistoryPage::Before(before);
    let request = request_history(room, page, SEARCH_PAGE);
    room.loading = Some(Loading { page, pages_without_rows, ..loaded });
    Some(request)
}

pub(in crate::app) fn request_history(room: &mut Room, page: HistoryPage, limit: u32) -> Effect {
    room.loading = Some(Loading { page, pages_without_rows: 0, is_searching_older: false });
    room.failed_page = None;
    let before = match page {
        HistoryPage::Newest => None,
        HistoryPage::Before(seq) => Some(seq),
    };
    Effect::Net(net::Command::History(HistoryRequest::before(room.name.clone(), before, limit)))
}
