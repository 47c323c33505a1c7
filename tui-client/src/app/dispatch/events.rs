//! Events of the connection: they update rooms, timelines, read positions and notes.

use std::time::Duration;

use realtime_shared::{
    Change, ChangeEntry, ClientMsgId, Covers, EntryEvent, EntryRef, ErrorEvent, Feature, History,
    HistoryRequest, Left, Members, Message, Position, Posting, Recovery, Resync, RoomChange, RoomSettings,
    Seq, ServerEvent, SystemEvent, Text, Timestamp, Typing, UserId,
};

use crate::app::clock::human;
use crate::app::composing::completion::member_search;
use crate::app::composing::unsent::on_taken_back;
use crate::app::dispatch::network_up;
use crate::app::link::Link;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::overlays::inspector;
use crate::app::overlays::overlay::{ListedMember, Overlay};
use crate::app::overlays::switcher;
use crate::app::rooms::absence::Changes;
use crate::app::rooms::looking::is_looked_at;
use crate::app::rooms::notify;
use crate::app::rooms::reading::NewEntry;
use crate::app::rooms::room::{HistoryPage, Membership, Room};
use crate::app::rooms::scrollback::{on_page_failed, request_page_before};
use crate::app::rooms::timeline::{LoadedEntry, Presences, Sending, ShownMessage, Tone, Top};
use crate::app::rooms::{rejoin, search};
use crate::app::token::{explain_fault, moment};
use crate::markup::MentionPattern;
use crate::net::{self, ConnectionState, Entry, Event, Health, SendState};
use crate::sanitize::{self, Block, Line};

/// Time offline that deserves no note if nothing was missed.
const MOMENT: Duration = Duration::from_secs(1);

pub(in crate::app) fn on_event(model: &mut Model, event: Event) -> Vec<Effect> {
    match event {
        Event::State(state) => {
            on_state(model, &state);
            return network_up::on_state(model);
        }
        Event::RoundTrip { time, server_time } => {
            model.round_trip = Some(time);
            on_server_time(model, time, server_time);
            inspector::on_round_trip(model, time);
        }
        Event::Traced(traced) => inspector::on_traced(model, *traced),
        Event::Joined { room, members, member_count, head, recovery, offline, .. } => {
            let Some(index) = model.index_of(&room) else { return Vec::new() };
            model.rooms[index].set_members(&members, member_count);
            model.rooms[index].membership = Membership::Joined;
            on_joined(model, index, head.as_ref(), recovery, offline);
            return rejoin::on_joined(model, index).into_iter().collect();
        }
        Event::Entry { entry, position, replayed } => {
            return match entry {
                Entry::Message(message) => on_message(model, &message, position, replayed),
                Entry::Change(ref change) => {
                    on_entry_without_row(model, &entry, position, replayed);
                    on_change(model, change);
                    Vec::new()
                }
                Entry::Unknown(_) => {
                    on_entry_without_row(model, &entry, position, replayed);
                    Vec::new()
                }
            };
        }
        Event::Sent { client_msg_id, state } => return on_sent(model, &client_msg_id, state),
        Event::Server(ServerEvent::History(history)) => return on_history(model, history),
        Event::MembersFound { room, prefix, members, has_more } => {
            return member_search::on_found(model, &room, &prefix, &members, has_more);
        }
        Event::RequestFailed { request, reason } => on_request_failed(model, &request, &reason),
        Event::Health(health) => model.health = health,
        Event::TokenExpires { at, reason } => on_token_expires(model, at, &reason),
        Event::TokenRefused { reason } => on_token_refused(model, &reason),
        Event::Server(event) => return on_server(model, event),
        Event::Read { .. } => {}
    }
    Vec::new()
}

/// Compares the clocks. The server read its clock in the middle of the round trip, as far as one can know.
fn on_server_time(model: &mut Model, round_trip: Duration, server_time: Timestamp) {
    let millis = |millis: u128| i64::try_from(millis).unwrap_or(i64::MAX);
    let server = millis(server_time.millis().into()).saturating_add(millis(round_trip.as_millis() / 2));
    model.clock_offset = server.saturating_sub(millis(model.now.wall.millis().into()));
}

