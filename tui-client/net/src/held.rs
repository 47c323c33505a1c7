//! Changes that arrive while a page of history or a search is on its way. They are applied to the answer.
//!
//! A page has the changes up to its `as_of`, which may lie before or after the entries that the client has received. The
//! client holds the changes from the request of a page to its arrival, and applies those after `as_of`. So a page has at
//! least the changes of all entries that the program has received before it. A message that a search found has the changes
//! up to its `rev`, and the fold ignores these.

use realtime_shared::{
    Change, ChangeEntry, EntryEvent, Found, History, RoomName, RoomSettings, Seq, ServerEvent, UserId,
};

/// Most memory of the held changes, in bytes. At this limit the answers are requested again.
pub(super) const HELD_BYTES: usize = 4 << 20;

/// The held changes of all rooms, in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct HeldChanges {
    changes: Vec<ChangeEntry>,
    bytes: usize,
}

impl HeldChanges {
    /// Holds a change. Returns false, and holds nothing, at the limit.
    pub(super) fn add(&mut self, change: &ChangeEntry) -> bool {
        let bytes = bytes(change);
        let has_room = self.bytes + bytes <= HELD_BYTES;
        if has_room {
            self.bytes += bytes;
            self.changes.push(change.clone());
        }
        has_room
    }

    /// Drops the changes of the rooms that `is_needed` does not name.
    pub(super) fn retain(&mut self, is_needed: impl Fn(&RoomName) -> bool) {
        self.changes.retain(|change| is_needed(&change.room));
        self.bytes = self.changes.iter().map(bytes).sum();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Applies the changes after the page's `as_of`. The page of a server without changes has entries as they are stored;
    /// those that are changes are applied too.
    pub(super) fn apply(&self, history: &mut History, viewer: Option<&UserId>) {
        let as_of = history.covers.map_or(Seq::new(0), |covers| covers.as_of);
        let is_later = |change: &&ChangeEntry| change.room == history.room && change.seq > as_of;
        let own = history.messages.iter().filter_map(|event| match event {
            ServerEvent::Entry(EntryEvent::Change(change)) => Some(change),
            _ => None,
        });
        let mut later: Vec<_> = own.chain(self.changes.iter().filter(is_later)).cloned().collect();
        if later.is_empty() {
            return;
        }
        later.sort_by_key(|change| change.seq);
        for event in &mut history.messages {
            apply_all(event, &later, viewer);
        }
        for change in &later {
            if let Change::Room(settings) = &change.change
                && (history.settings.is_some() || history.covers.is_some())
            {
                history.settings.get_or_insert_with(RoomSettings::default).apply(settings, change.seq);
            }
        }
    }

    /// Applies the changes to the messages of a search.
    pub(super) fn apply_to_found(&self, found: &mut Found, viewer: Option<&UserId>) {
        for event in &mut found.messages {
            apply_all(event, &self.changes, viewer);
        }
    }
}

fn apply_all(event: &mut ServerEvent, changes: &[ChangeEntry], viewer: Option<&UserId>) {
    if let ServerEvent::Entry(EntryEvent::Message(message)) = event {
        for change in changes {
            if change.room == message.room {
                message.apply(change, viewer);
            }
        }
    }
}

/// The memory of a change. Its names are short.
fn bytes(change: &ChangeEntry) -> usize {
    const NAMES: usize = 256;
    let text = match &change.change {
        Change::Edit(edit) => edit.text.as_str().len(),
        Change::Delete(_) | Change::Reaction(_) | Change::Pin(_) | Change::Room(_) => 0,
    };
    size_of::<ChangeEntry>() + NAMES + text
}
