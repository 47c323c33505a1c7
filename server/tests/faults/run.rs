//! A run: servers behind proxies, a crowd, and what a schedule may do to them. One server has its own store, several
//! share a Redis, to which each has a proxy as well ([`Cluster`]).
//!
//! A schedule is a sequence of phases, each of which loads, does harm, lets heal, and says what it meant to provoke.
//! At the end all is quiet, everything is asked for once more, and the judge has its say (`end`).

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

/// The first instance of a run, and the only one of most.
pub(crate) const HERE: Instance = Instance(0);
/// Between two looks at something that cannot be waited for.
const LOOK: Duration = Duration::from_millis(50);
/// For something that is looked at to become as it should be. The judge has it as it was in the end.
const SETTLED: Duration = Duration::from_secs(30);

pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) rng: Rng,
    pub(crate) recorder: Recorder,
    pub(crate) crowd: Crowd,
    pub(crate) nodes: Vec<Node>,
    pub(crate) cluster: Option<Cluster>,
    /// Recoveries beside `complete` that the next phase allows.
    pub(crate) allows: BTreeSet<Status>,
    /// What processes of the past had counted when they ended.
    past: Vec<Samples>,
    kills: u64,
    stops: u64,
    /// How long each healing took.
    healings: Vec<Duration>,
    /// Somebody did not come in the beginning.
    stuck: Option<Stuck>,
}

impl Run {
    /// Starts a server, and a crowd that has come in when this returns.
    pub(crate) async fn start(site: Site, shape: Shape, seed: u64, recorder: Recorder) -> Self {
        Self::start_all(vec![site], None, shape, seed, recorder).await
    }

