//! The run of a scene: all connections join, traffic warms up, is measured, drains, and is checked.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};

use crate::connection::{Connection, Shared};
use crate::histogram::Histogram;
use crate::observer::Observer;
use crate::options::Options;
use crate::pacer::Pacer;
use crate::process::cpu_time;
use crate::scene::{Measured, Pace, Scene};
use crate::sender::Sender;
use crate::target::Servers;
use crate::tokens::Tokens;

/// Connections that join at a time: fewer than any listen backlog.
const MOST_JOINING: usize = 128;
/// Time without progress after which a step has failed.
const STALL: Duration = Duration::from_secs(10);
/// Silence after which a scene is at rest, and the longest wait for it.
const QUIET: Duration = Duration::from_millis(300);
const QUIET_TIMEOUT: Duration = Duration::from_secs(10);
/// Time in which surplus deliveries are counted, and time in which the server has to close.
const AFTERMATH: Duration = Duration::from_millis(100);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest wait in one poll.
const POLL: Duration = Duration::from_millis(50);
const PACER: Token = Token(usize::MAX);

/// The result of a scene.
pub(crate) struct Outcome {
    pub(crate) connections: usize,
    /// Measured time; zero in a scene without traffic.
    pub(crate) elapsed: Duration,
    /// Deliveries in that time, and the CPU time that they took.
    pub(crate) deliveries: u64,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) redis_cpu: Option<Duration>,
    pub(crate) load_cpu: Option<Duration>,
    pub(crate) round_trips: Histogram,
    /// Latencies until another instance delivered a message.
    pub(crate) crossings: Histogram,
    /// Growth of the servers' resident memory while all connected and joined.
    pub(crate) grown_kib: Option<u64>,
    /// Failed checks.
    pub(crate) failures: Vec<String>,
}

struct Run<'a> {
    scene: &'a Scene,
    servers: &'a Servers,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    shared: Shared,
    pacer: Option<Pacer>,
    /// Senders of an open loop, in the order of sending.
    senders: Vec<usize>,
    next_sender: usize,
}

struct Snapshot {
    at: Instant,
    deliveries: u64,
    server_cpu: Option<Duration>,
    redis_cpu: Option<Duration>,
    load_cpu: Option<Duration>,
}

/// Runs a scene to its end. An error has the reason for an early end.
pub(crate) fn run(
    scene: &Scene,
    servers: &Servers,
    options: &Options,
    tokens: &Tokens,
) -> Result<Outcome, String> {
    let mut run = Run::new(scene, servers).map_err(|error| format!("cannot poll: {error}"))?;
    let resident_before = servers.resident_kib();
    let arrivals = run.arrive(tokens, options)?;
    run.settle()?;
    let resident_after = servers.resident_kib();
    let mut outcome = match arrivals {
        Some(outcome) => outcome,
        None if scene.pace == Pace::Never => Outcome::at_rest(),
        None => run.traffic(options.warm_up, options.seconds)?,
    };
    run.close_all()?;
    outcome.connections = scene.connections();
    outcome.grown_kib =
        resident_before.zip(resident_after).map(|(before, after)| after.saturating_sub(before));
    Ok(outcome)
}

impl Outcome {
    pub(crate) fn at_rest() -> Self {
        Self {
            connections: 0,
            elapsed: Duration::ZERO,
            deliveries: 0,
            server_cpu: None,
            redis_cpu: None,
            load_cpu: None,
            round_trips: Histogram::new(),
            crossings: Histogram::new(),
            grown_kib: None,
            failures: Vec::new(),
        }
    }
}

impl<'a> Run<'a> {
    fn new(scene: &'a Scene, servers: &'a Servers) -> std::io::Result<Self> {
        Ok(Self {
            scene,
            servers,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::with_capacity(scene.connections()),
            shared: Shared::new(),
            pacer: None,
            senders: scene.sender_indices(),
            next_sender: 0,
        })
    }

