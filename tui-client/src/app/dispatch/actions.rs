//! What the user does: keys, pastes, commands.

use crossterm::event::{KeyEvent, KeyEventKind};
use realtime_shared::{RoomName, Text, TextError};

use crate::app::composing::command::{self, Command, Draft};
use crate::app::composing::completion;
use crate::app::composing::unsent::{retry, take_back};
use crate::app::dispatch::mouse;
use crate::app::editor::Full;
use crate::app::keys::Action;
use crate::app::overlays::inspector;
use crate::app::overlays::links;
use crate::app::overlays::palette;
use crate::app::overlays::picker::Picker;
use crate::app::overlays::switcher;
use crate::app::overlays::theme;
use crate::app::rooms::scrollback::{clear, scroll_back};
use crate::app::rooms::search;
use crate::app::rooms::timeline::Tone;
use crate::app::{
    Confirm, DRAFT_CHARS, Effect, Entered, Model, Overlay, Scroll, Weather, leave_view, stop_typing, typing,
};
use crate::markup::write_action;
use crate::net;
use crate::sanitize;

pub(in crate::app) fn on_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let Some(action) = model.keymap.action(key) else { return Vec::new() };
    model.attention.key = Some(model.now.mono);
    model.hint = None;
    let confirmed = model.confirm.take();
    if !matches!(action, Action::Complete | Action::CompleteBack | Action::Close) {
        model.completion = None;
    }
    if model.overlay.is_some()
        && let Some(effects) = on_overlay(model, action)
    {
        return effects;
    }
    on_screen(model, action, confirmed.as_ref())
}

/// Does what an action means where nothing lies over the screen.
pub(in crate::app) fn on_screen(
    model: &mut Model,
    action: Action,
    confirmed: Option<&Confirm>,
) -> Vec<Effect> {
    match search::on_key(model, action) {
        Some(effects) => effects,
        None => act(model, action, confirmed),
    }
}

pub(in crate::app) fn on_paste(model: &mut Model, text: &str) -> Vec<Effect> {
    model.hint = None;
    model.confirm = None;
    model.completion = None;
    if let Some(picker) = model.overlay.as_mut().and_then(Overlay::picker_mut) {
        picker.write(text.trim());
        return switcher::on_query(model);
    }
    model.overlay = None;
    if let Some(effects) = search::on_paste(model, text) {
        return effects;
    }
    let kept = plain(model, text);
    write(model, &kept)
}

/// Text from elsewhere as a draft may have it; a word says where something is left out.
fn plain(model: &mut Model, text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    if kept.len() < text.len() {
        model.say("control characters were left out of the text");
    }
    kept
}

/// The draft as it was saved, with one line's end less: editors add one.
pub(in crate::app) fn on_edited(model: &mut Model, result: Result<String, String>) -> Vec<Effect> {
    match result {
        Ok(text) => {
            let mut kept = plain(model, &text);
            if kept.ends_with('\n') {
                kept.pop();
            }
            edit(model, |model| model.pane_mut().composer.editor.rewrite(kept))
        }
        Err(why) => {
            model.say(&why);
            Vec::new()
        }
    }
}

