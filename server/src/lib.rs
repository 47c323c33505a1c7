//! Chat hub: the library behind `realtime-server`.
//!
//! [`Server::start`] is the only place that wires the parts together. A program can embed a server, with rooms in
//! memory, or with [`Server::start_with_store`] in a file:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::net::TcpListener;
//! use realtime_server::{Server, config::Config, secret::Secret};
//!
//! let secret = Secret::new(b"thirty-two bytes, more or less ....")?;
//! let server = Server::start(Config::new(secret), vec![TcpListener::bind("127.0.0.1:0")?])?;
//! println!("ws://{}/api/v1/ws", server.addresses()[0]);
//! # Ok(())
//! # }
//! ```

pub mod auth;
mod broker;
mod budget;
pub mod clock;
pub mod config;
mod connection;
mod faults;
pub mod files;
pub mod framing;
mod http;
mod lifecycle;
pub mod metrics;
pub mod origin;
pub mod redis_endpoint;
mod room;
mod search;
pub mod secret;
mod session;
mod small_queue;
pub mod socket;
pub mod store;
pub mod transfer;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use realtime_shared::CloseCode;
use socket2::SockRef;
use tokio::sync::watch;

use crate::auth::Verifier;
use crate::broker::memory::MemoryBroker;
use crate::broker::{redis as shared, sqlite};
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::Hub;
use crate::http::{Admission, Service, Site, Worker};
use crate::lifecycle::Threads;
use crate::metrics::Metrics;
use crate::redis_endpoint::RedisEndpoint;
use crate::room::Registry;
use crate::store::Store;

/// Size of the kernel's receive buffer, which connections inherit from their listener. The default grows to megabytes
/// for each.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// Interval of looks at the clock.
const CLOCK_INTERVAL: Duration = Duration::from_secs(10);

/// Running server. A drop ends it at once; [`Server::shutdown`] closes connections first.
pub struct Server {
    addresses: Vec<SocketAddr>,
    admin_addresses: Vec<SocketAddr>,
    stopping: watch::Sender<bool>,
    registry: Arc<Registry>,
    admission: Arc<Admission>,
    verifier: Arc<Verifier>,
    deadline: Duration,
    // Dropped in this order, so that the engine stores what the connections have submitted.
    _threads: Threads,
    engine: Engine,
}

/// Looks at the clock, so that a jump is logged when it happens and not when it matters.
async fn watch_clock(clock: Clock) {
    loop {
        clock.judged();
        tokio::time::sleep(CLOCK_INTERVAL).await;
    }
}

/// Listeners of a server. Those for the public alone are `Vec<TcpListener>::into`.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For clients; also for metrics if there is no admin listener.
    pub public: Vec<TcpListener>,
    /// For metrics and health only.
    pub admin: Vec<TcpListener>,
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(public: Vec<TcpListener>) -> Self {
        Self { public, admin: Vec::new() }
    }
}

/// Storage engine of a running server.
enum Engine {
    /// In memory; rooms end with the process.
    Memory,
    /// In a file of this host.
    Store(sqlite::SqliteEngine),
    /// In a Redis that is shared with other instances.
    Redis(shared::RedisEngine),
}

impl Server {
    /// Serves connections from `listeners` on threads of its own. Rooms are in memory and end with the server.
    ///
    /// Fails if the system refuses a listener or a thread.
    pub fn start(config: Config, listeners: impl Into<Listeners>) -> io::Result<Self> {
        Self::start_on(config, listeners.into(), |_, _, _| Ok(Engine::Memory))
    }

    /// Starts a server with rooms in a file, which it locks until it ends.
    ///
    /// Also fails if the file cannot be read.
    pub fn start_with_store(
        config: Config,
        store: Store,
        listeners: impl Into<Listeners>,
    ) -> io::Result<Self> {
        Self::start_on(config, listeners.into(), |config, clock, metrics| {
            Ok(Engine::Store(sqlite::SqliteEngine::start(
                store,
                clock,
                sqlite::FileSettings {
                    retain: config.retain.clone(),
                    min_free: config.min_free,
                    rooms: config.limits.rooms,
                    rules: config.rules.clone(),
                    search: config.search,
                },
                metrics,
            )?))
        })
    }

    /// Starts a server with rooms in Redis: all servers on it form one chat.
    pub fn start_with_redis(
        config: Config,
        redis: &RedisEndpoint,
        listeners: impl Into<Listeners>,
    ) -> io::Result<Self> {
        let options = redis.options();
        let target = shared::RedisTarget {
            client: redis.client(),
            prefix: options.prefix.clone(),
            relay_channel: options.relay_channel.clone(),
        };
        Self::start_on(config, listeners.into(), |config, clock, metrics| {
            Ok(Engine::Redis(shared::RedisEngine::start(
                target,
                clock,
                config.retain.clone(),
                config.limits.rooms,
                config.rules.clone(),
                metrics,
            )?))
        })
    }