    /// Opens the connections, and lets them join as the scene says. Returns the outcome if this is what it measures.
    fn arrive(&mut self, tokens: &Tokens, options: &Options) -> Result<Option<Outcome>, String> {
        let measured = self.scene.measured;
        self.shared.hold_joins = matches!(measured, Measured::Connects | Measured::JoinStorm);
        let mut before = self.snapshot();
        self.open_all(tokens, options)?;
        if measured == Measured::JoinStorm {
            self.settle()?;
            before = self.snapshot();
            self.shared.joins_from = Some(self.shared.now());
            self.connections.iter_mut().try_for_each(Connection::join)?;
            self.await_all(|shared| shared.joined, "joined")?;
        }
        let after = self.snapshot();
        Ok((measured != Measured::Traffic).then(|| Outcome {
            elapsed: after.at - before.at,
            deliveries: self.scene.connections() as u64,
            server_cpu: difference(before.server_cpu, after.server_cpu),
            redis_cpu: difference(before.redis_cpu, after.redis_cpu),
            load_cpu: difference(before.load_cpu, after.load_cpu),
            round_trips: std::mem::replace(&mut self.shared.round_trips, Histogram::new()),
            ..Outcome::at_rest()
        }))
    }

    /// Opens all connections, a limited number at a time, and waits until they have joined; until they are welcome if
    /// they hold their joins.
    fn open_all(&mut self, tokens: &Tokens, options: &Options) -> Result<(), String> {
        let hold = self.shared.hold_joins;
        let arrived = |shared: &Shared| if hold { shared.welcome } else { shared.joined };
        let wanted = self.scene.connections();
        let mut progress = Progress::new();
        while self.connections.len() < wanted {
            while self.connections.len() < wanted.min(arrived(&self.shared) + MOST_JOINING) {
                self.open(tokens, options)?;
            }
            self.turn(POLL)?;
            if progress.stalled(self.shared.reads) {
                return Err(format!("only {} of {wanted} connections have arrived", arrived(&self.shared)));
            }
        }
        self.await_all(arrived, "arrived")
    }

    /// Waits until a count has reached the number of connections.
    fn await_all(&mut self, count: impl Fn(&Shared) -> usize, what: &str) -> Result<(), String> {
        let wanted = self.scene.connections();
        let mut progress = Progress::new();
        while count(&self.shared) < wanted {
            self.turn(POLL)?;
            if progress.stalled(self.shared.reads) {
                return Err(format!("only {} of {wanted} connections have {what}", count(&self.shared)));
            }
        }
        Ok(())
    }

    fn open(&mut self, tokens: &Tokens, options: &Options) -> Result<(), String> {
        let index = self.connections.len();
        // The process id keeps two loads at one server apart.
        let run = std::process::id();
        let user = format!("load-{run}-{index:06}");
        let room_number = self.scene.room_of(index);
        let room = format!("{}-{run}-{room_number:04}", self.scene.name);
        let Servers { dialect, path, .. } = self.servers;
        let token = tokens.for_user(&user)?;
        let sender = self.scene.sends(index).then(|| {
            let window = if let Pace::Window(window) = self.scene.pace { window } else { 0 };
            let text_bytes = usize::from(options.text_bytes);
            Box::new(Sender::new(index, &room, *dialect, text_bytes, options.tracked, window))
        });
        let address = self.servers.address(room_number, index % self.scene.members);
        let opened = Connection::open(address, path, *dialect, &token, user, room);
        let mut connection = opened.map_err(|error| format!("connection {index}: {error}"))?;
        connection.sender = sender;
        connection.observer =
            Observer::new(index, self.scene.members, self.servers.instances()).map(Box::new);
        self.poll
            .registry()
            .register(&mut connection.stream, Token(index), Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| format!("connection {index}: {error}"))?;
        self.connections.push(connection);
        Ok(())
    }

    /// Waits until the frames that the joins caused have arrived.
    fn settle(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + QUIET_TIMEOUT;
        let mut before = u64::MAX;
        while before != self.shared.reads && Instant::now() < deadline {
            before = self.shared.reads;
            self.turn_for(QUIET)?;
        }
        Ok(())
    }

    fn traffic(&mut self, warm_up: Duration, measured: Duration) -> Result<Outcome, String> {
        self.start_sending()?;
        self.turn_for(warm_up)?;

        let returned_before = self.returned();
        let before = self.snapshot();
        self.shared.recorded = self.shared.now()..u64::MAX;
        self.turn_for(measured)?;
        self.shared.recorded.end = self.shared.now();
        let after = self.snapshot();
        let returned_after = self.returned();

        self.pacer = None;
        self.shared.sending = false;
        self.drain()?;
        let mut failures = self.check();
        let starved = returned_before.iter().zip(&returned_after).filter(|(before, after)| before == after);
        let starved = starved.count();
        if starved > 0 && matches!(self.scene.pace, Pace::Window(_)) {
            failures.push(format!("{starved} senders received none of their messages while it was measured"));
        }
        Ok(Outcome {
            elapsed: after.at - before.at,
            deliveries: after.deliveries - before.deliveries,
            server_cpu: difference(before.server_cpu, after.server_cpu),
            redis_cpu: difference(before.redis_cpu, after.redis_cpu),
            load_cpu: difference(before.load_cpu, after.load_cpu),
            round_trips: std::mem::replace(&mut self.shared.round_trips, Histogram::new()),
            crossings: std::mem::replace(&mut self.shared.crossings, Histogram::new()),
            failures,
            ..Outcome::at_rest()
        })
    }

