//! Changes of the draft: edit, write, replace, send. Each of them also updates the typing signal.

use realtime_shared::name::TEXT_CHARS;
use realtime_shared::{Text, TextError};
use unicode_normalization::UnicodeNormalization;

use super::parts;
use crate::app::editor::{DRAFT_CHARS, Full};
use crate::app::keys::Action;
use crate::app::message::{Effect, Scroll};
use crate::app::model::Model;
use crate::app::rooms::effects::{stop_typing, typing};
use crate::app::rooms::room::{Membership, Room};
use crate::markup::find_unknown_name;
use crate::net;
use crate::sanitize::{self, Line};

/// Changes the draft, and signals that the user types or stopped typing.
pub(in crate::app) fn edit(model: &mut Model, change: impl FnOnce(&mut Model)) -> Vec<Effect> {
    let before = model.pane().composer.editor.text().len();
    change(model);
    let now = model.now.mono;
    let sends_signal = model.sends_typing && model.link.is_connected();
    let Some(room) = model.room_mut() else { return Vec::new() };
    let draft = room.pane.composer.editor.text();
    let is_text = !draft.trim().is_empty() && (!draft.starts_with('/') || draft.starts_with("//"));
    if !is_text {
        stop_typing(room).into_iter().collect()
    } else if sends_signal
        && room.membership == Membership::Joined
        && draft.len() != before
        && room.key_typed(now)
    {
        vec![typing(room, true)]
    } else {
        Vec::new()
    }
}

/// Inserts text at the cursor.
pub(in crate::app) fn write(model: &mut Model, text: &str) -> Vec<Effect> {
    edit(model, |model| {
        let result = model.pane_mut().composer.editor.insert(text);
        hint_if_full(model, result, "that");
    })
}

/// Shows a hint if a text did not fit into the draft.
pub(in crate::app) fn hint_if_full(model: &mut Model, result: Result<(), Full>, what: &str) {
    if result == Err(Full) {
        model.show_hint(&format!("{what} does not fit: a draft has at most {DRAFT_CHARS} characters"));
    }
}

/// Replaces the draft with the text that an editor saved, without the line end that editors add.
pub(in crate::app) fn replace(model: &mut Model, result: Result<String, String>) -> Vec<Effect> {
    match result {
        Ok(text) => {
            let mut kept = clean(model, &text);
            if kept.ends_with('\n') {
                kept.pop();
            }
            edit(model, |model| model.pane_mut().composer.editor.rewrite(kept))
        }
        Err(why) => {
            model.show_hint(&why);
            Vec::new()
        }
    }
}

/// Removes control characters from a text for the draft; a hint reports that.
pub(in crate::app) fn clean(model: &mut Model, text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    if kept.len() < text.len() {
        model.show_hint("control characters were removed from the text");
    }
    kept
}

/// Sends a text, in the normal form NFC, to the room that is shown.
pub(in crate::app) fn send(model: &mut Model, text: &str) -> Vec<Effect> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    if model.current.is_none() {
        let hint = format!(
            "you are in no room: /join one, or /rooms{} for a list",
            model.keymap.hint(Action::Rooms)
        );
        model.show_hint(&hint);
        return Vec::new();
    }
    let text: String = text.nfc().collect();
    let length = text.chars().count();
    let most = model.most_chars();
    let text = match Text::new(&text) {
        Ok(text) if length <= most => text,
        Ok(_) | Err(TextError::TooLong) => {
            let count = parts::split(&text, most).len();
            let key = model.keymap.key(Action::SendParts);
            let key = key.filter(|_| count > 1).map(|key| format!("; {key} sends it in {count} parts"));
            let key = key.unwrap_or_default();
            model.show_hint(&format!("not sent: {length} characters; a message has at most {most}{key}"));
            return Vec::new();
        }
        Err(error) => {
            model.show_hint(&format!("not sent: the text {error}"));
            return Vec::new();
        }
    };
    post(model, vec![text])
}

/// Sends a text in as many messages as it needs, in order.
pub(in crate::app) fn send_parts(model: &mut Model, text: &str) -> Vec<Effect> {
    let whole: String = text.nfc().collect();
    let most = model.most_chars();
    let parts: Result<Vec<Text>, TextError> =
        parts::split(&whole, most).iter().map(|part| Text::new(part)).collect();
    match parts {
        Ok(parts) if parts.len() > 1 && model.current.is_some() => post(model, parts),
        // A text that fits, no text, or one that cannot be sent.
        _ => send(model, text),
    }
}

/// Posts the draft as these messages to the room that is shown.
fn post(model: &mut Model, texts: Vec<Text>) -> Vec<Effect> {
    let me = model.me().clone();
    let ts = model.time();
    let ids: Vec<_> = texts.iter().map(|_| model.message_id()).collect();
    let Some(room) = model.room_mut() else { return Vec::new() };
    room.pane.composer.take();
    let mut effects: Vec<Effect> = stop_typing(room).into_iter().collect();
    let mut unknown = None;
    for (text, client_msg_id) in texts.into_iter().zip(ids) {
        room.pane.timeline.add_outgoing(client_msg_id.clone(), ts, text.clone());
        unknown = unknown.or_else(|| unknown_name(room, &text, &me));
        effects.push(Effect::Net(net::Command::Send { room: room.name.clone(), text, client_msg_id }));
    }
    if let Some(name) = unknown {
        model.show_hint(&format!("sent, but nobody named {name} is here"));
    }
    effects.push(Effect::Scroll(Scroll::Bottom));
    effects
}

impl Model {
    /// Returns the characters of the longest message.
    pub(in crate::app) fn most_chars(&self) -> usize {
        usize::try_from(self.text_chars).unwrap_or(usize::MAX).min(TEXT_CHARS)
    }

    /// Returns the characters of the draft and of the longest message, if the draft is nearly that long.
    #[must_use]
    pub fn draft_length(&self) -> Option<(usize, usize)> {
        let most = self.most_chars();
        let draft = self.pane().composer.editor.text();
        let near = most - most / 10;
        if draft.len() < near || draft.chars().count() < near {
            return None;
        }
        let length = draft.trim_end().nfc().count();
        (length >= near).then_some((length, most))
    }
}

/// Returns the first name behind an `@` that neither a member nor the sender of a message here has. `None` if the list
/// of members is not complete.
fn unknown_name(room: &Room, text: &Text, me: &Line) -> Option<String> {
    let is_complete =
        room.membership == Membership::Joined && room.members().len() as u64 >= room.member_count;
    let senders = room.pane.timeline.recent_senders();
    let names = room.members().chain(senders).chain([me]).map(Line::as_str);
    find_unknown_name(&sanitize::block(text.as_str()), names).filter(|_| is_complete)
}
