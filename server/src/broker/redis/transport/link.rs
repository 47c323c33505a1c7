//! Links: connections to Redis for commands, which are replaced when they break.
//!
//! A connection breaks on an error of the socket, on an answer that is late, and on an answer of a Redis that cannot
//! serve for now (it is loading, is a replica, or lacks the scripts). The caller may repeat commands, so every command
//! that is sent here may be executed twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, Pipeline, RedisResult, Value};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{reply, scripts};
use crate::broker::Unavailable;
use crate::metrics::Metrics;
use crate::redis_endpoint::fault::{error_text, refusal_text};
use crate::redis_endpoint::recheck;

/// Time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time limit for one answer. Redis with AOF `always` waits for its disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Shortest wait after which a connection without an answer counts as dead, not slow.
const DEAD_AFTER: Duration = Duration::from_secs(1);
/// Time limit for all attempts together.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// Interval at which refusals with one code are logged.
const LOG_INTERVAL: Duration = Duration::from_mins(1);
/// The error code of a Redis that lacks the scripts.
const NOSCRIPT: &str = "NOSCRIPT";
/// Error codes after which the same command may succeed on another connection, or later.
const TRANSIENT: [&str; 7] =
    ["LOADING", "MASTERDOWN", "READONLY", NOSCRIPT, "BUSY", "CLUSTERDOWN", "TRYAGAIN"];

/// Error codes that may concern other commands too: the rights of the user, or the slots of a cluster, have changed.
const SUSPICIOUS: [&str; 5] = ["NOPERM", "MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN"];

/// The connection is broken, for this reason.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

impl Broken {
    fn late() -> Self {
        Self("no answer in time".to_owned())
    }
}

impl From<Broken> for Unavailable {
    fn from(_: Broken) -> Self {
        Self
    }
}

/// Times at which refusals were logged, by their codes, on all connections.
#[derive(Default)]
struct Refusals(Mutex<HashMap<String, Instant>>);

impl Refusals {
    /// True if a refusal is to be logged now.
    fn is_due(&self, code: &str) -> bool {
        let now = Instant::now();
        let mut logged = self.0.lock();
        logged.retain(|_, logged| now.saturating_duration_since(*logged) < LOG_INTERVAL);
        match logged.entry(code.to_owned()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(now);
                true
            }
        }
    }
}

/// Opens connections to one Redis.
#[derive(Clone)]
pub(crate) struct Connector {
    client: Client,
    /// The runtime that drives the connections.
    pub(crate) runtime: Handle,
    pub(crate) metrics: Arc<Metrics>,
    refusals: Arc<Refusals>,
    /// True after an answer that makes it doubtful that Redis accepts all commands.
    suspicious: Arc<AtomicBool>,
}

impl Connector {
    pub(crate) fn new(client: Client, runtime: Handle, metrics: Arc<Metrics>) -> Self {
        Self { client, runtime, metrics, refusals: Arc::default(), suspicious: Arc::default() }
    }

    /// True once after answers that make it doubtful that Redis accepts all commands.
    pub(crate) fn take_suspicion(&self) -> bool {
        self.suspicious.swap(false, Ordering::Relaxed)
    }

    /// Makes the next call of [`Connector::take_suspicion`] return true.
    pub(crate) fn suspect(&self) {
        self.suspicious.store(true, Ordering::Relaxed);
    }

    /// True if a refusal with this code is to be logged now.
    pub(crate) fn is_log_due(&self, code: &str) -> bool {
        self.refusals.is_due(code)
    }

    /// Tries everything that the engine needs; see [`recheck`].
    pub(crate) async fn recheck(&self, prefix: &str, relay_channel: Option<&str>) -> Result<(), String> {
        recheck(&self.client, prefix, relay_channel).await
    }