    fn start_sending(&mut self) -> Result<(), String> {
        if let Pace::Every(interval) = self.scene.pace {
            let waker = Waker::new(self.poll.registry(), PACER).map_err(|error| error.to_string())?;
            self.pacer = Some(Pacer::start(interval, self.shared.now(), waker));
            return Ok(());
        }
        self.shared.sending = true;
        self.senders.iter().try_for_each(|&index| self.connections[index].refill(&mut self.shared))
    }

    fn drain(&mut self) -> Result<(), String> {
        let mut progress = Progress::new();
        let expected = self.sent().sum::<u64>() * self.scene.members as u64;
        while self.shared.deliveries < expected && !progress.stalled(self.shared.deliveries) {
            self.turn(POLL)?;
        }
        self.turn_for(AFTERMATH)
    }

    /// Checks that every message reached every member once. Senders check the order of their own copies.
    fn check(&self) -> Vec<String> {
        let sent: Vec<u64> = self.sent().collect();
        let (mut missing, mut surplus) = (0, 0);
        for (index, connection) in self.connections.iter().enumerate() {
            let expected = sent[self.scene.room_of(index)];
            missing += expected.saturating_sub(connection.deliveries);
            surplus += connection.deliveries.saturating_sub(expected);
        }
        let in_flight: u32 =
            self.connections.iter().flat_map(|one| &one.sender).map(|one| one.sent - one.returned).sum();
        [
            (missing, "deliveries missing"),
            (surplus, "surplus deliveries"),
            (in_flight.into(), "never came back"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
    }

    /// Messages sent in each room.
    fn sent(&self) -> impl Iterator<Item = u64> {
        self.connections
            .chunks(self.scene.members)
            .map(|room| room.iter().flat_map(|one| &one.sender).map(|sender| u64::from(sender.sent)).sum())
    }

    fn returned(&self) -> Vec<u32> {
        self.connections.iter().flat_map(|one| &one.sender).map(|sender| sender.returned).collect()
    }

    fn close_all(&mut self) -> Result<(), String> {
        self.connections.iter_mut().for_each(Connection::close);
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        while self.shared.closed < self.connections.len() && Instant::now() < deadline {
            self.turn(POLL)?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            at: Instant::now(),
            deliveries: self.shared.deliveries,
            server_cpu: self.servers.cpu_time(),
            redis_cpu: self.servers.redis_cpu_time(),
            load_cpu: cpu_time(std::process::id()),
        }
    }

    fn turn_for(&mut self, duration: Duration) -> Result<(), String> {
        let deadline = Instant::now() + duration;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(left.min(POLL))?;
        }
    }

    /// Handles all ready sockets, after a wait of at most `timeout`.
    fn turn(&mut self, timeout: Duration) -> Result<(), String> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        for event in &self.events {
            let Token(index) = event.token();
            let Some(connection) = self.connections.get_mut(index) else { continue };
            let readable = event.is_readable() || event.is_read_closed() || event.is_error();
            connection
                .turn(readable, event.is_writable(), &mut self.shared)
                .map_err(|error| format!("connection {index}: {error}"))?;
        }
        self.send_due()
    }

    fn send_due(&mut self) -> Result<(), String> {
        let Some(pacer) = &mut self.pacer else { return Ok(()) };
        let now = self.shared.now();
        while let Some(due) = pacer.take_due(now) {
            let index = self.senders[self.next_sender];
            self.next_sender = (self.next_sender + 1) % self.senders.len();
            self.connections[index].send(1, due, &mut self.shared)?;
        }
        Ok(())
    }
}

/// Detects that a figure has stopped changing.
struct Progress {
    figure: u64,
    since: Instant,
}

impl Progress {
    fn new() -> Self {
        Self { figure: 0, since: Instant::now() }
    }

    fn stalled(&mut self, figure: u64) -> bool {
        if figure != self.figure {
            *self = Self { figure, since: Instant::now() };
        }
        self.since.elapsed() > STALL
    }
}

fn difference(before: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    Some(after?.saturating_sub(before?))
}
