//! State of the joined rooms, folded from the events that the program has received.

use std::collections::{BTreeMap, HashMap};

use realtime_shared::{
    Change, ChangeEntry, EntryEvent, Epoch, History, Message, Position, Recovery, RoomName, RoomSettings,
    Seq, ServerEvent, SystemEvent, UserId,
};

use super::entry::Entry;
use super::event::{ConnectionState, Event};

/// The state of a joined room, as of the last event that [`Events`](crate::Events) returned.
///
/// It begins with the join. It keeps the newest messages of those that arrived, live, in pages of history or found by a
/// search, with their later changes. After a gap in the log, or in another log, it begins again.
#[derive(Debug, Clone, Default)]
pub struct RoomState {
    messages: BTreeMap<Seq, Message>,
    /// Most messages.
    most: usize,
    settings: Option<RoomSettings>,
    position: Option<Position>,
    epoch: Option<Epoch>,
    read_seq: Option<Seq>,
}

impl RoomState {
    fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// The message with this seq, if it is kept. A deleted one has no text.
    #[must_use]
    pub fn message(&self, seq: Seq) -> Option<&Message> {
        self.messages.get(&seq)
    }

    /// The kept messages in the order of the log. There may be messages between two of them that never arrived.
    #[must_use]
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.values()
    }

    /// The settings of the room. `None` before a page of history has them, unless the client received the whole log.
    #[must_use]
    pub const fn settings(&self) -> Option<&RoomSettings> {
        self.settings.as_ref()
    }

    /// The position after the last entry. `None` if the room was empty.
    #[must_use]
    pub const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// The user's read marker: the newest message that the user has read. `None` if it is not known.
    #[must_use]
    pub const fn read_seq(&self) -> Option<Seq> {
        self.read_seq
    }

    /// Begins again in a log. The settings of an empty log are the defaults.
    fn begin(&mut self, head: Option<&Position>) {
        let epoch = head.and_then(Position::epoch).cloned();
        let settings = matches!(head, Some(Position::Start)).then(RoomSettings::default);
        let read_seq = self.read_seq.filter(|_| epoch.is_some() && self.epoch == epoch);
        *self = Self { settings, epoch, position: head.cloned(), read_seq, ..Self::new(self.most) };
    }

    /// Handles an entry's or a page's epoch: another one is another log.
    fn enter(&mut self, epoch: Option<&Epoch>) {
        if let Some(epoch) = epoch {
            if self.epoch.as_ref().is_some_and(|known| known != epoch) {
                *self = Self::new(self.most);
            }
            self.epoch = Some(epoch.clone());
        }
    }

    fn add(&mut self, entry: &Entry, position: Option<&Position>, me: Option<&UserId>) {
        self.enter(position.and_then(Position::epoch));
        self.position = position.cloned().or_else(|| self.position.take());
        if entry.seq() == Seq::new(1) {
            self.settings.get_or_insert_with(RoomSettings::default);
        }
        match entry {
            Entry::Message(message) => self.keep(message),
            Entry::Change(change) => self.change(change, me),
            Entry::Unknown(_) => {}
        }
    }

    fn change(&mut self, entry: &ChangeEntry, me: Option<&UserId>) {
        if let Change::Room(change) = &entry.change {
            if let Some(settings) = &mut self.settings {
                settings.apply(change, entry.seq);
            }
        } else if let Some(message) =
            entry.change.target().and_then(|(target, _)| self.messages.get_mut(&target))
        {
            message.apply(entry, me);
        }
    }

    fn add_page(&mut self, history: &History) {
        self.enter(history.epoch.as_ref());
        for event in &history.messages {
            if let ServerEvent::Entry(EntryEvent::Message(message)) = event {
                self.keep(message);
            }
        }
        // A page without settings, of a server that has them: they were never changed.
        let settings = history.settings.clone().or_else(|| history.covers.map(|_| RoomSettings::default()));
        if let Some(settings) = settings
            && self.settings.as_ref().is_none_or(|known| known.rev < settings.rev)
        {
            self.settings = Some(settings);
        }
    }

    /// Keeps the version of a message with the larger rev, and the newest messages.
    fn keep(&mut self, message: &Message) {
        let is_newer = |known: &Message| {
            let has_ended = message.deleted.is_some() && known.deleted.is_none();
            known.rev() < message.rev() || (known.rev() == message.rev() && has_ended)
        };
        if self.messages.get(&message.seq).is_none_or(is_newer) {
            self.messages.insert(message.seq, Message { epoch: None, ..message.clone() });
        }
        while self.messages.len() > self.most {
            self.messages.pop_first();
        }
    }
}

/// The states of the joined rooms.
#[derive(Debug)]
pub(super) struct RoomStates {
    /// Most messages of each room. 0: nothing is kept.
    most: usize,
    me: Option<UserId>,
    rooms: HashMap<RoomName, RoomState>,
}

impl RoomStates {
    pub(super) fn new(most: usize) -> Self {
        Self { most, me: None, rooms: HashMap::new() }
    }

    pub(super) fn get(&self, room: &RoomName) -> Option<&RoomState> {
        self.rooms.get(room)
    }

    /// Follows an event.
    pub(super) fn on_event(&mut self, event: &Event) {
        if self.most == 0 {
            return;
        }
        match event {
            Event::State(ConnectionState::Connected { user_id, .. }) => {
                if self.me.as_ref() != Some(user_id) {
                    // `mine` of the reactions is that of another user.
                    self.rooms.clear();
                }
                self.me = Some(user_id.clone());
            }
            Event::Joined { room, head, recovery, read_seq, .. } => {
                let state = self.rooms.entry(room.clone()).or_insert_with(|| RoomState::new(self.most));
                if !matches!(recovery, Some(Recovery::Complete { .. })) {
                    state.begin(head.as_ref());
                }
                state.read_seq = (*read_seq).or(state.read_seq);
            }
            Event::Read { room, seq, .. } => {
                if let Some(state) = self.rooms.get_mut(room) {
                    state.read_seq = Some(*seq);
                }
            }
            Event::Entry { entry, position, .. } => {
                if let Some(state) = self.rooms.get_mut(entry.room()) {
                    state.add(entry, position.as_ref(), self.me.as_ref());
                }
            }
            Event::Server(ServerEvent::History(history)) => {
                if let Some(state) = self.rooms.get_mut(&history.room) {
                    state.add_page(history);
                }
            }
            Event::Server(ServerEvent::Found(found)) => {
                for event in &found.messages {
                    if let ServerEvent::Entry(EntryEvent::Message(message)) = event
                        && let Some(state) = self.rooms.get_mut(&message.room)
                    {
                        state.keep(message);
                    }
                }
            }
            Event::Server(ServerEvent::System(SystemEvent::Resync(resync))) => {
                if let Some(state) = self.rooms.get_mut(&resync.room)
                    && !matches!(resync.recovery, Recovery::Complete { .. })
                {
                    state.begin(Some(&resync.position));
                }
            }
            Event::Server(ServerEvent::System(SystemEvent::Left(left)))
                if Some(&left.user_id) == self.me.as_ref() =>
            {
                self.rooms.remove(&left.room);
            }
            _ => {}
        }
    }
}
