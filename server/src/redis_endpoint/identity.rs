//! The kind of a server that speaks the protocol of Redis: its version, its role, and its mode.
//!
//! `HELLO` answers every user. `INFO` has more, but a user may lack the right to it.

use std::collections::HashMap;

use ::redis::aio::MultiplexedConnection;
use ::redis::{ErrorKind, RedisResult, Value, cmd};

use super::error::RedisOpenError;

/// The oldest supported major version: the first one with sharded channels.
const OLDEST: u32 = 7;

/// The answers to `HELLO` and `INFO`.
pub(super) struct Identity {
    hello: HashMap<String, String>,
    /// `None` if Redis refuses `INFO`.
    info: Option<HashMap<String, String>>,
}

impl Identity {
    pub(super) async fn read(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        let hello: HashMap<String, Value> = cmd("HELLO").query_async(connection).await?;
        let text = |value| ::redis::from_redis_value::<String>(value).ok();
        let hello = hello.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect();
        let info = match cmd("INFO").arg("everything").query_async::<String>(connection).await {
            Ok(info) => Some(info),
            Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => None,
            Err(error) => return Err(error),
        };
        let fields = |info: String| {
            let lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
            lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        Ok(Self { hello, info: info.map(fields) })
    }

    /// A field of `INFO`.
    pub(super) fn info(&self, name: &str) -> Option<&str> {
        self.info.as_ref()?.get(name).map(String::as_str)
    }

    /// True if Redis answers `INFO`.
    pub(super) fn has_info(&self) -> bool {
        self.info.is_some()
    }

    /// True for a node of a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        self.mode() == Some("cluster")
    }

    /// The reason why a server of this kind cannot be used, if there is one.
    pub(super) fn refusal(&self, address: String) -> Option<RedisOpenError> {
        if self.mode() == Some("sentinel") {
            return Some(RedisOpenError::Sentinel(address));
        }
        let version = self.info("redis_version").or_else(|| self.hello("version")).unwrap_or_default();
        let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
        match major {
            None => {
                let cause = "no version in its HELLO and INFO".to_owned();
                return Some(RedisOpenError::NotRedis(address, "the protocol of Redis", cause));
            }
            Some(major) if major < OLDEST => {
                return Some(RedisOpenError::TooOld(address, version.to_owned()));
            }
            Some(_) => {}
        }
        if matches!(self.info("role").or_else(|| self.hello("role")), Some("slave" | "replica")) {
            return Some(RedisOpenError::Replica(address));
        }
        (self.info("loading") == Some("1")).then_some(RedisOpenError::Loading(address))
    }

    fn mode(&self) -> Option<&str> {
        self.info("redis_mode").or_else(|| self.hello("mode"))
    }

    fn hello(&self, name: &str) -> Option<&str> {
        self.hello.get(name).map(String::as_str)
    }
}