fn on_state(model: &mut Model, state: &ConnectionState) {
    model.link = Link::of(state, model.now.mono, model.time(), &model.zone);
    model.health = Health::Answering;
    inspector::on_state(model, state);
    if let ConnectionState::Connected { user_id, limits, features, .. } = state {
        model.finds_members = features.contains(&Feature::MemberPrefix);
        model.me = sanitize::line(user_id.as_str());
        model.user = Some(user_id.clone());
        model.text_chars = limits.text_chars;
        (model.given_token, model.warned_of_token) = (None, false);
    } else {
        model.round_trip = None;
        member_search::end(model);
        for room in &mut model.rooms {
            room.disconnected();
        }
    }
}

/// Updates the state of an outgoing message.
fn on_sent(model: &mut Model, id: &ClientMsgId, state: SendState) -> Vec<Effect> {
    let me = model.me().clone();
    let Some(index) = model.rooms.iter().position(|room| room.pane.timeline.is_outgoing(id)) else {
        return Vec::new();
    };
    let timeline = &mut model.rooms[index].pane.timeline;
    match state {
        SendState::Queued => timeline.set_sending(id, Sending::Queued),
        SendState::PutOff(_) => timeline.set_sending(id, Sending::PutOff),
        SendState::Sent => timeline.set_sent(id),
        SendState::Stored(seq) => timeline.set_stored(id, seq, &me),
        SendState::Refused(why) => timeline.set_sending(id, Sending::Refused(sanitize::line(&why))),
        SendState::TakenBack { was_sent } => return on_taken_back(model, index, id, was_sent),
    }
    Vec::new()
}

/// Handles a join: adds a note about the time offline, and requests the page of history that is needed.
fn on_joined(
    model: &mut Model,
    index: usize,
    head: Option<&Position>,
    recovery: Option<Recovery>,
    offline: Option<Duration>,
) {
    let is_looked_at = is_looked_at(model, index);
    let room = &mut model.rooms[index];
    let since = room.reading.newest().map(Position::seq);
    let lacking = room.reading.joined(head, recovery, offline.is_some(), is_looked_at);
    room.replay_left = recovery.map_or(0, Recovery::replayed);
    match (&mut room.absence, offline) {
        (Some(absence), Some(offline)) => absence.returned(offline, model.now.mono),
        _ => room.absence = None,
    }
    let note = if let Some(Recovery::Reset { .. }) = recovery {
        room.pane.timeline.reset();
        room.settings = None;
        Some("history was reset".to_owned())
    } else {
        offline.and_then(|offline| offline_note(offline, recovery, lacking))
    };
    if let Some(note) = note {
        model.note(Some(index), Tone::Info, sanitize::block(&note));
    }
    let is_shown = model.current == Some(index);
    let room = &mut model.rooms[index];
    let is_unknown = room.pane.timeline.top() == Top::Unknown;
    let newest = || match head.filter(|head| !is_shown && head.seq() > Seq::ZERO) {
        // Entries will arrive until the room is shown.
        Some(head) => HistoryPage::Before(head.seq().next()),
        None => HistoryPage::Newest,
    };
    let page = match (recovery, since) {
        (None | Some(Recovery::Reset { replayed: 0 }), _) => Some(newest()),
        // Loads read messages to show above the new ones.
        (Some(Recovery::Complete { replayed: 1.. }), Some(since)) if is_unknown => {
            Some(HistoryPage::Before(since.next()))
        }
        (Some(Recovery::Truncated { replayed }), _) if is_unknown => {
            head.map(|head| HistoryPage::Before(Seq::new(head.seq().get().saturating_sub(replayed)).next()))
        }
        (Some(Recovery::Complete { .. }), _) if is_unknown => Some(newest()),
        (Some(Recovery::Reset { .. }), _) => None,
        (Some(_), _) => room.wanted_page,
    };
    room.wanted_page = page;
}

