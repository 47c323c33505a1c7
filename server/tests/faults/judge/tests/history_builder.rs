//! A builder of made-up histories.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::history::{
    Act, Content, Entry, Event, EventKind, Folded, History, Instance, Kind, Name, Page, Phase, Position,
    Recovery, Served, Status, Target,
};
use crate::judge::{Verdict, judge};

pub(super) const ROOM: &str = "lobby";
pub(super) const EPOCH: &str = "epoch";

/// Builds a history: one call adds one event, a millisecond after the previous one.
#[derive(Default)]
pub(super) struct HistoryBuilder {
    pub(super) history: History,
    pub(super) at: Duration,
}

impl HistoryBuilder {
    fn event(&mut self, what: EventKind) {
        self.at += Duration::from_millis(1);
        self.history.events.push(Event { at: self.at, instance: Instance(0), syncs: 0, what });
    }

    pub(super) fn act(&mut self, client: &str, act: Act) -> &mut Self {
        self.event(EventKind::Client { client: client.into(), connection: 1, act });
        self
    }

    pub(super) fn joins(&mut self, client: &str) -> &mut Self {
        let joined = Act::Joined { room: ROOM.into(), since: None, head: Position::START, recovery: None };
        self.act(client, Act::Connected).act(client, joined)
    }

    /// Reconnects and joins with the position after entry `since`. The head of the room is `head`.
    pub(super) fn rejoins(
        &mut self,
        client: &str,
        since: u64,
        head: u64,
        status: Status,
        replayed: u64,
    ) -> &mut Self {
        let joined = Act::Joined {
            room: ROOM.into(),
            since: Some(position(since)),
            head: position(head),
            recovery: Some(Recovery { status, replayed }),
        };
        self.act(client, Act::Lost { close: None }).act(client, Act::Connected).act(client, joined)
    }

    pub(super) fn sends(&mut self, client: &str, key: &str) -> &mut Self {
        self.sends_content(client, key, Content::Message { text: text_of(key) })
    }

    pub(super) fn sends_content(&mut self, client: &str, key: &str, content: Content) -> &mut Self {
        self.act(client, Act::Sent { room: ROOM.into(), key: key.into(), content })
    }

    /// Acks a change that changes nothing, with the position of an earlier entry.
    pub(super) fn acked_as_duplicate(&mut self, client: &str, key: &str, seq: u64) -> &mut Self {
        let acked =
            Act::Acked { room: ROOM.into(), key: key.into(), position: position(seq), duplicate: true };
        self.act(client, acked)
    }

    /// Adds a page that was requested before the event `asked`, by a client that held the room up to `held`.
    pub(super) fn paged(&mut self, client: &str, page: &Page, asked: usize, held: u64) -> &mut Self {
        self.act(client, Act::Paged { page: Box::new(page.clone()), asked, held })
    }

    pub(super) fn acked(&mut self, client: &str, key: &str, seq: u64) -> &mut Self {
        let acked =
            Act::Acked { room: ROOM.into(), key: key.into(), position: position(seq), duplicate: false };
        self.act(client, acked)
    }

    pub(super) fn delivered(&mut self, client: &str, entry: &Entry) -> &mut Self {
        self.act(client, Act::Delivered(Arc::new(entry.clone())))
    }

    /// Adds an ack with the position of `entry`.
    pub(super) fn acked_at(&mut self, client: &str, key: &str, entry: &Entry) -> &mut Self {
        let position = Position { epoch: Some(EPOCH.into()), seq: entry.seq, id: Some(entry.id.clone()) };
        self.act(client, Act::Acked { room: ROOM.into(), key: key.into(), position, duplicate: false })
    }

    pub(super) fn loss(&mut self) -> &mut Self {
        self.event(EventKind::Loss);
        self
    }

    pub(super) fn lifted(&mut self) -> &mut Self {
        self.event(EventKind::Lifted);
        self
    }

