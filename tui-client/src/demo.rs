//! `--demo`: a server and a few simulated users inside this process.
//!
//! ```text
//!  script ─▶ writer ─▶ director ─▶ driver ─▶ a net client for each person ─▶ server
//!  talk      lines     cues          │
//!                         ▲─────────┘ events of the visitor              ▲
//!                                       the visitor ─▶ proxy ────────────┘ /net
//! ```
//!
//! [`start`] returns the data that a client needs to be the visitor. Nothing is mocked: the server listens on a port, and
//! the people are clients that connect to it. The demo runs on its own threads until the [`Demo`] is dropped.

mod cast;
mod director;
mod driver;
mod network_fault;
mod proxy;
mod script;
mod speech;
mod time;
mod writer;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use realtime_server::Server;
use realtime_server::auth::token::mint;
use realtime_server::clock::Clock;
use realtime_server::config::Config as ServerConfig;
use realtime_server::secret::{SECRET_BYTES, Secret};
use realtime_shared::{Claims, Role, RoomName, UserId};
use tokio::sync::{Notify, oneshot, watch};

use crate::net;
use cast::{PEOPLE, ROOMS, VISITOR, room_name};
use network_fault::NetworkFault;
pub use network_fault::{EXTENSIONS, UNAVAILABLE};
use time::Time;

/// Lifetime of the tokens, longer than any demo.
const TOKEN_TTL: Duration = Duration::from_hours(365 * 24);
/// Time limit for the start. The history of the rooms takes a small part of a second.
const START_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Demo {
    /// Address of the proxy, for the visitor.
    pub url: String,
    pub token: String,
    /// Rooms to join; the first one is shown. Each has a history.
    pub rooms: Vec<RoomName>,
    faults: watch::Sender<NetworkFault>,
    network_up: Arc<Notify>,
    // Drop order: the people disconnect before their server stops.
    _people: People,
    _server: RunningServer,
}

impl Demo {
    /// Hook that runs the demo's command: it starts the fault that the argument of `/net` names.
    pub fn hook(&self) -> impl FnMut(&str, &str) + use<> {
        let faults = self.faults.clone();
        move |_name, argument| {
            // The app hands over checked arguments only.
            if let Ok(fault) = NetworkFault::parse(argument) {
                faults.send_replace(fault);
            }
        }
    }
}

impl Demo {
    /// Notified when the visitor's network works again after a fault.
    #[must_use]
    pub fn network_up(&self) -> Arc<Notify> {
        Arc::clone(&self.network_up)
    }
}

/// Error of the start of a demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The system provides no randomness for the secret.
    #[error("the demo has no secret: {0}")]
    Secret(getrandom::Error),
    /// The system provides no port or no thread.
    #[error("the demo's server cannot start: {0}")]
    Server(#[from] io::Error),
    /// The users did not connect in time.
    #[error("the demo's users cannot reach its server")]
    Silent,
}

/// Starts a server on a free port of this host, and its users. Returns when the rooms have a history.
#[expect(clippy::missing_panics_doc, reason = "it cannot happen: what is unwrapped is made of constants")]
pub fn start() -> Result<Demo, DemoError> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(DemoError::Secret)?;
    let secret = Secret::new(&secret).expect("a secret of the required length");
    let time = Time::default();
    let config = ServerConfig { workers: 1, clock: time.clock(), ..ServerConfig::new(secret.clone()) };
    let server = Server::start(config, vec![TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?])?;
    let server_address = server.addresses()[0];
    let clients = PEOPLE.map(|person| {
        net::Config::new(&url(server_address), token(&secret, person))
            .expect("the address of a listener is valid")
    });
    let (faults, faults_now) = watch::channel(NetworkFault::Off);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let visitors_address = listener.local_addr()?;
    let network_up = Arc::<Notify>::default();
    let proxy_task = ProxyTask {
        listener,
        server: server_address,
        faults: faults_now,
        network_up: Arc::clone(&network_up),
    };
    let people = People::start(clients, time, proxy_task)?;
    Ok(Demo {
        url: url(visitors_address),
        faults,
        network_up,
        token: token(&secret, VISITOR),
        rooms: ROOMS.map(room_name).into(),
        _people: people,
        _server: RunningServer(server),
    })
}

