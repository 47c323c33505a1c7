//! Changes that arrive while a page of history is on its way. They are applied to the page when it arrives.
//!
//! A page has the changes up to its `as_of`, which may lie before or after the entries that the client has received. The
//! client holds the changes from the request of a page to its arrival, and applies those after `as_of`. So a page has at
//! least the changes of all entries that the program has received before it.

use realtime_shared::{
    Change, ChangeEntry, EntryEvent, History, RoomName, RoomSettings, Seq, ServerEvent, UserId,
};

/// Most changes that are held. At this limit the pages are requested again.
pub(super) const HELD: usize = 4_096;

/// The held changes of all rooms, in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct HeldChanges {
    changes: Vec<ChangeEntry>,
}

impl HeldChanges {
    /// Holds a change. Returns false, and holds nothing, at the limit.
    pub(super) fn add(&mut self, change: &ChangeEntry) -> bool {
        let has_room = self.changes.len() < HELD;
        if has_room {
            self.changes.push(change.clone());
        }
        has_room
    }

    /// Drops the changes of a room.
    pub(super) fn drop_room(&mut self, room: &RoomName) {
        self.changes.retain(|change| change.room != *room);
    }

    pub(super) fn clear(&mut self) {
        self.changes.clear();
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
            if let ServerEvent::Entry(EntryEvent::Message(message)) = event {
                for change in &later {
                    message.apply(change, viewer);
                }
            }
        }
        for change in &later {
            if let Change::Room(settings) = &change.change
                && (history.settings.is_some() || history.covers.is_some())
            {
                history.settings.get_or_insert_with(RoomSettings::default).apply(settings, change.seq);
            }
        }
    }
}
