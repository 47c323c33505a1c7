//! A small vocabulary to make histories up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::history::{
    Act, Entry, Event, History, Instance, Name, Paging, Phase, Position, Recovery, Served, Status, What,
};
use crate::judge::{Verdict, judge};

pub(super) const ROOM: &str = "lobby";
const EPOCH: &str = "epoch";

/// A history as it is written down, a call an event, a millisecond between them.
#[derive(Default)]
pub(super) struct Story {
    pub(super) history: History,
    pub(super) at: Duration,
}

impl Story {
    fn event(&mut self, what: What) {
        self.at += Duration::from_millis(1);
        self.history.events.push(Event { at: self.at, instance: Instance(0), syncs: 0, what });
    }

    pub(super) fn act(&mut self, client: &str, act: Act) -> &mut Self {
        self.event(What::Client { client: client.into(), connection: 1, act });
        self
    }

    pub(super) fn joins(&mut self, client: &str) -> &mut Self {
        let joined = Act::Joined { room: ROOM.into(), since: None, head: Position::START, recovery: None };
        self.act(client, Act::Connected).act(client, joined)
    }

    /// Comes in again with the position after `since`, where the head is at `head`.
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
            since: Some(place(since)),
            head: place(head),
            recovery: Some(Recovery { status, replayed }),
        };
        self.act(client, Act::Lost { close: None }).act(client, Act::Connected).act(client, joined)
    }

    pub(super) fn sends(&mut self, client: &str, key: &str) -> &mut Self {
        self.act(client, Act::Sent { room: ROOM.into(), key: key.into(), text: text_of(key) })
    }

    pub(super) fn acked(&mut self, client: &str, key: &str, seq: u64) -> &mut Self {
        let acked = Act::Acked { room: ROOM.into(), key: key.into(), place: place(seq), duplicate: false };
        self.act(client, acked)
    }

    pub(super) fn shown(&mut self, client: &str, entry: &Entry) -> &mut Self {
        self.act(client, Act::Shown(Arc::new(entry.clone())))
    }

    /// An ack that names the place of that entry.
    pub(super) fn acked_at(&mut self, client: &str, key: &str, entry: &Entry) -> &mut Self {
        let place = Position { epoch: Some(EPOCH.into()), seq: entry.seq, id: Some(entry.id.clone()) };
        self.act(client, Act::Acked { room: ROOM.into(), key: key.into(), place, duplicate: false })
    }

    pub(super) fn loss(&mut self) -> &mut Self {
        self.event(What::Loss);
        self
    }

    pub(super) fn lifted(&mut self) -> &mut Self {
        self.event(What::Lifted);
        self
    }

    pub(super) fn later(&mut self, seconds: u64) -> &mut Self {
        self.at += Duration::from_secs(seconds);
        self
    }

    /// The end: all was one phase, and both pagings gave `entries`.
    pub(super) fn served(&mut self, entries: &[Entry]) -> &mut Self {
        let entries: Vec<_> = entries.iter().cloned().map(Arc::new).collect();
        for paging in [Paging::Forward, Paging::Backward] {
            self.history.served.push(Served {
                instance: Instance(0),
                room: ROOM.into(),
                paging,
                epoch: Some(EPOCH.into()),
                entries: entries.clone(),
            });
        }
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

pub(super) fn place(seq: u64) -> Position {
    Position { epoch: Some(EPOCH.into()), seq, id: Some(format!("id-{seq}").into()) }
}

pub(super) fn entry(seq: u64, from: &str, key: &str) -> Entry {
    Entry {
        room: ROOM.into(),
        seq,
        id: format!("id-{seq}").into(),
        from: from.into(),
        text: text_of(key),
        ts: 1_000 + seq,
        key: Some(key.into()),
    }
}

/// What Alice said.
pub(super) fn log() -> [Entry; 3] {
    [entry(1, "alice", "a"), entry(2, "alice", "b"), entry(3, "alice", "c")]
}

/// Alice and Bob come in, and Alice says all of it, one after the other; both see it.
pub(super) fn sound() -> Story {
    let mut story = Story::default();
    story.joins("alice").joins("bob");
    for entry in &log() {
        let key = entry.key.clone().expect("a key");
        story.sends("alice", &key).shown("alice", entry).acked("alice", &key, entry.seq).shown("bob", entry);
    }
    story
}