/// Returns the note about the time offline. `lacking` is the number of missed entries that are not replayed. `None` for a
/// moment in which nothing was missed.
fn offline_note(offline: Duration, recovery: Option<Recovery>, lacking: u64) -> Option<String> {
    let missed_nothing = lacking == 0 && recovery.is_some_and(|recovery| recovery.replayed() == 0);
    if missed_nothing && offline < MOMENT {
        return None;
    }
    let offline = human(offline);
    Some(match recovery.map(Recovery::replayed) {
        None => format!("offline {offline}"),
        Some(0) if lacking == 0 => format!("offline {offline} · nothing missed"),
        Some(replayed) if lacking == 0 => format!("offline {offline} · {replayed} recovered"),
        Some(replayed) => format!("offline {offline} · {replayed} of {} recovered", replayed + lacking),
    })
}

fn on_message(
    model: &mut Model,
    message: &Message,
    position: Option<Position>,
    replayed: bool,
) -> Vec<Effect> {
    let Some(index) = model.index_of(&message.room) else { return Vec::new() };
    let is_looked_at = is_looked_at(model, index);
    let shown = to_shown(&mut model.rooms[index], message, model.user.as_ref());
    let is_from_other = model.user.as_ref() != Some(&message.from);
    let entry = NewEntry { position, is_from_other, mention: shown.mention, replayed };
    let is_mention = shown.mention;
    let is_ours = shown.ours;
    let from = is_from_other.then(|| notify::name(&shown.nick, shown.is_doubtful));
    let room = &mut model.rooms[index];
    room.pane.timeline.add_message(message.seq, message.ts, shown);
    room.stopped_typing(&message.from);
    room.note_replayed(replayed);
    let is_new = room.reading.add_entry(message.seq, &entry, is_looked_at);
    if is_new && !is_from_other && !is_ours {
        room.reading.see_elsewhere(message.seq);
    }
    let notification = from.filter(|_| is_new).and_then(|from| {
        notify::notify_message(model, index, &from, message.text.as_str(), is_mention, replayed)
    });
    notification.into_iter().collect()
}

/// Handles an entry that is not a message. It has no row and is not counted as unread; the position after it is kept.
fn on_entry_without_row(model: &mut Model, entry: &Entry, position: Option<Position>, replayed: bool) {
    let Some(index) = model.index_of(entry.room()) else { return };
    let is_looked_at = is_looked_at(model, index);
    let room = &mut model.rooms[index];
    let seq = entry.seq();
    room.pane.timeline.hold(seq);
    let entry = NewEntry { position, is_from_other: false, mention: false, replayed };
    room.note_replayed(replayed);
    room.reading.add_entry(seq, &entry, is_looked_at);
}

/// Applies a change to the row of its message, or shows new settings of the room.
fn on_change(model: &mut Model, entry: &ChangeEntry) {
    let Some(index) = model.index_of(&entry.room) else { return };
    let Change::Room(change) = &entry.change else {
        let (room, user) = (&mut model.rooms[index], model.user.as_ref());
        let mention = match &entry.change {
            // Only the author edits a message.
            Change::Edit(edit) if user != Some(&entry.from) => {
                names_user(room, &sanitize::block(edit.text.as_str()), user)
            }
            _ => false,
        };
        room.pane.timeline.change(entry, user, mention);
        return;
    };
    // An older page may still bring the settings before the change.
    if let Some(settings) = &mut model.rooms[index].settings {
        settings.apply(change, entry.seq);
    }
    let RoomChange { topic, slow_mode, posting } = change;
    let topic = topic.as_ref().map(|topic| format!("topic: {topic}"));
    let slow_mode = slow_mode.map(|slow_mode| format!("slow mode: {} s", slow_mode.seconds()));
    let posting = posting.map(|posting| match posting {
        Posting::Everyone => "everyone may post".to_owned(),
        Posting::Moderators => "only moderators may post".to_owned(),
    });
    let parts: Vec<_> = [topic, slow_mode, posting].into_iter().flatten().collect();
    let note = sanitize::block(&format!("{}: {}", entry.from, parts.join(", ")));
    model.note(Some(index), Tone::Info, note);
}

/// Converts a message for the timeline. If it is an outgoing message of this client, that one is removed.
fn to_shown(room: &mut Room, message: &Message, user: Option<&UserId>) -> ShownMessage {
    let is_own = user == Some(&message.from);
    let ours = is_own
        && message
            .client_msg_id
            .as_ref()
            .is_some_and(|id| room.pane.timeline.place_outgoing(id, message.seq).is_some());
    let text = sanitize::block(message.text.as_str());
    let has_facts = message.reply_to.is_some() || message.rev.is_some() || message.deleted.is_some();
    let folded =
        has_facts.then(|| Box::new(Message { text: Text::deleted(), mentions: None, ..message.clone() }));
    let mention = !is_own && names_user(room, &text, user);
    let nick = room.nick(&message.from);
    let is_doubtful = !is_own && room.is_doubtful(&message.from, &nick);
    ShownMessage { nick, text, is_doubtful, mention, ours, folded }
}

