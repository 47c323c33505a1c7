//! Unsent messages: sending again, taking back into the composer, and listing at the end of the program.

use realtime_shared::ClientMsgId;

use super::command::{self, Draft};
use super::draft::edit;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::rooms::scrollback::retry_page;
use crate::app::rooms::timeline::Sending;
use crate::app::token::is_secret;
use crate::net;
use crate::sanitize::{self, Block};

/// Connects now; if connected, sends the oldest refused message of the room again, and requests a page of history again
/// that was not loaded.
pub(in crate::app) fn retry(model: &mut Model) -> Vec<Effect> {
    if !model.link.is_connected() {
        return vec![Effect::Net(net::Command::RetryNow)];
    }
    let refused = model.pane().timeline.refused().map(|item| (item.id().clone(), item.original().clone()));
    let mut effects: Vec<Effect> = model.room_mut().and_then(retry_page).into_iter().collect();
    // The connection does not have a message of an earlier run.
    let room = model.room().map(|room| room.name.clone());
    let send = refused.map(|(id, text)| match room {
        Some(room) if model.restored.remove(&id) => net::Command::Send { room, text, client_msg_id: id },
        _ => net::Command::Resend(id),
    });
    effects.extend(send.map(Effect::Net));
    if effects.is_empty() {
        model.show_hint("no refused message here");
    }
    effects
}

/// Takes an unsent message back into the composer: the oldest refused one; otherwise the newest waiting one, as soon
/// as the connection has released it.
pub(in crate::app) fn take_back(model: &mut Model) -> Vec<Effect> {
    let timeline = &model.pane().timeline;
    if let Some((id, text)) = timeline.refused().map(|item| (item.id().clone(), item.original().clone())) {
        return compose(model, &id, text.as_str());
    }
    let waiting = timeline.outgoing().filter(|item| item.is_waiting()).last();
    if let Some(item) = waiting {
        return vec![Effect::Net(net::Command::TakeBack(item.id().clone()))];
    }
    let is_sent = timeline.outgoing().any(|item| item.state == Sending::Sent);
    model.show_hint(if is_sent { "the message is already on its way" } else { "no unsent message here" });
    Vec::new()
}

/// Handles the release of a message of the room at `index` by the connection.
pub(in crate::app) fn on_taken_back(
    model: &mut Model,
    index: usize,
    id: &ClientMsgId,
    was_sent: bool,
) -> Vec<Effect> {
    let timeline = &mut model.rooms[index].pane.timeline;
    let Some(text) = timeline.outgoing().find(|item| item.id() == id).map(|item| item.original().clone())
    else {
        return Vec::new();
    };
    if model.current != Some(index) {
        let why = sanitize::line("taken back");
        model.rooms[index].pane.timeline.set_sending(id, Sending::Refused(why));
        return Vec::new();
    }
    let effects = compose(model, id, text.as_str());
    if was_sent {
        model.show_hint("it was sent before the connection was lost and may be stored already");
    }
    effects
}

/// Moves an outgoing message into the composer if it fits there.
fn compose(model: &mut Model, id: &ClientMsgId, text: &str) -> Vec<Effect> {
    edit(model, |model| {
        let pane = model.pane_mut();
        let result = if pane.composer.editor.is_empty() {
            pane.composer.editor.set(text.to_owned());
            Ok(())
        } else {
            pane.composer.editor.insert(text)
        };
        if result.is_ok() {
            pane.timeline.take_outgoing(id);
        } else {
            let why = sanitize::line("it does not fit into the draft");
            pane.timeline.set_sending(id, Sending::Refused(why));
        }
    })
}

impl Model {
    /// Returns the texts that are not known to be stored, each with its room: messages and drafts, in the order of
    /// the rooms. Drafts that are commands, or have a token in them, are left out.
    #[must_use]
    pub fn unsent(&self) -> Vec<Block> {
        let mut lines = Vec::new();
        let panes = self.rooms.iter().map(|room| &room.pane).chain([&self.lobby]);
        for pane in panes {
            for item in pane.timeline.outgoing().filter(|item| item.state != Sending::Stored) {
                let state = if item.state == Sending::Sent { ", on its way" } else { "" };
                lines.push(sanitize::block(&format!("{}{state}: {}", pane.title, item.text)));
            }
            let drafts = pane.composer.drafts();
            let is_command =
                |text: &str| matches!(command::parse(text.trim(), self.extensions), Ok(Draft::Command(_)));
            let drafts = drafts.filter(|text| !is_secret(text));
            for text in drafts.filter(|text| !is_command(text)) {
                lines.push(sanitize::block(&format!("{}, a draft: {text}", pane.title)));
            }
        }
        lines
    }
}
