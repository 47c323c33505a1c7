//! Writes a run down while it goes on, and lets the schedule wait for what has to come.
//!
//! The [`Board`] is what the events so far come to: who is connected, what is not acked, how far everybody has seen.
//! Schedules wait for a state of it, never for a time; that it does not come is an outcome too ([`Stuck`]), which the
//! judge then explains.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::history::{Act, Entry, Event, History, Instance, Name, Status, What};
use crate::wire::PATIENCE;

/// What no run takes: a time of day that moves on by more was moved.
const JUMP_MS: u64 = 30 * 60 * 1_000;

/// What a schedule waited for did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    /// What that was.
    pub(crate) awaited: String,
}

/// Counts how many times a server has synced its files.
type Syncs = Box<dyn Fn() -> u64 + Send + Sync>;

/// The pen; clones write into the same book.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Shared>);

struct Shared {
    began: Instant,
    syncs: Syncs,
    book: Mutex<Book>,
    changed: Notify,
}

#[derive(Default)]
struct Book {
    history: History,
    board: Board,
    /// Every entry once: it is shown to many.
    entries: HashSet<Arc<Entry>>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self::counting(Box::new(|| 0))
    }

    /// One that writes down with each event how many times the server has synced its files.
    pub(crate) fn counting(syncs: Syncs) -> Self {
        let (book, changed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { began: Instant::now(), syncs, book, changed }))
    }

    pub(crate) fn act(&self, instance: Instance, client: &Name, connection: u32, act: Act) {
        self.write(instance, What::Client { client: client.clone(), connection, act });
    }

    /// Tells the event's index.
    pub(crate) fn fault(&self, instance: Instance, what: impl Into<String>) -> usize {
        self.write(instance, What::Fault(what.into()))
    }

    /// Writes that nothing is in the way any more. The goal: who was there is there again, on other connections than
    /// `left`, and what was open is done.
    pub(crate) fn lifted(&self, instance: Instance, left: BTreeMap<Name, u32>) -> Goal {
        let event = self.write(instance, What::Lifted);
        Goal { event, heads: self.look(|board| board.heads.clone()), left }
    }

    /// Writes that what was acked so far may be gone.
    pub(crate) fn loss(&self) {
        self.write(Instance(0), What::Loss);
        self.look(Board::forget_heads);
    }

    fn write(&self, instance: Instance, what: What) -> usize {
        let index = {
            let mut book = self.0.book.lock();
            let (at, syncs) = (self.0.began.elapsed(), (self.0.syncs)());
            let index = book.history.events.len();
            book.board.take(index, instance, &what);
            book.history.events.push(Event { at, instance, syncs, what });
            index
        };
        self.0.changed.notify_waiters();
        index
    }

    /// The one copy of an entry.
    pub(crate) fn intern(&self, entry: Entry) -> Arc<Entry> {
        let mut book = self.0.book.lock();
        if let Some(known) = book.entries.get(&entry) {
            return known.clone();
        }
        let entry = Arc::new(entry);
        book.entries.insert(entry.clone());
        entry
    }

    /// Changes what is no event: phases, and what is found at the end.
    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut History) -> T) -> T {
        edit(&mut self.0.book.lock().history)
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut Board) -> T) -> T {
        look(&mut self.0.book.lock().board)
    }

    /// Waits until the board is so.
    pub(crate) async fn until(&self, awaited: &str, is_so: impl Fn(&Board) -> bool) -> Result<(), Stuck> {
        let wait = async {
            loop {
                let changed = self.0.changed.notified();
                if self.look(|board| is_so(board)) {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.map_err(|_| Stuck { awaited: format!("{awaited}; {}", self.look(|board| board.open())) })
    }

    /// Waits until a goal is reached.
    pub(crate) async fn healed(&self, goal: &Goal) -> Result<(), Stuck> {
        self.until("everything healed", |board| board.reached(goal)).await
    }

    /// What was written.
    pub(crate) fn history(&self) -> History {
        self.0.book.lock().history.clone()
    }
}

/// What has to be true again after a fault.
pub(crate) struct Goal {
    event: usize,
    heads: BTreeMap<Name, u64>,
    left: BTreeMap<Name, u32>,
}

/// What the events so far come to.
#[derive(Default)]
pub(crate) struct Board {
    pub(crate) clients: BTreeMap<Name, Standing>,
    /// The newest acked entry of each room.
    pub(crate) heads: BTreeMap<Name, u64>,
    pub(crate) acks: u64,
    pub(crate) duplicates: u64,
    pub(crate) refusals: u64,
    pub(crate) reconnects: u64,
    pub(crate) shown: u64,
    pub(crate) resyncs: u64,
    pub(crate) resets: u64,
    /// How connections were closed, by the codes that came.
    pub(crate) closes: BTreeMap<u16, u64>,
    /// How many times the time of entries went on by more than half an hour, or back.
    pub(crate) jumps: u64,
    last_ts: u64,
}

/// How a client stands.
#[derive(Default)]
pub(crate) struct Standing {
    /// In how many rooms it wants to be.
    pub(crate) rooms: usize,
    pub(crate) connection: u32,
    /// Where its connection led.
    pub(crate) instance: Option<Instance>,
    pub(crate) connected: bool,
    /// It was here and means to be.
    pub(crate) present: bool,
    /// The rooms that this connection is in.
    joined: HashSet<Name>,
    /// How far it has seen each room, over all its connections.
    seen: BTreeMap<Name, u64>,
    /// What it has sent and has no ack for: the event of the first sending.
    unacked: BTreeMap<Name, usize>,
}

impl Standing {
    fn has_seen(&self, heads: &BTreeMap<Name, u64>) -> bool {
        let missing = |room: &Name| self.seen.get(room) < heads.get(room);
        !self.joined.iter().any(missing)
    }

    /// Whether it has sent something new after that event, and has no ack of it.
    pub(crate) fn waits_since(&self, event: usize) -> bool {
        self.unacked.values().any(|sent| *sent > event)
    }

    fn is_back(&self) -> bool {
        !self.present || (self.connected && self.joined.len() == self.rooms)
    }
}

impl Board {
    fn take(&mut self, index: usize, instance: Instance, what: &What) {
        let What::Client { client, connection, act } = what else { return };
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
            Act::Sent { key, .. } => {
                standing.unacked.entry(key.clone()).or_insert(index);
            }
            Act::Acked { room, key, place, duplicate } => {
                standing.unacked.remove(key);
                self.acks += 1;
                self.duplicates += u64::from(*duplicate);
                let head = self.heads.entry(room.clone()).or_default();
                *head = place.seq.max(*head);
            }
            Act::Refused { .. } => self.refusals += 1,
            Act::Nonsense { .. } => {}
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
            Act::Shown(entry) => {
                self.shown += 1;
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

    /// What was acked may be lost: what is acked from now on has to be shown.
    fn forget_heads(&mut self) {
        self.heads.clear();
    }

    /// Whether all is acked that was sent.
    pub(crate) fn is_acked(&self) -> bool {
        self.clients.values().all(|standing| standing.unacked.is_empty())
    }

    /// Whether nothing is open: everyone is back, everything is acked and shown.
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

    /// What the clients have counted, by the name that phases give it.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        Some(match name.split_once('=').map_or((name, ""), |(name, code)| (name, code)) {
            ("client_reconnects", _) => self.reconnects,
            ("client_duplicates", _) => self.duplicates,
            ("client_refusals", _) => self.refusals,
            ("client_resyncs", _) => self.resyncs,
            ("client_resets", _) => self.resets,
            ("client_clock_jumps", _) => self.jumps,
            ("client_closes", code) => {
                let code = code.parse().expect("a close code");
                self.closes.get(&code).copied().unwrap_or(0)
            }
            _ => return None,
        })
    }

    /// The connections that there are now, of those clients that are meant.
    pub(crate) fn connections(&self, whose: impl Fn(&Name, &Standing) -> bool) -> BTreeMap<Name, u32> {
        let there = self.clients.iter().filter(|(_, standing)| standing.connected);
        let meant = there.filter(|(client, standing)| whose(client, standing));
        meant.map(|(client, standing)| (client.clone(), standing.connection)).collect()
    }

    /// What is open, for a report.
    fn open(&self) -> String {
        let open = self.clients.iter().filter(|(_, standing)| {
            !standing.is_back() || !standing.unacked.is_empty() || !standing.has_seen(&self.heads)
        });
        let lines = open.map(|(client, standing)| {
            let Standing { rooms, connection, connected, present, joined, unacked, .. } = standing;
            let (joined, unacked) = (joined.len(), unacked.len());
            format!(
                "{client}/{connection} connected {connected} present {present} in {joined} of {rooms} unacked {unacked}"
            )
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}
