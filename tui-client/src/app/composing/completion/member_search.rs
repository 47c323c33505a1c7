//! Search on the server for members who are not among the first 1,000, while a name is completed.
//!
//! The answer is added behind the candidates that were known, so the chosen one stays. Without any, it begins the completion.
//! An answer is dropped if the draft has changed since, or the completion has ended.

use realtime_shared::{RoomName, UserId};

use super::candidates::{Completion, find};
use super::insertion::write;
use super::member_query::MemberQuery;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::net;

/// Begins a search for members whose names begin with `prefix`, if the server may know more of them.
pub(super) fn begin(model: &mut Model, prefix: Option<String>) -> Option<Effect> {
    model.member_search = None;
    let prefix = prefix.filter(|_| model.finds_members && model.link.is_connected())?;
    let room = model.room().filter(|room| room.has_unnamed_members())?.name.clone();
    let editor = &model.pane().composer.editor;
    let (draft, cursor) = (editor.text().to_owned(), editor.cursor());
    let search =
        MemberQuery { room: room.clone(), prefix: prefix.clone(), pane: model.pane().id, draft, cursor };
    model.member_search = Some(search);
    Some(Effect::Net(net::Command::FindMembers { room, prefix }))
}

/// Adds the found members to the completion, or begins it with them.
pub(in crate::app) fn on_found(
    model: &mut Model,
    room: &RoomName,
    prefix: &str,
    members: &[UserId],
    has_more: bool,
) -> Vec<Effect> {
    if let Some(index) = model.index_of(room) {
        model.rooms[index].add_found(members);
    }
    let Some(search) = take(model, room, prefix) else { return Vec::new() };
    let found = find(&search.draft, search.cursor, &model.names());
    if let Some(mut completion) = model.completion().cloned() {
        for candidate in found.map(|found| found.candidates).unwrap_or_default() {
            if !completion.candidates.contains(&candidate) {
                completion.candidates.push(candidate);
            }
        }
        completion.is_part = has_more;
        model.completion = Some(completion);
        return Vec::new();
    }
    let editor = &model.pane().composer.editor;
    if model.pane().id != search.pane || editor.text() != search.draft || editor.cursor() != search.cursor {
        return Vec::new();
    }
    let Some(found) = found.filter(|found| !found.candidates.is_empty()) else {
        model.show_hint("no completion");
        return Vec::new();
    };
    model.hint = None;
    let range = found.start..search.cursor;
    let typed = search.draft[range.clone()].to_owned();
    let (pane, candidates) = (search.pane, found.candidates);
    write(model, Completion { candidates, chosen: 0, pane, range, typed, is_part: has_more })
}

/// Handles a search that failed.
pub(in crate::app) fn on_failed(model: &mut Model, room: &RoomName, prefix: &str, reason: &str) {
    if model.member_search.as_ref().is_some_and(|search| search.is_for(room, prefix)) {
        end(model);
        if model.completion().is_none() {
            model.show_hint(&format!("no completion; the server did not name the members: {reason}"));
        }
    }
}

/// Ends the search: its answer does not arrive.
pub(in crate::app) fn end(model: &mut Model) {
    let was_asked = model.member_search.take().is_some();
    if let Some(completion) = model.completion.as_mut().filter(|_| was_asked) {
        completion.is_part = false;
    }
}

/// Takes the search that an answer belongs to.
fn take(model: &mut Model, room: &RoomName, prefix: &str) -> Option<MemberQuery> {
    model.member_search.take_if(|search| search.is_for(room, prefix))
}
