//! A run: servers behind proxies, a crowd of clients, and the faults that a schedule may cause.
//!
//! One server has its own store. Several servers share a Redis, and each reaches it through a proxy ([`Cluster`]). A
//! schedule is a sequence of phases. A phase applies load, causes a fault, waits for recovery, and names the counters
//! that must move. At the end the crowd is silent, all logs are exported and read once more, and the judge decides (`end`).

mod cluster;
mod end;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::crowd::{Crowd, Shape};
use crate::history::{Instance, Name, Phase, Status};
use crate::metrics::Samples;
use crate::outcome::SEED;
use crate::proxy::Flow;
use crate::recorder::{Recorder, Stuck};
use crate::server::{Site, code};

pub(crate) use self::cluster::Cluster;
use self::node::Node;

/// The first instance of a run; most runs have no other.
pub(crate) const HERE: Instance = Instance(0);
/// Interval of polling for states without an event.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Limit of polling. The judge sees the last state.
const POLL_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) rng: Rng,
    pub(crate) recorder: Recorder,
    pub(crate) crowd: Crowd,
    pub(crate) nodes: Vec<Node>,
    pub(crate) cluster: Option<Cluster>,
    /// Recovery statuses that the next phase allows besides `complete`.
    pub(crate) allows: BTreeSet<Status>,
    /// Final counters of processes that have ended.
    past_metrics: Vec<Samples>,
    kills: u64,
    stops: u64,
    /// Duration of each recovery.
    healings: Vec<Duration>,
    /// Set if a client did not connect at the start.
    stuck: Option<Stuck>,
}

impl Run {
    /// Starts a server and a crowd, and waits until all clients have joined.
    pub(crate) async fn start(site: Site, shape: Shape, seed: u64, recorder: Recorder) -> Self {
        Self::start_all(vec![site], None, shape, seed, recorder).await
    }

    /// Starts a server per site and a crowd. The servers share the cluster's Redis.
    pub(crate) async fn start_all(
        sites: Vec<Site>,
        cluster: Option<Cluster>,
        shape: Shape,
        seed: u64,
        recorder: Recorder,
    ) -> Self {
        println!("{SEED}={seed}");
        let mut rng = Rng::with_seed(seed);
        let mut nodes = Vec::with_capacity(sites.len());
        for (number, site) in sites.into_iter().enumerate() {
            nodes.push(Node::start(Instance(number), site).await);
        }
        let servers: Vec<_> = nodes.iter().map(|node| (node.instance, node.proxy.address())).collect();
        let crowd = Crowd::start(shape, &servers, &recorder, &mut rng);
        let mut run = Self {
            seed,
            rng,
            recorder,
            crowd,
            nodes,
            cluster,
            allows: BTreeSet::new(),
            past_metrics: Vec::new(),
            kills: 0,
            stops: 0,
            healings: Vec::new(),
            stuck: None,
        };
        let all = shape.senders + shape.visitors + shape.listeners;
        let came = run.recorder.until("all clients have joined", |progress| {
            progress.clients.values().filter(|standing| standing.connected).count() == all
                && progress.is_quiet()
        });
        run.stuck = came.await.err();
        run
    }

    /// Logs of all servers.
    fn log(&self) -> String {
        self.nodes.iter().map(|node| node.process.log()).collect::<Vec<_>>().join("\n")
    }

    /// Index of a random server.
    pub(crate) fn random_node(&mut self) -> usize {
        self.rng.usize(..self.nodes.len())
    }

