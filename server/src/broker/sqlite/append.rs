//! Atomic step of an entry: deduplication, the rules, the number, and the state that it changes, all in one batch.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use realtime_shared::rules::{self, Decision, Request, RoomView, RuleError, Rules, TargetView};
use realtime_shared::{
    Change, Content, Delete, Edit, EntryEvent, EntryId, Epoch, Message, MessageState, Reaction, RoomName,
    RoomSettings, Seq, SlowMode, Timestamp, codec,
};
use rusqlite::Result;

use super::founding_rule::FoundingRule;
use super::retained;
use super::tail::Tail;
use crate::broker::mentions::{Mentioned, Notification, notifications};
use crate::broker::{Entry, FIRST, Feed, NotStored, Receipt, Submission, is_in_dedup_window};
use crate::clock::Judged;
use crate::config::Retain;
use crate::faults::{self, Fault};
use crate::store::{Batch, EntryKey, FoldedMessage, Replaced, RoomId, Row, SettingsRow, View, digest};

/// The settings of a room that has never changed them.
static DEFAULT_SETTINGS: LazyLock<RoomSettings> = LazyLock::new(RoomSettings::default);

/// All that a batch applies to its submissions. They have one time, so the clock is judged once.
pub(super) struct AppendContext<'a> {
    pub(super) founding: &'a mut FoundingRule,
    pub(super) rules: &'a Rules,
    pub(super) retain: &'a Retain,
    pub(super) now: Judged,
    pub(super) has_space: bool,
    pub(super) feed: Option<Arc<dyn Feed>>,
}

/// Result of appending an entry to a batch.
pub(super) enum AppendOutcome {
    New(Appended),
    /// The entry was stored before, or changes nothing.
    Duplicate(Receipt),
    /// A rule forbids the entry.
    Refused(NotStored),
    /// The disk has no space for posts.
    NoSpace,
    /// The seqs of the room, or the room ids, are used up.
    Exhausted,
}

/// A new entry.
pub(super) struct Appended {
    pub(super) room: RoomName,
    pub(super) entry: Entry,
    pub(super) receipt: Receipt,
    /// Entries that it deletes, with their new frames.
    pub(super) replaced: Vec<Entry>,
    pub(super) key: EntryKey,
    /// The message whose text it changes or deletes.
    pub(super) rewritten: Option<EntryKey>,
    pub(super) notifications: Vec<Notification>,
}

impl AppendOutcome {
    pub(super) fn is_new(&self) -> bool {
        matches!(self, Self::New(..))
    }

    pub(super) fn has_deleted(&self) -> bool {
        matches!(self, Self::New(appended) if !appended.replaced.is_empty())
    }
}

/// An entry that the rules allow.
enum Verdict {
    Store(Box<Links>),
    /// It changes nothing. The receipt is that of the entry that made the state.
    Unchanged(Receipt),
}

/// The stored messages to which a new entry refers.
#[derive(Default)]
struct Links {
    /// The message that it changes.
    target: Option<FoldedMessage>,
    /// The message that it answers.
    answered: Option<EntryKey>,
}

