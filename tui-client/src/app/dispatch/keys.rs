//! Keys and pastes. Each key is an action, for the overlay, the search, or the screen below.

use crate::terminal_input::KeyEvent;

use super::commands;
use crate::app::composing::completion;
use crate::app::composing::draft::{self, clean, edit, hint_if_full, write};
use crate::app::composing::emoji;
use crate::app::composing::unsent::{retry, take_back};
use crate::app::editor::Motion;
use crate::app::keys::Action;
use crate::app::message::{Effect, Scroll};
use crate::app::model::{Confirmation, Model};
use crate::app::overlays::next_step::NextStep;
use crate::app::overlays::overlay::Overlay;
use crate::app::overlays::picker::Picker;
use crate::app::overlays::{help, inspector, links, members, palette, switcher, themes, token};
use crate::app::rooms::scrollback::scroll_back;
use crate::app::rooms::{navigation, scrollback, search};
use crate::app::token::is_secret;

pub(in crate::app) fn on_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(action) = model.keymap.action(key) else {
        // No action has the chord with Alt, so the user pressed Esc and then the key.
        return key
            .split_prefix()
            .map_or_else(Vec::new, |keys| keys.into_iter().flat_map(|key| on_key(model, key)).collect());
    };
    model.hint = None;
    let confirmed = model.confirm.take();
    if !matches!(action, Action::Complete | Action::CompleteBack | Action::Close) {
        model.end_completion();
    }
    if model.overlay.is_some()
        && let Some(effects) = on_overlay(model, action)
    {
        return effects;
    }
    on_screen(model, action, confirmed.as_ref())
}

/// Handles an action below the overlays: in the search, otherwise on the draft and the timeline.
fn on_screen(model: &mut Model, action: Action, confirmed: Option<&Confirmation>) -> Vec<Effect> {
    match search::on_key(model, action) {
        Some(effects) => effects,
        None => act(model, action, confirmed),
    }
}

/// Moves the cursor to another row of the draft. The view knows the rows.
pub(in crate::app) fn on_row(model: &mut Model, at: usize) -> Vec<Effect> {
    model.hint = None;
    model.confirm = None;
    model.end_completion();
    model.pane_mut().composer.editor.go_to(at);
    Vec::new()
}

pub(in crate::app) fn on_paste(model: &mut Model, text: &str) -> Vec<Effect> {
    model.hint = None;
    model.confirm = None;
    model.end_completion();
    if token::on_paste(model, text) {
        return Vec::new();
    }
    if let Some(Overlay::Help(query)) = &mut model.overlay {
        return help::on_paste(query, text);
    }
    if let Some(picker) = model.overlay.as_mut().and_then(Overlay::picker_mut) {
        picker.write(text.trim());
        return switcher::on_query(model);
    }
    model.overlay = None;
    if let Some(effects) = search::on_paste(model, text) {
        return effects;
    }
    let kept = clean(model, text);
    write(model, &kept)
}

/// Handles the result of an editor: the new draft, or an error as a sentence for the user.
pub(in crate::app) fn on_edited(model: &mut Model, result: Result<String, String>) -> Vec<Effect> {
    model.attention.set_in_editor(false);
    draft::replace(model, result)
}

/// Handles an action in the overlay. Returns `None` if it is for the screen below.
pub(in crate::app) fn on_overlay(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    let step = match model.overlay.as_ref()? {
        Overlay::Links { .. } => links::on_key(model, action),
        Overlay::Themes { .. } => themes::on_key(model, action),
        Overlay::Rooms { .. } => switcher::on_key(model, action),
        Overlay::Palette(_) => palette::on_key(model, action),
        Overlay::Inspector => inspector::on_key(model, action),
        Overlay::Token(_) => token::on_key(model, action),
        Overlay::Help(_) => help::on_key(model, action),
        Overlay::Members { .. } => on_text(model, action, Action::Members),
    };
    match step {
        NextStep::Done(effects) => Some(effects),
        NextStep::Pass => None,
        NextStep::Act(action) => Some(on_screen(model, action, None)),
        NextStep::Command(usage) => Some(commands::begin(model, usage)),
        NextStep::Join(room) => Some(navigation::join(model, &room)),
    }
}

/// Handles an action in an overlay of text. Actions that do not scroll close it.
fn on_text(model: &mut Model, action: Action, toggle: Action) -> NextStep {
    if matches!(action, Action::Redraw | Action::Suspend) {
        return NextStep::Pass;
    }
    if let Some(scroll) = Scroll::of(action) {
        return NextStep::Done(vec![Effect::Scroll(scroll)]);
    }
    model.overlay = None;
    let is_done = action == toggle || matches!(action, Action::Close | Action::Submit);
    if is_done { NextStep::nothing() } else { NextStep::Pass }
}

