//! A room of the user: its members, its pane, and its state.

use std::collections::BTreeMap;
use std::time::Duration;

use realtime_shared::{RoomName, RoomSettings, Seq, UserId};

use crate::app::attention::Sight;
use crate::app::composing::composer::Composer;
use crate::app::rooms::absence::{Absence, Changes};
use crate::app::rooms::found_members::FoundMembers;
use crate::app::rooms::reading::Reading;
use crate::app::rooms::search::state::Search;
use crate::app::rooms::timeline::{ItemKey, Sending, Timeline};
use crate::lookalike::{NameShape, NameShapes};
use crate::sanitize::{self, Line};

/// Largest number of member names: as many as a server sends.
const NAMED: usize = 1_000;
/// Largest number of members that are shown as typing.
const TYPISTS: usize = 32;
/// Time for which a member is shown as typing after a signal.
const TYPING_SHOWN_FOR: Duration = Duration::from_secs(6);
/// Shortest time between two typing signals.
const SIGNAL_INTERVAL: Duration = Duration::from_secs(3);
/// Time without a key after which the user has stopped typing.
const IDLE_AFTER: Duration = Duration::from_secs(5);

/// The middle of the screen: timeline and composer of a room, or of the lobby outside of rooms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pane {
    /// Unique identity; the lobby has 0.
    pub id: u32,
    /// Name of the room, safe to show.
    pub title: Line,
    pub timeline: Timeline,
    pub composer: Composer,
    pub search: Option<Search>,
}

/// Membership of the user in the room, as the client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// Not answered yet, or the connection was lost.
    Joining,
    Joined,
    /// The join was refused, or the user was removed.
    Outside,
}

/// The place of a room in the list of joined rooms, which the next start joins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum ListPlace {
    /// Not in the list.
    Absent,
    /// In the list since an earlier run. The server has not accepted the join yet.
    Earlier,
    /// In the list, and joined in this run.
    Confirmed,
}

/// A page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum HistoryPage {
    /// The newest entries.
    Newest,
    /// The entries before this seq.
    Before(Seq),
}

/// A page of history that was requested and has not arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) struct Loading {
    pub(in crate::app) page: HistoryPage,
    /// Number of pages without a row that arrived before it for the same key.
    pub(in crate::app) pages_without_rows: u32,
    /// The search continues in the page when it arrives. Any other input ends this.
    pub(in crate::app) is_searching_older: bool,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RoomMember {
    /// Name, safe to show.
    nick: Line,
    shape: NameShape,
}

impl RoomMember {
    fn new(user: &UserId) -> Self {
        let nick = sanitize::line(user.as_str());
        Self { shape: NameShape::of(&nick), nick }
    }
}

/// A room of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Name on the wire; not safe to show.
    pub(in crate::app) name: RoomName,
    pub pane: Pane,
    pub(in crate::app) shape: NameShape,
    pub membership: Membership,
    pub(in crate::app) list_place: ListPlace,
    pub reading: Reading,
    /// The settings of the room, once a page of history had them.
    pub(in crate::app) settings: Option<RoomSettings>,
    pub member_count: u64,
    /// The page of history that was requested.
    pub(in crate::app) loading: Option<Loading>,
    /// The page that is requested as soon as the room is shown.
    pub(in crate::app) wanted_page: Option<HistoryPage>,
    /// The page of history whose request failed, and the reason. A key requests it again.
    pub(in crate::app) failed_page: Option<(HistoryPage, Line)>,
    /// The user scrolled up, and the view has not been drawn since.
    pub(in crate::app) wants_older: bool,
    /// The first and the last visible item in the last drawing.
    pub(in crate::app) visible: (ItemKey, ItemKey),
    /// The rows on the screen, which the user may look at.
    pub(in crate::app) sight: Sight,
    /// The ruler of `sight`: the view may move to a new one.
    sight_ruler: Option<ItemKey>,
    /// Number of the next entries that are replayed ones.
    pub(in crate::app) replay_left: u64,
    /// The members before the connection was lost, until the others had time to return.
    pub(in crate::app) absence: Option<Absence>,
    /// The visible items filled the screen.
    pub(in crate::app) fills_screen: bool,
    /// A visible message is so long that it can be folded.
    pub(in crate::app) has_long: bool,
    members: BTreeMap<UserId, RoomMember>,
    found: FoundMembers,
    /// Shapes of the members' names.
    shapes: NameShapes,
    typing: Vec<(UserId, Line, Duration)>,
    typing_sent_at: Option<Duration>,
    edited: Duration,
}