pub(in crate::app) fn act(model: &mut Model, action: Action, confirmed: Option<&Confirm>) -> Vec<Effect> {
    match action {
        Action::Insert(c) => write(model, c.encode_utf8(&mut [0; 4])),
        Action::Newline => write(model, "\n"),
        Action::Complete => completion::complete(model, false),
        Action::CompleteBack => completion::complete(model, true),
        Action::PasteCut => edit(model, |model| {
            let result = model.pane_mut().composer.editor.paste_cut();
            say_if_full(model, result, "what was cut");
        }),
        Action::Editor => vec![Effect::Edit(model.pane().composer.editor.text().to_owned())],
        Action::Undo => edit(model, |model| {
            if !model.pane_mut().composer.editor.undo() {
                model.say("nothing to undo");
            }
        }),
        Action::Redo => edit(model, |model| {
            if !model.pane_mut().composer.editor.redo() {
                model.say("nothing to make again");
            }
        }),
        Action::Delete(motion) => edit(model, |model| model.pane_mut().composer.editor.delete(motion)),
        Action::Cut(motion) => edit(model, |model| model.pane_mut().composer.editor.cut(motion)),
        Action::Up => edit(model, |model| model.pane_mut().composer.up()),
        Action::Down => edit(model, |model| model.pane_mut().composer.down()),
        Action::Move(motion) => {
            model.pane_mut().composer.editor.go(motion);
            Vec::new()
        }
        Action::Home if model.pane_mut().composer.editor.go(crate::app::editor::Motion::LineStart) => {
            Vec::new()
        }
        Action::End if model.pane_mut().composer.editor.go(crate::app::editor::Motion::LineEnd) => Vec::new(),
        Action::Home => scroll_back(model, Scroll::Top),
        Action::End => vec![Effect::Scroll(Scroll::Bottom)],
        Action::Search => search::open(model, ""),
        Action::PageUp => scroll_back(model, Scroll::PageUp),
        Action::PageDown => vec![Effect::Scroll(Scroll::PageDown)],
        Action::Submit => submit(model, confirmed),
        Action::Room(index) => model.show(index),
        Action::PreviousRoom => step(model, -1),
        Action::NextRoom => step(model, 1),
        Action::NextUnread => next_unread(model),
        Action::Retry => retry(model),
        Action::TakeBack => take_back(model),
        Action::Help => open(model, Overlay::Help),
        Action::Inspector => inspector::open(model),
        Action::Rooms => switcher::open(model, None),
        Action::Palette => open(model, Overlay::Palette(Picker::default())),
        Action::Members => who(model, None),
        Action::Links => links::list(model),
        Action::Mouse => mouse::toggle(model),
        Action::Close => completion::undo(model),
        Action::Redraw => vec![Effect::Redraw],
        Action::Suspend => vec![Effect::Suspend],
        Action::Quit => quit(model, confirmed, false),
    }
}

/// What a key does to what lies over the screen; `None` where it is closed, and the key is for what is below.
pub(in crate::app) fn on_overlay(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    let overlay = model.overlay.as_mut()?;
    match overlay {
        Overlay::Links { .. } => return links::on_list(model, action),
        Overlay::Themes { .. } => return theme::on_list(model, action),
        Overlay::Rooms { .. } => return switcher::on_key(model, action),
        Overlay::Palette(_) => return palette::on_key(model, action),
        Overlay::Inspector => return inspector::on_key(model, action),
        Overlay::Help | Overlay::Members { .. } => {}
    }
    if matches!(action, Action::Redraw | Action::Suspend) {
        return None;
    }
    if let Some(scroll) = Scroll::of(action) {
        return Some(vec![Effect::Scroll(scroll)]);
    }
    let is_toggle = match overlay {
        Overlay::Members { .. } => action == Action::Members,
        _ => action == Action::Help,
    };
    model.overlay = None;
    let is_done = is_toggle || matches!(action, Action::Close | Action::Submit);
    is_done.then(Vec::new)
}

fn open(model: &mut Model, overlay: Overlay) -> Vec<Effect> {
    model.overlay = Some(overlay);
    Vec::new()
}

/// Changes the draft, and tells the others that the user types, or does not any more.
pub(in crate::app) fn edit(model: &mut Model, change: impl FnOnce(&mut Model)) -> Vec<Effect> {
    let before = model.pane().composer.editor.text().len();
    change(model);
    let now = model.now.mono;
    let is_told = model.tells_typing && model.link.is_connected();
    let Some(room) = model.room_mut() else { return Vec::new() };
    let draft = room.pane.composer.editor.text();
    let is_text = !draft.trim().is_empty() && (!draft.starts_with('/') || draft.starts_with("//"));
    if !is_text {
        stop_typing(room).into_iter().collect()
    } else if is_told && room.entered == Entered::In && draft.len() != before && room.tell_typing(now) {
        vec![typing(room, true)]
    } else {
        Vec::new()
    }
}