/// Handles an action on the draft or the timeline. `confirmed` is the confirmation that the previous key requested.
fn act(model: &mut Model, action: Action, confirmed: Option<&Confirmation>) -> Vec<Effect> {
    match action {
        Action::Insert(':') => {
            let effects = write(model, ":");
            effects.into_iter().chain(emoji::replace_name(model)).collect()
        }
        Action::Insert(c) => write(model, c.encode_utf8(&mut [0; 4])),
        Action::Newline => write(model, "\n"),
        Action::Complete => completion::complete(model, false),
        Action::CompleteBack => completion::complete(model, true),
        Action::PasteCut => edit(model, |model| {
            let cut = model.cut.clone();
            let result = model.pane_mut().composer.editor.insert(&cut);
            hint_if_full(model, result, "the cut text");
        }),
        Action::Editor if is_secret(model.pane().composer.editor.text()) => {
            model.show_hint("a token is not written into a file for the editor");
            Vec::new()
        }
        Action::Editor => {
            model.attention.set_in_editor(true);
            vec![Effect::Edit(model.pane().composer.editor.text().to_owned())]
        }
        Action::Undo => edit(model, |model| {
            if !model.pane_mut().composer.editor.undo() {
                model.show_hint("nothing to undo");
            }
        }),
        Action::Redo => edit(model, |model| {
            if !model.pane_mut().composer.editor.redo() {
                model.show_hint("nothing to redo");
            }
        }),
        Action::Delete(motion) => edit(model, |model| model.pane_mut().composer.editor.delete(motion)),
        Action::Cut(motion) => edit(model, |model| {
            let has_token = is_secret(model.pane().composer.editor.text());
            let cut = model.pane_mut().composer.editor.cut(motion);
            if !cut.is_empty() && !has_token {
                model.cut = cut;
            }
        }),
        Action::ClearDraft => edit(model, |model| model.pane_mut().composer.editor.rewrite(String::new())),
        Action::Up => edit(model, |model| model.pane_mut().composer.up()),
        Action::Down => edit(model, |model| model.pane_mut().composer.down()),
        Action::Move(motion) => {
            model.pane_mut().composer.editor.go(motion);
            Vec::new()
        }
        Action::Home if model.pane_mut().composer.editor.go(Motion::LineStart) => Vec::new(),
        Action::End if model.pane_mut().composer.editor.go(Motion::LineEnd) => Vec::new(),
        Action::Home => scroll_back(model, Scroll::Top),
        Action::End | Action::Newest => vec![Effect::Scroll(Scroll::Bottom)],
        Action::Search => search::open(model, ""),
        Action::PageUp => scroll_back(model, Scroll::PageUp),
        Action::PageDown => vec![Effect::Scroll(Scroll::PageDown)],
        Action::FirstNew => scrollback::to_ruler(model),
        Action::Fold => scrollback::fold(model),
        Action::Submit => commands::submit(model, confirmed),
        Action::SendParts => commands::submit_parts(model),
        Action::Room(index) => model.show(index),
        Action::PreviousRoom => navigation::step(model, -1),
        Action::NextRoom => navigation::step(model, 1),
        Action::NextUnread => navigation::next_unread(model),
        Action::Retry => retry(model),
        Action::TakeBack => take_back(model),
        Action::Help => help::open(model),
        Action::Inspector => inspector::open(model),
        Action::Rooms => switcher::open(model, None),
        Action::Palette => open(model, Overlay::Palette(Picker::default())),
        Action::Members => members::open(model, None),
        Action::Links => links::open(model),
        Action::Mouse => toggle_mouse(model),
        Action::Close => completion::undo(model),
        Action::Redraw => vec![Effect::Redraw],
        Action::Suspend => vec![Effect::Suspend],
        Action::Quit => commands::quit(model, confirmed, false),
    }
}

fn open(model: &mut Model, overlay: Overlay) -> Vec<Effect> {
    model.overlay = Some(overlay);
    Vec::new()
}

fn toggle_mouse(model: &mut Model) -> Vec<Effect> {
    model.mouse = !model.mouse;
    let hint = if model.mouse {
        "mouse captured: it scrolls, chooses, selects, opens links".to_owned()
    } else {
        let key = model.keymap.key(Action::Mouse).map(|key| format!("; {key} captures it"));
        format!("mouse released to the terminal{}", key.unwrap_or_default())
    };
    model.show_hint(&hint);
    vec![Effect::Mouse(model.mouse)]
}
