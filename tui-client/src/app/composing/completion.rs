//! Completion of the word before the cursor, one candidate after the other.
//!
//! A completion ends with the first key that does not continue it. The draft can also change without a key, when a
//! message is taken back into it. A completion whose word is no longer at its place is therefore ignored.

pub(in crate::app) mod candidates;
mod insertion;
pub(in crate::app) mod member_query;
pub(in crate::app) mod member_search;

use super::draft;
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

    /// Ends the completion that is in progress. An answer to its request is no longer shown.
    pub(in crate::app) fn end_completion(&mut self) {
        (self.completion, self.member_search) = (None, None);
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
            let found: Vec<Line> =
                room.found_members().filter(|nick| !nicks.contains(nick)).cloned().collect();
            nicks.extend(found);
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
        return insertion::write(model, Completion { chosen, ..completion });
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
    let search = member_search::begin(model, begun.prefix);
    let is_part = search.is_some();
    effects.extend(search);
    let Some(last) = begun.candidates.len().checked_sub(1) else {
        let unnamed = model.room().filter(|room| room.has_unnamed_members() && !begun.is_room);
        let hint = match unnamed.map(|room| (room.members().len(), room.member_count)) {
            _ if ask => "asking the server for rooms; press again later".to_owned(),
            _ if is_part => "asking the server for members".to_owned(),
            Some((named, count)) => format!("no completion; {named} of {count} members are known"),
            None => "no completion".to_owned(),
        };
        model.show_hint(&hint);
        return effects;
    };
    let chosen = if is_back { last } else { 0 };
    let pane = model.pane().id;
    effects.extend(insertion::write(
        model,
        Completion { candidates: begun.candidates, chosen, pane, range, typed, is_part },
    ));
    effects
}

/// Undoes the completion that is in progress.
pub(in crate::app) fn undo(model: &mut Model) -> Vec<Effect> {
    let completion = model.completion().cloned();
    model.end_completion();
    let Some(completion) = completion else { return Vec::new() };
    draft::edit(model, |model| {
        // The text fits: it was there before.
        let _fits = model.pane_mut().composer.editor.replace(completion.range, &completion.typed);
    })
}
