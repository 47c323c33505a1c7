//! Targets of the load: a running server, or instances and their Redis that are started for each scene.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use crate::dialect::Dialect;
use crate::process::{cpu_time, resident_kib};
use crate::program::{HTTP, Program};
use crate::redis::{self, Aof};
use crate::server_command::{self, Storage};

/// The placeholder for the URL of a Redis in a command.
const REDIS: &str = "{redis}";

/// A server to put under load.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Running {
        address: SocketAddr,
        path: String,
        pid: Option<u32>,
    },
    /// A program and its arguments. Each start replaces `{port}`, `{data}` and `{redis}`.
    Started {
        command: Vec<String>,
        dialect: Dialect,
    },
}

/// Settings for starting servers.
pub(crate) struct Setup<'a> {
    /// Instances of a server on one Redis.
    pub(crate) instances: usize,
    pub(crate) redis: Option<Aof>,
    /// The cores of servers.
    pub(crate) server_cores: Option<&'a str>,
    pub(crate) redis_cores: Option<&'a str>,
    /// The secret that verifies tokens.
    pub(crate) secret: &'a str,
}

/// The instances of a server. Those that were started end on drop.
pub(crate) struct Servers {
    pub(crate) dialect: Dialect,
    /// Path and query of the upgrade, without the token.
    pub(crate) path: String,
    addresses: Vec<SocketAddr>,
    pids: Vec<u32>,
    // Fields drop in this order: instances end before their Redis.
    instances: Vec<Program>,
    redis: Option<Program>,
}

impl Target {
    /// This repository's server, with its rooms in Redis or in memory.
    pub(crate) fn ours(server: &str, redis: Option<Aof>, further_arguments: &[String]) -> Self {
        let storage = redis.map_or(Storage::Memory, |aof| Storage::Redis { url: REDIS, aof });
        Self::own_server("realtime", server, storage, further_arguments)
    }

    /// This repository's server, with its rooms in a file.
    pub(crate) fn durable(server: &str, further_arguments: &[String]) -> Self {
        Self::own_server("durable", server, Storage::File, further_arguments)
    }

    fn own_server(name: &str, server: &str, storage: Storage<'_>, further_arguments: &[String]) -> Self {
        let command = server_command::command(server, storage, further_arguments);
        Self { name: name.to_owned(), kind: Kind::Started { command, dialect: Dialect::Base } }
    }

    pub(crate) fn running(name: &str, url: &str, pid: Option<u32>) -> Result<Self, String> {
        let rest = url.strip_prefix("ws://").ok_or_else(|| format!("{url}: not a ws:// URL"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address = authority
            .to_socket_addrs()
            .map_err(|error| format!("{url}: {error}"))?
            .next()
            .ok_or_else(|| format!("{url}: no address"))?;
        let kind = Kind::Running { address, path: format!("/{path}"), pid };
        Ok(Self { name: name.to_owned(), kind })
    }

    /// Starts the servers of the target, if it is not a running one.
    pub(crate) fn open(&self, setup: &Setup<'_>) -> Result<Servers, String> {
        match &self.kind {
            Kind::Running { address, path, pid } => Ok(Servers {
                dialect: Dialect::Base,
                path: path.clone(),
                addresses: vec![*address],
                pids: pid.iter().copied().collect(),
                instances: Vec::new(),
                redis: None,
            }),
            Kind::Started { command, dialect } => Servers::start(command, *dialect, setup),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "NAME=ws://…, NAME=cmd:… or NAME=socket.io:… expected";
        let (name, server) = text.split_once('=').ok_or(expected)?;
        for (scheme, dialect) in [("cmd:", Dialect::Base), ("socket.io:", Dialect::SocketIo)] {
            if let Some(command) = server.strip_prefix(scheme) {
                let command = ["sh", "-c", &format!("exec {command}")].map(str::to_owned).to_vec();
                return Ok(Self { name: name.to_owned(), kind: Kind::Started { command, dialect } });
            }
        }
        let (url, pid) = match server.split_once(",pid=") {
            Some((url, pid)) => (url, Some(pid.parse().map_err(|_| format!("{pid}: not a process id"))?)),
            None => (server, None),
        };
        Self::running(name, url, pid)
    }
}

impl Servers {
    fn start(command: &[String], dialect: Dialect, setup: &Setup<'_>) -> Result<Self, String> {
        let redis = setup.redis.map(|aof| redis::start(aof, setup.redis_cores)).transpose()?;
        let url = redis.as_ref().map(redis::url).unwrap_or_default();
        let command: Vec<String> = command.iter().map(|word| word.replace(REDIS, &url)).collect();
        let environment = [("REALTIME_JWT_SECRET", setup.secret)];
        let instances = (0..setup.instances)
            .map(|_| Program::run(&command, setup.server_cores, &environment, HTTP))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            dialect,
            path: dialect.path().to_owned(),
            addresses: instances.iter().map(|instance| instance.address).collect(),
            pids: instances.iter().map(Program::pid).collect(),
            instances,
            redis,
        })
    }

    /// The instance of a connection. Rooms begin with different instances, so that each has its share of senders.
    pub(crate) fn address(&self, room: usize, index: usize) -> SocketAddr {
        self.addresses[(room + index) % self.addresses.len()]
    }

    pub(crate) fn instances(&self) -> usize {
        self.addresses.len()
    }

    /// CPU time of all instances together; `None` if a process is unknown.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        self.all(cpu_time).map(|times| times.iter().sum())
    }

    /// Resident memory of all instances together.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        self.all(resident_kib).map(|sizes| sizes.iter().sum())
    }

    pub(crate) fn redis_cpu_time(&self) -> Option<Duration> {
        cpu_time(self.redis.as_ref()?.pid())
    }

    /// The last lines of the output of started servers.
    pub(crate) fn log_tail(&self) -> Option<String> {
        let logs: Vec<_> = self.instances.iter().map(Program::log_tail).collect();
        Some(logs.concat()).filter(|text| !text.is_empty())
    }

    fn all<T>(&self, figure: impl Fn(u32) -> Option<T>) -> Option<Vec<T>> {
        if self.pids.is_empty() {
            return None;
        }
        self.pids.iter().copied().map(figure).collect()
    }
}
