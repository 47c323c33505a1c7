//! The changes of a room that is imported: what its entries have made of its messages and settings.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ::redis::Pipeline;
use realtime_shared::{
    Change, ChangeEntry, EntryEvent, EntryFields, EntryId, Message, MessageState, Reaction, RoomSettings,
    Seq, Text, Timestamp, UserId,
};

use crate::broker::redis::log::stored_entry::{settings_record, state_record};

/// The changes of the entries so far.
pub(super) struct ImportFold {
    /// The first entry of the import: earlier ones were dropped.
    first: Seq,
    /// Entries that are not messages, and the message that each changes.
    others: BTreeMap<Seq, Option<Seq>>,
    states: BTreeMap<Seq, FoldedState>,
    /// Replies, and the message that each answers.
    answers: BTreeMap<Seq, Seq>,
    settings: Option<(RoomSettings, EntryId, Timestamp)>,
}

struct FoldedState {
    state: MessageState,
    id: EntryId,
    ts: Timestamp,
    edits: Vec<Seq>,
    /// Emoji by user, one a line.
    reacted: HashMap<UserId, String>,
}

impl ImportFold {
    pub(super) fn new(first: Seq) -> Self {
        Self {
            first,
            others: BTreeMap::new(),
            states: BTreeMap::new(),
            answers: BTreeMap::new(),
            settings: None,
        }
    }

    /// Takes the next entry; `None` if its kind is unknown to this version.
    pub(super) fn add(&mut self, seq: Seq, event: Option<&EntryEvent>) {
        match event {
            None => drop(self.others.insert(seq, None)),
            Some(EntryEvent::Message(message)) => {
                if let Some(target) = message.reply_to.filter(|target| (self.first..seq).contains(target)) {
                    self.answers.insert(seq, target);
                }
            }
            Some(EntryEvent::Change(entry)) => {
                let target = entry.change.target().map(|(target, _)| target);
                self.others.insert(seq, target);
                match (&entry.change, target) {
                    (Change::Room(change), _) => {
                        let mut settings =
                            self.settings.take().map(|(settings, ..)| settings).unwrap_or_default();
                        settings.apply(change, seq);
                        self.settings = Some((settings, entry.id, entry.ts));
                    }
                    (_, Some(target)) if self.has_message(target, seq) => self.change(entry, target),
                    (_, Some(_) | None) => {}
                }
            }
        }
    }

    fn has_message(&self, target: Seq, before: Seq) -> bool {
        (self.first..before).contains(&target) && !self.others.contains_key(&target)
    }

    fn change(&mut self, entry: &ChangeEntry, target: Seq) {
        let before = self.states.get(&target).map(|folded| &folded.state);
        let mut message = of_state(entry, target, before);
        if !message.apply(entry, None) {
            return;
        }
        let state = MessageState::after(before, entry, &message);
        let folded = self.states.entry(target).or_insert_with(|| FoldedState {
            state: MessageState::default(),
            id: entry.id,
            ts: entry.ts,
            edits: Vec::new(),
            reacted: HashMap::new(),
        });
        (folded.state, folded.id, folded.ts) = (state, entry.id, entry.ts);
        match &entry.change {
            Change::Edit(_) => folded.edits.push(entry.seq),
            Change::Delete(_) => folded.reacted.clear(),
            Change::Reaction(Reaction { emoji, removed, .. }) => {
                let list = folded.reacted.entry(entry.from.clone()).or_default();
                let key = emoji.key();
                let others = list.lines().filter(|line| *line != key);
                *list = others.chain((!removed).then_some(&*key)).collect::<Vec<_>>().join("\n");
            }
            Change::Pin(_) | Change::Room(_) => {}
        }
    }

    /// The commands that store the changes under a prefix, in parts, and `others` last. They expire.
    pub(super) fn pipelines(&self, base: &str, seconds: u64) -> Vec<Pipeline> {
        const COMMANDS: usize = 500;
        let mut parts = Vec::new();
        let mut part = Pipeline::new();
        let mut keys = BTreeSet::new();
        let mut add = |key: String, words: &[&[u8]], command: &str| {
            let added = part.cmd(command).arg(&key);
            for word in words {
                added.arg(*word);
            }
            if keys.insert(key.clone()) {
                part.cmd("EXPIRE").arg(&key).arg(seconds);
            }
            if part.len() >= COMMANDS {
                parts.push(std::mem::take(&mut part));
            }
        };
        let key = |name: &str| format!("{base}{name}");
        let mut replies: BTreeMap<Seq, u64> = BTreeMap::new();
        for (reply, target) in &self.answers {
            let member = format!("{:016}:{:016}", target.get(), reply.get());
            add(key("answers"), &[b"0", member.as_bytes()], "ZADD");
            let is_deleted = self.states.get(reply).is_some_and(|folded| folded.state.is_deleted());
            *replies.entry(*target).or_default() += u64::from(!is_deleted);
        }
        for (target, count) in replies {
            add(key("replies"), &[target.to_string().as_bytes(), count.to_string().as_bytes()], "HSET");
        }
        for (target, folded) in &self.states {
            let FoldedState { state, id, ts, edits, reacted } = folded;
            let target = target.to_string();
            let record = state_record(state, *id, *ts, edits);
            add(key("states"), &[target.as_bytes(), record.as_bytes()], "HSET");
            if state.is_pinned() {
                add(key("pins"), &[target.as_bytes(), target.as_bytes()], "ZADD");
            }
            for (user, list) in reacted.iter().filter(|(_, list)| !list.is_empty()) {
                let row = [user.as_str().as_bytes(), list.as_bytes()];
                add(key(&format!("reacted:{target}")), &row, "HSET");
            }
        }
        if let Some((settings, id, ts)) = &self.settings {
            add(key("meta"), &[b"settings", settings_record(settings, *id, *ts).as_bytes()], "HSET");
        }
        for (seq, target) in &self.others {
            let seq = seq.to_string();
            let member = target.map_or_else(|| seq.clone(), |target| format!("{seq}:{target}"));
            add(key("others"), &[seq.as_bytes(), member.as_bytes()], "ZADD");
        }
        parts.push(part);
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// Number of entries that are not messages, and of replies.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.others.len(), self.answers.len())
    }
}

/// A message with this state. Its own text is not known, and no state depends on it.
fn of_state(entry: &ChangeEntry, seq: Seq, state: Option<&MessageState>) -> Message {
    let fields = EntryFields {
        room: entry.room.clone(),
        from: entry.from.clone(),
        seq,
        id: entry.id,
        ts: entry.ts,
        client_msg_id: None,
        epoch: None,
    };
    let message = Message::new(Text::deleted().into(), fields);
    match state {
        Some(state) => state.restore(message),
        None => message,
    }
}