/// Returns true if a text of another user names the user.
fn names_user(room: &Room, text: &Block, user: Option<&UserId>) -> bool {
    let pattern = user.and_then(|user| MentionPattern::new(sanitize::line(user.as_str()).as_str()));
    pattern.is_some_and(|pattern| pattern.is_in(text, room.members().map(Line::as_str)))
}

/// Takes over the settings of a page, and shows a topic that is new to the user.
fn on_settings(model: &mut Model, index: usize, settings: RoomSettings) {
    let known = &mut model.rooms[index].settings;
    if known.as_ref().is_some_and(|known| known.rev >= settings.rev) {
        return;
    }
    let topic = settings.topic.clone();
    let before = known.replace(settings).map(|known| known.topic);
    if !topic.as_str().is_empty() && before.as_ref() != Some(&topic) {
        model.note(Some(index), Tone::Info, sanitize::block(&format!("topic: {topic}")));
    }
}

fn on_server(model: &mut Model, event: ServerEvent) -> Vec<Effect> {
    match event {
        ServerEvent::System(event) => on_system(model, event),
        ServerEvent::Typing(typing) => on_typing(model, &typing),
        ServerEvent::Members(members) => on_members(model, &members),
        ServerEvent::Rooms(rooms) => switcher::on_listed(model, rooms),
        ServerEvent::Error(error) => return on_error(model, &error),
        ServerEvent::Refreshed { expires_at } => on_refreshed(model, expires_at),
        ServerEvent::Entry(_)
        | ServerEvent::History(_)
        | ServerEvent::Pong(_)
        | ServerEvent::Ack(_)
        | ServerEvent::Direct(_)
        | ServerEvent::Read(_)
        | ServerEvent::Inbox(_)
        | ServerEvent::Notify(_)
        | ServerEvent::Found(_)
        | ServerEvent::Unknown { .. } => {}
    }
    Vec::new()
}

fn on_system(model: &mut Model, event: SystemEvent) {
    match event {
        SystemEvent::Joined(joined) => {
            let Some(index) = model.index_of(&joined.room) else { return };
            for user in joined.others.iter().rev().chain([&joined.user_id]) {
                let is_own = model.user.as_ref() == Some(user);
                let is_new = model.rooms[index].member_joined(user, joined.member_count);
                if is_new && !is_own && model.rooms[index].absence.is_none() {
                    add_presence(model, index, user, true);
                }
            }
            if model.rooms[index].absence.is_none() {
                add_unnamed(model, index, joined.others_count, joined.others.len(), true);
            }
        }
        SystemEvent::Left(left) => on_left(model, &left),
        SystemEvent::Resync(resync) => on_resync(model, &resync),
        SystemEvent::Notice(notice) => {
            let room = notice.room.as_ref().and_then(|room| model.index_of(room));
            let text = format!("{}: {}", notice.from, notice.message);
            model.note(room, Tone::Notice, sanitize::block(&text));
            if let Some(index) = room {
                let room = &mut model.rooms[index];
                room.reading.add_notice(room.pane.timeline.last_key());
            }
        }
        // The connection handles them.
        SystemEvent::Welcome(_) | SystemEvent::TokenExpiring(_) => {}
    }
}

fn on_token_expires(model: &mut Model, at: Timestamp, reason: &str) {
    let at = moment(at, model.time(), &model.zone);
    let text = format!("the token expires at {at} and is not renewed ({reason}); /token takes a new one");
    model.note(None, Tone::Notice, sanitize::block(&text));
    model.warned_of_token = true;
}

