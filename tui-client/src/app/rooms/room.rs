//! A room as the user has it: who is there, what was said, what is being written.

use std::collections::BTreeMap;
use std::time::Duration;

use realtime_shared::{RoomName, Seq, UserId};

use crate::app::composing::composer::Composer;
use crate::app::rooms::reading::Reading;
use crate::app::rooms::search::state::Search;
use crate::app::rooms::timeline::{ItemKey, Sending, Timeline};
use crate::sanitize::{self, Line};

/// Members whose names are kept: as many as a server tells.
const NAMED: usize = 1_000;
/// Others who are shown as typing at once, at most.
const TYPISTS: usize = 32;
/// How long somebody is shown as typing after the last sign of it.
const TYPING_LASTS: Duration = Duration::from_secs(6);
/// How often the others are told that the user types, at most.
const TELL_EVERY: Duration = Duration::from_secs(3);
/// After how long without a key the user is not typing any more.
const IDLE_AFTER: Duration = Duration::from_secs(5);

/// What stands in the middle of the screen: a room's timeline and composer, or those outside of any room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pane {
    /// Its identity, fresh for each one: 0 is outside of any room.
    pub id: u32,
    /// What it is called.
    pub title: Line,
    /// What was said.
    pub timeline: Timeline,
    /// What is being written.
    pub composer: Composer,
    /// What is looked for in it.
    pub search: Option<Search>,
}

/// Whether the server has the user in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// Not yet, or not known since the connection was lost.
    Joining,
    /// Yes.
    Joined,
    /// No: it was refused, or ended.
    Outside,
}

/// A page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum HistoryPage {
    /// The newest messages.
    Newest,
    /// Those before this one.
    Before(Seq),
}

/// A page of history that was asked for and has not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) struct Loading {
    pub(in crate::app) page: HistoryPage,
    /// Whether a search goes on in it: nothing was done since that was asked for, and the room is shown.
    pub(in crate::app) is_searching_older: bool,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its name on the wire, which is not for the screen.
    pub(in crate::app) name: RoomName,
    /// What it shows.
    pub pane: Pane,
    /// Whether the user is in it.
    pub membership: Membership,
    /// How far it is read.
    pub reading: Reading,
    /// How many are there.
    pub member_count: u64,
    /// The page of history that is under way.
    pub(in crate::app) loading: Option<Loading>,
    /// The user went up, and has not been shown what is there.
    pub(in crate::app) wants_older: bool,
    /// The first and the last item that were visible when the room was drawn last.
    pub(in crate::app) visible: (ItemKey, ItemKey),
    /// Whether they took all of the screen.
    pub(in crate::app) fills_screen: bool,
    members: BTreeMap<UserId, Line>,
    typing: Vec<(UserId, Line, Duration)>,
    typing_sent_at: Option<Duration>,
    edited: Duration,
}

impl Room {
    /// A room that was asked for, and how far it is read.
    #[must_use]
    pub fn new(name: RoomName, id: u32, reading: Reading) -> Self {
        Self {
            pane: Pane { id, title: sanitize::line(name.as_str()), ..Pane::default() },
            name,
            membership: Membership::Joining,
            reading,
            member_count: 0,
            loading: None,
            wants_older: false,
            visible: (ItemKey::default(), ItemKey::default()),
            fills_screen: false,
            members: BTreeMap::new(),
            typing: Vec::new(),
            typing_sent_at: None,
            edited: Duration::ZERO,
        }
    }

    /// Whether a page of history is under way.
    #[must_use]
    pub const fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// The gap in the timeline that the page under way is for, by its index. `None`: there is no such page, or it is
    /// for the top.
    #[must_use]
    pub fn filled_gap(&self) -> Option<usize> {
        match self.loading?.page {
            HistoryPage::Before(seq) => self.pane.timeline.gap_before(seq),
            HistoryPage::Newest => None,
        }
    }

    /// Whether a search goes on in the page of history that is under way.
    #[must_use]
    pub fn is_searching_older(&self) -> bool {
        self.loading.is_some_and(|loading| loading.is_searching_older)
    }

