//! A connection to Redis for commands, which is made again when it broke.
//!
//! What breaks it: an error of the socket, an answer that does not come in time, and the answers of a Redis that is not
//! itself for now (loading, a replica, without our scripts). Whoever asked may ask again: all that is sent here may come
//! twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, RedisResult, Value};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::broker::Unavailable;
use crate::broker::redis::transport::{reply, scripts};
use crate::metrics::Metrics;

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(2);
/// How long one answer may take. Redis with AOF `always` waits for its disk.
const ANSWER: Duration = Duration::from_secs(3);
/// Whoever has less time than that left for an answer cannot tell a connection that is dead from one that is slow.
const FAIR: Duration = Duration::from_secs(1);
/// For how long something is tried again, all in all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is said that Redis refuses commands with one code.
const TELL_AGAIN: Duration = Duration::from_mins(1);
/// What it says when it has not our scripts.
const FORGOTTEN: &str = "NOSCRIPT";
/// What Redis says when the same command may succeed on another connection, or later.
const PASSING: [&str; 7] =
    ["LOADING", "MASTERDOWN", "READONLY", FORGOTTEN, "BUSY", "CLUSTERDOWN", "TRYAGAIN"];

/// The connection broke, or does so now.
#[derive(Debug)]
pub(crate) struct Broken;

impl From<Broken> for Unavailable {
    fn from(_: Broken) -> Self {
        Self
    }
}

/// What Redis refused on any connection: when that was last said, by its code.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<String, Instant>>);

impl Refusals {
    /// Whether a refusal is to be said now.
    fn is_new(&self, code: &str) -> bool {
        let now = Instant::now();
        let mut told = self.0.lock();
        told.retain(|_, told| now.saturating_duration_since(*told) < TELL_AGAIN);
        match told.entry(code.to_owned()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(untold) => {
                untold.insert(now);
                true
            }
        }
    }
}

/// A connection that heals.
pub(crate) struct Link {
    client: Client,
    /// As Redis shows it in `CLIENT LIST`.
    name: String,
    /// Where connections are driven.
    runtime: Handle,
    metrics: Arc<Metrics>,
    refusals: Arc<Refusals>,
    state: Mutex<State>,
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Rises with each connection.
    generation: u64,
    /// When the last attempt to connect failed.
    failed: Option<Instant>,
}

impl Link {
    pub(crate) fn new(
        client: Client,
        name: &str,
        runtime: Handle,
        metrics: Arc<Metrics>,
        refusals: Arc<Refusals>,
    ) -> Self {
        Self {
            client,
            name: format!("realtime-{name}"),
            runtime,
            metrics,
            refusals,
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Sends commands until they are answered, for a few seconds. None of the answers is an error.
    pub(crate) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Unavailable> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(answers) = self.attempt_until(deadline, commands).await {
                // What is refused now is refused again at once.
                return if answers.iter().any(reply::is_refusal) { Err(Unavailable) } else { Ok(answers) };
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(Unavailable);
            }
            sleep(PAUSE).await;
        }
    }

    /// Sends commands once; an answer for each, which may be an error of that command alone.
    pub(crate) async fn attempt(&self, commands: &Pipeline) -> Result<Vec<Value>, Broken> {
        self.attempt_until(Instant::now() + CONNECT + ANSWER, commands).await
    }

    /// The same, for so long: a caller with a clock of its own that only stopped to wait would leave a connection in
    /// place that answers nobody.
    pub(crate) async fn attempt_until(
        &self,
        deadline: Instant,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Broken> {
        let (mut connection, generation) =
            timeout_at(deadline, self.connection()).await.map_err(|_| Broken)??;
        let (skipped, kept) =
            if commands.is_transaction() { (commands.len() + 1, 1) } else { (0, commands.len()) };
        let sent = Instant::now();
        let answers = connection.send_packed_commands(commands, skipped, kept);
        let answers = timeout_at(deadline.min(sent + ANSWER), answers).await;
        let fault = match answers {
            Ok(Ok(answers)) => {
                self.report_refusals(&answers);
                match answers.iter().find_map(passing) {
                    None => return Ok(answers),
                    Some(fault) => fault,
                }
            }
            Ok(Err(error)) => describe(&error),
            Err(_) if sent.elapsed() < FAIR => return Err(Broken),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::debug!(connection = %self.name, %fault, "a connection to Redis broke");
        self.drop_connection(generation);
        Err(Broken)
    }

    /// Says that Redis refuses commands, once in a while: every message may be refused. That it has forgotten our
    /// scripts is none: the next connection brings them.
    fn report_refusals(&self, answers: &[Value]) {
        let refusal = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) if error.code() != FORGOTTEN => Some(error),
            _ => None,
        });
        if let Some(error) = refusal
            && self.refusals.is_new(error.code())
        {
            tracing::error!(connection = %self.name, %error, "Redis refuses what it is asked");
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
        if self.state.lock().failed.is_some_and(|failed| failed >= asked) {
            // Somebody else has just tried.
            return Err(Broken);
        }
        let opening = open(self.client.clone(), self.name.clone(), AsyncConnectionConfig::new());
        // Driven by the runtime that outlives whoever asks.
        let opened = self.runtime.spawn(timeout(CONNECT, opening)).await;
        let mut state = self.state.lock();
        match opened {
            Ok(Ok(Ok(connection))) => {
                if state.generation > 0 {
                    self.metrics.redis_reconnects.inc();
                }
                state.generation += 1;
                state.connection = Some(connection.clone());
                Ok((connection, state.generation))
            }
            other => {
                let fault = match other {
                    Ok(Ok(Err(error))) => describe(&error),
                    _ => "no connection in time".to_owned(),
                };
                tracing::debug!(connection = %self.name, %fault, "cannot connect to Redis");
                state.failed = Some(Instant::now());
                Err(Broken)
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

/// Opens a connection that is ready for our scripts.
pub(crate) async fn open(
    client: Client,
    name: String,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let config = config.set_response_timeout(None).set_connection_timeout(None);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut greeting = Pipeline::new();
    greeting.cmd("CLIENT").arg("SETNAME").arg(name);
    connection.send_packed_commands(&greeting, 0, 1).await?;
    let loading = scripts::load();
    for answer in connection.send_packed_commands(&loading, 0, loading.len()).await? {
        answer.extract_error()?;
    }
    Ok(connection)
}

/// What Redis says when it is not itself for now.
fn passing(answer: &Value) -> Option<String> {
    let Value::ServerError(error) = answer else { return None };
    PASSING.contains(&error.code()).then(|| error.code().to_owned())
}

/// An error without what was sent: there may be a password in it.
fn describe(error: &RedisError) -> String {
    error.code().map_or_else(|| error.to_string(), str::to_owned)
}
