//! Mouse events. The view knows the layout of the screen and reports the element that was hit.

use crate::app::dispatch::keys::on_overlay;
use crate::app::keys::Action;
use crate::app::message::{Effect, Hit, Scroll};
use crate::app::model::Model;
use crate::app::overlays::overlay::Overlay;
use crate::app::overlays::{inspector, links, themes};
use crate::app::rooms::scrollback::scroll_back;

/// Bytes of the largest selection that is copied: terminals accept 100,000 bytes of base64.
pub const COPIED_BYTES: usize = 74_000;

pub(in crate::app) fn on_wheel(model: &mut Model, up: bool) -> Vec<Effect> {
    if model.overlay == Some(Overlay::Inspector) {
        return inspector::on_wheel(model, up);
    }
    if let Some(room) = model.room_mut() {
        room.set_searching_older(false);
    }
    match up {
        true if model.overlay.is_none() => scroll_back(model, Scroll::WheelUp),
        true => vec![Effect::Scroll(Scroll::WheelUp)],
        false => vec![Effect::Scroll(Scroll::WheelDown)],
    }
}

pub(in crate::app) fn on_click(model: &mut Model, hit: Hit) -> Vec<Effect> {
    model.hint = None;
    model.confirm = None;
    match hit {
        Hit::Room(index) => model.show(index),
        Hit::Cursor(at) => {
            model.pane_mut().composer.editor.go_to(at);
            Vec::new()
        }
        Hit::Timeline => Vec::new(),
        Hit::Link(target) => links::open_link(model, target),
        Hit::Choice(index) => match &mut model.overlay {
            Some(Overlay::Rooms { picker, .. } | Overlay::Palette(picker)) => {
                picker.select(index);
                on_overlay(model, Action::Submit).unwrap_or_default()
            }
            Some(Overlay::Links { selected, .. }) => {
                *selected = index;
                on_overlay(model, Action::Submit).unwrap_or_default()
            }
            Some(Overlay::Themes { .. }) => {
                themes::try_out(model, index);
                Vec::new()
            }
            Some(Overlay::Help(_) | Overlay::Inspector | Overlay::Members { .. } | Overlay::Token(_))
            | None => Vec::new(),
        },
    }
}

pub(in crate::app) fn on_selected(model: &mut Model, text: String) -> Vec<Effect> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    if text.len() > COPIED_BYTES {
        model.show_hint("the selection is too long to copy");
        return Vec::new();
    }
    model.show_hint(&format!("copied {} characters", text.chars().count()));
    vec![Effect::Copy(text)]
}
