//! What the mouse does. Where things are is the view's to know: it says what was hit.

use crate::app::dispatch::actions;
use crate::app::keys::Action;
use crate::app::overlays::inspector;
use crate::app::overlays::theme;
use crate::app::rooms::scrollback::scroll_back;
use crate::app::{Effect, Model, Overlay, Scroll};

/// Bytes of a selection that are copied at most: terminals take 100,000 of base64.
const COPIED_BYTES: usize = 74_000;

/// What was under the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// A room, by its index.
    Room(usize),
    /// Something to choose from what lies over the screen, by its index.
    Choice(usize),
    /// A place in the draft, in bytes.
    Cursor(usize),
}

pub(in crate::app) fn on_wheel(model: &mut Model, up: bool) -> Vec<Effect> {
    if model.overlay == Some(Overlay::Inspector) {
        return inspector::on_wheel(model, up);
    }
    if let Some(room) = model.room_mut() {
        room.search_on(false);
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
    model.attention.key = Some(model.now.mono);
    match hit {
        Hit::Room(index) => model.show(index),
        Hit::Cursor(at) => {
            model.pane_mut().composer.editor.go_to(at);
            Vec::new()
        }
        Hit::Choice(index) => match &mut model.overlay {
            Some(Overlay::Rooms { picker, .. } | Overlay::Palette(picker)) => {
                picker.select(index);
                actions::on_overlay(model, Action::Submit).unwrap_or_default()
            }
            Some(Overlay::Links { selected, .. }) => {
                *selected = index;
                actions::on_overlay(model, Action::Submit).unwrap_or_default()
            }
            Some(Overlay::Themes { .. }) => {
                theme::try_out(model, index);
                Vec::new()
            }
            Some(Overlay::Help | Overlay::Inspector | Overlay::Members { .. }) | None => Vec::new(),
        },
    }
}

pub(in crate::app) fn on_selected(model: &mut Model, text: String) -> Vec<Effect> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    if text.len() > COPIED_BYTES {
        model.say("too much to copy");
        return Vec::new();
    }
    model.say(&format!("copied {} characters", text.chars().count()));
    vec![Effect::Copy(text)]
}

pub(in crate::app) fn toggle(model: &mut Model) -> Vec<Effect> {
    model.mouse = !model.mouse;
    let hint = if model.mouse {
        "the mouse scrolls, chooses and selects".to_owned()
    } else {
        let key = model.keymap.key(Action::Mouse).map(|key| format!("; {key} takes it back"));
        format!("the mouse is the terminal's{}", key.unwrap_or_default())
    };
    model.say(&hint);
    vec![Effect::Mouse(model.mouse)]
}
