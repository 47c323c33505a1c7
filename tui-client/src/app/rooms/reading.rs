//! How far a room is read: what is unread, where the new ones begin, and what of it outlives the program.
//!
//! ```text
//!  read ── newest ── head          places in the room's log, none before the one to its left
//!   │        └ the newest entry that came       └ the server's, as it was at the join
//!   └ the newest entry that was looked at: kept for the next start, see [`ReadMark`]
//! ```
//!
//! Unread is what came, or was missed and not replayed, since nobody looked. To look means that the room is the one
//! shown, in a window that has the focus.

use realtime_shared::{Position, Recovery, Seq};

use crate::app::rooms::timeline::ItemKey;

/// Messages that nobody had looked at were there when the room was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruler {
    /// The last item that had been seen.
    pub after: ItemKey,
    /// How many messages were new.
    pub count: u64,
}

/// How far a room is read, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMark {
    /// After the last entry that was looked at.
    pub position: Position,
    /// Whether the room's log is another one than before, so that an earlier mark says nothing. Otherwise a mark is
    /// never before an earlier one.
    pub anew: bool,
}

/// How far a room is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Messages that nobody has looked at.
    pub unread: u64,
    /// Those of them that came and name the user.
    pub mentions: u64,
    /// Where the new ones begin; frozen while the room is looked at.
    pub ruler: Option<Ruler>,
    /// After the newest entry that came; none before a newcomer's first join.
    newest: Option<Position>,
    /// After the newest entry that was looked at.
    read: Option<Position>,
    /// The last item that was looked at.
    seen: ItemKey,
    /// Whether what is replayed now was missed by an earlier run of the program.
    is_returning: bool,
    /// What of `read` was not given out to be kept.
    unkept: Option<UnsavedMark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnsavedMark {
    anew: bool,
}

/// An entry of the log, as far as it is read or not.
#[derive(Debug, Clone)]
pub(in crate::app) struct NewEntry {
    /// After it, where its epoch is known.
    pub(in crate::app) position: Option<Position>,
    /// Whether somebody else wrote it.
    pub(in crate::app) is_news: bool,
    /// Whether it names the user.
    pub(in crate::app) mention: bool,
    /// Whether it was missed and is replayed now.
    pub(in crate::app) replayed: bool,
}

impl Reading {
    /// Of a room that was read up to `kept` by an earlier run of the program.
    #[must_use]
    pub fn since(kept: Option<Position>) -> Self {
        let seen = kept.as_ref().map(|position| ItemKey::message(position.seq())).unwrap_or_default();
        Self { newest: kept.clone(), read: kept, seen, ..Self::default() }
    }

    /// After the newest entry that came.
    #[must_use]
    pub const fn newest(&self) -> Option<&Position> {
        self.newest.as_ref()
    }

    /// After the newest entry that was looked at.
    #[must_use]
    pub const fn read(&self) -> Option<&Position> {
        self.read.as_ref()
    }

    /// The room was entered; how many entries were missed that are not replayed. `was_in`: in this run of the program,
    /// before the connection was lost.
    pub(in crate::app) fn joined(
        &mut self,
        head: Option<&Position>,
        recovery: Option<Recovery>,
        was_in: bool,
        is_looked_at: bool,
    ) -> u64 {
        let Some(recovery) = recovery else {
            if self.newest.is_none() {
                // What was said before a newcomer came is history, and not new.
                self.newest = head.cloned();
                self.seen = head.map(|head| ItemKey::message(head.seq())).unwrap_or_default();
                self.look();
            }
            return 0;
        };
        if matches!(recovery, Recovery::Reset { .. }) {
            self.begin_anew(head.filter(|_| recovery.replayed() == 0));
        }
        let from = self.newest_seq().get();
        let missed = head.map_or(0, |head| head.seq().get().saturating_sub(from));
        let lacking = missed.saturating_sub(recovery.replayed());
        self.is_returning = !was_in;
        self.add_unread(lacking, 0, is_looked_at);
        lacking
    }

    /// The log is another one, of which nothing came, or all up to `head`.
    fn begin_anew(&mut self, head: Option<&Position>) {
        *self = Self {
            newest: Some(head.cloned().unwrap_or_default()),
            read: Some(Position::Start),
            unkept: Some(UnsavedMark { anew: true }),
            ..Self::default()
        };
    }

    /// The log went on after `from` in another way, up to `head`, and what is different is replayed; `forgotten`
    /// messages that were held are not of it any more.
    pub(in crate::app) fn rewound(&mut self, from: Seq, head: &Position, forgotten: u64) {
        self.unread = self.unread.saturating_sub(forgotten);
        self.mentions = self.mentions.min(self.unread);
        self.ruler = None;
        self.newest = (head.seq() <= from).then(|| head.clone());
        self.seen = self.seen.min(ItemKey::end_of(from));
        if self.read.as_ref().is_some_and(|read| read.seq() > from) {
            self.read.clone_from(&self.newest);
            self.unkept = Some(UnsavedMark { anew: true });
        }
    }

    /// An entry came. False: it had come before.
    pub(in crate::app) fn came(&mut self, seq: Seq, came: &NewEntry, is_looked_at: bool) -> bool {
        if self.newest.is_some() && seq <= self.newest_seq() {
            return false;
        }
        if let Some(position) = &came.position {
            self.newest = Some(position.clone());
        }
        self.is_returning &= came.replayed;
        if came.is_news {
            self.add_unread(1, came.mention.into(), is_looked_at);
        }
        true
    }

    /// Something came that is no entry of the log, and is news.
    pub(in crate::app) fn told(&mut self) {
        self.unread = self.unread.saturating_add(1);
    }

    /// What came while the room is looked at is read as it comes; what an earlier run of the program missed is ruled
    /// off all the same.
    fn add_unread(&mut self, count: u64, mentions: u64, is_looked_at: bool) {
        if !is_looked_at {
            self.unread = self.unread.saturating_add(count);
            self.mentions = self.mentions.saturating_add(mentions);
        } else if self.is_returning && count > 0 {
            let ruler = self.ruler.get_or_insert(Ruler { after: self.seen, count: 0 });
            ruler.count = ruler.count.saturating_add(count);
        }
    }

    /// The user looks at the room, whose last item is `last`: what was unread is ruled off.
    pub(in crate::app) fn enter(&mut self, last: ItemKey) {
        self.ruler = (self.unread > 0).then_some(Ruler { after: self.seen, count: self.unread });
        (self.unread, self.mentions) = (0, 0);
        self.see(last);
    }

    /// All that is there, up to the item `last`, was looked at.
    pub(in crate::app) fn see(&mut self, last: ItemKey) {
        self.seen = self.seen.max(last);
        self.look();
    }

    fn look(&mut self) {
        if self.read != self.newest {
            self.read.clone_from(&self.newest);
            self.unkept.get_or_insert(UnsavedMark { anew: false });
        }
    }

    /// What is to be kept and was not given out yet.
    pub(in crate::app) fn take_mark(&mut self) -> Option<ReadMark> {
        let position = self.read.clone()?;
        let UnsavedMark { anew } = self.unkept.take()?;
        Some(ReadMark { position, anew })
    }

    fn newest_seq(&self) -> Seq {
        self.newest.as_ref().map_or(Seq::ZERO, Position::seq)
    }
}
