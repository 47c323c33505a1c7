//! Attackers: users with an ordinary token and as many connections as a user may have, and sockets without a token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::attacker::Attacker;
use crate::socket::{self, End, Sink, Stream};
use crate::spending::AttackerBudget;
use crate::{Addresses, Failure, fragments, offender, slow_reader, tokenless};

/// The default of `--max-connections-per-user`.
const CONNECTIONS: usize = 32;
/// Connections of an attacker that provoke refusals until they are closed. The others avoid it: the server refuses new
/// connections of a user after that.
const OFFENDERS: usize = 2;
/// Of so many connections one reads slowly, and one sends fragments.
const EIGHTH: usize = 8;
/// Sockets without a token.
const TOKENLESS: usize = 40;
/// Time between attempts to open a connection again.
const REOPEN_INTERVAL: Duration = Duration::from_millis(250);

/// Kinds of attacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum AttackKind {
    /// Post to ever new rooms, and list rooms
    Rooms,
    /// Post the longest texts, to rooms of the users and to others
    Bytes,
    /// Join and leave the users' rooms 24 times a second on each connection
    Joins,
    /// Join with the position of the room's start, so that the server replays the room
    Replays,
    /// Begin and end to type in the users' rooms, as often as a connection may
    Typing,
    /// Post short texts and type in the room of `--hall`, as often as a user may
    Hall,
    /// Provoke refusals until the connection is closed, and return
    Refusals,
    /// Join with the position of the room's start, and read as slowly as a connection may
    SlowReaders,
    /// Send messages in fragments of a byte, almost as many as a connection may, and on one connection more
    Fragments,
    /// Request pages of history and lists of members
    Pages,
    /// Hold places without a token, with kept connections and unfinished heads
    Places,
}

/// Running attackers, which end on drop.
pub(crate) struct Attackers {
    counts: Arc<AttackCounts>,
    _running: oneshot::Sender<()>,
}

/// Work of all attackers.
#[derive(Default)]
pub(crate) struct AttackCounts {
    pub(crate) written_frames: AtomicU64,
    pub(crate) written_bytes: AtomicU64,
    pub(crate) read_bytes: AtomicU64,
    /// Error frames.
    pub(crate) refusals: AtomicU64,
    /// Opened connections with a token.
    pub(crate) opened: AtomicU64,
    /// Ends of connections with a token.
    pub(crate) ended: AtomicU64,
    /// Attempts to open a connection that the server refused.
    pub(crate) refused_connects: AtomicU64,
    /// Opened sockets without a token.
    pub(crate) tokenless_opened: AtomicU64,
    /// Answers to requests without a token.
    pub(crate) tokenless_answers: AtomicU64,
}

impl Attackers {
    pub(crate) fn start(addresses: &Addresses, attackers: u8, kinds: &[AttackKind]) -> Result<Self, Failure> {
        let counts = Arc::<AttackCounts>::default();
        let (running, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut tasks = JoinSet::new();
        let kinds: Arc<[AttackKind]> = kinds.into();
        for number in 0..attackers {
            let user = format!("attacker-{number}");
            let token: Arc<str> = socket::token(&user)?.into();
            let budget = Arc::new(AttackerBudget::new());
            for connection in 0..CONNECTIONS {
                let place =
                    Attacker::new(user.clone(), connection, kinds.clone(), budget.clone(), counts.clone());
                let token = token.clone();
                tasks.spawn_on(attack_on(addresses.of(connection), token, place), runtime.handle());
            }
        }
        if kinds.contains(&AttackKind::Places) {
            for number in 0..TOKENLESS {
                tasks.spawn_on(
                    tokenless::hold(addresses.of(number), number, counts.clone()),
                    runtime.handle(),
                );
            }
        }
        std::thread::spawn(move || {
            // An error is the end of the run.
            let _ = runtime.block_on(stopped);
            drop(tasks);
        });
        Ok(Self { counts, _running: running })
    }

    pub(crate) fn counts(&self) -> Arc<AttackCounts> {
        self.counts.clone()
    }
}

impl AttackCounts {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Attacks on one connection, which is opened again when it ends.
async fn attack_on(address: SocketAddr, token: Arc<str>, mut attacker: Attacker) {
    let start = Instant::now();
    let role = Role::of(&attacker);
    loop {
        let opened = match role {
            Role::SlowReader => socket::open_narrow(address, &token).await,
            _ => socket::open(address, &token).await,
        };
        match opened {
            Ok((sink, stream)) => {
                AttackCounts::add(&attacker.counts.opened, 1);
                let _: End = role.run(&mut attacker, sink, stream, start).await;
                AttackCounts::add(&attacker.counts.ended, 1);
            }
            Err(_) => AttackCounts::add(&attacker.counts.refused_connects, 1),
        }
        sleep(REOPEN_INTERVAL).await;
    }
}

/// The part that a connection has in the attack.
#[derive(Clone, Copy)]
enum Role {
    /// Provokes refusals until it is closed.
    Offender,
    /// Sends fragments until it is closed.
    FragmentOffender,
    Fragments,
    SlowReader,
    Requests,
}

impl Role {
    fn of(attacker: &Attacker) -> Self {
        let (number, is) = (attacker.connection, |kind| attacker.is(kind));
        if number + 1 == CONNECTIONS && is(AttackKind::Fragments) {
            Self::FragmentOffender
        } else if number >= CONNECTIONS - OFFENDERS && is(AttackKind::Refusals) {
            Self::Offender
        } else if number % EIGHTH == 5 && is(AttackKind::SlowReaders) {
            Self::SlowReader
        } else if number % EIGHTH == 6 && is(AttackKind::Fragments) {
            Self::Fragments
        } else {
            Self::Requests
        }
    }

    async fn run(self, attacker: &mut Attacker, sink: Sink, stream: Stream, start: Instant) -> End {
        match self {
            Self::Offender => offender::provoke(&attacker.counts, sink, stream).await,
            Self::FragmentOffender => {
                fragments::send(&attacker.counts, sink, stream, fragments::TOO_MANY).await
            }
            Self::Fragments => fragments::send(&attacker.counts, sink, stream, fragments::ALLOWED).await,
            Self::SlowReader => {
                let room = crate::room(attacker.connection);
                slow_reader::read(&attacker.counts, sink, stream, &room).await
            }
            Self::Requests => attacker.attack(sink, stream, start).await,
        }
    }
}
