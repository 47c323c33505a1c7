//! Completion of the word before the cursor, one candidate after the other.
//!
//! A completion ends with the first key that does not continue it. The draft can also change without a key, when a
//! message is taken back into it. A completion whose word is no longer at its place is therefore ignored.

pub(in crate::app) mod candidates;

use super::draft;
use crate::app::editor::Full;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::net;
use crate::sanitize::Line;
use candidates::{Completion, KnownNames, find};

impl Model {
    /// Returns the completion that is in progress.
    #[must_use]
    pub fn completion(&self) -> Option<&Completion> {
        let pane = self.pane();
        let is_there = |completion: &&Completion| {
            let written = pane.composer.editor.text().get(completion.range.clone());
            pane.id == completion.pane && written == Some(&completion.candidates[completion.chosen].text)
        };
        self.completion.as_ref().filter(is_there)
    }

    fn names(&self) -> KnownNames {
        let mut nicks: Vec<Line> = Vec::new();
        if let Some(room) = self.room() {
            for nick in room.pane.timeline.recent_senders() {
                if !nicks.contains(nick) {
                    nicks.push(nick.clone());
                }
            }
            let silent: Vec<Line> = room.members().filter(|nick| !nicks.contains(nick)).cloned().collect();
            nicks.extend(silent);
            nicks.retain(|nick| nick != self.me());
        }
        let ours = self.rooms.iter().map(|room| room.name.clone()).collect();
        let commands = self.commands().map(|(usage, _)| usage).collect();
        KnownNames { commands, nicks, ours, listed: self.listed_rooms.clone() }
    }
}

/// Starts a completion, or takes the next or previous candidate. Without a word to complete, writes a tab.
pub(in crate::app) fn complete(model: &mut Model, is_back: bool) -> Vec<Effect> {
    if let Some(completion) = model.completion().cloned() {
        let count = completion.candidates.len();
        let chosen = (completion.chosen + if is_back { count - 1 } else { 1 }) % count;
        return write(model, Completion { chosen, ..completion });
    }
    let editor = &model.pane().composer.editor;
    let cursor = editor.cursor();
    let Some(begun) = find(editor.text(), cursor, &model.names()) else {
        return if is_back { Vec::new() } else { draft::write(model, "\t") };
    };
    let range = begun.start..cursor;
    let typed = editor.text()[range.clone()].to_owned();
    let ask = begun.is_room && model.listed_rooms.is_empty() && model.link.is_connected();
    let mut effects: Vec<Effect> =
        ask.then_some(Effect::Net(net::Command::ListRooms { prefix: None })).into_iter().collect();
    let Some(last) = begun.candidates.len().checked_sub(1) else {
        let unnamed = model.room().map(|room| (room.members().len() as u64, room.member_count));
        match unnamed.filter(|(named, count)| named < count) {
            _ if ask => model.show_hint("asking the server for rooms; press again later"),
            // The protocol has no request for the others.
            Some((named, count)) if !begun.is_room => {
                model.show_hint(&format!("no completion; the server names {named} of {count} members"));
            }
            _ => model.show_hint("no completion"),
        }
        return effects;
    };
    let chosen = if is_back { last } else { 0 };
    let pane = model.pane().id;
    effects.extend(write(model, Completion { candidates: begun.candidates, chosen, pane, range, typed }));
    effects
}

/// Undoes the completion that is in progress.
pub(in crate::app) fn undo(model: &mut Model) -> Vec<Effect> {
    let Some(completion) = model.completion().cloned() else { return Vec::new() };
    model.completion = None;
    draft::edit(model, |model| {
        // The text fits: it was there before.
        let _fits = model.pane_mut().composer.editor.replace(completion.range, &completion.typed);
    })
}

fn write(model: &mut Model, mut completion: Completion) -> Vec<Effect> {
    draft::edit(model, |model| {
        let text = &completion.candidates[completion.chosen].text;
        let start = completion.range.start;
        match model.pane_mut().composer.editor.replace(completion.range.clone(), text) {
            Ok(()) => {
                completion.range = start..start + text.len();
                model.completion = Some(completion);
            }
            Err(Full) => model.show_hint("that does not fit into the draft"),
        }
    })
}
