//! The update: one input changes the model and returns effects for the runtime.

use super::composing::kept;
use super::dispatch::{events, keys, mouse, network_up};
use super::link::Link;
use super::message::{Effect, Input, Msg};
use super::model::Model;
use super::overlays::inspector;
use super::rooms::scrollback::{on_viewed, request_wanted_page};
use super::rooms::timeline::Tone;
use super::rooms::{looking, memory, notify};
use crate::net::Command;
use crate::sanitize;

/// Handles an input and returns the effects.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    model.now = msg.now;
    if msg.input.is_touch() {
        model.attention.touch(model.now.mono);
    }
    let is_back = msg.input.is_touch() || msg.input == Input::Focus(true);
    let mut effects = match msg.input {
        Input::Key(key) => keys::on_key(model, key),
        Input::Paste(text) => keys::on_paste(model, &text),
        Input::Edited(result) => keys::on_edited(model, result),
        Input::Wheel { up } => mouse::on_wheel(model, up),
        Input::Click(hit) => mouse::on_click(model, hit),
        Input::Selected(text) => mouse::on_selected(model, text),
        Input::Focus(has_focus) => {
            model.attention.set_focus(has_focus);
            Vec::new()
        }
        Input::Net(event) => events::on_event(model, event),
        Input::NetworkUp => network_up::on_network_up(model),
        Input::Viewed(viewed) => on_viewed(model, viewed),
        Input::Zone(zone) => {
            model.zone = zone;
            Vec::new()
        }
        Input::Row(at) => keys::on_row(model, at),
        Input::Restored(texts) => kept::restore(model, texts),
        Input::Warning(text) => {
            model.note(None, Tone::Error, sanitize::block(&text));
            Vec::new()
        }
        Input::Dragged | Input::Resize | Input::Tick => Vec::new(),
    };
    // A user who is back may have renewed the token.
    if is_back && matches!(model.link, Link::Stopped { needs_token: true, .. }) {
        effects.push(Effect::Net(Command::CheckToken));
    }
    effects.extend(inspector::close_unless_open(model));
    effects.extend(request_wanted_page(model));
    memory::bound(model, model.held_bytes.0);
    effects.extend(kept::restore_waiting(model));
    effects.extend(model.pass_time());
    events::add_changes(model);
    looking::look(model);
    effects.extend(notify::notify_missed(model));
    for room in &mut model.rooms {
        let mark = room.reading.take_mark();
        effects.extend(mark.map(|mark| Effect::Keep(room.name.clone(), mark)));
    }
    effects
}