    fn start_on(
        mut config: Config,
        listeners: Listeners,
        engine: impl FnOnce(&Config, Clock, Arc<Metrics>) -> io::Result<Engine>,
    ) -> io::Result<Self> {
        config.workers = config.workers.max(1);
        let clock = config.clock.clone();
        let config = Arc::new(config);
        let metrics = Arc::new(Metrics::new(config.workers, clock.now()).with_log(&config.log_drops));
        let engine = engine(&config, clock.clone(), metrics.clone())?;
        let mut memory = None;
        let registry = Registry::new(config.clone(), metrics.clone(), |feed| match &engine {
            Engine::Memory => memory
                .insert(Arc::new({
                    let (store, retain) = (config.memory.clone(), config.retain.clone());
                    let broker = MemoryBroker::new(feed, clock.clone(), store, retain, config.limits.rooms)
                        .with_rules(config.rules.clone());
                    if config.search { broker } else { broker.without_search() }
                }))
                .clone(),
            Engine::Store(engine) => Arc::new(engine.broker(feed)),
            Engine::Redis(engine) => Arc::new(engine.broker(feed)),
        });
        if let Some(memory) = memory {
            memory.start_sweeps()?;
        }
        let admission = Admission::new(&config, metrics.clone());
        let (stopping, is_stopping) = watch::channel(false);
        let verifier = Arc::new(Verifier::new(&config));
        let hub = Arc::new(Hub {
            config: config.clone(),
            clock,
            verifier: verifier.clone(),
            registry: registry.clone(),
            metrics,
        });
        let site = Arc::new(Site { hub, admission: admission.clone(), stopping: is_stopping });
        let (public, admin) =
            (Service::public(site.clone(), listeners.admin.is_empty()), Service::admin(site));

        let (threads, runtimes) = Threads::start(config.workers)?;
        for (index, runtime) in runtimes.iter().enumerate() {
            runtime.spawn(registry.flush(index));
        }
        runtimes[0].spawn(registry.clone().run_maintenance());
        runtimes[0].spawn(watch_clock(config.clock.clone()));
        let workers: Arc<[Worker]> = runtimes
            .iter()
            .map(|runtime| Worker { runtime: runtime.clone(), connections: Arc::default() })
            .collect();
        let serve = |service: &Service, listeners: Vec<TcpListener>| -> io::Result<Vec<SocketAddr>> {
            let mut addresses = Vec::with_capacity(listeners.len());
            for listener in listeners {
                addresses.push(listener.local_addr()?);
                SockRef::from(&listener).set_recv_buffer_size(RECEIVE_BUFFER)?;
                listener.set_nonblocking(true)?;
                let listener = {
                    let _in_runtime = runtimes[0].enter();
                    tokio::net::TcpListener::from_std(listener)?
                };
                runtimes[0].spawn(http::accept(service.clone(), listener, workers.clone()));
            }
            Ok(addresses)
        };
        let addresses = serve(&public, listeners.public)?;
        let admin_addresses = serve(&admin, listeners.admin)?;
        let deadline = config.timing.shutdown_deadline;
        Ok(Self {
            addresses,
            admin_addresses,
            stopping,
            registry,
            admission,
            verifier,
            deadline,
            _threads: threads,
            engine,
        })
    }

    /// Addresses of the public listeners, in their order.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Addresses of the admin listeners, in their order.
    #[must_use]
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        &self.admin_addresses
    }

    /// The verifier of all connections: its secret can be replaced while they are open.
    #[must_use]
    pub fn verifier(&self) -> Arc<Verifier> {
        self.verifier.clone()
    }

    /// Waits for a failure of the store and returns its cause. Nothing is stored afterwards; acknowledged messages are safe.
    /// Never returns for a server without a file.
    pub async fn failed(&self) -> String {
        match &self.engine {
            Engine::Store(engine) => engine.failure().reported().await,
            Engine::Memory | Engine::Redis(_) => std::future::pending().await,
        }
    }

    /// Stops accepting, closes all connections with 1012, and returns once all sockets are closed, or at the shutdown
    /// deadline.
    ///
    /// Submitted messages are stored by then. Must be called in a tokio runtime.
    pub async fn shutdown(self) {
        self.stopping.send_replace(true);
        self.registry.close_all(CloseCode::Restarting);
        if tokio::time::timeout(self.deadline, self.admission.all_closed()).await.is_err() {
            tracing::warn!("connections that did not close by the deadline were dropped");
        }
        // The threads finish their current work. If a disk does not answer, the caller can still react, for example to a
        // second signal.
        let ended = tokio::task::spawn_blocking(move || drop(self));
        if ended.await.is_err() {
            tracing::error!("a thread panicked during shutdown");
        }
    }
}
