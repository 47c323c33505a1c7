//! Views of the target of a change, as `append.lua` returns them, and the decision on the change.
//!
//! The rules are those of [`rules::decide`]; the script only compares the ids of the entries that made the state and the
//! settings that the decision saw.

use ::redis::{Cmd, Value};
use realtime_shared::rules::{self, Decision, Request, RoomView, RuleError, Rules, TargetView};
use realtime_shared::{
    Change, ChangeEntry, Content, Emoji, EntryEvent, EntryId, Epoch, Message, MessageState, Pin, Reaction,
    RoomSettings, Seq, Timestamp, codec,
};

use super::stored_entry::{SettingsRecord, StateRecord, StoredEntry};
use crate::broker::redis::transport::reply;
use crate::broker::{Receipt, Submission};

/// The letter of a kind of change in the arguments of `append.lua`.
pub(crate) const fn letter(change: &Change) -> &'static str {
    match change {
        Change::Edit(_) => "e",
        Change::Delete(_) => "d",
        Change::Reaction(_) => "r",
        Change::Pin(_) => "p",
        Change::Room(_) => "s",
    }
}

/// A view for one change.
#[derive(Debug)]
pub(crate) struct ChangeView {
    epoch: Option<Epoch>,
    head: Seq,
    pub(crate) settings: Option<SettingsRecord>,
    target: Option<Target>,
    pins: usize,
    /// The edits of the target, for a deletion.
    edits: Vec<StoredEntry>,
}

/// The message that a change targets.
#[derive(Debug)]
struct Target {
    stored: StoredEntry,
    state: Option<StateRecord>,
    /// The message with its changes.
    message: Message,
    /// Emoji of the sender, one a line.
    reacted: String,
}

/// A change that is stored if the view is still the present one.
pub(crate) struct Expected {
    /// The id of the entry that made the settings; empty if there are none.
    settings: String,
    /// The id of the entry that made the state of the target; empty without a target.
    state: String,
    /// The new state or settings, JSON.
    made: String,
    /// The value that the script stores beside the state; its form depends on the kind.
    beside: String,
    pins: Option<usize>,
    /// The seqs and frames of entries that are replaced.
    replaced: Vec<(Seq, String)>,
}

/// The decision on a change that the rules allow.
pub(crate) enum ChangeDecision {
    Append(Expected),
    /// It changes nothing. The receipt is that of the entry that made the state.
    Unchanged(Receipt),
}

impl Expected {
    /// Arguments that no view has: the script returns the present one.
    pub(crate) fn none() -> Self {
        let none = "?".to_owned();
        Self {
            settings: none.clone(),
            state: none,
            made: String::new(),
            beside: String::new(),
            pins: None,
            replaced: Vec::new(),
        }
    }

    /// Adds the arguments to a call of `append.lua` for a change of a user.
    pub(crate) fn complete(self, append: &mut Cmd, messages_kept: u64, from: &str) {
        append
            .arg(self.settings)
            .arg(messages_kept)
            .arg(from)
            .arg(self.state)
            .arg(self.made)
            .arg(self.beside);
        if let Some(pins) = self.pins {
            append.arg(pins);
        }
        for (seq, frame) in self.replaced {
            append.arg(seq.get()).arg(frame);
        }
    }
}

impl ChangeView {
    /// Reads an answer of `append.lua`; `None` if it is not a view that can be read. A target of which `is_past` returns true
    /// is beyond the retention.
    pub(crate) fn parse(answer: &Value, is_past: impl Fn(Timestamp) -> bool) -> Option<Self> {
        let [_, epoch, head, settings, target, state, reacted, pins, edits] = reply::items(answer) else {
            return None;
        };
        let target = match reply::items(target) {
            [] => None,
            _ => Some(StoredEntry::parse(target)?).filter(|stored| !is_past(stored.ts)),
        };
        let state = match reply::text(state)? {
            "" => None,
            text => Some(StateRecord::parse(text)?),
        };
        let reacted = reply::text(reacted)?.to_owned();
        Some(Self {
            epoch: Epoch::new(reply::text(epoch)?),
            head: Seq::new(reply::parse(head)?),
            settings: SettingsRecord::parse_optional(settings).ok()?,
            target: target.and_then(|stored| Target::new(stored, state, reacted)),
            pins: reply::parse(pins)?,
            edits: reply::items(edits).iter().map(StoredEntry::parse).collect::<Option<_>>()?,
        })
    }

    /// Decides on a change that would be stored with this id and time.
    pub(crate) fn decide(
        &self,
        rules: &Rules,
        submission: &Submission,
        id: EntryId,
        now: Timestamp,
    ) -> Result<ChangeDecision, RuleError> {
        let default = RoomSettings::default();
        let settings = self.settings.as_ref().map_or(&default, |known| &known.settings);
        let Submission { from, power, content, .. } = submission;
        let view = self.target.as_ref().map(|target| TargetView {
            message: &target.message,
            edits: target.state.as_ref().map_or(0, |record| record.state.edits()),
            has_reacted: emoji_of(content).is_some_and(|emoji| target.has_reacted(emoji)),
        });
        let room = RoomView { settings, head: self.head, pins: self.pins, since_last_message: None };
        let request = Request { from, power: *power, now, content };
        match rules::decide(rules, &request, &room, view.as_ref())? {
            Decision::Unchanged => {
                self.newest_change().map(ChangeDecision::Unchanged).ok_or_else(RuleError::not_found)
            }
            Decision::Store => {
                let expected = self.expect(submission, settings, id, now);
                expected.map(ChangeDecision::Append).ok_or_else(RuleError::not_found)
            }
        }
    }