    /// Runs a part of the schedule and records the increase of each counter in `provokes`. A counter is a series of the
    /// servers' metrics, or a count of clients with the prefix `client_`.
    pub(crate) async fn phase(
        &mut self,
        name: &str,
        provokes: &[&'static str],
        part: impl AsyncFnOnce(&mut Self) -> Result<(), Stuck>,
    ) -> Result<(), Stuck> {
        let first = self.recorder.edit(|history| history.events.len());
        let before = self.counts(provokes).await;
        let ended = part(self).await;
        let after = self.counts(provokes).await;
        let moved =
            after.into_iter().map(|(name, count)| (name.to_owned(), count.saturating_sub(before[name])));
        self.recorder.edit(|history| {
            let events = first..history.events.len();
            let allows = std::mem::take(&mut self.allows);
            history.phases.push(Phase { name: name.to_owned(), events, allows, provoked: moved.collect() });
        });
        ended
    }

    async fn counts(&self, names: &[&'static str]) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for name in names {
            let count = match self.recorder.progress(|progress| progress.count(name)) {
                Some(count) => count,
                None => self.total(name).await,
            };
            counts.insert(*name, count);
        }
        counts
    }

    /// Sum of a series over all servers, those that ended included.
    pub(crate) async fn total(&self, series: &str) -> u64 {
        let now = self.metrics().await;
        self.past_metrics.iter().chain(&now).map(|samples| samples.sum(series)).sum()
    }

    /// Current metrics of each server.
    async fn metrics(&self) -> Vec<Samples> {
        let mut all = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            all.push(node.process.metrics().await);
        }
        all
    }

    /// Waits for this many more acks.
    pub(crate) async fn acks(&self, more: u64) -> Result<(), Stuck> {
        let goal = self.recorder.progress(|progress| progress.acks) + more;
        self.recorder.until(&format!("{goal} acks"), |progress| progress.acks >= goal).await
    }

    /// Waits for this many more deletions.
    pub(crate) async fn deletions(&self, more: u64) -> Result<(), Stuck> {
        let goal = self.recorder.progress(|progress| progress.deletions) + more;
        self.recorder.until(&format!("{goal} deletions"), |progress| progress.deletions >= goal).await
    }

    /// Waits for a change that is refused for good.
    pub(crate) async fn rejection(&self) -> Result<(), Stuck> {
        let goal = self.recorder.progress(|progress| progress.rejections) + 1;
        self.recorder.until("a refused change", |progress| progress.rejections >= goal).await
    }

    /// Waits until the sum of these series changes.
    pub(crate) async fn wait_for_change(&self, series: &[&str]) -> Result<(), Stuck> {
        self.wait_for_change_from(series, self.sum_of(series).await).await
    }

    async fn sum_of(&self, series: &[&str]) -> u64 {
        let mut sum = 0;
        for series in series {
            sum += self.sum(series).await;
        }
        sum
    }

    /// Sum of a series over the servers that run.
    pub(crate) async fn sum(&self, series: &str) -> u64 {
        self.metrics().await.iter().map(|samples| samples.sum(series)).sum()
    }

