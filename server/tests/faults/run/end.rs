//! The end of a run: traffic stops, the servers' state is read, all clients leave, and the judge decides.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::node::Node;
use super::{POLL_INTERVAL, Run};
use crate::client::Load;
use crate::history::{Name, Paging, Presence, Resources, Usage};
use crate::outcome::Outcome;
use crate::probe::Probe;
use crate::recorder::{Progress, Stuck};
use crate::server::Process;

/// Growth that is allowed over a run. Readers of the store open files at their first read and have caches, and an
/// allocator keeps memory.
const SLACK: Usage = Usage { connections: 0, descriptors: 8, threads: 0, memory_kib: 64 * 1024 };
/// Time until presence is exact: a killed server keeps its users until its lease ends.
const LEASE: Duration = Duration::from_secs(15);

impl Run {
    /// Ends the run: silences the crowd, reads all state, ends all clients, and judges the history.
    pub(crate) async fn finish(mut self, ended: Result<(), Stuck>) -> Outcome {
        let mut stuck = self.stuck.take().or(ended.err());
        assert!(!self.crowd.has_panicked_client(), "a client has panicked:\n{}", self.log());
        self.nodes.iter().for_each(|node| node.proxy.open_all());
        self.crowd.load(Load::Silent);
        if stuck.is_none() {
            stuck = self.recorder.until("all clients are idle", Progress::is_quiet).await.err();
        }
        stuck = stuck.or(self.ask().await.err());
        self.crowd.finish().await;
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(began) = node.began {
                let Some(ended) = settled(&node.process, began).await else {
                    stuck.get_or_insert(Stuck { awaited: "a process that runs until the end".to_owned() });
                    continue;
                };
                let resources = Resources { instance: node.instance, began, ended, slack: SLACK };
                self.recorder.edit(|history| history.resources.push(resources));
            }
            self.past_metrics.push(node.process.metrics().await);
            self.note_panics(index);
        }
        let (figures, log) = (self.figures(), self.log());
        Outcome::new(self.recorder.history(), self.seed, figures, stuck, log)
    }

    /// Counts of the run in one line.
    fn figures(&self) -> String {
        let sum = |series: &str| self.past_metrics.iter().map(|samples| samples.sum(series)).sum::<u64>();
        let memory = self.recorder.edit(|history| {
            let grown = |resources: &Resources| {
                let mib = |usage: Usage| usage.memory_kib / 1_024;
                format!(", memory from {} to {} MiB", mib(resources.began), mib(resources.ended))
            };
            history.resources.first().map_or(String::new(), grown)
        });
        self.recorder.progress(|progress| {
            format!(
                "{} acks ({} duplicates), {} changes ({} deletions, {} refused), {} entries delivered, {} pages, {} markers, {} reconnects, {} refusals; {} kills, {} stops, {} dedup hits, \
                 {} gap fills, {} resyncs, {} resets, {} replays; {} healings, the longest {:?}{memory}",
                progress.acks,
                progress.duplicates,
                progress.changes,
                progress.deletions,
                progress.rejections,
                progress.delivered,
                progress.pages,
                progress.markers,
                progress.reconnects,
                progress.refusals,
                self.kills,
                self.stops,
                sum("realtime_dedup_hits_total"),
                sum("realtime_gap_fills_total"),
                progress.resyncs,
                progress.resets,
                sum("realtime_replays_total"),
                self.healings.len(),
                self.healings.iter().max().copied().unwrap_or_default(),
            )
        })
    }

    /// Reads presence from each server, with and without the visitors, and then all logs.
    async fn ask(&mut self) -> Result<(), Stuck> {
        for dismissed in [false, true] {
            if dismissed {
                self.crowd.send_visitors_away();
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
        // The export comes first: the judge compares all else with it.
        let exported = self.nodes[0].export(&self.recorder).await.map(|logs| {
            self.recorder.edit(|history| history.served.extend(logs));
        });
        for node in &self.nodes {
            let mut probe = Probe::new(node.instance, node.process.address()).await?;
            for room in &self.crowd.rooms {
                let served = probe.log(room, &self.recorder).await?;
                self.recorder.edit(|history| history.served.push(served));
                for paging in [Paging::Forward, Paging::Backward] {
                    let pages = probe.pages(room, paging).await?;
                    self.recorder.edit(|history| history.pages.push(pages));
                }
            }
            probe.close().await;
        }
        exported
    }

    /// Members of a room as soon as they are the expected ones, or after [`LEASE`].
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
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Resources of a process as soon as they are back to the start's, or after the polling limit. `None`: the process has
/// ended.
async fn settled(process: &Process, began: Usage) -> Option<Usage> {
    let until = Instant::now() + super::POLL_LIMIT;
    loop {
        let now = process.usage().await?;
        let settled = now.connections <= began.connections
            && now.descriptors <= began.descriptors + SLACK.descriptors
            && now.threads <= began.threads;
        if settled || Instant::now() > until {
            return Some(now);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