    pub(super) fn later(&mut self, seconds: u64) -> &mut Self {
        self.at += Duration::from_secs(seconds);
        self
    }

    /// Index of the next event.
    pub(super) fn next_event(&self) -> usize {
        self.history.events.len()
    }

    /// Ends the history: it is one phase, and the log has `entries`.
    pub(super) fn served(&mut self, entries: &[Entry]) -> &mut Self {
        let entries: Vec<_> = entries.iter().cloned().map(Arc::new).collect();
        let (instance, room, epoch) = (Some(Instance(0)), ROOM.into(), Some(EPOCH.into()));
        self.history.served.push(Served { instance, room, epoch, entries });
        self.history.phases = vec![Phase {
            name: "all of it".to_owned(),
            events: 0..self.history.events.len(),
            allows: BTreeSet::new(),
            provoked: BTreeMap::from([("faults".to_owned(), 1)]),
        }];
        self
    }

    #[track_caller]
    pub(super) fn breaks(&self, rules: &[u8]) -> Verdict {
        let verdict = judge(&self.history);
        assert_eq!(verdict.broken().into_iter().collect::<Vec<_>>(), rules, "{verdict}");
        verdict
    }
}

pub(super) fn text_of(key: &str) -> Name {
    format!("text of {key}").into()
}

pub(super) fn position(seq: u64) -> Position {
    Position { epoch: Some(EPOCH.into()), seq, id: Some(format!("id-{seq}").into()) }
}

pub(super) fn entry(seq: u64, from: &str, key: &str) -> Entry {
    Entry {
        kind: Kind::Message,
        room: ROOM.into(),
        seq,
        id: format!("id-{seq}").into(),
        from: from.into(),
        text: text_of(key),
        ts: 1_000 + seq,
        key: Some(key.into()),
        target: None,
        emoji: None,
        removed: false,
        deleted: false,
    }
}

/// The target of a change.
pub(super) fn target(seq: u64) -> Target {
    Target { seq, id: format!("id-{seq}").into() }
}

/// The entry of a change.
pub(super) fn change(seq: u64, from: &str, key: &str, content: &Content) -> Entry {
    let (kind, emoji, removed) = match content {
        Content::Message { .. } => (Kind::Message, None, false),
        Content::Edit { .. } => (Kind::Edit, None, false),
        Content::Delete { .. } => (Kind::Delete, None, false),
        Content::Reaction { emoji, removed, .. } => (Kind::Reaction, Some(emoji.clone()), *removed),
    };
    let text = content.text().cloned().unwrap_or_default();
    let target = content.target().map(|target| target.seq);
    Entry { kind, text, target, emoji, removed, ..entry(seq, from, key) }
}

/// The tombstone of an entry.
pub(super) fn tombstone(entry: &Entry) -> Entry {
    Entry { text: "".into(), deleted: true, ..entry.clone() }
}

/// A page from the start, as of `as_of`.
pub(super) fn page(as_of: u64, messages: Vec<Folded>) -> Page {
    Page { room: ROOM.into(), epoch: Some(EPOCH.into()), covers: 1..=as_of, as_of: Some(as_of), messages }
}

/// A message without changes, as in a page.
pub(super) fn plain(message: &Entry) -> Folded {
    Folded { message: message.clone(), edited_ts: None, reactions: Vec::new(), rev: None }
}

/// Three messages of Alice.
pub(super) fn log() -> [Entry; 3] {
    [entry(1, "alice", "a"), entry(2, "alice", "b"), entry(3, "alice", "c")]
}

/// A sound history: Alice and Bob join, Alice sends all of [`log`], and both receive it.
pub(super) fn sound() -> HistoryBuilder {
    let mut builder = HistoryBuilder::default();
    builder.joins("alice").joins("bob");
    for entry in &log() {
        let key = entry.key.clone().expect("a key");
        builder
            .sends("alice", &key)
            .delivered("alice", entry)
            .acked("alice", &key, entry.seq)
            .delivered("bob", entry);
    }
    builder
}