/// Writes at the cursor.
pub(in crate::app) fn write(model: &mut Model, text: &str) -> Vec<Effect> {
    edit(model, |model| {
        let result = model.pane_mut().composer.editor.insert(text);
        say_if_full(model, result, "that");
    })
}

fn say_if_full(model: &mut Model, result: Result<(), Full>, what: &str) {
    if result == Err(Full) {
        model.say(&format!("{what} does not fit: a draft has at most {DRAFT_CHARS} characters"));
    }
}

pub(in crate::app) fn submit(model: &mut Model, confirmed: Option<&Confirm>) -> Vec<Effect> {
    let draft = model.pane().composer.editor.text().trim_end().to_owned();
    match command::parse(&draft) {
        Ok(Draft::Text(text)) => send(model, text),
        Ok(Draft::Command(Command::Quit)) => quit(model, confirmed, true),
        Ok(Draft::Command(Command::Leave(room))) => leave(model, room, confirmed),
        Ok(Draft::Command(Command::Me(action))) => send(model, &write_action(&action)),
        Ok(Draft::Command(command)) => {
            model.pane_mut().composer.take();
            match command {
                Command::Join(room) => join(model, &room),
                Command::Rooms(prefix) => switcher::open(model, prefix),
                Command::Who(room) => who(model, room),
                Command::Net(weather) => net(model, weather),
                Command::Theme(chosen) => theme::choose(model, chosen),
                Command::Inspect => inspector::open(model),
                Command::Search(text) => search::open(model, &text),
                Command::Clear => clear(model),
                Command::Help => open(model, Overlay::Help),
                Command::Leave(_) | Command::Me(_) | Command::Quit => Vec::new(),
            }
        }
        Err(error) => {
            model.say(&error);
            Vec::new()
        }
    }
}

fn net(model: &mut Model, weather: Weather) -> Vec<Effect> {
    if !model.is_demo {
        model.say("/net is for the demo, which has a network of its own: `realtime-tui --demo`");
        return Vec::new();
    }
    model.note(model.current, Tone::Info, sanitize::block(&weather.to_string()));
    // So that the round-trip time tells of it.
    vec![Effect::Weather(weather), Effect::Net(net::Command::Ping)]
}

fn send(model: &mut Model, text: &str) -> Vec<Effect> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    if model.current.is_none() {
        let hint = format!(
            "you are in no room: /join one, or /rooms{} for a list",
            model.keymap.hint(Action::Rooms)
        );
        model.say(&hint);
        return Vec::new();
    }
    let length = text.chars().count();
    let text = match Text::new(text) {
        Ok(text) if length <= model.text_chars as usize => text,
        Ok(_) | Err(TextError::TooLong) => {
            let most = (model.text_chars as usize).min(realtime_shared::name::TEXT_CHARS);
            model.say(&format!("not sent: {length} characters, and a message has at most {most}"));
            return Vec::new();
        }
        Err(error) => {
            model.say(&format!("not sent: the text {error}"));
            return Vec::new();
        }
    };
    let client_msg_id = model.message_id();
    let stamp = model.stamp();
    let Some(room) = model.room_mut() else { return Vec::new() };
    room.pane.composer.take();
    room.pane.timeline.write(client_msg_id.clone(), stamp, text.clone());
    let mut effects: Vec<Effect> = stop_typing(room).into_iter().collect();
    effects.push(Effect::Net(net::Command::Send { room: room.name.clone(), text, client_msg_id }));
    effects.push(Effect::Scroll(Scroll::Bottom));
    effects
}

/// Goes to a room, and enters it where the user is not in it.
pub(in crate::app) fn join(model: &mut Model, name: &RoomName) -> Vec<Effect> {
    let mut effects: Vec<Effect> = model.join(name).into_iter().collect();
    if let Some(index) = model.index_of(name) {
        effects.extend(model.show(index));
    }
    effects
}

