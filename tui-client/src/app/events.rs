//! What the network says.

use jiff::tz::TimeZone;
use realtime_shared::{
    ErrorEvent, History, Left, Members, Message, Recovery, Resync, Rooms, Seq, ServerEvent, SystemEvent,
    Typing, UserId,
};

use super::clock::{Stamp, human};
use super::link::Link;
use super::overlay::Overlay;
use super::room::{Entered, Page, Room};
use super::timeline::{Said, Sending, Tone, Top};
use super::{Effect, Model, ask_history};
use crate::net::{ConnectionState, Event, SendState};
use crate::sanitize;

pub(super) fn on_event(model: &mut Model, event: Event) -> Vec<Effect> {
    match event {
        Event::State(state) => on_state(model, &state),
        Event::RoundTrip(time) => model.round_trip = Some(time),
        Event::Joined { room, members, member_count, recovery, offline } => {
            let Some(index) = model.index_of(&room) else { return Vec::new() };
            model.rooms[index].set_members(&members, member_count);
            model.rooms[index].entered = Entered::In;
            return on_joined(model, index, recovery, offline);
        }
        Event::Message { message, .. } => on_message(model, &message),
        Event::Sent { client_msg_id, state } => {
            let me = model.me().clone();
            let timelines = model.rooms.iter_mut().map(|room| &mut room.pane.timeline);
            if let Some(timeline) =
                timelines.into_iter().find(|timeline| timeline.is_outgoing(&client_msg_id))
            {
                match state {
                    SendState::Queued => timeline.set_sending(&client_msg_id, Sending::Queued),
                    SendState::Sent => timeline.set_sending(&client_msg_id, Sending::Sent),
                    SendState::Stored(seq) => timeline.set_stored(&client_msg_id, seq, &me),
                    SendState::Refused(why) => {
                        timeline.set_sending(&client_msg_id, Sending::Refused(sanitize::line(&why)));
                    }
                }
            }
        }
        Event::Server(event) => on_server(model, event),
    }
    Vec::new()
}

fn on_state(model: &mut Model, state: &ConnectionState) {
    model.link = Link::of(state, model.now.mono);
    if let ConnectionState::Connected { user_id, limits, .. } = state {
        model.me = sanitize::line(user_id.as_str());
        model.user = Some(user_id.clone());
        model.text_chars = limits.text_chars;
    } else {
        model.round_trip = None;
        for room in &mut model.rooms {
            room.disconnected();
        }
    }
}

/// The room is entered: what the timeline says of the time before, and what to ask for.
fn on_joined(
    model: &mut Model,
    index: usize,
    recovery: Option<Recovery>,
    offline: Option<std::time::Duration>,
) -> Vec<Effect> {
    if matches!(recovery, Some(Recovery::Reset { .. })) {
        model.rooms[index].pane.timeline.reset();
        model.rooms[index].ruler = None;
        model.note(Some(index), Tone::Info, sanitize::block("history was reset"));
    } else if let Some(offline) = offline {
        let recovered = recovery.map(|r| format!(" · {} recovered", r.replayed())).unwrap_or_default();
        let note = format!("offline {}{recovered}", human(offline));
        model.note(Some(index), Tone::Info, sanitize::block(&note));
    }
    let room = &mut model.rooms[index];
    if recovery.is_none() || room.pane.timeline.top() == Top::Unknown {
        return vec![ask_history(room, Page::Newest)];
    }
    Vec::new()
}

fn on_message(model: &mut Model, message: &Message) {
    let Some(index) = model.index_of(&message.room) else { return };
    let is_looked_at = model.is_looked_at(index);
    let is_own = model.user.as_ref() == Some(&message.from);
    let (stamp, said) = read(&mut model.rooms[index], message, model.user.as_ref(), &model.zone);
    let mention = said.mention;
    let room = &mut model.rooms[index];
    if !room.pane.timeline.add_message(message.seq, stamp, said) {
        return;
    }
    room.stopped_typing(&message.from);
    if is_looked_at {
        room.see();
    } else if !is_own {
        room.unread = room.unread.saturating_add(1);
        room.mentions = room.mentions.saturating_add(mention.into());
    }
}

/// A message as it is shown. One of ours that is on its way is so no more.
fn read(room: &mut Room, message: &Message, user: Option<&UserId>, zone: &TimeZone) -> (Stamp, Said) {
    let is_own = user == Some(&message.from);
    let ours = is_own
        && message.client_msg_id.as_ref().is_some_and(|id| room.pane.timeline.take_outgoing(id).is_some());
    let said = Said {
        nick: room.nick(&message.from),
        text: sanitize::block(message.text.as_str()),
        mention: !is_own && user.is_some_and(|user| names(message.text.as_str(), user.as_str())),
        ours,
    };
    (Stamp::of(message.ts, zone), said)
}

