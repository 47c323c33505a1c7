//! Search of messages in memory: a thread reads the newest messages of the rooms, without an index.
//!
//! The rooms with the newest entries come first, and a room is left as soon as its older messages cannot be among the
//! results. The lock of a log is held for a few messages at a time. A search looks at a limited number of messages.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, mpsc};
use std::thread;

use parking_lot::{Mutex, MutexGuard};
use realtime_shared::{EntryEvent, Message, MessageState, RoomName, Seq, Timestamp, UserId, codec};
use tokio::sync::oneshot;

use super::boot_time::BootTime;
use super::log::{MemoryLog, SharedLog, SharedLogs};
use crate::broker::room_list::RoomList;
use crate::broker::{FoundPage, Pending, RoomFilter, SearchQuery, Unavailable};
use crate::config::Retain;
use crate::search::Words;

/// Limit on waiting searches. Beyond it they are unavailable. A connection has one at a time.
const MAX_SEARCHES: usize = 10_000;
/// Rooms that are read from the list at a time.
const ROOMS: usize = 256;
/// Messages that are read while a log is locked.
const TURN: usize = 64;
/// Most messages that a search looks at: some tenths of a second.
const MAX_LOOKED_AT: usize = 100_000;

/// The thread of searches, which starts with the first one and ends with the last owner.
#[derive(Default)]
pub(super) struct SearchThread(Mutex<Option<mpsc::SyncSender<Job>>>);

type Job = Box<dyn FnOnce() + Send>;

impl SearchThread {
    pub(super) fn run(&self, search: Search) -> Pending<FoundPage> {
        let (answer, answered) = oneshot::channel();
        let started = self.start(Box::new(move || {
            // The caller may have gone.
            if !answer.is_closed() {
                let _ = answer.send(search.run());
            }
        }));
        Box::pin(async move {
            started?;
            answered.await.map_err(|_| Unavailable)
        })
    }

    fn start(&self, job: Job) -> Result<(), Unavailable> {
        let mut sender = self.0.lock();
        if sender.is_none() {
            let (jobs, receiver) = mpsc::sync_channel::<Job>(MAX_SEARCHES);
            let run = move || receiver.iter().for_each(|job| job());
            thread::Builder::new().name("search".to_owned()).spawn(run).map_err(|error| {
                tracing::error!(%error, "cannot start a thread");
                Unavailable
            })?;
            *sender = Some(jobs);
        }
        let jobs = sender.as_ref().ok_or(Unavailable)?;
        jobs.try_send(job).map_err(|_| Unavailable)
    }
}

/// A search, with all that it needs of the engine.
pub(super) struct Search {
    pub(super) logs: SharedLogs,
    pub(super) list: RoomList,
    pub(super) query: SearchQuery,
    pub(super) rooms: RoomFilter,
    pub(super) viewer: UserId,
    pub(super) retain: Retain,
    pub(super) since_boot: BootTime,
}

/// A message that a search found, ordered by its age.
struct Hit {
    ts: Timestamp,
    seq: Seq,
    log: SharedLog,
}