/// Handles the refusal of a token that the user gave while the connection was open.
fn on_token_refused(model: &mut Model, reason: &str) {
    let claims = model.given_token.take();
    let fault = claims.and_then(|claims| explain_fault(&claims, model.time(), &model.zone));
    let fault = fault.map(|fault| format!(" ({fault})")).unwrap_or_default();
    let text = format!("the new token is refused: {reason}{fault}");
    model.note(None, Tone::Error, sanitize::block(&text));
}

/// Handles a renewed token. A line reports it if the user gave it, or if an earlier line reported a failure.
fn on_refreshed(model: &mut Model, expires_at: Timestamp) {
    let is_given = model.given_token.take().is_some();
    if std::mem::take(&mut model.warned_of_token) || is_given {
        let at = moment(expires_at, model.time(), &model.zone);
        model.note(None, Tone::Info, sanitize::block(&format!("the token is renewed; it expires at {at}")));
    }
}

fn on_left(model: &mut Model, left: &Left) {
    let Some(index) = model.index_of(&left.room) else { return };
    if model.user.as_ref() == Some(&left.user_id) {
        model.rooms[index].membership = Membership::Outside;
        model.rooms[index].absence = None;
        model.rooms[index].stop_typing();
        let why = if left.reason == realtime_shared::LeaveReason::Kicked { " (removed)" } else { "" };
        let text = format!("you are no longer in this room{why}; /join {} to return", left.room);
        model.note(Some(index), Tone::Notice, sanitize::block(&text));
        return;
    }
    for user in left.others.iter().rev().chain([&left.user_id]) {
        if model.user.as_ref() != Some(user) {
            if model.rooms[index].absence.is_none() {
                add_presence(model, index, user, false);
            }
            model.rooms[index].member_left(user, left.member_count);
        }
    }
    if model.rooms[index].absence.is_none() {
        add_unnamed(model, index, left.others_count, left.others.len(), false);
    }
}

fn add_presence(model: &mut Model, index: usize, user: &UserId, came: bool) {
    let nick = model.rooms[index].nick(user);
    let is_doubtful = model.user.as_ref() != Some(user) && model.rooms[index].is_doubtful(user, &nick);
    let presences = if is_doubtful { Presences::Doubtful(&nick) } else { Presences::Named(&nick) };
    add_presences(model, index, presences, came);
}

/// Adds the users of a large room that joined or left, and that the frame does not name.
fn add_unnamed(model: &mut Model, index: usize, count: u64, named: usize, came: bool) {
    let more = count.saturating_sub(named as u64);
    if more > 0 {
        add_presences(model, index, Presences::Unnamed(u32::try_from(more).unwrap_or(u32::MAX)), came);
    }
}

fn add_presences(model: &mut Model, index: usize, presences: Presences<'_>, came: bool) {
    let ts = model.time();
    model.rooms[index].pane.timeline.add_presence(ts, &model.zone, presences, came);
}

/// Adds the changes of the members while the connection was lost, as far as they may be shown now.
pub(in crate::app) fn add_changes(model: &mut Model) {
    for index in 0..model.rooms.len() {
        let changes = model.rooms[index].take_changes(model.user.as_ref(), model.now.mono);
        let Some(Changes { joined, left, more_joined, more_left }) = changes else { continue };
        for (users, more, came) in [(joined, more_joined, true), (left, more_left, false)] {
            for user in &users {
                add_presence(model, index, user, came);
            }
            add_unnamed(model, index, more, 0, came);
        }
    }
}