impl Room {
    /// Creates a room that is being joined.
    #[must_use]
    pub fn new(name: RoomName, id: u32, reading: Reading) -> Self {
        let title = sanitize::line(name.as_str());
        Self {
            shape: NameShape::of(&title),
            pane: Pane { id, title, ..Pane::default() },
            name,
            membership: Membership::Joining,
            list_place: ListPlace::Absent,
            reading,
            settings: None,
            member_count: 0,
            loading: None,
            wanted_page: None,
            failed_page: None,
            wants_older: false,
            visible: (ItemKey::default(), ItemKey::default()),
            sight: Sight::default(),
            sight_ruler: None,
            replay_left: 0,
            absence: None,
            fills_screen: false,
            has_long: false,
            members: BTreeMap::new(),
            found: FoundMembers::default(),
            shapes: NameShapes::default(),
            typing: Vec::new(),
            typing_sent_at: None,
            edited: Duration::ZERO,
        }
    }

    /// Returns true if a page of history was requested and has not arrived.
    #[must_use]
    pub const fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Returns the index of the gap that the requested page fills. `None` if no page was requested, or if it is for
    /// the top.
    #[must_use]
    pub fn filled_gap(&self) -> Option<usize> {
        self.gap_of(self.loading?.page)
    }

    /// Returns the reason why a page of history is not loaded, and the index of its gap; `None` for the top.
    #[must_use]
    pub fn failed_page(&self) -> Option<(&Line, Option<usize>)> {
        let (page, reason) = self.failed_page.as_ref()?;
        Some((reason, self.gap_of(*page)))
    }

    fn gap_of(&self, page: HistoryPage) -> Option<usize> {
        match page {
            HistoryPage::Before(seq) => self.pane.timeline.gap_before(seq),
            HistoryPage::Newest => None,
        }
    }

    /// Returns true if the search continues in the requested page.
    #[must_use]
    pub fn is_searching_older(&self) -> bool {
        self.loading.is_some_and(|loading| loading.is_searching_older)
    }

    /// Makes the search continue in the requested page, or not.
    pub(in crate::app) const fn set_searching_older(&mut self, is_searching_older: bool) {
        if let Some(loading) = &mut self.loading {
            loading.is_searching_older = is_searching_older;
        }
    }