impl Hit {
    fn key(&self) -> (Timestamp, Seq) {
        (self.ts, self.seq)
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Hit {}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// A message to be looked at.
struct Candidate {
    seq: Seq,
    frame: Arc<str>,
    state: Option<MessageState>,
}

impl Search {
    fn run(&self) -> FoundPage {
        if self.query.query.phrases().is_empty() {
            return FoundPage::default();
        }
        let wanted = self.query.limit + 1;
        let mut newest: BinaryHeap<Reverse<Hit>> = BinaryHeap::with_capacity(wanted + 1);
        let (mut words, mut looked_at) = (Words::default(), 0);
        for (last_ts, log) in self.candidate_logs() {
            if looked_at >= MAX_LOOKED_AT {
                break;
            }
            // Later rooms are older still.
            if newest.len() >= wanted && newest.peek().is_some_and(|Reverse(oldest)| last_ts < oldest.ts) {
                break;
            }
            self.look_through(&log, wanted, &mut newest, &mut words, &mut looked_at);
        }
        let is_complete = looked_at < MAX_LOOKED_AT;
        let hits = newest.into_sorted_vec();
        let mut page = FoundPage { messages: Vec::new(), has_more: !is_complete, is_complete };
        let mut bytes = self.query.bytes;
        for Reverse(hit) in hits {
            let Some(frame) = self.frame(&hit, &mut words) else { continue };
            if page.messages.len() >= self.query.limit || frame.len() > bytes && !page.messages.is_empty() {
                page.has_more = true;
                break;
            }
            bytes = bytes.saturating_sub(frame.len());
            page.messages.push(frame);
        }
        page
    }

    /// The logs of the rooms that pass the filter, with the time of their newest entry, the newest first.
    fn candidate_logs(&self) -> Vec<(Timestamp, SharedLog)> {
        let mut logs = Vec::new();
        let mut add = |name: &RoomName| {
            if !self.rooms.passes(name) {
                return;
            }
            // Lock order: the lock of the rooms is not held while a log is locked.
            let log = self.logs.lock().get(name).cloned();
            let last_ts = log.as_ref().and_then(|log| log.lock().last_ts());
            logs.extend(last_ts.zip(log));
        };
        if let Some(room) = &self.query.room {
            add(room);
            return logs;
        }
        self.rooms.direct().iter().for_each(&mut add);
        let mut names = self.list.names_after(None, ROOMS);
        while let Some(last) = names.last().cloned() {
            names.iter().for_each(&mut add);
            names = self.list.names_after(Some(&last), ROOMS);
        }
        logs.sort_unstable_by_key(|(last_ts, _)| Reverse(*last_ts));
        logs
    }

    /// Looks at the messages of a log, the newest first.
    fn look_through(
        &self,
        log: &SharedLog,
        wanted: usize,
        newest: &mut BinaryHeap<Reverse<Hit>>,
        words: &mut Words,
        looked_at: &mut usize,
    ) {
        let mut before = None;
        while *looked_at < MAX_LOOKED_AT {
            let turn = {
                let log = log.lock();
                let turn = log.newest_messages(before, TURN, &self.retain, self.since_boot);
                MutexGuard::unlock_fair(log);
                turn
            };
            let Some(last) = turn.last() else { return };
            before = Some(last.seq);
            for Candidate { seq, frame, state } in turn {
                *looked_at += 1;
                let Some(message) = folded(&frame, state.as_ref()) else { continue };
                if newest.len() >= wanted && newest.peek().is_some_and(|Reverse(last)| message.ts < last.ts) {
                    // The older messages of the room cannot be among the results either.
                    return;
                }
                if self.query.matches(&message, words) {
                    newest.push(Reverse(Hit { ts: message.ts, seq, log: log.clone() }));
                    if newest.len() > wanted {
                        newest.pop();
                    }
                }
            }
        }
    }

    /// The present frame of a result; `None` if it is none any more.
    fn frame(&self, hit: &Hit, words: &mut Words) -> Option<Arc<str>> {
        let log = hit.log.lock();
        let frame = log.message_frame(hit.seq, &self.viewer)?;
        drop(log);
        let message = folded(&frame, None)?;
        self.query.matches(&message, words).then_some(frame)
    }
}

fn folded(frame: &str, state: Option<&MessageState>) -> Option<Message> {
    match codec::decode_entry(frame)? {
        EntryEvent::Message(message) => Some(match state {
            Some(state) => state.restore(message),
            None => message,
        }),
        EntryEvent::Change(_) => None,
    }
}

impl MemoryLog {
    /// At most `count` messages before a seq, the newest first. Leaves out entries beyond the retention.
    fn newest_messages(
        &self,
        before: Option<Seq>,
        count: usize,
        retain: &Retain,
        since_boot: BootTime,
    ) -> Vec<Candidate> {
        let oldest = self.first().get() + self.expired(retain, since_boot) as u64;
        let end = before.unwrap_or_else(|| self.position().seq().next()).get();
        let candidate = |seq: Seq| {
            let (stored, changes) = (self.stored(seq)?, self.changes.as_deref());
            let state = changes.and_then(|changes| changes.state(seq)).cloned();
            Some(Candidate { seq, frame: stored.json.clone(), state })
        };
        let seqs = (oldest.min(end)..end).rev().map(Seq::new).filter(|seq| self.is_message(*seq));
        seqs.filter_map(candidate).take(count).collect()
    }
}