fn on_resync(model: &mut Model, resync: &Resync) {
    let Some(index) = model.index_of(&resync.room) else { return };
    let is_looked_at = is_looked_at(model, index);
    let room = &mut model.rooms[index];
    // A page on its way was requested by a seq of the log as it was.
    (room.loading, room.failed_page, room.wanted_page) = (None, None, None);
    room.replay_left = resync.recovery.replayed();
    let text = if let Recovery::Reset { .. } = resync.recovery {
        room.pane.timeline.reset();
        room.settings = None;
        room.reading.joined(Some(&resync.position), Some(resync.recovery), true, is_looked_at);
        "history was reset".to_owned()
    } else {
        let from = resync.position.seq().get().saturating_sub(resync.recovery.replayed());
        room.pane.timeline.remove_after(Seq::new(from));
        room.reading.log_changed(Seq::new(from), &resync.position);
        if room.pane.timeline.top() == Top::Unknown {
            room.wanted_page = Some(HistoryPage::Before(Seq::new(from).next()));
        }
        format!("history changed · {} recovered", resync.recovery.replayed())
    };
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

fn on_history(model: &mut Model, mut history: History) -> Vec<Effect> {
    let Some(index) = model.index_of(&history.room) else { return Vec::new() };
    if let Some(settings) = history.settings.take() {
        on_settings(model, index, settings);
    }
    let Some(loaded) = model.rooms[index].loading.take() else { return Vec::new() };
    let before = match loaded.page {
        HistoryPage::Newest => None,
        HistoryPage::Before(seq) => Some(seq),
    };
    let mut entries = Vec::with_capacity(history.messages.len());
    for event in history.messages {
        let Some(EntryRef { seq, .. }) = event.entry() else { continue };
        let row = match event {
            ServerEvent::Entry(EntryEvent::Message(message)) => {
                Some((message.ts, to_shown(&mut model.rooms[index], &message, model.user.as_ref())))
            }
            _ => None,
        };
        entries.push(LoadedEntry { seq, row });
    }
    // A page may cover entries that it does not have.
    if let Some(Covers { from, to, .. }) = history.covers
        && from <= to
    {
        entries.extend([from, to].map(|seq| LoadedEntry { seq, row: None }));
    }
    entries.sort_by_key(|entry| entry.seq);
    let oldest = entries.first().map(|entry| entry.seq);
    let has_rows = entries.iter().any(|entry| entry.row.is_some());
    let room = &mut model.rooms[index];
    room.pane.timeline.add_page(before, entries, history.has_more);
    // A page without a row shows nothing, so the page before it is requested too.
    let next = oldest
        .filter(|oldest| !has_rows && history.has_more && before.is_none_or(|before| *oldest < before))
        .map(|oldest| room.pane.timeline.held_from(oldest));
    if let Some(before) = next
        && let Some(request) = request_page_before(room, loaded, before)
    {
        return vec![request];
    }
    if loaded.is_searching_older { search::on_page(model, index) } else { Vec::new() }
}

fn on_members(model: &mut Model, members: &Members) {
    if let Some(index) = model.index_of(&members.room)
        && model.rooms[index].membership == Membership::Joined
    {
        model.rooms[index].set_members(&members.members, members.member_count);
    }
    if let Some(Overlay::Members { room, members: shown, .. }) = &mut model.overlay
        && *room == members.room
    {
        let names = members.members.iter().map(|user| sanitize::line(user.as_str())).collect();
        let me = model.user.as_ref().map(|_| &model.me);
        *shown = Some((ListedMember::all(names, me), members.member_count));
    }
}

/// Handles a request that the server refused or did not answer.
fn on_request_failed(model: &mut Model, request: &net::Command, reason: &str) {
    let (index, what) = match request {
        net::Command::History(HistoryRequest { room, .. }) => {
            if let Some(index) = model.index_of(room) {
                on_page_failed(&mut model.rooms[index], reason);
            }
            return;
        }
        net::Command::FindMembers { room, prefix } => {
            return member_search::on_failed(model, room, prefix, reason);
        }
        net::Command::Members(room) => (model.index_of(room), format!("members of {room}")),
        _ => (None, "list of rooms".to_owned()),
    };
    model.note(index, Tone::Error, sanitize::block(&format!("{what}: {reason}; try again")));
}

/// Handles a refusal. The refusals of messages and requests arrive as events of their own.
fn on_error(model: &mut Model, error: &ErrorEvent) -> Vec<Effect> {
    if error.client_msg_id.is_some() {
        return Vec::new();
    }
    let mut is_refused = false;
    let index = error.room.as_ref().and_then(|room| model.index_of(room));
    if let Some(index) = index {
        let room = &mut model.rooms[index];
        if room.membership == Membership::Joining && !error.temporary {
            room.membership = Membership::Outside;
            is_refused = true;
        }
    }
    let text = match &error.room {
        Some(room) if index.is_none() => format!("{room}: {}", error.message),
        _ => error.message.clone(),
    };
    model.note(index, Tone::Error, sanitize::block(&text));
    index
        .filter(|_| is_refused)
        .map_or_else(Vec::new, |index| rejoin::on_refused(model, index, &error.message))
}