    /// The same with a server for each site, which share the cluster's Redis.
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
        let doors: Vec<_> = nodes.iter().map(|node| (node.instance, node.proxy.address())).collect();
        let crowd = Crowd::start(shape, &doors, &recorder, &mut rng);
        let mut run = Self {
            seed,
            rng,
            recorder,
            crowd,
            nodes,
            cluster,
            allows: BTreeSet::new(),
            past: Vec::new(),
            kills: 0,
            stops: 0,
            healings: Vec::new(),
            stuck: None,
        };
        let all = shape.senders + shape.goers + shape.members;
        let came = run.recorder.until("everybody came", |board| {
            board.clients.values().filter(|standing| standing.connected).count() == all && board.is_quiet()
        });
        run.stuck = came.await.err();
        run
    }

    /// What the servers said.
    fn log(&self) -> String {
        self.nodes.iter().map(|node| node.process.log()).collect::<Vec<_>>().join("\n")
    }

    /// One of the servers.
    pub(crate) fn any(&mut self) -> usize {
        self.rng.usize(..self.nodes.len())
    }

    /// Runs a part of the schedule, and notes what moved of what it provokes: series of the server's metrics, or
    /// `client_…`, what the clients count.
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
            let count = match self.recorder.look(|board| board.count(name)) {
                Some(count) => count,
                None => self.ever(name).await,
            };
            counts.insert(*name, count);
        }
        counts
    }

    /// What all servers have counted until now, those that were killed too.
    pub(crate) async fn ever(&self, series: &str) -> u64 {
        let now = self.metrics().await;
        self.past.iter().chain(&now).map(|samples| samples.sum(series)).sum()
    }

    /// What each server counts now.
    async fn metrics(&self) -> Vec<Samples> {
        let mut all = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            all.push(node.process.metrics().await);
        }
        all
    }

    /// Waits until that many more messages are acked.
    pub(crate) async fn acks(&self, more: u64) -> Result<(), Stuck> {
        let goal = self.recorder.look(|board| board.acks) + more;
        self.recorder.until(&format!("{goal} acks"), |board| board.acks >= goal).await
    }

    /// Waits until one of these counts of the servers has moved.
    pub(crate) async fn moves(&self, series: &[&str]) -> Result<(), Stuck> {
        self.moves_from(series, self.sum_of(series).await).await
    }

    async fn sum_of(&self, series: &[&str]) -> u64 {
        let mut sum = 0;
        for series in series {
            sum += self.sum(series).await;
        }
        sum
    }

    /// What the servers that run now have counted.
    pub(crate) async fn sum(&self, series: &str) -> u64 {
        self.metrics().await.iter().map(|samples| samples.sum(series)).sum()
    }

    /// Waits until these counts of the servers, taken together, are not what they were.
    pub(crate) async fn moves_from(&self, series: &[&str], before: u64) -> Result<(), Stuck> {
        let until = Instant::now() + SETTLED;
        while self.sum_of(series).await == before {
            if Instant::now() > until {
                return Err(Stuck { awaited: format!("{series:?} move") });
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The connections that these clients have now.
    pub(crate) fn connections(&self, whose: &BTreeSet<Name>) -> BTreeMap<Name, u32> {
        self.recorder.look(|board| board.connections(|client, _| whose.contains(client)))
    }

    pub(crate) fn all_connections(&self) -> BTreeMap<Name, u32> {
        self.recorder.look(|board| board.connections(|_, _| true))
    }

    /// Fails where somebody has another connection than then.
    pub(crate) fn keeps(&self, connections: &BTreeMap<Name, u32>) -> Result<(), Stuck> {
        if self.all_connections() == *connections {
            return Ok(());
        }
        Err(Stuck { awaited: "nobody loses a connection over it".to_owned() })
    }

    /// Says that nothing is in the way any more, and waits for all to be well, without the connections in `left`.
    pub(crate) async fn heal(&mut self, left: BTreeMap<Name, u32>) -> Result<(), Stuck> {
        let began = Instant::now();
        let goal = self.recorder.lifted(HERE, left);
        let healed = self.recorder.healed(&goal).await;
        self.healings.push(began.elapsed());
        healed
    }

    /// The connections that lead to a server.
    pub(crate) fn connections_to(&self, node: usize) -> BTreeMap<Name, u32> {
        let instance = Some(self.nodes[node].instance);
        self.recorder.look(|board| board.connections(|_, standing| standing.instance == instance))
    }

    /// Kills a server under load, starts it again on the same directory, and waits for all to be well.
    pub(crate) async fn kill(&mut self, node: usize) -> Result<(), Stuck> {
        let left = self.connections_to(node);
        self.kill_at_once(node).await?;
        self.heal(left).await
    }

    /// The same, and does not wait.
    pub(crate) async fn kill_at_once(&mut self, node: usize) -> Result<(), Stuck> {
        self.past.push(self.nodes[node].process.metrics().await);
        self.recorder.fault(self.nodes[node].instance, "kill -9");
        self.nodes[node].process.kill();
        self.kills += 1;
        self.note_panics(node);
        self.nodes[node].restart().await
    }

    /// Writes down what a server logged when it panicked, for the judge.
    fn note_panics(&self, node: usize) {
        let Node { instance, process, .. } = &self.nodes[node];
        let panics = process.panics().into_iter().map(|line| (*instance, line));
        self.recorder.edit(|history| history.panics.extend(panics));
    }

    /// Stops a server under load as an operator does, and goes on as after a kill.
    pub(crate) async fn stop(&mut self, node: usize) -> Result<(), Stuck> {
        let stopped = &mut self.nodes[node];
        self.past.push(stopped.process.metrics().await);
        let instance = Some(stopped.instance);
        let left = self.recorder.look(|board| board.connections(|_, standing| standing.instance == instance));
        self.recorder.fault(stopped.instance, "SIGTERM");
        let status = code(stopped.process.stop().await?);
        if status != 0 {
            let awaited = format!("an end with 0, not with {status}:\n{}", stopped.process.log());
            return Err(Stuck { awaited });
        }
        self.stops += 1;
        self.note_panics(node);
        self.nodes[node].restart().await?;
        self.heal(left).await
    }

    fn set(&self, whose: &BTreeSet<Name>, how: Flow) {
        let ports = self.crowd.ports(whose);
        self.nodes.iter().for_each(|node| node.proxy.set(&ports, how));
    }

    /// Ends the connections of some clients, and waits for all to be well.
    pub(crate) async fn end(&mut self, whose: &BTreeSet<Name>, how: Flow) -> Result<(), Stuck> {
        let left = self.connections(whose);
        self.recorder.fault(HERE, format!("{how:?} {whose:?}"));
        self.set(whose, how);
        self.heal(left).await
    }

    /// The same, once one of them has sent something and the server has it, whose ack does not come.
    pub(crate) async fn end_between_message_and_ack(
        &mut self,
        whose: &BTreeSet<Name>,
        how: Flow,
    ) -> Result<(), Stuck> {
        let held = self.recorder.fault(HERE, format!("{:?} {whose:?}", Flow::HeldToClient));
        self.set(whose, Flow::HeldToClient);
        let waits = self.recorder.until("somebody waits for an ack", |board| {
            whose.iter().any(|client| board.clients[client].waits_since(held))
        });
        waits.await?;
        self.acks(10).await?;
        self.end(whose, how).await
    }

    /// Holds the connections of some clients until they are back on others, then lets through what was held.
    pub(crate) async fn hold(&mut self, whose: &BTreeSet<Name>, how: Flow) -> Result<(), Stuck> {
        let left = self.connections(whose);
        self.recorder.fault(HERE, format!("{how:?} {whose:?}"));
        self.set(whose, how);
        let elsewhere = self.recorder.until("those that are held are back", |board| {
            left.iter().all(|(client, left)| {
                let standing = &board.clients[client];
                standing.connected && standing.connection > *left
            })
        });
        elsewhere.await?;
        self.nodes.iter().for_each(|node| node.proxy.open_all());
        self.heal(left).await
    }
}
