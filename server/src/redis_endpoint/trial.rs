//! Trial of a Redis: each command and each kind of channel that the engine needs, once.
//!
//! The keys are below the prefix and expire. All commands with keys are in one transaction, which Redis refuses as a
//! whole if it refuses one of them: then it answers each command, and none is executed.
//!
//! A test compares the commands with those of the README's rule for a user, and the rule with the sources.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, RedisResult, Script, ServerError, Value, cmd,
};

use super::fault::refusal_text;

/// Lifetime of the keys, in seconds.
const KEY_SECONDS: u32 = 60;
/// A script without effects. Like those of the engine it uses several keys of one slot, and one of another slot.
const SCRIPT: &str = "return redis.call('EXISTS', KEYS[1], KEYS[2]) + redis.call('EXISTS', ARGV[1])";
/// The command that calls a script.
const EVALSHA: &str = "EVALSHA";
/// Error codes of the state of a Redis that may pass: its memory or its disk is full, or it is busy.
const PASSING: [&str; 8] =
    ["OOM", "MISCONF", "NOREPLICAS", "BUSY", "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN"];

/// The result of a trial.
#[derive(Debug, Default)]
pub(super) struct Trial {
    /// Refused commands and channels, by the kind of the refusal.
    missing: BTreeMap<String, Vec<String>>,
    /// The refusal of a Redis that may accept the same command later.
    pub(super) passing: Option<String>,
    /// True if Redis refuses `SCAN`, with which a lost list of rooms is restored.
    pub(super) lacks_scan: bool,
}

/// A connection of its own, since subscriptions belong to a connection.
pub(super) async fn connect(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_push_sender(|_: PushInfo| Ok::<(), Infallible>(()));
    client.get_multiplexed_async_connection_with_config(&config).await
}

