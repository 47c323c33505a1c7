//! The screen and the arrangement of its panes.

use ratatui::layout::Rect;

use super::areas::Areas;
use super::frame::Frame;
use super::layout::{MEDIUM, WIDE, rooms_width};
use super::look::Look;
use super::pen::Pen;
use super::state::ViewState;
use super::{composer, inspector, members, overlay, rooms, status, timeline};
use crate::app::{Model, Overlay};

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
    state.unfolded.retain(|id, _| is_there(*id));
    state.openings.retain(|id, _| is_there(*id));
    state.moves.retain(|(id, _)| is_there(*id));
    if area.width < MEDIUM.0 || area.height < MEDIUM.1 {
        narrow(model, state, frame, area);
    } else {
        full(model, state, frame, area);
    }
    if model.overlay.is_some() {
        state.deselect();
    }
    state.select(model, frame.buffer_mut());
    if model.overlay == Some(Overlay::Inspector) {
        inspector::view(model, state, frame, area);
    } else if model.overlay.is_some() {
        overlay::view(model, state, frame, area);
    } else {
        state.overlay_row = 0;
        state.overlay_scrolls.clear();
    }
}

/// Rooms, timeline and, if there is room, members.
fn full(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) {
    let is_wide = area.width >= WIDE;
    let (left, right) = (rooms_width(area.width), if is_wide { 20 } else { 0 });
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

/// A single pane, with a summary of the others in its header.
fn narrow(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) {
    let rest = composer::view(model, state, frame, area);
    let (header, rest) = split_top(rest);
    status::narrow(model, state.look, frame.buffer_mut(), header);
    main_pane(model, state, frame, rest, true);
}

/// The timeline with the typing line below.
fn main_pane(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect, is_narrow: bool) {
    let typing = Rect { y: area.y + area.height.saturating_sub(1), height: area.height.min(1), ..area };
    let rest = Rect { height: area.height - typing.height, ..area };
    let shown = timeline::view(model, state, frame.buffer_mut(), rest, is_narrow);
    status::typing(model, state.look, frame.buffer_mut(), typing, shown);
}

fn split_top(area: Rect) -> (Rect, Rect) {
    let top = Rect { height: area.height.min(1), ..area };
    (top, Rect { y: area.y + top.height, height: area.height - top.height, ..area })
}