    /// Has a search go on in the page that is under way, or not.
    pub(in crate::app) const fn set_searching_older(&mut self, is_searching_older: bool) {
        if let Some(loading) = &mut self.loading {
            loading.is_searching_older = is_searching_older;
        }
    }

    /// Who is there, by name; at most 1,000 of them.
    #[must_use]
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.members.values()
    }

    /// The others who type, who began first in front.
    #[must_use]
    pub fn typing(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.typing.iter().map(|(_, nick, _)| nick)
    }

    /// Messages that wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.pane.timeline.outgoing().filter(|item| item.is_waiting()).count()
    }

    /// Messages that are not known to be stored.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.pane.timeline.outgoing().filter(|item| item.state != Sending::Stored).count()
    }

    /// How `user` is shown.
    #[must_use]
    pub fn nick(&self, user: &UserId) -> Line {
        self.members.get(user).cloned().unwrap_or_else(|| sanitize::line(user.as_str()))
    }

    /// Puts `members` in the place of those that are known.
    pub(in crate::app) fn set_members(&mut self, members: &[UserId], count: u64) {
        self.members =
            members.iter().take(NAMED).map(|user| (user.clone(), sanitize::line(user.as_str()))).collect();
        self.member_count = count;
        let members = &self.members;
        self.typing.retain(|(user, ..)| members.contains_key(user));
    }

    /// Notes that `user` came; whether that is news.
    pub(in crate::app) fn came(&mut self, user: &UserId, count: u64) -> bool {
        self.member_count = count;
        if self.members.contains_key(user) {
            return false;
        }
        if self.members.len() < NAMED {
            self.members.insert(user.clone(), sanitize::line(user.as_str()));
        }
        true
    }

    /// Notes that `user` left.
    pub(in crate::app) fn left(&mut self, user: &UserId, count: u64) {
        self.member_count = count;
        self.members.remove(user);
        self.stopped_typing(user);
    }

    /// Notes that `user` types.
    pub(in crate::app) fn started_typing(&mut self, user: &UserId, now: Duration) {
        let until = now.saturating_add(TYPING_LASTS);
        if let Some((.., end)) = self.typing.iter_mut().find(|(who, ..)| who == user) {
            *end = until;
        } else if self.typing.len() < TYPISTS {
            self.typing.push((user.clone(), self.nick(user), until));
        }
    }

    /// Notes that `user` does not type any more.
    pub(in crate::app) fn stopped_typing(&mut self, user: &UserId) {
        self.typing.retain(|(who, ..)| who != user);
    }

    /// Forgets who typed, and what was told and asked: the connection is gone.
    pub(in crate::app) fn disconnected(&mut self) {
        self.typing.clear();
        self.typing_sent_at = None;
        self.loading = None;
        if self.membership == Membership::Joined {
            self.membership = Membership::Joining;
        }
    }

    /// Lets time pass for those who type.
    pub(in crate::app) fn expire_typing(&mut self, now: Duration) {
        self.typing.retain(|(.., until)| *until > now);
    }

    /// When the next of the others stops to be shown as typing.
    pub(in crate::app) fn typing_expires(&self) -> Option<Duration> {
        self.typing.iter().map(|(.., until)| *until).min()
    }

    /// Notes a key in the composer; whether to tell the others now.
    pub(in crate::app) fn key_typed(&mut self, now: Duration) -> bool {
        self.edited = now;
        let due = self.typing_sent_at.is_none_or(|told| now.saturating_sub(told) >= TELL_EVERY);
        if due {
            self.typing_sent_at = Some(now);
        }
        due
    }

    /// Whether to tell the others that the user stopped.
    pub(in crate::app) fn stop_typing(&mut self) -> bool {
        self.typing_sent_at.take().is_some()
    }

    /// When the user is not typing any more without another key.
    pub(in crate::app) fn idle_at(&self) -> Option<Duration> {
        self.typing_sent_at.map(|_| self.edited.saturating_add(IDLE_AFTER))
    }

    /// The user looks at the room: what was unread is ruled off.
    pub(in crate::app) fn enter(&mut self) {
        self.reading.enter(self.pane.timeline.last_key());
    }

    /// All that is there has been seen.
    pub(in crate::app) fn see(&mut self) {
        self.reading.see(self.pane.timeline.last_key());
    }
}