impl Trial {
    pub(super) async fn run(
        connection: &mut MultiplexedConnection,
        prefix: &str,
        relay_channel: Option<&str>,
    ) -> RedisResult<Self> {
        let mut trial = Self::default();
        let pattern = format!("{prefix}:*");
        let keys = pattern.as_str();
        let channel = format!("{prefix}:{{%trial}}");
        let mut named = vec![
            ("SCRIPT LOAD", keys, cmd("SCRIPT").arg("LOAD").arg(SCRIPT).take()),
            ("SSUBSCRIBE", keys, cmd("SSUBSCRIBE").arg(&channel).take()),
            ("SUNSUBSCRIBE", keys, cmd("SUNSUBSCRIBE").arg(&channel).take()),
        ];
        if let Some(relay) = relay_channel {
            named.push(("SUBSCRIBE", relay, cmd("SUBSCRIBE").arg(relay).take()));
        }
        named.push(("SCAN", keys, cmd("SCAN").arg(0).arg("COUNT").arg(1).take()));
        // Other keys than those of the transaction: a cluster keeps them in other slots.
        for key in [format!("{prefix}:{{%live}}:trial"), format!("{prefix}:{{%rooms}}:trial")] {
            named.push(("UNLINK", keys, cmd("UNLINK").arg(key).take()));
        }
        named.push(("MULTI", keys, cmd("MULTI")));
        let transaction = transaction(&channel, &format!("{prefix}:{{%rooms}}:trial"));
        let queued: Vec<_> = transaction.iter().map(|(name, _)| *name).collect();
        named.extend(transaction.into_iter().map(|(name, command)| (name, keys, command)));
        named.push(("EXEC", keys, cmd("EXEC")));
        let mut pipeline = Pipeline::with_capacity(named.len());
        for (.., command) in &named {
            pipeline.add_command(command.clone());
        }
        let answers = connection.send_packed_commands(&pipeline, 0, named.len()).await?;
        for ((name, names, _), answer) in named.into_iter().zip(answers) {
            match answer {
                Value::ServerError(error) => trial.note(name, names, &error),
                // The other errors of an executed transaction are about its keys.
                Value::Array(executed) => {
                    for (name, answer) in queued.iter().zip(executed) {
                        if let Value::ServerError(error) = answer
                            && (*name == EVALSHA || PASSING.contains(&error.code()))
                        {
                            trial.note(name, names, &error);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(trial)
    }

    /// The refused commands, keys and channels; `None` if there are none.
    pub(super) fn missing(&self) -> Option<String> {
        let groups = self.missing.iter().map(|(kind, names)| format!("{} ({kind})", names.join(", ")));
        Some(groups.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
    }

    /// Takes the refusal of a command. `names` is the pattern of its keys or channels.
    fn note(&mut self, command: &str, names: &str, error: &ServerError) {
        let (mut code, mut details) = (error.code(), error.details().unwrap_or_default());
        if command == "EXEC" {
            // Without a refusal of `EXEC` itself, the answer is the consequence of another one.
            let cause = details.strip_prefix("Transaction discarded because of: ");
            let Some(cause) = cause.and_then(|cause| cause.split_once(' ')) else { return };
            (code, details) = cause;
        }
        let (kind, missing) = match code {
            code if PASSING.contains(&code) => {
                self.passing.get_or_insert_with(|| refusal_text(error));
                return;
            }
            _ if command == "SCAN" => {
                self.lacks_scan = true;
                return;
            }
            "NOPERM" if details.contains(" channel") => ("NOPERM".to_owned(), format!("the channel {names}")),
            "NOPERM" if details.contains(" key") => ("NOPERM".to_owned(), format!("the keys {names}")),
            "NOPERM" => ("NOPERM".to_owned(), command.to_owned()),
            _ if details.starts_with("unknown ") => ("unknown command".to_owned(), command.to_owned()),
            _ => (refusal_text(error), command.to_owned()),
        };
        let group = self.missing.entry(kind).or_default();
        if !group.contains(&missing) {
            group.push(missing);
        }
    }
}

/// The commands of the transaction, with their names. The last one also uses a key of another slot.
fn transaction(channel: &str, key_elsewhere: &str) -> Vec<(&'static str, Cmd)> {
    let key = |name: &str| format!("{channel}:{name}");
    let [text, hash, set, sorted, log] = ["text", "hash", "set", "sorted", "log"].map(key);
    let mut commands = Vec::new();
    let mut add = |name: &'static str, key: &str, arguments: &[&str]| {
        commands.push((name, cmd(name).arg(key).arg(arguments).take()));
    };
    let seconds = KEY_SECONDS.to_string();
    for key in [&text, &hash, &set, &sorted, &log] {
        add("UNLINK", key, &[]);
    }
    add("SET", &text, &["1", "EX", &seconds]);
    add("GET", &text, &[]);
    add("EXISTS", &text, &[]);
    for (name, arguments) in [
        ("HSET", &["a", "1"][..]),
        ("EXPIRE", &[&seconds]),
        ("HSETNX", &["a", "1"]),
        ("HINCRBY", &["a", "1"]),
        ("HGET", &["a"]),
        ("HMGET", &["a"]),
        ("HEXISTS", &["a"]),
        ("HKEYS", &[]),
        ("HGETALL", &[]),
        ("HDEL", &["b"]),
    ] {
        add(name, &hash, arguments);
    }
    for (name, arguments) in [
        ("SADD", &["a"][..]),
        ("EXPIRE", &[&seconds]),
        ("SCARD", &[]),
        ("SMEMBERS", &[]),
        ("SSCAN", &["0"]),
        ("SREM", &["b"]),
    ] {
        add(name, &set, arguments);
    }
    for (name, arguments) in [
        ("ZINCRBY", &["1", "a"][..]),
        ("EXPIRE", &[&seconds]),
        ("ZADD", &["1", "c"]),
        ("ZCARD", &[]),
        ("ZCOUNT", &["-inf", "+inf"]),
        ("ZSCORE", &["a"]),
        ("ZRANGE", &["0", "0"]),
        ("ZREM", &["b"]),
        ("ZREMRANGEBYSCORE", &["-inf", "0"]),
    ] {
        add(name, &sorted, arguments);
    }
    for (name, arguments) in [
        ("XADD", &["1-0", "i", "1"][..]),
        ("EXPIRE", &[&seconds]),
        ("XRANGE", &["-", "+", "COUNT", "1"]),
        ("XREVRANGE", &["+", "-", "COUNT", "1"]),
        ("XDEL", &["0-1"]),
        ("XTRIM", &["MINID", "1-0"]),
        ("XSETID", &["1-0"]),
    ] {
        add(name, &log, arguments);
    }
    commands.push(("XINFO STREAM", cmd("XINFO").arg("STREAM").arg(&log).take()));
    commands.push(("TIME", cmd("TIME")));
    commands.push(("SPUBLISH", cmd("SPUBLISH").arg(channel).arg("").take()));
    let mut call = cmd(EVALSHA);
    call.arg(Script::new(SCRIPT).get_hash()).arg(2).arg(&hash).arg(&set).arg(key_elsewhere);
    commands.push((EVALSHA, call));
    commands
}