/// Whether `text` has `name` as a word, in whatever case.
fn names(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    text.match_indices(&name).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

fn on_server(model: &mut Model, event: ServerEvent) {
    match event {
        ServerEvent::System(event) => on_system(model, event),
        ServerEvent::Typing(typing) => on_typing(model, &typing),
        ServerEvent::History(history) => on_history(model, history),
        ServerEvent::Members(members) => on_members(model, &members),
        ServerEvent::Rooms(rooms) => on_rooms(model, rooms),
        ServerEvent::Error(error) => on_error(model, &error),
        ServerEvent::Message(_)
        | ServerEvent::Pong(_)
        | ServerEvent::Ack(_)
        | ServerEvent::Refreshed { .. }
        | ServerEvent::Unknown => {}
    }
}

fn on_system(model: &mut Model, event: SystemEvent) {
    match event {
        SystemEvent::Joined(joined) => {
            let Some(index) = model.index_of(&joined.room) else { return };
            let is_own = model.user.as_ref() == Some(&joined.user_id);
            if model.rooms[index].came(&joined.user_id, joined.member_count) && !is_own {
                add_presence(model, index, &joined.user_id, true);
            }
        }
        SystemEvent::Left(left) => on_left(model, &left),
        SystemEvent::Resync(resync) => on_resync(model, &resync),
        SystemEvent::TokenExpiring(expiring) => {
            let at = Stamp::of(expiring.expires_at, &model.zone);
            let text = format!("the token expires at {:02}:{:02}; get another one", at.hour, at.minute);
            model.note(None, Tone::Notice, sanitize::block(&text));
        }
        SystemEvent::Notice(notice) => {
            let room = notice.room.as_ref().and_then(|room| model.index_of(room));
            let text = format!("{}: {}", notice.from, notice.message);
            model.note(room, Tone::Notice, sanitize::block(&text));
            if let Some(index) = room
                && !model.is_looked_at(index)
            {
                model.rooms[index].unread = model.rooms[index].unread.saturating_add(1);
            }
        }
        SystemEvent::Welcome(_) | SystemEvent::Unknown => {}
    }
}

fn on_left(model: &mut Model, left: &Left) {
    let Some(index) = model.index_of(&left.room) else { return };
    if model.user.as_ref() == Some(&left.user_id) {
        model.rooms[index].entered = Entered::Out;
        model.rooms[index].stop_typing();
        let why = if left.reason == realtime_shared::LeaveReason::Kicked { " (removed)" } else { "" };
        let text = format!("you are not in this room any more{why}; /join {} comes back", left.room);
        model.note(Some(index), Tone::Notice, sanitize::block(&text));
    } else {
        add_presence(model, index, &left.user_id, false);
        model.rooms[index].left(&left.user_id, left.member_count);
    }
}

fn add_presence(model: &mut Model, index: usize, user: &UserId, came: bool) {
    let stamp = model.stamp();
    let is_looked_at = model.is_looked_at(index);
    let room = &mut model.rooms[index];
    let nick = room.nick(user);
    room.pane.timeline.add_presence(stamp, &nick, came);
    if is_looked_at {
        room.see();
    }
}

fn on_resync(model: &mut Model, resync: &Resync) {
    let Some(index) = model.index_of(&resync.room) else { return };
    let timeline = &mut model.rooms[index].pane.timeline;
    let text = if let Recovery::Reset { .. } = resync.recovery {
        timeline.reset();
        "history was reset".to_owned()
    } else {
        timeline.forget_after(resync.position.seq());
        format!("history changed · {} recovered", resync.recovery.replayed())
    };
    model.rooms[index].ruler = None;
    model.note(Some(index), Tone::Info, sanitize::block(&text));
}

fn on_typing(model: &mut Model, typing: &Typing) {
    let Some(index) = model.index_of(&typing.room) else { return };
    if model.user.as_ref() == Some(&typing.user_id) {
        return;
    }
    if typing.is_typing {
        model.rooms[index].started_typing(&typing.user_id, model.now.mono);
    } else {
        model.rooms[index].stopped_typing(&typing.user_id);
    }
}

fn on_history(model: &mut Model, history: History) {
    let Some(index) = model.index_of(&history.room) else { return };
    let is_looked_at = model.is_looked_at(index);
    let before = match model.rooms[index].loading.take() {
        None => return,
        Some(Page::Newest) => None,
        Some(Page::Before(seq)) => Some(seq),
    };
    let mut page: Vec<(Seq, Stamp, Said)> = Vec::with_capacity(history.messages.len());
    for event in history.messages {
        if let ServerEvent::Message(message) = event {
            let (stamp, said) = read(&mut model.rooms[index], &message, model.user.as_ref(), &model.zone);
            page.push((message.seq, stamp, said));
        }
    }
    page.sort_by_key(|(seq, ..)| *seq);
    let room = &mut model.rooms[index];
    room.pane.timeline.add_page(before, page, history.has_more);
    if before.is_none() && (is_looked_at || room.unread == 0) {
        room.see();
    }
}

fn on_members(model: &mut Model, members: &Members) {
    if let Some(index) = model.index_of(&members.room)
        && model.rooms[index].entered == Entered::In
    {
        model.rooms[index].set_members(&members.members, members.member_count);
    }
    if let Some(Overlay::Members { room, members: shown, .. }) = &mut model.overlay
        && *room == members.room
    {
        let names = members.members.iter().map(|user| sanitize::line(user.as_str())).collect();
        *shown = Some((names, members.member_count));
    }
}

fn on_rooms(model: &mut Model, rooms: Rooms) {
    if let Some(Overlay::Rooms { listed, .. }) = &mut model.overlay {
        *listed = Some((rooms.rooms, rooms.has_more));
    }
}

/// A refusal. That of a message is told by its state.
fn on_error(model: &mut Model, error: &ErrorEvent) {
    if error.client_msg_id.is_some() {
        return;
    }
    let index = error.room.as_ref().and_then(|room| model.index_of(room));
    if let Some(index) = index {
        let room = &mut model.rooms[index];
        room.loading = None;
        if room.entered == Entered::Asked && !error.temporary {
            room.entered = Entered::Out;
        }
    }
    let text = match &error.room {
        Some(room) if index.is_none() => format!("{room}: {}", error.message),
        _ => error.message.clone(),
    };
    model.note(index, Tone::Error, sanitize::block(&text));
}
