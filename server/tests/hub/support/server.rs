//! Servers in this process, and tokens that they accept.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use realtime_server::auth::token::mint;
use realtime_server::clock::Clock;
use realtime_server::config::{BudgetLimits, Config};
use realtime_server::redis_endpoint::RedisOptions;
use realtime_server::secret::Secret;
use realtime_server::store::Store;
use realtime_server::{Listeners, Server};
use realtime_shared::{Claims, Role, UserId};
use tempfile::TempDir;

use super::redis::Redis;
use super::{RawClient, TEST_TIMEOUT, TestClient};

/// Number of panics on the threads of servers. A panic of a task does not end its worker, so it would go unnoticed.
static WORKER_PANICS: AtomicUsize = AtomicUsize::new(0);

/// A running server. Dropping it asserts that no worker has panicked.
pub(crate) struct TestServer {
    server: Option<Server>,
    pub(crate) address: SocketAddr,
    /// Address for metrics and health; `None` if they are at `address`.
    pub(crate) admin: Option<SocketAddr>,
    /// `None` if the rooms belong to the test.
    _rooms: Option<Rooms>,
}

/// The storage of a server's rooms, removed with the server.
enum Rooms {
    Store(#[expect(dead_code, reason = "dropped with the server")] TempDir),
    Redis(#[expect(dead_code, reason = "dropped with the server")] Box<Redis>),
}

/// A server with the defaults, rooms of its own, and two workers. The rooms are in a store, or in a Redis if the
/// environment has `REALTIME_TEST_ENGINE=redis`.
pub(crate) fn server() -> TestServer {
    server_with(|_| ())
}

/// A server with changed settings.
pub(crate) fn server_with(change: impl FnOnce(&mut Config)) -> TestServer {
    server_on(Listeners { public: vec![free_port()], admin: vec![free_port()] }, change)
}

/// A server with rooms in memory.
pub(crate) fn memory_server() -> TestServer {
    memory_server_with(|_| ())
}

/// A server with rooms in memory and changed settings.
pub(crate) fn memory_server_with(change: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = defaults();
    change(&mut config);
    lift_budgets(&mut config);
    let listeners = Listeners { public: vec![free_port()], admin: vec![free_port()] };
    TestServer::of(Server::start(config, listeners).expect("a server"), None)
}

/// A server that listens on this address, with changed settings and its metrics at the same address.
pub(crate) fn server_at(address: &str, change: impl FnOnce(&mut Config)) -> TestServer {
    server_on(vec![TcpListener::bind(address).expect("a free port")].into(), change)
}

fn server_on(listeners: Listeners, change: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = defaults();
    change(&mut config);
    lift_budgets(&mut config);
    let (server, rooms) = if std::env::var_os("REALTIME_TEST_ENGINE").is_some_and(|engine| engine == "redis")
    {
        let redis = Redis::start();
        let server = on_redis(config, &redis, listeners);
        (server, Rooms::Redis(Box::new(redis)))
    } else {
        let data = TempDir::new().expect("a directory");
        let store = Store::open(data.path()).expect("a store");
        let server = Server::start_with_store(config, store, listeners).expect("a server");
        (server, Rooms::Store(data))
    };
    TestServer::of(server, Some(rooms))
}

/// One of several servers on a Redis, without a limit on messages.
pub(crate) fn instance(redis: &Redis) -> TestServer {
    instance_with(redis, |config| config.limits.max_messages_per_second = 0)
}

/// One of several servers on a Redis, with changed settings.
pub(crate) fn instance_with(redis: &Redis, change: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = defaults();
    change(&mut config);
    lift_budgets(&mut config);
    TestServer::of(on_redis(config, redis, vec![free_port()].into()), None)
}

/// Lifts the default budgets of a server without a limit on messages, as the command line does.
fn lift_budgets(config: &mut Config) {
    if config.limits.budgets == BudgetLimits::for_messages_per_second(50) {
        config.limits.budgets = BudgetLimits::for_messages_per_second(config.limits.max_messages_per_second);
    }
}

/// The default configuration with two workers. Installs the hook that counts panics.
fn defaults() -> Config {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if thread::current().name().is_some_and(|name| name.starts_with("worker-")) {
                WORKER_PANICS.fetch_add(1, Ordering::SeqCst);
            }
            print(panic);
        }));
    });
    let mut config = Config::new(secret());
    config.workers = 2;
    config
}

fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port")
}

/// A server with its rooms in a Redis.
fn on_redis(config: Config, redis: &Redis, listeners: Listeners) -> Server {
    let options = RedisOptions::new(&redis.url()).expect("a URL");
    // The caller may be in a runtime already.
    let opened = thread::scope(|scope| {
        let opening = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(realtime_server::redis_endpoint::RedisEndpoint::open(options, Duration::ZERO))
        });
        opening.join().expect("no panic")
    });
    Server::start_with_redis(config, &opened.expect("a Redis"), listeners).expect("a server")
}

impl TestServer {
    fn of(server: Server, rooms: Option<Rooms>) -> Self {
        let mut address = server.addresses()[0];
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let admin = server.admin_addresses().first().copied();
        Self { address, admin, server: Some(server), _rooms: rooms }
    }

    /// Waits until the server is ready. An engine on Redis is ready after its first probe.
    pub(crate) async fn ready(&self) {
        loop {
            let mut raw = self.dial().await;
            raw.send(b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n").await;
            if raw.head().await.status == 200 {
                return;
            }
        }
    }

    /// A client of `user` that has received the welcome.
    pub(crate) async fn connect(&self, user: &str) -> TestClient {
        self.connect_as(&claims(user)).await
    }

    /// A client with a token of these claims that has received the welcome.
    pub(crate) async fn connect_as(&self, claims: &Claims) -> TestClient {
        let mut client = TestClient::open(self.address, &token(claims)).await;
        client.expect_welcome().await;
        client
    }

    /// A client that has not received the welcome or refusal yet.
    pub(crate) async fn open(&self, token: &str) -> TestClient {
        TestClient::open(self.address, token).await
    }

    /// A raw client of `user` that has received the welcome.
    pub(crate) async fn connect_raw(&self, user: &str) -> RawClient {
        let mut raw = RawClient::connect(self.address).await;
        raw.upgrade(&token(&claims(user))).await;
        raw.expect_welcome().await;
        raw
    }

    /// A raw client with a small receive buffer that has received the welcome.
    pub(crate) async fn connect_narrow(&self, user: &str) -> RawClient {
        let mut raw = RawClient::connect_narrow(self.address).await;
        raw.upgrade(&token(&claims(user))).await;
        raw.expect_welcome().await;
        raw
    }

    /// A raw client of the listener for metrics and health that has sent nothing.
    pub(crate) async fn dial_admin(&self) -> RawClient {
        RawClient::connect(self.admin.unwrap_or(self.address)).await
    }

    /// A raw client that has sent nothing.
    pub(crate) async fn dial(&self) -> RawClient {
        RawClient::connect(self.address).await
    }

    /// Shuts the server down.
    pub(crate) async fn shutdown(mut self) {
        let shutdown = self.server.take().expect("running").shutdown();
        tokio::time::timeout(TEST_TIMEOUT, shutdown).await.expect("in time");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.server.take());
        if !thread::panicking() {
            assert_eq!(WORKER_PANICS.load(Ordering::SeqCst), 0, "a worker panicked");
        }
    }
}

/// The secret of all servers here.
pub(crate) const SECRET: &[u8] = b"a secret that only these tests know";

fn secret() -> Secret {
    Secret::new(SECRET).expect("long enough")
}

/// Claims of a user, valid for an hour.
pub(crate) fn claims(user: &str) -> Claims {
    Claims {
        sub: UserId::new(user).expect("a user id"),
        exp: now_seconds() + 3_600,
        role: Role::User,
        rooms: None,
        read_only: Vec::new(),
        moderate: Vec::new(),
        iss: None,
        aud: None,
    }
}

/// A token with these claims.
pub(crate) fn token(claims: &Claims) -> String {
    mint(&secret(), claims)
}

/// The current time, in seconds since the Unix epoch.
pub(crate) fn now_seconds() -> u64 {
    Clock::system().now().millis() / 1_000
}

/// Claims of an admin.
pub(crate) fn admin(user: &str) -> Claims {
    Claims { role: Role::Admin, ..claims(user) }
}

/// A list of globs.
pub(crate) fn globs(rooms: &[&str]) -> Vec<String> {
    rooms.iter().map(|&room| room.to_owned()).collect()
}