fn leave(model: &mut Model, name: Option<RoomName>, confirmed: Option<&Confirm>) -> Vec<Effect> {
    let index = match &name {
        Some(name) => model.index_of(name),
        None => model.current,
    };
    let Some(index) = index else {
        model.say(
            &name.map_or_else(|| "you are in no room".to_owned(), |name| format!("you are not in {name}")),
        );
        return Vec::new();
    };
    let room = &model.rooms[index];
    let has_draft = model.current != Some(index) && room.pane.composer.has_draft();
    if (room.unsent() > 0 || has_draft) && confirmed != Some(&Confirm::Leave(room.name.clone())) {
        let what = format!("text in {} is not sent: Enter again leaves it behind", room.name);
        model.confirm = Some(Confirm::Leave(room.name.clone()));
        model.say(&what);
        return Vec::new();
    }
    model.pane_mut().composer.take();
    let mut room = model.rooms.remove(index);
    let mut effects = if model.current == Some(index) { leave_view(&mut room) } else { Vec::new() };
    if let Some(read) = room.reading.read() {
        model.kept.insert(room.name.clone(), read.clone());
    }
    let mark = room.reading.take_mark();
    effects.extend(mark.map(|mark| Effect::Keep(room.name.clone(), mark)));
    effects.push(Effect::Net(net::Command::Leave(room.name)));
    model.current = match model.current {
        _ if model.rooms.is_empty() => None,
        Some(current) if current > index || current == model.rooms.len() => Some(current - 1),
        current => current,
    };
    if let Some(room) = model.room_mut()
        && room.reading.unread > 0
    {
        room.enter();
    }
    effects
}

fn who(model: &mut Model, name: Option<RoomName>) -> Vec<Effect> {
    let Some(name) = name.or_else(|| model.room().map(|room| room.name.clone())) else {
        model.say("you are in no room");
        return Vec::new();
    };
    let members = model
        .index_of(&name)
        .map(|index| &model.rooms[index])
        .filter(|room| room.entered == Entered::In)
        .map(|room| (room.members().cloned().collect(), room.member_count));
    let title = sanitize::line(name.as_str());
    model.overlay = Some(Overlay::Members { room: name.clone(), title, members });
    vec![Effect::Net(net::Command::Members(name))]
}

fn step(model: &mut Model, by: isize) -> Vec<Effect> {
    let (Some(current), count @ 1..) = (model.current, model.rooms.len()) else { return Vec::new() };
    model.show(current.checked_add_signed(by).unwrap_or(count - 1) % count)
}

fn next_unread(model: &mut Model) -> Vec<Effect> {
    let count = model.rooms.len();
    let from = model.current.map_or(0, |current| current + 1);
    let next = |wanted: fn(&crate::app::Room) -> bool| {
        (from..from + count).map(|index| index % count).find(|&index| wanted(&model.rooms[index]))
    };
    let Some(index) = next(|room| room.reading.mentions > 0).or_else(|| next(|room| room.reading.unread > 0))
    else {
        model.say("nothing unread");
        return Vec::new();
    };
    model.show(index)
}

/// Leaves the program; where text would be lost, only when asked a second time.
fn quit(model: &mut Model, confirmed: Option<&Confirm>, by_command: bool) -> Vec<Effect> {
    let current = model.current;
    let lossy = model.rooms.iter().enumerate().filter(|(index, room)| {
        let is_command = by_command && current == Some(*index);
        room.unsent() > 0 || (!is_command && room.pane.composer.has_draft())
    });
    let rooms = lossy.map(|(_, room)| room.pane.title.as_str());
    let is_lossy = model.lobby.composer.has_draft() && !(by_command && current.is_none());
    let rooms: Vec<&str> = rooms.chain(is_lossy.then_some(model.lobby.title.as_str())).collect();
    if rooms.is_empty() || confirmed == Some(&Confirm::Quit) {
        return vec![Effect::Net(net::Command::Close), Effect::Quit];
    }
    let hint = format!("not sent: text in {}; once more quits, and prints it", rooms.join(", "));
    model.confirm = Some(Confirm::Quit);
    model.say(&hint);
    Vec::new()
}
