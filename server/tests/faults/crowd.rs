//! The clients of a run: who sends, who comes and goes, who only listens, and in which rooms.

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

/// What a crowd is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) senders: usize,
    pub(crate) goers: usize,
    pub(crate) members: usize,
    /// So many of the members read slowly, all the time.
    pub(crate) slow: usize,
    pub(crate) rooms: usize,
    /// Between two messages of a sender, on average.
    pub(crate) pause: Duration,
}

/// What a client is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Sends,
    /// Comes and goes when the schedule says so, and sends nothing.
    Goes,
    Listens,
}

struct One {
    name: Name,
    role: Role,
    rooms: Vec<Name>,
    intent: watch::Sender<Intent>,
    port: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

pub(crate) struct Crowd {
    clients: Vec<One>,
    pub(crate) rooms: Vec<Name>,
}

impl Crowd {
    /// Starts the clients; they come at once, and say nothing yet.
    pub(crate) fn start(
        shape: Shape,
        doors: &[(Instance, SocketAddr)],
        recorder: &Recorder,
        rng: &mut Rng,
    ) -> Self {
        let rooms: Vec<Name> = (0..shape.rooms).map(|number| format!("room-{number}").into()).collect();
        let roles = [(Role::Sends, shape.senders), (Role::Goes, shape.goers), (Role::Listens, shape.members)];
        let roles = roles.into_iter().flat_map(|(role, count)| (0..count).map(move |number| (role, number)));
        let clients = roles
            .map(|(role, number)| {
                let name: Name = format!("{}-{number}", format!("{role:?}").to_lowercase()).into();
                // Two or three rooms each; where there are that many, room by room, so that none is empty.
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
                    doors: doors.to_vec(),
                    rooms: own.into_iter().collect(),
                    others,
                    pause: shape.pause,
                    slow: role == Role::Listens && number < shape.slow,
                    seed: rng.u64(..),
                };
                One::start(role, plan, recorder)
            })
            .collect();
        Self { clients, rooms }
    }

    /// Has the senders say something, or be silent; whoever is away comes.
    pub(crate) fn load(&self, load: Load) {
        for client in &self.clients {
            let own = if client.role == Role::Sends { load } else { Load::Silent };
            client.intent.send_replace(Intent::Here(own));
        }
    }

    /// The same for the senders alone: whoever else is away stays away.
    pub(crate) fn senders(&self, load: Load) {
        for client in self.clients.iter().filter(|client| client.role == Role::Sends) {
            client.intent.send_replace(Intent::Here(load));
        }
    }

    /// Some of those who come and go go, or come back.
    pub(crate) fn stir(&self, rng: &mut Rng) {
        for client in self.clients.iter().filter(|client| client.role == Role::Goes) {
            let intent = if rng.bool() { Intent::Away } else { Intent::Here(Load::Silent) };
            client.intent.send_replace(intent);
        }
    }

    /// About this share of those who send or listen: one who sends at least, and not all of these.
    pub(crate) fn some(&self, share: f64, rng: &mut Rng) -> BTreeSet<Name> {
        let mut senders: Vec<_> = self.clients.iter().filter(|client| client.role == Role::Sends).collect();
        rng.shuffle(&mut senders);
        let [one, _spared, rest @ ..] = &senders[..] else { panic!("a crowd has two senders") };
        let listening = self.clients.iter().filter(|client| client.role == Role::Listens);
        let some = rest.iter().copied().chain(listening).filter(|_| rng.f64() < share);
        some.chain([*one]).map(|client| client.name.clone()).collect()
    }

    /// These stop reading.
    pub(crate) fn deafen(&self, whose: &BTreeSet<Name>) {
        for client in self.clients.iter().filter(|client| whose.contains(&client.name)) {
            client.intent.send_replace(Intent::Deaf);
        }
    }

    /// Those who come and go go.
    pub(crate) fn dismiss(&self) {
        for client in self.clients.iter().filter(|client| client.role == Role::Goes) {
            client.intent.send_replace(Intent::Away);
        }
    }

    /// One that listens.
    pub(crate) fn listener(&self, rng: &mut Rng) -> BTreeSet<Name> {
        let listening: Vec<_> = self.clients.iter().filter(|client| client.role == Role::Listens).collect();
        BTreeSet::from([listening[rng.usize(..listening.len())].name.clone()])
    }

    /// The ports of their connections, by which the proxy knows them.
    pub(crate) fn ports(&self, whose: &BTreeSet<Name>) -> Vec<u16> {
        let meant = self.clients.iter().filter(|client| whose.contains(&client.name));
        meant.map(|client| client.port.load(Ordering::Relaxed)).collect()
    }

    /// Who is meant to be in a room: all who are not told to be away.
    pub(crate) fn members_of(&self, room: &Name) -> BTreeSet<Name> {
        let here = self.clients.iter().filter(|client| *client.intent.borrow() != Intent::Away);
        let members = here.filter(|client| client.rooms.contains(room));
        members.map(|client| client.name.clone()).collect()
    }

    /// Everybody goes for good.
    pub(crate) async fn go(&mut self) {
        for client in &self.clients {
            client.intent.send_replace(Intent::Gone);
        }
        for client in self.clients.drain(..) {
            client.task.await.expect("a client does not panic");
        }
    }

    /// Whether a client has panicked: the server said what no server may say.
    pub(crate) fn is_broken(&self) -> bool {
        self.clients.iter().any(|client| client.task.is_finished())
    }
}

impl One {
    fn start(role: Role, plan: Plan, recorder: &Recorder) -> Self {
        let (intent, wanted) = watch::channel(Intent::Here(Load::Silent));
        let port = Arc::new(AtomicU16::new(0));
        let (name, rooms) = (plan.name.clone(), plan.rooms.clone());
        recorder.look(|board| board.clients.entry(name.clone()).or_default().rooms = rooms.len());
        let client = Client::new(plan, recorder.clone(), wanted, port.clone());
        Self { name, role, rooms, intent, port, task: tokio::spawn(client.run()) }
    }
}