impl Tail {
    /// Appends an entry to a batch, unless it is a duplicate, or a rule forbids it.
    pub(super) fn append(
        &mut self,
        batch: &mut Batch<'_>,
        submission: &Submission,
        context: &mut AppendContext<'_>,
    ) -> Result<AppendOutcome> {
        let ts = context.now.now;
        let client_msg_id = submission.client_msg_id.as_ref();
        let digest = client_msg_id.map(|id| digest(&submission.from, id));
        if let Some(receipt) = self.find(batch, digest, context.now)? {
            return Ok(AppendOutcome::Duplicate(receipt));
        }
        let links = match self.judge(batch.view(), submission, context)? {
            Ok(Verdict::Store(links)) => *links,
            Ok(Verdict::Unchanged(receipt)) => return Ok(AppendOutcome::Duplicate(receipt)),
            Err(forbidden) => return Ok(AppendOutcome::Refused(forbidden.into())),
        };
        if self.log.is_none() && !submission.may_found_room() {
            return Ok(AppendOutcome::Refused(NotStored::NewRoomNotNfc));
        }
        if !context.has_space {
            return Ok(AppendOutcome::NoSpace);
        }
        let is_first = self.log.is_none();
        // A direct room was counted when its users were stored.
        if is_first && self.pair.is_none() {
            if submission.room.is_reserved() {
                return Ok(AppendOutcome::Refused(NotStored::reserved()));
            }
            let Submission { from, is_exempt, .. } = submission;
            if let Some(refusal) = context.founding.apply(batch, from, *is_exempt, ts)? {
                return Ok(AppendOutcome::Refused(refusal));
            }
        }
        let id = EntryId::from_parts(ts, fastrand::u128(..));
        let (room, epoch) = if let Some(log) = &self.log {
            log.clone()
        } else {
            let epoch = Epoch::from_id(id);
            let Some(room) = batch.add_room(&submission.room, &epoch, FIRST)? else {
                return Ok(AppendOutcome::Exhausted);
            };
            self.log.insert((room, epoch)).clone()
        };
        let Some(key) = room.next_key(self.head) else { return Ok(AppendOutcome::Exhausted) };
        let seq = key.seq();
        let event = submission.clone().into_event(&epoch, seq, id, ts);
        let entry = Entry { seq, id, json: codec::encode_entry(&event).into() };
        batch.add(&Row { key, id, ts, dedup_digest: digest, frame: Some(&entry.json) })?;
        let replaced = self.fold(batch, (room, key), &event, links)?;
        let notifications = self.mention(batch, (room, key), &event)?;
        if let (true, Some(feed)) = (is_first, &context.feed) {
            for user in feed.users(&submission.room) {
                batch.add_marker(room, &user, Seq::ZERO)?;
            }
        }
        self.head = seq;
        self.known.push(digest);
        let receipt = Receipt { epoch, seq, id, ts, duplicate: false };
        let rewritten = match &submission.content {
            Content::Change(Change::Edit(Edit { target, .. }) | Change::Delete(Delete { target, .. })) => {
                Some(key.sibling(*target))
            }
            Content::Message(_) | Content::Change(_) => None,
        };
        let room = submission.room.clone();
        Ok(AppendOutcome::New(Appended { room, entry, receipt, replaced, key, rewritten, notifications }))
    }

    /// Entry with this digest, if it is within the dedup window.
    fn find(&self, batch: &Batch<'_>, digest: Option<u128>, now: Judged) -> Result<Option<Receipt>> {
        let (Some(digest), Some((room, epoch))) = (digest, &self.log) else { return Ok(None) };
        let Some(seq) = self.known.find(digest) else { return Ok(None) };
        let entry = batch.view().entry(room.key(seq))?;
        Ok(entry
            .filter(|(_, ts)| !now.forgets || is_in_dedup_window(now.age(*ts)))
            .filter(|_| !faults::breaks(Fault::NoDedup))
            .map(|(id, ts)| Receipt { epoch: epoch.clone(), seq, id, ts, duplicate: true }))
    }

    /// Applies the rules to a submission that is not a duplicate.
    fn judge(
        &self,
        view: View<'_>,
        submission: &Submission,
        context: &AppendContext<'_>,
    ) -> Result<std::result::Result<Verdict, RuleError>> {
        let Submission { from, power, content, .. } = submission;
        let links = self.links(view, content, context.retain)?;
        let settings = self.settings.as_ref().map_or(&*DEFAULT_SETTINGS, |row| &row.settings);
        let mut room = RoomView { settings, head: self.head, pins: 0, since_last_message: None };
        let mut has_reacted = false;
        if let Some((id, _)) = &self.log {
            match content {
                Content::Message(_) if settings.slow_mode != SlowMode::OFF => {
                    let spoke_at = view.spoke_at(*id, from)?;
                    room.since_last_message = spoke_at.map(|at| distance(at, context.now.now));
                }
                Content::Change(Change::Pin(_)) => room.pins = view.pins(*id)?,
                Content::Change(Change::Reaction(Reaction { target, emoji, .. })) => {
                    has_reacted = view.has_reacted(id.key(*target), from, emoji)?;
                }
                Content::Message(_)
                | Content::Change(Change::Edit(_) | Change::Delete(_) | Change::Room(_)) => {}
            }
        }
        let target = links.target.as_ref().map(|FoldedMessage { message, state }| TargetView {
            message,
            edits: state.as_ref().map_or(0, MessageState::edits),
            has_reacted,
        });
        let request = Request { from, power: *power, now: context.now.now, content };
        Ok(match rules::decide(context.rules, &request, &room, target.as_ref()) {
            Ok(Decision::Store) => Ok(Verdict::Store(Box::new(links))),
            Ok(Decision::Unchanged) => {
                let receipt = self.newest_change(view, links.target.as_ref())?;
                receipt.map(Verdict::Unchanged).ok_or_else(RuleError::not_found)
            }
            Err(forbidden) => Err(forbidden),
        })
    }

