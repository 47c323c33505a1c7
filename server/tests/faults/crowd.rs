//! The clients of a run: senders, visitors and listeners, and their rooms.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Client, Intent, Load, Plan};
use crate::history::{Instance, Name};
use crate::recorder::Recorder;
use crate::server::token;

/// Numbers of clients and rooms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) senders: usize,
    pub(crate) visitors: usize,
    pub(crate) listeners: usize,
    /// Number of listeners that always read slowly.
    pub(crate) slow: usize,
    pub(crate) rooms: usize,
    /// Mean pause between two messages of a sender.
    pub(crate) pause: Duration,
    /// Share of changes in what a sender sends.
    pub(crate) changes: f64,
}

/// Role of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientRole {
    Sender,
    /// Connects and leaves on request of the schedule, and sends nothing.
    Visitor,
    Listener,
}

struct CrowdClient {
    name: Name,
    role: ClientRole,
    rooms: Vec<Name>,
    intent: watch::Sender<Intent>,
    port: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

pub(crate) struct Crowd {
    clients: Vec<CrowdClient>,
    pub(crate) rooms: Vec<Name>,
}

impl Crowd {
    /// Starts the clients. They connect at once and send nothing yet.
    pub(crate) fn start(
        shape: Shape,
        servers: &[(Instance, SocketAddr)],
        recorder: &Recorder,
        rng: &mut Rng,
    ) -> Self {
        let rooms: Vec<Name> = (0..shape.rooms).map(|number| format!("room-{number}").into()).collect();
        let roles = [
            (ClientRole::Sender, shape.senders),
            (ClientRole::Visitor, shape.visitors),
            (ClientRole::Listener, shape.listeners),
        ];
        let roles = roles.into_iter().flat_map(|(role, count)| (0..count).map(move |number| (role, number)));
        let clients = roles
            .map(|(role, number)| {
                let name: Name = format!("{}-{number}", format!("{role:?}").to_lowercase()).into();
                // Each client has two or three rooms. The first is assigned in turn, so that no room stays empty.
                let count = rng.usize(2..=3).min(rooms.len());
                let first = number % rooms.len();
                let mut own: BTreeSet<Name> = BTreeSet::from([rooms[first].clone()]);
                while own.len() < count {
                    own.insert(rooms[rng.usize(..rooms.len())].clone());
                }
                let others = rooms.iter().filter(|room| !own.contains(*room)).cloned().collect();
                let plan = Plan {
                    token: token(&name),
                    name,
                    servers: servers.to_vec(),
                    rooms: own.into_iter().collect(),
                    others,
                    pause: shape.pause,
                    changes: shape.changes,
                    slow: role == ClientRole::Listener && number < shape.slow,
                    seed: rng.u64(..),
                };
                CrowdClient::start(role, plan, recorder)
            })
            .collect();
        Self { clients, rooms }
    }

    /// Sets the load of all senders, and connects all clients.
    pub(crate) fn load(&self, load: Load) {
        for client in &self.clients {
            let own = if client.role == ClientRole::Sender { load } else { Load::Silent };
            client.intent.send_replace(Intent::Online(own));
        }
    }

    /// Sets the load of all senders. Other clients stay as they are.
    pub(crate) fn load_senders(&self, load: Load) {
        for client in self.clients.iter().filter(|client| client.role == ClientRole::Sender) {
            client.intent.send_replace(Intent::Online(load));
        }
    }

    /// Sends a random part of the visitors away and connects the others.
    pub(crate) fn toggle_visitors(&self, rng: &mut Rng) {
        for client in self.clients.iter().filter(|client| client.role == ClientRole::Visitor) {
            let intent = if rng.bool() { Intent::Away } else { Intent::Online(Load::Silent) };
            client.intent.send_replace(intent);
        }
    }

    /// Random share of the senders and listeners: at least one sender, and never all senders.
    pub(crate) fn pick_share(&self, share: f64, rng: &mut Rng) -> BTreeSet<Name> {
        let mut senders: Vec<_> =
            self.clients.iter().filter(|client| client.role == ClientRole::Sender).collect();
        rng.shuffle(&mut senders);
        let [first, _spared, rest @ ..] = &senders[..] else { panic!("a crowd has two senders") };
        let listening = self.clients.iter().filter(|client| client.role == ClientRole::Listener);
        let some = rest.iter().copied().chain(listening).filter(|_| rng.f64() < share);
        some.chain([*first]).map(|client| client.name.clone()).collect()
    }

    pub(crate) fn stop_reading(&self, whose: &BTreeSet<Name>) {
        for client in self.clients.iter().filter(|client| whose.contains(&client.name)) {
            client.intent.send_replace(Intent::NotReading);
        }
    }

    pub(crate) fn send_visitors_away(&self) {
        for client in self.clients.iter().filter(|client| client.role == ClientRole::Visitor) {
            client.intent.send_replace(Intent::Away);
        }
    }

    /// A random listener, as a set.
    pub(crate) fn pick_listener(&self, rng: &mut Rng) -> BTreeSet<Name> {
        let listening: Vec<_> =
            self.clients.iter().filter(|client| client.role == ClientRole::Listener).collect();
        BTreeSet::from([listening[rng.usize(..listening.len())].name.clone()])
    }

    /// Local ports of the clients' connections, which identify them for the proxy.
    pub(crate) fn ports(&self, whose: &BTreeSet<Name>) -> Vec<u16> {
        let meant = self.clients.iter().filter(|client| whose.contains(&client.name));
        meant.map(|client| client.port.load(Ordering::Relaxed)).collect()
    }

    /// Clients that should be in a room: all whose intent is not [`Intent::Away`].
    pub(crate) fn members_of(&self, room: &Name) -> BTreeSet<Name> {
        let here = self.clients.iter().filter(|client| *client.intent.borrow() != Intent::Away);
        let members = here.filter(|client| client.rooms.contains(room));
        members.map(|client| client.name.clone()).collect()
    }

    /// Ends all clients.
    pub(crate) async fn finish(&mut self) {
        for client in &self.clients {
            client.intent.send_replace(Intent::Finished);
        }
        for client in self.clients.drain(..) {
            client.task.await.expect("a client does not panic");
        }
    }

    /// True if the task of a client has ended, which only a panic does before [`Self::finish`].
    pub(crate) fn has_panicked_client(&self) -> bool {
        self.clients.iter().any(|client| client.task.is_finished())
    }
}

impl CrowdClient {
    fn start(role: ClientRole, plan: Plan, recorder: &Recorder) -> Self {
        let (intent, wanted) = watch::channel(Intent::Online(Load::Silent));
        let port = Arc::new(AtomicU16::new(0));
        let (name, rooms) = (plan.name.clone(), plan.rooms.clone());
        recorder.progress(|progress| progress.clients.entry(name.clone()).or_default().rooms = rooms.len());
        let client = Client::new(plan, recorder.clone(), wanted, port.clone());
        Self { name, role, rooms, intent, port, task: tokio::spawn(client.run()) }
    }
}
