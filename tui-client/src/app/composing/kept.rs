//! Typed texts between runs: returned to be stored, and restored at the next start.
//!
//! A message that waited is sent at once: the user has sent it, and the server stores it once however often it arrives.
//! A message older than [`SENT_WITHIN`] waits for the user, because its moment may have passed, and so does one that the
//! user left unsent on purpose. Texts of a room that the user is not in wait until the user joins it.

use std::str::FromStr;
use std::time::Duration;

use realtime_shared::{ClientMsgId, EntryId, Timestamp};

use super::command::{self, Draft};
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::rooms::room::Pane;
use crate::app::rooms::timeline::{Outgoing, Sending, Tone};
use crate::app::token::is_secret;
use crate::kept_texts::{KeptMessage, KeptTexts, PaneTexts};
use crate::net;
use crate::sanitize;

/// Age up to which a message of an earlier run is sent without being asked. A server remembers ids for 24 hours.
const SENT_WITHIN: Duration = Duration::from_hours(1);
/// Bytes of messages that are kept. Later ones are not.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

impl Model {
    /// Returns the texts that are not known to be stored. Commands are left out.
    #[must_use]
    pub fn kept_texts(&self) -> KeptTexts {
        let mut bytes = MESSAGE_BYTES;
        let rooms = self.rooms.iter().map(|room| (Some(&room.name), &room.pane));
        let panes = rooms.chain([(None, &self.lobby)]);
        let panes = panes.map(|(room, pane)| {
            let (mut draft, mut changed, mut shown) = pane.composer.keep();
            if self.is_command(&draft) {
                draft.clear();
            }
            let count = changed.len();
            changed.retain(|changed| !self.is_command(&changed.sent) && !self.is_command(&changed.text));
            if changed.len() < count {
                shown = None;
            }
            PaneTexts { room: room.cloned(), draft, changed, shown, messages: messages(pane, &mut bytes) }
        });
        let panes: Vec<_> = panes.filter(|pane| !pane.is_empty()).collect();
        let mut texts = KeptTexts { panes };
        texts.merge(self.waiting_texts.clone());
        texts
    }

    /// Returns true if a draft runs a command, or has a token in it.
    fn is_command(&self, draft: &str) -> bool {
        let draft = draft.trim();
        is_secret(draft) || matches!(command::parse(draft, self.extensions), Ok(Draft::Command(_)))
    }
}

fn messages(pane: &Pane, bytes: &mut usize) -> Vec<KeptMessage> {
    let unsent = pane.timeline.outgoing().filter(|item| item.state != Sending::Stored);
    let kept = unsent.take_while(|item| match bytes.checked_sub(item.original().as_str().len()) {
        Some(left) => {
            *bytes = left;
            true
        }
        None => false,
    });
    let message = |item: &Outgoing| KeptMessage {
        id: item.id().clone(),
        text: item.original().clone(),
        is_held: matches!(item.state, Sending::Refused(_)),
    };
    kept.map(message).collect()
}

/// Takes the texts of earlier runs. Those of rooms that the user is not in wait.
pub(in crate::app) fn restore(model: &mut Model, texts: KeptTexts) -> Vec<Effect> {
    model.waiting_texts.merge(texts);
    let effects = restore_waiting(model);
    let rooms: Vec<String> =
        model.waiting_texts.panes.iter().flat_map(|pane| &pane.room).map(|room| format!("#{room}")).collect();
    if !rooms.is_empty() {
        let text = format!("unsent text of an earlier run is kept for {}: /join shows it", rooms.join(", "));
        model.note(None, Tone::Notice, sanitize::block(&text));
    }
    effects
}

/// Restores the waiting texts of the rooms that the user is in by now.
pub(in crate::app) fn restore_waiting(model: &mut Model) -> Vec<Effect> {
    if model.waiting_texts.is_empty() {
        return Vec::new();
    }
    let mut effects = Vec::new();
    for texts in std::mem::take(&mut model.waiting_texts.panes) {
        let index = texts.room.as_ref().and_then(|room| model.index_of(room));
        if texts.room.is_some() && index.is_none() {
            model.waiting_texts.panes.push(texts);
        } else {
            effects.extend(restore_pane(model, index, texts));
        }
    }
    effects
}

fn restore_pane(model: &mut Model, index: Option<usize>, texts: PaneTexts) -> Vec<Effect> {
    let now = model.now.wall.millis();
    let (pane, room) = match index {
        Some(index) => {
            let room = &mut model.rooms[index];
            (&mut room.pane, Some(room.name.clone()))
        }
        None => (&mut model.lobby, None),
    };
    pane.composer.restore(texts.draft, texts.changed, texts.shown);
    let mut effects = Vec::new();
    for KeptMessage { id, text, is_held } in texts.messages {
        if pane.timeline.is_outgoing(&id) {
            continue;
        }
        let written_at = written_at(&id);
        pane.timeline.add_outgoing(id.clone(), written_at, text.clone());
        // A clock that went back does not make a message young.
        let age = Duration::from_millis(now.abs_diff(written_at.millis()));
        match &room {
            Some(room) if !is_held && age <= SENT_WITHIN => {
                let room = room.clone();
                effects.push(Effect::Net(net::Command::Send { room, text, client_msg_id: id }));
            }
            _ => {
                pane.timeline.set_sending(&id, Sending::Refused(sanitize::line("it is from an earlier run")));
                model.restored.insert(id);
            }
        }
    }
    effects
}

/// Returns the time at which this program made the id; the beginning of time for any other id.
fn written_at(id: &ClientMsgId) -> Timestamp {
    let millis = EntryId::from_str(id.as_str()).map_or(0, |id| id.to_u128() >> 80);
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}