    /// A link with this name. It connects with its first command.
    pub(crate) fn link(&self, name: &str) -> Link {
        Link {
            connector: self.clone(),
            name: format!("realtime-{name}"),
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Opens a connection and loads the scripts.
    pub(crate) async fn open(
        &self,
        name: &str,
        config: AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let config = config.set_response_timeout(None).set_connection_timeout(None);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut naming = Pipeline::new();
        naming.cmd("CLIENT").arg("SETNAME").arg(name);
        connection.send_packed_commands(&naming, 0, 1).await?;
        let loading = scripts::load();
        for answer in connection.send_packed_commands(&loading, 0, loading.len()).await? {
            answer.extract_error()?;
        }
        Ok(connection)
    }
}

/// A connection for commands.
pub(crate) struct Link {
    connector: Connector,
    /// The name in `CLIENT LIST`.
    name: String,
    state: Mutex<LinkState>,
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct LinkState {
    connection: Option<MultiplexedConnection>,
    /// Number of connections so far.
    generation: u64,
    /// Time and reason of the last failure to connect.
    failed: Option<(Instant, String)>,
}

impl Link {
    /// Sends commands until they are answered, for [`REQUEST_TIMEOUT`]. None of the answers is an error.
    pub(crate) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Unavailable> {
        // Redis would refuse the same command again at once.
        let answers = self.ask_each(commands).await?;
        if answers.iter().any(reply::is_refusal) { Err(Unavailable) } else { Ok(answers) }
    }

    /// Sends commands until they are answered, for [`REQUEST_TIMEOUT`]. An answer may be an error.
    pub(crate) async fn ask_each(&self, commands: &Pipeline) -> Result<Vec<Value>, Unavailable> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            if let Ok(answers) = self.attempt_until(deadline, commands).await {
                return Ok(answers);
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(Unavailable);
            }
            sleep(PAUSE).await;
        }
    }

    /// Sends commands once. Each has an answer, which may be an error.
    pub(crate) async fn attempt(&self, commands: &Pipeline) -> Result<Vec<Value>, Broken> {
        self.attempt_until(Instant::now() + CONNECT_TIMEOUT + ANSWER_TIMEOUT, commands).await
    }

    /// Sends commands once, and waits until `deadline` for their answers.
    ///
    /// A caller with a timeout of its own would stop waiting and leave a dead connection in place.
    pub(crate) async fn attempt_until(
        &self,
        deadline: Instant,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Broken> {
        let (mut connection, generation) =
            timeout_at(deadline, self.connection()).await.map_err(|_| Broken::late())??;
        let (skipped, kept) =
            if commands.is_transaction() { (commands.len() + 1, 1) } else { (0, commands.len()) };
        let sent = Instant::now();
        let answers = connection.send_packed_commands(commands, skipped, kept);
        let answers = timeout_at(deadline.min(sent + ANSWER_TIMEOUT), answers).await;
        let fault = match answers {
            Ok(Ok(answers)) => {
                self.log_refusal(&answers);
                match answers.iter().find_map(transient_refusal) {
                    None => return Ok(answers),
                    Some(fault) => fault,
                }
            }
            Ok(Err(error)) => error_text(&error),
            Err(_) if sent.elapsed() < DEAD_AFTER => return Err(Broken::late()),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::debug!(connection = %self.name, %fault, "a connection to Redis broke");
        self.drop_connection(generation);
        Err(Broken(fault))
    }

    /// Logs that Redis refuses commands, at most once in [`LOG_INTERVAL`] for each code, since every message may be
    /// refused. Missing scripts are no refusal: the next connection loads them.
    fn log_refusal(&self, answers: &[Value]) {
        let refusal = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) if error.code() != NOSCRIPT => Some(error),
            _ => None,
        });
        let Some(error) = refusal else { return };
        // Redis 7.0 has no code for the rights of a script.
        let is_of_script =
            error.details().is_some_and(|details| details.contains("user executing the script"));
        if is_of_script || SUSPICIOUS.contains(&error.code()) {
            self.connector.suspect();
        }
        if self.connector.is_log_due(error.code()) {
            tracing::error!(connection = %self.name, error = %refusal_text(error), "Redis refuses a command");
        }
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), Broken> {
        let asked = Instant::now();
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let _turn = self.connecting.lock().await;
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        if let Some((failed, fault)) = &self.state.lock().failed
            && *failed >= asked
        {
            // Another caller has just tried.
            return Err(Broken(fault.clone()));
        }
        let (connector, name) = (self.connector.clone(), self.name.clone());
        let opening = async move { connector.open(&name, AsyncConnectionConfig::new()).await };
        // The runtime outlives the caller, and with it the connection.
        let opened = self.connector.runtime.spawn(timeout(CONNECT_TIMEOUT, opening)).await;
        let mut state = self.state.lock();
        match opened {
            Ok(Ok(Ok(connection))) => {
                if state.generation > 0 {
                    self.connector.metrics.redis_reconnects.inc();
                }
                state.generation += 1;
                state.connection = Some(connection.clone());
                Ok((connection, state.generation))
            }
            other => {
                let fault = match other {
                    Ok(Ok(Err(error))) => error_text(&error),
                    _ => "no connection in time".to_owned(),
                };
                tracing::debug!(connection = %self.name, %fault, "cannot connect to Redis");
                state.failed = Some((Instant::now(), fault.clone()));
                Err(Broken(fault))
            }
        }
    }

    fn current(&self) -> Option<(MultiplexedConnection, u64)> {
        let state = self.state.lock();
        Some((state.connection.clone()?, state.generation))
    }

    fn drop_connection(&self, generation: u64) {
        let mut state = self.state.lock();
        if state.generation == generation {
            state.connection = None;
        }
    }
}

/// The text of an answer whose code is in [`TRANSIENT`].
fn transient_refusal(answer: &Value) -> Option<String> {
    let Value::ServerError(error) = answer else { return None };
    TRANSIENT.contains(&error.code()).then(|| refusal_text(error))
}