    /// Waits until the sum of these series differs from `before`.
    pub(crate) async fn wait_for_change_from(&self, series: &[&str], before: u64) -> Result<(), Stuck> {
        let until = Instant::now() + POLL_LIMIT;
        while self.sum_of(series).await == before {
            if Instant::now() > until {
                return Err(Stuck { awaited: format!("{series:?} move") });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Current connections of these clients.
    pub(crate) fn connections(&self, whose: &BTreeSet<Name>) -> BTreeMap<Name, u32> {
        self.recorder.progress(|progress| progress.connections(|client, _| whose.contains(client)))
    }

    pub(crate) fn all_connections(&self) -> BTreeMap<Name, u32> {
        self.recorder.progress(|progress| progress.connections(|_, _| true))
    }

    /// Fails if a client has another connection than in `connections`.
    pub(crate) fn expect_connections(&self, connections: &BTreeMap<Name, u32>) -> Result<(), Stuck> {
        if self.all_connections() == *connections {
            return Ok(());
        }
        Err(Stuck { awaited: "all clients keep their connections".to_owned() })
    }

    /// Records the end of all faults and waits for recovery. No client may still use a connection in `left`.
    pub(crate) async fn heal(&mut self, left: BTreeMap<Name, u32>) -> Result<(), Stuck> {
        let began = Instant::now();
        let goal = self.recorder.lifted(HERE, left);
        let healed = self.recorder.healed(&goal).await;
        self.healings.push(began.elapsed());
        healed
    }

    /// Current connections to a server.
    pub(crate) fn connections_to(&self, node: usize) -> BTreeMap<Name, u32> {
        let instance = Some(self.nodes[node].instance);
        self.recorder.progress(|progress| progress.connections(|_, standing| standing.instance == instance))
    }

    /// Kills a server under load, restarts it on the same directory, and waits for recovery.
    pub(crate) async fn kill(&mut self, node: usize) -> Result<(), Stuck> {
        let left = self.connections_to(node);
        self.kill_without_waiting(node).await?;
        self.heal(left).await
    }

    /// Kills and restarts a server without waiting for recovery.
    pub(crate) async fn kill_without_waiting(&mut self, node: usize) -> Result<(), Stuck> {
        self.past_metrics.push(self.nodes[node].process.metrics().await);
        self.recorder.fault(self.nodes[node].instance, "kill -9");
        self.nodes[node].process.kill();
        self.kills += 1;
        self.note_panics(node);
        self.nodes[node].restart().await
    }

    /// Records the panics of a server.
    fn note_panics(&self, node: usize) {
        let Node { instance, process, .. } = &self.nodes[node];
        let panics = process.panics().into_iter().map(|line| (*instance, line));
        self.recorder.edit(|history| history.panics.extend(panics));
    }

    /// Stops a server under load with SIGTERM, restarts it, and waits for recovery.
    pub(crate) async fn stop(&mut self, node: usize) -> Result<(), Stuck> {
        let stopped = &mut self.nodes[node];
        self.past_metrics.push(stopped.process.metrics().await);
        let instance = Some(stopped.instance);
        let left = self
            .recorder
            .progress(|progress| progress.connections(|_, standing| standing.instance == instance));
        self.recorder.fault(stopped.instance, "SIGTERM");
        let status = code(stopped.process.stop().await?);
        if status != 0 {
            let awaited = format!("exit code 0, not {status}:\n{}", stopped.process.log());
            return Err(Stuck { awaited });
        }
        self.stops += 1;
        self.note_panics(node);
        self.nodes[node].restart().await?;
        self.heal(left).await
    }

    fn set_flow(&self, whose: &BTreeSet<Name>, how: Flow) {
        let ports = self.crowd.ports(whose);
        self.nodes.iter().for_each(|node| node.proxy.set_flow(&ports, how));
    }

    /// Ends the connections of these clients and waits for recovery.
    pub(crate) async fn end_connections(&mut self, whose: &BTreeSet<Name>, how: Flow) -> Result<(), Stuck> {
        let left = self.connections(whose);
        self.recorder.fault(HERE, format!("{how:?} {whose:?}"));
        self.set_flow(whose, how);
        self.heal(left).await
    }

    /// Ends the connections of these clients after one of them has sent a message whose ack is held back.
    pub(crate) async fn end_between_message_and_ack(
        &mut self,
        whose: &BTreeSet<Name>,
        how: Flow,
    ) -> Result<(), Stuck> {
        let held = self.recorder.fault(HERE, format!("{:?} {whose:?}", Flow::HeldToClient));
        self.set_flow(whose, Flow::HeldToClient);
        let waits = self.recorder.until("a client waits for an ack", |progress| {
            whose.iter().any(|client| progress.clients[client].waits_since(held))
        });
        waits.await?;
        self.acks(10).await?;
        self.end_connections(whose, how).await
    }

    /// Holds the connections of these clients until they have reconnected. Then releases the held bytes and waits for
    /// recovery.
    pub(crate) async fn hold_connections(&mut self, whose: &BTreeSet<Name>, how: Flow) -> Result<(), Stuck> {
        let left = self.connections(whose);
        self.recorder.fault(HERE, format!("{how:?} {whose:?}"));
        self.set_flow(whose, how);
        let elsewhere = self.recorder.until("held clients are connected again", |progress| {
            left.iter().all(|(client, left)| {
                let standing = &progress.clients[client];
                standing.connected && standing.connection > *left
            })
        });
        elsewhere.await?;
        self.nodes.iter().for_each(|node| node.proxy.open_all());
        self.heal(left).await
    }
}
