//! Submitted drafts: they are sent, or run as commands.

use crate::app::composing::command::{self, Draft, SlashCommand};
use crate::app::composing::draft::{edit, send, send_parts};
use crate::app::message::Effect;
use crate::app::model::{Confirmation, Model};
use crate::app::overlays::{help, inspector, members, switcher, themes, token};
use crate::app::rooms::room::Pane;
use crate::app::rooms::scrollback::clear;
use crate::app::rooms::timeline::Tone;
use crate::app::rooms::{navigation, search};
use crate::app::token::is_token_command;
use crate::markup::write_action;
use crate::net;
use crate::sanitize;

/// Sends the draft, or runs it as a command.
pub(in crate::app) fn submit(model: &mut Model, confirmed: Option<&Confirmation>) -> Vec<Effect> {
    let mut draft = model.pane().composer.editor.text().trim_end().to_owned();
    if is_token_command(&draft) {
        // A space in front does not make a message of it.
        draft = draft.trim_start().to_owned();
        model.pane_mut().composer.discard();
    }
    match command::parse(&draft, model.extensions) {
        Ok(Draft::Command(SlashCommand::Token(None))) => token::open(model),
        Ok(Draft::Command(SlashCommand::Token(Some(given)))) => {
            token::give(model, &given).unwrap_or_else(|problem| {
                model.show_hint(&problem);
                Vec::new()
            })
        }
        Ok(Draft::Text(text)) => send(model, text),
        Ok(Draft::Command(SlashCommand::Quit)) => quit(model, confirmed, true),
        Ok(Draft::Command(SlashCommand::Leave(room))) => navigation::leave(model, room, confirmed),
        Ok(Draft::Command(SlashCommand::Me(action))) => send(model, &write_action(&action)),
        Ok(Draft::Command(command)) => {
            model.pane_mut().composer.take();
            match command {
                SlashCommand::Join(room) => navigation::join(model, &room),
                SlashCommand::Rooms(prefix) => switcher::open(model, prefix),
                SlashCommand::Who(room) => members::open(model, room),
                SlashCommand::Extension { name, argument, note } => extension(model, name, argument, &note),
                SlashCommand::Theme(chosen) => themes::choose(model, chosen),
                SlashCommand::Inspect => inspector::open(model),
                SlashCommand::Search(text) => search::open(model, &text),
                SlashCommand::Clear => clear(model),
                SlashCommand::Help => help::open(model),
                SlashCommand::Leave(_)
                | SlashCommand::Me(_)
                | SlashCommand::Quit
                | SlashCommand::Token(_) => Vec::new(),
            }
        }
        Err(error) => {
            model.show_hint(&error);
            Vec::new()
        }
    }
}

/// Sends the draft in as many messages as it needs.
pub(in crate::app) fn submit_parts(model: &mut Model) -> Vec<Effect> {
    let draft = model.pane().composer.editor.text().trim_end().to_owned();
    match command::parse(&draft, model.extensions) {
        Ok(Draft::Text(_)) if is_token_command(&draft) => submit(model, None),
        Ok(Draft::Text(text)) => send_parts(model, text),
        Ok(Draft::Command(_)) | Err(_) => {
            model.show_hint("a command is not sent in parts");
            Vec::new()
        }
    }
}

/// Shows the note of a command that the program added, and hands the command to the program.
fn extension(model: &mut Model, name: &'static str, argument: String, note: &str) -> Vec<Effect> {
    model.note(model.current, Tone::Info, sanitize::block(note));
    // The command may change the connection: the next round-trip time shows that.
    vec![Effect::Extension { name, argument }, Effect::Net(net::Command::Ping)]
}

/// Runs the command with this usage, or begins it if it needs an argument. The command is written into the draft
/// first, so that a confirmation with Enter works.
pub(in crate::app) fn begin(model: &mut Model, usage: &'static str) -> Vec<Effect> {
    let (name, argument) = command::parts(usage);
    if model.pane().composer.has_open_draft() {
        model.show_hint(&format!("{name} needs an empty draft: send or cut your text first"));
        return Vec::new();
    }
    // A search hides the draft.
    search::end_here(model);
    let (line, is_whole) = match argument {
        _ if usage.starts_with("//") => ("//".to_owned(), false),
        "" => (name.to_owned(), true),
        _ if argument.starts_with('[') => (name.to_owned(), true),
        _ => (format!("{name} "), false),
    };
    let effects = edit(model, |model| model.pane_mut().composer.editor.set(line));
    if is_whole { submit(model, None) } else { effects }
}

/// Quits. If unsent text would be lost, the user must ask twice.
pub(in crate::app) fn quit(
    model: &mut Model,
    confirmed: Option<&Confirmation>,
    by_command: bool,
) -> Vec<Effect> {
    let current = model.current;
    // The command itself is not lost.
    let has_draft = |pane: &Pane, is_shown: bool| {
        if by_command && is_shown { pane.composer.has_hidden_draft() } else { pane.composer.has_draft() }
    };
    let lossy = model
        .rooms
        .iter()
        .enumerate()
        .filter(|(index, room)| room.unsent() > 0 || has_draft(&room.pane, current == Some(*index)));
    let rooms = lossy.map(|(_, room)| room.pane.title.as_str());
    let is_lossy = has_draft(&model.lobby, current.is_none());
    let rooms: Vec<&str> = rooms.chain(is_lossy.then_some(model.lobby.title.as_str())).collect();
    if rooms.is_empty() || confirmed == Some(&Confirmation::Quit) {
        return vec![Effect::Net(net::Command::Close), Effect::Quit];
    }
    let hint = format!("unsent text in {}; quit again to print it and leave", rooms.join(", "));
    model.confirm = Some(Confirmation::Quit);
    model.show_hint(&hint);
    Vec::new()
}
