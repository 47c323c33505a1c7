//! The end of a run: all is quiet, what the server knows is asked for, everybody goes, and the judge has its say.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::node::Node;
use super::{LOOK, Run};
use crate::client::Load;
use crate::history::{Name, Paging, Presence, Resources, Usage};
use crate::outcome::Outcome;
use crate::probe::Probe;
use crate::recorder::{Board, Stuck};
use crate::server::Process;

/// By how much what a server holds may have grown over a run: the store's readers open its log when they first read, and
/// have caches; and an allocator keeps what it had.
const SLACK: Usage = Usage { connections: 0, descriptors: 8, threads: 0, memory_kib: 64 * 1024 };
/// For who is there to be said: a server that was killed has its users for as long as its lease.
const LEASE: Duration = Duration::from_secs(15);

impl Run {
    /// Ends the run: everybody is silent, everything is asked for, everybody goes. Then the judge.
    pub(crate) async fn finish(mut self, ended: Result<(), Stuck>) -> Outcome {
        let mut stuck = self.stuck.take().or(ended.err());
        assert!(!self.crowd.is_broken(), "a client has panicked:\n{}", self.log());
        self.nodes.iter().for_each(|node| node.proxy.open_all());
        self.crowd.load(Load::Silent);
        if stuck.is_none() {
            stuck = self.recorder.until("all is quiet", Board::is_quiet).await.err();
        }
        stuck = stuck.or(self.ask().await.err());
        self.crowd.go().await;
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(began) = node.began {
                let Some(ended) = settled(&node.process, began).await else {
                    stuck.get_or_insert(Stuck { awaited: "a process that still runs".to_owned() });
                    continue;
                };
                let resources = Resources { instance: node.instance, began, ended, slack: SLACK };
                self.recorder.edit(|history| history.resources.push(resources));
            }
            self.past.push(node.process.metrics().await);
            self.note_panics(index);
        }
        let (figures, log) = (self.figures(), self.log());
        Outcome::new(self.recorder.history(), self.seed, figures, stuck, log)
    }

    /// What it came to, in a line.
    fn figures(&self) -> String {
        let sum = |series: &str| self.past.iter().map(|samples| samples.sum(series)).sum::<u64>();
        let memory = self.recorder.edit(|history| {
            let grown = |resources: &Resources| {
                let mib = |usage: Usage| usage.memory_kib / 1_024;
                format!(", memory from {} to {} MiB", mib(resources.began), mib(resources.ended))
            };
            history.resources.first().map_or(String::new(), grown)
        });
        self.recorder.look(|board| {
            format!(
                "{} acks ({} duplicates), {} entries shown, {} reconnects, {} refusals; {} kills, {} stops, {} dedup hits, \
                 {} gap fills, {} resyncs, {} resets, {} replays; {} healings, the longest {:?}{memory}",
                board.acks,
                board.duplicates,
                board.shown,
                board.reconnects,
                board.refusals,
                self.kills,
                self.stops,
                sum("realtime_dedup_hits_total"),
                sum("realtime_gap_fills_total"),
                board.resyncs,
                board.resets,
                sum("realtime_replays_total"),
                self.healings.len(),
                self.healings.iter().max().copied().unwrap_or_default(),
            )
        })
    }

    /// Asks each server for all logs, and who is there: with everybody, and with those gone who come and go.
    async fn ask(&mut self) -> Result<(), Stuck> {
        for dismissed in [false, true] {
            if dismissed {
                self.crowd.dismiss();
            }
            for node in &self.nodes {
                let mut probe = Probe::new(node.instance, node.process.address()).await?;
                for room in &self.crowd.rooms {
                    let presence = self.presence(node, &mut probe, room).await?;
                    self.recorder.edit(|history| history.presence.push(presence));
                }
                probe.close().await;
            }
        }
        for node in &self.nodes {
            let mut probe = Probe::new(node.instance, node.process.address()).await?;
            for room in &self.crowd.rooms {
                for paging in [Paging::Forward, Paging::Backward] {
                    let served = probe.log(room, paging, &self.recorder).await?;
                    self.recorder.edit(|history| history.served.push(served));
                }
            }
            probe.close().await;
        }
        Ok(())
    }

    /// Who is in a room, once that is as it should be, or in the end.
    async fn presence(&self, node: &Node, probe: &mut Probe, room: &Name) -> Result<Presence, Stuck> {
        let until = Instant::now() + LEASE;
        let expected = self.crowd.members_of(room);
        loop {
            let (members, member_count) = probe.members(room).await?;
            let members: BTreeSet<Name> = members.into_iter().collect();
            if members == expected || Instant::now() > until {
                let instance = node.instance;
                return Ok(Presence { instance, room: room.clone(), expected, members, member_count });
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What a process holds once it holds no more than in the beginning, or in the end. `None`: it has ended.
async fn settled(process: &Process, began: Usage) -> Option<Usage> {
    let until = Instant::now() + super::SETTLED;
    loop {
        let now = process.usage().await?;
        let settled = now.connections <= began.connections
            && now.descriptors <= began.descriptors + SLACK.descriptors
            && now.threads <= began.threads;
        if settled || Instant::now() > until {
            return Some(now);
        }
        tokio::time::sleep(LOOK).await;
    }
}
