//! A server in this process, and tokens that it takes.

use std::net::{SocketAddr, TcpListener};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use realtime_server::Server;
use realtime_server::auth::token::mint;
use realtime_server::clock::Clock;
use realtime_server::config::Config;
use realtime_server::redis_endpoint::Options;
use realtime_server::secret::Secret;
use realtime_server::store::Store;
use realtime_shared::{Claims, Role, UserId};
use tempfile::TempDir;

use super::redis::Redis;
use super::{Client, PATIENCE, Raw};

/// Panics on the threads of servers: a task's panic does not end its worker, and would not be seen.
static WORKER_PANICS: AtomicUsize = AtomicUsize::new(0);

/// A running server. When it is dropped, none of its workers may have panicked.
pub(crate) struct TestServer {
    server: Option<Server>,
    pub(crate) address: SocketAddr,
    /// None where they are not its own.
    _rooms: Option<Rooms>,
}

/// Where a server's rooms are, which goes with it.
enum Rooms {
    Store(#[expect(dead_code, reason = "dropped with the server")] TempDir),
    Redis(#[expect(dead_code, reason = "dropped with the server")] Box<Redis>),
}

/// A server with the defaults, rooms of its own, and two workers. The rooms are in a store, or in a Redis where the
/// environment has `REALTIME_TEST_ENGINE=redis`.
pub(crate) fn server() -> TestServer {
    server_with(|_| ())
}

/// A server with some settings changed.
pub(crate) fn server_with(change: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = defaults();
    change(&mut config);
    let listener = free_port();
    let (server, rooms) = if std::env::var_os("REALTIME_TEST_ENGINE").is_some_and(|engine| engine == "redis")
    {
        let redis = Redis::start();
        let server = on_redis(config, &redis, listener);
        (server, Rooms::Redis(Box::new(redis)))
    } else {
        let data = TempDir::new().expect("a directory");
        let store = Store::open(data.path()).expect("a store");
        let server = Server::start_with_store(config, store, vec![listener]).expect("a server");
        (server, Rooms::Store(data))
    };
    TestServer::of(server, Some(rooms))
}

/// One of the servers on that Redis, on which a client may say as much as it likes.
pub(crate) fn instance(redis: &Redis) -> TestServer {
    let mut config = defaults();
    config.limits.max_messages_per_second = 0;
    TestServer::of(on_redis(config, redis, free_port()), None)
}

/// The defaults with two workers, whose panics are noticed.
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

/// A server with its rooms in that Redis.
fn on_redis(config: Config, redis: &Redis, listener: TcpListener) -> Server {
    let options = Options::new(&redis.url()).expect("a URL");
    // Whoever calls may be in a runtime already.
    let opened = thread::scope(|scope| {
        let opening = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(realtime_server::redis_endpoint::RedisEndpoint::open(options, Duration::ZERO))
        });
        opening.join().expect("it does not panic")
    });
    Server::start_with_redis(config, &opened.expect("a Redis"), vec![listener]).expect("a server")
}

impl TestServer {
    fn of(server: Server, rooms: Option<Rooms>) -> Self {
        Self { address: server.addresses()[0], server: Some(server), _rooms: rooms }
    }

    /// A client of `user`, welcomed.
    pub(crate) async fn connect(&self, user: &str) -> Client {
        self.connect_as(&claims(user)).await
    }

    /// A client with a token that says `claims`, welcomed.
    pub(crate) async fn connect_as(&self, claims: &Claims) -> Client {
        let mut client = Client::open(self.address, &token(claims)).await;
        client.welcomed().await;
        client
    }

    /// A client that was not welcomed yet, if it will be.
    pub(crate) async fn open(&self, token: &str) -> Client {
        Client::open(self.address, token).await
    }

    /// A client of `user` that speaks bytes, welcomed.
    pub(crate) async fn connect_raw(&self, user: &str) -> Raw {
        let mut raw = Raw::connect(self.address).await;
        raw.upgrade(&token(&claims(user))).await;
        raw.welcomed().await;
        raw
    }

    /// The same, with a kernel that keeps little of what is not read.
    pub(crate) async fn connect_narrow(&self, user: &str) -> Raw {
        let mut raw = Raw::connect_narrow(self.address).await;
        raw.upgrade(&token(&claims(user))).await;
        raw.welcomed().await;
        raw
    }

    /// A connection on which nothing was said yet.
    pub(crate) async fn dial(&self) -> Raw {
        Raw::connect(self.address).await
    }

    /// Lets everyone know that the server ends, and ends it.
    pub(crate) async fn shutdown(mut self) {
        let shutdown = self.server.take().expect("running").shutdown();
        tokio::time::timeout(PATIENCE, shutdown).await.expect("in time");
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

fn secret() -> Secret {
    Secret::new(b"a secret that only these tests know").expect("long enough")
}

/// A user's claims, good for an hour.
pub(crate) fn claims(user: &str) -> Claims {
    Claims {
        sub: UserId::new(user).expect("a user id"),
        exp: now_seconds() + 3_600,
        role: Role::User,
        rooms: None,
        read_only: Vec::new(),
        iss: None,
        aud: None,
    }
}

/// A token that says `claims`.
pub(crate) fn token(claims: &Claims) -> String {
    mint(&secret(), claims)
}

/// The time of day, in seconds since the Unix epoch.
pub(crate) fn now_seconds() -> u64 {
    Clock::system().now().millis() / 1_000
}

/// An admin's claims.
pub(crate) fn admin(user: &str) -> Claims {
    Claims { role: Role::Admin, ..claims(user) }
}

/// A list of globs.
pub(crate) fn globs(rooms: &[&str]) -> Vec<String> {
    rooms.iter().map(|&room| room.to_owned()).collect()
}
