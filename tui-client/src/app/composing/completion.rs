//! Completing what is begun before the cursor, and going round through what it may become.
//!
//! A completion lasts from the first key that asks for it to the next key that does not. The draft may change meanwhile
//! without a key (a message is taken back into it): a completion whose word is not where it was is none.

pub(in crate::app) mod candidates;

use super::draft;
use crate::app::editor::Full;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::rooms::timeline::{Body, Entry, Item};
use crate::net;
use crate::sanitize::Line;
use candidates::{Completion, Names, find};

/// Items of the timeline in which those who spoke last are looked for.
const RECENT: usize = 200;

impl Model {
    /// What the word before the cursor may become, while one goes round.
    #[must_use]
    pub fn completion(&self) -> Option<&Completion> {
        let pane = self.pane();
        let is_there = |completion: &&Completion| {
            let written = pane.composer.editor.text().get(completion.range.clone());
            pane.id == completion.pane && written == Some(&completion.candidates[completion.chosen].text)
        };
        self.completion.as_ref().filter(is_there)
    }

    fn names(&self) -> Names {
        let mut nicks: Vec<Line> = Vec::new();
        if let Some(room) = self.room() {
            let timeline = &room.pane.timeline;
            let recent = (0..timeline.len()).rev().take(RECENT).filter_map(|at| match timeline.get(at)? {
                Item::Entry(Entry { body: Body::Message(said), .. }) => Some(&said.nick),
                _ => None,
            });
            for nick in recent {
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
        Names { commands, nicks, ours, listed: self.listed_rooms.clone() }
    }
}

/// Completes what is begun, or writes the next of what it may become, or the one before. A tab where nothing is begun is
/// text.
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
        model.say(if ask {
            "asking the server for rooms: once more then"
        } else {
            "nothing known begins so"
        });
        return effects;
    };
    let chosen = if is_back { last } else { 0 };
    let pane = model.pane().id;
    effects.extend(write(model, Completion { candidates: begun.candidates, chosen, pane, range, typed }));
    effects
}

/// Puts back what was typed, where one goes round.
pub(in crate::app) fn undo(model: &mut Model) -> Vec<Effect> {
    let Some(completion) = model.completion().cloned() else { return Vec::new() };
    model.completion = None;
    draft::edit(model, |model| {
        // It was there before, so there is room for it.
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
            Err(Full) => model.say("that does not fit into the draft"),
        }
    })
}