    /// Returns the members by name, at most 1,000.
    #[must_use]
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.members.values().map(|member| &member.nick)
    }

    /// Returns the members that the server has found by their names, and that are not among the first 1,000.
    pub(in crate::app) fn found_members(&self) -> impl Iterator<Item = &Line> {
        self.found.iter().filter(|(user, _)| !self.members.contains_key(*user)).map(|(_, nick)| nick)
    }

    /// Returns true if the server has not named all members.
    pub(in crate::app) fn has_unnamed_members(&self) -> bool {
        (self.members.len() as u64) < self.member_count
    }

    /// Adds members that the server has found.
    pub(in crate::app) fn add_found(&mut self, members: &[UserId]) {
        self.found.add(members);
    }

    /// Returns the members by name, at most 1,000, each with true if its name is doubtful.
    #[must_use]
    pub fn marked_members(&self) -> impl ExactSizeIterator<Item = (&Line, bool)> {
        self.members.values().map(|member| (&member.nick, self.shapes.is_doubtful(member.shape, true)))
    }

    /// Returns true if the name of a user mixes scripts, or looks like the name of another member.
    pub(in crate::app) fn is_doubtful(&self, user: &UserId, nick: &Line) -> bool {
        match self.members.get(user) {
            Some(member) => self.shapes.is_doubtful(member.shape, true),
            None => self.shapes.is_doubtful(NameShape::of(nick), false),
        }
    }

    /// Returns the members who type, in the order in which they began.
    #[must_use]
    pub fn typing(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.typing.iter().map(|(_, nick, _)| nick)
    }

    /// Returns the number of messages that wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.pane.timeline.outgoing().filter(|item| item.is_waiting()).count()
    }

    /// Returns the number of messages that are not known to be stored.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.pane.timeline.outgoing().filter(|item| item.state != Sending::Stored).count()
    }

    /// Returns the name of a user, safe to show.
    #[must_use]
    pub fn nick(&self, user: &UserId) -> Line {
        let known = self.members.get(user).map(|member| member.nick.clone());
        known.unwrap_or_else(|| sanitize::line(user.as_str()))
    }

    /// Replaces the list of members.
    pub(in crate::app) fn set_members(&mut self, members: &[UserId], count: u64) {
        let members = members.iter().take(NAMED);
        self.members = members.map(|user| (user.clone(), RoomMember::new(user))).collect();
        self.shapes = NameShapes::default();
        for member in self.members.values() {
            self.shapes.add(member.shape);
        }
        self.member_count = count;
        let members = &self.members;
        self.typing.retain(|(user, ..)| members.contains_key(user));
    }

    /// Takes the changes of the members since the connection was lost, if they may be shown now.
    pub(in crate::app) fn take_changes(&mut self, me: Option<&UserId>, now: Duration) -> Option<Changes> {
        let (members, count) = (&self.members, self.member_count);
        let absence = self.absence.take_if(|absence| absence.is_over(members, count, now))?;
        Some(absence.changes(members, count, me))
    }

    /// Handles an entry. The replayed ones arrive first.
    pub(in crate::app) fn note_replayed(&mut self, replayed: bool) {
        self.replay_left = if replayed { self.replay_left.saturating_sub(1) } else { 0 };
    }

    /// Adds a member. Returns false if the member was known.
    pub(in crate::app) fn member_joined(&mut self, user: &UserId, count: u64) -> bool {
        self.member_count = count;
        if let Some(absence) = &mut self.absence {
            absence.member_joined();
        }
        if self.members.contains_key(user) {
            return false;
        }
        if self.members.len() < NAMED {
            let member = RoomMember::new(user);
            self.shapes.add(member.shape);
            self.members.insert(user.clone(), member);
        }
        true
    }

    /// Removes a member.
    pub(in crate::app) fn member_left(&mut self, user: &UserId, count: u64) {
        self.member_count = count;
        if let Some(member) = self.members.remove(user) {
            self.shapes.remove(member.shape);
        }
        self.found.remove(user);
        self.stopped_typing(user);
    }

    /// Shows a member as typing.
    pub(in crate::app) fn started_typing(&mut self, user: &UserId, now: Duration) {
        let until = now.saturating_add(TYPING_SHOWN_FOR);
        if let Some((.., end)) = self.typing.iter_mut().find(|(who, ..)| who == user) {
            *end = until;
        } else if self.typing.len() < TYPISTS {
            self.typing.push((user.clone(), self.nick(user), until));
        }
    }

    /// Stops showing a member as typing.
    pub(in crate::app) fn stopped_typing(&mut self, user: &UserId) {
        self.typing.retain(|(who, ..)| who != user);
    }

    /// Handles the loss of the connection: typing and requests end.
    pub(in crate::app) fn disconnected(&mut self) {
        self.typing.clear();
        self.typing_sent_at = None;
        self.loading = None;
        self.failed_page = None;
        self.replay_left = 0;
        if self.membership == Membership::Joined {
            self.membership = Membership::Joining;
            let absence = self.absence.take();
            self.absence =
                Some(absence.unwrap_or_else(|| Absence::of(&self.members, self.member_count)).lost());
        }
    }

    /// Stops showing members as typing whose time is over.
    pub(in crate::app) fn expire_typing(&mut self, now: Duration) {
        self.typing.retain(|(.., until)| *until > now);
    }

    /// Returns the time at which the next member is no longer shown as typing.
    pub(in crate::app) fn typing_expires(&self) -> Option<Duration> {
        self.typing.iter().map(|(.., until)| *until).min()
    }

    /// Handles a key in the composer. Returns true if a typing signal is due.
    pub(in crate::app) fn key_typed(&mut self, now: Duration) -> bool {
        self.edited = now;
        let due = self.typing_sent_at.is_none_or(|sent| now.saturating_sub(sent) >= SIGNAL_INTERVAL);
        if due {
            self.typing_sent_at = Some(now);
        }
        due
    }

    /// Ends the user's typing. Returns true if a signal is needed.
    pub(in crate::app) fn stop_typing(&mut self) -> bool {
        self.typing_sent_at.take().is_some()
    }

    /// Returns the time at which the user has stopped typing, unless another key follows.
    pub(in crate::app) fn idle_at(&self) -> Option<Duration> {
        self.typing_sent_at.map(|_| self.edited.saturating_add(IDLE_AFTER))
    }

    /// Handles the moment at which the room is shown.
    pub(in crate::app) fn open(&mut self) {
        self.wanted_page = self.failed_page.take().map(|(page, _)| page).or(self.wanted_page);
        self.sight = Sight::Unknown;
    }

    /// Handles the moment at which the user begins to look at the room.
    pub(in crate::app) fn begin(&mut self) {
        self.reading.begin();
    }

    /// Handles that the user looks at the room: the rows on the screen are seen. Until a view with a new ruler is drawn, they
    /// are not known.
    pub(in crate::app) fn see(&mut self) {
        let ruler = self.reading.ruler.map(|ruler| ruler.after);
        if ruler != self.sight_ruler {
            (self.sight, self.sight_ruler) = (Sight::Unknown, ruler);
        }
        let last = self.pane.timeline.last_key();
        match self.sight {
            Sight::Unknown => {}
            Sight::UpTo(key) if key < last => self.reading.see(key),
            Sight::UpTo(_) | Sight::End => self.reading.see_all(last),
        }
    }
}