    /// The receipt of the entry that last changed the target; without a target, of the one that last changed the settings.
    fn newest_change(&self) -> Option<Receipt> {
        let (seq, id, ts) = match (&self.target, &self.settings) {
            (Some(Target { state: Some(record), .. }), _) => (record.state.rev(), record.id, record.ts),
            (Some(Target { stored, .. }), _) => (stored.entry.seq, stored.entry.id, stored.ts),
            (None, Some(record)) => (record.settings.rev, record.id, record.ts),
            (None, None) => return None,
        };
        Some(Receipt { epoch: self.epoch.clone()?, seq, id, ts, duplicate: true })
    }

    /// The change as it is stored after this view. `None` if it is not a change, or its target is missing.
    fn expect(
        &self,
        submission: &Submission,
        settings: &RoomSettings,
        id: EntryId,
        now: Timestamp,
    ) -> Option<Expected> {
        let seq = self.head.next();
        let epoch = self.epoch.clone().unwrap_or_else(|| Epoch::from_id(id));
        let EntryEvent::Change(entry) = submission.clone().into_event(&epoch, seq, id, now) else {
            return None;
        };
        let known = self.settings.as_ref().map(|known| known.id.to_string()).unwrap_or_default();
        let expected = Expected { settings: known, state: String::new(), ..Expected::none() };
        if let Change::Room(change) = &entry.change {
            let mut settings = settings.clone();
            settings.apply(change, seq);
            return Some(Expected { made: serde_json::to_string(&settings).ok()?, ..expected });
        }
        let target = self.target.as_ref()?;
        let mut message = target.message.clone();
        message.apply(&entry, None);
        let before = target.state.as_ref();
        let state = MessageState::after(before.map(|record| &record.state), &entry, &message);
        let made_by = before.map_or(target.stored.entry.id, |record| record.id);
        let expected =
            Expected { state: made_by.to_string(), made: serde_json::to_string(&state).ok()?, ..expected };
        Some(match &entry.change {
            Change::Room(_) | Change::Edit(_) => expected,
            Change::Reaction(reaction) => Expected { beside: target.reacted_after(reaction), ..expected },
            Change::Pin(Pin { removed, .. }) => {
                Expected { beside: u8::from(!removed).to_string(), pins: Some(self.pins), ..expected }
            }
            Change::Delete(_) => Expected {
                beside: message.reply_to.unwrap_or(Seq::ZERO).to_string(),
                replaced: self.tombstones(target, &entry),
                ..expected
            },
        })
    }

    /// The seqs and frames that replace the target and its edits.
    fn tombstones(&self, target: &Target, deletion: &ChangeEntry) -> Vec<(Seq, String)> {
        let covered = std::iter::once(&target.stored).chain(&self.edits);
        let tombstone = |stored: &StoredEntry| {
            let event = codec::decode_entry(&stored.entry.json)?;
            let tombstone = event.tombstone(&deletion.from, deletion.ts)?;
            Some((stored.entry.seq, codec::encode_entry(&tombstone)))
        };
        covered.filter_map(tombstone).collect()
    }
}

impl Target {
    /// `None` if the entry is not a message that this version can read.
    fn new(stored: StoredEntry, state: Option<StateRecord>, reacted: String) -> Option<Self> {
        let EntryEvent::Message(message) = codec::decode_entry(&stored.entry.json)? else { return None };
        let message = match &state {
            Some(record) => record.state.restore(message),
            None => message,
        };
        Some(Self { stored, state, message, reacted })
    }

    fn has_reacted(&self, emoji: &Emoji) -> bool {
        has_reacted(&self.reacted, emoji)
    }

    /// The emoji of the sender after a reaction.
    fn reacted_after(&self, Reaction { emoji, removed, .. }: &Reaction) -> String {
        let key = emoji.key();
        let others = self.reacted.lines().filter(|line| *line != key);
        others.chain((!removed).then_some(&*key)).collect::<Vec<_>>().join("\n")
    }
}

/// True if a list of emoji, one a line, has this one.
pub(crate) fn has_reacted(list: &str, emoji: &Emoji) -> bool {
    let key = emoji.key();
    list.lines().any(|line| line == key)
}

/// The emoji of a reaction.
fn emoji_of(content: &Content) -> Option<&Emoji> {
    match content {
        Content::Change(Change::Reaction(Reaction { emoji, .. })) => Some(emoji),
        Content::Message(_)
        | Content::Change(Change::Edit(_) | Change::Delete(_) | Change::Pin(_) | Change::Room(_)) => None,
    }
}