    /// Reads the stored messages to which a content refers.
    fn links(&self, view: View<'_>, content: &Content, retain: &Retain) -> Result<Links> {
        let (target, reply_to) = (content.target().map(|(seq, _)| seq), content.reply_to());
        let (Some((room, _)), Some(seq)) = (&self.log, target.or(reply_to)) else {
            return Ok(Links::default());
        };
        let oldest = retained::oldest(view, *room, (view.first(*room)?, self.head), retain)?;
        if seq < oldest || seq > self.head {
            return Ok(Links::default());
        }
        let key = room.key(seq);
        Ok(if target.is_some() {
            Links { target: view.message(key)?, answered: None }
        } else {
            Links { target: None, answered: view.is_message(key)?.then_some(key) }
        })
    }

    /// The receipt of the entry that last changed a message; without a message, of the one that last changed the settings.
    fn newest_change(&self, view: View<'_>, target: Option<&FoldedMessage>) -> Result<Option<Receipt>> {
        let Some((room, epoch)) = &self.log else { return Ok(None) };
        let receipt = |seq, (id, ts)| Receipt { epoch: epoch.clone(), seq, id, ts, duplicate: true };
        if let Some(FoldedMessage { message, .. }) = target {
            let rev = message.rev();
            return Ok(view.entry(room.key(rev))?.map(|entry| receipt(rev, entry)));
        }
        Ok(self.settings.as_ref().map(|row| receipt(row.settings.rev, (row.id, row.ts))))
    }

    /// Records the users whom an entry mentions. Returns the notifications of those whom its message did not mention before.
    fn mention(
        &self,
        batch: &Batch<'_>,
        (room, key): (RoomId, EntryKey),
        event: &EntryEvent,
    ) -> Result<Vec<Notification>> {
        let (Some(mentioned), pair) = (Mentioned::of(event), self.pair.as_deref()) else {
            return Ok(Vec::new());
        };
        let mut users = mentioned.users(event.head().from, pair);
        if mentioned.needs_marker && pair.is_none() {
            let mut marked = Vec::with_capacity(users.len());
            for user in users {
                if batch.view().marker(room, &user)?.is_some() {
                    marked.push(user);
                }
            }
            users = marked;
        }
        match event {
            EntryEvent::Message(_) => batch.set_mentions(key, &[], &users)?,
            EntryEvent::Change(entry) => {
                let message = entry.change.target().map_or(key, |(seq, _)| room.key(seq));
                let before = batch.view().mentioned_by(message)?;
                batch.set_mentions(message, &before, &users)?;
                users.retain(|user| !before.contains(user));
            }
        }
        Ok(notifications(event, pair, &users))
    }

    /// Updates the state of the room after an entry. Returns the entries that the entry deletes, with their new frames.
    fn fold(
        &mut self,
        batch: &Batch<'_>,
        (room, key): (RoomId, EntryKey),
        event: &EntryEvent,
        links: Links,
    ) -> Result<Vec<Entry>> {
        let entry = match event {
            EntryEvent::Message(Message { from, ts, .. }) => {
                if let Some(answered) = links.answered {
                    batch.add_reply(answered, key)?;
                }
                if let Some(SettingsRow { settings, .. }) = &self.settings
                    && settings.slow_mode != SlowMode::OFF
                {
                    let interval = u64::from(settings.slow_mode.seconds()) * 1_000;
                    let outdated = Timestamp::from_millis(ts.millis().saturating_sub(interval));
                    batch.set_spoke_at(room, from, *ts, outdated)?;
                }
                return Ok(Vec::new());
            }
            EntryEvent::Change(entry) => entry,
        };
        batch.add_other(key)?;
        if let Change::Room(change) = &entry.change {
            let mut settings = self.settings.as_ref().map(|row| row.settings.clone()).unwrap_or_default();
            if settings.apply(change, entry.seq) {
                let row = SettingsRow { settings, id: entry.id, ts: entry.ts };
                batch.set_settings(room, &row)?;
                self.settings = Some(row);
            }
        }
        let Some(target) = links.target else { return Ok(Vec::new()) };
        let replaced = batch.change(room, entry, target)?;
        let entry = |Replaced { seq, id, frame }| Entry { seq, id, json: frame.into() };
        Ok(replaced.into_iter().map(entry).collect())
    }
}

/// Time between two times. A clock that was far ahead does not prolong it.
fn distance(one: Timestamp, other: Timestamp) -> Duration {
    Duration::from_millis(one.millis().abs_diff(other.millis()))
}
