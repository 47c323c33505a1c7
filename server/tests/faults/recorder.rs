//! Records a run, and lets the schedule wait for events.
//!
//! The [`Progress`] sums up the events so far: connected clients, messages without an ack, entries that each client
//! received. Schedules wait for a state of it and not for a time. If the state does not come, the wait fails with
//! [`Stuck`], and the judge explains the cause.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::history::{Act, Entry, Event, EventKind, History, Instance, Kind, Name, Status};
use crate::wire::TIMEOUT;

/// Difference of entry times that only a changed clock explains, because no run takes so long.
const JUMP_MS: u64 = 30 * 60 * 1_000;

/// An awaited event did not happen in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) awaited: String,
}

/// Returns the number of finished syncs of a server.
type Syncs = Box<dyn Fn() -> u64 + Send + Sync>;

/// Writes the history. Clones share it.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<RecorderState>);

struct RecorderState {
    began: Instant,
    syncs: Syncs,
    book: Mutex<Records>,
    changed: Notify,
}

#[derive(Default)]
struct Records {
    history: History,
    progress: Progress,
    /// One copy of each entry, because an entry is delivered to many clients.
    entries: HashSet<Arc<Entry>>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self::counting(Box::new(|| 0))
    }

    /// Creates a recorder that adds the number of finished syncs to each event.
    pub(crate) fn counting(syncs: Syncs) -> Self {
        let (book, changed) = (Mutex::default(), Notify::new());
        Self(Arc::new(RecorderState { began: Instant::now(), syncs, book, changed }))
    }

    /// Records an act of a client and returns the index of its event.
    pub(crate) fn act(&self, instance: Instance, client: &Name, connection: u32, act: Act) -> usize {
        self.write(instance, EventKind::Client { client: client.clone(), connection, act })
    }

    /// Index of the next event.
    pub(crate) fn next_event(&self) -> usize {
        self.edit(|history| history.events.len())
    }

    /// Records a fault and returns the index of its event.
    pub(crate) fn fault(&self, instance: Instance, what: impl Into<String>) -> usize {
        self.write(instance, EventKind::Fault(what.into()))
    }

    /// Records that all faults are over. Returns the goal: clients that were present are connected again, on other
    /// connections than `left`, and all open messages are done.
    pub(crate) fn lifted(&self, instance: Instance, left: BTreeMap<Name, u32>) -> Goal {
        let event = self.write(instance, EventKind::Lifted);
        Goal { event, heads: self.progress(|progress| progress.heads.clone()), left }
    }

    /// Records that acked entries may be lost.
    pub(crate) fn loss(&self) {
        self.write(Instance(0), EventKind::Loss);
        self.progress(Progress::forget_heads);
    }

    fn write(&self, instance: Instance, what: EventKind) -> usize {
        let index = {
            let mut book = self.0.book.lock();
            let (at, syncs) = (self.0.began.elapsed(), (self.0.syncs)());
            let index = book.history.events.len();
            book.progress.take(index, instance, &what);
            book.history.events.push(Event { at, instance, syncs, what });
            index
        };
        self.0.changed.notify_waiters();
        index
    }

    /// Returns the shared copy of an entry.
    pub(crate) fn intern(&self, entry: Entry) -> Arc<Entry> {
        let mut book = self.0.book.lock();
        if let Some(known) = book.entries.get(&entry) {
            return known.clone();
        }
        let entry = Arc::new(entry);
        book.entries.insert(entry.clone());
        entry
    }

    /// Changes the parts of the history that are not events: phases and final findings.
    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut History) -> T) -> T {
        edit(&mut self.0.book.lock().history)
    }

    pub(crate) fn progress<T>(&self, look: impl FnOnce(&mut Progress) -> T) -> T {
        look(&mut self.0.book.lock().progress)
    }

    /// Waits until `matches` holds. Fails after [`TIMEOUT`].
    pub(crate) async fn until(
        &self,
        awaited: &str,
        matches: impl Fn(&Progress) -> bool,
    ) -> Result<(), Stuck> {
        let wait = async {
            loop {
                let changed = self.0.changed.notified();
                if self.progress(|progress| matches(progress)) {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(TIMEOUT, wait).await;
        waited.map_err(|_| Stuck {
            awaited: format!("{awaited}; {}", self.progress(|progress| progress.open())),
        })
    }

    /// Waits until a goal is reached.
    pub(crate) async fn healed(&self, goal: &Goal) -> Result<(), Stuck> {
        self.until("everything healed", |progress| progress.reached(goal)).await
    }

    /// Returns a copy of the history.
    pub(crate) fn history(&self) -> History {
        self.0.book.lock().history.clone()
    }
}

/// State to reach after a fault.
pub(crate) struct Goal {
    event: usize,
    heads: BTreeMap<Name, u64>,
    left: BTreeMap<Name, u32>,
}

/// Summary of the events so far.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) clients: BTreeMap<Name, ClientState>,
    /// Highest acked seq of each room.
    pub(crate) heads: BTreeMap<Name, u64>,
    pub(crate) acks: u64,
    pub(crate) duplicates: u64,
    pub(crate) refusals: u64,
    pub(crate) reconnects: u64,
    pub(crate) delivered: u64,
    pub(crate) pages: u64,
    pub(crate) markers: u64,
    /// Changes that were acked, those that changed nothing included.
    pub(crate) changes: u64,
    /// Changes that were refused because their messages are deleted.
    pub(crate) rejections: u64,
    /// Deletions that were stored.
    pub(crate) deletions: u64,
    pub(crate) resyncs: u64,
    pub(crate) resets: u64,
    /// Number of closes by close code.
    pub(crate) closes: BTreeMap<u16, u64>,
    /// Number of times the time of entries jumped by more than half an hour.
    pub(crate) jumps: u64,
    last_ts: u64,
}

/// State of a client.
#[derive(Default)]
pub(crate) struct ClientState {
    /// Number of rooms that the client should be in.
    pub(crate) rooms: usize,
    pub(crate) connection: u32,
    /// Server of the current connection.
    pub(crate) instance: Option<Instance>,
    pub(crate) connected: bool,
    /// True from the first connection until the client leaves on purpose.
    pub(crate) present: bool,
    /// Rooms joined on the current connection.
    joined: HashSet<Name>,
    /// Highest seq received in each room, over all connections.
    seen: BTreeMap<Name, u64>,
    /// Messages without an ack, with the event of their first sending.
    unacked: BTreeMap<Name, usize>,
    /// Kinds of the changes without an ack.
    changes: BTreeMap<Name, Kind>,
}

impl ClientState {
    fn has_seen(&self, heads: &BTreeMap<Name, u64>) -> bool {
        let missing = |room: &Name| self.seen.get(room) < heads.get(room);
        !self.joined.iter().any(missing)
    }

    /// True if a message first sent after that event has no ack.
    pub(crate) fn waits_since(&self, event: usize) -> bool {
        self.unacked.values().any(|sent| *sent > event)
    }

    fn is_back(&self) -> bool {
        !self.present || (self.connected && self.joined.len() == self.rooms)
    }
}

impl Progress {
    fn take(&mut self, index: usize, instance: Instance, what: &EventKind) {
        let EventKind::Client { client, connection, act } = what else { return };
        let standing = self.clients.entry(client.clone()).or_default();
        match act {
            Act::Connected => {
                self.reconnects += u64::from(standing.connection > 0);
                (standing.connection, standing.connected, standing.present) = (*connection, true, true);
                standing.instance = Some(instance);
            }
            Act::Lost { .. } | Act::Away => {
                if let Act::Lost { close: Some(code) } = act {
                    *self.closes.entry(*code).or_default() += 1;
                }
                standing.connected = false;
                standing.present &= *act != Act::Away;
                standing.joined.clear();
            }
            Act::Sent { key, content, .. } => {
                standing.unacked.entry(key.clone()).or_insert(index);
                if content.kind() != Kind::Message {
                    standing.changes.insert(key.clone(), content.kind());
                }
            }
            Act::Acked { room, key, position, duplicate } => {
                standing.unacked.remove(key);
                if let Some(kind) = standing.changes.remove(key) {
                    self.changes += 1;
                    self.deletions += u64::from(kind == Kind::Delete);
                }
                self.acks += 1;
                self.duplicates += u64::from(*duplicate);
                let head = self.heads.entry(room.clone()).or_default();
                *head = position.seq.max(*head);
            }
            Act::Rejected { key } => {
                standing.unacked.remove(key);
                standing.changes.remove(key);
                self.rejections += 1;
            }
            Act::Refused { .. } => self.refusals += 1,
            Act::Paged { .. } => self.pages += 1,
            Act::Marked { .. } => self.markers += 1,
            Act::Read { .. } | Act::Violation { .. } => {}
            Act::Joined { room, since, head, recovery } => {
                standing.joined.insert(room.clone());
                if let Some(recovery) = recovery.filter(|recovery| recovery.status != Status::Complete) {
                    self.resets += 1;
                    standing.seen.insert(room.clone(), head.seq.saturating_sub(recovery.replayed));
                }
                if since.is_none() {
                    standing.seen.insert(room.clone(), head.seq);
                }
            }
            Act::Delivered(entry) => {
                self.delivered += 1;
                self.jumps += u64::from(self.last_ts > 0 && entry.ts.abs_diff(self.last_ts) > JUMP_MS);
                self.last_ts = entry.ts;
                standing.seen.insert(entry.room.clone(), entry.seq);
            }
            Act::Resynced { room, head, recovery } => {
                self.resyncs += 1;
                standing.seen.insert(room.clone(), head.seq.saturating_sub(recovery.replayed));
            }
        }
    }

    /// Forgets heads, because acked entries may be lost. Only entries acked from now on must arrive.
    fn forget_heads(&mut self) {
        self.heads.clear();
    }

    /// True if every message has an ack.
    pub(crate) fn is_acked(&self) -> bool {
        self.clients.values().all(|standing| standing.unacked.is_empty())
    }

    /// True if every client is connected, every message is acked, and every acked entry is delivered.
    pub(crate) fn is_quiet(&self) -> bool {
        self.clients.values().all(|standing| {
            standing.is_back()
                && (!standing.present || (standing.unacked.is_empty() && standing.has_seen(&self.heads)))
        })
    }

    fn reached(&self, goal: &Goal) -> bool {
        self.clients.iter().all(|(client, standing)| {
            let elsewhere = goal.left.get(client).is_none_or(|left| standing.connection > *left);
            let acked = standing.unacked.values().all(|sent| *sent > goal.event);
            !standing.present || (elsewhere && standing.is_back() && acked && standing.has_seen(&goal.heads))
        })
    }

    /// Count of client events, by the name that phases use. `None`: the name is not a client counter.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        Some(match name.split_once('=').map_or((name, ""), |(name, code)| (name, code)) {
            ("client_reconnects", _) => self.reconnects,
            ("client_duplicates", _) => self.duplicates,
            ("client_refusals", _) => self.refusals,
            ("client_resyncs", _) => self.resyncs,
            ("client_pages", _) => self.pages,
            ("client_markers", _) => self.markers,
            ("client_changes", _) => self.changes,
            ("client_rejections", _) => self.rejections,
            ("client_deletions", _) => self.deletions,
            ("client_resets", _) => self.resets,
            ("client_clock_jumps", _) => self.jumps,
            ("client_closes", code) => {
                let code = code.parse().expect("a close code");
                self.closes.get(&code).copied().unwrap_or(0)
            }
            _ => return None,
        })
    }

    /// Current connections of the clients that `whose` selects.
    pub(crate) fn connections(&self, whose: impl Fn(&Name, &ClientState) -> bool) -> BTreeMap<Name, u32> {
        let there = self.clients.iter().filter(|(_, standing)| standing.connected);
        let meant = there.filter(|(client, standing)| whose(client, standing));
        meant.map(|(client, standing)| (client.clone(), standing.connection)).collect()
    }

    /// Unfinished clients, for an error text.
    fn open(&self) -> String {
        let open = self.clients.iter().filter(|(_, standing)| {
            !standing.is_back() || !standing.unacked.is_empty() || !standing.has_seen(&self.heads)
        });
        let lines = open.map(|(client, standing)| {
            let ClientState { rooms, connection, connected, present, joined, unacked, .. } = standing;
            let (joined, unacked) = (joined.len(), unacked.len());
            format!(
                "{client}/{connection} connected {connected} present {present} in {joined} of {rooms} unacked {unacked}"
            )
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}
