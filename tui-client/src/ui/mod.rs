//! [`view`]: the model on a screen. One file a pane.
//!
//! It reads the model and changes nothing in it; where each pane is scrolled to is the view's own [`ViewState`]. It
//! takes remote text only as `sanitize`'s types, and writes it cell by cell. The work of a frame grows with what is
//! visible, never with the history.

mod candidates;
mod composer;
pub mod help;
mod hit;
pub mod hyperlink;
mod inspector;
mod look;
mod members;
mod overlay;
mod picker;
mod prose;
mod rooms;
mod rows;
mod search;
mod status;
mod text;
mod themes;
mod timeline;

use std::collections::HashMap;

use ratatui::Frame;
use ratatui::layout::Rect;

use look::Look;

use hit::{Areas, Selection};

use crate::app::timeline::Key;
use crate::app::{Input, Model, Overlay, Scroll, Sight, Theme, Viewed};
use crate::terminal::{Capabilities, Ground};
use text::Pen;

/// From this width on the members are shown beside the timeline.
const WIDE: u16 = 110;
/// Below this width or this height there is one pane.
const MEDIUM: (u16, u16) = (60, 14);

/// Rows that a notch of the wheel moves.
const WHEEL: usize = 3;

/// What the view keeps from one frame to the next.
#[derive(Debug)]
pub struct ViewState {
    capabilities: Capabilities,
    /// That of the model's theme, in this frame.
    look: Look,
    /// Whether the terminal follows links.
    has_links: bool,
    /// The last row of each pane that is scrolled back: a row of an item, from the item's first.
    anchors: HashMap<u32, Anchor>,
    /// Where each pane was when a search began there; `None`: at the end.
    marks: HashMap<u32, Option<Anchor>>,
    /// Where panes go when they are drawn next, in this order.
    moves: Vec<(u32, Move)>,
    overlay_row: usize,
    /// Where what lies over the screen goes when it is drawn next, in this order.
    overlay_scrolls: Vec<Scroll>,
    areas: Areas,
    selection: Option<Selection>,
    /// The text of the selection, as it was drawn last.
    selected: String,
    /// Of the pane that was drawn last.
    viewed: Option<Viewed>,
}

/// The last visible row: the item, and which of its rows, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Anchor {
    key: Key,
    row: usize,
}

/// Where a timeline goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    Scroll(Scroll),
    See(Sight),
}

impl ViewState {
    /// A view that is scrolled to the end everywhere, on a terminal with these capabilities.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            look: Look::new(Theme::default(), capabilities),
            has_links: false,
            anchors: HashMap::new(),
            marks: HashMap::new(),
            moves: Vec::new(),
            overlay_row: 0,
            overlay_scrolls: Vec::new(),
            areas: Areas::default(),
            selection: None,
            selected: String::new(),
            viewed: None,
        }
    }

    /// What the terminal can show.
    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// What the terminal says of its background; `None` leaves what was taken for it.
    pub fn set_ground(&mut self, ground: Option<Ground>) {
        self.capabilities.ground = ground.or(self.capabilities.ground);
    }

    /// A view for a terminal that follows links, or that does not.
    #[must_use]
    pub fn with_links(self, has_links: bool) -> Self {
        Self { has_links, ..self }
    }

    /// Moves what lies over the screen, or else the timeline, when it is drawn next.
    pub fn scroll(&mut self, model: &Model, scroll: Scroll) {
        self.deselect();
        if model.overlay.is_some() {
            self.overlay_scrolls.push(scroll);
        } else {
            self.moves.push((model.pane().id, Move::Scroll(scroll)));
        }
    }

    /// Goes where a search leads, when the timeline that is shown is drawn next.
    pub fn see(&mut self, model: &Model, sight: Sight) {
        self.deselect();
        self.moves.push((model.pane().id, Move::See(sight)));
    }

    /// What the last frame showed, for the app to load what is missing above.
    #[must_use]
    pub fn viewed(&self) -> Option<Input> {
        self.viewed.map(Input::Viewed)
    }
}

/// Draws the model.
pub fn view(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    state.look = Look::new(model.theme, state.capabilities);
    state.areas = Areas::default();
    let is_there = |id: u32| id == 0 || model.rooms.iter().any(|room| room.pane.id == id);
    state.anchors.retain(|id, _| is_there(*id));
    state.marks.retain(|id, _| is_there(*id));
    state.moves.retain(|(id, _)| is_there(*id));
    if area.width < MEDIUM.0 || area.height < MEDIUM.1 {
        narrow(model, state, frame, area);
    } else {
        full(model, state, frame, area);
    }
    state.select(frame.buffer_mut());
    if model.overlay == Some(Overlay::Inspector) {
        inspector::view(model, state, frame, area);
    } else if model.overlay.is_some() {
        overlay::view(model, state, frame, area);
    } else {
        state.overlay_row = 0;
        state.overlay_scrolls.clear();
    }
}

/// Rooms, timeline and, where there is room, members.
fn full(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) {
    let is_wide = area.width >= WIDE;
    let (left, right) = if is_wide { (17, 20) } else { (15, 0) };
    let middle = area.width - left - 1 - if is_wide { right + 1 } else { 0 };
    let column = |x: u16, width: u16| Rect { x: area.x + x, width, ..area };
    let rooms_area = column(0, left);
    let middle_area = column(left + 1, middle);

    let look = state.look;
    let mut rules = Pen::new(frame.buffer_mut(), area);
    for row in 0..usize::from(area.height) {
        rules.write(left.into(), row, look.glyph().bar, look.faint());
        if is_wide {
            rules.write((left + 1 + middle).into(), row, look.glyph().bar, look.faint());
        }
    }
    rooms::view(model, state, frame.buffer_mut(), Rect { height: area.height - 2, ..rooms_area });
    status::corner(
        model,
        state.look,
        frame.buffer_mut(),
        Rect { y: area.y + area.height - 2, height: 2, ..rooms_area },
    );
    let rest = composer::view(model, state, frame, middle_area);
    let (header, rest) = split_top(rest);
    status::header(model, state.look, frame.buffer_mut(), header);
    main_pane(model, state, frame, rest, false);
    if is_wide {
        let area = column(left + 1 + middle + 1, right);
        members::view(model, state.look, frame.buffer_mut(), area);
    }
}

/// One pane, with what matters of the others in its header.
fn narrow(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) {
    let rest = composer::view(model, state, frame, area);
    let (header, rest) = split_top(rest);
    status::narrow(model, state.look, frame.buffer_mut(), header);
    main_pane(model, state, frame, rest, true);
}

/// The timeline with the line of those who type below.
fn main_pane(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect, is_narrow: bool) {
    let typing = Rect { y: area.y + area.height.saturating_sub(1), height: area.height.min(1), ..area };
    let rest = Rect { height: area.height - typing.height, ..area };
    let newer = timeline::view(model, state, frame.buffer_mut(), rest, is_narrow);
    status::typing(model, state.look, frame.buffer_mut(), typing, newer);
}

fn split_top(area: Rect) -> (Rect, Rect) {
    let top = Rect { height: area.height.min(1), ..area };
    (top, Rect { y: area.y + top.height, height: area.height - top.height, ..area })
}

#[cfg(test)]
mod tests;