/// The server, with the `Debug` form that it lacks.
struct RunningServer(#[expect(dead_code, reason = "it is held, and ends when it is dropped")] Server);

impl std::fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

/// Connection of the visitor to the server, through the proxy.
struct ProxyTask {
    listener: TcpListener,
    server: SocketAddr,
    faults: watch::Receiver<NetworkFault>,
    network_up: Arc<Notify>,
}

impl ProxyTask {
    async fn run(self) -> io::Result<()> {
        self.listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        proxy::run(listener, self.server, self.faults, &self.network_up).await
    }
}

/// Thread of the users and the proxy.
#[derive(Debug)]
struct People {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl People {
    /// Returns when the rooms have a history.
    fn start(
        clients: [net::Config; PEOPLE.len()],
        time: Time,
        proxy_task: ProxyTask,
    ) -> Result<Self, DemoError> {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("demo".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = driver::run(clients, time, fastrand::u64(..), ready) => {}
                    // The demo ends with its proxy.
                    _ = proxy_task.run() => {}
                    _ = stopped => {}
                }
            });
        })?;
        let people = Self { stop: Some(stop), thread: Some(thread) };
        is_ready.recv_timeout(START_TIMEOUT).map_err(|_| DemoError::Silent)?;
        Ok(people)
    }
}

impl Drop for People {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic of the thread no longer matters.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn url(server: SocketAddr) -> String {
    format!("ws://{server}")
}

fn token(secret: &Secret, user: &str) -> String {
    let now = Duration::from_millis(Clock::system().now().millis());
    let claims = Claims {
        sub: UserId::new(user).expect("the names of the demo are user ids"),
        exp: (now + TOKEN_TTL).as_secs(),
        role: Role::User,
        rooms: None,
        read_only: Vec::new(),
        moderate: Vec::new(),
        iss: None,
        aud: None,
    };
    mint(secret, &claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Command, ConnectionState, Event, Events};
    use realtime_shared::{EntryEvent, HistoryRequest, ServerEvent, Typing};

    /// The next value that `wanted` makes of an event. Waits for ever if none comes.
    async fn next<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(events.recv().await.expect("the demo runs")) {
                return found;
            }
        }
    }

    fn stamp(entry: &ServerEvent) -> Option<u64> {
        if let ServerEvent::Entry(EntryEvent::Message(message)) = entry {
            Some(message.ts.millis())
        } else {
            None
        }
    }

    #[tokio::test]
    async fn rooms_have_a_history_and_people_type_and_send() {
        let demo = start().expect("a demo");
        let (handle, mut events) = net::connect(net::Config::new(&demo.url, &*demo.token).expect("good"));
        next(&mut events, |event| match event {
            Event::State(ConnectionState::Connected { user_id, .. }) => {
                assert_eq!(user_id.as_str(), VISITOR);
                Some(())
            }
            _ => None,
        })
        .await;
        for room in &demo.rooms {
            handle.send(Command::Join { room: room.clone(), since: None }).await.expect("taken");
            let members = next(&mut events, |event| match event {
                Event::Joined { members, .. } => Some(members),
                _ => None,
            })
            .await;
            assert!(members.len() >= PEOPLE.len(), "{members:?}");
            let history = Command::History(HistoryRequest::before(room.clone(), None, 100));
            handle.send(history).await.expect("taken");
            let history = next(&mut events, |event| match event {
                Event::Server(ServerEvent::History(history)) => Some(history),
                _ => None,
            })
            .await;
            let stamps: Vec<_> = history.messages.iter().filter_map(stamp).collect();
            let now = Clock::system().now().millis();
            assert!(stamps.is_sorted() && stamps.iter().all(|&stamp| stamp <= now), "{stamps:?}");
            for days in 0..=2 {
                let is_then = |&&stamp: &&u64| (now - stamp) / 1000 / 60 / 60 / 24 == days;
                assert!(stamps.iter().filter(is_then).count() >= 10, "{days} days ago: {stamps:?}");
            }
        }
        let typist = next(&mut events, |event| match event {
            Event::Server(ServerEvent::Typing(Typing { user_id, is_typing: true, .. })) => Some(user_id),
            _ => None,
        })
        .await;
        next(&mut events, |event| match event {
            Event::Entry { entry: net::Entry::Message(message), .. } => {
                (message.from == typist).then_some(())
            }
            _ => None,
        })
        .await;
    }

    #[test]
    fn a_dropped_demo_closes_its_port() {
        let demo = start().expect("a demo");
        let address = demo.url.trim_start_matches("ws://").to_owned();
        drop(demo);
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
